"""Search and paging of the directory on the server, and the lists behind the pickers (issue 2.3, 2.4, DESIGN §6)."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import Tag

from tests.factories import make_account, make_campaign, make_employee, make_site, make_source
from tests.views.acting import part, rows, said, walk
from webapp.models import Account, Campaign, utc_now

CAMPAIGNS = "/a/romashka/directory/campaigns"
OPTIONS = "/a/romashka/options/campaigns"


def many(session: Any, account: Account, names: list[str], **values: Any) -> None:
    """Campaigns of these names, in one commit."""
    for number, name in enumerate(names):
        campaign = Campaign(account_id=account.id, key=f"key-{number}", name=name, **values)
        campaign.refresh_search_text()
        session.add(campaign)
    session.commit()
    session.rollback()


def names(page: Tag) -> list[str]:
    return [row[0] for row in rows(page)]


def found(client: Any, query: str, path: str = CAMPAIGNS) -> list[str]:
    return [said(link) for link in client.get(path, query_string={"q": query}).select("tbody a")]


def offered(fragment: Tag) -> list[str]:
    return [option["data-text"] for option in fragment.find_all("li", attrs={"data-value": True})]


def message(fragment: Tag) -> str:
    return " ".join(said(line) for line in fragment.select(".combo-message"))


@pytest.mark.parametrize("query", ["шторы", "ШТОРЫ", "Весна шт", "весна ШТОРЫ", "брендовая", "  бренд  "])
def test_search_does_not_mind_the_case_in_cyrillic_nor_the_order_of_words(session, viewer, account, query):
    """SQLite's own LIKE folds Latin letters only."""
    many(session, account, ["Брендовая — Шторы, Весна", "Карнизы", "ковры"])
    assert found(viewer, query) == ["Брендовая — Шторы, Весна"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("50%", ["Скидка 50% на всё"]),
        ("скидка 50", ["Скидка 50% на всё", "Скидка 500 рублей"]),
        ("brand_msk", ["brand_msk"]),
        ("a\\b", ["a\\b"]),
        ("%кид%", []),
        ("_rand_", []),
        ("' OR 1=1 --", []),
        ("key-3", ["brandxmsk"]),
    ],
)
def test_signs_of_patterns_are_letters_like_any_other(session, viewer, account, query, expected):
    many(session, account, ["Скидка 50% на всё", "Скидка 500 рублей", "brand_msk", "brandxmsk", "a\\b", "ab"])
    assert found(viewer, query) == expected
    fragment = part(viewer, f"{OPTIONS}?q={query.replace('%', '%25')}")
    assert offered(fragment) == expected


@pytest.mark.parametrize("query", ["\0", "а\0б", "я" * 5000, "a b c d e f g h i j k l", "\ud800", "🙂"])
def test_strange_queries_find_nothing_and_break_nothing(session, viewer, account, query):
    many(session, account, ["Директ"])
    encoded = query.encode("utf-8", "replace").decode()
    assert found(viewer, encoded) in ([], ["Директ"])
    assert viewer.client.get(OPTIONS, query_string={"q": encoded}).status_code == 200


def test_what_is_searched_stays_in_the_field_and_a_search_without_result_says_so(session, viewer, account):
    many(session, account, ["Директ"])
    page = viewer.get(CAMPAIGNS, query_string={"q": "<b>ковры"})
    assert page.find(id="q")["value"] == "<b>ковры"
    assert names(page) == ["Ничего не найдено. Измените запрос."]


def test_each_list_is_searched_by_all_that_it_shows(session, viewer, account):
    make_site(session, account, "one", "shop.example", name="Магазин")
    make_site(session, account, "two", "blog.example", name="Блог")
    make_employee(session, account, "ivanov", "Иванов Иван", "ii@shop.example")
    make_employee(session, account, "petrov", "Петров Пётр", None)
    make_source(session, account, "tg", "Телеграм-канал")
    session.rollback()
    for kind, query, expected in (
        ("sites", "МАГАЗИН", ["Магазин"]),
        ("sites", "blog.ex", ["Блог"]),
        ("employees", "II@Shop", ["Иванов Иван"]),
        ("employees", "пётр", ["Петров Пётр"]),
        ("sources", "tg", ["Телеграм-канал"]),
        ("sources", "ТЕЛЕГРАМ", ["Телеграм-канал"]),
    ):
        assert found(viewer, query, f"/a/romashka/directory/{kind}") == expected, query


def test_over_a_hundred_and_twenty_entries_no_page_loses_or_doubles_one(session, viewer, account):
    """Also where names are equal, or differ in case alone."""
    wanted = [f"Кампания {number:03}" for number in range(60)] + ["Одинаковая"] * 45 + ["кампания 007", "КАМПАНИЯ 007"]
    wanted += [f"Campaign {number}" for number in range(18)]
    many(session, account, wanted)
    pages = list(walk(viewer, CAMPAIGNS))
    assert [len(rows(page)) for page in pages] == [50, 50, 25]
    assert sorted(name for page in pages for name in names(page)) == sorted(wanted)
    keys = [row[-1] for page in pages for row in rows(page)]
    assert len(set(keys)) == 125
    assert [bool(page.select_one(".pager a[rel=prev]")) for page in pages] == [False, True, True]
    back = pages[-1].select_one(".pager a[rel=prev]")["href"]
    assert names(viewer.get(back)) == names(pages[0])
    assert "всего 125" in said(pages[0].select_one(".pager"))


