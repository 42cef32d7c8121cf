"""No right to one lead or contact is no reason to leave the whole account alone (contract 3.4; issue 4.3, 4.6)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.amocrm_stage import Stage, on_stage
from tests.views.acting import enter_as
from webapp.models import Account, Lookup, utc_now


@pytest.fixture
def stage(app, session, server, monkeypatch) -> Iterator[Stage]:
    with on_stage(app, session, server, monkeypatch) as stage:
        stage.connect()
        yield stage


def refuse(stage: Stage, route: str, times: int = 1) -> None:
    """amoCRM says 403 to the next calls of a route, and to no other."""
    stage.amo.faults.add([{"on": route, "do": "403", "times": times}])


def lookups(stage: Stage) -> list[Lookup]:
    stage.session.rollback()
    return list(stage.session.query(Lookup).order_by(Lookup.communication_id))


@pytest.mark.parametrize(("route", "missing"), [("lead", "lead_rights"), ("contact", "contact_rights")])
def test_one_object_without_rights_ends_its_own_look_and_nobody_elses(stage: Stage, route: str, missing: str):
    stage.subscribe()
    refused, good = stage.talk(), stage.talk()
    stage.amo.close_talk(refused)
    refuse(stage, route)
    stage.look_up()
    [row] = lookups(stage)
    assert (row.problem, row.missing, row.done_at is not None) == ("no_rights", [missing], True)
    stage.amo.close_talk(good)
    stage.look_up()
    assert [row.complete for row in lookups(stage)] == [False, True], "the account is not paused"
    assert stage.authorization.problem is None


def test_a_contact_without_rights_does_not_cost_the_session(stage: Stage):
    field = stage.choose_field()
    stage.subscribe()
    talk = stage.talk()
    stage.amo.set_field(stage.lead_of(talk), field, "4815162342")
    stage.amo.close_talk(talk)
    refuse(stage, "contact")
    stage.look_up()
    assert stage.communication().clues["token"]["visit"] == "4815162342"
    assert stage.lookup().missing == ["contact_rights"]


def test_an_account_that_lets_nobody_in_is_left_alone(stage: Stage):
    """Repeated excess ends in a ban of the account (contract 0.9)."""
    stage.subscribe()
    stage.amo.close_talk(stage.talk())
    stage.amo.faults.add([{"on": "lead", "do": "403"}, {"on": "account", "do": "403"}])
    stage.look_up()
    row = stage.lookup()
    assert (row.problem, row.done_at) == ("forbidden", None)
    assert row.next_at > utc_now()
    called = stage.amo.recorder.counts["lead"]
    stage.look_up()
    assert stage.amo.recorder.counts["lead"] == called


def close(stage: Stage, number: int) -> None:
    """Talks whose leads nobody may see yet."""
    for _ in range(number):
        stage.amo.close_talk(stage.talk())
    refuse(stage, "lead", number)
    stage.look_up()
    assert {row.problem for row in lookups(stage)} == {"no_rights"}


def work(stage: Stage) -> None:
    """What a check has left to be done."""
    for job in ("ask_refused", "resume_lookups"):
        stage.run(job, stage.authorization.id)
    stage.look_up()


def test_the_button_asks_for_all_that_was_refused(stage: Stage, app, session):
    stage.subscribe()
    close(stage, 3)
    owner = enter_as(app, session, session.get(Account, stage.account_id))
    owner.post("/a/romashka/integrations/amo/authorization/check")
    work(stage)
    assert [(row.complete, row.problem) for row in lookups(stage)] == [(True, None)] * 3


def test_the_hourly_check_asks_for_one_and_when_that_is_let_in_for_all(stage: Stage):
    stage.subscribe()
    close(stage, 3)
    stage.run("check_authorization", stage.authorization.id)
    stage.run("resume_lookups", stage.authorization.id)
    assert [row.done_at is None for row in lookups(stage)] == [False, False, True], "the latest stands for all"
    refuse(stage, "lead")
    stage.look_up()
    assert [row.done_at is None for row in lookups(stage)] == [False, False, False]
    stage.run("check_authorization", stage.authorization.id)
    stage.look_up()
    assert [row.complete for row in lookups(stage)] == [False, False, True]
    work(stage)
    assert [row.complete for row in lookups(stage)] == [True, True, True]
