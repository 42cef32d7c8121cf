"""The visit counter's address over a real socket: whose hits are taken, and what becomes of them (issue 3.1)."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import select

from tests.factories import make_account, make_campaign, make_site
from tests.views.counting import CHROME, HIT, SHOP, ask, post
from webapp.cabinets.embedded import EmbeddedCabinet
from webapp.hits import LARGEST_HIT_BYTES
from webapp.models import Account, Site, Visit, utc_now


@pytest.fixture
def account(session) -> Account:
    return make_account(session)


@pytest.fixture
def site(session, account) -> Site:
    return make_site(session, account)


@pytest.fixture
def address(server: str, site) -> str:
    return f"{server}/c/shop"


def visits(session) -> list[Visit]:
    session.rollback()
    return list(session.scalars(select(Visit).order_by(Visit.id)))


def test_a_hit_is_a_visit_before_it_is_answered(session, account, address):
    campaign = make_campaign(session, account, rules=[{"utm_source": "yandex"}])
    answer = post(address)
    assert (answer.status_code, answer.content) == (204, b"")
    [visit] = visits(session)
    assert (visit.session_id, visit.visitor_id) == (HIT["s"], HIT["u"])
    assert (visit.campaign_id, visit.landing_url, visit.referrer) == (campaign.id, HIT["l"], HIT["r"])
    assert (visit.user_agent, visit.ip) == (CHROME, "127.0.0.0")
    assert "Set-Cookie" not in answer.headers


def test_the_address_is_kept_whole_where_the_account_wants_it(session, account, address):
    account.keeps_full_ip = True
    session.commit()
    post(address)
    assert [visit.ip for visit in visits(session)] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("domain", "origin"),
    [
        ("shop.example", "https://shop.example"),
        ("shop.example", "http://shop.example:8080"),
        ("shop.example", "https://www.shop.example"),
        ("shop.example", "https://m.shop.example"),
        ("www.shop.example", "https://shop.example"),
        ("шторы.рф", "https://" + "шторы.рф".encode("idna").decode()),
        ("шторы.рф", "https://m." + "шторы.рф".encode("idna").decode()),
        ("шторы.рф".encode("idna").decode(), "https://" + "шторы.рф".encode("idna").decode()),
    ],
)
def test_pages_of_the_site_and_of_what_is_under_it_are_heard(session, server, account, domain, origin):
    make_site(session, account, domain=domain)
    session.commit()
    answer = post(f"{server}/c/shop", origin=origin)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert len(visits(session)) == 1


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://shop.example.evil.example",
        "https://evilshop.example",
        "https://shop.example@evil.example",
        "null",
        "file://shop.example",
        "chrome-extension://shop.example",
        "",
        None,
    ],
)
def test_other_pages_are_refused(session, address, origin):
    for answer in (post(address, origin=origin), ask(address, origin)):
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert visits(session) == []


def test_a_browser_that_names_the_page_only_is_heard(session, address):
    assert post(address, origin=None, Referer=f"{SHOP}/page").status_code == 204
    assert post(address, origin=None, Referer="https://evil.example/?https://shop.example/").status_code == 403
    assert len(visits(session)) == 1


def test_a_browser_that_asks_first_is_told_how(session, address):
    answer = ask(address)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert answer.headers["Access-Control-Max-Age"] == "86400"
    assert visits(session) == []


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"\xff\xfe", b"s=1", b"s=x&u=2&a=0", b"{}", "s=1&u=2&a=0&l=ы".encode()]
)
def test_nonsense_is_refused_for_good(session, address, body):
    answer = post(address, body)
    assert answer.status_code == 400
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP, "what the script cannot read it sends again"
    assert visits(session) == []


def test_a_large_message_is_refused_whether_it_says_so_or_not(session, address):
    large = b"x" * (LARGEST_HIT_BYTES + 1)
    assert post(address, large).status_code == 413
    parts = urlsplit(address)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nOrigin: {SHOP}\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = f"{len(large):x}\r\n".encode() + large + b"\r\n0\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(head.encode() + chunks)
        status = connection.recv(100).split()[1]
    assert status in (b"413", b"400"), "a server that reads no chunks hears nothing of it"
    assert visits(session) == []


@pytest.mark.parametrize(
    ("agent", "counted"),
    [
        ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", False),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", False),
        ("python-requests/2.32", False),
        ("", True),
        (CHROME, True),
        (CHROME.replace("Chrome", "HeadlessChrome"), True),
    ],
)
def test_robots_are_heard_and_not_counted(session, address, agent, counted):
    answer = post(address, agent=agent)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, SHOP)
    assert len(visits(session)) == counted


def test_who_sends_too_much_is_told_to_wait(app, session, address, monkeypatch):
    slow = app.config["SETTINGS"].model_copy(update={"COUNTER_LIMIT": "3 per minute"})
    monkeypatch.setitem(app.config, "SETTINGS", slow)
    assert [post(address, HIT | {"s": str(number)}).status_code for number in range(1, 5)] == [204, 204, 204, 429]
    assert len(visits(session)) == 3


def test_a_page_can_read_that_nothing_more_is_wanted(app, session, server, address, monkeypatch):
    """What the script cannot read it takes for lost and sends again: to whom it must not, thrice."""
    answers = [post(f"{server}/c/nothing"), post(address, b"x" * (LARGEST_HIT_BYTES + 1))]
    slow = app.config["SETTINGS"].model_copy(update={"COUNTER_LIMIT": "1 per hour"})
    monkeypatch.setitem(app.config, "SETTINGS", slow)
    answers.append([post(address) for _time in range(2)][-1])
    assert [answer.status_code for answer in answers] == [404, 413, 429]
    assert [answer.headers.get("Access-Control-Allow-Origin") for answer in answers] == [SHOP] * 3


def test_an_unknown_an_archived_and_a_foreign_cabinets_site_have_no_counter(
    session, server, account, site, monkeypatch
):
    def statuses() -> set[int]:
        return {post(f"{server}/c/shop").status_code, requests.get(f"{server}/c/shop.js", timeout=10).status_code}

    assert statuses() == {204, 200}
    assert post(f"{server}/c/nothing").status_code == 404
    assert post(f"{server}/c/%00").status_code == 404
    site.archived_at = utc_now()
    session.commit()
    assert statuses() == {404}
    site.archived_at = None
    session.commit()
    monkeypatch.setattr(EmbeddedCabinet, "counts_visits", False)
    assert statuses() == {404}


def test_two_accounts_sites_of_one_key_have_counters_of_their_own(session, server, account, site):
    """B10: the first keeps the key, the other's is told apart."""
    other = make_account(session, "vasilek")
    theirs = make_site(session, other, domain="vasilek.example")
    assert (site.public_key, theirs.key) == ("shop", "shop")
    assert theirs.public_key not in ("shop", "")
    key = theirs.public_key
    session.commit()
    assert post(f"{server}/c/{key}", origin="https://vasilek.example").status_code == 204
    assert post(f"{server}/c/{key}").status_code == 403
    assert post(f"{server}/c/shop").status_code == 204
    found = {visit.account_id: visit.session_id for visit in visits(session)}
    assert found == {account.id: HIT["s"], other.id: HIT["s"]}, "a session of one is nothing to the other"


def test_a_page_of_the_site_cannot_change_a_visit_that_is_there(session, address):
    post(address)
    post(address, HIT | {"l": f"{SHOP}/?utm_source=google", "u": "9", "r": "", "a": "3000"})
    [visit] = visits(session)
    assert (visit.landing_url, visit.visitor_id, visit.page_count) == (HIT["l"], HIT["u"], 2)
