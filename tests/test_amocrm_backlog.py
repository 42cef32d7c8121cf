"""Many look-ups at once, and after a pause: nobody takes a place in the lane that goes unused (B3, B8; issue 4.3)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from tests.amocrm_stage import Stage, on_stage
from tests.views.acting import enter_as, flash, make_communication
from webapp import pacing, queue
from webapp.authorizations import OpenLink
from webapp.extensions import db
from webapp.jobs import resume_lookups
from webapp.models import Account, Lane, Lookup, utc_now
from webapp.vendors.connection import ConnectionProblem

CHECK = "/a/romashka/integrations/amo/authorization/check"


@pytest.fixture
def stage(app, session, server, monkeypatch) -> Iterator[Stage]:
    with on_stage(app, session, server, monkeypatch) as stage:
        stage.connect()
        yield stage


def free_at(stage: Stage) -> float:
    """Seconds until the lane is free."""
    stage.session.rollback()
    return (stage.session.scalar(select(Lane.free_at)) or 0.0) - time.time()


def pause(stage: Stage, seconds: float) -> None:
    with stage.app.app_context():
        pacing.pause(db.engine, f"authorization:{stage.authorization.id}", seconds)


def lookups(stage: Stage) -> list[Lookup]:
    stage.session.rollback()
    return list(stage.session.scalars(select(Lookup).order_by(Lookup.communication_id)))


def backlog(stage: Stage, number: int, **values) -> None:
    """Look-ups that nobody is about to do."""
    integration = stage.integration
    for count in range(number):
        told = make_communication(stage.session, integration, str(1000 + count), type="offline_message")
        stage.session.flush()
        row = Lookup(communication_id=told.id, integration_id=integration.id, **values)
        stage.session.add(row)
    stage.session.commit()


def delays(stage: Stage) -> list[float]:
    """Seconds until each job that looks something up is due."""
    stage.session.rollback()
    schema = f"{queue.SCHEMA}." if stage.session.get_bind().dialect.name == "postgresql" else ""
    query = text(
        f"SELECT coalesce(delay_until_epoch_ms, created_at) FROM {schema}workflow_status"
        " WHERE workflow_uuid LIKE 'look_up:%' AND status IN ('ENQUEUED', 'DELAYED')"
    )
    return sorted(at / 1000 - time.time() for at in stage.session.scalars(query))


def test_a_pause_does_not_grow_by_those_who_are_turned_away(stage: Stage):
    pause(stage, 600)
    with stage.app.app_context():
        for _ in range(30):
            link = stage.link()
            with pytest.raises(ConnectionProblem) as caught:
                link.connection.fields(link)
            assert caught.value.code == "paused"
    assert free_at(stage) < 601


def test_who_is_turned_away_comes_back_after_the_pause_and_not_all_at_once(stage: Stage):
    """A day's pause is not met every hour, and it is no failure of the look-up."""
    backlog(stage, 40)
    pause(stage, 7200)
    stage.look_up()
    rows = lookups(stage)
    assert {(row.problem, row.failures) for row in rows} == {("paused", 0)}
    waits = sorted((row.next_at - utc_now()).total_seconds() for row in rows)
    assert waits[0] > 7190
    assert 5 < waits[-1] - waits[0] < 60, "spread over the time that they take"


def test_a_check_that_gets_through_ends_the_pause_and_the_wait_of_all(stage: Stage, app, session):
    """A11: «Проверить»."""
    stage.subscribe()
    stage.amo.close_talk(stage.talk())
    stage.amo.faults.add([{"on": "lead", "do": "402"}])
    stage.look_up()
    assert free_at(stage) > 3600
    assert lookups(stage)[0].next_at > utc_now() + timedelta(hours=1)
    owner = enter_as(app, session, session.get(Account, stage.account_id))
    assert "Подключение работает" in flash(owner.follow(CHECK, {}))
    assert free_at(stage) < 2
    stage.run("resume_lookups", stage.authorization.id)
    assert lookups(stage)[0].next_at < utc_now() + timedelta(seconds=2)
    assert stage.authorization.problem is None
    assert delays(stage)[0] < 2
    stage.look_up()
    assert lookups(stage)[0].complete


def test_a_check_that_does_not_get_through_leaves_the_pause(stage: Stage, app, session):
    stage.subscribe()
    stage.amo.close_talk(stage.talk())
    stage.amo.faults.add([{"on": "lead", "do": "402"}, {"on": "account", "do": "402"}])
    stage.look_up()
    owner = enter_as(app, session, session.get(Account, stage.account_id))
    assert "не оплачен" in flash(owner.follow(CHECK, {}))
    assert free_at(stage) > 3600


def test_a_job_that_comes_before_its_time_asks_nothing(stage: Stage):
    """Its look-up was given another time since."""
    stage.subscribe()
    stage.amo.close_talk(stage.talk())
    stage.session.rollback()
    row = stage.session.scalars(select(Lookup)).one()
    row.next_at = utc_now() + timedelta(minutes=5)
    stage.session.commit()
    stage.run("look_up", row.communication_id)
    assert (lookups(stage)[0].looks, stage.amo.recorder.counts.get("lead", 0)) == (0, 0)


def test_a_backlog_is_put_in_line_part_by_part_and_each_part_once(stage: Stage, monkeypatch):
    monkeypatch.setattr(resume_lookups, "MOST", 30)
    monkeypatch.setattr(resume_lookups, "BATCH", 7)
    backlog(stage, 50)
    for _ in range(3):
        stage.run("resume_lookups", 0)
        assert len(delays(stage)) == 30, "those in line are not put there again"
    assert 5 < delays(stage)[-1] < 60, "in the order in which they can be done"
    rows = lookups(stage)
    assert [row.next_at is not None for row in rows] == [True] * 30 + [False] * 20
    for row in rows[:30]:
        row.done_at = utc_now()
    stage.session.commit()
    stage.run("resume_lookups", 0)
    assert all(row.next_at is not None for row in lookups(stage))


def test_look_ups_that_fail_for_ever_do_not_keep_the_others_out(stage: Stage, monkeypatch):
    monkeypatch.setattr(resume_lookups, "MOST", 10)
    backlog(stage, 10, problem="server_error", failures=12, next_at=utc_now() + timedelta(minutes=50))
    integration = stage.integration
    told = make_communication(stage.session, integration, "1", type="offline_message")
    stage.session.flush()
    stage.session.add(Lookup(communication_id=told.id, integration_id=integration.id))
    stage.session.commit()
    stage.run("resume_lookups", 0)
    assert lookups(stage)[-1].next_at is not None


def test_the_rest_of_a_backlog_is_taken_up_as_soon_as_the_line_is_short(stage: Stage, monkeypatch):
    monkeypatch.setattr(resume_lookups, "MOST", 10)
    backlog(stage, 25)
    stage.run("resume_lookups", 0)
    stage.session.rollback()
    schema = f"{queue.SCHEMA}." if stage.session.get_bind().dialect.name == "postgresql" else ""
    waiting = f"SELECT count(*) FROM {schema}workflow_status WHERE workflow_uuid LIKE 'resume_lookups:%'"
    assert stage.session.scalar(text(waiting)) == 1


def test_a_link_knows_no_pause_when_it_asks_for_the_account(stage: Stage):
    """Whoever checks wants to know how it stands now."""
    pause(stage, 600)
    with stage.app.app_context():
        link = OpenLink(db.engine, stage.app.config["SETTINGS"], stage.authorization.id, "amocrm")
        assert link.connection.account(link).id == str(stage.amo.tenant_id)
