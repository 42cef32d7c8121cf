"""B11: the interface in Russian and in English."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from tests.browser import ON_SQLITE, combobox
from tests.factories import make_account, make_integration
from tests.views.acting import make_person
from webapp.models import User

pytestmark = [pytest.mark.browser, ON_SQLITE]

CYRILLIC = re.compile("[А-Яа-яЁё]+")

#: Pages on which nothing of a vendor's screens is quoted.
OWN_WORDS = ("integrations", "communications", "events", "directory/campaigns", "people", "settings", "settings/audit")


@pytest.fixture
def owner(session: Session) -> User:
    """The owner of a cabinet with Latin names only, so that every Russian word on a page is one of the interface."""
    account = make_account(session, name="Camomile")
    make_integration(session, account)
    return make_person(session, account, name="Olga")


def choose(page: Page, language: str) -> None:
    """Another language, in the menu of the user."""
    page.locator(".user-menu > summary").click()
    page.get_by_role("button", name=language).click()


def test_the_language_is_changed_in_the_menu_and_back(open_page: Callable[..., Page], owner: User) -> None:
    """It stays on the page where it was changed, and with the user."""
    page = open_page(owner)
    page.goto("/a/romashka/communications?type=chat")
    heading, html = page.get_by_role("heading", level=1), page.locator("html")
    expect(html).to_have_attribute("lang", "ru")
    expect(heading).to_have_text("Обращения и цели")
    choose(page, "English")
    expect(html).to_have_attribute("lang", "en")
    expect(heading).to_have_text("Communications and goals")
    expect(page).to_have_url(re.compile(r"/a/romashka/communications\?type=chat$"))
    again = open_page(owner)
    again.goto("/a/romashka/integrations")
    expect(again.locator("html")).to_have_attribute("lang", "en")
    choose(page, "Русский")
    expect(html).to_have_attribute("lang", "ru")
    expect(heading).to_have_text("Обращения и цели")


def test_an_english_page_has_no_russian_words(open_page: Callable[..., Page], owner: User) -> None:
    """The texts that scripts show are in the markup, so they are English too."""
    page = open_page(owner, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/a/romashka/integrations")
    choose(page, "English")
    found = {}
    for path in OWN_WORDS:
        page.goto(f"/a/romashka/{path}")
        found[path] = CYRILLIC.findall(page.locator("main").inner_text() + page.locator(".nav-main").inner_text())
    assert not any(found.values()), found
    page.goto("/a/romashka/integrations/jivo")
    page.locator("[data-copy='#webhook-url']").click()
    expect(page.locator("[data-copy='#webhook-url']")).to_have_text("Copied")
    combobox(page, "campaign").fill("radio")
    expect(page.locator("#campaign-list .combo-message")).to_contain_text("No campaigns yet")
    page.get_by_label("Integration name").fill("Chat")
    for part in ("#campaign-list", "[data-changes]"):
        assert not CYRILLIC.search(page.locator(part).inner_text()), page.locator(part).inner_text()


def test_before_sign_in_the_browser_decides_until_somebody_chooses(open_page: Callable[..., Page]) -> None:
    page = open_page(locale="en-GB")
    page.goto("/sign-in")
    html = page.locator("html")
    expect(html).to_have_attribute("lang", "en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_role("button", name="Русский").click()
    expect(html).to_have_attribute("lang", "ru")
    expect(page.get_by_role("button", name="Русский")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Вход")
