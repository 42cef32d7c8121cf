"""Nothing typed is lost: by leaving, by errors, with rows that come and go, without a sign-in, without an answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Dialog, Locator, Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.browser import ON_SQLITE, Cabinet, combobox, pick
from tests.browser.conftest import Watch, sign_in
from tests.factories import PASSWORD, make_campaign, make_site, make_source
from tests.waiting import until_on
from webapp.models import Campaign, Integration, Site

pytestmark = [pytest.mark.browser, ON_SQLITE]

NOTHING_CHANGED = "Всё сохранено."


@pytest.fixture
def jivo(open_page: Callable[..., Page], cabinet: Cabinet, session: Session) -> Page:
    """The page of the integration; the cabinet has a campaign and a source."""
    make_campaign(session, cabinet.account, name="Директ: шторы")
    make_source(session, cabinet.account)
    page = open_page(cabinet.owner)
    page.goto(cabinet.jivo)
    return page


def changes(page: Page) -> Locator:
    """The line that names what has changed."""
    return page.locator("[data-changes]")


def press_save(page: Page) -> None:
    """Press the one button that saves."""
    page.locator("#save").get_by_role("button").click()


def write(page: Page, field: str, text: str) -> None:
    """Type over what stands in a field, key by key, as a person does: a browser asks only after a person's touch."""
    page.locator(f"#{field}").click()
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def leave(page: Page, accept: bool) -> list[str]:
    """Follow a link away and answer the browser's question; gives the kinds of questions that were asked."""
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        if accept:
            dialog.accept()
        else:
            dialog.dismiss()

    page.on("dialog", answer)
    page.get_by_role("link", name="События").click(no_wait_after=True)
    until_on(page, lambda: asked or page.url.endswith("/events"))
    page.remove_listener("dialog", answer)
    return asked


def integration(session: Session) -> Integration:
    """As it is stored."""
    session.rollback()
    return session.scalars(select(Integration)).one()


def test_what_has_changed_is_named_and_leaving_asks_first(jivo: Page, cabinet: Cabinet, session: Session) -> None:
    expect(changes(jivo)).to_have_text(NOTHING_CHANGED)
    write(jivo, "name", "Jivo на сайте")
    expect(changes(jivo)).to_have_text("Изменено: Название интеграции.")
    pick(jivo, "campaign", "дир", "Директ: шторы")
    jivo.get_by_label("Чаты без рекламной кампании отдавать следующим правилам").check()
    expect(changes(jivo)).to_have_text(
        "Изменено: Название интеграции, Рекламная кампания, Чаты без рекламной кампании отдавать следующим правилам."
    )
    assert leave(jivo, accept=False) == ["beforeunload"]
    expect(jivo.locator("#name")).to_have_value("Jivo на сайте")
    assert leave(jivo, accept=True) == ["beforeunload"]
    expect(jivo.get_by_role("heading", level=1)).to_have_text("События")
    assert integration(session).name == "Jivo"


def test_what_is_put_back_is_no_change(jivo: Page) -> None:
    """The undoing of each kind of field: text, checkbox, combobox, switch, row."""
    write(jivo, "name", "Другое")
    write(jivo, "name", "Jivo")
    expect(changes(jivo)).to_have_text(NOTHING_CHANGED)
    box = jivo.locator("#fill_without_campaign")
    box.check()
    expect(changes(jivo)).not_to_have_text(NOTHING_CHANGED)
    box.uncheck()
    combobox(jivo, "campaign").fill("Дир")
    expect(changes(jivo)).to_have_text("Изменено: Рекламная кампания.")
    jivo.keyboard.press("Escape")
    expect(changes(jivo)).to_have_text(NOTHING_CHANGED)
    switch = jivo.get_by_role("group", name="Рекламная кампания/Источник")
    switch.get_by_text("Источник", exact=True).click()
    expect(changes(jivo)).to_have_text("Изменено: Рекламная кампания/Источник, Источник, Сайт.")
    switch.get_by_text("Рекламная кампания", exact=True).click()
    expect(changes(jivo)).to_have_text(NOTHING_CHANGED)
    jivo.get_by_role("button", name="Добавить мессенджер").click()
    expect(changes(jivo)).to_contain_text("Мессенджер")
    jivo.get_by_role("button", name="Убрать Telegram").click()
    expect(changes(jivo)).to_have_text(NOTHING_CHANGED)
    assert leave(jivo, accept=False) == []
    expect(jivo.get_by_role("heading", level=1)).to_have_text("События")


