"""«Обращения и цели»: columns, order, filters, saved views, charts; the address carries all of it (B12)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import event, select

from tests.factories import make_campaign, make_employee, make_integration, make_site, make_source, make_visit
from tests.views.acting import beside, enter_as, filled, flash, make_communication, path_of, rows, said
from webapp.extensions import db
from webapp.models import Account, Delivery, Integration, Role, SavedView
from webapp.report import periods
from webapp.report.columns import COLUMNS

LIST = "/a/romashka/communications"
AT = datetime(2026, 3, 9, 11, 5, tzinfo=UTC)


@pytest.fixture
def integration(session, account) -> Integration:
    found = make_integration(session, account)
    session.rollback()
    return found


def add(session: Any, integration: Integration, vendor_id: str, **values: Any) -> int:
    values = {"started_at": AT, "contact_name": f"Имя {vendor_id}"} | values
    number = make_communication(session, integration, vendor_id, **values)
    session.commit()
    found = number.id
    session.rollback()
    return found


def names(client: Any, **query: Any) -> list[str]:
    """The names in the list of a view, in its order."""
    return [
        row[0] for row in rows(client.get(LIST, query_string={"columns": "name", **query})) if "ничего" not in row[0]
    ]


def headings(page: Any) -> list[str]:
    return [said(cell).rstrip(" ↓↑") for cell in page.select(".card-table thead th")]


def test_columns_are_those_of_the_address_in_its_order(session, viewer, integration):
    add(session, integration, "1", contact_phone="+79161234567", utm={"source": "yandex"}, text="Шторы")
    page = viewer.get(f"{LIST}?columns=text,phone,utm_source,nonsense,text")
    assert headings(page) == ["Текст", "Телефон", "utm_source"]
    assert rows(page) == [["Шторы", "+7 916 123-45-67", "yandex"]]
    assert page.select_one(".card-table tbody a")["href"].startswith(f"{LIST}/"), "the first column leads to the page"


@pytest.mark.parametrize("first", [column.key for column in COLUMNS])
def test_whatever_stands_first_the_page_of_a_row_is_reached(session, viewer, integration, first):
    number = add(session, integration, "1")
    links = viewer.get(f"{LIST}?columns={first},rule").select(".card-table tbody a")
    assert [link["href"] for link in links] == [f"{LIST}/{number}"]


def test_every_column_can_be_shown(session, viewer, account, integration):
    """Of a communication that has everything and of one that has nothing."""
    visit = make_visit(session, account, landing_url="https://shop.example/", referrer="https://yandex.ru/")
    employee = make_employee(session, account)
    add(session, integration, "1", visit_id=visit.id, employee_id=employee.id, details={"city": "Казань"},
        clues={"page_url": "https://shop.example/a"}, message_count=2)  # fmt: skip
    add(session, integration, "2", contact_name=None, finished_at=None)
    page = viewer.get(LIST, query_string={"columns": ",".join(column.key for column in COLUMNS)})
    assert len(page.select(".card-table thead th")) == len(COLUMNS)
    full = " ".join(rows(page)[1])
    for wanted in ("Казань", "https://shop.example/a", "https://yandex.ru/", "Иванов Иван", visit.session_id):
        assert wanted in full


def test_the_panel_adds_moves_and_takes_away_columns(session, viewer, integration):
    add(session, integration, "1")
    page = viewer.get(f"{LIST}?columns=time,contact&type=chat")
    panel = page.select(".panel")[1]
    for label, expected in (
        ("Ниже: Время", ["contact,time"]),
        ("Убрать: Контакт", ["time"]),
    ):
        link = panel.find("a", attrs={"aria-label": label})
        told = parse_qs(urlsplit(link["href"]).query)
        assert (told["columns"], told["type"]) == (expected, ["chat"])
        assert viewer.get(link["href"]).select(".panel")[1].has_attr("open"), "it stays open"
    added = next(link for link in panel.select(".panel-tags a") if "utm_term" in said(link))
    assert headings(viewer.get(added["href"])) == ["Время", "Контакт", "utm_term"]
    assert panel.find("a", attrs={"aria-label": "Выше: Время"}) is None


def test_a_heading_sorts_and_sorts_back(session, viewer, integration):
    for name, phone in (("Б", "+79160000002"), ("А", "+79160000001"), ("В", None)):
        add(session, integration, name, contact_name=name, contact_phone=phone)
    page = viewer.get(f"{LIST}?columns=name,phone")
    link = page.select_one(".card-table thead a[href*=name]")["href"]
    assert [row[0] for row in rows(viewer.get(link))] == ["В", "Б", "А"]
    back = viewer.get(link).select_one(".card-table th[aria-sort=descending] a")["href"]
    assert [row[0] for row in rows(viewer.get(back))] == ["А", "Б", "В"]
    assert names(viewer, sort="phone") == ["В", "А", "Б"]
    assert names(viewer, sort="time") == ["Б", "А", "В"]


def test_each_filter_out_of_sight_leaves_what_it_names(session, viewer, account, integration):
    site, campaign, source = (make(session, account).id for make in (make_site, make_campaign, make_source))
    employee, visit = make_employee(session, account).id, make_visit(session, account).id
    add(session, integration, "1", site_id=site, campaign_id=campaign, channel="telegram", contact_phone="+79161234567")
    add(session, integration, "2", source_id=source, employee_id=employee, visit_id=visit, channel="Своё слово",
        started_at=AT - timedelta(hours=1))  # fmt: skip
    for query, expected in (
        ({"site": site}, ["Имя 1"]),
        ({"site": "none"}, ["Имя 2"]),
        ({"campaign": campaign}, ["Имя 1"]),
        ({"source": source}, ["Имя 2"]),
        ({"employee": employee}, ["Имя 2"]),
        ({"visit": "yes"}, ["Имя 2"]),
        ({"visit": "no"}, ["Имя 1"]),
        ({"channel": "telegram"}, ["Имя 1"]),
        ({"channel": "Своё слово"}, ["Имя 2"]),
        ({"contact": "first"}, ["Имя 1", "Имя 2"]),
        ({"contact": "repeat"}, []),
        ({"site": site, "source": source}, []),
        ({"site": "1 OR 1=1", "visit": "maybe"}, ["Имя 1", "Имя 2"]),
    ):
        assert names(viewer, **query) == expected, query
    page = viewer.get(f"{LIST}?site={site}&visit=no&type=chat")
    chips = [said(chip) for chip in page.select(".chips a")]
    assert chips == ["Сайт: shop.example × убрать", "Сессия: нет × убрать", "Сбросить"]
    gone = parse_qs(urlsplit(page.select_one(".chips a")["href"]).query)
    assert gone == {"visit": ["no"], "type": ["chat"]}


def test_how_the_hand_over_stands_is_a_filter_and_a_column_where_there_is_one(session, viewer, account, integration):
    session.get(Account, account.id).cabinet_kind = "dataapi"
    number = add(session, integration, "1")
    add(session, integration, "2")
    failed = {"type": "chat", "state": "failed", "ext_id": "x", "external_id": "48211", "updated_at": AT}
    session.add(Delivery(account_id=account.id, communication_id=number, **failed))
    session.commit()
    session.rollback()
    assert names(viewer, delivery="failed") == ["Имя 1"]
    assert names(viewer, delivery="held") == []
    page = viewer.get(f"{LIST}?columns=name,delivery&sort=name")
    assert rows(page) == [["Имя 1", "не передано № 48211"], ["Имя 2", "—"]]
    assert page.select_one("#delivery")
    session.get(Account, account.id).cabinet_kind = "embedded"
    session.commit()
    session.rollback()
    assert viewer.get(LIST).select_one("#delivery") is None


def test_a_form_becomes_a_short_address(session, viewer, account, integration):
    """What is empty is left out; a name that was typed is looked up, as without JavaScript."""
    site = make_site(session, account, name="Магазин").id
    session.rollback()
    add(session, integration, "1")
    form = filled(viewer.get(f"{LIST}?by=rule&columns=name").select_one("form.filters"))
    answer = viewer.get(LIST, status=302, query_string=form | {"site_text": "Магазин — shop.example", "q": "имя"})
    assert parse_qs(urlsplit(path_of(answer)).query) == {
        "site": [str(site)],
        "q": ["имя"],
        "by": ["rule"],
        "columns": ["name"],
    }
    answer = viewer.get(LIST, status=302, query_string=form | {"site_text": "нет такого"})
    assert "нет такого" in flash(viewer.get(path_of(answer)))


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("today", ["сегодня"]),
        ("yesterday", ["вчера"]),
        ("7", ["сегодня", "вчера", "неделя"]),
        ("month", ["сегодня"]),
        ("last_month", ["вчера", "неделя", "март"]),
        ("30", ["сегодня", "вчера", "неделя", "март"]),
        ("year", ["сегодня", "вчера", "неделя", "март", "зима"]),
        ("nonsense", ["сегодня", "вчера", "неделя", "март", "зима"]),
    ],
)
def test_presets_are_of_the_accounts_zone(session, viewer, integration, monkeypatch, period, expected):
    """In Moscow it is the first of April already."""
    monkeypatch.setattr(periods, "today", lambda zone: date(2026, 4, 1))
    for name, at in (
        ("сегодня", datetime(2026, 3, 31, 21, 0, tzinfo=UTC)),
        ("вчера", datetime(2026, 3, 31, 20, 59, tzinfo=UTC)),
        ("неделя", datetime(2026, 3, 26, 12, 0, tzinfo=UTC)),
        ("март", datetime(2026, 3, 5, 12, 0, tzinfo=UTC)),
        ("зима", datetime(2025, 12, 5, 12, 0, tzinfo=UTC)),
    ):
        add(session, integration, name, contact_name=name, started_at=at)
    assert names(viewer, period=period) == expected


def test_a_view_is_saved_under_a_name_and_opens_as_it_was(app, session, viewer, account, integration):
    add(session, integration, "1", channel="telegram")
    state = "type=chat&channel=telegram&period=30&columns=name%2Cphone&sort=-name&by=rule"
    page = viewer.get(f"{LIST}?{state}")
    query = page.select_one("input[name=query]")["value"]
    saved = viewer.follow(f"{LIST}/views", {"query": query, "name": "Телеграм"})
    assert "Вид «Телеграм» сохранён" in flash(saved)
    link = saved.select_one(".panel .panel-list a")
    assert said(link) == "Телеграм"
    assert parse_qs(urlsplit(link["href"]).query) == parse_qs(state)
    assert headings(viewer.get(link["href"])) == ["Имя", "Телефон"]
    viewer.post(f"{LIST}/views", {"query": "type=chat", "name": "Телеграм"})
    [view] = session.scalars(select(SavedView)).all()
    assert view.query == {"type": "chat"}
    other = enter_as(app, session, account, Role.OWNER)
    assert "Телеграм" not in said(other.get(LIST).select_one(".panel"))
    number = session.scalar(select(SavedView.id))
    other.post(f"{LIST}/views/{number}/delete", status=404)
    form = viewer.get(f"{LIST}?type=chat&columns=name").select_one(".panel-list form")
    answer = viewer.post(f"{LIST}/views/{number}/delete", filled(form))
    assert parse_qs(urlsplit(path_of(answer)).query) == {"type": ["chat"], "columns": ["name"]}, "what is shown stays"
    assert "удалён" in flash(viewer.get(path_of(answer)))
    session.rollback()
    assert session.scalars(select(SavedView)).all() == []


@pytest.mark.parametrize(
    ("name", "words"), [("", "Назовите вид."), (" \0 ", "Назовите вид."), ("я" * 101, "Не длиннее")]
)
def test_a_view_without_a_good_name_is_refused_beside_the_field(session, viewer, integration, name, words):
    add(session, integration, "1")
    page = viewer.post(f"{LIST}/views", {"query": "type=chat", "name": name}, status=422)
    assert words in beside(page, "view-name")
    assert page.select_one("input[name=query]")["value"] == "type=chat", "nothing chosen is lost"


def test_the_charts_show_the_numbers_and_each_leads_to_what_it_counts(session, viewer, account, integration):
    campaign = make_campaign(session, account).id
    visit = make_visit(session, account).id
    session.rollback()
    for place, values in enumerate(
        ({"rule": "visit", "visit_id": visit, "campaign_id": campaign}, {"rule": "utm", "campaign_id": campaign},
         {"rule": "channel", "channel": "telegram"}, {"rule": "none"})
    ):  # fmt: skip
        add(session, integration, str(place), started_at=AT - timedelta(days=place), **values)
    page = viewer.get(f"{LIST}?since=2026-03-01&until=2026-03-10")
    stats = [(said(stat.select_one(".stat-label")), said(stat.b)) for stat in page.select(".overview .stat")]
    assert stats == [("Обращений", "4"), ("С сессией", "25 %"), ("UTM и мессенджер", "50 %"), ("По умолчанию", "0 %"),
                     ("Без атрибуции", "25 %")]  # fmt: skip
    bars = page.select("svg.chart-days a")
    assert len(bars) == 10
    assert said(bars[8]) == "09.03.2026: 1"
    assert [row[0] for row in rows(viewer.get(bars[8]["href"] + "&columns=name"))] == ["Имя 0"]
    twin = [[said(cell) for cell in row.find_all("td")] for row in page.select(".chart-table tbody tr")]
    assert twin[1] == ["09.03.2026", "1", "1", "0", "0"]
    broken_down = [[said(cell) for cell in row.find_all("td")] for row in page.select(".bars tbody tr")]
    assert broken_down == [["Без кампании", "2", "50 %"], ["Яндекс.Директ", "2", "50 %"]]
    for link, expected in zip(page.select(".bars tbody a"), (["Имя 2", "Имя 3"], ["Имя 0", "Имя 1"]), strict=True):
        assert [row[0] for row in rows(viewer.get(link["href"] + "&columns=name"))] == expected
    by_rule = viewer.get(page.select_one('.segmented a[href*="by=rule"]')["href"])
    assert {said(row.td) for row in by_rule.select(".bars tbody tr")} == {
        "сессия",
        "UTM чата",
        "мессенджер",
        "без атрибуции",
    }
    with_session = viewer.get(page.select_one(".overview .stat a")["href"] + "&columns=name")
    assert [row[0] for row in rows(with_session)] == ["Имя 0"]


def test_a_long_period_is_drawn_by_months(session, viewer, integration):
    add(session, integration, "1", started_at=datetime(2025, 11, 20, tzinfo=UTC))
    add(session, integration, "2")
    page = viewer.get(f"{LIST}?since=2025-11-10&until=2026-03-20")
    assert said(page.select_one("#days-title")) == "По месяцам"
    bars = [said(bar) for bar in page.select("svg.chart-days a")]
    assert bars == ["10.11.2025 – 30.11.2025: 1", "01.12.2025 – 31.12.2025: 0", "01.01.2026 – 31.01.2026: 0",
                    "01.02.2026 – 28.02.2026: 0", "01.03.2026 – 20.03.2026: 1"]  # fmt: skip


def test_a_period_is_compared_with_the_one_before(session, viewer, integration):
    for place, days in enumerate((0, 1, 2, 12)):
        add(session, integration, str(place), started_at=AT - timedelta(days=days))
    page = viewer.get(f"{LIST}?since=2026-03-01&until=2026-03-10")
    assert said(page.select_one(".overview .stat-note")) == "+200 % к прошлому периоду"


def test_the_numbers_of_a_search_are_of_the_search(session, viewer, integration):
    add(session, integration, "1", text="шторы", rule="utm")
    add(session, integration, "2", text="карниз", rule="none")
    page = viewer.get(f"{LIST}?q=шторы")
    assert [said(stat.b) for stat in page.select(".overview .stat")] == ["1", "0 %", "100 %", "0 %", "0 %"]


def test_rows_have_not_more_questions_the_more_rows_there_are(app, session, viewer, account, integration):
    """Each column reads what it needs in the one query of the page."""
    visit = make_visit(session, account).id
    everything = ",".join(column.key for column in COLUMNS)
    asked: list[str] = []
    with app.app_context():
        engine = db.engine

    def listen(*told: Any) -> None:
        asked.append(told[2])

    event.listen(engine, "before_cursor_execute", listen)
    try:
        counts = []
        for number in (2, 20):
            for place in range(number):
                make_communication(session, integration, f"{number}-{place}", started_at=AT, visit_id=visit)
            session.commit()
            session.rollback()
            asked.clear()
            viewer.get(f"{LIST}?columns={everything}")
            counts.append(len(asked))
        assert counts[0] == counts[1]
    finally:
        event.remove(engine, "before_cursor_execute", listen)
