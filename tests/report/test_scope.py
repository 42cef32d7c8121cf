"""Whatever is asked for, the bounded search finds what plain reading finds; and what it costs is bounded."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tests.report import AT, inside, make_integrations, scatter, truth, values
from tests.views.acting import make_communication
from webapp.models import Account, Communication
from webapp.report import counting, digest, listing, scope
from webapp.report.filters import Filters
from webapp.report.listing import Order

NUMBER = 400

QUESTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"rule": "utm"},
    {"rule": "sessions"},
    {"type": "chat", "rule": "none"},
    {"channel": "telegram"},
    {"channel": "none"},
    {"visit": "yes"},
    {"visit": "no", "rule": "visit"},
    {"contact": "repeat"},
    {"contact": "first", "channel": "whatsapp"},
    {"campaign": "none", "source": "none", "site": "none"},
    {"q": "шторы"},
    {"q": "тюл"},
    {"q": "заказ7"},
    {"q": "нет такого"},
    {"q": "мария", "rule": "default"},
    {"q": "9160000"},
    {"q": "%"},
    {"q": "shop.ex"},
    {"q": "римские", "since": "2025-12-01", "until": "2026-01-31"},
    {"employee": "none", "type": "offline_message", "q": "замер"},
)


@pytest.fixture
def narrow(monkeypatch):
    """Every bound so small that each step is taken."""
    monkeypatch.setattr(scope, "NEAR", 20)
    monkeypatch.setattr(scope, "FAR", 60)
    monkeypatch.setattr(listing, "PAGE_SIZE", 10)


def matching(rows: list[Communication], filters: Filters) -> list[int]:
    """The same by plain reading, in Python."""
    session = listing.Session.object_session(rows[0])
    found = set(session.scalars(select(Communication.id).where(*filters.conditions())))
    return [row.id for row in rows if row.id in found]


def walked(session: Any, filters: Filters, order: Order) -> list[int]:
    """The numbers of all pages, one after the other."""
    found: list[int] = []
    before, query = None, listing.listed()
    for _page in range(200):
        known = listing.total(session, filters)
        page = listing.page(session, filters, order, before, None, query, known)
        found += [row.id for row in page.rows]
        if page.older is None:
            return found
        assert page.older != before
        before = page.older
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("is_digested", [True, False], ids=["indexed", "not yet indexed"])
@pytest.mark.parametrize("most_found", [5000, 5], ids=["", "too many in the index"])
def test_a_walk_over_all_pages_meets_what_plain_reading_finds(
    app, session, narrow, monkeypatch, is_digested, most_found
):
    monkeypatch.setattr(scope, "MOST_FOUND", most_found)
    account, integration = make_integrations(session)
    other, elsewhere = make_integrations(session, "vasilek")
    scatter(session, account, integration, NUMBER)
    scatter(session, other, elsewhere, 60, seed=2)
    number = account.id
    session.rollback()
    with inside(app) as own:
        if is_digested:
            digest.run_all(own)
        account = own.get_one(Account, number)
        rows = truth(own, account)
        for question in QUESTIONS:
            filters = Filters.read(account, values(**question))
            expected = matching(rows, filters)
            assert walked(own, filters, Order()) == expected, question
            assert walked(own, filters, Order("time", False)) == expected[::-1], question
            total = listing.total(own, filters)
            if filters.can_be_counted and is_digested:
                assert (total.number, total.more) == (len(expected), False), question
            else:
                assert total.number == len(expected) or (total.more and total.number <= len(expected)), question


def test_a_sorted_list_is_sorted_and_whole(app, session, narrow):
    account, integration = make_integrations(session)
    scatter(session, account, integration, 120)
    number = account.id
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        account = own.get_one(Account, number)
        rows = {row.id: row for row in truth(own, account)}
        for name, value in (("phone", lambda row: row.contact_phone or ""), ("rule", lambda row: row.rule)):
            for descending in (True, False):
                found = walked(own, Filters.read(account, {}), Order(name, descending))
                keys = [(value(rows[one]), rows[one].started_at, one) for one in found]
                assert keys == sorted(keys, reverse=descending)
                assert set(found) == set(rows)


def test_too_many_to_sort_are_in_the_order_of_time(app, session, monkeypatch):
    monkeypatch.setattr(listing, "MOST_SORTED", 5)
    account, integration = make_integrations(session)
    scatter(session, account, integration, 8)
    number = account.id
    session.rollback()
    with inside(app) as own:
        filters = Filters.read(own.get_one(Account, number), {})
        page = listing.page(own, filters, Order("name"), None, None, listing.listed(), listing.total(own, filters))
        assert page.order.is_usual
        assert [row.id for row in page.rows] == [row.id for row in truth(own, filters.account)]


def test_numbers_of_a_search_are_those_of_what_was_looked_at(app, session):
    account, integration = make_integrations(session)
    for place, words in enumerate(("шторы", "шторы", "тюль")):
        make_communication(session, integration, str(place), started_at=AT, text=words, rule="utm")
    session.commit()
    number = account.id
    session.rollback()
    with inside(app) as own:
        filters = Filters.read(own.get_one(Account, number), values(q="шторы"))
        found = counting.live(own, filters, scope.look(own, filters, 51).conditions, ("rule",), False)
        assert found.by("rule") == {("utm",): 2}
