"""The parts of a configuration file that concern connections: authorizations, and which integration uses which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from webapp import authorizations, queue
from webapp.models import Account, Authorization, AuthorizationState, Integration, hash_secret
from webapp.vendors import registry
from webapp.vendors.connection import Connection

from .config_changes import Changes
from .config_reader import LATER, Placed
from .config_schema import AuthorizationEntry, IntegrationEntry
from .lookup import settings

#: The secrets of an authorization, as the file calls them.
SECRETS = ("client_secret", "access_token", "refresh_token", "long_lived_token")


def check_authorization(
    say: Callable[[str, str], None], placed: Placed[AuthorizationEntry], row: Authorization | None
) -> None:
    """Say what of an authorization does not fit."""
    entry, path = placed.entry, placed.path
    vendor = row.vendor if row else entry.vendor
    if not vendor:
        say(f"{path}.vendor", "is needed for a new authorization")
        return
    if entry.vendor and row is not None and row.vendor != entry.vendor:
        say(f"{path}.vendor", f"is {row.vendor} and cannot be changed; use another key")
        return
    connection = registry()[vendor].connection if vendor in registry() else None
    if connection is None:
        say(
            f"{path}.vendor",
            f'the vendor "{vendor}" {"needs no authorization" if vendor in registry() else "is " + LATER}',
        )
        return
    if row is None and not entry.domain:
        say(f"{path}.domain", "is needed for a new authorization")
    _check_addresses(say, entry, path, connection)
    given = {name for name in SECRETS if getattr(entry, name)}
    if "long_lived_token" in given and given & {"access_token", "refresh_token"}:
        say(f"{path}.long_lived_token", "stands alone: without access_token and refresh_token")
    if "access_token" in given and "refresh_token" not in given:
        say(f"{path}.refresh_token", "is needed with access_token; a token without one is a long_lived_token")
    if "refresh_token" in given and "access_token" not in given:
        say(f"{path}.access_token", "is needed with refresh_token")
    if "refresh_token" in given and not (
        (entry.client_id or (row and row.client_id)) and (entry.client_secret or (row and row.client_secret))
    ):
        say(f"{path}.client_id", "client_id and client_secret are needed to refresh tokens")


def _check_addresses(
    say: Callable[[str, str], None], entry: AuthorizationEntry, path: str, connection: Connection
) -> None:
    extra = settings().EXTRA_VENDOR_HOSTS
    for name, check in (
        ("domain", connection.clean_domain), ("url", connection.check_url), ("token_url", connection.check_url),
    ):  # fmt: skip
        value = getattr(entry, name)
        try:
            if value:
                check(value, extra)
        except ValueError:
            say(f"{path}.{name}", "must be of one of the vendor's hosts, or of one in EXTRA_VENDOR_HOSTS")


def apply_authorization(
    session: Session, account: Account, row: Authorization | None, entry: AuthorizationEntry, changes: Changes
) -> Authorization:
    """Add or change an authorization; gives its row. Tokens that are new make it connected."""
    label = f"authorizations.{entry.key}"
    if row is None:
        row = Authorization(
            account_id=account.id, key=entry.key, vendor=entry.vendor, name=entry.name or entry.key, domain="", url="",
            token_url="", client_id="", long_lived=False, redirect_uri="", state=AuthorizationState.NEW,
        )  # fmt: skip
        session.add(row)
        changes.add(label, entry.vendor)
    if entry.name:
        changes.set(row, "name", str(entry.name), f"{label}.name")
    _addresses(row, entry, changes, label)
    if entry.client_id:
        changes.set(row, "client_id", str(entry.client_id), f"{label}.client_id")
    if entry.client_secret:
        changes.hide(row, "client_secret", str(entry.client_secret), f"{label}.client_secret")
    _tokens(session, row, entry, changes, label)
    return row


def _tokens(session: Session, row: Authorization, entry: AuthorizationEntry, changes: Changes, label: str) -> None:
    """Take the file's tokens, unless they are those it gave before: the vendor has exchanged them since."""
    given = entry.long_lived_token or f"{entry.access_token}\n{entry.refresh_token}".strip()
    digest = hash_secret(given) if given else None
    if digest is None or digest == row.applied_hash:
        return
    before = (row.access_token, row.refresh_token)
    row.applied_hash = digest
    if entry.long_lived_token:
        changes.hide(row, "access_token", str(entry.long_lived_token), f"{label}.long_lived_token")
        row.refresh_token = row.expires_at = None
        row.long_lived = True
    else:
        changes.hide(row, "access_token", str(entry.access_token), f"{label}.access_token")
        changes.hide(row, "refresh_token", str(entry.refresh_token), f"{label}.refresh_token")
        changes.set(row, "expires_at", entry.expires_at, f"{label}.expires_at")
        row.long_lived = False
    if (row.access_token, row.refresh_token) != before:
        row.state = AuthorizationState.CONNECTED
        row.vendor_account_id = row.vendor_account_name = None
        row.say_problem(None)
        session.flush()
        queue.enqueue(session, "check_authorization", row.id)


def _addresses(row: Authorization, entry: AuthorizationEntry, changes: Changes, label: str) -> None:
    connection, extra = authorizations.connection_of(row.vendor), settings().EXTRA_VENDOR_HOSTS
    if entry.domain:
        domain = connection.clean_domain(entry.domain, extra)
        if domain != row.domain:
            row.url, row.token_url = connection.urls(domain)
        changes.set(row, "domain", domain, f"{label}.domain")
    for name in entry.given("url", "token_url"):
        changes.set(row, name, connection.check_url(getattr(entry, name), extra), f"{label}.{name}")


def apply_connection(
    row: Integration,
    entry: IntegrationEntry,
    known: Mapping[str, Authorization],
    changes: Changes,
    label: str,
) -> None:
    """Which authorization an integration uses, and the number of the field with the session."""
    if "authorization" in entry.model_fields_set:
        wanted = known[entry.authorization] if entry.authorization else None
        if row.authorization is not wanted:
            before = row.authorization.key if row.authorization else None
            changes.fields[f"{label}.authorization"] = [before, wanted.key if wanted else None]
            authorizations.tie(row, wanted)
    if "session_field" in entry.model_fields_set:
        options = dict(row.options or {})
        before = options.get("session_field")
        if before != entry.session_field:
            row.options = options | {"session_field": entry.session_field}
            changes.fields[f"{label}.session_field"] = [before, entry.session_field]


def export_authorization(row: Authorization, secrets: bool) -> dict[str, Any]:
    """An authorization as the file has it; its secrets only with ``secrets``."""
    connection = authorizations.connection_of(row.vendor)
    found: dict[str, Any] = {"key": row.key, "vendor": row.vendor, "name": row.name, "domain": row.domain}
    if (row.url, row.token_url) != connection.urls(row.domain):
        found |= {"url": row.url, "token_url": row.token_url}
    if row.client_id:
        found["client_id"] = row.client_id
    if secrets and row.client_secret:
        found["client_secret"] = row.client_secret
    if secrets and row.long_lived and row.access_token:
        found["long_lived_token"] = row.access_token
    elif secrets and row.access_token and row.refresh_token:
        found |= {"access_token": row.access_token, "refresh_token": row.refresh_token}
        found["expires_at"] = row.expires_at.isoformat() if row.expires_at else None
    return found


def export_connection(row: Integration) -> dict[str, Any]:
    """What an integration says of its connection; nothing for a vendor without one."""
    if row.vendor not in registry() or registry()[row.vendor].connection is None:
        return {}
    return {
        "authorization": row.authorization.key if row.authorization else None,
        "session_field": (row.options or {}).get("session_field"),
    }
