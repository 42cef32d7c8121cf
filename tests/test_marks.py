"""UTM marks out of addresses and encodings (B9)."""

from __future__ import annotations

import html
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.conversation import UTM_KEYS
from webapp.marks import LONGEST_MARK, decode_mark, known_utm, marks_of_url, storable


@pytest.mark.parametrize(
    ("url", "marks"),
    [
        ("https://shop.example/?utm_source=yandex&utm_medium=cpc", {"source": "yandex", "medium": "cpc"}),
        ("https://shop.example/?utm_campaign=brand+msk&utm_term=%D1%88", {"campaign": "brand msk", "term": "ш"}),
        ("/?utm_source=a&amp;utm_medium=b&amp;amp;utm_term=c", {"source": "a", "medium": "b", "term": "c"}),
        ("/?UTM_Source=A", {"source": "A"}),
        ("/#utm_source=a", {"source": "a"}),
        ("/#/catalog?utm_source=a&x=1", {"source": "a"}),
        ("/?x=1?utm_source=a?utm_term=b", {"source": "a", "term": "b"}),
        ("/?utm_source=a&utm_source=b", {"source": "a"}),
        ("/?utm_source=&utm_source=b", {"source": "b"}),
        ("/?utm_content=k50|cid=5;a", {"content": "k50|cid=5;a"}),
        ("/?utm_campaign=1%2B1", {"campaign": "1+1"}),
        ("http://[::1?utm_source=a", {"source": "a"}),
        ("https://shop.example/utm_source=a", {}),
        ("/?my_utm_source=a&utm_sources=b&utm_source_platform=c", {}),
        ("", {}),
    ],
)
def test_marks_of_an_address(url, marks):
    assert marks_of_url(url) == marks


@pytest.mark.parametrize(
    ("value", "decoded"),
    [
        ("brand%20msk", "brand msk"),
        ("brand%252520msk", "brand msk"),
        ("&amp;quot;a&quot;", '"a"'),
        ("a+b", "a+b"),
        ("100%", "100%"),
        ("%zz%", "%zz%"),
        ("%D1%88%D1", "ш\ufffd"),
        ("a\x00%00b%0A", "ab"),
        ("\ud800&#xD800;", "\ufffd\ufffd"),
        ("  a ", "a"),
        ("(direct)", "(direct)"),
    ],
)
def test_decoding_a_mark(value, decoded):
    assert decode_mark(value) == decoded


PLAIN_TEXTS = st.text(alphabet=st.characters(exclude_categories=["C", "Z"], exclude_characters="%&"), max_size=60)


@given(PLAIN_TEXTS, st.integers(0, 5))
def test_a_mark_encoded_up_to_five_times_comes_out_whole(text, times):
    encoded = text
    for _ in range(times):
        encoded = quote(encoded, safe="")
    assert decode_mark(encoded) == text
    assert decode_mark(html.escape(text)) == text


@given(st.text(max_size=30), st.integers(0, 3))
def test_decoding_again_changes_nothing(text, times):
    text = text.replace("%25", "").replace("amp", "")
    for _ in range(times):
        text = quote(text, safe="", errors="replace")
    once = decode_mark(text)
    assert decode_mark(once) == once


@given(st.text())
def test_any_address_gives_storable_marks(text):
    for url in (text, f"?utm_source={text}", f"?utm_term={quote(text, errors='replace')}#utm_source={text}"):
        for key, value in marks_of_url(url).items():
            assert key in UTM_KEYS
            assert 0 < len(value) <= LONGEST_MARK
            assert value == storable(value)
            value.encode()


@given(st.text(alphabet=st.characters()), st.booleans())
def test_storable_text_is_storable(text, keep_lines):
    found = storable(text, keep_lines=keep_lines)
    found.encode()
    assert "\x00" not in found
    assert storable(found, keep_lines=keep_lines) == found
    assert ("\n" in found) is (keep_lines and "\n" in text)


@pytest.mark.parametrize(
    "text", ["&" * 100_000, "%25" * 40_000, "?utm_term=" * 10_000, "?" + "amp;" * 25_000, "?&#" * 40_000]
)
@pytest.mark.timeout(60)
def test_hostile_texts_take_no_time_that_grows_with_their_square(text):
    decode_mark(text)
    marks_of_url(text)


@pytest.mark.parametrize(
    ("told", "of_visit", "known"),
    [
        ({"source": "first"}, {"source": "yandex", "gclid": "1"}, {"source": "yandex"}),
        ({"source": "first", "term": "t"}, {"gclid": "1"}, {"source": "first", "term": "t"}),
        ({"source": "first"}, None, {"source": "first"}),
        ({"source": "", "other": "x"}, {}, {}),
        (None, None, {}),
    ],
)
def test_the_marks_of_the_visit_go_before_those_the_vendor_told(
    told: dict[str, str] | None, of_visit: dict[str, str] | None, known: dict[str, str]
) -> None:
    assert known_utm(told, of_visit) == known
