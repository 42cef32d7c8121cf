"""Where the Data API is: the hosts of the contract, and stand-ins that the installation allows."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

#: The project behind each host. A key of one is not valid on another.
HOSTS = {"dataapi.comagic.ru": "CoMagic", "dataapi.uiscom.ru": "UIS", "dataapi.callgear.com": "CallGear"}

VERSION = "/v2.0"


def address_of(host: str) -> str:
    """The address of one of HOSTS."""
    return f"https://{host}{VERSION}"


def clean_address(text: str, extra: Iterable[str] = ()) -> str:
    """The address of a Data API: a host of HOSTS, or one of ``extra`` (host:port), where plain http is allowed.

    Without a path it gets the version's. Raises ValueError for anything else.
    """
    written = text.strip().rstrip("/")
    try:
        parts = urlsplit(written if "//" in written else f"https://{written}")
        host, port = (parts.hostname or "").casefold(), parts.port
    except ValueError:
        raise ValueError("not an address") from None
    if parts.query or parts.fragment or parts.username or parts.scheme not in ("http", "https"):
        raise ValueError("not the address of a Data API")
    path = parts.path or VERSION
    pair = f"{host}:{port or (443 if parts.scheme == 'https' else 80)}"
    if pair in {one.casefold() for one in extra}:
        return f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}"
    if host in HOSTS and parts.scheme == "https" and port in (None, 443):
        return f"https://{host}{path}"
    raise ValueError("not the address of a Data API")
