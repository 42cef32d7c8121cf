"""What goes wrong on amoCRM's side costs time, never a request (issue 4.3, 4.5, 4.7; B3, B8; contract 2.6, 3.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from tests.amocrm_stage import Stage, on_stage
from tests.factories import make_task
from tests.views.acting import enter_as, said
from webapp import pacing, queue
from webapp.extensions import db
from webapp.models import Account, AuthorizationState, Lane, Lookup, Task, TaskKind, utc_now
from webapp.vendors.amocrm import talks


@pytest.fixture
def stage(app, session, server, monkeypatch) -> Iterator[Stage]:
    with on_stage(app, session, server, monkeypatch) as stage:
        stage.connect()
        yield stage


def forget_pause(stage: Stage) -> None:
    """The time that amoCRM asked for has passed."""
    with stage.app.app_context():
        pacing.resume(db.engine, f"authorization:{stage.authorization.id}")


def jobs_of(stage: Stage, name: str) -> int:
    stage.session.rollback()
    schema = f"{queue.SCHEMA}." if stage.session.get_bind().dialect.name == "postgresql" else ""
    query = text(f"SELECT count(*) FROM {schema}workflow_status WHERE workflow_uuid LIKE :name")
    return stage.session.scalar(query, {"name": f"{name}:%"})


PASSING = [
    *("500", "502 html", "503", "504", "drop", "half json", "reset", "200 html", "402", "403 113"),
    *("429 body", "429 header", "429 neither"),
]


@pytest.mark.parametrize("route", ["lead", "contact"])
@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_followed_by_another_try(stage: Stage, fault: str, route: str):
    stage.subscribe()
    talk = stage.talk()
    stage.amo.close_talk(talk)
    stage.amo.faults.add([{"on": route, "do": fault}])
    stage.look_up()
    waiting = stage.lookup()
    assert (waiting.looks, waiting.failures, waiting.done_at) == (0, 1, None)
    assert waiting.problem
    assert waiting.next_at > utc_now()
    assert jobs_of(stage, "look_up") == 2
    forget_pause(stage)
    stage.look_up()
    assert (stage.lookup().complete, stage.communication().contact_phone) == (True, "+79000000101")


@pytest.mark.parametrize(("fault", "seconds"), [("429 body", 200), ("402", 6 * 3600), ("403", 15 * 60)])
def test_the_account_is_left_alone_for_as_long_as_it_wants(stage: Stage, fault: str, seconds: float):
    """Contract 3.4: repeated excess ends in a ban, so all workers keep the pause."""
    stage.subscribe()
    stage.amo.close_talk(stage.talk())
    stage.amo.faults.add([{"on": "lead", "do": fault}, {"on": "account", "do": fault}])
    stage.look_up()
    called = stage.amo.recorder.counts["lead"]
    stage.look_up()
    assert stage.amo.recorder.counts["lead"] == called, "nothing is sent within the pause"
    stage.session.rollback()
    pause = stage.session.scalar(select(Lane.free_at).where(Lane.name.like("authorization:%"))) - utc_now().timestamp()
    assert pause > seconds - 60


def test_a_refused_token_is_refreshed_in_the_middle_of_a_look(stage: Stage):
    stage.subscribe()
    stage.amo.close_talk(stage.talk())
    stage.amo.expire_tokens()
    stage.look_up()
    assert stage.lookup().complete


def test_without_a_connection_the_request_is_there_and_the_rest_comes_after_connecting(stage: Stage):
    stage.subscribe()
    row = stage.authorization
    row.forget_tokens(AuthorizationState.BROKEN)
    stage.session.commit()
    stage.amo.close_talk(stage.talk())
    stage.look_up()
    assert (stage.lookup().problem, stage.lookup().next_at) == ("not_connected", None)
    told = stage.amo.issue_tokens()
    row = stage.authorization
    row.access_token, row.refresh_token, row.state = told["access_token"], told["refresh_token"], "connected"
    stage.session.commit()
    stage.run("check_authorization", row.id)
    assert jobs_of(stage, "resume_lookups") == 1
    before = jobs_of(stage, "look_up")
    stage.run("resume_lookups", stage.authorization.id)
    assert jobs_of(stage, "look_up") == before + 1
    stage.look_up()
    assert stage.communication().contact_phone == "+79000000101"


def test_a_lookup_whose_worker_died_is_taken_up_again(stage: Stage):
    stage.subscribe()
    stage.amo.close_talk(stage.talk())
    stage.session.rollback()
    row = stage.session.scalars(select(Lookup)).one()
    row.next_at = utc_now() - timedelta(minutes=10)
    stage.session.commit()
    before = jobs_of(stage, "look_up")
    stage.run("resume_lookups", 0)
    assert jobs_of(stage, "look_up") == before + 1


def test_an_integration_that_was_disabled_is_a_broken_connection_in_words(stage: Stage, client):
    """Contract 1.10: the call is signed, and amoCRM itself is asked whether it is so."""
    stage.amo.update_integration({"disabled_hook_uri": f"{stage.server}/oauth/amocrm/disabled"})
    told = stage.amo.disable()
    assert [call["code"] for call in told["calls"]] == [200]
    assert jobs_of(stage, "check_authorization") == 1
    stage.run("check_authorization", stage.authorization.id)
    assert (stage.authorization.state, stage.authorization.problem) == (AuthorizationState.BROKEN, "token_revoked")


@pytest.mark.parametrize(("switch", "status"), [("wrong", 403), ("unknown account", 403), ("client_id", 200)])
def test_the_call_about_a_disabled_integration_is_believed_by_its_signature_alone(stage: Stage, switch, status):
    stage.amo.configure({"switches": {"disabled_hook": switch}})
    stage.amo.update_integration({"disabled_hook_uri": f"{stage.server}/oauth/amocrm/disabled"})
    told = stage.amo.disable()
    assert [call["code"] for call in told["calls"]] == [status]
    assert jobs_of(stage, "check_authorization") == (status == 200)


def test_a_connection_that_turns_out_to_be_another_accounts_is_broken(stage: Stage):
    """B8: what is known of one account must not become another's."""
    row = stage.authorization
    row.vendor_account_id = "1"
    stage.session.commit()
    stage.run("check_authorization", row.id)
    told = stage.authorization
    assert (told.state, told.problem, told.access_token) == (AuthorizationState.BROKEN, "other_account", None)
    assert told.vendor_account_id == "1"


