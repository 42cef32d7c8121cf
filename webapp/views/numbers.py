"""Numbers in addresses and forms. Anybody can type anything there; only what a row may be called is a number."""

from __future__ import annotations

from flask import Flask, request
from werkzeug.routing import IntegerConverter

#: The largest id of a row: both databases count to here.
LARGEST = 2**63 - 1


class RowNumber(IntegerConverter):
    """``<int:…>`` in addresses, up to the largest id."""

    def __init__(self, map: object, *args: int, **options: int) -> None:
        super().__init__(map, *args, **{"max": LARGEST, **options})


def init_app(app: Flask) -> None:
    """Use it for every ``<int:…>``."""
    app.url_map.converters["int"] = RowNumber


def row_number(text: str | None) -> int | None:
    """The number in a text, None for anything that is no id of a row."""
    if not text or not text.isascii() or not text.isdecimal() or len(text) > 19:
        return None
    number = int(text)
    return number if number <= LARGEST else None


def number_argument(name: str) -> int | None:
    """The number in the address's query."""
    return row_number(request.args.get(name))
