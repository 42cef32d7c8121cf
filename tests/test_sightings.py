"""What the site script says of itself, and what that means (B4)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tests.factories import make_account, make_integration
from webapp.extensions import db
from webapp.models import Integration, ScriptSighting
from webapp.sightings import (
    COUNTER_WORDS,
    FAULTS_SHOWN,
    MOST_HOSTS,
    QUIET,
    SILENCE,
    STILL_GOOD,
    TOKEN_WORDS,
    WIDGET_WORDS,
    Report,
    parse_report,
    recent_faults,
    record_report,
    verdict,
)
from webapp.views.site_script import _verdict_words
from webapp.writing import write

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
GOOD = Report("ok", "ok", "set", ())


def report(counter: str = "ok", widget: str = "ok", token: str = "set", *faults: str) -> Report:
    return Report(counter, widget, token, faults)


@pytest.fixture
def integration(session) -> Integration:
    return make_integration(session, make_account(session))


def hosts(session) -> list[ScriptSighting]:
    session.flush()
    return list(session.scalars(select(ScriptSighting).order_by(ScriptSighting.id)))


def test_a_report_has_known_words_only() -> None:
    good = {"counter": "ok", "widget": "ok", "token": "set"}
    assert parse_report(good) == GOOD
    assert parse_report(good | {"faults": "set_token <b> тест a b c d e"}) == report(
        "ok", "ok", "set", "set_token", *"abcd"
    )
    for name in good:
        assert parse_report({**good, name: "hello"}) is None
        assert parse_report({key: value for key, value in good.items() if key != name}) is None


@given(st.dictionaries(st.sampled_from(["counter", "widget", "token", "faults"]), st.text(max_size=20)))
def test_whatever_is_reported_is_a_report_or_none(fields: dict[str, str]) -> None:
    found = parse_report(fields)
    assert found is None or len(found.faults) <= 5


def test_the_first_report_of_a_host_is_kept_whatever_it_says(session, integration) -> None:
    record_report(session, integration, "shop.example", report("refused", "missing", "none"), NOW)
    [kept] = hosts(session)
    assert (kept.host, kept.counter, kept.widget, kept.token) == ("shop.example", "refused", "missing", "none")
    assert (kept.last_seen_at, kept.last_good_at, kept.reports) == (NOW, None, 1)


def test_a_visitors_own_refusal_does_not_replace_what_is_known_of_the_site(session, integration) -> None:
    record_report(session, integration, "shop.example", GOOD, NOW)
    for counter in ("refused", "consent"):
        record_report(session, integration, "shop.example", report(counter, "ok", "none"), NOW + HOUR)
    [kept] = hosts(session)
    assert (kept.counter, kept.token, kept.reports, kept.last_seen_at) == ("ok", "set", 3, NOW + HOUR)


def test_good_news_is_not_written_down_every_time(session, integration) -> None:
    for later in (timedelta(), SECOND, QUIET - SECOND, QUIET):
        record_report(session, integration, "shop.example", GOOD, NOW + later)
    [kept] = hosts(session)
    assert (kept.reports, kept.last_seen_at) == (2, NOW + QUIET)
    record_report(session, integration, "shop.example", report("ok", "ok", "set", "set_token"), NOW + QUIET + SECOND)
    session.flush()
    assert kept.reports == 3, "a fault is always news"


def test_faults_are_shown_for_a_week(session, integration) -> None:
    record_report(session, integration, "shop.example", report("ok", "ok", "failed", "set_token"), NOW - FAULTS_SHOWN)
    record_report(session, integration, "shop.example", report("ok", "ok", "set", "other"), NOW)
    [kept] = hosts(session)
    assert set(kept.faults) == {"set_token", "other"}
    assert recent_faults(kept, NOW) == ["other"]


def test_made_up_hosts_do_not_fill_the_page_and_keep_out_no_own_site(session, integration) -> None:
    for number in range(MOST_HOSTS + 5):
        record_report(session, integration, f"h{number}.evil.example", GOOD, NOW, ["shop.example"])
    record_report(session, integration, "m.shop.example", GOOD, NOW, ["shop.example"])
    for number in range(MOST_HOSTS + 5):
        record_report(session, integration, f"h{number}.shop.example", GOOD, NOW, ["shop.example"])
    names = [kept.host for kept in hosts(session)]
    assert len(names) == 2 * MOST_HOSTS
    assert names[MOST_HOSTS] == "m.shop.example"


def test_hosts_of_two_integrations_are_apart(session, integration) -> None:
    other = make_integration(session, integration.account, "second")
    for one in (integration, other):
        record_report(session, one, "shop.example", GOOD, NOW)
    assert [kept.integration_id for kept in hosts(session)] == [integration.id, other.id]


def test_first_reports_at_the_same_moment_are_one_host(app, session, integration) -> None:
    session.commit()
    together, failed = threading.Barrier(4), []

    def tell() -> None:
        with app.app_context():
            together.wait()
            try:
                write(db.session(), lambda one: record_report(one, integration, "shop.example", GOOD, NOW))
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    session.rollback()
    assert len(hosts(session)) == 1


def sighting(
    counter: str = "ok", widget: str = "ok", token: str = "set", seen: timedelta = HOUR, good: timedelta | None = None
) -> ScriptSighting:
    return ScriptSighting(
        host="shop.example", counter=counter, widget=widget, token=token, faults={}, last_seen_at=NOW - seen,
        last_good_at=None if good is None else NOW - good,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (sighting(good=HOUR), "ok"),
        (sighting("missing", "missing", "none", good=HOUR + STILL_GOOD - SECOND), "ok"),
        (sighting("missing", "missing", "none", good=HOUR + STILL_GOOD), "counter"),
        (sighting(seen=SILENCE, good=SILENCE), "ok"),
        (sighting(seen=SILENCE + SECOND, good=SILENCE + SECOND), "silent"),
        (sighting("missing", "missing", "none"), "counter"),
        (sighting("consent", "ok", "none"), "consent"),
        (sighting("refused", "ok", "none"), "consent"),
        (sighting("none", "ok", "none"), "session"),
        (sighting("ok", "missing", "none"), "widget"),
        (sighting("ok", "ok", "failed"), "failed"),
        (sighting("ok", "ok", "none"), "token"),
    ],
)
def test_what_is_missing_first_is_said(seen: ScriptSighting, word: str) -> None:
    assert verdict(seen, NOW) == word


@pytest.mark.parametrize("counter", COUNTER_WORDS)
@pytest.mark.parametrize("widget", WIDGET_WORDS)
@pytest.mark.parametrize("token", TOKEN_WORDS)
def test_every_report_means_something_that_the_page_has_words_for(
    app: Any, counter: str, widget: str, token: str
) -> None:
    found = report(counter, widget, token)
    word = verdict(sighting(counter, widget, token, good=HOUR if found.good else None), NOW)
    assert (word == "ok") == found.good
    with app.test_request_context():
        title, text = _verdict_words(word)
    assert title
    assert text
