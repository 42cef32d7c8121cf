"""B2: past communications are decided anew by today's rules, and that can be taken back."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.attributed import BEGAN, DAY, HOUR, PHONE, chat, visited
from tests.factories import (
    make_account,
    make_campaign,
    make_integration,
    make_source,
    make_task,
    map_channel,
    tie_visit,
)
from tests.locks import nobody_waits
from webapp.cabinets.embedded import EmbeddedCabinet
from webapp.jobs import handlers, reattribute
from webapp.models import CabinetKind, Communication, Redecision, Task, TaskKind, TaskState, Widget, utc_now


@pytest.fixture
def jivo(session):
    return make_integration(session, make_account(session))


@pytest.fixture
def source(session, jivo):
    """Where chats go by default from now on."""
    found = make_source(session, jivo.account)
    return found


@pytest.fixture
def run(app, session):
    """Carries a task out as the worker does."""

    def carry_out(task: Task) -> Task:
        handlers(app)[task.kind](task.id)
        session.rollback()
        return task

    return carry_out


def point(session, jivo, source) -> None:
    jivo.point_to("source", None, source.id, None)
    session.commit()


def task(session, jivo, **params) -> Task:
    return make_task(session, jivo.account, params=params)


def decided(session) -> list[tuple[str, int | None]]:
    session.rollback()
    rows = session.scalars(select(Communication).order_by(Communication.id))
    return [(row.rule, row.source_id) for row in rows]


def test_every_communication_of_the_range_is_decided_by_todays_rules(session, jivo, source, run, monkeypatch):
    monkeypatch.setattr(reattribute, "BATCH", 2)
    for number in range(5):
        chat(session, jivo, started_at=BEGAN + number * HOUR)
    point(session, jivo, source)
    until = (BEGAN + 4 * HOUR).isoformat()
    done = run(task(session, jivo, since=BEGAN.isoformat(), until=until))
    assert decided(session) == [("default", source.id)] * 4 + [("none", None)]
    assert (done.state, done.total, done.seen, done.counts) == (TaskState.DONE, 4, 4, {"changed": 4})
    assert done.finished_at is not None
    trail = session.scalars(select(Communication)).first().trail
    assert trail[-1]["rule"] == "default"


def test_only_what_changes_is_written(session, jivo, source, run):
    chat(session, jivo)
    point(session, jivo, source)
    chat(session, jivo)
    done = run(task(session, jivo))
    assert (done.seen, done.counts) == (2, {"changed": 1})
    assert len(session.scalars(select(Redecision)).all()) == 1
    assert run(task(session, jivo)).counts == {"changed": 0}


def test_one_integration_may_be_chosen_and_other_accounts_are_left_alone(session, jivo, source, run):
    second = make_integration(session, jivo.account, "second")
    stranger = make_integration(session, make_account(session, "vasilek"))
    for integration in (jivo, second, stranger):
        chat(session, integration)
    for integration in (jivo, second):
        point(session, integration, source)
    run(task(session, jivo, integration=second.id))
    assert decided(session) == [("none", None), ("default", source.id), ("none", None)]


def test_it_can_be_taken_back_but_for_what_was_decided_since(session, jivo, source, run):
    first, second = chat(session, jivo), chat(session, jivo, clues={"widget": "w"})
    other = make_source(session, jivo.account, "other", "Другой")
    before = [dict(one.trail[-1]) for one in (first, second)]
    point(session, jivo, source)
    made = run(task(session, jivo))
    second.source_id = other.id
    session.commit()
    undone = run(make_task(session, jivo.account, TaskKind.UNDO, params={"task": made.id}))
    assert decided(session) == [("none", None), ("default", other.id)]
    assert undone.counts == {"restored": 1, "kept": 1}
    assert (first.trail[-1], second.trail[-1] != before[1]) == (before[0], True)
    assert undone.state == TaskState.DONE


def test_it_can_be_taken_back_when_a_visit_has_expired_since(session, jivo, source, run):
    """The visit from before, the one decided by now, and both of one chat."""
    point(session, jivo, source)
    old = [visited(session, jivo.account, f"old{number}") for number in range(3)]
    chats = [chat(session, jivo, visit.session_id, client=visit.session_id) for visit in old]
    new = [visited(session, jivo.account, f"new{number}", DAY) for number in range(3)]
    for one, visit in zip(chats, new, strict=True):
        one.clues = {}
        tie_visit(session, jivo, visit, one.client)
    session.commit()
    made = run(task(session, jivo))
    assert [one.rule for one in chats] == ["beacon"] * 3
    kept = old[1].id
    for visit in (old[0], new[1], old[2], new[2]):
        session.delete(visit)
    session.commit()
    undone = run(make_task(session, jivo.account, TaskKind.UNDO, params={"task": made.id}))
    assert (undone.state, undone.counts) == (TaskState.DONE, {"restored": 3})
    assert [(one.rule, one.visit_id) for one in chats] == [("visit", None), ("visit", kept), ("visit", None)]


def test_visits_follow_a_changed_rule_and_come_back(session, jivo, run):
    campaign = make_campaign(session, jivo.account, rules=[{"utm_source": "yandex"}])
    visit = visited(session, jivo.account, "8f3c", landing_url="https://shop.example/?utm_source=yandex")
    found = chat(session, jivo, "8f3c")
    assert found.campaign_id is None
    made = run(task(session, jivo))
    assert (found.campaign_id, visit.campaign_id, made.counts) == (
        campaign.id,
        campaign.id,
        {"visits": 1, "changed": 1},
    )
    run(make_task(session, jivo.account, TaskKind.UNDO, params={"task": made.id}))
    assert (found.campaign_id, visit.campaign_id) == (None, None)


@pytest.fixture
def by_visits(session, jivo, source):
    """Chats that a visit decided: named, tied, of the same phone, and one that only its source is from, with a default
    that all of them would go to."""
    jivo.account.contact_window_days, jivo.fill_without_campaign = 30, True
    found = make_source(session, jivo.account, "mail", "Почта")
    campaign = make_campaign(session, jivo.account)
    point(session, jivo, source)
    first = visited(session, jivo.account, "named", campaign_id=campaign.id)
    second = visited(session, jivo.account, "tied", campaign_id=campaign.id)
    bare = visited(session, jivo.account, "bare", source_id=found.id)
    tie_visit(session, jivo, second, "7")
    chats = [
        chat(session, jivo, first.session_id, contact_phone=PHONE),
        chat(session, jivo, client="7"),
        chat(session, jivo, contact_phone=PHONE, started_at=BEGAN + HOUR),
        chat(session, jivo, bare.session_id),
    ]
    map_channel(session, jivo, "telegram", campaign=campaign)
    chats.append(chat(session, jivo, bare.session_id, channel="telegram"))
    assert [one.rule for one in chats] == ["visit", "beacon", "contact", "visit", "channel"]
    for visit in (first, second, bare):
        session.delete(visit)
    session.commit()
    return chats


def test_what_a_visit_decided_that_is_gone_stays_and_is_counted(session, jivo, by_visits, run):
    before = decided(session)
    chat(session, jivo)
    jivo.point_to("source", None, by_visits[3].source_id, None)
    session.commit()
    made = run(task(session, jivo))
    assert (decided(session)[:-1], made.seen, made.counts) == (before, 6, {"changed": 1, "gone": 5})


def test_what_an_archived_campaigns_rules_decided_stays_and_is_counted(session, jivo, source, run):
    landing = "https://shop.example/?utm_source=yandex"
    finished = make_campaign(session, jivo.account, rules=[{"utm_source": "yandex"}])
    visit = visited(session, jivo.account, campaign_id=finished.id, landing_url=landing)
    chat(session, jivo, visit.session_id)
    chat(session, jivo, utm={"source": "yandex"})
    map_channel(session, jivo, "telegram", campaign=finished)
    mapped = chat(session, jivo, channel="telegram")
    make_campaign(session, jivo.account, "other", "Другая", rules=[{"utm_source": "yandex"}])
    finished.archived_at = utc_now()
    jivo.mappings[0].point_to("source", None, source.id, None)
    session.commit()
    made = run(task(session, jivo))
    assert made.counts == {"changed": 1, "archived": 2}
    assert [one.campaign_id for one in session.scalars(select(Communication).order_by(Communication.id))] == [
        finished.id,
        finished.id,
        None,
    ]
    assert (mapped.source_id, visit.campaign_id) == (source.id, finished.id)


def test_another_cabinet_does_not_unmake_what_sessions_decided(session, jivo, source, run):
    chat(session, jivo, visited(session, jivo.account).session_id)
    point(session, jivo, source)
    jivo.account.cabinet_kind = CabinetKind.DATAAPI
    session.commit()
    named = chat(session, jivo, "555")
    assert run(task(session, jivo)).counts == {"changed": 0, "gone": 1}
    jivo.account.cabinet_kind = CabinetKind.EMBEDDED
    session.commit()
    assert run(task(session, jivo)).counts == {"changed": 0, "gone": 1}
    assert (decided(session), named.session_named) == ([("visit", None)] * 2, "555")


def test_a_label_set_since_gives_the_channel(session, jivo, source, run):
    map_channel(session, jivo, "viber", source=source)
    found = chat(session, jivo, clues={"widget": "w1"})
    jivo.widgets.append(Widget(widget="w1", channel="viber"))
    session.commit()
    made = run(task(session, jivo))
    assert (found.channel, found.rule) == ("viber", "channel")
    run(make_task(session, jivo.account, TaskKind.UNDO, params={"task": made.id}))
    assert (found.channel, found.rule) == (None, "none")


def test_what_came_after_the_button_is_not_touched(session, jivo, source, run):
    asked = task(session, jivo)
    asked.created_at = BEGAN
    session.commit()
    chat(session, jivo, started_at=BEGAN + HOUR)
    point(session, jivo, source)
    assert run(asked).seen == 0


def test_it_goes_on_where_it_was_interrupted(session, jivo, source, run, monkeypatch):
    monkeypatch.setattr(reattribute, "BATCH", 1)
    monkeypatch.setattr("webapp.tasks.MOST_STEPS", 2)
    for number in range(3):
        chat(session, jivo, started_at=BEGAN + number * HOUR)
    point(session, jivo, source)
    made = task(session, jivo)
    assert (run(made).state, made.seen) == (TaskState.RUNNING, 2)
    run(made)
    assert (made.state, made.seen, made.counts) == (TaskState.DONE, 3, {"changed": 3})


def test_a_stopped_one_does_nothing_more(session, jivo, source, run):
    chat(session, jivo)
    point(session, jivo, source)
    made = task(session, jivo)
    made.state = TaskState.STOPPED
    session.commit()
    run(made)
    assert decided(session) == [("none", None)]


def test_the_cabinet_hears_of_each_change(session, jivo, source, run, monkeypatch):
    told = []
    monkeypatch.setattr(EmbeddedCabinet, "resend", lambda self, session, number: told.append(number))
    found = chat(session, jivo)
    chat(session, jivo, started_at=BEGAN - DAY)
    point(session, jivo, source)
    made = run(task(session, jivo, since=BEGAN.isoformat(), until=utc_now().isoformat()))
    assert told == [found.id]
    run(make_task(session, jivo.account, TaskKind.UNDO, params={"task": made.id}))
    assert told == [found.id] * 2


def test_an_error_ends_it_and_is_told(session, jivo, run, monkeypatch):
    chat(session, jivo)

    def fails(*_arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(reattribute, "cases", fails)
    made = run(task(session, jivo))
    assert (made.state, made.finished_at is not None) == (TaskState.FAILED, True)


def test_communications_are_counted_while_nobody_waits(session, jivo, source, run, monkeypatch, observing_engine):
    """Counting a year of a large account takes its time: webhooks come meanwhile."""
    chat(session, jivo)
    point(session, jivo, source)
    working, free = reattribute.chosen, []

    def watched(*arguments, **named):
        free.append(nobody_waits(observing_engine))
        return working(*arguments, **named)

    monkeypatch.setattr(reattribute, "chosen", watched)
    done = run(task(session, jivo, integration=jivo.id))
    assert (done.total, done.seen) == (1, 1)
    assert free == [True, False], "one question counts, the other takes them"
