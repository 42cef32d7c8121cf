"""Archives of raw bodies in the forms people have them in (B3)."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.archive import LARGEST_BODY_BYTES, YEARS, Delivery, NotAnArchive, read

MOSCOW = ZoneInfo("Europe/Moscow")
NINE = datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC)


def deliveries(content: str | bytes) -> list[Delivery]:
    return list(read(io.BytesIO(content if isinstance(content, bytes) else content.encode()), MOSCOW))


def test_each_line_of_json_is_a_body_with_its_very_bytes():
    found = deliveries('{"a":  1}\n\n  {"b": "я"} \r\n')
    assert [(one.line, one.body, one.problem) for one in found] == [
        (1, b'{"a":  1}', None),
        (3, '{"b": "я"}'.encode(), None),
    ]


def test_a_file_may_be_one_body_over_many_lines():
    (found,) = deliveries('\ufeff{\n  "a": 1\n}\n')
    assert found == Delivery(1, b'{\n  "a": 1\n}')


def test_lines_that_cannot_be_a_webhook_are_pointed_out():
    found = deliveries(b'{"a": 1}\nnot json\n[1]\n{"b": "' + b"x" * LARGEST_BODY_BYTES + b'"}\n')
    assert [(one.line, one.problem) for one in found] == [
        (1, None),
        (2, "the body is no JSON object"),
        (3, "the body is no JSON object"),
        (4, "the body is larger than 1 MiB"),
    ]


@pytest.mark.parametrize(
    "block",
    [
        '2026-11-20 12:00:01\nPOST https://example.com/hook\n{"a": 1}\nResponse code: 200\n',
        '2026-11-20T09:00:01Z\n\nPOST https://example.com/hook\n\n{"a": 1}\n\nResponse code: 200\n',
        '[20.11.2026 12:00:01] POST https://example.com/hook HTTP/1.1\n{"a": 1}\nResponse code: 200\n',
        'Date: Fri, 20 Nov 2026 09:00:01 +0000\nPOST: https://example.com/hook\n{"a": 1}\nResponse code: 200',
        '2026-11-20 12:00:01 POST /hook\r\nContent-Type: application/json\r\n\r\n{"a": 1}\r\nResponse code:\r\n200\r\n',
        '=====\n2026-11-20 12:00:01\nrequest:\nPOST https://example.com/hook\n{"a": 1}\n',
    ],
)
def test_a_delivery_log_gives_bodies_and_their_times(block):
    """A date without a zone is the account's: contracts/jivo.md tells no zone."""
    (found,) = deliveries(block)
    assert (found.body, found.received_at, found.channel, found.problem) == (b'{"a": 1}', NINE, None, None)


def test_blocks_are_told_apart_with_and_without_their_ends():
    found = deliveries(
        '2026-11-20 12:00:01\nPOST /x\n{"a": 1}\n'
        '\n2026-11-20 12:00:01\nPOST /x\n{"b":\n 2}\nResponse code: 200\n'
        'POST /x\nsession=1\nResponse code: 500\n'
        '2026-11-20 12:00:01\nPOST /x\nResponse code: 200\n'
    )  # fmt: skip
    assert [(one.body, one.received_at, one.problem) for one in found] == [
        (b'{"a": 1}', NINE, None),
        (b'{"b":\n 2}', NINE, None),
        (b"session=1", None, None),
        (b"", NINE, "no body"),
    ]


def test_our_own_address_in_a_log_names_the_channel():
    found = deliveries(
        'POST https://lead.example/hooks/jivo/s-e-c-r-e-t/tg\n{"a": 1}\nResponse code: 200\n'
        'POST https://lead.example/hooks/jivo/s-e-c-r-e-t\n{"a": 2}\nResponse code: 200\n'
    )
    assert [one.channel for one in found] == ["tg", None]


@pytest.mark.parametrize("content", ['{"a": 1\n', "hello\nworld\n", b"\x00\x01\x02", "[1, 2]\n"])
def test_anything_else_is_refused(content):
    with pytest.raises(NotAnArchive):
        deliveries(content)


def test_an_empty_file_has_no_bodies():
    assert deliveries("") == []
    assert deliveries("\n \n") == []


@pytest.mark.parametrize("line", ["00010101", "99991231", "0001-01-01T00:00:00+05:00"])
def test_a_number_that_reads_as_a_day_of_no_such_year_is_no_date(line):
    """One such line must not end the whole import."""
    [found] = deliveries(f'{line}\nPOST https://example.com/hook\n{{"a": 1}}\nResponse code: 200\n')
    assert (found.body, found.received_at) == (b'{"a": 1}', None)


@given(st.text(max_size=40) | st.from_regex(r"[0-9T:+ -]{1,20}", fullmatch=True))
def test_any_line_tells_a_usual_moment_or_none(line):
    before = line.replace("\n", " ").replace("\r", " ")
    for zone in (MOSCOW, ZoneInfo("Pacific/Kiritimati")):
        for found in read(io.BytesIO(f'{before}\nPOST /x\n{{"a": 1}}\nResponse code: 200\n'.encode()), zone):
            assert found.received_at is None or found.received_at.year in YEARS
