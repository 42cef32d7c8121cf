"""From the bytes of a request to one JSON object, or to a word for what they are instead."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from . import assumptions, fields

#: Longest integer that is read as a number; longer ones stay text, because they are ids and never sums.
_LONGEST_INTEGER = 20

#: How much of a body that is not JSON is searched for the event's name.
_SEARCHED_FOR_NAME = 65_536

#: How many fields of a form are looked into for the JSON.
_MOST_FORM_FIELDS = 8

#: An old handler of Jivo's hooks cuts a literal "event = " off; any single word is taken.
_PREFIX = re.compile(r"[\w\[\]]{1,40}\s*=\s*(?=[{\[])")
_NAME = re.compile(r'"event_name"\s*:\s*"([^"\\]{1,100})"')

#: What may follow the object: an empty form value, a stray end of statement.
_TAIL = "=;\x00 \t\r\n"


@dataclass(frozen=True)
class Body:
    """``data`` is the object, None when there is none; then ``note`` says why and ``event_name`` is what could be
    recovered."""

    data: dict[str, Any] | None
    note: str | None = None
    event_name: str | None = None


def parse(raw: bytes, content_type: str | None) -> Body:
    """Read a body of any content type. Notes: empty, not_json, not_object. Never raises for any bytes."""
    text = raw.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n\x00")
    if not text.strip():
        return Body(None, "empty")
    for candidate in _candidates(text, content_type):
        try:
            data = _load(candidate)
        except (ValueError, RecursionError):
            # RecursionError: thousands of brackets inside one another.
            continue
        return Body(data) if isinstance(data, dict) else Body(None, "not_object")
    found = _NAME.search(text, 0, _SEARCHED_FOR_NAME)
    return Body(None, "not_json", fields.line(found[1]) if found else None)


def _candidates(text: str, content_type: str | None) -> list[str]:
    """The texts that may be the JSON, the likeliest first."""
    text = text.rstrip(_TAIL)
    prefix = _PREFIX.match(text)
    whole = text[prefix.end() :] if prefix else text
    if not assumptions.may_be_form(content_type) or text.startswith(("{", "[", '"')):
        return [whole]
    values = [part.partition("=")[2] or part for part in text.split("&", _MOST_FORM_FIELDS)[:_MOST_FORM_FIELDS]]
    decoded = [unquote_plus(value, errors="replace").strip("\ufeff" + _TAIL) for value in values]
    return [whole, *(value for value in decoded if value.startswith("{"))]


def _load(text: str) -> Any:
    return json.loads(text, strict=False, parse_int=_integer, parse_constant=_no_number)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else digits


def _no_number(constant: str) -> None:
    """NaN and the infinities are no values of JSON; here they mean none."""