def test_saving_is_no_leaving(jivo: Page, session: Session) -> None:
    """Saved, said, and saved once more: the second time goes to the address where the page is already."""
    asked: list[Dialog] = []
    jivo.on("dialog", lambda dialog: (asked.append(dialog), dialog.accept()))
    for name in ("Первое", "Второе"):
        write(jivo, "name", name)
        press_save(jivo)
        expect(jivo.get_by_role("heading", level=1)).to_have_text(name)
        expect(jivo.locator("#flash")).to_have_text("Настройки сохранены.")
        expect(changes(jivo)).to_have_text(NOTHING_CHANGED)
        assert integration(session).name == name
    press_save(jivo)
    expect(jivo.locator("#flash")).to_have_text("Изменений не было.")
    assert not asked


def test_enter_in_a_field_saves_and_removes_no_row(jivo: Page, session: Session) -> None:
    """Enter presses a form's first button, which must not be that of a row."""
    jivo.get_by_role("button", name="Добавить мессенджер").click()
    pick(jivo, "map-0-campaign", "дир", "Директ: шторы")
    write(jivo, "name", "Jivo основной")
    jivo.keyboard.press("Enter")
    expect(jivo.locator("#flash")).to_have_text("Настройки сохранены.")
    saved = integration(session)
    assert (saved.name, [row.channel for row in saved.mappings]) == ("Jivo основной", ["telegram"])


def test_the_switch_active_asks_before_it_takes_unsaved_changes_away(jivo: Page) -> None:
    """It saves itself only, and loads the page again."""
    write(jivo, "name", "Другое")
    asked: list[str] = []
    jivo.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    jivo.get_by_role("switch", name="Активен").click(no_wait_after=True)
    until_on(jivo, lambda: asked)
    assert asked == ["beforeunload"]
    expect(jivo.locator("#name")).to_have_value("Другое")


def test_the_summary_of_errors_takes_the_focus_and_leads_into_the_fields(
    jivo: Page, session: Session, watch: Watch
) -> None:
    watch.allow(422)
    write(jivo, "name", " ")
    combobox(jivo, "employee").fill("Никто")
    jivo.get_by_role("button", name="Добавить мессенджер").click()
    expect(jivo.locator("#map-0-channel")).to_be_visible()
    press_save(jivo)
    summary = jivo.locator("[data-error-summary]")
    expect(summary).to_be_focused()
    expect(summary).to_be_in_viewport()
    expect(jivo).to_have_title("Ошибка: Jivo: передача чатов · Leadtrail")
    links = {
        "Введите название интеграции, не длиннее 200 знаков.": "name",
        "«Никто» в справочнике нет. Впишите название, как там, или выберите из списка.": "employee",
        "Выберите рекламную кампанию.": "map-0-campaign",
    }
    expect(summary.get_by_role("link")).to_have_text(list(links))
    for text, field in links.items():
        summary.get_by_role("link", name=text).click()
        target = jivo.locator(f"#{field}")
        expect(target).to_be_focused()
        expect(target).to_be_in_viewport()
        expect(target).to_have_attribute("aria-invalid", "true")
        assert text in jivo.locator(f"#{field}-error").inner_text()
    expect(changes(jivo)).to_contain_text("Изменено: Название интеграции, Сотрудник")
    write(jivo, "name", "Jivo")
    combobox(jivo, "employee").fill("")
    jivo.get_by_role("button", name="Убрать Telegram").click()
    expect(summary).to_have_count(0)
    expect(jivo).to_have_title("Jivo: передача чатов · Leadtrail")


def test_conditions_are_added_and_removed_with_everything_typed_kept(
    open_page: Callable[..., Page], cabinet: Cabinet, session: Session
) -> None:
    make_site(session, cabinet.account, domain="romashka.example")
    page = open_page(cabinet.owner)
    page.goto(f"{cabinet.path}/directory/campaigns/new")
    page.get_by_label("Название").fill("Осень")
    page.get_by_label("Порядок").fill("7")
    pick(page, "site", "rom", "romashka.example")
    page.locator("#rule-0-0-value").fill("yandex")
    page.get_by_role("button", name="и ещё условие").click()
    second = page.locator("#rule-0-1-value")
    second.fill("cpc")
    page.get_by_role("button", name="Добавить правило").click()
    page.locator("#rule-1-0-mark").select_option("utm_campaign")
    page.locator("#rule-1-0-op").select_option("contains")
    page.locator("#rule-1-0-value").fill("осень")
    page.get_by_role("button", name="Убрать условие utm_medium").click()
    expect(second).to_have_count(0)
    for field, value in {
        "name": "Осень",
        "priority": "7",
        "site": "romashka.example",
        "rule-0-0-value": "yandex",
        "rule-1-0-mark": "utm_campaign",
        "rule-1-0-op": "contains",
        "rule-1-0-value": "осень",
    }.items():
        expect(page.locator(f"#{field}")).to_have_value(value)
    focus_stands_in(page, "#entry")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator("#flash")).to_contain_text("сохранено")
    session.rollback()
    campaign = session.scalars(select(Campaign)).one()
    assert (campaign.priority, campaign.site.domain) == (7, "romashka.example")
    assert campaign.rules == [
        [{"mark": "utm_source", "op": "equals", "value": "yandex"}],
        [{"mark": "utm_campaign", "op": "contains", "value": "осень"}],
    ]


