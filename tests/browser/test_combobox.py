"""The field in which one of many is chosen by typing (J12, J14, J15): keyboard, mouse, and what can go wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Response, Route, expect
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from tests.browser import ON_SQLITE, Cabinet, combobox, offered, pick
from tests.browser.conftest import Watch
from tests.factories import make_campaign
from webapp.models import Campaign, Integration, fold, utc_now

pytestmark = pytest.mark.browser

NAMES = ("Авито", "Вконтакте", "Директ: поиск", "Директ: сети", "Щит у дороги")

#: What the server offers at once; the rest it only counts.
OFFERED = 20


@pytest.fixture
def jivo(open_page: Callable[..., Page], cabinet: Cabinet, session: Session) -> Page:
    """The page of the integration, in a cabinet with five campaigns."""
    for number, name in enumerate(NAMES):
        make_campaign(session, cabinet.account, f"campaign-{number}", name)
    page = open_page(cabinet.owner)
    page.goto(cabinet.jivo)
    return page


def chosen(page: Page) -> Locator:
    """The hidden field with the number of the chosen campaign."""
    return page.locator("input[name=campaign]")


def number_of(session: Session, name: str) -> str:
    """A campaign's number, as a form has it."""
    session.rollback()
    return str(session.scalars(select(Campaign.id).where(Campaign.name == name)).one())


def active(page: Page) -> Locator:
    """The line that Enter would choose, found as a screen reader finds it."""
    name = combobox(page, "campaign").get_attribute("aria-activedescendant")
    return page.locator(f"[id='{name}'].is-active")


def stored(session: Session) -> str | None:
    """The campaign that was saved."""
    session.rollback()
    campaign = session.scalars(select(Integration)).one().campaign
    return campaign.name if campaign else None


def save(page: Page) -> None:
    """Save, and wait until it is said."""
    expect(page.locator("[data-changes]")).to_contain_text("Изменено")
    page.locator("#save").get_by_role("button").click()
    expect(page.locator("[data-changes]")).to_have_text("Всё сохранено.")
    expect(page.locator("#flash")).to_have_text("Настройки сохранены.")


def test_of_twenty_thousand_campaigns_the_server_sends_those_that_fit(
    open_page: Callable[..., Page], cabinet: Cabinet, session: Session
) -> None:
    """J14: nobody scrolls through them, and no list is sent whole."""
    rows = [
        {
            "account_id": cabinet.account.id,
            "key": f"c{number}",
            "name": f"Кампания №{number:05}",
            "search_text": fold(f"Кампания №{number:05}", f"c{number}"),
            "rules": [],
        }
        for number in range(20_000)
    ]
    session.execute(insert(Campaign), rows)
    session.commit()
    page = open_page(cabinet.owner)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer) if "/options/" in answer.url else None)
    page.goto(cabinet.jivo)
    assert "Кампания №" not in page.content()

    field = combobox(page, "campaign")
    field.click()
    expect(offered(page, "campaign")).to_have_count(OFFERED)
    expect(page.locator("#campaign-list .combo-message")).to_have_text(
        f"Показаны первые {OFFERED} из 20000 — уточните запрос"
    )
    page.keyboard.type("кампания №1999")
    expect(offered(page, "campaign")).to_have_text([f"Кампания №{number}" for number in range(19990, 20000)])
    page.keyboard.type("7")
    expect(offered(page, "campaign")).to_have_text(["Кампания №19997"])
    page.keyboard.press("Enter")
    expect(field).to_have_value("Кампания №19997")
    assert answers
    for answer in answers:
        assert answer.text().count("data-value") <= OFFERED, answer.url
    save(page)
    assert stored(session) == "Кампания №19997"
    expect(field).to_have_value("Кампания №19997")