@pytest.mark.parametrize("enables", [True, False])
def test_our_webhook_is_watched(stage: Stage, enables: bool):
    """B8, A-07: one that was switched off is subscribed anew; should that not help, the page says so."""
    stage.amo.configure({"switches": {"post_enables": enables}})
    stage.subscribe()
    integration = stage.integration
    integration.hook_state = "ok"
    stage.session.commit()
    next(iter(stage.amo.state.tenant().hooks.values())).disabled = True
    stage.run("check_authorization", stage.authorization.id)
    assert stage.integration.hook_state == ("ok" if enables else "disabled")
    stage.amo.state.tenant().hooks.clear()
    stage.run("check_authorization", stage.authorization.id)
    assert stage.integration.hook_state == "ok"
    assert len(stage.amo.state.tenant().hooks) == 1


def reconcile(stage: Stage) -> None:
    """What the schedule does."""
    stage.run("reconcile", 0)
    for row in stage.reconciliations():
        stage.run("reconcile", row.id)


@pytest.mark.parametrize("heard", [True, False], ids=["by webhook", "by a look"])
def test_who_was_erased_is_not_read_in_again(stage: Stage, heard):
    """The next look begins before the last one's end, and finds the talk missing (DESIGN §9)."""
    reconcile(stage)
    stage.subscribe()
    if not heard:
        stage.amo.configure({"switches": {"delivery": "lost"}})
    stage.amo.close_talk(stage.talk())
    reconcile(stage)
    stage.look_up()
    assert stage.communication().contact_phone == "+79000000101"
    task = make_task(stage.session, stage.integration.account, TaskKind.ERASE, subject="phone:+79000000101")
    number = task.id
    stage.session.rollback()
    stage.run(TaskKind.ERASE, number)
    assert stage.communications() == []
    reconcile(stage)
    assert (stage.communications(), stage.events()) == ([], [])
    assert "79000000101" not in repr(stage.session.get(Task, number, populate_existing=True).params)
    stage.amo.configure({"switches": {"delivery": "lost"}})
    another = stage.talk()
    stage.amo.close_talk(another)
    reconcile(stage)
    assert stage.communication().vendor_id == str(another), "others are read in as ever"


@pytest.mark.parametrize(
    "switches", [{}, {"talks_order": "oldest first"}, {"last_page": "empty"}, {"page_count": "wrong"}]
)
def test_talks_that_were_closed_while_the_webhook_was_silent_are_found(stage: Stage, switches):
    """B3, issue 4.7."""
    reconcile(stage)
    stage.subscribe()
    stage.amo.configure({"switches": {"delivery": "lost", **switches}})
    missed, still_open = stage.talk(), stage.talk()
    stage.amo.close_talk(missed)
    reconcile(stage)
    told = stage.communication()
    assert told.vendor_id == str(missed) != str(still_open)
    [event] = stage.events()
    assert (event.note, event.state) == ("reconciled", "done")
    stage.look_up()
    assert stage.communication().contact_phone == "+79000000101"
    assert [row.found for row in stage.reconciliations()] == [1]
    reconcile(stage)
    assert len(stage.events()) == 1, "what is known is left alone"


