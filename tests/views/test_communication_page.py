"""The page of one communication: the conversation, the contact, the marks, and why (J4, J5, J6, J8, B1, B7, B9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bs4 import Tag
from sqlalchemy import select

from tests.factories import (
    make_account,
    make_campaign,
    make_employee,
    make_integration,
    make_site,
    make_source,
    make_visit,
    map_channel,
)
from tests.views.acting import chat, enter, make_communication, make_person, said, send
from webapp.models import Account, Communication, Integration, Role

LIST = "/a/romashka/communications"

#: Monday, 9 March 2026, 20:59:50 in UTC: ten seconds before midnight in Moscow.
AT = int(datetime(2026, 3, 9, 20, 59, 50, tzinfo=UTC).timestamp())


@pytest.fixture
def integration(session, account) -> Integration:
    found = make_integration(session, account)
    session.rollback()
    return found


def arrive(app: Any, session: Any, body: dict[str, Any], channel: str | None = None) -> str:
    """Send this to the account's integration; gives the address of the communication's page."""
    session.rollback()
    path = session.scalars(select(Integration).where(Integration.key == "jivo")).one().hook_path(channel)
    session.rollback()
    send(app, path, body)
    number = session.scalar(select(Communication.id).order_by(Communication.id.desc()))
    session.rollback()
    return f"{LIST}/{number}"


def facts(page: Tag, heading: str) -> dict[str, str]:
    """What stands in the card of this heading."""
    card = page.find("h2", string=heading).find_parent("section")
    names = [said(name) for name in card.find_all("dt")]
    return dict(zip(names, [said(value) for value in card.find_all("dd")], strict=True))


def trail(page: Tag) -> list[tuple[str, str]]:
    """The state and the sentence of each rule that was tried."""
    lines = page.select(".trail li")
    return [(line["class"][0].removeprefix("trail-"), said(line).removeprefix("Решило: ")) for line in lines]


def test_the_conversation_is_told_message_by_message(app, session, viewer, integration):
    """J8: who wrote it and when; a new day has a line of its own."""
    said_then = ["Есть шторы?", "Есть.", "А карнизы?"]
    body = chat(84, *said_then, at=AT)
    body["chat"]["messages"][2]["timestamp"] = AT + 15
    page = viewer.get(arrive(app, session, body))
    assert said(page.h1) == "Чат · Мария"
    assert [said(day) for day in page.select(".chat-day")] == ["09.03.2026", "10.03.2026"]
    bubbles = page.select(".bubble")
    assert [bubble["class"][1] for bubble in bubbles] == ["from-visitor", "from-operator", "from-visitor"]
    assert [said(bubble) for bubble in bubbles] == [
        "Мария · 23:59 Есть шторы?",
        "Анна · 23:59 Есть.",
        "Мария · 00:00 А карнизы?",
    ]


def test_the_contact_can_be_called_and_written_to(app, session, viewer, integration):
    """J4."""
    body = chat() | {"visitor": {"name": "Мария", "phone": "8 (916) 123-45-67", "email": "Maria@Example.com"}}
    page = viewer.get(arrive(app, session, body))
    contact = facts(page, "Контакт")
    assert (contact["Имя"], contact["Почта"]) == ("Мария", "maria@example.com")
    assert contact["Телефон"] == "+7 916 123-45-67 (как введён: 8 (916) 123-45-67)"
    assert page.find("a", href="tel:+79161234567") is not None
    assert page.find("a", href="mailto:maria@example.com") is not None


def test_contacts_found_in_the_text_are_shown(app, session, viewer, integration):
    """B7."""
    body = chat(84, "Перезвоните на 8 916 123 45 67, или maria@example.com")
    contact = facts(viewer.get(arrive(app, session, body)), "Контакт")
    assert contact["Телефон"].startswith("+7 916 123-45-67")
    assert contact["Почта"] == "maria@example.com"


def test_without_contacts_the_page_says_so_and_has_no_empty_links(app, session, viewer, integration):
    page = viewer.get(arrive(app, session, chat() | {"visitor": {"number": 1}}))
    assert said(page.h1) == "Чат · Без имени"
    assert facts(page, "Контакт") == {"Имя": "—", "Телефон": "—", "Почта": "—"}
    assert page.select("a[href='tel:'], a[href='mailto:']") == []


def test_marks_page_times_and_details_are_shown(app, session, viewer, integration):
    """J5, J6, B9."""
    body = chat(
        84,
        at=AT,
        session={"utm_json": {"source": "yandex", "medium": "cpc", "keyword": "шторы"}, "geoip": {"city": "Казань"}},
        page={"url": "https://shop.example/kazan?utm_content=b1", "title": "Шторы"},
        topic="Заказ",
    )
    shown = facts(viewer.get(arrive(app, session, body)), "Метки и подробности")
    assert (shown["utm_source"], shown["utm_medium"], shown["utm_term"]) == ("yandex", "cpc", "шторы")
    assert shown["Страница"] == "https://shop.example/kazan?utm_content=b1"
    assert (shown["Номер в сервисе"], shown["Начато"]) == ("84", "09.03.2026 23:59:50")
    assert shown["Завершено"] == "09.03.2026 23:59:51"
    assert shown["Город"] == "Казань"
    assert "utm_campaign" not in shown, "what is unknown has no line"


def test_what_it_was_attributed_to_is_shown(app, session, viewer, account, integration):
    """J12, J14."""
    site = make_site(session, account)
    make_campaign(session, account, rules=[{"utm_source": "yandex"}], site_id=site.id)
    make_employee(session, account, email="anna@shop.example")
    body = chat(session={"utm_json": {"source": "yandex"}})
    page = viewer.get(arrive(app, session, body))
    assert facts(page, "Отнесено к") == {
        "Рекламная кампания": "Яндекс.Директ",
        "Источник": "—",
        "Сайт": "shop.example",
        "Сотрудник": "Иванов Иван",
    }
    assert [said(pill) for pill in page.select(".page-head .pill")] == ["UTM чата"]


def test_every_rule_that_was_tried_says_what_it_saw(app, session, viewer, account, integration):
    """B1: the trail in sentences, in the order of the rules."""
    source = make_source(session, account)
    site = make_site(session, account)
    map_channel(session, integration, "telegram", source=source, site=site)
    page = viewer.get(arrive(app, session, chat(session={"utm_json": {"source": "vk"}}), "telegram"))
    assert trail(page) == [
        ("passed", "Метки сессии нет: человек писал не с сайта (Telegram)."),
        ("passed", "Маяк скрипта не связывал этого посетителя ни с одной сессией."),
        ("passed", "Поиск прошлой сессии по телефону и почте выключен в настройках кабинета."),
        ("passed", "Метки в чате есть (utm_source = vk), но правила кампаний и источников их не знают."),
        ("answered", "Канал Telegram: источник «Telegram-канал», сайт shop.example по таблице мессенджеров."),
    ]


def test_a_chat_with_nothing_to_go_by_leads_to_the_settings(app, session, viewer, integration):
    page = viewer.get(arrive(app, session, chat(), "viber"))
    states = trail(page)
    assert states[-2:] == [
        ("problem", "Внимание: Канал Viber в таблице мессенджеров не задан."),
        ("problem", "Внимание: Кампания или источник по умолчанию не заданы."),
    ]
    note = page.select_one(".note-attention")
    assert said(note).startswith("Отнести не к чему.")
    assert note.a["href"] == "/a/romashka/integrations/jivo"


def token(session_id: str) -> dict[str, Any]:
    """A visitor to whom our script gave this session."""
    return {"user_token": f"as1.{session_id}"}


def test_a_session_that_was_found_is_told_with_its_marks(app, session, viewer, account, integration):
    """J6."""
    campaign = make_campaign(session, account)
    began = datetime.fromtimestamp(AT, UTC) - timedelta(hours=1)
    marks = {"source": "yandex", "medium": "cpc"}
    make_visit(session, account, "a1b2c3", started_at=began, campaign_id=campaign.id, marks=marks)
    page = viewer.get(arrive(app, session, chat(84, at=AT) | token("a1b2c3")))
    assert trail(page) == [
        ("answered", "Сессия найдена: 9 марта 22:59, пришла с yandex / cpc. Кампания «Яндекс.Директ».")
    ]
    assert facts(page, "Отнесено к")["Сессия"] == "09.03.2026 22:59 a1b2c3"


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        (-1, "Сессия не принята: она началась 10 марта 23:59, уже после чата."),
        (200, "Сессия не принята: ей 200 дн"),
        (None, "Сессия в чате названа, но такой мы не видели: a1b2c3."),
    ],
)
def test_a_session_that_cannot_be_the_one_is_named_with_the_reason(
    app, session, viewer, account, integration, days, sentence
):
    if days is not None:
        make_visit(session, account, "a1b2c3", started_at=datetime.fromtimestamp(AT, UTC) - timedelta(days=days))
    state, text = trail(viewer.get(arrive(app, session, chat(84, at=AT) | token("a1b2c3"))))[0]
    assert state == "problem"
    assert text.removeprefix("Внимание: ").startswith(sentence)


def test_a_session_of_another_account_is_only_said_to_be_one(app, session, viewer, account, integration):
    """B10: not a byte of it."""
    other = make_account(session, "vasilek")
    campaign = make_campaign(session, other, "secret", "Чужая кампания")
    make_visit(session, other, "a1b2c3", campaign_id=campaign.id, marks={"source": "secret-mark"})
    page = viewer.get(arrive(app, session, chat() | token("a1b2c3")))
    assert trail(page)[0][1] == "Внимание: Сессия в чате относится к другому кабинету и не принята."
    assert "Чужая" not in str(page)
    assert "secret-mark" not in str(page)


def test_ids_of_another_account_in_a_trail_have_no_names(session, viewer, account, integration):
    """B10: whatever wrote them there."""
    foreign = make_campaign(session, make_account(session, "vasilek"), "secret", "Чужая кампания").id
    steps = [{"rule": "default", "outcome": "answered", "facts": {"campaign": foreign}}]
    row = make_communication(session, integration, "1", rule="default", trail=steps)
    session.commit()
    page = viewer.get(f"{LIST}/{row.id}")
    assert trail(page) == [("answered", f"По умолчанию: кампания «№ {foreign} (удалено)».")]


def test_a_trail_of_a_rule_that_this_release_does_not_know_is_still_shown(session, viewer, integration):
    steps = [{"rule": "oracle", "outcome": "guessed", "facts": None}, {"rule": "utm", "outcome": "absent"}]
    row = make_communication(session, integration, "1", trail=steps)
    session.commit()
    assert trail(viewer.get(f"{LIST}/{row.id}")) == [
        ("passed", "oracle: guessed"),
        ("passed", "UTM-меток в чате нет."),
    ]


def test_the_page_is_also_made_in_english(app, session, account, integration):
    """B11; the English words themselves are the catalogue's."""
    path = arrive(app, session, chat())
    user = make_person(session, session.get(Account, integration.account_id), Role.VIEWER, language="en")
    page = enter(app, user).get(path)
    assert page.html["lang"] == "en"
    assert len(trail(page)) == 6