@ON_SQLITE
def test_arrows_walk_through_the_list_and_enter_chooses(jivo: Page, session: Session) -> None:
    field, options = combobox(jivo, "campaign"), offered(jivo, "campaign")
    field.focus()
    expect(field).to_have_attribute("aria-expanded", "false")
    jivo.keyboard.press("ArrowDown")
    expect(options).to_have_text(list(NAMES))
    expect(field).to_have_attribute("aria-expanded", "true")
    jivo.keyboard.press("ArrowDown")
    expect(active(jivo)).to_have_text(NAMES[0])
    jivo.keyboard.press("ArrowDown")
    expect(active(jivo)).to_have_text(NAMES[1])
    jivo.keyboard.press("ArrowUp")
    jivo.keyboard.press("ArrowUp")
    expect(active(jivo)).to_have_text(NAMES[-1])
    jivo.keyboard.press("ArrowDown")
    expect(active(jivo)).to_have_text(NAMES[0])
    expect(field).to_be_focused()
    jivo.keyboard.press("ArrowUp")
    jivo.keyboard.press("Enter")
    expect(field).to_have_value(NAMES[-1])
    expect(chosen(jivo)).to_have_value(number_of(session, NAMES[-1]))
    expect(jivo.locator("#campaign-list")).to_be_hidden()
    expect(field).to_have_attribute("aria-expanded", "false")
    assert field.get_attribute("aria-activedescendant") is None
    expect(jivo.locator("[data-changes]")).to_have_text("Изменено: Рекламная кампания.")
    assert stored(session) is None, "Enter in the list has sent the form"


@ON_SQLITE
def test_typing_proposes_the_first_that_fits(jivo: Page) -> None:
    """Every word counts, whatever the case; the first line is ready for Enter."""
    combobox(jivo, "campaign").focus()
    jivo.keyboard.type("ДИРЕКТ сет")
    expect(offered(jivo, "campaign")).to_have_text(["Директ: сети"])
    expect(active(jivo)).to_have_text("Директ: сети")
    expect(chosen(jivo)).to_have_value("")


@ON_SQLITE
def test_the_list_follows_what_was_typed_last(jivo: Page) -> None:
    """An answer that comes late to what is no longer there is not shown."""

    def late(route: Route) -> None:
        if "q=%D1%89" in route.request.url:
            jivo.wait_for_timeout(400)
        route.continue_()

    jivo.route("**/options/**", late)
    field = combobox(jivo, "campaign")
    field.fill("щ")
    jivo.wait_for_timeout(250)
    field.fill("авито")
    expect(offered(jivo, "campaign")).to_have_text(["Авито"])
    jivo.wait_for_timeout(500)
    expect(offered(jivo, "campaign")).to_have_text(["Авито"])


@ON_SQLITE
def test_escape_gives_back_what_was_chosen(jivo: Page, session: Session) -> None:
    field = combobox(jivo, "campaign")
    field.fill("щит")
    expect(offered(jivo, "campaign")).to_have_count(1)
    jivo.keyboard.press("Escape")
    expect(field).to_have_value("")
    expect(jivo.locator("#campaign-list")).to_be_hidden()

    pick(jivo, "campaign", "авит", "Авито")
    number = number_of(session, "Авито")
    field.fill("щит")
    expect(offered(jivo, "campaign")).to_have_text(["Щит у дороги"])
    expect(chosen(jivo)).to_have_value("")
    jivo.keyboard.press("Escape")
    expect(field).to_have_value("Авито")
    expect(chosen(jivo)).to_have_value(number)
    expect(field).to_be_focused()


@ON_SQLITE
def test_what_is_not_there_is_said_at_once_and_again_when_saving(jivo: Page, session: Session, watch: Watch) -> None:
    field, message = combobox(jivo, "campaign"), jivo.locator("#campaign-list .combo-message")
    field.fill("радио")
    expect(message).to_have_text("По запросу «радио» ничего не найдено")
    expect(jivo.locator("#spoken")).to_have_text("По запросу «радио» ничего не найдено")
    jivo.keyboard.press("ArrowDown")
    jivo.keyboard.press("Enter")
    expect(jivo.locator("#campaign-list")).to_be_hidden()
    watch.allow(422)
    jivo.locator("#save").get_by_role("button").click()
    expect(jivo.locator("#campaign-error")).to_have_text(
        "Ошибка: «радио» в справочнике нет. Впишите название, как там, или выберите из списка.", use_inner_text=False
    )
    expect(field).to_have_value("радио")
    assert stored(session) is None


