"""UTM marks: read from an address, decoded from whatever a vendor made of them."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from urllib.parse import unquote

from webapp.conversation import UTM_KEYS

#: The longest mark kept; advertising systems write far shorter ones.
LONGEST_MARK = 512

#: What is looked at. A letter encoded three times over takes some twenty characters, so a whole mark fits.
LONGEST_INPUT = 16_384

#: Marks arrive encoded more than once (Jivo's own application decodes until nothing changes); a bound ends malice.
DECODING_ROUNDS = 5

_MARK = re.compile(
    r"[?&#](?:amp;)*utm_(source|medium|campaign|content|term)=((?:(?!\?utm_)[^&#])*)",
    re.IGNORECASE,
)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def storable(text: str, *, keep_lines: bool = False) -> str:
    """The text as every database and export takes it: no control characters, no halves of surrogate pairs.

    PostgreSQL refuses NUL, UTF-8 refuses surrogates. ``keep_lines`` leaves tabs and ends of lines where they are.
    """
    return (_CONTROL_BUT_LINES if keep_lines else _CONTROL).sub("", _SURROGATE.sub("\ufffd", text))


def decode_mark(value: str) -> str:
    """A mark as its author wrote it: HTML entities and percent signs resolved until stable, at most five times over.

    Plus signs stay, because outside an address they are data. Never raises; what cannot be decoded stays as it is.
    """
    value = storable(value[:LONGEST_INPUT])
    for _ in range(DECODING_ROUNDS):
        decoded = storable(unquote(html.unescape(value), errors="replace"))
        if decoded == value:
            break
        value = decoded
    return value[:LONGEST_MARK].strip()


def marks_of_url(url: str) -> dict[str, str]:
    """The utm marks of an address, by UTM_KEYS (without ``utm_``), decoded. Empty ones are left out, the first wins.

    Looks into the query and into the fragment, where single-page sites keep a query of their own. Any text is taken.
    """
    marks: dict[str, str] = {}
    for found in _MARK.finditer(url[:LONGEST_INPUT]):
        key, value = found[1].lower(), decode_mark(found[2].replace("+", " "))
        if value and key not in marks:
            marks[key] = value
    return marks


def known_utm(told: Mapping[str, str] | None, of_visit: Mapping[str, str] | None) -> dict[str, str]:
    """The utm marks of a communication: those of its visit, else those that its vendor told; by UTM_KEYS, none empty.

    They are not mixed: the vendor's are often those of the visitor's first visit ever.
    """
    for marks in (of_visit, told):
        found = {key: marks[key] for key in UTM_KEYS if marks and marks.get(key)}
        if found:
            return found
    return {}
