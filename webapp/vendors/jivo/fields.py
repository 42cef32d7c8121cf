"""Values out of loose JSON. Jivo's null, {}, [], "" and a missing key all mean "none", and ids are numbers or strings.

Nothing here raises for anything json.loads can make.
"""

from __future__ import annotations

import hashlib
from typing import Any

from webapp.marks import storable

#: Longest name, title or other single line kept, in characters.
LONGEST_LINE = 255

#: Longest id kept as it is. A longer one keeps its head and gets a digest, so that two of them stay two.
LONGEST_ID = 64

#: Floats above this are not exact, so they are no ids.
_EXACT_FLOAT = 2.0**53


def text(value: Any) -> str | None:
    """A text of several lines, or None. Numbers become text; true, false, objects and lists are no text."""
    if isinstance(value, str):
        return storable(value, keep_lines=True).strip() or None
    return _number(value)


def line(value: Any, limit: int = LONGEST_LINE) -> str | None:
    """A text of one line with single spaces, cut at ``limit`` characters, or None."""
    several = text(value)
    return " ".join(several.split())[:limit].strip() or None if several else None


def identifier(value: Any) -> str | None:
    """An id as text: 431, "431" and 431.0 are the same one. At most LONGEST_ID characters."""
    found = line(value, limit=len(value) if isinstance(value, str) else LONGEST_ID)
    if found is None or len(found) <= LONGEST_ID:
        return found
    digest = short_hash(found)
    return f"{found[: LONGEST_ID - len(digest) - 1]}-{digest}"


def block(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under this key; an empty one where there is none."""
    found = parent.get(key)
    return found if isinstance(found, dict) else {}


def rows(parent: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects listed under this key. A lone object is a list of one, one that holds only objects is a list too."""
    found = parent.get(key)
    if isinstance(found, dict):
        values = list(found.values())
        found = values if values and all(isinstance(value, dict) for value in values) else [found]
    return [row for row in found if isinstance(row, dict) and row] if isinstance(found, list) else []


def short_hash(value: str) -> str:
    """Twelve hexadecimal digits that stand for a text."""
    return hashlib.sha256(value.encode()).hexdigest()[:12]


def _number(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and abs(value) < _EXACT_FLOAT:
        return str(int(value)) if value.is_integer() else repr(value)
    return None
