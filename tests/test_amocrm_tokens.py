"""Tokens against the stand-in: one refresh whoever asks, a lost answer, a moved account (contract, 1.4-1.12)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.amocrm_stage import Stage, on_stage
from tests.views.acting import enter_as
from webapp.authorizations import LEASE, OpenLink
from webapp.extensions import db
from webapp.http import LONGEST_SECONDS, Client
from webapp.models import Account, Authorization, AuthorizationState, utc_now
from webapp.vendors import registry
from webapp.vendors.connection import ConnectionProblem


@pytest.fixture
def stage(app, session, server, monkeypatch) -> Iterator[Stage]:
    with on_stage(app, session, server, monkeypatch) as stage:
        stage.connect()
        yield stage


def account(stage: Stage):
    """Ask whose account it is."""
    with stage.app.app_context():
        link = stage.link()
        return link.connection.account(link)


def expire(stage: Stage, **changes) -> None:
    row = stage.authorization
    row.expires_at = utc_now() + timedelta(minutes=4)
    for name, value in changes.items():
        setattr(row, name, value)
    stage.session.commit()


def refreshes(stage: Stage) -> int:
    return stage.amo.recorder.counts.get("token.refresh", 0)


def test_tokens_are_refreshed_before_their_end_and_the_new_pair_is_kept_encrypted(stage: Stage):
    expire(stage)
    old = stage.authorization.refresh_token
    assert account(stage).id == str(stage.amo.tenant_id)
    row = stage.authorization
    assert row.refresh_token not in (None, old)
    assert row.expires_at > utc_now() + timedelta(hours=20)
    assert (refreshes(stage), row.lease_owner) == (1, None)
    stored = stage.session.execute(text("SELECT access_token, refresh_token FROM vendor_authorization")).one()
    assert row.refresh_token.encode() not in bytes(stored[1])
    assert row.access_token.encode() not in bytes(stored[0])


def test_tokens_that_are_good_are_left_alone(stage: Stage):
    account(stage)
    assert refreshes(stage) == 0


def test_a_refused_token_is_refreshed_once_and_the_call_repeated(stage: Stage):
    stage.amo.expire_tokens()
    assert account(stage).id
    assert refreshes(stage) == 1


def test_threads_that_meet_an_expired_token_make_one_refresh(stage: Stage):
    stage.amo.expire_tokens()
    number = stage.authorization.id
    stage.session.rollback()

    def ask(_number: int) -> str:
        with stage.app.app_context():
            link = OpenLink(db.engine, stage.app.config["SETTINGS"], number, "amocrm")
            return link.connection.account(link).id

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert found == [str(stage.amo.tenant_id)] * 8
    assert refreshes(stage) == 1


ASK = """
import sys
from webapp import create_app
from webapp.authorizations import OpenLink
from webapp.extensions import db
app = create_app()
with app.app_context():
    db.engine.connect().close()
    print("ready", flush=True)
    sys.stdin.readline()
    link = OpenLink(db.engine, app.config["SETTINGS"], int(sys.argv[1]), "amocrm")
    print(link.access().tokens.access_token[-12:], flush=True)