def test_a_reconciled_talk_whose_webhook_comes_late_is_one_request(stage: Stage):
    reconcile(stage)
    stage.subscribe()
    stage.amo.configure({"switches": {"delivery": "hold"}})
    stage.amo.close_talk(stage.talk())
    reconcile(stage)
    stage.amo.flush_hooks()
    stage.communication()


def test_a_look_that_failed_begins_where_the_last_good_one_ended(stage: Stage):
    reconcile(stage)
    [row] = stage.reconciliations()
    begun = row.since
    stage.amo.configure({"switches": {"delivery": "lost"}})
    stage.amo.close_talk(stage.talk())
    stage.amo.faults.add([{"on": "talks", "do": "500"}])
    reconcile(stage)
    [row] = stage.reconciliations()
    assert (row.problem, row.since) == ("server_error", begun)
    reconcile(stage)
    assert stage.reconciliations()[0].problem is None
    stage.communication()


def test_what_ended_while_the_integration_was_off_is_not_passed_behind_ones_back(stage: Stage):
    """DESIGN §4.4: it is offered when the integration is switched on."""
    integration = stage.integration
    integration.active = False
    stage.session.commit()
    reconcile(stage)
    stage.amo.configure({"switches": {"delivery": "lost"}})
    stage.amo.close_talk(stage.talk())
    reconcile(stage)
    assert stage.communications() == []


@pytest.mark.parametrize("events", ["all", "russian list"])
def test_an_amocrm_without_a_list_of_talks_is_asked_for_events(stage: Stage, events: str):
    """Contract 3.1: the list of talks is new, and the Russian list of events has none about the end of a talk."""
    reconcile(stage)
    stage.amo.configure({"switches": {"delivery": "lost", "talks_list": "404", "events": events}})
    missed, still_open = stage.talk(), stage.talk()
    stage.amo.message(missed, "Есть шторы?")
    stage.amo.message(still_open, "А карнизы?")
    stage.amo.close_talk(missed)
    reconcile(stage)
    assert stage.communication().vendor_id == str(missed)


@pytest.fixture
def small_parts(monkeypatch):
    """Lists of a few rows a page, a few pages at a time."""
    for name, value in {"PAGE_SIZE": 2, "PAGES": 2, "EVENTS_A_PAGE": 2, "PAGES_OF_EVENTS": 1}.items():
        monkeypatch.setattr(talks, name, value)


@pytest.mark.parametrize("listed", [{}, {"talks_list": "404", "events": "all"}], ids=["talks", "events"])
def test_a_list_that_was_cut_is_said_to_be_a_part_and_read_on(stage: Stage, small_parts, app, session, listed):
    """B3: «all is well» is said of a whole list only."""
    reconcile(stage)
    begun = stage.reconciliations()[0].since
    stage.amo.configure({"switches": {"delivery": "lost", "talks_order": "oldest first", **listed}})
    closed = {str(talk) for talk in (stage.talk() for _ in range(9)) if stage.amo.close_talk(talk)}
    reconcile(stage)
    [row] = stage.reconciliations()
    assert (row.problem, row.since, bool(row.cursor)) == ("partial", begun, True)
    some = {one.vendor_id for one in stage.communications()}
    assert some < closed
    page = said(enter_as(app, session, session.get(Account, stage.account_id)).get("/a/romashka/integrations/amo"))
    assert "Прочитана часть списка" in page
    assert jobs_of(stage, "reconcile") >= 2, "it goes on at once"
    for _ in range(9):
        if stage.reconciliations()[0].cursor:
            stage.run("reconcile", row.id)
    [row] = stage.reconciliations()
    assert (row.problem, row.cursor, row.found) == (None, None, 9)
    assert row.since > begun
    assert {one.vendor_id for one in stage.communications()} == closed


def test_what_goes_wrong_in_the_middle_of_a_list_keeps_what_was_read(stage: Stage, small_parts, monkeypatch):
    monkeypatch.setattr(talks, "PAGES", 100)
    reconcile(stage)
    begun = stage.reconciliations()[0].since
    stage.amo.configure({"switches": {"delivery": "lost", "talks_order": "oldest first"}})
    for _ in range(9):
        stage.amo.close_talk(stage.talk())
    stage.amo.faults.add([{"on": "talks", "do": "500", "skip": 2}])
    reconcile(stage)
    [row] = stage.reconciliations()
    assert (row.problem, row.since, len(stage.communications())) == ("server_error", begun, 4)
    reconcile(stage)
    assert (stage.reconciliations()[0].problem, len(stage.communications())) == (None, 9)
