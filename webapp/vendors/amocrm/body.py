"""From the bytes of a webhook to a tree: PHP's bracket notation, or the JSON that documents print."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from webapp.marks import storable

#: No field of amoCRM's stands deeper; more is malice, and stays a flat key.
DEEPEST = 12

_PARTS = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")


def parse(raw: bytes) -> dict[str, Any]:
    """The tree of a body; empty when there is nothing in it. Every leaf is text. Never raises for any bytes."""
    text = raw.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n\x00")
    if text.startswith("{"):
        try:
            found = json.loads(text, parse_int=str, parse_float=str)
        except (ValueError, RecursionError):
            found = None
        return _plain(found) if isinstance(found, dict) else {}
    return decode(text)


def decode(text: str) -> dict[str, Any]:
    """The tree of a form as PHP's http_build_query writes it. Of two values for one key the last one counts."""
    tree: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
        path = _path(storable(key))
        node = tree
        for part in path[:-1]:
            part = part or str(len(node))
            child = node.get(part)
            if not isinstance(child, dict):
                # a=1&a[b]=2: the later form wins.
                child = node[part] = {}
            node = child
        node[path[-1] or str(len(node))] = storable(value, keep_lines=True)
    return tree


def _path(key: str) -> list[str]:
    found = _PARTS.fullmatch(key)
    if found is None:
        return [key]
    parts = [found[1], *_BRACKETS.findall(found[2])]
    return parts if len(parts) <= DEEPEST else [key]


def _plain(value: Any, depth: int = 0) -> Any:
    """JSON in the shape of a form: lists are objects with numbers for keys, nulls are left out, flags are 1 and 0."""
    if depth > DEEPEST:
        return ""
    if isinstance(value, list):
        value = {str(number): item for number, item in enumerate(value)}
    if isinstance(value, dict):
        return {storable(str(key)): _plain(item, depth + 1) for key, item in value.items() if item is not None}
    if isinstance(value, bool):
        return "1" if value else "0"
    return storable(str(value), keep_lines=True)
