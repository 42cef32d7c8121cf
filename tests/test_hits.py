"""What comes through a stranger's browser is checked for form, and never raises (issue 3.1)."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.arrival import host_of
from webapp.hits import (
    LARGEST_HIT_BYTES,
    LONGEST_AGE_SECONDS,
    LONGEST_URL,
    Hit,
    belongs,
    is_client,
    is_session,
    parse_hit,
    web_address,
)

GOOD = {"s": "6000000000000001", "u": "7000000000000002", "a": "12", "n": "1"}
NUMBERS = st.integers(1, 2**53 - 1).map(str)
#: What browsers give as an address: percent-encoded, of any length.
ADDRESSES = st.text(max_size=200).map(lambda text: f"https://shop.example/{quote(text, errors='replace')}")


def body(**fields: object) -> bytes:
    return urlencode({**GOOD, **fields}).encode()


@given(st.binary(max_size=400))
def test_any_bytes_are_a_hit_or_none(data: bytes) -> None:
    found = parse_hit(data)
    assert found is None or isinstance(found, Hit)


@given(
    st.lists(st.tuples(st.sampled_from(["s", "u", "a", "n", "l", "r", "p", "x"]), st.text(max_size=40)), max_size=20)
)
def test_any_fields_are_a_hit_or_none(fields: list[tuple[str, str]]) -> None:
    found = parse_hit(urlencode(fields, errors="replace").encode())
    assert found is None or (found.session_id.isdecimal() and 0 <= found.age_seconds <= LONGEST_AGE_SECONDS)


@given(session=NUMBERS, visitor=NUMBERS, age=st.integers(0, LONGEST_AGE_SECONDS), page=st.booleans(), url=ADDRESSES)
def test_what_the_counter_sends_arrives_as_it_was(session: str, visitor: str, age: int, page: bool, url: str) -> None:
    """encodeURIComponent and urlencode differ in signs that mean the same."""
    sent = "&".join(
        f"{name}={quote(str(value), safe='')}"
        for name, value in {"s": session, "u": visitor, "a": age, "n": int(page), "l": url, "r": "", "p": url}.items()
    )
    assert parse_hit(sent.encode()) == Hit(session, visitor, age, page, url[:LONGEST_URL], None, url[:LONGEST_URL])


@pytest.mark.parametrize(
    "wrong",
    [
        {"s": ""},
        {"s": "0"},
        {"s": "012"},
        {"s": "12345678901234567"},
        {"s": "8f3c"},
        {"s": "-1"},
        {"s": "١٢٣"},
        {"u": "x"},
        {"u": ""},
        {"a": ""},
        {"a": "-5"},
        {"a": "1.5"},
        {"a": "1234567890"},
    ],
)
def test_a_hit_needs_a_session_a_visitor_and_an_age(wrong: dict[str, str]) -> None:
    assert parse_hit(body(**wrong)) is None


def test_a_hit_of_letters_of_too_many_fields_or_too_long_is_none() -> None:
    assert parse_hit("s=1&u=2&a=3&l=https://шторы.рф/".encode()) is None
    assert parse_hit(body(**{f"x{number}": "1" for number in range(20)})) is None
    assert parse_hit(body(l="x" * LARGEST_HIT_BYTES)) is None


def test_a_page_that_was_open_for_long_began_three_days_ago_at_most() -> None:
    found = parse_hit(body(a="999999999"))
    assert found is not None
    assert found.age_seconds == LONGEST_AGE_SECONDS


def test_a_sign_of_life_is_no_page() -> None:
    found = parse_hit(body(n="0"))
    assert found is not None
    assert not found.is_page


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://shop.example/", "https://shop.example/"),
        ("  HTTP://shop.example/ ", "HTTP://shop.example/"),
        ("https://shop.example/\0\ud800", "https://shop.example/\ufffd"),
        ("https://shop.example/" + "x" * 5000, ("https://shop.example/" + "x" * 5000)[:LONGEST_URL]),
        ("about:blank", None),
        ("javascript:alert(1)", None),
        ("android-app://com.google.android.gm/", None),
        ("https://", None),
        ("https:///path", None),
        ("http://[::1", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_of_the_web_is_kept_and_nothing_else(text: str | None, address: str | None) -> None:
    assert web_address(text) == address


@given(st.text())
def test_whatever_is_kept_as_an_address_can_be_stored(text: str) -> None:
    kept = web_address(text)
    assert kept is None or ("\0" not in kept and kept.encode() and len(kept) <= LONGEST_URL and host_of(kept))


@pytest.mark.parametrize(
    ("host", "domain", "theirs"),
    [
        ("shop.example", "shop.example", True),
        ("https://shop.example:8443", "shop.example", True),
        ("www.shop.example", "shop.example", True),
        ("m.shop.example", "shop.example", True),
        ("shop.example", "www.shop.example", True),
        ("SHOP.example.", "shop.example", True),
        ("xn--80atjc.xn--p1ai", "шторы.рф", False),
        ("xn--l1afv5a.xn--p1ai", "шторы.рф", False),
        ("шторы.рф".encode("idna").decode(), "шторы.рф", True),
        ("m." + "шторы.рф".encode("idna").decode(), "шторы.рф", True),
        ("шторы.рф", "шторы.рф".encode("idna").decode(), True),
        ("evilshop.example", "shop.example", False),
        ("shop.example.evil.example", "shop.example", False),
        ("example", "shop.example", False),
        ("", "shop.example", False),
        ("shop.example", "", False),
        ("null", "shop.example", False),
    ],
)
def test_a_site_is_its_domain_and_what_is_under_it(host: str, domain: str, theirs: bool) -> None:
    assert belongs(host, domain) is theirs


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_host_is_too_strange_to_be_compared(host: str, domain: str) -> None:
    assert belongs(host, domain) in (True, False)


@pytest.mark.parametrize(
    ("text", "session", "client"),
    [
        ("6000000000000001", True, True),
        ("1234567890123456789", True, True),
        ("12345678901234567890", False, True),
        ("123456789012345678901", False, False),
        ("0", False, True),
        ("", False, False),
        ("1\n", False, False),
        ("٣", False, False),
        ("1e5", False, False),
    ],
)
def test_numbers_of_sessions_and_of_people_are_plain_digits(text: str, session: bool, client: bool) -> None:
    assert (is_session(text), is_client(text)) == (session, client)
