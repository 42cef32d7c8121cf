"""Whatever is asked for, the bounded search finds what plain reading finds; and what it costs is bounded."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.report import AT, inside, make_integrations, scatter, truth, values
from tests.views.acting import make_communication
from webapp.models import Account, Communication, Delivery
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
    {"q": "заказ7 шторы"},
    {"q": "шторы, тюль мария"},
    {"q": "9160000 шторы"},
    {"q": "мария и а"},
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


def first_page(own: Any, account: int, typed: str) -> list[str]:
    """The vendor's numbers of what a search shows first."""
    filters = Filters.read(own.get_one(Account, account), values(q=typed))
    page = listing.page(own, filters, Order(), None, None, listing.listed(), listing.total(own, filters))
    return [row.vendor_id for row in page.rows]


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


@pytest.mark.parametrize("most_found", [5000, 5], ids=["", "too many in the index"])
def test_a_sorted_list_under_a_filter_is_whole_or_in_the_order_of_time(app, session, narrow, monkeypatch, most_found):
    """Among the latest are hits enough for a page: those are not all there are to sort."""
    monkeypatch.setattr(scope, "MOST_FOUND", most_found)
    account, integration = make_integrations(session)
    scatter(session, account, integration, NUMBER)
    number = account.id
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        account = own.get_one(Account, number)
        rows = {row.id: row for row in truth(own, account)}
        for question in QUESTIONS:
            filters = Filters.read(account, values(**question))
            expected = matching(list(rows.values()), filters)
            known = listing.total(own, filters)
            first = listing.page(own, filters, Order("phone"), None, None, listing.listed(), known)
            found = walked(own, filters, Order("phone"))
            if first.order.is_usual:
                assert most_found == 5 or "q" in question or question == {"rule": "sessions"}, "few enough to be sorted"
                assert found == expected, question
            else:
                keys = {one: (rows[one].contact_phone or "", rows[one].started_at, one) for one in expected}
                assert found == sorted(expected, key=keys.__getitem__, reverse=True), question


#: One of five has a word that holds "ванов" and does not begin with it.
EVERY = 5


