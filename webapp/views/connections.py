"""The connection of an integration: its authorization, its webhook on the vendor's side, its lead fields."""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, flash, g, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from sqlalchemy import select

from webapp import audit, authorizations, queue
from webapp.authorizations import OpenLink, callback_path
from webapp.extensions import db
from webapp.jobs import ask_refused, check_authorization, reconcile
from webapp.models import Authorization, AuthorizationState, Integration, Role, utc_now
from webapp.vendors import registry
from webapp.vendors.connection import ConnectionProblem

from .access import member
from .addresses import public_url, settings
from .confirmation import confirmed
from .connection_input import AuthorizationInput, offered_fields
from .integrations import find, page
from .partial import done, is_partial, page_or_block

blueprint = Blueprint("connections", __name__, url_prefix="/a/<slug>/integrations/<key>")

#: Consents that one browser may have begun at a time.
MOST_CONSENTS = 5

PAGE, CARD = "integrations/show.html", "integrations/authorization.html"


@blueprint.post("/authorization")
@member(Role.EDITOR)
def save(key: str) -> Any:
    """Save the authorization; «Подставить домен» and typing into the domain only show what would be saved."""
    integration = _integration(key)
    row = integration.authorization
    typed = AuthorizationInput.read(integration, row, request.form)
    if request.form.get("action") == "preview":
        typed.substitute()
        return _show("authorization_urls", integration, typed)
    if not typed.validate():
        return _show("authorization_card", integration, typed, invalid=True)
    row, changes = typed.save()
    row.redirect_uri = public_url(callback_path(integration.vendor))
    authorizations.tie(integration, row)
    if changes:
        _record("authorization.change", integration, {"connection": row.key, **changes})
    number, vendor = row.id, integration.vendor
    is_tried = row.connected and "long_lived_token" in changes
    if row.may_be_tried and changes.keys() & {"client_secret", "token_url"}:
        row.try_again()
        is_tried = True
    db.session.commit()
    if is_tried:
        _check(number, vendor)
    else:
        flash(_("Авторизация сохранена."), "ok")
    return _back(key)


@blueprint.post("/authorization/use")
@member(Role.EDITOR)
def use(key: str) -> Any:
    """Use another of the account's authorizations, or none: then the form is that of a new one."""
    integration, wanted = _integration(key), request.form.get("authorization", "")
    row = db.session.scalar(
        select(Authorization).where(
            Authorization.account_id == g.account.id,
            Authorization.vendor == integration.vendor,
            Authorization.key == wanted,
        )
    )
    if wanted and row is None:
        abort(404)
    before = integration.authorization.key if integration.authorization else None
    authorizations.tie(integration, row)
    _record("authorization.use", integration, {"connection": [before, wanted or None]})
    if row is not None and row.connected:
        queue.enqueue(db.session, check_authorization.NAME, row.id, key=f"{row.id}:{int(time.time()) // 10}")
    db.session.commit()
    return _back(key)


@blueprint.post("/authorization/connect")
@member(Role.EDITOR)
def connect(key: str) -> Any:
    """«Подключить»: on to the vendor's consent page, with a state that this browser may bring back once."""
    integration = _integration(key)
    row = integration.authorization
    if row is None or not (row.client_id and row.client_secret):
        flash(_("Сначала сохраните авторизацию: нужны ID интеграции и секретный ключ."), "attention")
        return _back(key)
    state = secrets.token_urlsafe(24)
    row.consent_hash = hash_state(state)
    row.redirect_uri = public_url(callback_path(integration.vendor))
    db.session.commit()
    begun = dict(session.get("consents") or {})
    begun[state] = [row.id, key]
    session["consents"] = dict(list(begun.items())[-MOST_CONSENTS:])
    url = registry()[integration.vendor].connection.consent_url(settings(), row.client_id, state)
    return done(url) if is_partial() else redirect(url, 303)


@blueprint.post("/authorization/disconnect")
@member(Role.EDITOR)
@confirmed(_l("Отключить авторизацию? Данные из сделок перестанут приходить."), _l("Отключить"))
def disconnect(key: str) -> Any:
    """Give the tokens up. The settings stay: connecting anew is one click."""
    integration = _integration(key)
    row = integration.authorization
    if row is not None:
        row.forget_tokens(AuthorizationState.DISCONNECTED)
        row.long_lived = False
        row.say_problem(None)
        _record("authorization.disconnect", integration, {"connection": [row.key, None]})
        db.session.commit()
        flash(_("Авторизация отключена. Настройки остались: подключить снова можно одной кнопкой."), "ok")
    return _back(key)


@blueprint.post("/authorization/check")
@member(Role.EDITOR)
def check(key: str) -> Any:
    """Ask now whether the connection works; the user waits for the answer."""
    integration = _integration(key)
    row = integration.authorization
    if row is None or not (row.connected or row.may_be_tried):
        flash(_("Авторизация не подключена."), "attention")
    else:
        row.try_again()
        number, vendor = row.id, row.vendor
        queue.enqueue(db.session, check_authorization.NAME, number, key=f"{number}:{int(time.time()) // 10}")
        db.session.commit()
        _check(number, vendor)
    return _back(key)


@blueprint.get("/fields")
@member(Role.VIEWER)
def fields(key: str) -> str:
    """The lead fields that fit what is being typed."""
    integration = _integration(key)
    typed = request.args.get("q", request.args.get("session_field_text", ""))
    options, total = offered_fields(integration, typed)
    return render_template("fragments/options.html", options=options, total=total, query=typed)


