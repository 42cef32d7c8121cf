"""Values out of loose trees: ids and times as numbers or text, nothing as null, "", "null" or a missing key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from webapp.marks import storable

LONGEST_LINE = 255

#: The first moment that can be a talk's, and how far ahead of ours amoCRM's clock may be.
_EARLIEST = datetime(2005, 1, 1, tzinfo=UTC)
_CLOCK_AHEAD = timedelta(days=1)


def text(value: Any) -> str | None:
    """A text of several lines, or None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = storable(str(value), keep_lines=True).strip()
    return None if found in ("", "null") else found


def line(value: Any, limit: int = LONGEST_LINE) -> str | None:
    """A text of one line, cut at ``limit``, or None."""
    several = text(value)
    return " ".join(several.split())[:limit].strip() or None if several else None


def number(value: Any) -> str | None:
    """A positive whole number as text, without leading zeros; None for anything else."""
    found = text(value)
    if found is None or not found.isascii() or not found.isdecimal() or len(found) > 20:
        return None
    return found.lstrip("0") or None


def moment(value: Any, now: datetime) -> datetime | None:
    """A unix time in seconds as UTC; None when it is none, before 2005 or a day after now."""
    found = number(value)
    if found is None or not _EARLIEST.timestamp() <= int(found) <= (now + _CLOCK_AHEAD).timestamp():
        return None
    return datetime.fromtimestamp(int(found), UTC)


def block(parent: Any, key: str) -> dict[str, Any]:
    """The object under this key; an empty one where there is none."""
    found = parent.get(key) if isinstance(parent, Mapping) else None
    return found if isinstance(found, dict) else {}


def rows(parent: Any, key: str) -> Iterator[dict[str, Any]]:
    """The objects under this key, listed or numbered. One that stands there by itself is the only one."""
    found = parent.get(key) if isinstance(parent, Mapping) else None
    if isinstance(found, dict):
        inner = list(found.values())
        found = inner if inner and all(isinstance(item, dict) for item in inner) else [found]
    for item in found if isinstance(found, list) else ():
        if isinstance(item, dict) and item:
            yield item
