"""How an arrival becomes facts that rules compare."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.arrival import CLICK_IDS, OPENSTAT_MARKS, arrival_facts, arrival_marks, fold_fact, host_of
from webapp.marks import LONGEST_MARK, storable

SHOP = "https://shop.example/"


def marks(url: str) -> dict[str, str]:
    """The facts without those of the address itself."""
    return {name: value for name, value in arrival_facts(url, None).items() if not name.startswith("landing_")}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("?utm_source=Yandex&utm_medium=CPC", {"utm_source": "yandex", "utm_medium": "cpc"}),
        ("?yclid=123A", {"yclid": "123a", "click_id": "yclid"}),
        ("#/?YMCLID=5&amp;gclid=x", {"ymclid": "5", "gclid": "x", "click_id": "ymclid gclid"}),
        ("?gclid=&gclid=b&gclid=c", {"gclid": "b", "click_id": "gclid"}),
        ("?fbclid=a&ysclid=b", {"fbclid": "a", "ysclid": "b"}),
        ("?my_gclid=a&gclids=b", {}),
        ("?_openstat=direct.yandex.ru;12;34;yandex.ru:premium", dict(
            openstat_service="direct.yandex.ru", openstat_campaign="12", openstat_ad="34",
            openstat_source="yandex.ru:premium",
        )),
        ("?_openstat=a%3B%3Bc", {"openstat_service": "a", "openstat_ad": "c"}),
        ("?_openstat=%ff", {}),
        ("?_openstat=plain", {}),
    ],
)  # fmt: skip
def test_marks_of_an_arrival(query, expected):
    assert marks(SHOP + query) == expected


def test_marks_that_are_kept_keep_their_case():
    url = SHOP + "?utm_source=Yandex&gclid=AbC&utm_referrer=x"
    assert arrival_marks(url) == {"utm_source": "Yandex", "gclid": "AbC"}


@pytest.mark.parametrize("pack", [b64encode, urlsafe_b64encode])
@given(parts=st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=9), min_size=2, max_size=4))
def test_openstat_is_read_packed_and_plain(pack, parts):
    written = ";".join(parts)
    packed = pack(written.encode()).decode()
    expected = dict(zip(OPENSTAT_MARKS, parts, strict=False))
    for value in (quote(packed), packed, packed.rstrip("="), quote(written)):
        assert arrival_marks(f"{SHOP}?_openstat={value}&x=1") == expected


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://WWW.Shop.example:8443/Curtains/?a=1#b", "shop.example", "/curtains/"),
        ("https://shop.example", "shop.example", "/"),
        ("shop.example/a", "shop.example", "/a"),
        ("//shop.example./a", "shop.example", "/a"),
        ("/a/b", None, "/a/b"),
        ("https://xn--e1afmkfd.xn--80akhbyknj4f/%D1%88%D1%82", "пример.испытание", "/шт"),
        ("http://[::1", None, None),
        ("http://[::1]:80/a", "[::1]", "/a"),
        ("", None, None),
        (None, None, None),
    ],
)
def test_the_entrance_page(url, host, path):
    facts = arrival_facts(url, None)
    assert (facts.get("landing_host"), facts.get("landing_path")) == (host, path)


@pytest.mark.parametrize(
    ("url", "referrer", "host"),
    [
        (SHOP, "https://www.google.com/", "google.com"),
        (SHOP, "https://news.google.co.uk/a?b", "news.google.co.uk"),
        (SHOP, "android-app://org.telegram.messenger/", "org.telegram.messenger"),
        (SHOP, None, None),
        (SHOP, "", None),
        (SHOP, "https://shop.example/old", None),
        (SHOP, "https://www.shop.example/", None),
        (SHOP, "https://blog.shop.example/", None),
        ("https://blog.shop.example/", "https://shop.example/", None),
        (SHOP, "https://workshop.example/", "workshop.example"),
        (SHOP + "?utm_referrer=https%3A%2F%2Fvk.com%2F", None, "vk.com"),
        (SHOP + "?utm_referrer=https%3A%2F%2Fvk.com%2F", "https://shop.example/", "vk.com"),
        (SHOP + "?utm_referrer=https%3A%2F%2Fvk.com%2F", "https://ok.ru/", "ok.ru"),
        (SHOP + "?utm_referrer=https%3A%2F%2Fshop.example%2F", None, None),
    ],
)
def test_the_page_they_came_from(url, referrer, host):
    facts = arrival_facts(url, referrer)
    assert facts.get("referrer_host") == host
    assert ("referrer" in facts) == (host is not None)


def test_marks_far_behind_in_a_long_address_are_read():
    facts = arrival_facts(f"{SHOP}?x={'x' * 5000}&utm_source=a&yclid=7", None)
    assert (facts["utm_source"], facts["yclid"]) == ("a", "7")
    assert len(facts["landing_url"]) <= 2000


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("google.com", "google.com"),
        (" https://www.Google.com/search?q=1 ", "google.com"),
        ("google.*", "google.*"),
        ("*.google.com", "google.com"),
        ("www.www.google.com..", "google.com"),
        ("xn--xn--a-", "xn--xn--a-"),
        ("google com", ""),
        ("ПРИМЕР.рф", "пример.рф"),
        ("xn--e1afmkfd.xn--p1ai", "пример.рф"),
        ("xn--\ud800", "xn--\ufffd"),
        ("www.ru", "www.ru"),
        ("/a", ""),
        ("[::1]:80", "[::1]"),
        ("", ""),
    ],
)
def test_a_host_however_it_was_typed(typed, host):
    assert host_of(typed) == host


ADDRESSES = st.text() | st.builds(
    "{}://{}/{}?{}={}".format,
    st.sampled_from(["http", "https", "android-app", "x"]),
    st.text(st.characters(exclude_characters="/?#"))
    | st.sampled_from(["xn--a", "xn--99999999", "[::1]", "ya.ru", "ß.de"]),
    st.text(),
    st.sampled_from(["utm_source", "_openstat", "utm_referrer", *CLICK_IDS]),
    st.text() | st.binary(max_size=40).map(lambda raw: b64encode(raw).decode()),
)


@given(ADDRESSES | st.none(), ADDRESSES | st.none())
def test_any_arrival_gives_folded_storable_facts(url, referrer):
    for name, value in arrival_facts(url, referrer).items():
        assert value
        assert value == storable(value)
        assert value == value.casefold().strip() or "landing" in name or "referrer" in name
        assert len(value) <= 3 * LONGEST_MARK if name not in ("landing_url", "referrer", "landing_path") else 6000
        value.encode()


@given(ADDRESSES)
def test_a_host_is_folded_once_and_for_all(text):
    assert fold_fact("referrer_host", host_of(text)) == host_of(text)


@pytest.mark.parametrize(
    "text", ["&" * 100_000, "?_openstat=" * 9_000, "?gclid=" * 15_000, "xn--" + "a" * 90_000, "." * 99_999]
)
@pytest.mark.timeout(60)
def test_hostile_texts_take_no_time_that_grows_with_their_square(text):
    arrival_facts(text, text)
    arrival_facts(f"https://{text}", f"https://shop.example/{text}")