def focus_stands_in(page: Page, selector: str) -> None:
    """Who uses the keyboard goes on from where they were, not from the top of the page."""
    assert page.evaluate("selector => !!document.activeElement.closest(selector)", selector)


def test_the_focus_stays_where_the_keyboard_was(jivo: Page) -> None:
    """A row that comes or goes, and a list that is swapped, do not throw anybody back to the top."""
    add = jivo.get_by_role("button", name="Добавить мессенджер")
    add.focus()
    jivo.keyboard.press("Enter")
    expect(jivo.locator("#map-0-channel")).to_be_visible()
    expect(add).to_be_focused()
    jivo.get_by_role("button", name="Убрать Telegram").focus()
    jivo.keyboard.press("Enter")
    expect(jivo.locator("#map-0-channel")).to_have_count(0)
    focus_stands_in(jivo, "#settings-block")
    jivo.locator("#kind-campaign").focus()
    jivo.keyboard.press("ArrowRight")
    expect(combobox(jivo, "source")).to_be_visible()
    expect(jivo.locator("#kind-source")).to_be_focused()
    jivo.keyboard.press("ArrowLeft")
    expect(combobox(jivo, "campaign")).to_be_visible()
    expect(jivo.locator("#kind-campaign")).to_be_focused()


def come_back(page: Page, cabinet: Cabinet) -> None:
    """Sign in beside, as the page advises."""
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Войти").click()
    beside = opened.value
    beside.get_by_label("Почта").fill(cabinet.owner.email)
    beside.get_by_label("Пароль").fill(PASSWORD)
    beside.get_by_role("button", name="Войти").click()
    expect(beside.get_by_role("heading", level=1)).to_have_text("Интеграции")
    beside.close()


def send_again(page: Page) -> None:
    """Send what was kept. A sign-in beside makes older pages void, so that it may be asked for once more."""
    again = page.get_by_role("button", name="Отправить ещё раз")
    again.click()
    page.wait_for_load_state()
    if again.count():
        again.click()


def test_after_a_lost_sign_in_the_settings_are_kept_and_sent_again(
    jivo: Page, cabinet: Cabinet, session: Session, watch: Watch
) -> None:
    """The whole form of the integration, which htmx sends: nobody chooses twelve messengers twice."""
    write(jivo, "name", 'Jivo "основной" <b>')
    pick(jivo, "campaign", "дир", "Директ: шторы")
    jivo.get_by_role("button", name="Добавить мессенджер").click()
    jivo.locator("#map-0-target").get_by_text("Источник", exact=True).click()
    pick(jivo, "map-0-source", "tele", "Telegram-канал")
    jivo.context.clear_cookies()
    watch.allow(400, 401)
    press_save(jivo)
    expect(jivo.get_by_role("button", name="Отправить ещё раз")).to_be_visible()
    assert integration(session).name == "Jivo"
    come_back(jivo, cabinet)
    send_again(jivo)
    expect(jivo.locator("#flash")).to_have_text("Настройки сохранены.")
    saved = integration(session)
    assert (saved.name, saved.campaign.name) == ('Jivo "основной" <b>', "Директ: шторы")
    assert [(row.channel, row.source.name) for row in saved.mappings] == [("telegram", "Telegram-канал")]


