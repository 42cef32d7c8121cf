"""Visits in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask_babel import Babel, force_locale
from hypothesis import given
from hypothesis import strategies as st

from webapp.views import ROOT
from webapp.views.visit_words import came_from, device_of, duration, mark_name, page_of


@pytest.fixture(autouse=True, scope="module")
def speaking() -> Iterator[None]:
    """Russian, in an application that has nothing but languages."""
    app = Flask(__name__)
    Babel(app, default_translation_directories=str(ROOT / "webapp" / "translations"))
    with app.test_request_context(), force_locale("ru"):
        yield


@pytest.mark.parametrize(
    ("marks", "referrer", "words"),
    [
        (
            {"source": "yandex", "medium": "cpc", "campaign": "shtory", "term": "купить"},
            "https://yandex.ru/",
            ("yandex / cpc / shtory", "метки UTM"),
        ),
        ({"campaign": "leto"}, None, ("leto", "метки UTM")),
        ({"gclid": "1", "ysclid": "2"}, "https://google.com/", ("gclid", "переход по рекламе")),
        ({"ysclid": "2"}, "https://www.yandex.ru/search?text=x", ("yandex.ru", "переход с сайта")),
        ({}, "https://xn--l1adgmc.xn--p1ai/", ("хабр.рф", "переход с сайта")),
        ({}, None, ("Прямой заход", "без меток и ссылки")),
        ({"source": ""}, "", ("Прямой заход", "без меток и ссылки")),
    ],
)
def test_how_somebody_came(marks: dict[str, str], referrer: str | None, words: tuple[str, str]) -> None:
    if referrer and "xn--" in referrer:
        referrer = "https://" + "хабр.рф".encode("idna").decode() + "/"
    assert came_from(marks, referrer) == words


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://shop.example/%D1%88%D1%82%D0%BE%D1%80%D1%8B?utm_source=x#y", "/шторы"),
        ("https://shop.example", "/"),
        ("https://shop.example/%FF%00a", "/\ufffda"),
        ("http://[::1/", "http://[::1/"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_page_is_its_path_in_letters(url: str | None, page: str) -> None:
    assert page_of(url) == page


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "меньше минуты"),
        (59, "меньше минуты"),
        (60, "1 мин"),
        (3599, "59 мин"),
        (3600, "1 ч 0 мин"),
        (90061, "25 ч 1 мин"),
    ],
)
def test_how_long_it_was(seconds: int, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (
            "Mozilla/5.0 (Linux; Android 13; SM-S908B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Mobile "
            "Safari/537.36",
            "Chrome Mobile 112 · Android 13 · Samsung SM-S908B",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
            "YaBrowser/24.6.0.0 Safari/537.36",
            "Yandex Browser 24 · Windows 10",
        ),
        ("куку", None),
        ("", None),
        (None, None),
    ],
)
def test_what_somebody_came_with(user_agent: str | None, device: str | None) -> None:
    assert device_of(user_agent) == device


def test_marks_are_called_as_in_an_address() -> None:
    assert [mark_name(name) for name in ("source", "term", "gclid", "openstat_ad")] == [
        "utm_source",
        "utm_term",
        "gclid",
        "openstat_ad",
    ]


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=20)), st.text(max_size=100))
def test_no_visit_is_too_strange_for_words(marks: dict[str, str], text: str) -> None:
    assert all(came_from(marks, text))
    assert isinstance(page_of(text), str)
    assert device_of(text) is None or device_of(text)
