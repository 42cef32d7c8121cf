"""«Сессии»: the list (issue 3.1: visits are listed and searchable, with their communications)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from bs4 import Tag

from tests.factories import make_account, make_campaign, make_integration, make_site, make_source
from tests.views.acting import make_communication, rows, said, walk
from webapp.cabinets.embedded import EmbeddedCabinet
from webapp.hits import Hit
from webapp.models import Account, Site, Visit, utc_now
from webapp.views import visits
from webapp.visits import Browser, record_hit

LIST = "/a/romashka/visits"
AT = datetime(2026, 3, 9, 11, 5, 0, 123457, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def site(session, account) -> Site:
    return make_site(session, account)


def come(session, account: Account, site: Site, number: int = 1, url: str = "/", **values: Any) -> Visit:
    """A visit as the counter makes it, just now unless told otherwise."""
    at = values.pop("at", utc_now())
    address = f"https://{site.domain}{url}"
    hit = Hit(
        session_id=str(6000000000000000 + number), visitor_id=str(values.pop("visitor", 7000000000000000 + number)),
        age_seconds=0, is_page=True, landing_url=address, referrer=values.pop("referrer", None), page_url=address,
    )  # fmt: skip
    found = session.get(Visit, record_hit(session, account, site, hit, Browser("203.0.113.7", None), at))
    session.commit()
    return found


def links(page: Tag) -> list[str]:
    return [link["href"] for link in page.select("tbody a.row-title")]


def shown(client, query: str) -> list[str]:
    """The session numbers (counted from one) that a query finds."""
    return [link.rpartition("/")[2] for link in links(client.get(f"{LIST}?{query}"))]


def test_a_row_tells_when_where_how_whose_and_what_came_of_it(session, viewer, account, site):
    campaign = make_campaign(session, account, rules=[{"utm_source": "yandex"}])
    source = make_source(session, account, rules=[{"utm_medium": "cpc"}])
    integration = make_integration(session, account)
    first = come(session, account, site, 1, "/шторы?utm_source=yandex&utm_medium=cpc", at=AT)
    come(session, account, site, 2, "/", referrer="https://ya.ru/", at=AT - HOUR)
    for number in (1, 2):
        make_communication(session, integration, str(number), visit_id=first.id)
    session.commit()
    assert (campaign.name, source.name) == ("Яндекс.Директ", "Telegram-канал")
    assert rows(viewer.get(LIST)) == [
        [
            "09.03.2026 14:05",
            "/шторы shop.example",
            "yandex / cpc метки UTM",
            "Яндекс.Директ Telegram-канал",
            "1 страница 2 обращения",
        ],
        ["09.03.2026 13:05", "/ shop.example", "ya.ru переход с сайта", "—", "1 страница не писал"],
    ]


def test_the_two_lists_of_raw_data_lead_to_each_other(session, viewer, account, site):
    for path, here in ((LIST, "Сессии"), ("/a/romashka/communications", "Обращения и цели")):
        page = viewer.get(path)
        assert [said(tab) for tab in page.select(".tabs a")] == ["Обращения и цели", "Сессии"]
        assert said(page.select_one(".tabs [aria-current=page]")) == here
        assert said(page.select_one(".nav-main [aria-current=page]")) == "Обращения и цели"
        for tab in page.select(".tabs a"):
            viewer.get(tab["href"])


class TestEmpty:
    def test_without_a_site_it_leads_to_one(self, viewer):
        page = viewer.get(LIST)
        assert page.main.find("a", string="Добавить сайт")["href"] == "/a/romashka/directory/sites/new"
        assert page.select("form.filters") == []

    def test_with_a_site_it_leads_to_the_counters_line(self, viewer, site):
        page = viewer.get(LIST)
        line = '<script async src="http://localhost/c/shop.js"></script>'
        assert [field["value"] for field in page.main.select("input.code-input")] == [line]

    def test_where_another_cabinet_counts_it_says_so(self, viewer, site, monkeypatch):
        monkeypatch.setattr(EmbeddedCabinet, "counts_visits", False)
        assert "Сессии считает ваш внешний кабинет" in said(viewer.get(LIST).main)

    def test_nothing_found_is_no_empty_list(self, viewer, site):
        page = viewer.get(f"{LIST}?q=nothing")
        assert "По этим условиям ничего не нашлось" in said(page.main)
        assert page.select_one("form.filters [name=q]")["value"] == "nothing"


class TestFilters:
    def test_days_are_days_of_the_accounts_zone(self, session, viewer, account, site):
        """Moscow is three hours ahead."""
        late, early = datetime(2026, 3, 9, 20, 59, tzinfo=UTC), datetime(2026, 3, 9, 21, 0, tzinfo=UTC)
        for number, at in enumerate((late, early), 1):
            come(session, account, site, number, at=at)
        assert shown(viewer, "since=2026-03-09&until=2026-03-09") == ["1"]
        assert shown(viewer, "since=2026-03-10") == ["2"]
        assert shown(viewer, "until=2026-03-09") == ["1"]
        assert shown(viewer, "since=hello&until=0001-01-01") == ["2", "1"]

    def test_by_site_campaign_and_source(self, session, viewer, account, site):
        blog = make_site(session, account, "blog", "blog.example")
        campaign = make_campaign(session, account, rules=[{"utm_source": "yandex"}])
        source = make_source(session, account, rules=[{"utm_source": "tg"}])
        come(session, account, site, 1, "/?utm_source=yandex")
        come(session, account, blog, 2, "/?utm_source=tg")
        come(session, account, blog, 3)
        session.commit()
        assert shown(viewer, f"site={blog.id}") == ["3", "2"]
        assert shown(viewer, f"campaign={campaign.id}") == ["1"]
        assert shown(viewer, f"source={source.id}") == ["2"]
        assert shown(viewer, f"source={source.id}&site={site.id}") == []
        assert shown(viewer, "campaign_text=Яндекс.Директ") == ["1"], "without JavaScript the name is enough"
        page = viewer.get(f"{LIST}?campaign={campaign.id}")
        assert page.find(id="campaign")["value"] == "Яндекс.Директ"

    def test_what_is_not_in_the_directory_is_said_beside_the_field(self, session, viewer, account, site):
        come(session, account, site)
        page = viewer.get(f"{LIST}?campaign_text=Такой+нет")
        assert "«Такой нет» в справочнике нет." in said(page.find(id="campaign-error"))
        assert page.find(id="campaign")["value"] == "Такой нет"

    def test_entries_of_another_account_are_none(self, session, viewer, account, site):
        """B10."""
        foreign = make_site(session, make_account(session, "vasilek"), "secret", "secret.example")
        come(session, account, site)
        page = viewer.get(f"{LIST}?site={foreign.id}")
        assert "secret" not in str(page)
        assert len(rows(page)) == 1

    def test_with_and_without_communications(self, session, viewer, account, site):
        silent, talked = come(session, account, site, 1), come(session, account, site, 2)
        make_communication(session, make_integration(session, account), "1", visit_id=talked.id)
        session.commit()
        assert shown(viewer, "talked=yes") == [str(talked.id)]
        assert shown(viewer, "talked=no") == [str(silent.id)]
        assert shown(viewer, "talked=maybe") == [str(talked.id), str(silent.id)]


class TestSearch:
    @pytest.fixture(autouse=True)
    def visits(self, session, account, site) -> None:
        come(session, account, site, 1, "/%D0%A8%D1%82%D0%BE%D1%80%D1%8B?utm_campaign=%D0%9B%D0%B5%D1%82%D0%BE_100%25")
        come(session, account, site, 2, "/curtains", referrer="https://www.google.com/search", visitor=7000000000000001)
        come(session, account, site, 3, "/a_b")

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("6000000000000002", ["2"]),
            ("7000000000000001", ["2", "1"]),
            ("600000000000000", []),
            ("шторы", ["1"]),
            ("ШТОРЫ", ["1"]),
            ("%D0%A8%D1%82%D0%BE%D1%80%D1%8B", ["1"]),
            ("https://shop.example/curtains", ["2"]),
            ("google.com", ["2"]),
            ("лето_100%", ["1"]),
            ("a_b", ["3"]),
            ("aXb", []),
            ("%", ["1"]),
            ("shop.example", ["3", "2", "1"]),
            ("\0", ["3", "2", "1"]),
            ("%00", ["3", "2", "1"]),
        ],
    )
    def test_by_number_address_referrer_and_mark(self, viewer, query, found):
        assert shown(viewer, f"q={quote(query)}") == found


def test_a_search_goes_back_ninety_days_unless_told_otherwise_and_says_so(session, viewer, account, site):
    """What no index finds is read row by row."""
    come(session, account, site, 1, "/curtains", at=utc_now() - 200 * DAY)
    come(session, account, site, 2, "/curtains", at=utc_now() - 80 * DAY)
    assert shown(viewer, "q=curtains") == ["2"]
    assert "Чтобы искать раньше, укажите день «С»." in said(viewer.get(f"{LIST}?q=curtains").main)
    since = (utc_now() - 300 * DAY).date()
    assert shown(viewer, f"q=curtains&since={since}") == ["2", "1"]
    assert shown(viewer, f"q=curtains&until={(utc_now() - 150 * DAY).date()}") == ["1"]
    assert shown(viewer, "q=6000000000000001") == ["1"], "a number is found at once, however old"
    page = viewer.get(LIST)
    assert (len(rows(page)), "Чтобы искать раньше" in said(page.main)) == (2, False)


def fill(session, account: Account, moments: list[datetime], **values: Any) -> list[str]:
    """Visits of these moments; gives their addresses in the order of the list."""
    made = [
        Visit(account_id=account.id, session_id=str(place), started_at=at, last_seen_at=at, **values)
        for place, at in enumerate(moments)
    ]
    session.add_all(made)
    session.commit()
    keys = sorted(((row.started_at, row.id) for row in made), reverse=True)
    session.rollback()
    return [f"{LIST}/{number}" for _at, number in keys]


@pytest.mark.parametrize(
    "moments",
    [
        [AT + timedelta(minutes=(place * 37) % 130, microseconds=place) for place in range(130)],
        [AT] * 130,
        [AT + timedelta(microseconds=place) for place in range(130)],
    ],
    ids=["different", "all equal", "a microsecond apart"],
)
def test_a_walk_forwards_and_back_meets_every_visit_once(session, viewer, account, moments):
    expected = fill(session, account, moments, site_id=None)
    pages = list(walk(viewer, LIST))
    assert [len(links(page)) for page in pages] == [50, 50, 30]
    assert [link for page in pages for link in links(page)] == expected
    back = [pages[-1], *walk(viewer, pages[-1].select_one(".pager a[rel=prev]")["href"], "prev")]
    assert [link for page in reversed(back) for link in links(page)] == expected


def test_the_filters_go_along_and_the_count_ends_somewhere(session, viewer, account, site, monkeypatch):
    expected = fill(session, account, [AT + timedelta(minutes=place) for place in range(70)], site_id=site.id)
    come(session, account, make_site(session, account, "blog", "blog.example"), 1, at=AT)
    pages = list(walk(viewer, f"{LIST}?site={site.id}&since=2026-01-01&talked=no"))
    assert [link for page in pages for link in links(page)] == expected
    assert said(pages[0].select_one(".pager-text")) == "50 из 70"
    monkeypatch.setattr(visits, "LARGEST_COUNT", 60)
    assert said(viewer.get(LIST).select_one(".pager-text")) == "50 из более чем 60"


@pytest.mark.parametrize("key", ["1", "x.y.z", "9" * 40 + ".0.1", "1.1.99999999999999999999", "-1.0.1", "1.0.1.1"])
def test_a_strange_position_is_none(session, viewer, account, key):
    fill(session, account, [AT])
    assert len(rows(viewer.get(f"{LIST}?before={key}"))) == 1
