"""Writes accounts in the form of the configuration file, so that applying it to the same accounts changes nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from webapp.cabinets.embedded.rules import rules_to_config
from webapp.models import KINDS, Account, Authorization, CabinetKind, Integration, Target, TargetKind
from webapp.vendors import registry

from .config_alerts import export_alerts
from .config_apply import ACCOUNT_FIELDS, VISITS_COLUMNS
from .config_connections import export_authorization, export_connection


def export(session: Session, *, account_id: int | None = None, secrets: bool = False) -> dict[str, Any]:
    """One account, or all of them. What is archived is left out; webhook secrets only with ``secrets``."""
    query = select(Account).order_by(Account.id)
    if account_id is not None:
        query = query.where(Account.id == account_id)
    return {"accounts": [_account(session, account, secrets) for account in session.scalars(query).all()]}


def _account(session: Session, account: Account, secrets: bool) -> dict[str, Any]:
    keys: dict[str, dict[int, str]] = {}
    lists: dict[str, list[Any]] = {}
    for name, table in KINDS.items():
        rows = session.scalars(select(table).where(table.account_id == account.id).order_by(table.id)).all()
        # Archived entries have keys too: something may still point to them.
        keys[name] = {row.id: row.key for row in rows}
        lists[name] = [row for row in rows if row.archived_at is None]
    integrations = session.scalars(
        select(Integration)
        .options(selectinload(Integration.mappings), selectinload(Integration.widgets))
        .where(Integration.account_id == account.id, Integration.archived_at.is_(None))
        .order_by(Integration.id)
    )
    outside = account.cabinet_kind == CabinetKind.DATAAPI
    settings = {name: getattr(account, name) for name in ACCOUNT_FIELDS}
    return {
        "slug": account.slug,
        **settings,
        "visits": {name: getattr(account, column) for name, column in VISITS_COLUMNS.items()},
        "alerts": export_alerts(session, account, secrets),
        "cabinet": _cabinet(account, secrets),
        **({} if outside else _directory(lists, keys)),
        **_authorizations(session, account, secrets),
        "integrations": [_integration(row, keys, secrets, outside) for row in integrations],
    }


def _cabinet(account: Account, secrets: bool) -> dict[str, Any]:
    told = {"kind": str(account.cabinet_kind)}
    if account.cabinet_kind == CabinetKind.DATAAPI:
        told["url"] = str(account.cabinet_url)
        if secrets:
            told["access_token"] = str(account.cabinet_access_token)
    return told


def _directory(lists: dict[str, list[Any]], keys: dict[str, dict[int, str]]) -> dict[str, list[Any]]:
    """The account's own lists; an outside cabinet's are not in the file."""
    return {
        "sites": [{"key": row.key, "domain": row.domain, "name": row.name} for row in lists["sites"]],
        "campaigns": [
            {"key": row.key, "site": keys["sites"].get(row.site_id), **_ruled(row)} for row in lists["campaigns"]
        ],
        "sources": [{"key": row.key, **_ruled(row)} for row in lists["sources"]],
        "employees": [{"key": row.key, "full_name": row.full_name, "email": row.email} for row in lists["employees"]],
    }


def _authorizations(session: Session, account: Account, secrets: bool) -> dict[str, Any]:
    rows = session.scalars(
        select(Authorization).where(Authorization.account_id == account.id).order_by(Authorization.id)
    ).all()
    return {"authorizations": [export_authorization(row, secrets) for row in rows]} if rows else {}


def _ruled(row: Any) -> dict[str, Any]:
    return {"name": row.name, "priority": row.priority, "rules": rules_to_config(row.rules or [])}


def _integration(row: Integration, keys: dict[str, dict[int, str]], secrets: bool, outside: bool) -> dict[str, Any]:
    secret = {"webhook_secret": row.webhook_secret} if secrets else {}
    untouched = row.kind == TargetKind.CAMPAIGN and row.campaign_id is None
    return {
        "key": row.key,
        "vendor": row.vendor,
        "name": row.name,
        "active": row.active,
        **secret,
        **(_handover(row) if outside else {}),
        "employee": keys["employees"].get(row.employee_id),
        **export_connection(row),
        "fallback": None if untouched else _target(row, keys),
        "fill_without_campaign": row.fill_without_campaign,
        "channels": [{"channel": mapping.channel, **_target(mapping, keys)} for mapping in row.mappings],
        "widgets": row.widget_channels,
        "options": _options(row),
    }


def _handover(row: Integration) -> dict[str, Any]:
    known = row.handover or {}
    return {"tag": known.get("tag"), "upload_sessions": bool(known.get("upload_sessions"))}


def _target(row: Target, keys: dict[str, dict[int, str]]) -> dict[str, Any]:
    if row.kind == TargetKind.CAMPAIGN:
        return {"kind": "campaign", "campaign": keys["campaigns"].get(row.campaign_id)}
    return {
        "kind": "source",
        "source": keys["sources"].get(row.source_id),
        "site": keys["sites"].get(row.site_id),
    }


def _options(row: Integration) -> dict[str, Any]:
    """The vendor's own options that its form knows today."""
    vendor = registry().get(row.vendor)
    known = vendor.OptionsForm() if vendor else {}
    return {name: value for name, value in (row.options or {}).items() if name in known}
