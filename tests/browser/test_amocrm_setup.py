"""The whole way of a marketer with amoCRM: from an empty account to a closed talk with the campaign of its visit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.browser import combobox, pick
from tests.browser.conftest import Watch
from tests.doubles.amocrm import AmoDouble
from tests.factories import make_account, make_campaign, make_site, make_visit
from tests.views.acting import make_person
from webapp import jobs
from webapp.models import Integration, Lookup, User, utc_now

pytestmark = pytest.mark.browser


@pytest.fixture
def amo(app: Flask, server: str, monkeypatch: pytest.MonkeyPatch, watch: Watch) -> Iterator[AmoDouble]:
    """The stand-in, known to the product and to the browser."""
    with AmoDouble() as double:
        changes = {"EXTRA_VENDOR_HOSTS": (double.domain,), "AMOCRM_OAUTH_URL": double.oauth_url, "PUBLIC_URL": server}
        monkeypatch.setitem(app.config, "SETTINGS", app.config["SETTINGS"].model_copy(update=changes))
        double.set_redirect_uri(f"{server}/oauth/amocrm/callback")
        watch.visit(double.url)
        yield double


@pytest.fixture
def owner(session: Session) -> User:
    """The owner of an account with a site and a campaign, and nothing else."""
    account = make_account(session, name="Ромашка")
    site = make_site(session, account)
    campaign = make_campaign(session, account, site_id=site.id, name="Директ: шторы")
    make_visit(
        session, account, "4815162342", started_at=utc_now() - timedelta(minutes=3), campaign_id=campaign.id,
        site_id=site.id, marks={"source": "yandex", "medium": "cpc"},
    )  # fmt: skip
    person = make_person(session, account, name="Ольга")
    session.rollback()
    return person


def test_from_an_empty_account_to_a_closed_talk_with_the_campaign_of_its_visit(
    app: Flask, session: Session, owner: User, amo: AmoDouble, open_page: Callable[..., Page], watch: Watch
) -> None:
    """A1, A3-A17, A19, A20, B8, in the order of the guide."""
    watch.allow(422)
    page = open_page(owner)
    begin(page)
    authorize(page, amo)
    subscribe(page, amo)
    choose_field(page, amo)
    choose_default(page)
    close_a_talk(app, session, page, amo)


def begin(page: Page) -> None:
    """A8-A10: what is needed, the switch, the address and where to put it."""
    page.goto("/a/romashka/integrations/new")
    page.get_by_role("button", name="Подключить amoCRM").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("amoCRM: передача заявок")
    expect(page.locator(".needs")).to_contain_text("Загрузка заявок из внешней системы")
    page.get_by_role("switch", name="Активен").click()
    expect(page.locator("#flash")).to_contain_text("Интеграция включена")
    expect(page.get_by_label("Webhook url", exact=True)).to_have_value(re.compile(r"/hooks/amocrm/[\w-]{40,}$"))
    expect(page.locator("#settings .steps-text")).to_contain_text("Беседа изменена")
    order = page.locator("main .card h2").all_inner_texts()
    wanted = ["Активен", "Настройки", "Авторизация в amoCRM", "Соответствие мессенджеров и источников", "Сохранить"]
    titles = [re.split(" — |\n", text)[0].strip() for text in order]
    assert [title for title in titles if title in wanted] == wanted


def authorize(page: Page, amo: AmoDouble) -> None:
    """A11: YOURDOMAIN gives way to the domain while it is typed; then consent, and the state of the connection."""
    card = page.locator("#authorization")
    url, token_url = page.get_by_label("AmoCRM URL"), page.get_by_label("Token URL")
    expect(url).to_have_value("https://YOURDOMAIN.amocrm.ru")
    expect(token_url).to_have_value("https://YOURDOMAIN.amocrm.ru/oauth2/access_token")
    domain = page.get_by_label("Домен личного кабинета amoCRM")
    domain.fill("https://Romashka.amocrm.ru/leads/pipeline/?skip_filter=Y")
    expect(url).to_have_value("https://romashka.amocrm.ru")
    expect(token_url).to_have_value("https://romashka.amocrm.ru/oauth2/access_token")
    domain.fill("evil.example")
    card.get_by_role("button", name="Сохранить авторизацию").click()
    expect(page.locator("#auth-domain-error")).to_contain_text("Это не домен аккаунта amoCRM")
    domain = page.get_by_label("Домен личного кабинета amoCRM")
    domain.fill(amo.domain)
    expect(page.get_by_label("AmoCRM URL")).to_have_value(amo.url)
    page.get_by_label("Название авторизации").fill("Отдел продаж")
    page.get_by_role("textbox", name="ID интеграции").fill(amo.client_id)
    page.get_by_role("textbox", name="Секретный ключ").fill(amo.client_secret)
    card.get_by_role("button", name="Сохранить авторизацию").click()
    expect(page.locator("#flash")).to_have_text("Авторизация сохранена.")
    expect(card).to_contain_text("Не подключена")
    assert amo.client_secret not in page.content()
    page.get_by_role("button", name="Подключить", exact=True).click()
    expect(page.locator("#flash")).to_contain_text("Подключено.")
    expect(card.locator(".pill").first).to_have_text("Подключена")
    expect(card).to_contain_text(f"№ {amo.tenant_id}")
    expect(card).to_contain_text("owner@romashka.example")


def subscribe(page: Page, amo: AmoDouble) -> None:
    """B8: the webhook by one click."""
    page.get_by_label("и текст сообщений").check()
    page.get_by_role("button", name="Подписать вебхук").click()
    expect(page.locator("#hook .pill")).to_contain_text("Подписан нами")
    [hook] = amo.state.tenant().hooks.values()
    assert sorted(hook.settings) == ["add_message", "update_talk"]


def choose_field(page: Page, amo: AmoDouble) -> None:
    """A12: the list is that of the account; what cannot keep a session is explained; a field is made by one click."""
    amo.create_field("Источник сессии", "text")
    amo.create_field("Цвет штор", "select")
    page.get_by_role("button", name="Обновить список полей").click()
    expect(page.locator("#flash")).to_have_text("Список полей обновлён.")
    field = combobox(page, "session_field")
    field.fill("цвет")
    unfit = page.locator("#session_field-list [aria-disabled]")
    expect(unfit).to_contain_text("в поле этого типа номер сессии не поместится")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Создать поле за меня").click()
    expect(page.locator("#flash")).to_contain_text("Поле создано")
    expect(combobox(page, "session_field")).to_have_value("Leadtrail session")
    pick(page, "session_field", "источник", "Источник сессии")


def choose_default(page: Page) -> None:
    """A13-A17."""
    expect(page.get_by_role("radio", name="Рекламная кампания").first).to_be_checked()
    pick(page, "campaign", "шторы", "Директ: шторы")
    page.locator("#save").get_by_role("button").click()
    expect(page.locator("#flash")).to_have_text("Настройки сохранены.")


def close_a_talk(app: Flask, session: Session, page: Page, amo: AmoDouble) -> None:
    """A1, A3-A6, A20: a visitor writes, an operator answers and closes; the page shows the request with its trail."""
    session.rollback()
    integration = session.scalars(select(Integration)).one()
    field = integration.options["session_field"]
    session.rollback()
    contact = amo.create_contact("Мария Петрова", ["8 900 000-01-01"], [])["id"]
    lead = amo.create_lead(contacts=[contact])["id"]
    talk = amo.create_talk(lead, origin="onlinechat")["id"]
    amo.message(talk, "Есть шторы?")
    amo.set_field(lead, field, "4815162342")
    amo.close_talk(talk)
    amo.settle()
    session.rollback()
    number = session.scalars(select(Lookup.communication_id)).one()
    session.rollback()
    jobs.handlers(app)["look_up"](number)
    page.goto("/a/romashka/integrations/amocrm")
    test = page.locator("#test")
    expect(test).to_contain_text("Мария Петрова")
    expect(test).to_contain_text("Кампания «Директ: шторы»")
    expect(test).to_contain_text("Сессия найдена")
    test.get_by_role("link", name="Мария Петрова").click()
    expect(page.locator("main")).to_contain_text("Есть шторы?")
    expect(page.get_by_role("link", name="Открыть сделку")).to_have_attribute("href", f"{amo.url}/leads/detail/{lead}")
    page.get_by_role("navigation", name="Разделы").get_by_role("link", name="Обращения и цели").click()
    expect(page.locator("tbody tr")).to_contain_text(["Мария Петрова"])
