"""Issue 6.7: an alert is told once, and nobody is flooded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from webapp.alerts import watching
from webapp.alerts.checks import Check, Finding
from webapp.models import Alert, AlertMessage, AlertSetting

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
EVERY = timedelta(minutes=5)


@pytest.fixture
def wrong(monkeypatch) -> set[str]:
    """The subjects that the only check finds; a test changes them."""
    found: set[str] = set()
    check = Check(
        "failed_events", "t", "h", lambda *_: [Finding(one, {"integration": one, "count": 1}) for one in sorted(found)],
        lambda facts: "x",
    )  # fmt: skip
    monkeypatch.setattr(watching, "CHECKS", (check,))
    return found


@pytest.fixture
def look(app, session, account, setting):
    """Looks so many times, every five minutes; gives the messages there are, by event."""
    clock = [NOW]

    def looked(times: int = 1) -> list[str]:
        for _time in range(times):
            with app.app_context():
                watching.look_at(session, account, clock[0])
                session.commit()
            clock[0] += EVERY
        told = select(AlertMessage.event).where(AlertMessage.way == "email").order_by(AlertMessage.id)
        return list(session.scalars(told))

    looked.clock = clock
    return looked


def test_a_blip_is_no_alert(session, wrong, look):
    wrong.add("a")
    assert look() == []
    wrong.clear()
    look(3)
    wrong.add("a")
    assert look() == []
    assert not session.scalars(select(Alert)).one().is_open


def test_what_lasts_is_told_once_on_each_way_and_its_end_too(session, wrong, look):
    wrong.add("a")
    assert look(10) == ["opened"]
    assert session.scalars(select(Alert)).one().is_open
    wrong.clear()
    assert look(2) == ["opened"]
    assert look(5) == ["opened", "closed"]
    assert len(session.scalars(select(AlertMessage).where(AlertMessage.way == "webhook")).all()) == 2


def test_what_comes_and_goes_is_told_once_a_day(session, wrong, look):
    for _time in range(5):
        wrong.add("a")
        look(3)
        wrong.clear()
        look(4)
    assert look() == ["opened", "closed"]
    look.clock[0] += timedelta(hours=24)
    wrong.add("a")
    assert look(2) == ["opened", "closed", "opened"]


def test_what_came_back_and_stays_is_told_again_for_the_last_word_was_that_it_is_well(session, wrong, look):
    wrong.add("a")
    look(2)
    wrong.clear()
    assert look(3) == ["opened", "closed"]
    wrong.add("a")
    assert look(13) == ["opened", "closed"], "shown for 55 minutes"
    assert look() == ["opened", "closed", "opened"]
    assert look(400) == ["opened", "closed", "opened"]
    wrong.clear()
    assert look(3) == ["opened", "closed", "opened", "closed"]


def test_what_is_open_untold_when_the_day_has_passed_is_told(session, wrong, look, monkeypatch):
    monkeypatch.setattr(watching, "RELAPSE", timedelta(days=9))
    wrong.add("a")
    look(2)
    wrong.clear()
    look(3)
    wrong.add("a")
    assert look(20) == ["opened", "closed"]
    look.clock[0] = NOW + EVERY + timedelta(hours=24)
    assert look() == ["opened", "closed", "opened"]


@pytest.mark.parametrize("change", [{"active": False}, {"archived_at": NOW}])
def test_an_integration_that_is_switched_off_is_not_said_to_be_well_again(session, jivo, look, monkeypatch, change):
    def find(session, account, seen):
        return [Finding("1", {"integration": "Jivo", "count": 1}, jivo.id)] if jivo.runs else []

    monkeypatch.setattr(watching, "CHECKS", (Check("failed_events", "t", "h", find, lambda facts: "x"),))
    assert look(2) == ["opened"]
    for name, value in change.items():
        setattr(jivo, name, value)
    session.commit()
    assert look(5) == ["opened"]
    assert not session.scalars(select(Alert)).one().is_open


def test_each_subject_is_an_alert_of_its_own(session, wrong, look):
    wrong |= {"a", "b"}
    assert look(2) == ["opened", "opened"]
    wrong.discard("a")
    look(3)
    assert {alert.subject: alert.is_open for alert in session.scalars(select(Alert))} == {"a": False, "b": True}


def test_a_check_that_is_switched_off_closes_without_a_word(session, account, wrong, look, setting):
    wrong.add("a")
    look(2)
    setting.off = ["failed_events"]
    session.commit()
    assert look(5) == ["opened"]
    assert not session.scalars(select(Alert)).one().is_open


def test_an_alert_that_came_back_is_shown_again_to_who_had_hidden_it(session, wrong, look):
    wrong.add("a")
    look(2)
    alert = session.scalars(select(Alert)).one()
    alert.hidden_at = NOW
    wrong.clear()
    look(3)
    wrong.add("a")
    look(2)
    assert (alert.is_open, alert.hidden_at) == (True, None)


def test_without_settings_alerts_are_shown_and_nobody_is_told(session, wrong, look, setting):
    session.delete(setting)
    session.commit()
    wrong.add("a")
    assert look(2) == []
    assert session.scalars(select(Alert)).one().is_open
    assert session.scalars(select(AlertSetting)).all() == []
