"""Form bodies as PHP's http_build_query writes them (contract, 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

EMOJI_TEXT = "Шторы 🪟🧵 в спальню 👩‍👩‍👧 & «лён» 100% a+b=c"


def encoded(tree: Mapping[str, Any], brackets: str = "percent", space: str = "+") -> bytes:
    """The body of a tree of objects, lists and scalars. None is left out, true is 1.

    ``brackets``: percent, raw, or "no index" (raw, and the index of a list of scalars left away).
    """
    return "&".join(
        f"{_quoted(key, space, '' if brackets == 'percent' else '[]')}={_quoted(value, space)}"
        for key, value in _pairs(tree, "", brackets == "no index")
    ).encode()


def _pairs(value: Any, key: str, bare: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _pairs(part, f"{key}[{name}]" if key else str(name), bare)
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            scalar = not isinstance(part, Mapping | list | tuple)
            yield from _pairs(part, f"{key}[]" if bare and scalar else f"{key}[{place}]", bare)
    elif value is not None:
        yield key, ("1" if value else "0") if isinstance(value, bool) else str(value)


def _quoted(text: str, space: str, safe: str = "") -> str:
    """PHP's urlencode writes a space as + and encodes ~; its rawurlencode does neither."""
    told = quote(text, safe=safe)
    return told.replace("%20", "+").replace("~", "%7E") if space == "+" else told


def padding(kind: str) -> dict[str, Any]:
    """What else a body may carry: more fields than a framework takes, or more bytes."""
    if kind == "3000 fields":
        values = [{"value": f"значение {place}"} for place in range(3)]
        fields = [{"id": place, "name": f"Поле {place}", "values": values} for place in range(600)]
        return {"leads": {"update": [{"id": 1, "name": "Много полей", "custom_fields": fields}]}}
    if kind == "2 MB":
        return {"leads": {"note": [{"note": {"id": 1, "text": "шторы " * 70_000}}]}}
    if kind == "cyrillic and emoji":
        return {"leads": {"update": [{"id": 1, "name": EMOJI_TEXT}]}}
    return {}