def test_a_test_chat_is_marked(session, viewer, integration):
    row = make_communication(session, integration, "1", is_test=True)
    session.commit()
    assert said(viewer.get(f"{LIST}/{row.id}").select_one(".page-head .pill")) == "Проверка"


def test_a_chat_that_goes_on_is_marked(app, session, viewer, integration):
    page = viewer.get(arrive(app, session, chat() | {"event_name": "chat_accepted", "chat": None}))
    assert "Чат идёт" in [said(pill) for pill in page.select(".page-head .pill")]
    assert "Сообщений пока нет." in said(page)


def test_a_request_shows_its_text_as_it_was_written(app, session, viewer, integration):
    body = {
        "event_name": "offline_message",
        "offline_message_id": "7",
        "visitor": {"name": "Пётр", "email": "petr@example.com"},
        "message": "Перезвоните\nмне <b>завтра</b>",
    }
    page = viewer.get(arrive(app, session, body))
    assert said(page.h1) == "Заявка · Пётр"
    text = page.find("h2", string="Текст заявки").find_parent("section")
    assert "Перезвоните" in said(text)
    assert text.find("b") is None


def test_the_events_it_was_made_of_are_linked(app, session, viewer, integration):
    """B3."""
    arrive(app, session, chat() | {"event_name": "chat_accepted", "chat": None})
    page = viewer.get(arrive(app, session, chat()))
    events = page.find("h2", string="Из каких событий").find_parent("section").find_all("a")
    assert [said(link) for link in events] == ["chat_accepted", "chat_finished"]
    for link in events:
        viewer.get(link["href"])


def test_when_the_events_are_purged_the_page_says_so(session, viewer, integration):
    row = make_communication(session, integration, "1")
    session.commit()
    assert "Тела вебхуков уже удалены по сроку хранения." in said(viewer.get(f"{LIST}/{row.id}"))


def test_nothing_that_came_from_outside_becomes_part_of_the_page(app, session, viewer, integration):
    """A link to whatever a vendor calls a page would be a trap."""
    evil = "<script>alert(1)</script>"
    body = chat(
        evil,
        evil,
        evil,
        name=evil,
        page={"url": "javascript:alert(1)//" + evil, "title": evil},
        session={"utm_json": {"source": evil}},
        topic=evil,
        tags=[{"id": 1, "title": evil}],
    )
    path = arrive(app, session, body)
    page = viewer.get(path)
    assert evil not in viewer.client.get(path).text
    assert [link["href"] for link in page.find_all("a", href=True) if link["href"].startswith("javascript:")] == []
    assert "alert(1)" in said(page)


@pytest.mark.parametrize("number", ["0", "99999", "9223372036854775808", "9" * 30, "abc", "-1"])
def test_a_communication_that_is_not_there_is_not_found(viewer, number):
    viewer.get(f"{LIST}/{number}", status=404)
