"""«Обращения и цели»: the list, its filters and its search (J18, J1, J4, J5, issue 2.7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.factories import make_account, make_campaign, make_integration, make_site, make_source
from tests.report import inside
from tests.views.acting import chat, filled, make_communication, path_of, rows, said, send
from webapp.models import Account, Integration, utc_now
from webapp.report import digest, scope

LIST = "/a/romashka/communications"
AT = datetime(2026, 3, 9, 11, 5, tzinfo=UTC)


@pytest.fixture
def integration(session, account) -> Integration:
    found = make_integration(session, account)
    session.rollback()
    return found


def add(session: Any, integration: Integration, vendor_id: str = "1", **values: Any) -> int:
    values = {"started_at": AT, "contact_name": f"Имя {vendor_id}"} | values
    row = make_communication(session, integration, vendor_id, **values)
    session.commit()
    number = row.id
    session.rollback()
    return number


def shown(client: Any, **query: Any) -> list[str]:
    """The names in the list for these filters, in its order."""
    page = client.get(LIST, query_string=query)
    return [row[2].split(" нет контакта")[0] for row in rows(page) if len(row) > 1]


def test_before_the_first_communication_the_page_shows_the_way_there(session, viewer, account):
    page = viewer.get(LIST)
    assert said(page.h1) == "Обращения и цели"
    assert "Сырые данные" in said(page.select_one(".crumbs")), "J18"
    assert said(page.select_one(".empty h2")) == "Здесь появятся обращения"
    assert page.select_one(".empty .step-current a")["href"] == "/a/romashka/integrations/new"
    make_integration(session, account, saved_at=utc_now())
    session.rollback()
    steps = viewer.get(LIST).select(".empty li")
    assert [("step-done" in step["class"]) for step in steps] == [True, True, False]


def test_the_list_shows_type_time_contact_channel_target_and_rule(session, viewer, account, integration):
    """Issue 2.7; J4, J5."""
    site = make_site(session, account)
    campaign, source = make_campaign(session, account), make_source(session, account)
    session.rollback()
    add(
        session, integration, "1", contact_name="Мария", contact_phone="+79161234567", channel="telegram",
        campaign_id=campaign.id, site_id=site.id, rule="utm", message_count=2,
    )  # fmt: skip
    add(
        session, integration, "2", contact_name=None, contact_email="a@b.example", type="offline_message",
        source_id=source.id, rule="channel", started_at=AT - timedelta(minutes=1), is_test=True,
    )  # fmt: skip
    add(
        session, integration, "3", contact_name=None, finished_at=None, started_at=AT - timedelta(minutes=2)
    )  # fmt: skip
    page = viewer.get(LIST)
    assert [said(cell) for cell in page.select(".card-table thead th")] == [
        "Время ↓",
        "Обращение",
        "Контакт",
        "Канал",
        "Кампания / источник",
        "Почему",
    ]
    first, second, third = rows(page)
    assert first[0] == "09.03.2026 14:05", "the account's zone is Moscow"
    assert first[1].startswith("Чат 2 сообщени")
    assert first[2:] == ["Мария +7 916 123-45-67", "Telegram", "Яндекс.Директ shop.example", "UTM чата"]
    assert second[1] == "Заявка Jivo · проверка"
    assert second[2:] == ["Без имени a@b.example", "—", "Telegram-канал источник", "мессенджер"]
    assert third[1:] == ["Чат идёт", "Без имени нет контакта", "—", "—", "без атрибуции"]


def test_the_latest_is_first_and_leads_to_its_page(session, viewer, integration):
    numbers = [
        add(session, integration, str(minute), started_at=AT + timedelta(minutes=minute)) for minute in (2, 9, 5)
    ]
    links = [link["href"] for link in viewer.get(LIST).select(".card-table tbody a")]
    assert links == [f"{LIST}/{numbers[place]}" for place in (1, 2, 0)]


def test_each_filter_leaves_what_it_names(session, viewer, account, integration):
    second = make_integration(session, account, "jivo-2", name="Второй")
    number = second.id
    session.rollback()
    add(session, integration, "chat", rule="utm")
    add(session, integration, "request", type="offline_message")
    add(session, second, "second", rule="default")
    assert shown(viewer, type="chat") == ["Имя second", "Имя chat"]
    assert shown(viewer, type="offline_message") == ["Имя request"]
    assert shown(viewer, integration=number) == ["Имя second"]
    for rule, names in (("utm", ["Имя chat"]), ("none", ["Имя request"]), ("default", ["Имя second"]), ("visit", [])):
        assert shown(viewer, rule=rule) == names, rule
    assert shown(viewer, type="chat", rule="default", integration=number, q="second") == ["Имя second"]


def test_every_rule_and_type_can_be_chosen_and_the_choice_stays(session, viewer, integration):
    add(session, integration)
    page = viewer.get(f"{LIST}?since=2026-03-01&until=2026-03-31&type=chat&rule=none&q=Имя")
    offered = {field: [option["value"] for option in page.select(f"#{field} option")] for field in ("type", "rule")}
    assert offered == {
        "type": ["", "chat", "offline_message"],
        "rule": [
            *("", "visit", "beacon", "contact", "utm", "channel", "default", "none"),
            *("sessions", "marks", "rest"),
        ],
    }
    sent = filled(page.select_one("form.filters"))
    assert {name: value for name, value in sent.items() if value} == {
        "since": "2026-03-01",
        "until": "2026-03-31",
        "type": "chat",
        "rule": "none",
        "q": "Имя",
    }
    assert len(rows(page)) == 1
    assert page.select_one(".chips li:last-child a")["href"] == LIST


def test_days_are_days_of_the_accounts_zone(session, viewer, account, integration):
    """J5, issue 2.7: half past midnight in Vladivostok is the day before in UTC."""
    session.get(Account, integration.account_id).timezone = "Asia/Vladivostok"
    session.commit()
    session.rollback()
    add(session, integration, "late", started_at=datetime(2026, 3, 9, 13, 59, 59, 999999, tzinfo=UTC))
    add(session, integration, "early", started_at=datetime(2026, 3, 9, 14, 0, tzinfo=UTC))
    assert shown(viewer, since="2026-03-10", until="2026-03-10") == ["Имя early"]
    assert shown(viewer, since="2026-03-09", until="2026-03-09") == ["Имя late"]
    assert shown(viewer, since="2026-03-10") == ["Имя early"]
    assert shown(viewer, until="2026-03-09") == ["Имя late"]
    assert shown(viewer, since="2026-03-09", until="2026-03-10") == ["Имя early", "Имя late"]
    assert [row[0] for row in rows(viewer.get(LIST))] == ["10.03.2026 00:00", "09.03.2026 23:59"]


def test_a_day_of_a_change_of_clocks_is_whole(session, viewer, account, integration):
    """Berlin, 29 March 2026: the day has 23 hours."""
    session.get(Account, integration.account_id).timezone = "Europe/Berlin"
    session.commit()
    session.rollback()
    for name, at in (
        ("before", datetime(2026, 3, 28, 22, 59, tzinfo=UTC)),
        ("first", datetime(2026, 3, 28, 23, 0, tzinfo=UTC)),
        ("last", datetime(2026, 3, 29, 21, 59, tzinfo=UTC)),
        ("after", datetime(2026, 3, 29, 22, 0, tzinfo=UTC)),
    ):
        add(session, integration, name, started_at=at)
    assert shown(viewer, since="2026-03-29", until="2026-03-29") == ["Имя last", "Имя first"]


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday", "until": "2026-13-45", "type": "letter", "rule": "magic", "integration": "abc"},
        {"since": "0001-01-01", "until": "9999-12-31"},
        {"integration": "-1", "before": "1.2", "after": "x"},
        {"integration": "9" * 30},
        {"integration": "9223372036854775808"},
        {"before": "1.2.3.4", "after": "nan.0.1"},
        {"before": "9" * 40 + ".0.1"},
        {"before": "1700000000.0." + "9" * 40},
        {"after": "-99999999999999.0.1"},
        {"q": "\0"},
        {"q": "а\0б"},
    ],
    ids=str,
)
def test_an_address_with_nonsense_in_it_breaks_nothing(session, viewer, integration, query):
    add(session, integration)
    viewer.get(LIST, query_string=query)


@pytest.mark.parametrize("query", [{"before": "1.000000.1"}, {"after": "4000000000.000000.1"}], ids=str)
def test_a_page_beyond_either_end_is_an_empty_page(session, viewer, integration, query):
    """What stood there may have been purged since."""
    add(session, integration)
    page = viewer.get(LIST, query_string=query)
    assert page.select("tbody tr.row-link") == []


PHONES = (
    "+7 916 123-45-67",
    "8 (916) 123-45-67",
    "89161234567",
    "79161234567",
    "9161234567",
    "+7(916)1234567",
    "8.916.123.45.67",
    "1234567",
    "123-45-67",
    "916 123",
    "8 916 123",
    "8 (916) 123-45",
    "8916123",
    "7 916 123",
    "007 916 123",
)


@pytest.mark.parametrize("typed", PHONES)
def test_a_phone_is_found_however_it_is_typed(session, viewer, integration, typed):
    add(session, integration, "wanted", contact_phone="+79161234567")
    add(session, integration, "other", contact_phone="+79167654321")
    add(session, integration, "none")
    assert [name.split(" +7")[0] for name in shown(viewer, q=typed)] == ["Имя wanted"]


def test_a_phone_without_code_is_of_the_accounts_country(session, viewer, account, integration):
    session.get(Account, integration.account_id).region = "BY"
    session.commit()
    session.rollback()
    add(session, integration, "wanted", contact_phone="+375291234567")
    assert len(shown(viewer, q="8 029 123-45-67")) == 1


def test_a_short_german_number_is_found_with_its_zero(session, viewer, account, integration):
    session.get(Account, integration.account_id).region = "DE"
    session.commit()
    session.rollback()
    add(session, integration, "wanted", contact_phone="+4930901820")
    add(session, integration, "other", contact_phone="+4989901820")
    for typed in ("030 901820", "030 90", "0049 30 90", "+49 30 90"):
        assert [name.split(" +49")[0] for name in shown(viewer, q=typed)] == ["Имя wanted"], typed


@pytest.mark.parametrize(
    "typed", ["maria@shop.example", "MARIA@Shop.Example", "  maria@shop.example ", "maria@", "shop.ex"]
)
def test_an_email_is_found_whole_and_in_part(session, viewer, integration, typed):
    add(session, integration, "wanted", contact_email="maria@shop.example")
    add(session, integration, "other", contact_email="mario@other.example")
    assert [name.split(" maria")[0] for name in shown(viewer, q=typed)] == ["Имя wanted"]


@pytest.mark.parametrize("typed", ["мария", "МАРИЯ", "Петрова", "шторы", "ШТОРЫ В ГОСТИНУЮ", "ёлочку", "chat-77"])
def test_text_is_found_in_any_case_also_in_cyrillic(app, session, viewer, integration, typed):
    """Issue 2.7: text search, in names, messages and the vendor's number."""
    path = session.scalars(select(Integration)).one().hook_path()
    session.rollback()
    send(app, path, chat("chat-77", "Есть шторы в гостиную?", "Под Ёлочку есть.", name="Мария Петрова"))
    send(app, path, chat("chat-78", "Ковры?", name="Пётр"))
    assert [name.split()[0] for name in shown(viewer, q=typed)] == ["Мария"]


