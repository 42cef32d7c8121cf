"""The marks that Jivo tells with a session (jivo.ru/docs/webhooks; the contract's section 2.6)."""

from __future__ import annotations

from typing import Any

from webapp.conversation import UTM_KEYS
from webapp.marks import LONGEST_INPUT, decode_mark

from .fields import block, line, text

#: The keys that may begin a piece of the packed form.
_KEYS = frozenset({*UTM_KEYS, "keyword"})


def session_marks(session: dict[str, Any]) -> dict[str, str]:
    """The marks of a payload's session, decoded: ``utm_json``, filled from ``utm``.

    The vendor's page names the search word ``term``; the one published real body had ``keyword``.
    """
    marks: dict[str, str] = {}
    told = {str(key).lower().removeprefix("utm_"): value for key, value in block(session, "utm_json").items()}
    for pairs in (told, _split_marks(text(session.get("utm")) or "")):
        for key in UTM_KEYS:
            value = line(pairs.get(key), LONGEST_INPUT) or (
                line(pairs.get("keyword"), LONGEST_INPUT) if key == "term" else None
            )
            decoded = decode_mark(value) if value else ""
            if decoded:
                marks.setdefault(key, decoded)
    return marks


def _split_marks(packed: str) -> dict[str, str]:
    """``key=value`` pairs joined by bars. A piece that begins with no known key belongs to the value before it."""
    pairs: dict[str, str] = {}
    last = None
    for piece in packed[:LONGEST_INPUT].split("|"):
        key, equals, value = piece.partition("=")
        key = key.strip().lower().removeprefix("utm_")
        if equals and key in _KEYS:
            last = key if key not in pairs else None
            pairs.setdefault(key, value)
        elif last is not None:
            pairs[last] += "|" + piece
    return pairs
