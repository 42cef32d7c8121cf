"""For machines: is the process up, can it work, how does it do (issue 2.1, DESIGN §8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.factories import make_account, make_integration
from tests.views.acting import chat, make_communication, send
from webapp.models import CabinetPause, Delivery, EventState, WebhookEvent, WorkerBeat, utc_now
from webapp.views import health


def beat(session: Any, **ago: float) -> None:
    """A worker that was last heard so long ago."""
    session.add(WorkerBeat(worker="worker-1", beat_at=utc_now() - timedelta(**ago)))
    session.commit()


def checks(client: Any, status: int) -> dict[str, str]:
    answer = client.get("/readyz", status=status)
    assert answer.json["status"] == ("ok" if status == 200 else "not ready")
    return answer.json["checks"]


def figures(client: Any) -> dict[str, float]:
    """The figures without labels."""
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    lines = [line.split(" ") for line in answer.text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in lines if "{" not in name}


def test_the_process_is_up_whatever_the_rest_does(client, monkeypatch):
    monkeypatch.setattr(health, "_writable", lambda: 1 / 0)
    assert client.get("/healthz").json == {"status": "ok"}


def test_it_is_ready_when_the_database_takes_writes_is_at_head_and_a_worker_lives(session, client):
    beat(session, seconds=5)
    assert checks(client, 200) == {"database": "ok", "migrations": "ok", "worker": "ok"}


def test_it_is_not_ready_without_a_worker(client):
    assert checks(client, 503) == {
        "database": "ok",
        "migrations": "ok",
        "worker": "no worker has been heard of lately",
    }


def test_it_is_not_ready_when_every_worker_is_silent(session, client):
    beat(session, minutes=2)
    assert checks(client, 503)["worker"] == "no worker has been heard of lately"
    session.add(WorkerBeat(worker="worker-2", beat_at=utc_now()))
    session.commit()
    assert checks(client, 200)["worker"] == "ok"


@pytest.fixture
def other_revision(session):
    """A database that another release migrated."""
    head = session.scalar(text("SELECT version_num FROM alembic_version"))
    session.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    session.commit()
    yield "older"
    session.rollback()
    session.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})
    session.commit()


def test_it_is_not_ready_when_the_database_is_of_another_release(session, client, other_revision):
    beat(session)
    found = checks(client, 503)
    assert found["migrations"].startswith(f"at {other_revision}, code wants ")
    assert (found["database"], found["worker"]) == ("ok", "ok")


def test_a_database_that_refuses_is_named_by_its_kind_of_error_alone(session, client, monkeypatch):
    """The error's text may hold an address or a password."""

    def refuse() -> str:
        raise OperationalError("UPDATE", {}, Exception("postgresql://user:secret@host refused"))

    monkeypatch.setattr(health, "_writable", refuse)
    beat(session)
    found = checks(client, 503)
    assert found["database"] == "OperationalError"
    assert "secret" not in str(found)
    assert found["worker"] == "ok", "one failed check does not spoil the next"


def test_asking_writes_nothing(session, client):
    beat(session, seconds=5)
    before = session.scalars(text("SELECT beat_at FROM worker_beat")).all()
    session.rollback()
    checks(client, 200)
    assert session.scalars(text("SELECT beat_at FROM worker_beat")).all() == before


def test_figures_tell_of_events_jobs_and_the_worker(app, session, client):
    integration = make_integration(session, make_account(session))
    path = integration.hook_path()
    session.rollback()
    beat(session, seconds=30)
    send(app, path, chat(1))
    for number, state in enumerate((EventState.FAILED, EventState.FAILED, EventState.STORED)):
        session.add(
            WebhookEvent(
                account_id=integration.account_id,
                integration_id=integration.id,
                received_at=utc_now(),
                body=b"",
                digest=str(number),
                state=state,
            )
        )
    session.commit()
    session.rollback()
    found = figures(client)
    assert found["leadtrail_events_failed"] == 2
    assert found["leadtrail_events_stored"] == 1
    assert (found["leadtrail_jobs_waiting"], found["leadtrail_jobs_oldest_seconds"]) == (0, 0)
    assert 30 <= found["leadtrail_worker_silence_seconds"] < 90


def test_figures_tell_of_deliveries_and_paused_accounts(session, client):
    account, other = make_account(session), make_account(session, slug="other")
    states = {account: ["held", "failed", "failed", "delivered"], other: ["pending"]}
    for whose in (account, other):
        integration = make_integration(session, whose)
        for number, state in enumerate(states[whose]):
            communication = make_communication(session, integration, str(number))
            session.flush()
            own = {"account_id": whose.id, "communication_id": communication.id, "type": "chat"}
            session.add(Delivery(**own, state=state, ext_id=f"figures-{communication.id}", updated_at=utc_now()))
    for scope in ("chat", "offline_message"):
        at = {"since": utc_now(), "next_probe_at": utc_now()}
        session.add(CabinetPause(account_id=account.id, scope=scope, reason="component_disabled", **at))
    session.commit()
    session.rollback()
    beat(session, seconds=5)
    found = figures(client)
    assert [found[f"leadtrail_deliveries_{state}"] for state in ("pending", "held", "failed")] == [1, 1, 2]
    assert found["leadtrail_deliveries_paused_accounts"] == 1


def test_requests_and_webhooks_are_counted_by_what_became_of_them(app, session, client):
    path = make_integration(session, make_account(session)).hook_path()
    session.rollback()
    send(app, path, chat(1))
    client.get("/sign-in")
    lines = client.get("/metrics").text
    assert 'leadtrail_webhooks_total{state="done",vendor="jivo"}' in lines
    assert 'leadtrail_request_seconds_count{endpoint="auth.sign_in",method="GET",status="200"}' in lines


def test_figures_name_nobody(app, session, client):
    """No secret, account, or address of a page becomes a label."""
    path = make_integration(session, make_account(session)).hook_path()
    session.rollback()
    send(app, path, chat(1))
    client.client.get("/a/romashka/events")
    client.client.get("/no/such/page")
    lines = client.get("/metrics").text
    assert path.split("/")[3] not in lines
    assert "romashka" not in lines
    assert "no/such" not in lines


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_machines_get_no_cookie(client, path):
    assert "Set-Cookie" not in client.client.get(path).headers
