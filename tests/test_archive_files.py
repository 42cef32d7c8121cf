"""Files and zips of raw bodies, as people upload them (B3)."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp import archive_files
from webapp.archive_files import BROKEN_ZIP, LOCKED_ZIP, ZIP_TOO_LARGE, Place, deliveries


def found(*files: tuple[str, bytes]) -> list[tuple[str, bytes | None, str | None]]:
    named = [(name, io.BytesIO(content)) for name, content in files]
    return [(one.file, one.delivery.body if one.delivery else None, one.problem) for one in deliveries(named, UTC)]


def packed(members: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


def test_files_stand_one_after_another_each_in_its_own_form():
    assert found(("a.jsonl", b'{"a": 1}\n{"a": 2}'), ("b.json", b'{\n"b": 3}')) == [
        ("a.jsonl", b'{"a": 1}', None),
        ("a.jsonl", b'{"a": 2}', None),
        ("b.json", b'{\n"b": 3}', None),
    ]


def test_a_zip_is_read_file_by_file_whatever_it_is_called():
    content = packed({"day1/a": b'{"a": 1}', "day2/b": b'{"b": 2}', "empty": b""})
    assert found(("bodies", content)) == [("bodies/day1/a", b'{"a": 1}', None), ("bodies/day2/b", b'{"b": 2}', None)]


def test_what_systems_put_beside_files_is_passed_over():
    content = packed({"__MACOSX/._a": b"\0\0", "day/.DS_Store": b"\0", "a": b'{"a": 1}'})
    assert [one[0] for one in found(("x.zip", content))] == ["x.zip/a"]


def test_a_bad_file_among_good_ones_is_named():
    content = packed({"a": b"neither", "b": b'{"b": 2}'})
    assert [(name, problem is None) for name, _body, problem in found(("x.zip", content))] == [
        ("x.zip/a", False),
        ("x.zip/b", True),
    ]


def test_a_broken_zip_is_told():
    content = packed({"a": b'{"a": 1}'})
    assert found(("x.zip", content[:30])) == [("x.zip", None, BROKEN_ZIP)]


def test_a_zip_with_a_password_is_told():
    content = bytearray(packed({"a": b'{"a": 1}'}))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(header) + flags] |= 1
    assert found(("x.zip", bytes(content))) == [("x.zip/a", None, LOCKED_ZIP)]


def test_a_bomb_is_given_up(monkeypatch):
    monkeypatch.setattr(archive_files, "LARGEST_UNPACKED_BYTES", 10_000)
    assert found(("x.zip", packed({"a": b"0" * 1_000_000}))) == [("x.zip", None, ZIP_TOO_LARGE)]
    monkeypatch.setattr(archive_files, "MOST_FILES", 1)
    assert found(("x.zip", packed({"a": b"{}", "b": b"{}"}))) == [("x.zip", None, ZIP_TOO_LARGE)]


@given(st.binary(max_size=300), st.booleans())
def test_no_content_raises(content, as_zip):
    assert isinstance(found(("x", (b"PK\x03\x04" if as_zip else b"") + content)), list)


@pytest.mark.parametrize("place", range(0, 120, 7))
def test_no_broken_byte_of_a_zip_raises(place):
    content = bytearray(packed({"a": b'{"a": 1}' * 50}))
    content[place % len(content)] ^= 0xFF
    assert isinstance(found(("x.zip", bytes(content))), list)


LINES = (
    b"2026-11-20 12:00:01\n", b"[20.11.2026 12:00:01] POST /y HTTP/1.1\n", b"POST /hooks/jivo/s/tg\n", b"nonsense\n",
    b'{"a": 1}\n', b'{"b":\n 2}\n', b'{"c": "\xd1\x8f"}', b"\r\n", b"Response code: 200\n", b"POST /x\n",
)  # fmt: skip
CONTENTS = st.lists(st.sampled_from(LINES), max_size=14).map(b"".join)


@given(st.lists(CONTENTS | st.dictionaries(st.sampled_from("abc"), CONTENTS, max_size=3).map(packed), max_size=4))
def test_reading_goes_on_from_any_place_as_if_it_had_not_stopped(contents):
    """A task keeps its place, so that each of its jobs reads what is left and no more."""
    files = [(f"{number}", io.BytesIO(content)) for number, content in enumerate(contents)]
    whole = list(deliveries(files, UTC))
    for number, one in enumerate(whole, 1):
        kept = json.loads(json.dumps(asdict(one.after)))
        assert list(deliveries(files, UTC, Place.told(kept))) == whole[number:]


def test_what_was_unpacked_before_the_place_counts_for_the_limit(monkeypatch):
    content = packed({name: b'{"a": "' + name.encode() * 4000 + b'"}' for name in "abc"})
    monkeypatch.setattr(archive_files, "LARGEST_UNPACKED_BYTES", 10_000)
    files = [("x.zip", io.BytesIO(content))]
    first, second, problem = deliveries(files, UTC)
    assert problem.problem == ZIP_TOO_LARGE
    assert list(deliveries(files, UTC, first.after)) == [second, problem]
    assert list(deliveries(files, UTC, second.after)) == [problem]
