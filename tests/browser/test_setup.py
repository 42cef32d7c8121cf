"""The whole way of a marketer in a browser: from the welcome link to the first attributed chat."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.browser import ON_SQLITE, Cabinet, combobox, offered, pick
from tests.browser.conftest import Watch
from tests.doubles.jivo import JivoDouble
from tests.factories import PASSWORD, make_campaign, make_employee, make_source, map_channel
from tests.waiting import until_on
from webapp.models import Account, Integration

pytestmark = pytest.mark.browser


def test_from_the_welcome_link_to_the_first_attributed_chat(
    runner: Any, server: str, session: Session, open_page: Callable[..., Page], watch: Watch
) -> None:
    """J1, J3–J5, J7–J19, as they follow each other in the guide."""
    watch.allow(422)
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    make_account(page, runner)
    connect_jivo(page)
    fill_directory(page)
    account = session.scalars(select(Account)).one()
    make_campaign(session, account, "vk", "VK Реклама: осень")
    make_employee(session, account, full_name="Иванова Анна", email="a.ivanova@romashka.example")
    page.get_by_role("navigation", name="Разделы").get_by_role("link", name="Интеграции").click()
    page.get_by_role("link", name="Jivo", exact=True).click()
    choose_employee_and_default(page)
    map_messengers(page)
    save(page)
    address = copy_address(page)
    assert address == server + integration_of(session).hook_path()
    see_chats_arrive(page, address)
    see_them_in_raw_data(page)


def make_account(page: Page, runner: Any) -> None:
    """The link that the server prints makes the first user and the first account."""
    printed = runner.invoke(args=["welcome-link"]).output
    found = re.search(r"/welcome/\S+", printed)
    assert found, printed
    page.goto(found[0])
    page.get_by_label("Название кабинета").fill("Ромашка")
    page.get_by_label("Ваша почта").fill("owner@romashka.example")
    page.get_by_label("Пароль").fill(PASSWORD)
    page.get_by_role("button", name="Создать кабинет").click()
    heading(page, "Новая интеграция")


def connect_jivo(page: Page) -> None:
    """J9–J11: what it needs, the switch, the address and where to put it."""
    page.get_by_role("button", name="Подключить Jivo").click()
    heading(page, "Jivo: передача чатов")
    status = page.locator(".page-side .pill")
    expect(status).to_have_text("Не настроена")
    needs = page.locator(".needs")
    expect(needs).to_contain_text("Загрузка чатов из внешней системы")
    expect(needs).to_contain_text("Pro")
    page.get_by_text("Куда вставить в Jivo — по шагам").click()
    for words in ("Каналы связи", "Настройки интеграции для разработчиков", "Включить Webhooks", "URL для Webhooks"):
        expect(page.locator("#settings .steps-text")).to_contain_text(words)
    expect(page.locator("#settings .drawing svg").first).to_be_visible()
    switch = page.get_by_role("switch", name="Активен")
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    expect(page.locator("#flash")).to_contain_text("Интеграция включена")
    expect(status).to_have_text("Включена, но не настроена")


def fill_directory(page: Page) -> None:
    """A site, a source, and a campaign with a rule of two conditions."""
    page.get_by_role("link", name="Справочники").click()
    add(page, "Сайты", Домен="https://www.romashka.example/catalog?x=1", Название="Ромашка")
    expect(page.locator("#flash")).to_have_text("«Ромашка — romashka.example» — сохранено.")
    add(page, "Источники", Название="Telegram-канал")
    begin(page, "Рекламные кампании")
    page.get_by_label("Название").fill("Директ: шторы")
    page.get_by_label("Значение").fill("yandex")
    page.get_by_role("button", name="и ещё условие").click()
    page.locator("#rule-0-1-value").fill("cpc")
    expect(page.locator("#rule-0-1-mark")).to_have_value("utm_medium")
    pick(page, "site", "РОМАШ", "Ромашка — romashka.example")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.get_by_role("row", name="Директ: шторы")).to_contain_text("utm_source = yandex, utm_medium = cpc")


def choose_employee_and_default(page: Page) -> None:
    """J12 by keyboard, J13 and J14 by mouse; each side of the switch keeps what was chosen on it."""
    employee = combobox(page, "employee")
    employee.focus()
    page.keyboard.type("иван")
    expect(offered(page, "employee")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(employee).to_have_value("Иванова Анна · a.ivanova@romashka.example")

    campaign = combobox(page, "campaign")
    page.get_by_role("button", name="Показать список: Рекламная кампания", exact=True).click()
    expect(offered(page, "campaign")).to_have_text(["VK Реклама: осень", "Директ: шторы — romashka.example"])
    offered(page, "campaign").nth(1).click()
    expect(campaign).to_have_value("Директ: шторы — romashka.example")

    switch = page.get_by_role("group", name="Рекламная кампания/Источник")
    switch.get_by_text("Источник", exact=True).click()
    expect(campaign).to_have_count(0)
    pick(page, "source", "tele", "Telegram-канал")
    pick(page, "site", "romashka.ex", "Ромашка — romashka.example")
    switch.get_by_text("Рекламная кампания", exact=True).click()
    expect(campaign).to_have_value("Директ: шторы — romashka.example")
    switch.get_by_text("Источник", exact=True).click()
    expect(combobox(page, "source")).to_have_value("Telegram-канал")
    expect(combobox(page, "site")).to_have_value("Ромашка — romashka.example")
    switch.get_by_text("Рекламная кампания", exact=True).click()
    expect(campaign).to_have_value("Директ: шторы — romashka.example")


def map_messengers(page: Page) -> None:
    """J15: rows are added, a messenger stands in one row only, a row is removed; nothing else moves meanwhile."""
    add_row = page.get_by_role("button", name="Добавить мессенджер")
    add_row.click()
    expect(page.locator("#map-0-channel")).to_have_value("telegram")
    page.locator("#map-0-target").get_by_text("Источник", exact=True).click()
    pick(page, "map-0-source", "tele", "Telegram-канал")
    add_row.click()
    second = page.locator("#map-1-channel")
    expect(second).to_have_value("whatsapp")
    second.select_option("telegram")
    pick(page, "map-1-campaign", "vk", "VK Реклама: осень")
    page.locator("#save").get_by_role("button").click()
    expect(second).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#map-1-channel-error")).to_have_text("Ошибка: Telegram уже есть в таблице выше.")
    expect(page.locator("#map-0-channel-error")).to_have_count(0)
    expect(combobox(page, "map-1-campaign")).to_have_value("VK Реклама: осень")
    expect(combobox(page, "employee")).to_have_value("Иванова Анна · a.ivanova@romashka.example")
    page.get_by_role("button", name="Убрать Telegram").nth(1).click()
    expect(second).to_have_count(0)
    expect(combobox(page, "map-0-source")).to_have_value("Telegram-канал")
    expect(page.locator("[data-error-summary]")).to_have_count(0)


def save(page: Page) -> None:
    """J16, J17: saved, said, and the place of the script appears."""
    expect(page.locator("#script")).to_contain_text("Появится после сохранения настроек.")
    page.locator("#save").get_by_role("button").click()
    expect(page.locator("#flash")).to_have_text("Настройки сохранены.")
    expect(page.locator("[data-changes]")).to_have_text("Всё сохранено.")
    expect(page.locator("#script")).not_to_contain_text("Появится после сохранения")
    expect(page.locator(".page-side .pill")).to_have_text("Ждёт первый чат")
    expect(combobox(page, "campaign")).to_have_value("Директ: шторы — romashka.example")
    expect(combobox(page, "map-0-source")).to_have_value("Telegram-канал")


def copy_address(page: Page) -> str:
    """J11: the button copies and says so; gives what is in the clipboard."""
    button = page.locator("[data-copy='#webhook-url']")
    expect(button).to_have_text("Копировать")
    button.click()
    expect(button).to_have_text("Скопировано")
    expect(page.locator("#spoken")).to_have_text("Скопировано")
    copied = page.evaluate("navigator.clipboard.readText()")
    expect(page.get_by_label("Webhook url")).to_have_value(copied)
    return copied


def see_chats_arrive(page: Page, address: str) -> None:
    """J1, J3, J19: the page shows the first chat by itself, and why it was attributed as it was."""
    test = page.locator("#test")
    expect(test).to_contain_text("Ждём первое обращение. Страница покажет его сама.")
    page.evaluate("window.notLoadedAgain = true")
    with JivoDouble() as jivo:
        deliver(jivo, address)
        expect(test.locator(".trail-answered")).to_contain_text("Директ: шторы")
        expect(test).to_contain_text("Чат · Мария")
        expect(test).to_contain_text("Кампания «Директ: шторы»")
        assert len(test.locator(".trail li").all()) > 1, "only the rule that decided, not those before it"
        # Nothing tells whence this one came but the last word of the address.
        deliver(jivo, f"{address}/telegram", remove=["session", "page", "agents"], overrides={"visitor.name": "Олег"})
    assert page.evaluate("window.notLoadedAgain") is True


def see_them_in_raw_data(page: Page) -> None:
    """J4, J5, J8, J12, J15, J18."""
    page.get_by_role("link", name="Обращения и цели").click()
    heading(page, "Обращения и цели")
    expect(page.locator(".crumbs")).to_contain_text("Сырые данные")
    expect(row_of(page, "Олег")).to_contain_text("Telegram-канал")
    expect(row_of(page, "Олег")).to_contain_text("мессенджер")
    maria = row_of(page, "Мария")
    for words in ("+7 900 000-01-01", "Директ: шторы", "UTM чата", "Сайт", "4 сообщения"):
        expect(maria).to_contain_text(words)
    maria.get_by_role("link", name="Чат").click()
    heading(page, "Чат · Мария")
    main = page.locator("main")
    for words in ("maria@mail.example", "шторы блэкаут", "Иванова Анна", "Замер бесплатный?"):
        expect(main).to_contain_text(words)
    expect(page.locator(".bubble")).to_have_count(4)
    expect(page.locator(".bubble").nth(1)).to_contain_text("Анна")
    expect(page.locator(".trail-answered")).to_contain_text("Директ: шторы")
    started = page.locator(".subtitle").inner_text().split(" · ")[0]
    assert datetime.strptime(started, "%d.%m.%Y %H:%M")
    page.get_by_role("link", name="chat_finished").click()
    expect(page.locator("#event-body")).to_contain_text('"chat_finished"')


def heading(page: Page, text: str) -> None:
    """The page of this heading is here."""
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def begin(page: Page, kind: str) -> None:
    """Open the form of a new entry of this list."""
    page.get_by_role("navigation", name="Справочники").get_by_role("link", name=kind).click()
    heading(page, kind)
    page.locator(".page-side .btn-primary").click()


def add(page: Page, kind: str, **fields: str) -> None:
    """A new entry, through its form."""
    begin(page, kind)
    for label, value in fields.items():
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Сохранить").click()
    heading(page, kind)


def row_of(page: Page, name: str) -> Locator:
    """The line of this person."""
    return page.get_by_role("row", name=name)


def integration_of(session: Session) -> Integration:
    """The only one."""
    session.rollback()
    return session.scalars(select(Integration)).one()


def deliver(jivo: JivoDouble, address: str, **order: Any) -> None:
    """Jivo sends a finished chat, and hears that it is well."""
    answer = jivo.send({"url": address, **order})
    assert (answer["status"], answer["answer"]) == (200, '{"result":"ok"}'), answer


def test_a_test_chat_arrives_by_one_click(
    known_outside: None, open_page: Callable[..., Page], cabinet: Cabinet, session: Session
) -> None:
    """J19 without anybody's help: the page sends a chat to itself, the way of Jivo, and shows what became of it."""
    integration = cabinet.integration
    integration.point_to("source", None, make_source(session, cabinet.account).id, None)
    session.commit()
    page = open_page(cabinet.owner)
    page.goto(cabinet.jivo)
    test = page.locator("#test")
    page.get_by_role("button", name="Отправить проверочный чат").click()
    expect(test).to_contain_text("Последнее обращение — проверочное")
    expect(test).to_contain_text("Источник «Telegram-канал»")
    expect(test.locator(".trail-answered")).to_contain_text("Telegram-канал")
    page.get_by_role("link", name="Ждать новое обращение").click()
    expect(test).to_contain_text("Ждём первое обращение")
    page.get_by_role("link", name="Обращения и цели").click()
    expect(page.locator(".card-table tbody tr")).to_contain_text("проверка")


