"""A view as CSV or XLSX, written as it is read: rows never stand in memory together."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import IO, Any
from zoneinfo import ZoneInfo

from flask_babel import get_locale
from xlsxwriter import Workbook

from webapp.models import Communication

from .columns import Column

#: What begins a formula, whole or full width.
_SIGNS = "[=+\\-@|%\uff1d\uff0b\uff0d\uff20]"

#: What a spreadsheet would calculate instead of showing, at the beginning of a text.
_FORMULA = re.compile(rf"\s*{_SIGNS}|[\t\r\n]")

#: The same behind what ends a field or a row for a spreadsheet that expects other separators than the file's. Behind a
#: comma only where no blank stands between: ", -" is ordinary punctuation, and the blank makes it a text.
_FORMULA_WITHIN = re.compile(rf"""[;\t\r\n](?=[\s"]*{_SIGNS})|,(?="*{_SIGNS})""")

#: The most characters of a cell of a spreadsheet.
LONGEST_CELL = 32_767

#: The most rows of a sheet, its headings aside.
MOST_SHEET_ROWS = 1_048_575

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

Batches = Iterable[list[Communication]]


def headings(columns: Sequence[Column]) -> list[str]:
    """The headings of a file, each once: two columns may have a cell in common."""
    return [str(heading) for heading, _value in _cells(columns)]


def _cells(columns: Sequence[Column]) -> list[Any]:
    known: dict[str, Any] = {}
    for column in columns:
        for heading, value in column.cells:
            known.setdefault(str(heading), (heading, value))
    return list(known.values())


def harmless(text: str) -> str:
    """The text so that no spreadsheet takes it for a formula: with an apostrophe before it, as people write it."""
    text = _FORMULA_WITHIN.sub(r"\g<0>'", text)
    return f"'{text}" if _FORMULA.match(text) else text


def csv_lines(columns: Sequence[Column], batches: Batches, zone: str) -> Iterator[bytes]:
    """The file in pieces, UTF-8 with the mark by which spreadsheets know it.

    Between the fields stands what the spreadsheets of the reader's language expect: in Russian a semicolon, for there
    the comma divides numbers. Phones stand without their plus, which a spreadsheet would take for a formula's.
    """
    cells, place = _cells(columns), ZoneInfo(zone)
    delimiter = ";" if getattr(get_locale(), "language", None) == "ru" else ","
    yield "\ufeff".encode() + _csv([headings(columns)], delimiter)
    for rows in batches:
        yield _csv([[_csv_value(value(row), place) for _heading, value in cells] for row in rows], delimiter)


def _csv(rows: Iterable[Sequence[Any]], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _csv_value(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, str):
        is_phone = value[:1] == "+" and value[1:].isdecimal()
        return value[1:] if is_phone else harmless(value)
    return value


def write_xlsx(
    file: IO[bytes],
    columns: Sequence[Column],
    batches: Batches,
    zone: str,
    told: Callable[[int], None] = lambda _done: None,
) -> None:
    """Write a workbook of one sheet; ``told`` hears how many rows are done. Texts are never formulas or links."""
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "default_date_format": "dd.mm.yyyy hh:mm",
    }
    cells, place, number = _cells(columns), ZoneInfo(zone), 0
    with Workbook(file, options) as book:
        sheet = book.add_worksheet()
        bold = book.add_format({"bold": True})
        for at, heading in enumerate(headings(columns)):
            sheet.write_string(0, at, heading, bold)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(cells) - 1, 20)
        for rows in batches:
            for row in rows:
                number += 1
                for at, (_heading, value) in enumerate(cells):
                    _write_cell(sheet, number, at, value(row), place)
            told(number)


def _write_cell(sheet: Any, row: int, at: int, value: Any, zone: ZoneInfo) -> None:
    if isinstance(value, datetime):
        sheet.write_datetime(row, at, value.astimezone(zone).replace(tzinfo=None))
    elif isinstance(value, int):
        sheet.write_number(row, at, value)
    elif value:
        sheet.write_string(row, at, _printable(str(value))[:LONGEST_CELL])


def _printable(text: str) -> str:
    """XML takes no control characters and no halves of surrogate pairs."""
    clean = "".join(sign for sign in text if sign >= " " or sign in "\t\n\r")
    return clean.encode("utf-8", "replace").decode()
