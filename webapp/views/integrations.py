"""«Интеграции»: the list, and the page that is the set-up guide made live."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy import select

from webapp import audit, queue
from webapp.cabinets import cabinet_of
from webapp.conversation import CHANNELS
from webapp.extensions import db
from webapp.http import Client
from webapp.models import Integration, Role, utc_now
from webapp.vendors import registry

from . import connection_page, what_if
from . import integration_page as pages
from .access import member
from .addresses import own_url
from .communications import heading, trail_of
from .confirmation import confirmed
from .connection_input import AuthorizationInput
from .directory import free_key
from .directory_search import has_none
from .hooks import test_header
from .integration_settings import SettingsInput
from .locale import day_and_time
from .partial import done, is_partial, page_or_block
from .site_script import site_script

blueprint = Blueprint("integrations", __name__, url_prefix="/a/<slug>/integrations")
log = structlog.get_logger()

#: Removed integrations that the list offers to take back.
MOST_REMOVED = 20


@blueprint.get("")
@member(Role.VIEWER)
def index() -> str:
    """All connections of the account."""
    found = db.session.scalars(
        select(Integration)
        .where(Integration.account_id == g.account.id, Integration.archived_at.is_(None))
        .order_by(Integration.id)
    ).all()
    rows = [
        {
            "integration": integration,
            "vendor": registry()[integration.vendor],
            "status": pages.status(integration),
            "latest": pages.latest(integration),
        }
        for integration in found
    ]
    removed = db.session.scalars(
        select(Integration)
        .where(Integration.account_id == g.account.id, Integration.archived_at.is_not(None))
        .order_by(Integration.archived_at.desc())
        .limit(MOST_REMOVED)
    ).all()
    return render_template("integrations/list.html", rows=rows, removed=removed if g.role.covers(Role.OWNER) else ())


@blueprint.route("/new", methods=["GET", "POST"])
@member(Role.EDITOR)
def new() -> Any:
    """Choose a vendor; the integration begins switched off."""
    vendor = registry().get(request.form.get("vendor", ""))
    if request.method == "POST":
        if vendor is None:
            abort(400)
        same = db.session.scalars(
            select(Integration.id).where(Integration.account_id == g.account.id, Integration.vendor == vendor.name)
        ).all()
        integration = Integration(
            account_id=g.account.id,
            vendor=vendor.name,
            key=free_key(Integration, g.account.id, vendor.name),
            name=f"{vendor.title} {len(same) + 1}" if same else vendor.title,
        )
        integration.set_secret()
        db.session.add(integration)
        _record("integration.add", integration, {})
        db.session.commit()
        return done(url_for("integrations.show", slug=g.account.slug, key=integration.key))
    return render_template("integrations/new.html", vendors=registry().values())


@blueprint.get("/<key>")
@member(Role.VIEWER)
def show(key: str) -> Any:
    """The page of one integration."""
    integration = find(key)
    typed = SettingsInput.of(integration)
    # A suggestion leads here with a row for its messenger begun.
    offered = request.args.get("offer", "").replace("\0", "")
    begun = g.role.covers(Role.EDITOR) and bool(offered) and typed.offer(offered)
    return render_template("integrations/show.html", **_context(integration, typed, unsaved=begun))


@blueprint.post("/<key>/active")
@member(Role.EDITOR)
def active(key: str) -> Any:
    """«Активен»: saved at once, and undone by the same switch (J10)."""
    integration = find(key)
    wanted = request.form.get("active") == "1"
    if integration.active != wanted:
        integration.active = wanted
        _record("integration.active", integration, {"active": [not wanted, wanted]})
        db.session.commit()
    flash(
        _("Интеграция включена. Это уже сохранено.")
        if wanted
        else _("Интеграция выключена. Всё, что придёт, сохранится и дождётся включения."),
        "ok",
    )
    return done(url_for("integrations.show", slug=g.account.slug, key=key, _anchor="active"))


@blueprint.post("/<key>/process-stored")
@member(Role.EDITOR)
def process_stored(key: str) -> Any:
    """Let the worker process what came while the integration was off."""
    integration = find(key)
    count = pages.stored_count(integration)
    if integration.active and count:
        queue.enqueue(db.session, "process_stored", integration.id, key=f"{integration.id}:{int(time.time()) // 10}")
        _record("integration.process_stored", integration, {"events": [None, count]})
        db.session.commit()
        flash(ngettext("%(num)s событие обрабатывается.", "%(num)s событий обрабатываются.", count), "ok")
    return done(url_for("integrations.show", slug=g.account.slug, key=key))


@blueprint.post("/<key>/rotate")
@member(Role.EDITOR)
def rotate(key: str) -> Any:
    """A new webhook address; the old one is heard for a day more."""
    integration = find(key)
    until = integration.previous_secret_until
    if until and until > utc_now():
        # A second rotation would silence the address that is still in the vendor's settings.
        flash(
            _("Адрес уже заменили: прежний принимает до %(when)s, раньше снова не заменить.", when=day_and_time(until)),
            "attention",
        )
        return done(url_for("integrations.show", slug=g.account.slug, key=key, _anchor="settings"))
    integration.rotate_secret()
    if integration.hook_state is not None and integration.authorization is not None:
        # Our own subscription follows the address.
        queue.enqueue(db.session, "check_authorization", integration.authorization.id)
    _record("integration.rotate", integration, {})
    db.session.commit()
    flash(_("Адрес новый. Старый принимает ещё 24 часа: за это время замените его в настройках каналов."), "ok")
    return done(url_for("integrations.show", slug=g.account.slug, key=key, _anchor="settings"))


@blueprint.post("/<key>/settings")
@member(Role.EDITOR)
def settings(key: str) -> Any:
    """«Сохранить», and the buttons that add or remove a row, which save nothing."""
    integration = find(key)
    typed = SettingsInput.read(integration, request.form)
    # Without JavaScript the switch has a button of its own, named show.
    action = "preview" if "show" in request.form else request.form.get("action", "")
    if typed.act(action):
        return page_or_block("integrations/show.html", "settings_form", **_context(integration, typed, unsaved=True))
    valid = typed.validate()
    if valid and action == "whatif":
        shown = what_if.of_change(g.account, typed.save, integration.id)
        context = _context(integration, typed, unsaved=True) | {"foreseen": shown}
        return page_or_block("integrations/show.html", "settings_form", **context)
    if not valid:
        return page_or_block(
            "integrations/show.html", "settings_form", invalid=True, **_context(integration, typed, unsaved=True)
        )
    first = integration.saved_at is None
    changes = typed.save()
    if changes:
        _record("integration.change", integration, changes)
    db.session.commit()
    flash(_("Настройки сохранены.") if changes or first else _("Изменений не было."), "ok")
    return done(url_for("integrations.show", slug=g.account.slug, key=key, _anchor="save"))


@blueprint.post("/<key>/archive")
@member(Role.OWNER)
@confirmed(_l("Удалить интеграцию? Обращения останутся, новые приниматься не будут."), _l("Удалить"))
def archive(key: str) -> Any:
    """Remove an integration. Its communications stay; its webhook address is not heard any more."""
    integration = find(key)
    integration.archived_at, integration.active = utc_now(), False
    _record("integration.archive", integration, {})
    db.session.commit()
    flash(_("Интеграция «%(name)s» удалена. Её обращения остались.", name=integration.name), "ok")
    return done(url_for("integrations.index", slug=g.account.slug))


@blueprint.post("/<key>/restore")
@member(Role.OWNER)
def restore(key: str) -> Any:
    """Take a removed integration back, switched off as it was left."""
    integration = db.session.scalar(
        select(Integration).where(Integration.account_id == g.account.id, Integration.key == key)
    ) or abort(404)
    if integration.archived_at is not None:
        integration.archived_at = None
        _record("integration.restore", integration, {})
        db.session.commit()
        flash(_("Интеграция «%(name)s» возвращена. Она выключена.", name=integration.name), "ok")
    return done(url_for("integrations.show", slug=g.account.slug, key=key))


@blueprint.get("/<key>/test")
@member(Role.VIEWER)
def test_state(key: str) -> Any:
    """The test card: asked for every few seconds while it waits (a part of the page with an address of its own)."""
    integration = find(key)
    since = _since(request.args.get("since"))
    return render_template("integrations/test.html", **_test(integration, since))


@blueprint.post("/<key>/test")
@member(Role.EDITOR)
def send_test(key: str) -> Any:
    """Send a realistic chat to our own public address, the way a vendor would, and wait for it (J19)."""
    integration = find(key)
    since = utc_now()
    vendor = registry()[integration.vendor]
    body = vendor.sample_chat(since, secrets.token_hex(4))
    url = own_url() + integration.hook_path()
    headers = {"Content-Type": vendor.content_type, **test_header(integration)}
    # Our own transaction must not stand in the way of the request that we are about to receive.
    db.session.commit()
    problem = _send(url, body, headers)
    integration = find(key)
    context = _test(integration, since) | {"test_problem": problem}
    if problem is None and not integration.active:
        context["test_problem"] = _("Чат принят и сохранён, но интеграция выключена: включите её в шаге 1.")
    if is_partial():
        return page_or_block("integrations/test.html", "test_card", **context)
    if context["test_problem"] is None:
        return redirect(url_for("integrations.show", slug=g.account.slug, key=key, _anchor="test"), 303)
    return render_template("integrations/show.html", **_context(integration, SettingsInput.of(integration)) | context)


def _send(url: str, body: bytes, headers: dict[str, str]) -> str | None:
    """Send the test chat; what went wrong in the user's words, or None."""
    parts = urlsplit(url)
    own = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    try:
        answer = Client(extra=[own]).post(url, body, headers)
    except requests.RequestException as error:
        log.warning("test_chat_not_sent", error=type(error).__name__)
        return _(
            "Проверочный чат не отправлен: адрес %(url)s не отвечает. Покажите это администратору сервера.",
            url=own_url(),
        )
    if answer.status_code != 200:
        return _(
            "Адрес вебхука ответил %(code)s вместо 200. Возможно, его не пропускает прокси перед сервером.",
            code=answer.status_code,
        )
    return None