def add_ivanovs(session: Any, integration: Any) -> None:
    for place in range(NUMBER // 2):
        words = "карниз" if place % EVERY else "Семён Иванов" if place % 2 else "бабушка Сидорова"
        make_communication(session, integration, str(place), started_at=AT - timedelta(hours=place), text=words)
    session.commit()


@pytest.mark.parametrize("query", ["ванов", "идоров", "шка", "иванов", "карниз", "арн", "нет такого"])
def test_a_file_of_a_search_has_what_the_pages_show(app, session, narrow, query):
    account, integration = make_integrations(session)
    add_ivanovs(session, integration)
    number = account.id
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        filters = Filters.read(own.get_one(Account, number), values(q=query))
        found = walked(own, filters, Order())
        file = [row.id for batch in listing.everything(own, filters, listing.listed(), 10_000) for row in batch]
        assert file == found
        rows = matching(truth(own, filters.account), filters)
        near = {row.id for row in truth(own, filters.account)[: scope.NEAR]}
        assert set(found) >= set(rows) & near, "what reading has found is not lost when the index is asked"
        if query in ("иванов", "карниз", "нет такого"):
            assert found == rows


def test_inside_of_words_and_at_their_beginning_is_found_together(app, session, narrow):
    account, integration = make_integrations(session)
    for place in range(100):
        words = {3: "подшторник", 90: "шторы"}.get(place, "карниз")
        make_communication(session, integration, str(place), started_at=AT - timedelta(hours=place), text=words)
    session.commit()
    number = account.id
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        filters = Filters.read(own.get_one(Account, number), values(q="штор"))
        page = listing.page(own, filters, Order(), None, None, listing.listed(), listing.total(own, filters))
        assert [row.vendor_id for row in page.rows] == ["3", "90"]
        assert page.blind, "beyond the latest nobody has looked inside of words"
        assert page.older is None
        sort = listing.page(own, filters, Order("name"), None, None, listing.listed(), listing.total(own, filters))
        assert (len(sort.rows), sort.order.name, sort.blind) == (2, "name", True)


def test_a_search_is_blind_where_the_index_was_relied_on_and_may_miss_something(app, session, narrow, monkeypatch):
    account, integration = make_integrations(session)
    scatter(session, account, integration, 120)
    number = account.id
    session.rollback()

    def is_blind(own: Any, **told: Any) -> bool:
        return scope.look(own, Filters.read(own.get_one(Account, number), values(**told)), 11).blind

    with inside(app) as own:
        assert not is_blind(own, campaign="none", contact="repeat", site="none"), "all changes are looked at"
        monkeypatch.setattr(scope, "MOST_CHANGES", 100)
        assert is_blind(own, campaign="none", contact="repeat", site="none"), "more than are looked at"
        digest.run_all(own)
        assert not is_blind(own, campaign="none", contact="repeat", site="none")
        assert is_blind(own, q="нет такого")
        assert not is_blind(own, q="заказ"), "enough among the latest"
        assert not is_blind(own, q="нет такого", since="2026-03-01"), "few enough to be read"


def test_a_state_of_delivery_that_many_have_leaves_the_search_its_index(app, session, narrow, monkeypatch):
    monkeypatch.setattr(scope, "MOST_FOUND", 50)
    account, integration = make_integrations(session)
    account.cabinet_kind = "dataapi"
    texts = {190: "аметист"}
    made = [
        make_communication(
            session, integration, str(place), started_at=AT - timedelta(hours=place), text=texts.get(place, "")
        )
        for place in range(200)
    ]
    session.flush()
    for row in made:
        values_of = {"type": "chat", "state": "failed", "ext_id": str(row.id), "updated_at": AT}
        session.add(Delivery(account_id=account.id, communication_id=row.id, **values_of))
    session.commit()
    number, wanted = account.id, made[190].id
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        filters = Filters.read(own.get_one(Account, number), values(delivery="failed", q="аметист"))
        page = listing.page(own, filters, Order(), None, None, listing.listed(), listing.total(own, filters))
        assert ([row.id for row in page.rows], page.older) == ([wanted], None), "on the first page"


WRITTEN = (
    "8 916 123-45-67", "+7 (916) 123-45-67", "89161234567", "+79161234567", "8-916-123-45-67", "8 (916) 1234567",
)  # fmt: skip


@pytest.mark.parametrize("typed", ["+7 916 123-45-67", "8(916)123-45-67", "9161234567"])
def test_a_whole_phone_is_found_as_a_contact_and_however_a_text_mentions_it(app, session, narrow, typed):
    account, integration = make_integrations(session)
    texts = {60 + place: f"Перезвоните: {text}, спасибо" for place, text in enumerate(WRITTEN)}
    texts[70], texts[71], texts[72] = "916 и 123, 45, 67", "8 916 123-45-68", "заказ 916 123"
    for place in range(100):
        contact = {"contact_phone": "+79161234567"} if place == 80 else {}
        text = texts.get(place, "карниз")
        make_communication(
            session, integration, str(place), started_at=AT - timedelta(hours=place), text=text, **contact
        )
    session.commit()
    number = account.id
    session.rollback()
    with inside(app) as own:
        for _each in range(2):
            found = {int(row) for row in first_page(own, number, typed)}
            assert found == {80, *range(60, 66)}, "before and after they are indexed"
            digest.run_all(own)


@pytest.mark.parametrize("typed", ["+7 916 123-45-67", "8(916)123-45-67", "9161234567"])
def test_a_whole_phone_asks_the_index_for_no_short_beginnings(session, typed):
    """B12: a tenth of all numbers in texts begin with two given digits."""
    account, _integration = make_integrations(session)
    asked = Filters.read(account, values(q=typed)).asked()
    for dialect, begins in (("sqlite", r'(\d+)" \*'), ("postgresql", r"(\d+)':\*")):
        found = re.findall(begins, asked.query(dialect, account.id, [date(2026, 3, 1)]))
        assert found
        assert all(len(digits) >= 10 for digits in found)


def test_a_whole_email_is_found_as_a_contact_and_in_a_text(app, session, narrow):
    account, integration = make_integrations(session)
    for place in range(100):
        more: dict[str, Any] = {"contact_email": "maria@shop.example"} if place == 80 else {}
        text = "Пишите: Maria@Shop.example" if place == 60 else "карниз shop.example maria"
        make_communication(session, integration, str(place), started_at=AT - timedelta(hours=place), text=text, **more)
    session.commit()
    number = account.id
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        filters = Filters.read(own.get_one(Account, number), values(q="maria@shop.example"))
        assert [one // 20 for one in walked(own, filters, Order())] == [3, 4]


TOLD = "Здравствуйте! Нужны шторы в детскую, заказ 1042. Ёлочка есть?"


@pytest.mark.parametrize(
    ("typed", "is_found"),
    [
        ("шторы ёлочка", True),
        ("ёлочка шторы", True),
        ("ЕЛОЧКА, Шторы", True),
        ("елочка", True),
        ("ёлкин", True),
        ("Василий Елкин", True),
        ("Елкин тюль", False),
        ("шторы - ёлочка;", True),
        ("Ёлкин 5556677", True),
        ("Ёлкин 5556678", False),
        ("+7 921 555 66 77, Василий", True),
        ("Василий 8 (921) 555-66-77", True),
        ("892155566 1042", True),
        ("892155566 1043", False),
        ("+7 921 555 66 77, Мария", False),
        ("+79215556677 1042", True),
        ("1042 +7 921 555-66-77", True),
        ("1043 9215556677", False),
        ("8 10 7 921 555 66 77", True),
        ("921 555 66", True),
        ("шторы elkin@shop.example", True),
        ("elkin@shop.example,Василий", True),
        ("elkin@shop.example Мария", False),
        ("+79215556677 elkin@shop.example ёлочка", True),
        ("в детскую шторы", True),
        ("заказ 1042 шторы", True),
        ("нужны шторы в детскую заказ 1042 елочка есть здравствуйте василий елкин", True),
        ("нужны шторы в детскую заказ 1042 елочка есть здравствуйте василий палкин", False),
    ],
)
def test_all_that_is_typed_counts_in_any_order(app, session, narrow, typed, is_found):
    account, integration = make_integrations(session)
    for place in range(80):
        person: dict[str, Any] = {"text": "карниз"}
        if place == 60:
            contact = {"contact_phone": "+79215556677", "contact_email": "elkin@shop.example"}
            person = {"text": TOLD, "contact_name": "Василий Ёлкин", **contact}
        make_communication(session, integration, str(place), started_at=AT - timedelta(hours=place), **person)
    session.commit()
    number = account.id
    session.rollback()
    with inside(app) as own:
        for _each in range(2):
            assert first_page(own, number, typed) == (["60"] if is_found else []), "before and after indexing"
            digest.run_all(own)


def test_the_index_is_asked_for_the_telling_words(session):
    """B12: half of all texts have a word that begins with «в»."""
    account, _integration = make_integrations(session)
    asked = Filters.read(account, values(q="в детскую и на кухню")).asked()
    assert re.findall(r"_w(\w+)", asked.query("sqlite", account.id, [date(2026, 3, 1)])) == ["детскую", "кухню"]
    short = Filters.read(account, values(q="ва")).asked()
    assert re.findall(r"_w(\w+)", short.query("sqlite", account.id, [date(2026, 3, 1)])) == ["ва"]


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