@ON_SQLITE
def test_a_full_name_typed_out_is_a_choice(jivo: Page, session: Session) -> None:
    """Nobody has to take the mouse to confirm what stands there already."""
    combobox(jivo, "campaign").fill("вконтакте")
    expect(offered(jivo, "campaign")).to_have_count(1)
    jivo.keyboard.press("Tab")
    expect(combobox(jivo, "campaign")).to_have_value("Вконтакте")
    expect(chosen(jivo)).to_have_value(number_of(session, "Вконтакте"))


@ON_SQLITE
def test_the_written_text_wins_over_a_number_that_does_not_fit_it(jivo: Page, session: Session) -> None:
    """What is saved is what was to be read, even if a script stood still."""
    pick(jivo, "campaign", "авит", "Авито")
    jivo.evaluate("document.querySelector('#campaign').value = 'Директ: поиск'")
    expect(chosen(jivo)).to_have_value(number_of(session, "Авито"))
    save(jivo)
    assert stored(session) == "Директ: поиск"


@ON_SQLITE
def test_an_emptied_field_is_no_choice(jivo: Page, session: Session) -> None:
    pick(jivo, "campaign", "авит", "Авито")
    save(jivo)
    combobox(jivo, "campaign").fill("")
    save(jivo)
    assert stored(session) is None


@ON_SQLITE
def test_a_field_with_a_choice_opens_with_the_whole_list(jivo: Page) -> None:
    """So that another one can be taken without wiping out the first; the button opens and closes it."""
    pick(jivo, "campaign", "щит", "Щит у дороги")
    button = jivo.get_by_role("button", name="Показать список: Рекламная кампания", exact=True)
    button.click()
    expect(offered(jivo, "campaign")).to_have_text(list(NAMES))
    expect(jivo.locator("#campaign-list [aria-selected=true]")).to_have_text("Щит у дороги")
    button.click()
    expect(jivo.locator("#campaign-list")).to_be_hidden()
    combobox(jivo, "campaign").click()
    expect(offered(jivo, "campaign")).to_have_count(len(NAMES))
    jivo.locator("#name").click()
    expect(jivo.locator("#campaign-list")).to_be_hidden()
    expect(combobox(jivo, "campaign")).to_have_value("Щит у дороги")


@ON_SQLITE
def test_an_archived_choice_is_kept_with_a_warning_until_another_is_taken(
    open_page: Callable[..., Page], cabinet: Cabinet, session: Session
) -> None:
    old = make_campaign(session, cabinet.account, "old", "Старая", archived_at=utc_now())
    make_campaign(session, cabinet.account, "new", "Новая")
    cabinet.integration.point_to("campaign", old.id, None, None)
    session.commit()
    page = open_page(cabinet.owner)
    page.goto(cabinet.jivo)
    expect(combobox(page, "campaign")).to_have_value("Старая")
    warning = page.locator("#target .field-warning")
    expect(warning).to_contain_text("В архиве.")
    combobox(page, "campaign").click()
    expect(offered(page, "campaign")).to_have_text(["Новая"])
    offered(page, "campaign").click()
    expect(warning).to_have_count(0)
    save(page)
    assert stored(session) == "Новая"


@ON_SQLITE
def test_a_list_that_does_not_come_is_said_and_can_be_asked_for_again(jivo: Page, watch: Watch) -> None:
    """A broken connection, a broken server, a lost sign-in: never a strange page inside the field."""
    watch.allow(500)
    watch.allow_unanswered()
    message = jivo.locator("#campaign-list .combo-message")
    cookies = jivo.context.cookies()
    troubles = {
        "connection": lambda: jivo.route("**/options/**", lambda route: route.abort("connectionreset")),
        "server": lambda: jivo.route("**/options/**", lambda route: route.fulfill(status=500, body="<h1>no</h1>")),
        "sign-in": jivo.context.clear_cookies,
    }
    for trouble, begin in troubles.items():
        begin()
        combobox(jivo, "campaign").fill(trouble)
        expect(message).to_have_text("Список не загрузился. Попробуйте ещё раз.")
        jivo.unroute_all()
        jivo.context.add_cookies(cookies)
        combobox(jivo, "campaign").fill("авит")
        expect(offered(jivo, "campaign")).to_have_text(["Авито"])