"""


@pytest.mark.processes
def test_eight_processes_that_ask_at_once_make_exactly_one_refresh(stage: Stage, settings, tmp_path):
    """Issue 4: whoever comes first refreshes, the others wait and use what it got."""
    expire(stage)
    number = stage.authorization.id
    stage.session.rollback()
    stage.amo.faults.add([{"on": "token.refresh", "do": "slow", "seconds": 1}])
    environment = {
        "PATH": "/usr/bin:/bin",
        "DATA_DIR": str(settings.DATA_DIR),
        "DATABASE_URL": settings.DATABASE_URL,
        "EXTRA_VENDOR_HOSTS": stage.amo.domain,
        "SECRET_KEY": settings.SECRET_KEY,
        "ENCRYPTION_KEYS": ",".join(settings.ENCRYPTION_KEYS),
        "LOG_LEVEL": "ERROR",
    }
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, str(number)], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(8)
    ]  # fmt: skip
    try:
        for one in asking:
            assert one.stdout.readline() == "ready\n", one.stderr.read()
        for one in asking:
            one.stdin.write("\n")
            one.stdin.flush()
        told = {one.communicate(timeout=60) for one in asking}
    finally:
        for one in asking:
            one.kill()
    assert told == {(stage.authorization.access_token[-12:] + "\n", "")}
    assert refreshes(stage) == 1
    assert stage.amo.recorder.counts[f"pairs:{stage.amo.tenant_id}"] == 1


def test_a_lost_answer_is_followed_by_one_more_try_with_the_old_token(stage: Stage):
    """A-05, the lenient answer: the old one lives until the new pair is used."""
    stage.amo.configure({"switches": {"old_refresh_token": "until the new pair is used"}})
    stage.amo.faults.add([{"on": "token.refresh", "do": "lost answer"}])
    expire(stage)
    assert account(stage).id
    assert (refreshes(stage), stage.authorization.state) == (2, AuthorizationState.CONNECTED)


def test_a_lost_answer_on_a_strict_server_needs_consent_and_says_so(stage: Stage):
    """A-05, the strict answer."""
    stage.amo.faults.add([{"on": "token.refresh", "do": "lost answer"}])
    expire(stage)
    with pytest.raises(ConnectionProblem) as caught:
        account(stage)
    assert caught.value.needs_consent
    row = stage.authorization
    assert (row.state, row.problem, row.access_token) == (AuthorizationState.BROKEN, "token_revoked", None)


@pytest.mark.parametrize("fault", ["500", "502 html", "429", "drop", "half json", "200 empty", "200 html"])
def test_what_passes_leaves_the_connection_as_it_is(stage: Stage, fault: str):
    stage.amo.configure({"switches": {"old_refresh_token": "until the new pair is used"}})
    stage.amo.faults.add([{"on": "token.refresh", "do": fault, "times": 2}])
    expire(stage)
    with pytest.raises(ConnectionProblem) as caught:
        account(stage)
    assert not caught.value.needs_consent
    assert caught.value.retry_after
    row = stage.authorization
    assert (row.state, row.lease_owner) == (AuthorizationState.CONNECTED, None)
    stage.amo.faults.clear()
    assert account(stage).id


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("hint client_id", "client_id"),
        ("hint client_secret", "client_secret"),
        ("hint redirect_uri", "redirect_uri"),
        ("hint account", "wrong_account"),
        ("hint token revoked", "token_revoked"),
        ("hint token invalid", "token_invalid"),
    ],
)
@pytest.mark.parametrize("status", [400, 401])
def test_every_refusal_is_a_broken_connection_with_words_of_its_own(stage: Stage, fault: str, code: str, status: int):
    """Contract 1.5, A-15."""
    stage.amo.configure({"switches": {"token_error_status": status}})
    stage.amo.faults.add([{"on": "token.refresh", "do": fault, "times": 3}])
    expire(stage)
    with pytest.raises(ConnectionProblem):
        account(stage)
    row = stage.authorization
    assert (row.state, row.problem) == (AuthorizationState.BROKEN, code)
    assert str(registry()["amocrm"].connection.explain(code)) != str(registry()["amocrm"].connection.explain("?"))


@pytest.mark.parametrize(
    ("fault", "reply"), [("no hint", "normal"), ("403 ban", "normal"), (None, "no refresh_token"), (None, "200 error")]
)
def test_a_refusal_without_a_reason_costs_no_tokens(stage: Stage, fault: str | None, reply: str):
    """It may come from a server before theirs; the pair cannot be had again without a person."""
    stage.amo.configure({"switches": {"token_reply": reply, "old_refresh_token": "until the new pair is used"}})
    if fault:
        stage.amo.faults.add([{"on": "token.refresh", "do": fault}])
    expire(stage)
    kept = stage.authorization.refresh_token
    with pytest.raises(ConnectionProblem) as caught:
        account(stage)
    assert (caught.value.needs_consent, bool(caught.value.retry_after)) == (False, True)
    row = stage.authorization
    assert (row.state, row.refresh_token) == (AuthorizationState.CONNECTED, kept)
    assert row.problem, "the page says it"
    stage.amo.configure({"switches": {"token_reply": "normal"}})
    assert account(stage).id
    row = stage.authorization
    assert (row.problem, row.unsure_since) == (None, None)


def test_a_refusal_that_lasts_for_a_day_is_a_broken_connection(stage: Stage):
    stage.amo.faults.add([{"on": "token.refresh", "do": "no hint", "times": 9}])
    expire(stage, unsure_since=utc_now() - timedelta(hours=20))
    with pytest.raises(ConnectionProblem):
        account(stage)
    row = stage.authorization
    assert (row.state, row.problem) == (AuthorizationState.BROKEN, "token_refused")
    assert row.may_be_tried


def test_a_token_that_is_called_dead_once_is_tried_once_more(stage: Stage):
    stage.amo.faults.add([{"on": "token.refresh", "do": "hint token revoked"}])
    expire(stage)
    assert account(stage).id
    assert (refreshes(stage), stage.authorization.state) == (2, AuthorizationState.CONNECTED)


@pytest.mark.parametrize("fault", ["hint client_secret", "hint redirect_uri"])
def test_wrong_settings_cost_no_tokens_and_are_good_once_they_are_right(stage: Stage, app, session, fault: str):
    stage.amo.faults.add([{"on": "token.refresh", "do": fault, "times": 2}])
    expire(stage)
    with pytest.raises(ConnectionProblem):
        account(stage)
    row = stage.authorization
    assert (row.state, row.may_be_tried) == (AuthorizationState.BROKEN, True)
    stage.amo.faults.clear()
    owner = enter_as(app, session, session.get(Account, stage.account_id))
    owner.post("/a/romashka/integrations/amo/authorization/check")
    assert (stage.authorization.state, stage.authorization.problem) == (AuthorizationState.CONNECTED, None)


def test_a_refresh_of_several_calls_holds_its_lease_to_the_end(stage: Stage, monkeypatch):
    """A lost answer and another try may take longer than one lease."""
    stage.amo.configure({"switches": {"old_refresh_token": "until the new pair is used"}})
    stage.amo.faults.add([{"on": "token.refresh", "do": "lost answer"}])
    expire(stage)
    number, left = stage.authorization.id, []
    stage.session.rollback()
    send = Client.send

    def watched(client, method, url, *rest, **options):
        if url.endswith("/oauth2/access_token"):
            row = stage.authorization
            left.append(row.lease_until - utc_now())
            row.lease_until = utc_now() + timedelta(seconds=1)
            stage.session.commit()
        return send(client, method, url, *rest, **options)

    monkeypatch.setattr(Client, "send", watched)
    assert account(stage).id
    assert [one > LEASE - timedelta(seconds=5) for one in left] == [True, True]
    assert timedelta(seconds=LONGEST_SECONDS) < LEASE, "no call outlives its lease"
    assert stage.session.get(Authorization, number, populate_existing=True).lease_owner is None


def test_whoever_lost_the_lease_sends_nothing_more(stage: Stage, monkeypatch):
    """A process that was stopped for minutes: another has refreshed meanwhile."""
    stage.amo.configure({"switches": {"old_refresh_token": "until the new pair is used"}})
    stage.amo.faults.add([{"on": "token.refresh", "do": "lost answer"}])
    expire(stage)
    send = Client.send

    def overtaken(client, method, url, *rest, **options):
        if url.endswith("/oauth2/access_token"):
            row = stage.authorization
            row.lease_owner = "another"
            stage.session.commit()
        return send(client, method, url, *rest, **options)

    monkeypatch.setattr(Client, "send", overtaken)
    with pytest.raises(ConnectionProblem) as caught:
        account(stage)
    assert (caught.value.code, refreshes(stage)) == ("busy", 1)
    assert stage.authorization.lease_owner == "another"


@pytest.mark.parametrize("reply", ["no server_time", "extra keys", "opaque access token"])
def test_other_shapes_of_a_good_answer_are_taken(stage: Stage, reply: str):
    stage.amo.configure({"switches": {"token_reply": reply}})
    expire(stage)
    assert account(stage).id


def test_a_pair_that_was_rotated_elsewhere_is_not_lost_by_us(stage: Stage):
    stage.amo.rotate_elsewhere()
    with pytest.raises(ConnectionProblem) as caught:
        account(stage)
    assert (caught.value.code, stage.authorization.state) == ("token_revoked", AuthorizationState.BROKEN)


def test_a_long_lived_token_is_never_refreshed(stage: Stage):
    """Contract 1.12."""
    token = stage.amo.issue_tokens(long_lived_days=30)["access_token"]
    expire(stage, access_token=token, refresh_token=None, long_lived=True)
    assert account(stage).id
    stage.amo.revoke_token(token)
    with pytest.raises(ConnectionProblem):
        account(stage)
    assert (stage.authorization.problem, refreshes(stage)) == ("long_lived_refused", 0)


def test_a_lease_whose_holder_died_is_taken_over(stage: Stage):
    expire(stage, lease_owner="gone", lease_until=utc_now() - timedelta(seconds=1))
    assert account(stage).id
    assert stage.authorization.lease_owner is None


@pytest.mark.parametrize("moved", ["401", "drop", "404"])
def test_an_account_that_moved_is_found_by_its_id(stage: Stage, app, monkeypatch, moved: str):
    """Contract 1.11."""
    stage.amo.configure({"switches": {"moved": moved}})
    before = stage.authorization.domain
    told = stage.amo.move_tenant()
    settings = app.config["SETTINGS"]
    hosts = (*settings.EXTRA_VENDOR_HOSTS, told["domain"])
    monkeypatch.setitem(app.config, "SETTINGS", settings.model_copy(update={"EXTRA_VENDOR_HOSTS": hosts}))
    assert account(stage).id == str(stage.amo.tenant_id)
    row = stage.authorization
    assert row.domain == f"http://{told['domain']}" != before
    assert row.token_url == f"http://{told['domain']}/oauth2/access_token"


def test_an_account_that_says_to_have_moved_to_a_foreign_host_is_not_followed(stage: Stage):
    stage.amo.configure({"switches": {"moved": "drop"}})
    told = stage.amo.move_tenant()
    with pytest.raises(ConnectionProblem):
        account(stage)
    assert told["domain"] not in stage.authorization.domain
