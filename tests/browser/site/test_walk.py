"""From an advertisement to the row in the report: the whole way of a visitor, on two origins (J6, J17, B6, C1)."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.browser.conftest import ARGUMENTS, NAMES
from tests.browser.site.conftest import Shop
from tests.doubles.site_walk import end_chat, introduce, write
from tests.waiting import until_on

pytestmark = pytest.mark.browser

Visitor = Callable[..., Page]

MARKS = {"utm_source": "yandex", "utm_medium": "cpc", "utm_campaign": "shtory"}


def test_a_chat_on_the_second_page_has_the_campaign_of_the_landing(shop: Shop, visitor: Visitor) -> None:
    page = visitor()
    page.goto(shop.site.address("/", **MARKS))
    [visit] = shop.visits()
    page.goto(shop.site.address("/blackout"))
    introduce(page, name="Мария", phone="8 900 000-12-34")
    write(page, "Есть шторы на кухню?")
    end_chat(page)

    found = shop.only()
    assert (found.rule, found.visit_id, found.campaign_id) == ("visit", visit.id, shop.campaign.id)
    assert found.contact_phone == "+79000001234"
    assert shop.site.tokens()[-1] == f"as1.{visit.session_id}"
    [visit] = shop.visits()
    assert (visit.marks, visit.campaign_id) == (
        {"source": "yandex", "medium": "cpc", "campaign": "shtory"},
        shop.campaign.id,
    )
    assert visit.landing_url == shop.site.address("/", **MARKS)
    assert visit.last_url == shop.site.address("/blackout")
    assert visit.pages == 2


def test_the_whole_way_needs_nothing_of_third_parties(shop: Shop, browser: Browser) -> None:
    """With third-party cookies and storage blocked, as browsers do by themselves, and nothing of ours left behind."""
    path = next(filter(None, map(shutil.which, NAMES)))
    strict = browser.browser_type.launch(
        executable_path=path, args=[*ARGUMENTS, "--test-third-party-cookie-phaseout", "--block-third-party-cookies"]
    )
    context = strict.new_context(locale="ru-RU")
    page = context.new_page()
    page.goto(shop.site.address("/", **MARKS))
    shop.visits()
    page.goto(shop.site.address("/contacts"))
    shop.ties()
    write(page, "Есть шторы на кухню?")
    end_chat(page)
    cookies = context.cookies()
    strict.close()

    assert (shop.only().rule, shop.only().campaign_id) == ("visit", shop.campaign.id)
    assert "_lt" in {cookie["name"] for cookie in cookies if "shop" in cookie["domain"]}
    assert [cookie for cookie in cookies if cookie["domain"] in ("127.0.0.1", "localhost")] == []


def test_a_chat_that_began_before_the_beacon_came_is_found_by_it_later(shop: Shop, visitor: Visitor) -> None:
    """B6: the number is told when the chat is over already, and its attribution is made anew."""
    shop.site.layout(head=["roistat", shop.counter, "jivo", shop.script])
    held: list[Route] = []
    page = visitor()
    page.context.route(f"**/i/{shop.integration.public_id}", lambda route: held.append(route))
    page.goto(shop.site.address("/", **MARKS))
    [visit] = shop.visits()
    write(page, "Есть шторы на кухню?")
    end_chat(page)
    assert shop.only().visit_id is None
    until_on(page, lambda: any("k=tie" in (route.request.post_data or "") for route in held))
    for route in held:
        route.continue_()
    shop.ties()

    assert (shop.only().rule, shop.only().visit_id) == ("beacon", visit.id)
