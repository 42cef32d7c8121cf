"""From an advertisement to the row in the report: the whole way of a visitor, on two origins (J6, J17, B6, C1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.site.conftest import Shop
from tests.doubles.site_walk import end_chat, introduce, write

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
    assert visit.page_count == 2
