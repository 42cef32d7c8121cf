"""Which hosts are an account's, in whatever form they are typed (contract 1.8, DESIGN §9)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.http import Client
from webapp.vendors.amocrm.hosts import HOSTS, check_url, clean_domain, urls

EXTRA = ("127.0.0.1:9001",)


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("example.amocrm.ru", "example.amocrm.ru"),
        ("EXAMPLE.AmoCRM.ru", "example.amocrm.ru"),
        ("https://example.amocrm.ru/leads/pipeline/?skip_filter=Y#top", "example.amocrm.ru"),
        ("http://example.amocrm.ru", "example.amocrm.ru"),
        ("example.amocrm.ru.", "example.amocrm.ru"),
        ("  example  ", "example.amocrm.ru"),
        ("example.kommo.com", "example.kommo.com"),
        ("example.amocrm.com:443", "example.amocrm.com"),
        ("http://127.0.0.1:9001", "http://127.0.0.1:9001"),
        ("127.0.0.1:9001", "http://127.0.0.1:9001"),
        ("https://127.0.0.1:9001/x", "https://127.0.0.1:9001"),
    ],
)
def test_the_domain_in_whatever_was_typed(typed, domain):
    assert clean_domain(typed, EXTRA) == domain


WRONG = [
    *(
        "",
        " ",
        "evil.example",
        "amocrm.ru",
        "a.b.amocrm.ru",
        "example.amocrm.ru.evil.example",
        "evil.example/a.amocrm.ru",
    ),
    *(
        "https://user@example.amocrm.ru",
        "example.amocrm.ru@evil.example",
        "https://example.amocrm.ru:8443",
        "-a.amocrm.ru",
    ),
    *(
        "ftp://example.amocrm.ru",
        "http://127.0.0.1:9002",
        "127.0.0.1",
        "пример.amocrm.ru",
        "www.amocrm.ru",
        "a\\.amocrm.ru",
    ),
    *(
        "https://[::1",
        "example.amocrm.ru:99999",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "//evil.example#.amocrm.ru",
    ),
]


@pytest.mark.parametrize("typed", WRONG)
def test_what_is_no_accounts_domain(typed):
    with pytest.raises(ValueError, match=r"not an|Invalid IPv6"):
        clean_domain(typed, EXTRA)


@given(st.text(max_size=60) | st.from_regex(r"[a-z.@:/#?\\-]{0,20}amocrm\.ru[a-z.@:/#?\\-]{0,10}"))
def test_whatever_is_taken_is_a_host_the_client_may_call(typed):
    try:
        domain = clean_domain(typed, EXTRA)
    except ValueError:
        return
    for url in urls(domain):
        Client(HOSTS, EXTRA).check(url)


def test_the_two_addresses_and_their_placeholder():
    assert urls("") == ("https://YOURDOMAIN.amocrm.ru", "https://YOURDOMAIN.amocrm.ru/oauth2/access_token")
    assert urls("a.kommo.com") == ("https://a.kommo.com", "https://a.kommo.com/oauth2/access_token")


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://example.amocrm.ru/", "https://example.amocrm.ru"),
        ("https://example.amocrm.ru/oauth2/access_token", "https://example.amocrm.ru/oauth2/access_token"),
        ("http://127.0.0.1:9001/oauth2/access_token", "http://127.0.0.1:9001/oauth2/access_token"),
        # Plain http is allowed for stand-ins alone.
        ("http://example.amocrm.ru/x", "https://example.amocrm.ru/x"),
    ],
)
def test_an_address_that_was_edited(url, clean):
    assert check_url(url, EXTRA) == clean


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.amocrm.ru", "https://evil.example/oauth2/access_token", "https://example.amocrm.ru/../x"),
        *("https://example.amocrm.ru/?a=b", "https://example.amocrm.ru/#x", "https://a@example.amocrm.ru/"),
        *("https://YOURDOMAIN.amocrm.ru.evil.example", "https://example.amocrm.ru/%2e"),
    ],
)
def test_an_address_that_is_refused(url):
    with pytest.raises(ValueError, match=r"not an|Invalid IPv6"):
        check_url(url, EXTRA)
