"""Everything works without JavaScript: forms are sent, rows come and go, names are typed out."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.browser import ON_SQLITE, Cabinet, combobox
from tests.browser.conftest import Watch
from tests.factories import PASSWORD, make_campaign, make_employee, make_site, make_source
from webapp.models import Campaign, Integration

pytestmark = [pytest.mark.browser, ON_SQLITE]


@pytest.fixture
def plain(open_page: Callable[..., Page], cabinet: Cabinet, session: Session) -> Page:
    """A browser without JavaScript, signed in; the cabinet has one of everything."""
    make_campaign(session, cabinet.account, name="Директ: шторы")
    make_source(session, cabinet.account)
    make_site(session, cabinet.account, name="Магазин")
    make_employee(session, cabinet.account)
    return open_page(cabinet.owner, java_script_enabled=False)


def press(page: Page, name: str) -> None:
    """Press the button of this name."""
    page.get_by_role("button", name=name, exact=True).click()


def show_list(page: Page, switch: str) -> Locator:
    """The button beside a switch that stands there only without JavaScript."""
    return page.locator(f"#{switch}").get_by_role("button", name="Показать список")


def test_the_whole_settings_form(plain: Page, cabinet: Cabinet, session: Session) -> None:
    """J12–J16: names typed out as they stand in the directory, whatever their case; the switch by its button."""
    plain.goto(cabinet.jivo)
    plain.get_by_label("Название интеграции").fill("Jivo основной")
    combobox(plain, "employee").fill("иванов иван")
    combobox(plain, "campaign").fill("директ: шторы")
    plain.locator("#kind").get_by_text("Источник", exact=True).click()
    show_list(plain, "kind").click()
    expect(combobox(plain, "campaign")).to_have_count(0)
    combobox(plain, "source").fill("Telegram-канал")
    combobox(plain, "site").fill("shop.example")
    press(plain, "+ Добавить мессенджер")
    plain.locator("#map-0-channel").select_option("viber")
    combobox(plain, "map-0-campaign").fill("Директ: шторы")
    press(plain, "+ Добавить мессенджер")
    expect(plain.locator("#map-0-channel")).to_have_value("viber")
    press(plain, "Убрать Telegram")
    plain.locator("#save").get_by_role("button").click()
    expect(plain.locator("#flash")).to_have_text("Настройки сохранены.")
    expect(combobox(plain, "source")).to_have_value("Telegram-канал")
    session.rollback()
    saved = session.scalars(select(Integration)).one()
    assert (saved.name, saved.employee.full_name, saved.kind) == ("Jivo основной", "Иванов Иван", "source")
    assert (saved.source.name, saved.site.domain) == ("Telegram-канал", "shop.example")
    assert [(row.channel, row.campaign.name) for row in saved.mappings] == [("viber", "Директ: шторы")]


def test_the_other_side_of_the_switch_is_kept(plain: Page, cabinet: Cabinet) -> None:
    """J13, J14."""
    plain.goto(cabinet.jivo)
    combobox(plain, "campaign").fill("Директ: шторы")
    switch = plain.locator("#kind")
    switch.get_by_text("Источник", exact=True).click()
    show_list(plain, "kind").click()
    combobox(plain, "source").fill("Telegram-канал")
    switch.get_by_text("Рекламная кампания", exact=True).click()
    show_list(plain, "kind").click()
    expect(combobox(plain, "campaign")).to_have_value("Директ: шторы")
    switch.get_by_text("Источник", exact=True).click()
    show_list(plain, "kind").click()
    expect(combobox(plain, "source")).to_have_value("Telegram-канал")


def test_a_name_that_is_not_in_the_directory_is_an_error_at_its_field(
    plain: Page, cabinet: Cabinet, watch: Watch
) -> None:
    watch.allow(422)
    plain.goto(cabinet.jivo)
    combobox(plain, "campaign").fill("Радио")
    plain.locator("#save").get_by_role("button").click()
    expect(plain).to_have_title("Ошибка: Jivo: передача чатов · Leadtrail")
    expect(plain.locator("#campaign-error")).to_contain_text("«Радио» в справочнике нет.")
    expect(combobox(plain, "campaign")).to_have_value("Радио")
    plain.locator("[data-error-summary]").get_by_role("link").click()
    expect(combobox(plain, "campaign")).to_be_in_viewport()


def test_the_switch_active_is_a_button_of_a_form(plain: Page, cabinet: Cabinet) -> None:
    """J10."""
    plain.goto(cabinet.jivo)
    switch = plain.get_by_role("switch", name="Активен")
    for wanted in ("false", "true"):
        switch.click()
        expect(switch).to_have_attribute("aria-checked", wanted)


def test_a_deletion_asks_on_a_page_of_its_own(plain: Page, cabinet: Cabinet) -> None:
    plain.goto(cabinet.jivo)
    press(plain, "Удалить интеграцию")
    expect(plain.get_by_role("heading", level=1)).to_contain_text("Удалить интеграцию?")
    plain.get_by_role("link", name="Отмена").click()
    expect(plain).to_have_url(re.compile(f"{cabinet.jivo}$"))
    press(plain, "Удалить интеграцию")
    press(plain, "Удалить")
    expect(plain.locator("#flash")).to_contain_text("удалена")
    plain.locator("#removed > summary").click()
    press(plain, "Вернуть «Jivo»")
    expect(plain.locator("#flash")).to_contain_text("возвращена")


def test_the_rules_of_a_campaign(plain: Page, cabinet: Cabinet, session: Session) -> None:
    plain.goto(f"{cabinet.path}/directory/campaigns/new")
    plain.get_by_label("Название").fill("Осень")
    combobox(plain, "site").fill("магазин — shop.example")
    plain.locator("#rule-0-0-value").fill("vk")
    press(plain, "+ Добавить правило")
    plain.locator("#rule-1-0-value").fill("yandex")
    plain.get_by_role("button", name="и ещё условие").first.click()
    expect(plain.locator("#rule-1-0-value")).to_have_value("yandex")
    plain.locator("#rule-0-1-value").fill("cpc")
    press(plain, "Сохранить")
    expect(plain.locator("#flash")).to_contain_text("сохранено")
    session.rollback()
    campaign = session.scalars(select(Campaign).where(Campaign.name == "Осень")).one()
    assert campaign.site.domain == "shop.example"
    assert [[condition["value"] for condition in rule] for rule in campaign.rules] == [["vk", "cpc"], ["yandex"]]


def test_a_test_chat_is_sent_and_shown(plain: Page, cabinet: Cabinet, known_outside: None) -> None:
    """J19."""
    plain.goto(cabinet.jivo)
    press(plain, "Отправить проверочный чат")
    expect(plain.locator("#test")).to_contain_text("Последнее обращение — проверочное")
    expect(plain.locator("#test .trail li").first).to_be_visible()


def test_signing_in_and_out(open_page: Callable[..., Page], cabinet: Cabinet) -> None:
    """The menu opens without a script too."""
    page = open_page(java_script_enabled=False)
    page.goto(cabinet.jivo)
    page.get_by_label("Почта").fill(cabinet.owner.email)
    page.get_by_label("Пароль").fill(PASSWORD)
    press(page, "Войти")
    expect(page.get_by_role("heading", level=1)).to_have_text("Jivo: передача чатов")
    page.locator(".user-menu > summary").click()
    press(page, "Выйти")
    expect(page.get_by_role("heading", level=1)).to_have_text("Вход")