@pytest.mark.parametrize(
    ("typed", "names"), [("50%", ["Имя 1"]), ("brand_msk", ["Имя 3"]), ("%", ["Имя 1"]), ("c:\\x", ["Имя 5"])]
)
def test_signs_of_patterns_are_letters_like_any_other(session, viewer, integration, typed, names):
    texts = ("скидка 50%", "скидка 500", "brand_msk", "brandxmsk", "c:\\x")
    for number, text in enumerate(texts, start=1):
        add(session, integration, str(number), text=text)
    assert shown(viewer, q=typed) == names


def test_a_search_without_result_says_so_and_shows_what_was_searched(session, viewer, integration):
    add(session, integration)
    page = viewer.get(LIST, query_string={"q": '"><b>нет'})
    assert page.find(id="q")["value"] == '"><b>нет'
    assert "По этим условиям ничего не нашлось." in said(page.select_one(".card-table tbody"))


def test_a_search_that_relied_on_the_index_says_what_it_may_have_missed(app, session, viewer, integration, monkeypatch):
    monkeypatch.setattr(scope, "NEAR", 2)
    for place in range(6):
        add(session, integration, str(place), started_at=AT - timedelta(days=place), text="шторы")
    with inside(app) as own:
        digest.run_all(own)
    words = "Короткий период он читает целиком."
    page = viewer.get(LIST, query_string={"q": "торы"})
    assert len(rows(page)) == 3, "those that were read"
    assert words in said(page)
    page = viewer.get(LIST, query_string={"q": "торы", "until": "2026-03-05"})
    assert len(rows(page)) == 2
    assert words not in said(page)
    assert words not in said(viewer.get(LIST))


