"""UTM marks of Jivo's events: the page's, the session's, and how they are put together (B9, J-12)."""

from __future__ import annotations

import html
from urllib.parse import quote

import pytest

from webapp.vendors.jivo.assumptions import combined_marks
from webapp.vendors.jivo.utm import session_marks

from .bodies import conversation, finished


def marks(url: str | None = None, **session: object) -> dict[str, str]:
    return dict(conversation(finished(page={"url": url}, session=session)).clues.utm)


def test_the_pages_marks_alone():
    assert marks("https://shop.example/?utm_source=vk&utm_content=a+b") == {"source": "vk", "content": "a b"}


def test_the_sessions_marks_alone():
    assert marks("https://shop.example/", utm_json={"source": "vk", "medium": "cpc"}) == {
        "source": "vk",
        "medium": "cpc",
    }


def test_the_page_is_filled_from_a_session_that_says_the_same():
    session = {"source": "Yandex", "medium": "cpc", "campaign": "brand"}
    assert marks("/?utm_source=yandex", utm_json=session) == {
        "source": "yandex",
        "medium": "cpc",
        "campaign": "brand",
    }


@pytest.mark.parametrize(
    "session", [{"source": "google", "term": "а"}, {"source": "yandex", "campaign": "b", "term": "а"}]
)
def test_the_marks_of_an_earlier_visit_are_not_mixed_in(session):
    """J-12: the session's marks are probably of the first visit ever."""
    page = {"source": "yandex", "campaign": "a"}
    assert combined_marks(page, session) == page


@pytest.mark.parametrize(
    ("session", "term"),
    [
        ({"utm_json": {"term": "шторы"}}, "шторы"),
        ({"utm_json": {"keyword": "шторы"}}, "шторы"),
        ({"utm_json": {"keyword": "окна", "term": "шторы"}}, "шторы"),
        ({"utm_json": {"term": ""}, "utm": "keyword=шторы"}, "шторы"),
        ({"utm_json": {"keyword": "шторы"}, "utm": "term=окна"}, "шторы"),
        ({"utm_json": None, "utm": "source=a|term=шторы"}, "шторы"),
        ({"utm_json": [], "utm": "utm_keyword=шторы"}, "шторы"),
        ({"utm_json": {"utm_term": "шторы"}}, "шторы"),
        ({"utm_json": {"term": "..."}}, "..."),
    ],
)
def test_the_search_word_under_either_name(session, term):
    assert session_marks(session)["term"] == term


@pytest.mark.parametrize("times", range(5))
@pytest.mark.parametrize("text", ["brand msk", "шторы & окна", "a=b|c"])
def test_marks_encoded_several_times_over(text, times):
    """The official application decodes in a loop, too."""
    encoded = text
    for _ in range(times):
        encoded = quote(encoded, safe="")
    assert session_marks({"utm_json": {"campaign": encoded}}) == {"campaign": text}
    assert session_marks({"utm_json": {"campaign": html.escape(text)}}) == {"campaign": text}


def test_a_packed_value_may_hold_bars_and_equals_signs():
    packed = "content=k50|010000|cid=5|source=yandex|campaign=a=b|campaign=second|x"
    assert session_marks({"utm": packed}) == {"content": "k50|010000|cid=5", "source": "yandex", "campaign": "a=b"}


@pytest.mark.parametrize(
    "session", [{}, {"utm": 5}, {"utm": "|||"}, {"utm": "=a"}, {"utm_json": {"source": {}, "term": [1]}}]
)
def test_no_marks_in_garbage(session):
    assert session_marks(session) == {}


def test_numbers_are_marks_and_direct_is_kept_as_sent():
    assert session_marks({"utm_json": {"campaign": 268176, "source": "(direct)", "medium": True}}) == {
        "campaign": "268176",
        "source": "(direct)",
    }


@pytest.mark.parametrize("page", ["https://shop.example/", ["url"], None, {"url": 5}, {"url": {"a": 1}}])
def test_any_page_is_tolerated(page):
    """J-04."""
    chat = conversation(finished(page=page))
    assert dict(chat.clues.utm) == {}
    assert chat.clues.page_url in (None, "5")
