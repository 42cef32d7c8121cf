"""What the integration page tells of a connection: how it stands, its webhook, its reconciliations."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import g, url_for
from flask_babel import gettext as _
from sqlalchemy import select

from webapp.authorizations import callback_path
from webapp.extensions import db
from webapp.jobs.reconcile import PARTIAL
from webapp.models import Authorization, AuthorizationState, Integration, Reconciliation
from webapp.vendors import registry

from .addresses import public_url, settings
from .connection_input import AuthorizationInput
from .integration_page import Status
from .locale import day_and_time

#: Reconciliations that the page shows.
SHOWN = 5

#: The state of our own webhook on the vendor's side.
HOOK_WORDS = {
    "ok": "ok",
    "disabled": "refused",
    "missing": "refused",
    "incomplete": "attention",
}


def context(integration: Integration, typed: AuthorizationInput | None = None) -> dict[str, Any]:
    """Everything that the parts of the page about the connection show; nothing for a vendor without one."""
    connection = registry()[integration.vendor].connection
    if connection is None:
        return {"connection": None}
    authorization = integration.authorization
    allow_consent(integration)
    return {
        "connection": connection,
        "authorization": authorization,
        "authorizations": authorizations(integration),
        "auth": typed or AuthorizationInput.of(integration, authorization),
        "auth_status": auth_status(integration),
        "auth_problem": problem(integration),
        "redirect_uri": public_url(callback_path(integration.vendor)),
        "disabled_url": public_url(f"/oauth/{integration.vendor}/disabled"),
        "hook_status": hook_status(integration),
        "with_text": bool((integration.options or {}).get("with_text")),
        "reconciliations": reconciliations(integration),
        "fields_url": url_for("connections.fields", slug=g.account.slug, key=integration.key),
    }


def allow_consent(integration: Integration) -> None:
    """Let this page's forms end on the vendor's consent page: browsers apply form-action to where a form redirects."""
    consent = registry()[integration.vendor].connection.consent_url(settings(), "", "")
    parts = urlsplit(consent)
    g.form_targets = (f"{parts.scheme}://{parts.netloc}",)


def authorizations(integration: Integration) -> list[Authorization]:
    """Those of the account that this integration could use."""
    return list(
        db.session.scalars(
            select(Authorization)
            .where(Authorization.account_id == integration.account_id, Authorization.vendor == integration.vendor)
            .order_by(Authorization.name, Authorization.id)
        )
    )


def auth_status(integration: Integration) -> Status:
    """The state of the connection in one pill."""
    authorization = integration.authorization
    if authorization is None:
        return Status("quiet", _("Не настроена"))
    if authorization.state == AuthorizationState.BROKEN:
        return Status("refused", _("Нужно подключить заново"))
    if authorization.state == AuthorizationState.DISCONNECTED:
        return Status("quiet", _("Отключена"))
    if not authorization.connected:
        return Status("attention", _("Не подключена"))
    if authorization.problem:
        return Status("attention", _("Подключена, но есть помеха"))
    return Status("ok", _("Подключена"))


def problem(integration: Integration) -> str | None:
    """What is wrong with the connection and what to do, in a sentence or two."""
    authorization = integration.authorization
    if authorization is None or not authorization.problem:
        return None
    connection = registry()[integration.vendor].connection
    return str(connection.explain(authorization.problem))


def hook_status(integration: Integration) -> Status | None:
    """How the webhook that we subscribed stands there; None when we subscribed none."""
    state = integration.hook_state
    if state is None:
        return None
    when = day_and_time(integration.hook_checked_at)
    texts = {
        "ok": _("Подписан нами · проверен %(when)s", when=when),
        "disabled": _("Отключён в %(vendor)s", vendor=registry()[integration.vendor].title),
        "missing": _("В %(vendor)s его нет", vendor=registry()[integration.vendor].title),
        "incomplete": _("Подписан не на все события"),
    }
    return Status(HOOK_WORDS.get(state, "attention"), texts.get(state, state))


def reconciliations(integration: Integration) -> list[dict[str, Any]]:
    """The latest looks for what was missed, with their end in words."""
    rows = db.session.scalars(
        select(Reconciliation)
        .where(Reconciliation.integration_id == integration.id)
        .order_by(Reconciliation.finished_at.is_(None).desc(), Reconciliation.id.desc())
        .limit(SHOWN)
    ).all()
    connection = registry()[integration.vendor].connection
    return [{"row": row, "problem": _problem_of(row, connection), "scheduled": row.ordered_by is None} for row in rows]


def _problem_of(row: Reconciliation, connection: Any) -> str | None:
    if not row.problem:
        return None
    if row.cursor:
        # Whatever it says, it is not the whole.
        said = "" if row.problem == PARTIAL else str(connection.explain(row.problem))
        part = _(
            "Прочитана часть списка бесед с %(since)s по %(until)s: просмотрено %(seen)s, пропущенных %(found)s. "
            "Продолжим с того же места.",
            since=day_and_time(row.since), until=day_and_time(row.through), seen=row.seen, found=row.found,
        )  # fmt: skip
        return f"{part} {said}".strip()
    return _("Интеграция выключена.") if row.problem == "off" else str(connection.explain(row.problem))
