"""Rules in a real browser: the page that checks them, and rows that need no value."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from tests.browser import ON_SQLITE, Cabinet
from tests.factories import make_campaign

pytestmark = [pytest.mark.browser, ON_SQLITE]


@pytest.fixture
def page(open_page: Callable[..., Page], cabinet: Cabinet) -> Page:
    """The owner's browser."""
    return open_page(cabinet.owner)


LANDED = "https://shop.example/?utm_source=yandex&utm_medium=cpc"


def test_rules_are_checked_on_the_page_and_the_answer_has_an_address(
    page: Page, cabinet: Cabinet, session: Session
) -> None:
    make_campaign(session, cabinet.account, rules=[{"utm_source": "yandex", "utm_medium": "cpc"}], name="Директ")
    page.goto(f"{cabinet.path}/directory/campaigns")
    page.get_by_role("link", name="Проверка правил").click()
    page.evaluate("document.body.dataset.stayed = 'yes'")
    page.get_by_label("Адрес страницы входа").fill(LANDED)
    page.get_by_role("button", name="Проверить").click()
    expect(page.locator(".judged").first).to_contain_text("победит")
    assert page.evaluate("document.body.dataset.stayed") == "yes", "only the answer was fetched"
    expect(page.get_by_label("Адрес страницы входа")).to_have_value(LANDED)
    shared = page.url
    assert "utm_source" in shared
    page.goto("about:blank")
    page.goto(shared)
    expect(page.locator(".judged").first).to_contain_text("Директ")
    expect(page.get_by_label("Адрес страницы входа")).to_have_value(LANDED)


def test_a_comparison_without_a_value_hides_the_field(page: Page, cabinet: Cabinet) -> None:
    page.goto(f"{cabinet.path}/directory/campaigns/new")
    value = page.locator("#rule-0-0-value")
    expect(value).to_be_visible()
    page.locator("#rule-0-0-op").select_option("present")
    expect(value).to_be_hidden()
    page.locator("#rule-0-0-op").select_option("domain")
    expect(value).to_be_visible()
