"""Проверка правил: paste an address and a referrer, see what wins and why (issue 3.2)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from bs4 import Tag

from tests.factories import make_account, make_campaign, make_source
from tests.views.acting import enter_as, part, said
from webapp.cabinets.embedded.builtin import add_missing_sources
from webapp.models import Role, utc_now

PATH = "/a/romashka/directory/check"
SHOP = "https://shop.example/curtains"


def asking(url: str = "", referrer: str = "", path: str = PATH) -> str:
    return f"{path}?{urlencode({'url': url, 'referrer': referrer})}"


def answers(page: Tag) -> dict[str, list[list[str]]]:
    """By list: each entry shown, as its heading and its conditions."""
    found = {}
    for card in page.select("#check-answer > .card")[1:]:
        found[said(card.h2)] = [
            [said(judged.select_one(".judged-head")), *(said(line) for line in judged.select(".conditions > li"))]
            for judged in card.select(".judged")
        ]
    return found


def rule(*conditions: tuple[str, str, str]) -> list[dict[str, str]]:
    return [{"mark": mark, "op": operator, "value": value} for mark, operator, value in conditions]


def ruled(session: Any, row: Any, *rules: list[dict[str, str]], priority: int = 100) -> Any:
    row.rules, row.priority = list(rules), priority
    session.commit()
    return row


@pytest.fixture
def campaigns(session, account):
    ruled(session, make_campaign(session, account, "all", "Весь Директ"), rule(("yclid", "present", "")), priority=50)
    ruled(
        session,
        make_campaign(session, account, "curtains", "Шторы"),
        rule(("utm_term", "equals", "x")),
        rule(("utm_source", "equals", "Yandex"), ("landing_path", "starts_with", "/curtains")),
        priority=10,
    )
    ruled(
        session,
        make_campaign(session, account, "msk", "Москва"),
        rule(("utm_source", "equals", "yandex"), ("utm_campaign", "contains", "msk"), ("gclid", "absent", "")),
    )
    ruled(session, make_campaign(session, account, "google", "Google"), rule(("utm_source", "equals", "google")))
    session.rollback()


def test_before_anything_is_pasted_there_is_only_the_form(viewer):
    page = viewer.get(PATH)
    assert said(page.h1) == "Проверка правил"
    assert page.select_one("#check-answer").get_text(strip=True) == ""


@pytest.mark.parametrize("partial", [False, True], ids=["plain", "htmx"])
def test_the_winner_the_runners_up_and_what_they_lack_are_shown(viewer, campaigns, partial):
    address = asking(SHOP + "?utm_source=yandex&utm_campaign=spb&yclid=Ab1")
    page = part(viewer, address) if partial else viewer.get(address)
    assert answers(page) == {
        "Рекламная кампания": [
            [
                "Шторы победит правило 2, порядок 10",
                "✓ Выполнено: utm_source равно «Yandex»",
                "✓ Выполнено: вход: путь начинается с «/curtains»",
            ],
            ["Весь Директ подошла бы, но стоит дальше правило 1, порядок 50", "✓ Выполнено: yclid: присутствует"],
            [
                "Москва не подошла правило 1, порядок 100",
                "✓ Выполнено: utm_source равно «yandex»",
                "✗ Не выполнено: utm_campaign содержит «msk» здесь: spb",
                "✓ Выполнено: gclid: отсутствует",
            ],
        ],
        "Источник": [],
    }
    assert "Остальные с правилами (1)" in said(page)
    assert "Правил нет ни у одного источника." in said(page)


def test_the_answer_is_a_link_that_can_be_sent_on(viewer, campaigns):
    page = viewer.get(asking(SHOP + "?yclid=1", "https://yandex.ru/"))
    assert page.find(id="url")["value"] == SHOP + "?yclid=1"
    assert page.find(id="referrer")["value"] == "https://yandex.ru/"
    assert page.find("form", attrs={"hx-get": PATH})["hx-push-url"] == "true"


def test_what_was_understood_of_the_arrival_is_shown(viewer):
    page = viewer.get(asking("https://www.Shop.example/%D1%88?utm_source=A+b", "https://google.com/"))
    facts = page.select_one(".facts")
    told = dict(zip(map(said, facts.find_all("dt")), map(said, facts.find_all("dd")), strict=True))
    assert told["utm_source"] == "a b"
    assert told["вход: сайт"] == "shop.example"
    assert told["вход: путь"] == "/ш"
    assert told["откуда: сайт"] == "google.com"


def test_a_referrer_within_the_site_is_said_to_mean_nothing(viewer):
    inside = viewer.get(asking(SHOP, "https://shop.example/"))
    outside = viewer.get(asking(SHOP, "https://vk.com/"))
    assert "переход внутри сайта" in said(inside)
    assert "переход внутри сайта" not in said(outside)


def test_without_a_match_it_says_so(viewer, campaigns):
    page = viewer.get(asking(SHOP))
    assert "Ни одна кампания не подошла." in said(page)


def test_archived_entries_and_those_of_another_account_are_not_asked(session, app, account):
    other = make_account(session, "vasilek")
    ruled(session, make_campaign(session, other, "x", "Чужая"), rule(("yclid", "present", "")))
    gone = ruled(session, make_campaign(session, account, "y", "Убранная"), rule(("yclid", "present", "")))
    gone.archived_at = utc_now()
    session.commit()
    viewer = enter_as(app, session, account, Role.VIEWER)
    page = viewer.get(asking(SHOP + "?yclid=1"))
    assert answers(page)["Рекламная кампания"] == []
    assert "Чужая" not in said(page)


def test_built_in_sources_answer_after_the_accounts_own(session, app, account):
    ruled(session, make_source(session, account, "own", "Наш ВК"), rule(("referrer_host", "domain", "vk.com")))
    add_missing_sources(session, account, "ru")
    session.commit()
    viewer = enter_as(app, session, account, Role.VIEWER)
    shown = answers(viewer.get(asking(SHOP, "https://m.vk.com/")))["Источник"]
    assert shown[0][0].startswith("Наш ВК победит")
    assert shown[1][0].startswith("ВКонтакте подошёл бы, но стоит дальше")


@pytest.mark.parametrize(
    "text", ["http://[::1", "\0", "💥" * 3000, "javascript:alert(1)", "?utm_source=<b>x</b>", "%ff%00"]
)
def test_any_text_may_be_pasted(viewer, campaigns, text):
    page = viewer.get(asking(text, text))
    assert page.find("b", string="x") is None


def test_the_lists_of_campaigns_and_sources_and_their_forms_lead_here(editor):
    for path in ("campaigns", "sources", "campaigns/new", "sources/new"):
        assert editor.get(f"/a/romashka/directory/{path}").find("a", href=PATH), path
    for path in ("sites", "sites/new", "employees"):
        assert editor.get(f"/a/romashka/directory/{path}").find("a", href=PATH) is None, path
