"""The part of a configuration file that concerns an account's alerts."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from webapp.alerts.checks import CHECKS
from webapp.alerts.watching import settings_of
from webapp.alerts.ways import set_hook
from webapp.logs import MASK
from webapp.models import Account

from .config_changes import Changes
from .config_schema import AlertsEntry


def apply_alerts(session: Session, account: Account, entry: AlertsEntry, changes: Changes) -> None:
    """Set what the file names. The webhook's address may hold a key, so of it and of the secret only that it changed
    is noted."""
    setting, before = settings_of(session, account), len(changes.fields)
    given = entry.given("off", "unattributed_limit", "emails", "language")
    if "off" in given:
        given["off"] = [check.name for check in CHECKS if check.name in given["off"]]
    if "emails" in given:
        given["emails"] = list(dict.fromkeys(given["emails"]))
    for name, value in given.items():
        changes.set(setting, name, value, f"alerts.{name}")
    if entry.webhook_secret:
        changes.hide(setting, "webhook_secret", str(entry.webhook_secret), "alerts.webhook_secret")
    url = str(entry.webhook_url) if entry.webhook_url else None
    if "webhook_url" in entry.model_fields_set and url != setting.webhook_url:
        changes.fields["alerts.webhook_url"] = [MASK if one else None for one in (setting.webhook_url, url)]
        set_hook(setting, url)
    if len(changes.fields) > before:
        session.add(setting)


def export_alerts(session: Session, account: Account, secrets: bool) -> dict[str, Any]:
    """The account's alerts as the file has them; the webhook only with ``secrets``."""
    setting = settings_of(session, account)
    told: dict[str, Any] = {
        "off": setting.off,
        "unattributed_limit": setting.unattributed_limit,
        "emails": setting.emails,
        "language": setting.language,
    }
    if secrets:
        told["webhook_url"] = setting.webhook_url
    if secrets and setting.webhook_secret:
        told["webhook_secret"] = setting.webhook_secret
    return told
