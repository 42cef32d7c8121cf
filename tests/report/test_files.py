"""Files for spreadsheets: whole, in the chosen columns, and with nothing in them that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import zipfile
from xml.etree import ElementTree

import pytest
from flask_babel import force_locale
from hypothesis import given
from hypothesis import strategies as st

from tests.report import AT, make_integrations
from tests.views.acting import make_communication
from webapp.report.columns import COLUMNS, by_key
from webapp.report.files import csv_lines, harmless, write_xlsx

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
EVIL = ("=1+1", "+7+7", "-2+3", "@SUM(A1)", "\t=1", " =1", "=cmd|' /C calc'!A0", "％=1", "привет;=1+1")


@given(st.text(max_size=40))
def test_no_text_begins_as_a_formula(text):
    assert harmless(text).lstrip(" ")[:1] not in {"=", "+", "-", "@", "|", "\t", "\r"}
    assert ";=" not in harmless(text)


@given(st.text(st.characters(categories=["L", "Nd"]), min_size=1))
def test_ordinary_texts_stay_as_they_are(text):
    assert harmless(text) == text


@pytest.fixture
def rows(app, session):
    """One communication for each evil text."""
    _account, integration = make_integrations(session)
    more = {"contact_phone": "+79161234567", "message_count": 3}
    made = [
        make_communication(
            session, integration, str(place), started_at=AT, contact_name=text, text=text, utm={"source": text}, **more
        )
        for place, text in enumerate(EVIL)
    ]
    session.commit()
    return made


def chosen(*keys):
    return [by_key()[key] for key in keys]


def test_csv_has_the_chosen_columns_in_their_order_and_no_formulas(app, rows):
    with app.test_request_context(), force_locale("ru"):
        body = b"".join(csv_lines(chosen("time", "contact", "messages", "text"), [rows], "Europe/Moscow"))
    assert body.startswith(b"\xef\xbb\xbf")
    table = list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
    assert table[0] == ["Время", "Имя", "Телефон", "Почта", "Сообщений", "Текст"]
    assert len(table) == len(EVIL) + 1
    assert table[1][0] == "2026-03-09 14:05:00"
    assert table[1][2] == "79161234567"
    for line in table[1:]:
        for cell in line:
            assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "|"))


def test_a_workbook_has_texts_as_texts(app, rows):
    file = io.BytesIO()
    told = []
    with app.test_request_context(), force_locale("en"):
        write_xlsx(file, chosen("name", "phone", "messages", "time"), [rows], "Europe/Moscow", told.append)
    with zipfile.ZipFile(file) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    cells = list(sheet.iter(f"{SHEET}c"))
    assert not list(sheet.iter(f"{SHEET}f")), "no formula"
    texts = ["".join(cell.itertext()) for cell in cells if cell.get("t") == "inlineStr"]
    assert set(texts) >= set(EVIL) | {"+79161234567"}
    assert told == [len(EVIL)]
    assert len(list(sheet.iter(f"{SHEET}row"))) == len(EVIL) + 1


def test_every_column_can_be_written(app, rows):
    """Also of a communication that has next to nothing."""
    with app.test_request_context(), force_locale("ru"):
        head, *lines = csv.reader(
            io.StringIO(b"".join(csv_lines(COLUMNS, [rows], "Europe/Moscow")).decode("utf-8-sig"))
        )
        write_xlsx(io.BytesIO(), COLUMNS, [rows], "Europe/Moscow")
    assert len(head) == len(set(head))
    assert all(len(line) == len(head) for line in lines)


def test_what_xml_cannot_hold_does_not_spoil_a_workbook(app, session):
    _account, integration = make_integrations(session)
    row = make_communication(session, integration, "1", started_at=AT, text="a\x0b\x1f" + "я" * 40_000)
    file = io.BytesIO()
    with app.test_request_context(), force_locale("ru"):
        write_xlsx(file, chosen("text"), [[row]], "UTC")
    with zipfile.ZipFile(file) as book:
        ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