@ON_SQLITE
def test_a_messenger_that_was_seen_is_offered_and_mapped_by_one_click(
    server: str, open_page: Callable[..., Page], cabinet: Cabinet, session: Session
) -> None:
    """B5: with its count, and the row comes with what was typed elsewhere kept."""
    map_channel(session, cabinet.integration, "telegram", source=make_source(session, cabinet.account))
    with JivoDouble() as jivo:
        deliver(jivo, server + cabinet.integration.hook_path("avito"))
    page = open_page(cabinet.owner)
    page.goto(cabinet.jivo)
    offer = page.locator(".mapping-offer")
    expect(offer).to_contain_text("Avito")
    expect(offer).to_contain_text("1 чат за 30 дней")
    page.get_by_label("Название интеграции").fill("Jivo основной")
    offer.get_by_role("button", name="Задать").click()
    expect(page.locator("#map-1-channel")).to_have_value("avito")
    expect(offer).to_have_count(0)
    expect(page.get_by_label("Название интеграции")).to_have_value("Jivo основной")


@ON_SQLITE
def test_what_goes_wrong_in_the_browser_fails_a_test(page: Page, watch: Watch) -> None:
    """Else none of these tests would notice a refused script."""
    page.goto("/sign-in")
    page.evaluate(
        """() => {
          const inline = document.createElement("script");
          inline.textContent = "0";
          document.body.append(inline);
          new Image().src = "http://127.0.0.1:1/";
          setTimeout(() => { throw new Error("a mistake of ours"); });
          return fetch("/nowhere");
        }"""
    )
    words = ("inline script violates", "a mistake of ours", "404: GET", "another server: http://127.0.0.1:1/")
    until_on(page, lambda: all(one in "\n".join(watch.problems) for one in words))
    watch.problems.clear()