def test_the_pages_of_a_search_are_pages_of_that_search(session, viewer, account):
    many(session, account, [f"Шторы {number}" for number in range(60)] + [f"Ковры {number}" for number in range(60)])
    pages = list(walk(viewer, f"{CAMPAIGNS}?q=шторы"))
    assert [len(rows(page)) for page in pages] == [50, 10]
    assert {name.split()[0] for page in pages for name in names(page)} == {"Шторы"}


def test_the_archive_is_searched_and_paged_by_itself(session, viewer, account):
    many(session, account, [f"Старая {number:02}" for number in range(60)], archived_at=utc_now())
    make_campaign(session, account, "new", "Новая")
    session.rollback()
    assert names(viewer.get(CAMPAIGNS)) == ["Новая"]
    pages = list(walk(viewer, f"{CAMPAIGNS}?archived=1"))
    assert [len(rows(page)) for page in pages] == [50, 10]
    page = viewer.get(f"{CAMPAIGNS}?archived=1&q=старая+07")
    assert page.find("input", attrs={"name": "archived"})["value"] == "1"
    assert names(page) == ["Старая 07 в архиве"]


@pytest.mark.parametrize("after", ["0", "99999", "-1", "abc", "", "9223372036854775808", "9" * 30])
def test_a_position_that_is_none_gives_the_first_page(session, viewer, account, after):
    many(session, account, ["Директ"])
    assert names(viewer.get(f"{CAMPAIGNS}?after={after}")) == ["Директ"]


def test_a_picker_is_offered_twenty_and_told_how_many_there_are(session, viewer, account):
    """Issue 2.4: searched on the server and never sent whole."""
    many(session, account, [f"Кампания {number:02}" for number in range(25)])
    fragment = part(viewer, OPTIONS)
    assert offered(fragment) == [f"Кампания {number:02}" for number in range(20)]
    assert message(fragment) == "Показаны первые 20 из 25 — уточните запрос"
    fragment = part(viewer, f"{OPTIONS}?q=КАМПАНИЯ+1")
    assert offered(fragment) == ["Кампания 01", *(f"Кампания {number}" for number in range(10, 20)), "Кампания 21"]
    assert message(fragment) == ""


def test_an_empty_list_leads_to_where_it_is_filled(session, editor, viewer, account):
    shown = part(editor, f"{OPTIONS}?q=дирек")
    assert message(shown) == "Кампаний пока нет. Добавить"
    assert editor.get(shown.a["href"]).h1.get_text(strip=True) == "Новая кампания"
    many(session, account, ["Директ"])
    assert part(editor, f"{OPTIONS}?q=радио").a is None
    assert part(viewer, f"{OPTIONS}?q=радио").a is None


def test_a_picker_says_that_nothing_fits_or_is_there(session, viewer, account):
    assert message(part(viewer, f"{OPTIONS}?q=дирек")) == "Кампаний пока нет."
    assert message(part(viewer, OPTIONS.replace("campaigns", "tags"))) == "Здесь пока ничего нет"
    many(session, account, ["Директ"])
    assert message(part(viewer, f"{OPTIONS}?q=<b>")) == "По запросу «<b>» ничего не найдено"


def test_archived_entries_and_those_of_other_accounts_are_not_offered(session, viewer, account):
    """B10."""
    make_campaign(session, account, "one", "Живая")
    make_campaign(session, account, "two", "Архивная", archived_at=utc_now())
    make_campaign(session, make_account(session, "vasilek"), "three", "Чужая")
    session.rollback()
    assert offered(part(viewer, OPTIONS)) == ["Живая"]


@pytest.mark.parametrize("name", ["campaign_text", "map-3-campaign_text"])
def test_a_picker_searches_by_what_stands_in_its_own_field(session, viewer, account, name):
    many(session, account, ["Директ", "Google Ads"])
    assert offered(part(viewer, f"{OPTIONS}?{name}=goo")) == ["Google Ads"]


def test_an_option_carries_its_number_and_its_text_is_text(session, viewer, account):
    number = make_campaign(session, account, name='<i>"Директ"</i>').id
    session.rollback()
    option = part(viewer, OPTIONS).find("li")
    assert (option["data-value"], option["data-text"]) == (str(number), '<i>"Директ"</i>')
    assert option.find("i") is None


def test_campaigns_of_two_sites_are_told_apart(session, viewer, account):
    for key in ("shop", "blog"):
        site = make_site(session, account, key, f"{key}.example")
        make_campaign(session, account, key, "Директ", site_id=site.id)
    session.rollback()
    assert sorted(offered(part(viewer, OPTIONS))) == ["Директ — blog.example", "Директ — shop.example"]


def test_an_exact_name_is_found_among_many_that_hold_it(session, editor, account):
    """DESIGN §6, without JavaScript: the name that was typed in full decides, however many others contain it."""
    make_site(session, account, "ours", "shop.ru", name="shop.ru")
    for number in range(60):
        make_site(session, account, f"a{number}", f"a{number:02}.shop.ru", name=f"a{number:02}.shop.ru")
    session.rollback()
    editor.post(f"{CAMPAIGNS}/new", {"name": "Директ", "priority": "1", "site": "", "site_text": "shop.ru"})
    assert rows(editor.get(CAMPAIGNS))[0][1] == "shop.ru"
