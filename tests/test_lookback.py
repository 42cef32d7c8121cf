"""Deciding again about many communications at once gives what deciding about each gives (B2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from tests.attributed import BEGAN, DAY, EMAIL, HOUR, PHONE, chat, known_client, visited
from tests.factories import (
    make_account,
    make_campaign,
    make_integration,
    make_site,
    make_source,
    map_channel,
    tie_visit,
)
from webapp import lookback
from webapp.attribution import attribute
from webapp.forecast import forecast
from webapp.lookback import Decided, cases, ruling
from webapp.models import Account, CabinetKind, Communication, Delivery, Integration, VendorClient, VisitTie, utc_now
from webapp.resolution import Target

MINUTE = timedelta(minutes=1)


@pytest.fixture
def account(session) -> Account:
    return make_account(session, contact_window_days=30)


@pytest.fixture
def jivo(session, account) -> Integration:
    return make_integration(session, account)


def look(session, account, **options):
    """A forecast by the saved rules over everything."""
    rules = ruling(session, account)
    return forecast(session, account, rules, rules, since=BEGAN - 400 * DAY, **options)


def furnish(session, account, jivo) -> list[Communication]:
    """Chats that every rule has a say in, and several that only look as if it had."""
    site = make_site(session, account)
    other = make_site(session, account, "other", "other.example")
    direct = make_campaign(session, account, rules=[{"utm_source": "yandex"}], site_id=site.id)
    make_source(session, account, "mail", "Почта", rules=[{"utm_medium": "email"}])
    tg = make_source(session, account)
    map_channel(session, jivo, "telegram", source=tg, site=other)
    jivo.point_to("campaign", direct.id, None, None)
    session.commit()
    landing = "https://shop.example/?utm_source=yandex"
    named = visited(session, account, "named", campaign_id=direct.id, landing_url=landing)
    bare = visited(session, account, "bare", site_id=other.id)
    visited(session, account, "old", 200 * DAY)
    visited(session, account, "later", -DAY)
    stranger = make_account(session, "vasilek")
    visited(session, stranger, "foreign")
    ties = [visited(session, account, f"tie{days}", days * DAY, campaign_id=direct.id) for days in (1, 3, -2)]
    for visit in ties:
        tie_visit(session, jivo, visit, "7")
    tie_visit(session, jivo, visited(session, account, "told late"), "9", BEGAN + 9 * DAY)
    chat(session, jivo, client="9", finished_at=BEGAN + HOUR)
    chat(session, jivo, client="9")
    chat(session, jivo, named.session_id, contact_phone=PHONE, started_at=BEGAN)
    chat(session, jivo, bare.session_id, contact_email=EMAIL)
    for token in ("old", "later", "foreign", "never-seen"):
        chat(session, jivo, token)
    chat(session, jivo, client="7")
    chat(session, jivo, client="7", started_at=BEGAN - 2 * DAY)
    chat(session, jivo, client="8", channel="telegram")
    chat(session, jivo, contact_phone=PHONE, started_at=BEGAN + DAY)
    chat(session, jivo, contact_email=EMAIL, contact_phone="+79990000000", started_at=BEGAN + MINUTE)
    chat(session, jivo, contact_email=EMAIL, started_at=BEGAN - DAY)
    chat(session, jivo, utm={"source": "YANDEX", "medium": "email"})
    chat(session, jivo, utm={"medium": "email"})
    chat(session, jivo, channel="avito")
    return list(session.scalars(select(Communication).order_by(Communication.id)))


@pytest.mark.parametrize("fill", [False, True])
@pytest.mark.parametrize("window", [None, 30])
def test_each_is_decided_as_by_itself(session, account, jivo, fill, window):
    account.contact_window_days, jivo.fill_without_campaign = window, fill
    session.commit()
    rows = furnish(session, account, jivo)
    for row in rows:
        attribute(session, jivo, row, known_client(session, row))
    session.commit()
    rules = ruling(session, account)
    found = cases(session, account, rows)
    for case in found:
        decision = rules.decide(case)
        trail = [
            {"rule": str(step.rule), "outcome": str(step.outcome), "facts": dict(step.facts)} for step in decision.trail
        ]
        assert trail == case.communication.trail
        assert Decided.by(decision) == Decided.of(case.communication)
        assert decision.visit == case.communication.visit_id
    assert {case.communication.rule for case in found} >= {"visit", "beacon", "utm", "channel", "default"}
    assert ("contact" in {case.communication.rule for case in found}) == bool(window)


def test_the_number_of_queries_does_not_grow_with_the_communications(session, account, jivo):
    def queries() -> int:
        asked: list[str] = []

        def note(_connection, _cursor, statement, *_rest) -> None:
            asked.append(statement)

        event.listen(session.get_bind(), "before_cursor_execute", note)
        look(session, account)
        event.remove(session.get_bind(), "before_cursor_execute", note)
        return len(asked)

    visited(session, account, "named")
    for number in range(2):
        chat(session, jivo, "named", client=str(number), contact_phone=PHONE)
    few = queries()
    for number in range(20):
        chat(session, jivo, "named", client=str(number), contact_phone=PHONE)
    assert queries() == few


def test_without_a_change_nothing_would_change(session, account, jivo):
    furnish(session, account, jivo)
    found = look(session, account)
    assert (found.seen, found.changed, found.cut) == (17, 0, False)


def test_a_changed_default_is_told_with_counts_and_examples(session, account, jivo):
    source = make_source(session, account)
    for number in range(5):
        chat(session, jivo, started_at=BEGAN + number * HOUR)
    saved = ruling(session, account)
    policy = replace(saved.policies[jivo.id], default=Target(source=source.id))
    found = forecast(session, account, replace(saved, policies={jivo.id: policy}), saved, since=BEGAN - DAY)
    [shift] = found.shifts
    assert (shift.before, shift.after) == (
        Decided("none", None, None, None),
        Decided("default", None, source.id, None),
    )
    assert shift.count == 5
    assert [one.started_at - BEGAN for one in shift.examples] == [4 * HOUR, 3 * HOUR, 2 * HOUR]
    assert found.anyway == 0


def test_what_no_rules_of_today_decide_about_is_told_by_why(session, account, jivo):
    campaign = make_campaign(session, account, rules=[{"utm_source": "yandex"}])
    visit = visited(session, account)
    chat(session, jivo, visit.session_id)
    for _number in range(2):
        chat(session, jivo, utm={"source": "yandex"})
    session.delete(visit)
    campaign.archived_at = utc_now()
    jivo.point_to("source", None, make_source(session, account).id, None)
    session.commit()
    found = look(session, account)
    assert (found.seen, found.changed, found.kept) == (3, 0, {"gone": 1, "archived": 2})


def test_what_older_rules_decided_is_told_apart(session, account, jivo):
    chat(session, jivo)
    source = make_source(session, account)
    jivo.point_to("source", None, source.id, None)
    session.commit()
    found = look(session, account)
    assert (found.changed, found.anyway) == (1, 1)


def test_only_the_newest_are_looked_at_and_it_is_said(session, account, jivo):
    for number in range(4):
        chat(session, jivo, started_at=BEGAN + number * HOUR)
    chat(session, jivo, started_at=BEGAN, is_test=True)
    found = look(session, account, most=3)
    assert (found.seen, found.cut) == (3, True)
    assert look(session, account, most=4).cut is False


def test_time_and_integration_narrow_it(session, account, jivo):
    other = make_integration(session, account, "second")
    chat(session, jivo, started_at=BEGAN)
    chat(session, other, started_at=BEGAN)
    chat(session, jivo, started_at=BEGAN - 10 * DAY)
    rules = ruling(session, account)
    counts = [
        forecast(session, account, rules, rules, **options).seen
        for options in (
            {"since": BEGAN - DAY},
            {"since": BEGAN - 11 * DAY, "until": BEGAN},
            {"since": BEGAN - DAY, "integration_id": other.id},
        )
    ]
    assert counts == [2, 1, 1]


def test_a_changed_rule_moves_the_visits_too(session, account, jivo):
    """A visit means what the counter would make of its arrival by the new rules; without an arrival it stays."""
    campaign = make_campaign(session, account, site_id=make_site(session, account).id)
    visited(
        session, account, "marked", landing_url="https://shop.example/?utm_source=yandex", marks={"source": "yandex"}
    )
    visited(session, account, "bare", campaign_id=campaign.id)
    marked, bare = chat(session, jivo, "marked"), chat(session, jivo, "bare")
    saved = ruling(session, account)
    campaign.rules = [[{"mark": "utm_source", "op": "equals", "value": "yandex"}]]
    session.flush()
    new = ruling(session, account)
    session.rollback()
    [shift] = forecast(session, account, new, saved, since=BEGAN - DAY).shifts
    assert [one.id for one in shift.examples] == [marked.id]
    assert shift.after == Decided("visit", campaign.id, None, campaign.site_id)
    assert bare.campaign_id == campaign.id


def test_a_label_gives_a_channel_to_chats_that_had_none(session, account, jivo):
    source = make_source(session, account)
    map_channel(session, jivo, "viber", source=source)
    chat(session, jivo, clues={"widget": "w1"})
    saved = ruling(session, account)
    labelled = replace(saved, labels={jivo.id: {"w1": "viber"}})
    [shift] = forecast(session, account, labelled, saved, since=BEGAN - DAY).shifts
    assert shift.after == Decided("channel", None, source.id, None)


def test_a_forecast_reads_no_more_at_once_than_a_chunk(session, account, jivo, monkeypatch):
    monkeypatch.setattr(lookback, "CHUNK", 2)
    source = make_source(session, account)
    for _number in range(5):
        chat(session, jivo)
    jivo.point_to("source", None, source.id, None)
    session.commit()
    assert look(session, account).changed == 5


@pytest.fixture
def outside(session) -> Account:
    """An account of an outside cabinet, which counts the visits itself."""
    return make_account(session, "outside", cabinet_kind=CabinetKind.DATAAPI)


def test_sessions_of_an_outside_cabinet_are_decided_as_by_themselves(session, outside):
    """Named ones are handed on, refused ones fall back, and tied ones stand in."""
    jivo = make_integration(session, outside, "jivo-2")
    site = make_site(session, outside, "7", "seven.example")
    source = make_source(session, outside, "9", "Девять")
    jivo.point_to("source", None, source.id, site.id)
    for number, days in (("101", 3), ("102", 1), ("103", -1)):
        session.add(
            VisitTie(integration_id=jivo.id, client="7", session_id=number, visit_id=None, tied_at=BEGAN - days * DAY)
        )
    session.add(
        VendorClient(account_id=outside.id, integration_id=jivo.id, client="7", updated_at=BEGAN, visit_tied_at=BEGAN)
    )
    session.commit()
    rows = [
        chat(session, jivo, "555"),
        chat(session, jivo, client="7"),
        chat(session, jivo, client="7", started_at=BEGAN - 10 * DAY),
        chat(session, jivo, "777"),
        chat(session, jivo, client="7", started_at=BEGAN - 10 * DAY, finished_at=BEGAN - 9 * DAY),
    ]
    session.add(
        Delivery(
            account_id=outside.id, communication_id=rows[3].id, type="chat", ext_id="lt-1", updated_at=BEGAN,
            refused={"777": "session_not_found"},
        )
    )  # fmt: skip
    session.commit()
    for row in rows:
        attribute(session, jivo, row, known_client(session, row))
    session.commit()
    rules = ruling(session, outside)
    decisions = [rules.decide(case) for case in cases(session, outside, rows)]
    assert [(str(one.rule), one.session) for one in decisions] == [(row.rule, row.session_named) for row in rows]
    assert [row.session_named for row in rows] == ["555", "102", "101", None, None]
    assert rows[3].rule == "default"
