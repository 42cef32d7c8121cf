"""Where alerts may be told: what an address may look like, on the page and in the configuration file."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from email_validator import validate_email

from webapp.models import AlertSetting

MOST_ADDRESSES, LONGEST_HOOK = 10, 500


def clean_email(text: str) -> str:
    """An e-mail address in the one form it is kept in. Raises ValueError; asks no server."""
    return validate_email(text, check_deliverability=False, test_environment=True).normalized.casefold()


def check_hook(url: str, extra_hosts: Collection[str]) -> None:
    """Raise ValueError("address") for what is no https address, ValueError("password") for one with a name or password
    in it. Where it leads is looked at when it is called."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        raise ValueError("address") from None
    if not host or (parts.scheme != "https" and f"{host}:{port}" not in extra_hosts):
        raise ValueError("address")
    if parts.username or parts.password:
        raise ValueError("password")


def set_hook(setting: AlertSetting, url: str | None) -> None:
    """Let the account's webhook lead there; requests to it are signed from the first one on."""
    setting.webhook_url = url
    if url and not setting.webhook_secret:
        setting.webhook_secret = secrets.token_urlsafe(32)
