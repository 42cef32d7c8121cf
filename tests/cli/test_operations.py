"""Tables, worker, welcome link, sync."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.factories import make_account, make_integration, make_user
from webapp import queue
from webapp.cli import operations
from webapp.extensions import db
from webapp.intake import accept
from webapp.models import (
    CommunicationChange,
    CommunicationCount,
    EventState,
    Invitation,
    WebhookEvent,
    WorkerBeat,
    utc_now,
)

ROOT = Path(__file__).parents[2]


def run(runner, *args: str, code: int = 0):
    result = runner.invoke(args=list(args))
    assert result.exit_code == code, result.output
    return result


def usable(session) -> list[Invitation]:
    session.rollback()
    return [invitation for invitation in session.scalars(select(Invitation)) if invitation.usable]


class TestWelcomeLink:
    def test_a_fresh_installation_gets_a_link_that_opens(self, runner, client, app, session):
        link = run(runner, "welcome-link").stdout.splitlines()[-1]
        base = f"http://localhost:{app.config['SETTINGS'].PORT}"
        assert link.startswith(f"{base}/welcome/")
        assert usable(session)[0].account_id is None
        client.get(link.removeprefix(base))

    def test_a_second_link_replaces_the_first(self, runner, client, session):
        first, second = (run(runner, "welcome-link").stdout.splitlines()[-1] for _ in range(2))
        assert first != second
        assert len(usable(session)) == 1
        client.get("/welcome/" + first.rpartition("/")[2], status=410)
        client.get("/welcome/" + second.rpartition("/")[2])

    def test_nothing_is_printed_once_there_is_a_user(self, runner, session):
        make_user(session)
        assert run(runner, "welcome-link").output == ""
        assert usable(session) == []

    def test_invitations_into_accounts_stay(self, runner, session):
        invitation, _token = Invitation.make(make_account(session), None, "viewer")
        session.add(invitation)
        session.commit()
        run(runner, "welcome-link")
        assert len(usable(session)) == 2


def test_preparing_the_tables_again_changes_nothing(runner, session):
    make_account(session)
    run(runner, "database", "prepare")
    run(runner, "database", "prepare")
    assert make_account(session, "other").id == 2


def test_the_report_is_brought_up_to_date_by_a_command(runner, session):
    integration = make_integration(session, make_account(session))
    accept(session, integration, b'{"event_name": "chat_finished", "chat_id": 5, "chat": {"messages": []}}')
    session.commit()
    result = runner.invoke(args=["database", "digest"])
    assert result.exit_code == 0, result.output
    session.rollback()
    assert session.scalars(select(CommunicationChange)).all() == []
    assert {count.number for count in session.scalars(select(CommunicationCount))} == {1}


def test_an_embedded_cabinet_has_nothing_to_read(runner, session):
    make_account(session)
    assert "there is nothing to read" in run(runner, "cabinet", "sync", "--account", "romashka").stdout
    assert 'no account has the slug "x"' in run(runner, "cabinet", "sync", "--account", "x", code=1).stderr


def test_an_outside_cabinet_without_a_key_cannot_be_read(runner, session):
    make_account(session, cabinet_kind="dataapi")
    assert "the cabinet has no key" in run(runner, "cabinet", "sync", "--account", "romashka", code=1).stderr


def test_every_beat_moves_the_same_row(app, session):
    with app.app_context():
        operations.beat("worker-1")
        first = session.scalars(select(WorkerBeat.beat_at)).one()
        session.rollback()
        operations.beat("worker-1")
    assert session.scalars(select(WorkerBeat.beat_at)).one() >= first


def test_the_worker_runs_the_handlers_under_a_claimed_id_until_it_is_told_to_stop(runner, session, monkeypatch):
    session.add(WorkerBeat(worker="long-gone", beat_at=utc_now() - timedelta(days=30)))
    session.commit()
    seen = {}

    def work(handlers, *, executor_id, schedules, on_beat, stop):
        on_beat()
        seen.update(handlers=set(handlers), executor=executor_id, schedules={one.job for one in schedules})
        session.rollback()
        seen["beats"] = session.scalars(select(WorkerBeat.worker)).all()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(queue, "work", work)
    monkeypatch.setattr(queue, "claim_executor_id", lambda directory, *, machine: f"worker-7{machine and '@m'}")
    try:
        run(runner, "worker")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert seen["handlers"] >= {"purge_expired", "close_idle_chats", "process_stored", "replay_failed"}
    assert seen["schedules"] <= seen["handlers"]
    assert seen["executor"].startswith("worker-7")
    assert seen["beats"] == [seen["executor"]]
    session.rollback()
    assert session.scalars(select(WorkerBeat)).all() == [], "a worker that has stopped is gone at once"


@pytest.mark.processes
def test_a_real_worker_processes_a_job_and_stops_on_sigterm(app, session):
    jivo = make_integration(session, make_account(session), active=False)
    accept(session, jivo, b'{"event_name": "chat_finished", "chat_id": 5, "chat": {"messages": []}}')
    jivo.active = True
    session.commit()
    with app.app_context():
        queue.enqueue(db.session, "process_stored", jivo.id)
        db.session.commit()
    settings = app.config["SETTINGS"]
    environment = {
        **os.environ,
        "DATA_DIR": str(settings.DATA_DIR),
        "DATABASE_URL": settings.DATABASE_URL,
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 60
        state, beats = EventState.STORED, []
        counts: list[int] = []
        while time.monotonic() < deadline and not (state == EventState.DONE and beats and counts):
            time.sleep(0.2)
            session.rollback()
            state = session.scalars(select(WebhookEvent.state)).one()
            beats = session.scalars(select(WorkerBeat.worker)).all()
            counts = list(session.scalars(select(CommunicationCount.number)))
        assert state == EventState.DONE
        assert set(counts) == {1}, "the report is brought up to date besides"
        assert len(beats) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