def test_after_a_lost_sign_in_a_plain_form_is_kept_and_sent_again(
    open_page: Callable[..., Page], cabinet: Cabinet, session: Session, watch: Watch
) -> None:
    page = open_page(cabinet.owner)
    page.goto(f"{cabinet.path}/directory/sites/new")
    page.get_by_label("Домен").fill("romashka.example")
    page.get_by_label("Название").fill("Ромашка & Ко")
    page.context.clear_cookies()
    watch.allow(400, 401)
    page.get_by_role("button", name="Сохранить").click()
    come_back(page, cabinet)
    send_again(page)
    expect(page.locator("#flash")).to_contain_text("сохранено")
    session.rollback()
    site = session.scalars(select(Site)).one()
    assert (site.domain, site.name) == ("romashka.example", "Ромашка & Ко")


def test_a_page_opened_before_signing_in_anew_is_sent_again_by_one_press(
    app: Flask, server: str, jivo: Page, cabinet: Cabinet, session: Session, watch: Watch
) -> None:
    """An expired token; a row that was to be added is added, not the form saved."""
    write(jivo, "name", "Другое")
    jivo.context.clear_cookies()
    sign_in(jivo.context, app, server, cabinet.owner)
    watch.allow(400, 422)
    jivo.get_by_role("button", name="Добавить мессенджер").click()
    expect(jivo.get_by_role("heading", level=1)).to_have_text("Страница устарела")
    jivo.get_by_role("button", name="Отправить ещё раз").click()
    expect(jivo.locator("#map-0-channel")).to_have_value("telegram")
    expect(jivo.locator("#name")).to_have_value("Другое")
    expect(changes(jivo)).to_have_text("Есть несохранённые изменения.")
    assert integration(session).name == "Jivo"
    press_save(jivo)
    expect(jivo.locator("#map-0-campaign-error")).to_be_visible()


def test_a_waiting_page_survives_a_lost_sign_in(jivo: Page, cabinet: Cabinet, app: Flask, server: str) -> None:
    """The card that asks for itself does not turn into a sign-in page, and goes on when somebody is back."""
    jivo.context.clear_cookies()
    with jivo.expect_response(lambda answer: "/sign-in" in answer.url):
        pass
    jivo.wait_for_timeout(200)
    expect(jivo.locator("#test")).to_contain_text("Ждём первое обращение")
    expect(jivo.get_by_label("Пароль")).to_have_count(0)
    sign_in(jivo.context, app, server, cabinet.owner)
    with jivo.expect_response(lambda answer: answer.url.endswith("/test") or "/test?" in answer.url) as answered:
        pass
    assert answered.value.status == 200


def test_a_server_that_does_not_answer_is_said_and_nothing_is_lost(jivo: Page, session: Session, watch: Watch) -> None:
    watch.allow(503)
    watch.allow_unanswered()
    write(jivo, "name", "Другое")
    message = jivo.locator("#flash")
    jivo.route("**/settings", lambda route: route.abort("connectionrefused"))
    press_save(jivo)
    expect(message).to_contain_text("Попробуйте через минуту.")
    expect(message).to_be_in_viewport()
    jivo.unroute("**/settings")
    jivo.route("**/settings", lambda route: route.fulfill(status=503, content_type="text/html", body="<p>proxy</p>"))
    press_save(jivo)
    expect(message).to_contain_text("Попробуйте через минуту.")
    expect(jivo.locator("#name")).to_have_value("Другое")
    expect(changes(jivo)).to_have_text("Изменено: Название интеграции.")
    jivo.unroute("**/settings")
    press_save(jivo)
    expect(message).to_have_text("Настройки сохранены.")
    assert integration(session).name == "Другое"


def test_a_question_stands_before_what_cannot_be_undone(jivo: Page, session: Session) -> None:
    """A new webhook address: asked for in the page, by keyboard too; Escape and «Отмена» do nothing."""
    before = integration(session).webhook_secret_hash
    jivo.get_by_text("Заменить адрес").click()
    button = jivo.get_by_role("button", name="Сделать новый адрес")
    dialog = jivo.get_by_role("dialog")
    for how in ("Escape", "cancel"):
        button.click()
        expect(dialog).to_contain_text("Старый проработает ещё 24 часа")
        if how == "Escape":
            jivo.keyboard.press("Escape")
        else:
            dialog.get_by_role("button", name="Отмена").click()
        expect(dialog).to_be_hidden()
        expect(button).to_be_focused()
    assert integration(session).webhook_secret_hash == before
    button.click()
    dialog.get_by_role("button", name="Сделать новый").click()
    expect(jivo.locator("#flash")).to_contain_text("Адрес новый.")
    expect(jivo.locator("#settings .field-warning")).to_contain_text("Старый адрес принимает до")
    assert integration(session).webhook_secret_hash != before
