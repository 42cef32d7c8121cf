"""What a user_token says about the session (contracts: Jivo, section 7.2).

Jivo has one token slot for each visitor and the last script on the page wins, so tokens of other products are normal.
Every token came through a browser: a hint to look up, never a proof.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from webapp.conversation import SessionToken

from . import assumptions, fields

#: What our script puts before the session id.
OWN_PREFIX = "as1."

#: Session ids are positive and fit 64 bits.
_LARGEST_SESSION = 2**63 - 1

_OWN = re.compile(r"as1\.([A-Za-z0-9._-]+)")
_COOKIE = re.compile(r"[0-9]{1,19}\.([0-9]{1,19})\.([0-9]{9,11})")
_PAIRS = re.compile(r"(?:^|\|\|\|)\s*session_id---([0-9]{1,19})\s*(?:$|\|\|\|)")
_MARKED_PAIRS = re.compile(r"(?:^|\|)\s*session_id#([0-9]{1,19})\s*(?:$|\|)")
_LOOKS_LIKE_PAIRS = re.compile(r"[a-z_]{1,40}(?:---|#)[^|]*(?:\||$)")
_DIGITS = re.compile(r"[0-9]{6,20}")
_JWT = re.compile(r"([A-Za-z0-9_-]{4,})\.([A-Za-z0-9_-]{4,})\.([A-Za-z0-9_-]*)={0,2}")

#: A cookie's third part is the unix time of its making: 2010 to 2100.
_COOKIE_TIMES = range(1_262_304_000, 4_102_444_800)


def read_token(value: Any, *, accept_digits: bool = False) -> SessionToken | None:
    """The session a user_token names, None when there is no token.

    ``accept_digits`` takes a token of nothing but digits for a session id; some sites' own scripts send that, but a
    Roistat visit and a Metrika client id look the same, so it is the customer's choice.
    """
    raw = fields.line(value, limit=assumptions.LONGEST_TOKEN + 1)
    if raw is None:
        return None
    if len(raw) > assumptions.LONGEST_TOKEN:
        return SessionToken(raw[: assumptions.LONGEST_TOKEN], "too_long")
    kind, visit = _read(raw, accept_digits)
    return SessionToken(raw, kind, visit)


def _read(raw: str, accept_digits: bool) -> tuple[str, str | None]:
    own = _OWN.fullmatch(raw)
    if own:
        if len(raw) > assumptions.LONGEST_OWN_TOKEN:
            return "too_long", None
        return "own", _session(own[1]) if own[1].isdecimal() else own[1]
    cookie = _COOKIE.fullmatch(raw)
    if cookie and int(cookie[2]) in _COOKIE_TIMES:
        return "comagic_cookie", _session(cookie[1])
    if raw.startswith("{"):
        claims = _object(raw)
        return ("foreign", None) if claims is None else ("json", _session(claims.get("session_id")))
    for pairs in (_PAIRS, _MARKED_PAIRS):
        found = pairs.search(raw)
        if found:
            return "credentials", _session(found[1])
    if "session_id" in raw and _LOOKS_LIKE_PAIRS.match(raw):
        return "credentials", None
    if _DIGITS.fullmatch(raw):
        return "digits", _session(raw) if accept_digits else None
    jwt = _JWT.fullmatch(raw)
    if jwt and _decoded(jwt[1]) is not None:
        return "jwt", _session_of_claims(_decoded(jwt[2]) or {}, accept_digits)
    return "foreign", None


def _session(value: Any) -> str | None:
    """A session id: a positive whole number of at most 64 bits, without leading zeros."""
    digits = fields.identifier(value)
    if digits is None or not digits.isascii() or not digits.isdecimal():
        return None
    number = int(digits)
    return str(number) if 0 < number <= _LARGEST_SESSION else None


def _session_of_claims(claims: dict[str, Any], accept_digits: bool) -> str | None:
    """The session in a JWT: a claim of its own, else the ``id`` that Jivo demands where that is one of ours.

    The signature is not checked: the secret is between the site and Jivo, and the claim is only a hint.
    """
    claim = _session(claims.get("session_id"))
    if claim:
        return claim
    kind, visit = _read_plain(fields.identifier(claims.get("id")) or "", accept_digits)
    return visit if kind in ("own", "digits") else None


def _read_plain(raw: str, accept_digits: bool) -> tuple[str, str | None]:
    """The same as a token, but never a token within a token."""
    return ("foreign", None) if raw.startswith("{") or _JWT.fullmatch(raw) else _read(raw, accept_digits)


def _decoded(part: str) -> dict[str, Any] | None:
    """The object in one base64url part of a JWT."""
    try:
        return _object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("utf-8"))
    except (binascii.Error, UnicodeDecodeError):
        return None


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
