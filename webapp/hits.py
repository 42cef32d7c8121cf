"""What the visit counter on a site says: one hit, as the browser sent it.

Everything in it came through a stranger's browser. It is checked for form here and believed for nothing but what it is:
a visit with this session id says that it began on this page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from webapp.arrival import host_of
from webapp.marks import storable

#: The counter's messages are far shorter; two addresses of the longest kind and little else fit.
LARGEST_HIT_BYTES = 16 * 1024

#: Longest address kept. Longer ones are cut: the marks of advertising stand in front.
LONGEST_URL = 2000

#: A visit may have been going on for so long when it is first heard of (a page left open over a weekend), in seconds.
LONGEST_AGE_SECONDS = 3 * 24 * 3600

_WEB = re.compile("https?://", re.IGNORECASE)

#: Our counter makes decimal numbers below 2^53, so that they look like the sessions of the outside cabinets, pass
#: through number fields unharmed, and cannot be guessed.
_NUMBER = re.compile(r"[1-9][0-9]{0,15}")


@dataclass(frozen=True)
class Hit:
    """A page view, or a sign of life from a page that stays open (``is_page`` False).

    ``age_seconds`` is how long ago the visit began by the browser's own clock, which may be wrong but runs evenly.
    ``landing_url`` and ``referrer`` are those of the visit, told anew with each hit in case the first was lost.
    """

    session_id: str
    visitor_id: str
    age_seconds: int
    is_page: bool
    landing_url: str | None
    referrer: str | None
    page_url: str | None


def parse_hit(body: bytes) -> Hit | None:
    """A hit out of the counter's form-encoded text, None for anything else. Never raises, whatever the bytes."""
    if len(body) > LARGEST_HIT_BYTES:
        return None
    try:
        fields = dict(parse_qsl(body.decode("ascii"), max_num_fields=16))
    except (UnicodeDecodeError, ValueError):
        return None
    session_id, visitor_id, age = (fields.get(name, "") for name in ("s", "u", "a"))
    if not (_NUMBER.fullmatch(session_id) and _NUMBER.fullmatch(visitor_id) and re.fullmatch("[0-9]{1,9}", age)):
        return None
    return Hit(
        session_id=session_id,
        visitor_id=visitor_id,
        age_seconds=min(int(age), LONGEST_AGE_SECONDS),
        is_page=fields.get("n") != "0",
        landing_url=web_address(fields.get("l")),
        referrer=web_address(fields.get("r")),
        page_url=web_address(fields.get("p")),
    )


def is_session(text: str) -> bool:
    """True for a session id such as our counter and the outside cabinets make."""
    return re.fullmatch(r"[1-9][0-9]{0,18}", text) is not None


def is_client(text: str) -> bool:
    """True for a vendor's number of a person."""
    return re.fullmatch(r"[0-9]{1,20}", text) is not None


def web_address(text: str | None) -> str | None:
    """An address of the web, cut to LONGEST_URL; None for anything else (about:blank, an application's own scheme)."""
    address = storable((text or "").strip())
    return address[:LONGEST_URL] if _WEB.match(address) and host_of(address) else None


def belongs(host: str, domain: str) -> bool:
    """True when a host is a site's domain or under it; both may be written in letters or in punycode."""
    host, domain = host_of(host), host_of(domain)
    return bool(host and domain) and (host == domain or host.endswith(f".{domain}"))
