"""«Сессии» in a browser: finding one's way from a campaign to the visit and to the chat behind it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser import Furnished, pick

pytestmark = pytest.mark.browser


def test_the_visits_of_a_campaign_lead_to_the_chat_and_back(
    open_page: Callable[..., Page], furnished: Furnished
) -> None:
    page = open_page(furnished.owner)
    page.goto(f"{furnished.path}/communications")
    page.get_by_role("link", name="Сессии").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    pick(page, "campaign", "шторы", "Директ: шторы")
    page.get_by_role("button", name="Показать", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#campaign")).to_have_value("Директ: шторы — shop.example")
    page.locator("tbody a.row-title").click()
    expect(page.locator("#session-id")).to_have_text("6000000000000001")
    here = page.url
    page.get_by_role("button", name="Копировать").click()
    expect(page.get_by_role("button", name="Скопировано")).to_be_visible()
    page.get_by_role("link", name="Чат · Мария").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Чат · Мария")
    page.locator("dl.facts a[href*='/visits/']").click()
    expect(page).to_have_url(here)
