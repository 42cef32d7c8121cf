"""Files for spreadsheets: whole, in the chosen columns, and with nothing in them that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
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
EVIL = ("=1+1", "+7+7", "-2+3", "@SUM(A1)", "\t=1", " =1", "=cmd|' /C calc'!A0", "％=1", "привет;=1+1",
        "Привет\n=cmd|' /C calc'!A0\nконец", "a\n -1", 'a;"=1"', "a,=1+1", "a;\uff1d1")  # fmt: skip

#: What spreadsheets of one language or another take for the end of a field, and what begins a formula.
ENDS, SIGNS = re.compile(r"[;,\t\r\n]"), tuple("=+-@|%\uff1d\uff0b\uff0d\uff20")


@given(st.text(st.sampled_from("=+-@|%\uff1d;,\t\r\n \"'aя1"), max_size=40) | st.text(max_size=40))
def test_no_text_begins_as_a_formula_and_none_does_within(text):
    """Wherever a program may end a field or a row: a file of commas meets some that expect semicolons."""
    assert not harmless(text).lstrip().startswith(SIGNS)
    for part in ENDS.split(harmless(text))[1:]:
        assert not part.lstrip('"').startswith(SIGNS)
    for part in re.split(r"[;\t\r\n]", harmless(text))[1:]:
        assert not re.sub(r'^[\s"]+', "", part).startswith(SIGNS)


@pytest.mark.parametrize("text", ["Да, - сказала она", "привет, +7 916", "50% скидка; потом", "a\nb"])
def test_ordinary_punctuation_stays_as_it_is(text):
    assert harmless(text) == text


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
    table = list(csv.reader(io.StringIO(body.decode("utf-8-sig")), delimiter=";"))
    assert table[0] == ["Время", "Имя", "Телефон", "Почта", "Сообщений", "Текст"]
    assert len(table) == len(EVIL) + 1
    assert table[1][0] == "2026-03-09 14:05:00"
    assert table[1][2] == "79161234567"
    for line in table[1:]:
        for cell in line:
            assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "|"))
    # Also where the file is read by other rules than it was written by.
    for line in re.split(r"[\r\n]+", body.decode("utf-8-sig")):
        for cell in re.split("[;\t]", line):
            assert not cell.lstrip(' "').startswith(SIGNS), line


@pytest.mark.parametrize(("language", "sign"), [("ru", ";"), ("en", ",")])
def test_fields_are_parted_as_the_spreadsheets_of_the_language_expect(app, rows, language, sign):
    with app.test_request_context(), force_locale(language):
        head, *_lines = b"".join(csv_lines(chosen("name", "phone"), [rows], "UTC")).decode("utf-8-sig").splitlines()
    assert head.count(sign) == 1


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
            io.StringIO(b"".join(csv_lines(COLUMNS, [rows], "Europe/Moscow")).decode("utf-8-sig")), delimiter=";"
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
