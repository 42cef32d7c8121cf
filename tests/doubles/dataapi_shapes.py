"""The tables of parameters, and the look at a request by them: unknown keys, types, required keys, words of a list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .dataapi_errors import ApiError, missed, wrong_value

DATE_TIME = "%Y-%m-%d %H:%M:%S"
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@dataclass(frozen=True)
class Shape:
    """One parameter. ``kind``: string, number (whole), amount, boolean, datetime, enum (one of ``values``), object,
    list of objects (both with ``inside``), strings, numbers, any."""

    kind: str
    required: bool = False
    values: tuple[str, ...] = ()
    inside: Mapping[str, Shape] | None = None

    @property
    def needed(self) -> Shape:
        """The same, required."""
        return replace(self, required=True)


STRING, NUMBER, AMOUNT, BOOLEAN, DATETIME = (
    Shape(kind) for kind in ("string", "number", "amount", "boolean", "datetime")
)


def one_of(*values: str) -> Shape:
    """One of these words."""
    return Shape("enum", values=values)


def rows(inside: Mapping[str, Shape]) -> Shape:
    """A list of such objects, required."""
    return Shape("list", required=True, inside=inside)


def is_number(value: Any) -> bool:
    """True for a whole number; JSON's true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_moment(value: Any) -> bool:
    """True for ``YYYY-MM-DD hh:mm:ss`` of a day that exists."""
    if not isinstance(value, str) or not _DATE_TIME.fullmatch(value):
        return False
    try:
        datetime.strptime(value, DATE_TIME)
    except ValueError:
        return False
    return True


_TYPES = {
    "string": lambda value: isinstance(value, str),
    "datetime": lambda value: isinstance(value, str),
    "enum": lambda value: isinstance(value, str),
    "number": is_number,
    "amount": lambda value: is_number(value) or isinstance(value, float),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
    "strings": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    "numbers": lambda value: isinstance(value, list) and all(is_number(one) for one in value),
    "any": lambda _value: True,
}


class Reader:
    """Reads parameters by their shapes, as the switches ``nulls`` and ``field_path`` say."""

    def __init__(self, switches: Mapping[str, Any]) -> None:
        self._nulls, self._path = switches["nulls"], switches["field_path"]

    def name(self, *steps: str | int) -> str:
        """The dotted name of a place: ``chats.messages.date_time``, with places in lists or the last name alone."""
        if self._path == "last":
            return str([step for step in steps if isinstance(step, str)][-1])
        return ".".join(str(step) for step in steps if self._path == "indices" or isinstance(step, str))

    def read(self, value: Mapping[str, Any], shapes: Mapping[str, Shape], *steps: str | int) -> dict[str, Any]:
        """What was sent of these parameters. Raises ApiError."""
        for key in value:
            if key not in shapes:
                field = self.name(*steps, key)
                raise ApiError("unexpected_parameters", f'Unexpected parameter "{field}"', field=field)
        found = {}
        for key, shape in shapes.items():
            part = value.get(key)
            if key not in value or (part is None and self._nulls == "accepted"):
                if shape.required:
                    raise missed(self.name(*steps, key))
            else:
                found[key] = self._one(part, shape, *steps, key)
        return found

    def _one(self, value: Any, shape: Shape, *steps: str | int) -> Any:
        if not _TYPES[shape.kind](value):
            field = self.name(*steps)
            message = f'Invalid type of parameter "{field}": {shape.kind} is expected'
            raise ApiError("data_type_error", message, field=field, value=value)
        if shape.kind == "datetime" and not is_moment(value):
            raise wrong_value(self.name(*steps), value, "YYYY-MM-DD hh:mm:ss is expected")
        if shape.kind == "enum" and value not in shape.values:
            raise wrong_value(self.name(*steps), value, f"one of {', '.join(shape.values)} is expected")
        if shape.kind == "object" and shape.inside is not None:
            return self.read(value, shape.inside, *steps)
        if shape.kind == "list" and shape.inside is not None:
            return [self.read(one, shape.inside, *steps, place) for place, one in enumerate(value)]
        return value
