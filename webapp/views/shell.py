"""What every page of the shell needs: the accounts of the user, counts beside the menu, formats."""

from __future__ import annotations

from typing import Any

from flask import Flask, g, request
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy import func, select

from webapp import events
from webapp.alerts.checks import DELIVERY_PAUSED
from webapp.alerts.messages import sentence
from webapp.audit_words import audit_action, audit_change, audit_field
from webapp.cabinets.dataapi import line, words
from webapp.detail_words import detail_name, detail_value
from webapp.extensions import db
from webapp.models import Account, Alert, CabinetKind, EventState, Integration, Membership, Role, WebhookEvent
from webapp.report.columns import decided_elsewhere
from webapp.wording import channel_name, phone_number, rule_name, type_name

from . import locale
from .addresses import public_url
from .rules_words import condition_sentence, condition_text, mark_name

#: A count beside the menu is worth no more work than this.
LARGEST_COUNT = 100

#: Alerts that stand on every page; the others are on their own.
MOST_ALERTS = 3


def init_app(app: Flask) -> None:
    """Give the templates their filters and common values."""
    app.add_template_filter(locale.day_and_time)
    app.add_template_filter(locale.exact_time)
    app.add_template_filter(locale.day)
    app.add_template_filter(locale.clock)
    app.add_template_filter(locale.number)
    app.add_template_filter(channel_name)
    app.add_template_filter(rule_name)
    app.add_template_filter(type_name)
    app.add_template_filter(phone_number)
    app.add_template_filter(decided_elsewhere)
    app.add_template_filter(detail_name)
    app.add_template_filter(detail_value)
    app.add_template_filter(audit_action)
    app.add_template_filter(audit_field)
    app.add_template_filter(audit_change)
    app.add_template_filter(condition_text)
    app.add_template_filter(condition_sentence)
    app.add_template_filter(mark_name)

    @app.context_processor
    def common() -> dict[str, Any]:
        account = g.get("account")
        role = g.get("role")
        return {
            "account": account,
            "accounts": _accounts() if current_user and current_user.is_authenticated else [],
            "role": role,
            "can_edit": bool(role and role.covers(Role.EDITOR)),
            "is_owner": role is Role.OWNER,
            "nav_counts": _counts(account) if account else {},
            "open_alerts": _open_alerts(account) if account else [],
            "stops": _stops(account) if account else [],
            "language": locale.choose_locale(),
            "languages": locale.LANGUAGES,
            "public_url": public_url,
            "current_path": request.full_path.rstrip("?"),
        }


def _accounts() -> list[Account]:
    query = select(Account).join(Membership).where(Membership.user_id == current_user.id).order_by(Account.name)
    return list(db.session.scalars(query))


def _open_alerts(account: Account) -> list[str]:
    """What is wrong now and nobody has said that they know, in sentences; one more than are shown."""
    alerts = db.session.scalars(
        select(Alert)
        .where(
            Alert.account_id == account.id,
            Alert.opened_at.is_not(None),
            Alert.closed_at.is_(None),
            Alert.hidden_at.is_(None),
            # Said by cabinet/stops.html, with more words.
            Alert.name != DELIVERY_PAUSED,
        )
        .order_by(Alert.opened_at.desc())
        .limit(MOST_ALERTS + 1)
    )
    return [sentence(alert) for alert in alerts]


def _stops(account: Account) -> list[dict[str, Any]]:
    """Why the outside cabinet takes nothing at the moment: what, since when, what to do."""
    if account.cabinet_kind == CabinetKind.EMBEDDED:
        return []
    return [
        {"advice": words.stop({**one.facts, "mnemonic": one.reason}), "since": one.since, "scope": one.scope}
        for one in line.pauses(db.session(), account.id)
    ]


def _counts(account: Account) -> dict[str, Any]:
    integrations = db.session.scalar(
        select(func.count())
        .select_from(Integration)
        .where(Integration.account_id == account.id, Integration.archived_at.is_(None))
    )
    failed = events.count(db.session(), EventState.FAILED, WebhookEvent.account_id == account.id, most=LARGEST_COUNT)
    counts: dict[str, Any] = {"integrations.index": integrations or None}
    if failed:
        text = f"{failed}+" if failed == LARGEST_COUNT else ngettext("%(num)s ошибка", "%(num)s ошибок", failed)
        counts["events.index"] = {"text": text, "attention": True}
    return counts