def test_other_accounts_are_neither_listed_nor_offered_nor_found(session, viewer, account, integration):
    """B10."""
    foreign = make_integration(session, make_account(session, "vasilek"), "jivo", name="Чужая интеграция")
    session.rollback()
    add(session, foreign, "foreign", contact_phone="+79161234567", contact_email="a@b.example")
    number = foreign.id
    session.rollback()
    add(session, integration, "own")
    assert shown(viewer) == ["Имя own"]
    for query in ({"q": "+79161234567"}, {"q": "a@b.example"}, {"q": "foreign"}, {"integration": number}):
        assert shown(viewer, **query) == [], query
    assert "Чужая" not in str(viewer.get(LIST))


def test_an_integration_that_was_removed_can_still_be_chosen(session, viewer, owner, integration):
    add(session, integration)
    owner.post("/a/romashka/integrations/jivo/archive")
    page = viewer.get(LIST)
    assert len(rows(page)) == 1
    assert "Jivo" in [said(option) for option in page.select("#integration option")]


def test_what_came_from_outside_is_text(app, session, viewer, integration):
    add(session, integration, contact_name="<script>alert(1)</script>", channel="<img src=x>")
    viewer.get(LIST)
    assert "<script>alert" not in viewer.client.get(LIST).text
    assert "<img src=x>" not in viewer.client.get(LIST).text


def test_the_list_needs_a_session(client):
    assert path_of(client.get(LIST, status=302)).startswith("/sign-in")
