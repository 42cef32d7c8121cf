"""The lint of pages sees what it is for."""

from __future__ import annotations

import pytest

from tests.pages import lint

GOOD = (
    '<!doctype html><html lang="ru"><head><title>Сайты · Leadtrail</title></head><body><h1>Сайты</h1>'
    '<form method="post"><input type="hidden" name="csrf_token" value="1">'
    '<label for="name">Имя</label><input id="name" aria-describedby="hint"><p id="hint">Кратко</p>'
    "<button>Сохранить</button></form></body></html>"
)


def test_a_good_page_passes() -> None:
    lint(GOOD)


@pytest.mark.parametrize(
    ("part", "instead", "message"),
    [
        ("<h1>Сайты</h1>", "<h1>Сайты</h1><h1>Ещё</h1>", "2 h1"),
        ("<h1>Сайты</h1>", "<h1>Кампании</h1>", "does not agree"),
        (' lang="ru"', "", "no language"),
        ('<p id="hint">', '<p id="name">', "ids stand twice"),
        ('<p id="hint">', "<p>", "aria-describedby names"),
        ('for="name"', 'for="other"', "no label"),
        ("<button>Сохранить", '<label for="gone">Нет</label><button>Сохранить', "a label points to"),
        ("<button>Сохранить</button>", "<button></button>", "nameless"),
        ("<button>Сохранить</button>", '<a href="/"></a>', "nameless"),
        ("<button>", '<button style="color: red">', "has"),
        ("<button>", '<button onclick="go()">', "has"),
        ("<button>", '<button hx-on:click="go()">', "has"),
        ("<h1>", "<style>p {}</style><h1>", "inline style"),
        ("<h1>", "<script>go()</script><h1>", "inline script"),
        ("<h1>", '<script src="/a.js">go()</script><h1>', "inline script"),
        ('name="csrf_token"', 'name="other"', "no CSRF token"),
    ],
)
def test_a_bad_page_does_not(part: str, instead: str, message: str) -> None:
    page = GOOD.replace(part, instead)
    assert page != GOOD
    with pytest.raises(AssertionError, match=message):
        lint(page)
