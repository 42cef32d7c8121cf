"""How somebody arrived at a site: the address they landed on and the page they came from, as facts that rules compare.

The facts are one flat mapping of folded texts. A name that is missing means: the arrival had no such thing.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from urllib.parse import SplitResult, unquote, urlsplit

from webapp.conversation import UTM_KEYS
from webapp.marks import LONGEST_INPUT, decode_mark, marks_of_url, storable

UTM_MARKS = tuple(f"utm_{key}" for key in UTM_KEYS)

#: What advertising systems add to an address at a click on an advertisement.
AD_CLICK_IDS = (
    "yclid", "ymclid", "gclid", "gbraid", "wbraid", "dclid", "rb_clickid", "msclkid", "ttclid", "twclid", "li_fat_id",
)  # fmt: skip

#: What is added to links that nobody paid for as well: by Facebook to every link, by Yandex to what its search found.
LINK_IDS = ("fbclid", "ysclid")

CLICK_IDS = AD_CLICK_IDS + LINK_IDS

#: The parts of the mark ``_openstat``, in their order.
OPENSTAT_MARKS = ("openstat_service", "openstat_campaign", "openstat_ad", "openstat_source")

REFERRER_MARKS = ("referrer_host", "referrer")
LANDING_MARKS = ("landing_path", "landing_host", "landing_url")

#: Everything that a fact may be called, and what of it is no utm mark.
BEYOND_UTM = ("click_id", *CLICK_IDS, *OPENSTAT_MARKS, *REFERRER_MARKS, *LANDING_MARKS)
MARKS = UTM_MARKS + BEYOND_UTM

HOST_MARKS = frozenset({"referrer_host", "landing_host"})
_ADDRESS_MARKS = frozenset({"referrer", "landing_url", "landing_path"})

#: The longest address a fact keeps; browsers send no longer referrer that means anything.
LONGEST_ADDRESS = 2000
LONGEST_HOST = 253

_PARAMETER = re.compile(
    rf"[?&#](?:amp;)*({'|'.join((*CLICK_IDS, '_openstat', 'utm_referrer'))})=([^&#]*)", re.IGNORECASE
)
_NO_HOST = re.compile(r"[\s/?#@:\[\]\\%]")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def arrival_marks(landing_url: str | None) -> dict[str, str]:
    """The marks of an address as their authors wrote them: utm_*, click ids, the parts of openstat. Never raises."""
    url = landing_url or ""
    marks = {f"utm_{key}": value for key, value in marks_of_url(url).items()}
    for name, value in _parameters(url):
        if name == "_openstat":
            marks.update(_openstat(value))
        elif name != "utm_referrer":
            marks[name] = value
    return marks


def arrival_facts(landing_url: str | None, referrer: str | None) -> dict[str, str]:
    """What rules compare, folded: the marks of the address and

    ``click_id`` (the names of the advertising systems' click ids in it), ``landing_url``, ``landing_host``,
    ``landing_path``, ``referrer``, ``referrer_host``. A referrer within the site itself is none. Where the browser sent
    none, ``utm_referrer`` stands for it. Any text is taken; never raises.
    """
    url, facts = _clean(landing_url), arrival_marks(landing_url)
    site, path = host_of(url), _path_of(url)
    facts["click_id"] = " ".join(name for name in AD_CLICK_IDS if name in facts)
    facts |= {"landing_url": url, "landing_host": site, "landing_path": path}
    for came_from in (_clean(referrer), _clean(dict(_parameters(landing_url or "")).get("utm_referrer"))):
        host = host_of(came_from)
        if came_from and not _same_site(host, site):
            facts |= {"referrer": came_from, "referrer_host": host}
            break
    folded = {name: fold_fact(name, value) for name, value in facts.items()}
    return {name: value for name, value in folded.items() if value}


def fold_fact(name: str, value: str) -> str:
    """A value as it is compared: without case; hosts without www and in letters, addresses without percent signs.

    Made of facts and of what a rule expects alike.
    """
    if name in HOST_MARKS:
        return host_of(value)
    if name in _ADDRESS_MARKS:
        value = storable(unquote(value, errors="replace"))
    return value.casefold().strip()


def host_of(text: str) -> str:
    """The host in an address, or in what is a host already: folded, letters for punycode, no www, port or last dot.

    Empty where there is none.
    """
    parts = _split(storable(text[:LONGEST_ADDRESS]))
    try:
        host = (parts.hostname if parts else None) or ""
    except ValueError:
        return ""
    if ":" in host:  # an address of IPv6
        return f"[{host.casefold()}]"
    labels = [_letters(label) for label in host[:LONGEST_HOST].casefold().split(".") if label]
    while len(labels) > 2 and labels[0] in ("www", "*"):
        del labels[0]
    host = storable(".".join(labels))
    return "" if _NO_HOST.search(host) else host


def domain_in_letters(domain: str) -> str:
    """A domain as people read it: its labels in letters where they are well-formed punycode, as typed elsewhere."""
    return ".".join(_readable(label) for label in domain.split("."))


def domain_as_sent(domain: str) -> str:
    """A site's domain as browsers name it in ``location`` and ``Origin``: punycode for letters beyond ASCII, no www."""
    labels = domain.removeprefix("www.").split(".")
    return ".".join(label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in labels)


def _readable(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        letters = label.removeprefix("xn--").encode("ascii").decode("punycode").lower()
        # What does not come out as it went in is another domain.
        same = "xn--" + letters.encode("punycode").decode() == label
    except (UnicodeError, ValueError, OverflowError):
        return label
    return letters if same and not letters.isascii() and re.fullmatch(r"[\w-]+", letters) else label


def _letters(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        letters = label.removeprefix("xn--").encode("ascii").decode("punycode").casefold()
    except (UnicodeError, ValueError, OverflowError):
        return label
    return label if letters.isascii() or "." in letters else letters


def _path_of(url: str) -> str:
    parts = _split(url)
    return (parts.path or "/") if parts and url else ""


def _split(text: str) -> SplitResult | None:
    """The address in its parts; what begins with neither a scheme nor a slash begins with a host."""
    text = text.strip()
    try:
        return urlsplit(text if _SCHEME.match(text) or text.startswith("/") else f"//{text}")
    except ValueError:
        return None


def _same_site(one: str, other: str) -> bool:
    """True for one host, or a host and its subdomain."""
    return bool(one and other) and (one == other or one.endswith("." + other) or other.endswith("." + one))


def _clean(address: str | None) -> str:
    return storable((address or "")[:LONGEST_ADDRESS]).strip()


def _parameters(url: str) -> Iterator[tuple[str, str]]:
    """(name, decoded value) of each known parameter that says something, the first of a name only."""
    seen: set[str] = set()
    for found in _PARAMETER.finditer(url[:LONGEST_INPUT]):
        name, value = found[1].lower(), found[2]
        # A plus sign is a letter of base64.
        value = decode_mark(value if name == "_openstat" else value.replace("+", " "))
        if value and name not in seen:
            seen.add(name)
            yield name, value


def _openstat(value: str) -> dict[str, str]:
    """The parts of an openstat mark, service;campaign;ad;source, which is written plainly or as base64."""
    if ";" not in value:
        packed = value.replace("+", "-").replace("/", "_").rstrip("=")
        try:
            value = urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
        except ValueError:
            return {}
    parts = (decode_mark(part) for part in value.split(";", 3)) if ";" in value else ()
    return {name: part for name, part in zip(OPENSTAT_MARKS, parts, strict=False) if part}
