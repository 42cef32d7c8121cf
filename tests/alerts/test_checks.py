"""Issue 6.7: what is an alert, and what is only a quiet night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tests.factories import make_account, make_integration
from tests.views.acting import make_communication
from webapp.alerts import checks
from webapp.alerts.checks import (
    BY_NAME,
    CHECKS,
    Look,
    connections,
    delivery_paused,
    failed_events,
    silence,
    unattributed,
)
from webapp.models import Authorization, CabinetPause, EventState, WebhookEvent, Widget

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
OPENS, CLOSES = 9, 21

numbers = count()


def work(session, jivo, weeks: int = 5, until=NOW, each=HOUR / 2) -> None:
    """Chats every half an hour on working days from 9 to 21, until this moment."""
    moment = until - weeks * WEEK
    while moment <= until:
        if moment.weekday() < 5 and OPENS <= moment.hour < CLOSES:
            make_communication(session, jivo, f"w{next(numbers)}", started_at=moment)
        moment += each
    session.commit()


def silent(session, account, now=NOW, **look) -> list:
    return [dict(found.facts) for found in silence(session, account, Look(now, **look))]


def test_silence_in_busy_hours_is_told_with_what_is_usual(session, account, jivo):
    work(session, jivo, until=NOW - 4 * HOUR)
    [facts] = silent(session, account)
    assert (facts["integration"], facts["hours"]) == ("Jivo", 4)
    assert 7 <= facts["usual"] <= 9


def test_a_night_and_a_weekend_are_usual(session, account, jivo):
    friday = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)
    work(session, jivo, until=friday)
    for hours in (2, 12, 36, 60):
        assert silent(session, account, friday + hours * HOUR) == [], hours
    assert silent(session, account, friday + 61 * HOUR) == [], "Monday morning has just begun"
    assert len(silent(session, account, friday + 68 * HOUR)) == 1


def test_a_short_pause_and_a_slow_shop_are_usual(session, account, jivo):
    work(session, jivo, until=NOW - 50 * HOUR / 60)
    assert silent(session, account) == []
    slow = make_integration(session, account, "slow")
    work(session, slow, until=NOW - 4 * HOUR, each=3 * HOUR)
    assert silent(session, account) == []


def test_a_week_that_was_silent_too_makes_silence_usual(session, account, jivo):
    work(session, jivo, weeks=3, until=NOW - WEEK - DAY)
    work(session, jivo, weeks=0, until=NOW - 4 * HOUR)
    assert silent(session, account) == []


def test_without_a_week_of_history_nothing_is_usual_yet(session, account, jivo):
    moment = NOW - 3 * DAY
    while moment < NOW - 4 * HOUR:
        make_communication(session, jivo, moment.isoformat(), started_at=moment)
        moment += HOUR / 6
    session.commit()
    assert silent(session, account) == []


@pytest.mark.parametrize("heard", ["event", "widget"])
def test_any_webhook_breaks_the_silence(session, account, jivo, heard):
    work(session, jivo, until=NOW - 4 * HOUR)
    if heard == "widget":
        session.add(Widget(integration_id=jivo.id, widget="w", seen=1, last_seen_at=NOW - HOUR / 2))
    else:
        session.add(event(jivo, EventState.IGNORED, received_at=NOW - HOUR / 2))
    session.commit()
    assert silent(session, account) == []


def test_one_that_is_off_may_be_silent(session, account, jivo):
    work(session, jivo, until=NOW - 4 * HOUR)
    jivo.active = False
    session.commit()
    assert silent(session, account) == []


def test_an_open_alert_stays_until_something_is_heard(session, account, jivo):
    """After five weeks the weeks before were silent as well."""
    work(session, jivo, until=NOW - 6 * WEEK)
    assert silent(session, account) == []
    assert len(silent(session, account, open=frozenset({str(jivo.id)}))) == 1
    make_communication(session, jivo, "again", started_at=NOW)
    session.commit()
    assert silent(session, account, open=frozenset({str(jivo.id)})) == []


def event(jivo, state, received_at=NOW) -> WebhookEvent:
    return WebhookEvent(
        account_id=jivo.account_id,
        integration_id=jivo.id,
        received_at=received_at,
        body=b"{}",
        digest=f"{state}{received_at}",
        state=state,
    )


def test_failed_events_are_counted_by_integration(session, account, jivo):
    session.add_all([event(jivo, EventState.FAILED), event(jivo, EventState.DONE), event(jivo, EventState.STORED)])
    session.commit()
    [found] = failed_events(session, account, Look(NOW))
    assert (found.subject, dict(found.facts)) == (str(jivo.id), {"integration": "Jivo", "count": 1})


def share(session, jivo, lost: int, found: int) -> None:
    for number in range(lost + found):
        rule = "none" if number < lost else "default"
        make_communication(session, jivo, f"s{number}", started_at=NOW - HOUR, rule=rule)
    session.commit()


@pytest.mark.parametrize(
    ("lost", "found", "is_open", "told"),
    [(6, 14, False, 30), (5, 15, False, None), (5, 15, True, 25), (4, 16, True, None), (19, 0, False, None)],
)
def test_the_share_without_attribution_has_a_limit_with_a_margin(session, account, jivo, lost, found, is_open, told):
    share(session, jivo, lost, found)
    make_communication(session, jivo, "yesterday", started_at=NOW - 2 * DAY)
    session.commit()
    look = Look(NOW, unattributed_limit=30, open=frozenset({""}) if is_open else frozenset())
    assert [one.facts["percent"] for one in unattributed(session, account, look)] == ([told] if told else [])


def test_of_too_many_the_same_newest_are_the_whole_and_the_part(app, session, account, jivo, monkeypatch):
    """The first of the day were lost all of them, of the newest a quarter."""
    monkeypatch.setattr(checks, "MOST_OF_SHARE", 40)
    for number in range(80):
        rule = "none" if number < 40 or number % 4 == 0 else "default"
        started_at = NOW - timedelta(hours=20) + timedelta(minutes=number)
        make_communication(session, jivo, f"s{number}", started_at=started_at, rule=rule)
    session.commit()
    assert list(unattributed(session, account, Look(NOW, unattributed_limit=30))) == []
    [found] = unattributed(session, account, Look(NOW, unattributed_limit=25))
    assert found.facts == {"percent": 25, "count": 10, "total": 40, "cut": True}
    with app.test_request_context():
        assert "последних" in BY_NAME["unattributed"].says(found.facts)


def test_other_accounts_do_not_count(session, account, jivo):
    other = make_integration(session, make_account(session, "vasilek"))
    work(session, other, until=NOW - 4 * HOUR)
    session.add(event(other, EventState.FAILED))
    share(session, other, 20, 0)
    for check in CHECKS:
        assert list(check.find(session, account, Look(NOW))) == []


def test_a_paused_hand_over_is_told_with_what_to_do(app, session, account):
    session.add(CabinetPause(account_id=account.id, scope="chat", reason="x", since=NOW, next_probe_at=NOW))
    session.commit()
    [found] = delivery_paused(session, account, Look(NOW))
    assert found.subject == "chat"
    with app.test_request_context():
        assert BY_NAME["delivery_paused"].says(found.facts).strip()


@pytest.mark.parametrize(
    ("state", "long_lived", "days", "told"),
    [
        ("broken", False, 300, "не работает"),
        ("connected", True, 13, "закончится через 13 дней"),
        ("connected", True, 15, None),
        ("connected", False, 1, None),
        ("disconnected", True, 1, None),
    ],
)
def test_an_authorization_that_ends_is_told_in_time(app, session, account, state, long_lived, days, told):
    """What renews itself is nobody's worry."""
    authorization = Authorization(
        account_id=account.id,
        vendor="amocrm",
        key="main",
        name="Основной",
        state=state,
        long_lived=long_lived,
        expires_at=NOW + timedelta(days=days, hours=1),
    )
    session.add(authorization)
    session.commit()
    found = list(connections(session, account, Look(NOW)))
    with app.test_request_context():
        sentences = [BY_NAME["connections"].says(one.facts) for one in found]
    assert [told in sentence for sentence in sentences] == ([True] if told else [])


@pytest.mark.parametrize(
    ("state", "active", "told"), [("disconnected", True, 1), ("disconnected", False, 0), ("new", True, 0)]
)
def test_an_authorization_switched_off_under_an_integration_that_is_on_is_told(
    app, session, account, state, active, told
):
    authorization = Authorization(account_id=account.id, vendor="amocrm", key="main", name="Основной", state=state)
    integration = make_integration(session, account, "amo", "amocrm", active=active)
    session.add(authorization)
    session.flush()
    integration.authorization = authorization
    session.commit()
    found = list(connections(session, account, Look(NOW)))
    with app.test_request_context():
        sentences = [BY_NAME["connections"].says(one.facts) for one in found]
    assert ["отключена" in sentence for sentence in sentences] == [True] * told
