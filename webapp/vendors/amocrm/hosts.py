"""The one place that makes an amoCRM address: what may be called, and how a domain becomes a URL (contract, 1.8)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

#: Everything the product may call.
HOSTS = ("*.amocrm.ru", "*.amocrm.com", "*.kommo.com")

#: What stands for the account's domain in the two addresses before it is known.
PLACEHOLDER = "YOURDOMAIN"
URL_TEMPLATE = f"https://{PLACEHOLDER}.amocrm.ru"
EXCHANGE_PATH = "/oauth2/access_token"

_HOST = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.(?:amocrm\.ru|amocrm\.com|kommo\.com)")
_SUBDOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

#: Hosts of the vendor itself: nobody's account.
_OWN = {"www", "api", "gso", "forms", "amojo", "piper"}


def clean_domain(written: str, extra: Iterable[str] = ()) -> str:
    """The account's host out of what was typed or pasted: an address, a host, the account's name alone. For a listed
    extra host scheme, host and port. Raises ValueError."""
    typed = written.strip().lower()
    if not typed or len(typed) > 2000 or "\\" in typed or "@" in typed:
        raise ValueError(f"not an account's domain: {written!r}")
    try:
        parts = urlsplit(typed if "://" in typed else f"//{typed}")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise ValueError(f"not an account's domain: {written!r}") from None
    scheme = parts.scheme or "http"
    listed = {pair.casefold() for pair in extra}
    if scheme in ("http", "https") and f"{host}:{port or (443 if scheme == 'https' else 80)}" in listed:
        return f"{scheme}://{host}" + (f":{port}" if port else "")
    if _SUBDOMAIN.fullmatch(host) and "." not in typed.partition("/")[0]:
        host = f"{host}.amocrm.ru"
    if port not in (None, 443) or parts.scheme not in ("", "https", "http") or not _HOST.fullmatch(host):
        raise ValueError(f"not an account's domain: {written!r}")
    if host.partition(".")[0] in _OWN:
        raise ValueError(f"not an account's domain: {written!r}")
    return host


def origin(domain: str) -> str:
    """Scheme and host of a clean domain."""
    return domain if "://" in domain else f"https://{domain}"


def urls(domain: str) -> tuple[str, str]:
    """«AmoCRM URL» and «Token URL» of a clean domain; with the placeholder when there is none."""
    base = origin(domain) if domain else URL_TEMPLATE
    return base, base + EXCHANGE_PATH


def check_url(url: str, extra: Iterable[str] = ()) -> str:
    """An address as edited by hand, without a slash at its end. Raises ValueError unless its host is an account's."""
    text = url.strip()
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"not an address: {url!r}")
    domain = clean_domain(f"{parts.scheme}://{parts.netloc}", extra)
    if not re.fullmatch(r"[\w./-]*", parts.path, re.ASCII) or ".." in parts.path:
        raise ValueError(f"not an address: {url!r}")
    return (origin(domain) + parts.path).rstrip("/")