def find(key: str) -> Integration:
    """The account's integration of this key; 404 when there is none."""
    found = db.session.scalar(
        select(Integration).where(
            Integration.account_id == g.account.id, Integration.key == key, Integration.archived_at.is_(None)
        )
    )
    return found or abort(404)


def page(integration: Integration, auth: AuthorizationInput | None = None) -> dict[str, Any]:
    """Everything the page shows; ``auth`` is what was typed about its authorization."""
    return _context(integration, SettingsInput.of(integration), auth=auth)


def _context(
    integration: Integration, typed: SettingsInput, *, unsaved: bool = False, auth: AuthorizationInput | None = None
) -> dict[str, Any]:
    vendor = registry()[integration.vendor]
    seen = pages.seen_channels(integration.account).get(integration.id, {})
    waiting = request.args.get("wait") == "1"
    test = _test(integration, utc_now() if waiting else None)
    script = site_script(integration)
    steps = pages.steps(integration, test["found"] or pages.latest(integration), script.state)
    return {
        "integration": integration,
        "vendor": vendor,
        "guide": vendor.guide,
        "typed": typed,
        "unsaved": unsaved,
        "status": pages.status(integration),
        "needs": pages.needs(integration),
        "channels": CHANNELS,
        "seen": seen,
        "offered": pages.offered_channels(seen, [row.channel for row in typed.mappings]),
        "script": script,
        "steps": steps,
        "state": {step["key"]: step["state"] for step in steps},
        "now": utc_now(),
        "title": vendor.heading if integration.name == vendor.title else integration.name,
        "settings_url": url_for("integrations.settings", slug=g.account.slug, key=integration.key),
        "stored": pages.stored_count(integration),
        "partial": is_partial(),
        "no_campaigns": has_none(g.account, "campaigns"),
        "owns_directory": cabinet_of(g.account).owns_directory,
        "has_errors": bool((typed.errors and unsaved) or (auth and auth.problems)),
        **connection_page.context(integration, auth),
        **test,
    }


def _test(integration: Integration, since: datetime | None) -> dict[str, Any]:
    """The test step: the communication that arrived, or how long we have waited and why nothing may have come."""
    found = pages.latest(integration, since)
    since = since or utc_now()
    late = found is None and utc_now() - since > pages.PATIENCE
    return {
        "integration": integration,
        "vendor": registry()[integration.vendor],
        "guide": registry()[integration.vendor].guide,
        "found": found,
        "found_heading": heading(found) if found else None,
        "trail": trail_of(found) if found else [],
        "waiting": found is None,
        "since": int(since.timestamp()),
        "late": late,
        "causes": pages.likely_causes(integration) if late else [],
        "test_problem": None,
    }


def _since(text: str | None) -> datetime:
    try:
        return datetime.fromtimestamp(int(text or ""), UTC)
    except (ValueError, OverflowError, OSError):
        return utc_now()


def _record(action: str, integration: Integration, changes: dict[str, Any]) -> None:
    audit.record(
        db.session, integration.account_id, user=current_user, action=action, subject=integration.name, changes=changes
    )
