"""Keyset paging of «Обращения и цели»: nothing is lost or doubled, whichever way one walks (issue 2.7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.factories import make_integration
from tests.views.acting import make_communication, said, walk
from webapp.models import Integration
from webapp.report import listing

LIST = "/a/romashka/communications"
AT = datetime(2026, 3, 9, 11, 5, 0, 123457, tzinfo=UTC)


@pytest.fixture
def integration(session, account) -> Integration:
    found = make_integration(session, account)
    session.rollback()
    return found


def fill(session: Any, integration: Integration, moments: list[datetime], **values: Any) -> list[str]:
    """Communications of these moments; gives their pages' addresses in the order in which the list must show them."""
    made = [
        make_communication(session, integration, f"{place}", started_at=at, **values)
        for place, at in enumerate(moments)
    ]
    session.commit()
    keys = sorted(((row.started_at, row.id) for row in made), reverse=True)
    session.rollback()
    return [f"{LIST}/{number}" for _at, number in keys]


def links(page: Any) -> list[str]:
    return [link["href"] for link in page.select("tbody a.row-title")]


def scattered() -> list[datetime]:
    """130 moments, not in order."""
    return [AT + timedelta(minutes=(place * 37) % 130, microseconds=place) for place in range(130)]


MOMENTS = {
    "different": scattered(),
    "all equal": [AT] * 130,
    "equal over the edges of pages": [AT] * 40 + [AT + timedelta(seconds=1)] * 40 + [AT - timedelta(seconds=1)] * 50,
    "a microsecond apart": [AT + timedelta(microseconds=place) for place in range(130)],
}


@pytest.mark.parametrize("moments", list(MOMENTS.values()), ids=list(MOMENTS))
def test_a_walk_forwards_and_back_meets_every_row_once(session, viewer, integration, moments):
    """Equal times are told apart by the row's number."""
    expected = fill(session, integration, moments)
    pages = list(walk(viewer, LIST))
    assert [len(links(page)) for page in pages] == [50, 50, 30]
    assert [link for page in pages for link in links(page)] == expected
    assert pages[0].select_one(".pager a[rel=prev]") is None
    back = [pages[-1], *walk(viewer, pages[-1].select_one(".pager a[rel=prev]")["href"], "prev")]
    assert [link for page in reversed(back) for link in links(page)] == expected
    assert back[-1].select_one(".pager a[rel=prev]") is None
    assert back[-1].select_one(".pager a[rel=next]") is not None


def test_rows_that_arrive_while_one_walks_shift_no_page(session, viewer, integration):
    expected = fill(session, integration, scattered())
    first = viewer.get(LIST)
    make_communication(session, integration, "new", started_at=AT + timedelta(days=1))
    session.commit()
    session.rollback()
    second = viewer.get(first.select_one(".pager a[rel=next]")["href"])
    assert links(second) == expected[50:100]
    assert links(viewer.get(second.select_one(".pager a[rel=prev]")["href"])) == expected[:50]


def test_the_filters_go_along(session, viewer, integration):
    expected = fill(session, integration, scattered(), type="offline_message", text="шторы")
    fill_chats = [AT + timedelta(minutes=place) for place in range(60)]
    for place, at in enumerate(fill_chats):
        make_communication(session, integration, f"chat {place}", started_at=at)
    session.commit()
    session.rollback()
    pages = list(walk(viewer, f"{LIST}?type=offline_message&q=ШТОРЫ&since=2026-03-01&rule=none"))
    assert [link for page in pages for link in links(page)] == expected
    address = parse_qs(urlsplit(pages[0].select_one(".pager a[rel=next]")["href"]).query)
    assert {name: address[name] for name in ("type", "q", "since", "rule")} == {
        "type": ["offline_message"],
        "q": ["ШТОРЫ"],
        "since": ["2026-03-01"],
        "rule": ["none"],
    }


def test_a_page_that_is_just_full_has_no_next(session, viewer, integration):
    fill(session, integration, [AT] * 50)
    page = viewer.get(LIST)
    assert len(links(page)) == 50
    assert page.select_one(".pager a") is None


def test_the_pager_says_how_many_there_are_as_far_as_it_is_worth_counting(session, viewer, integration, monkeypatch):
    fill(session, integration, scattered(), text="чат")
    assert said(viewer.get(LIST).select_one(".pager-text")) == "50 из 130"
    monkeypatch.setattr(listing, "LARGEST_COUNT", 100)
    assert said(viewer.get(LIST).select_one(".pager-text")) == "50 из 130", "the counters know it exactly"
    assert said(viewer.get(f"{LIST}?q=Имя").select_one(".pager-text")) == "0 из 0"
    assert said(viewer.get(f"{LIST}?q=чат").select_one(".pager-text")) == "50 из более чем 100"
