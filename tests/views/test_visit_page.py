"""One visit: everything of it, its person, its communications (issue 3.1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.factories import (
    make_account,
    make_campaign,
    make_integration,
    make_site,
    make_source,
    make_visit,
    tie_visit,
)
from tests.views.acting import make_communication, said
from webapp.models import Visit

AT = datetime(2026, 3, 9, 11, 5, tzinfo=UTC)
PHONE = (
    "Mozilla/5.0 (Linux; Android 13; SM-S908B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Mobile "
    "Safari/537.36"
)


@pytest.fixture
def visit(session, account) -> Visit:
    site, campaign, source = make_site(session, account), make_campaign(session, account), make_source(session, account)
    return make_visit(
        session, account, "6000000000000001", started_at=AT, site_id=site.id, campaign_id=campaign.id,
        source_id=source.id, visitor_id="7001", landing_url="https://shop.example/?utm_source=yandex&yclid=5",
        referrer="https://yandex.ru/", last_url="https://shop.example/contacts", page_count=3, ip="203.0.113.0",
        marks={"source": "yandex", "yclid": "5"}, user_agent=PHONE,
    )  # fmt: skip


def address(visit: Visit) -> str:
    return f"/a/romashka/visits/{visit.id}"


def facts(page: Any) -> dict[str, str]:
    return {
        said(name): said(name.find_next_sibling("dd")) for name in page.select("dl.facts dt") if said(name) != "Номер"
    }


def test_everything_of_it_is_shown(session, viewer, visit):
    visit.last_seen_at = AT + timedelta(minutes=25)
    path = address(visit)
    session.commit()
    page = viewer.get(path)
    assert said(page.h1) == "Сессия от 09.03.2026 14:05"
    assert facts(page) == {
        "Рекламная кампания": "Яндекс.Директ",
        "Источник": "Telegram-канал",
        "Сайт": "shop.example",
        "Страница входа": "https://shop.example/?utm_source=yandex&yclid=5",
        "Пришёл со страницы": "https://yandex.ru/",
        "utm_source": "yandex",
        "yclid": "5",
        "Начало": "09.03.2026 14:05:00",
        "Последний сигнал": "09.03.2026 14:30:00",
        "Длилась": "25 мин",
        "Страниц": "3",
        "Последняя страница": "https://shop.example/contacts",
        "Устройство": "Chrome Mobile 112 · Android 13 · Samsung SM-S908B",
        "Сеть": "203.0.113.0",
    }
    assert said(page.find(id="session-id")) == "6000000000000001"
    assert page.select_one('[data-copy="#session-id"]') is not None
    assert PHONE in said(page)


def test_a_browser_that_nobody_knows_is_shown_as_it_called_itself(session, viewer, visit):
    visit.user_agent, path = "<b>куку</b>", address(visit)
    session.commit()
    page = viewer.get(path)
    assert facts(page)["Устройство"] == "<b>куку</b>"
    assert page.main.find("b") is None


def test_a_visit_of_which_nothing_is_known_is_a_page_too(session, viewer, account):
    path = address(make_visit(session, account, "8f3c"))
    page = viewer.get(path)
    assert "Прямой заход" in said(page)
    assert "В этой сессии человек не писал." in said(page)


def test_its_communications_and_it_lead_to_each_other(session, viewer, account, visit):
    integration = make_integration(session, account)
    row = make_communication(session, integration, "1", visit_id=visit.id, contact_name="Мария", channel="site")
    make_communication(session, integration, "2", contact_name="Пётр")
    session.commit()
    number, path = row.id, address(visit)
    session.rollback()
    page = viewer.get(path)
    assert page.main.find("a", string="Чат · Мария")["href"] == f"/a/romashka/communications/{number}"
    assert "Пётр" not in said(page)
    assert viewer.get(f"/a/romashka/communications/{number}").main.find("a", href=path) is not None


def test_other_visits_of_the_same_person_are_beside_it(session, viewer, account, visit):
    for number in range(12):
        make_visit(session, account, f"600{number}", visitor_id="7001", started_at=AT - timedelta(days=number + 1))
    make_visit(session, account, "9", visitor_id="7002", started_at=AT)
    make_visit(session, make_account(session, "vasilek"), "10", visitor_id="7001", started_at=AT)
    path = address(visit)
    session.rollback()
    page = viewer.get(path)
    others = [link for link in page.main.select("li a") if "/visits/" in link["href"]]
    assert [said(link) for link in others] == [f"{8 - day:02}.03.2026 14:05" for day in range(8)] + [
        "28.02.2026 14:05",
        "27.02.2026 14:05",
    ]
    all_of_them = page.main.find("a", string="Все сессии посетителя")["href"]
    assert all_of_them == "/a/romashka/visits?q=7001"


def test_the_numbers_that_widgets_know_the_person_by_are_shown(session, viewer, account, visit):
    integration = make_integration(session, account, name="Jivo на сайте")
    tie_visit(session, integration, visit, "412")
    stranger = make_account(session, "vasilek")
    tie_visit(
        session,
        make_integration(session, stranger, name="Чужой Jivo"),
        make_visit(session, stranger, "6000000000000001"),
        "999",
    )
    path = address(visit)
    session.rollback()
    found = said(viewer.get(path))
    assert "Jivo на сайте: 412" in found
    assert "Чужой" not in found
    assert "999" not in found


def test_a_visit_of_another_account_is_not_found(session, viewer):
    foreign = make_visit(session, make_account(session, "vasilek"), "9")
    path = address(foreign)
    session.rollback()
    viewer.get(path, status=404)
    viewer.get("/a/romashka/visits/99999999999999999999", status=404)