@blueprint.post("/fields/refresh")
@member(Role.EDITOR)
def refresh_fields(key: str) -> Any:
    """Read the lead fields anew."""
    _with_link(
        _integration(key),
        lambda link, number: authorizations.read_fields(link, number),
        _("Список полей обновлён."),
    )
    return _back(key, "session-field")


@blueprint.post("/fields/create")
@member(Role.EDITOR)
def create_field(key: str) -> Any:
    """«Создать поле за меня», and choose it."""
    integration = _integration(key)

    def create(link: OpenLink, number: int) -> None:
        made = link.connection.create_field(link)
        authorizations.read_fields(link, number)
        chosen = _integration(key)
        before = (chosen.options or {}).get("session_field")
        chosen.options = {**(chosen.options or {}), "session_field": made.id}
        _record("integration.change", chosen, {"session_field": [before, made.id]})
        db.session.commit()

    _with_link(integration, create, _("Поле создано в сделках и выбрано. Это уже сохранено."))
    return _back(key, "session-field")


@blueprint.post("/hook")
@member(Role.EDITOR)
def subscribe(key: str) -> Any:
    """Subscribe our webhook by one click (B8)."""
    integration = _integration(key)
    with_text = request.form.get("with_text") == "y"
    address = public_url(integration.hook_path())

    def subscribe_it(link: OpenLink, _number: int) -> None:
        state = link.connection.subscribe(link, address, with_text)
        chosen = _integration(key)
        chosen.options = {**(chosen.options or {}), "with_text": with_text}
        chosen.hook_state, chosen.hook_checked_at = state, utc_now()
        _record("integration.hook", chosen, {"hook": [None, state], "with_text": [None, with_text]})
        db.session.commit()

    _with_link(integration, subscribe_it, _("Вебхук подписан."))
    return _back(key, "settings")


@blueprint.post("/reconcile")
@member(Role.EDITOR)
def order_reconciliation(key: str) -> Any:
    """Look for conversations of some days that ended unheard (B3)."""
    integration = _integration(key)
    since, until = (_day(request.form.get(name)) for name in ("since", "until"))
    if since is None or until is None or until < since:
        flash(_("Укажите дни: первый не позже последнего."), "refused")
        return _back(key, "reconcile")
    zone = ZoneInfo(g.account.timezone)
    begin = datetime.combine(since, datetime.min.time(), zone)
    end = min(datetime.combine(until, datetime.max.time(), zone), utc_now())
    reconcile.order(db.session(), integration, begin, end, current_user.email)
    _record("integration.reconcile", integration, {"days": [since.isoformat(), until.isoformat()]})
    db.session.commit()
    flash(_("Сверка началась. Найденное появится в «Обращениях и целях»."), "ok")
    return _back(key, "reconcile")


def hash_state(state: str) -> str:
    """What is kept of a consent's state. It has 192 random bits, so a plain hash is enough."""
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()


def _show(block: str, integration: Integration, typed: AuthorizationInput, *, invalid: bool = False) -> Any:
    """What was typed, as it stands: the whole page, or to htmx the part of it."""
    context = page(integration, auth=typed) | {"auth_errors": typed.errors, "unread": typed.problems.get("domain")}
    return page_or_block(CARD if is_partial() else PAGE, block, invalid=invalid, **context)


def _integration(key: str) -> Integration:
    """The integration of this key; to a vendor without a connection these addresses do not exist."""
    integration = find(key)
    if registry()[integration.vendor].connection is None:
        abort(404)
    return integration


def _with_link(integration: Integration, work: Any, success: str) -> None:
    """Do something on the vendor's server that the user waits for, no transaction open; say how it ended."""
    row = integration.authorization
    connection = registry()[integration.vendor].connection
    if row is None or not row.connected:
        flash(_("Сначала подключите авторизацию."), "attention")
        return
    number, vendor = row.id, row.vendor
    db.session.rollback()
    try:
        work(OpenLink(db.engine, settings(), number, vendor), number)
        flash(success, "ok")
    except ConnectionProblem as problem:
        flash(str(connection.explain(problem.code)), "refused")


def _check(number: int, vendor: str) -> None:
    """Ask whose connection it is; say how it stands. No transaction may be open meanwhile."""
    db.session.rollback()
    link = OpenLink(db.engine, settings(), number, vendor)
    try:
        check_authorization.check(db.session(), link, number)
        queue.enqueue(db.session, ask_refused.NAME, number, key=f"{number}:{int(time.time()) // 10}")
        db.session.commit()
        flash(_("Подключение работает."), "ok")
    except ConnectionProblem as problem:
        if not problem.needs_consent:
            authorizations.say_problem(db.engine, number, problem.code, problem.detail)
        flash(str(link.connection.explain(problem.code)), "refused")


def _day(text: str | None) -> Any:
    try:
        found = datetime.strptime(text or "", "%Y-%m-%d").date()
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None


def _back(key: str, anchor: str = "authorization") -> Any:
    return done(url_for("integrations.show", slug=g.account.slug, key=key, _anchor=anchor))


def _record(action: str, integration: Integration, changes: dict[str, Any]) -> None:
    audit.record(
        db.session, integration.account_id, user=current_user, action=action, subject=integration.name, changes=changes
    )
