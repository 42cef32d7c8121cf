"""«Настройки» → «Кабинет»: where the communications go, the key of an outside cabinet, its check, its directory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from flask import Blueprint, current_app, flash, g, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from wtforms import PasswordField, SelectField, StringField, ValidationError
from wtforms.fields import SelectChoice

from webapp import audit, queue
from webapp.cabinets.dataapi import checking, connecting, handing, hosts, line, words
from webapp.extensions import db
from webapp.models import CabinetKind, CabinetLink, Role, utc_now

from .access import member
from .confirmation import confirmed
from .forms import PageForm, at_most, stripped
from .partial import done

blueprint = Blueprint("cabinet", __name__, url_prefix="/a/<slug>/settings/cabinet")
log = structlog.get_logger()

#: The choice of an address that is none of the known servers.
OTHER = "other"

#: Lists that are read, in the order in which it happens.
LIST_NAMES = {
    "sites": _l("сайты"),
    "campaigns": _l("рекламные кампании"),
    "sources": _l("источники"),
    "employees": _l("сотрудники"),
    "tags": _l("теги"),
}


class ConnectForm(PageForm):
    """The server and the key."""

    server = SelectField(_l("Сервер Data API"))
    url = StringField(_l("Адрес Data API"), filters=[stripped], validators=[at_most(500)])
    access_token = PasswordField(_l("Ключ Data API"), filters=[stripped], validators=[at_most(500)])

    def validate_url(self, field: Any) -> None:
        """Only hosts that are known or allowed by whoever runs this server."""
        if self.server.data != OTHER:
            field.data = hosts.address_of(self.server.data)
            return
        try:
            field.data = hosts.clean_address(field.data or "", _extra())
        except ValueError:
            raise ValidationError(_("По этому адресу обращаться нельзя. Выберите сервер из списка.")) from None

    def validate_access_token(self, field: Any) -> None:
        """A key is needed unless one is stored; it is never shown again."""
        if not field.data and not g.account.cabinet_access_token:
            raise ValidationError(_("Введите ключ: в кабинете «Аккаунт» → «Управление пользователями»."))


@blueprint.get("")
@member(Role.VIEWER)
def show() -> str:
    """Where communications go, and how the connection stands."""
    return _page(_form())


@blueprint.post("")
@member(Role.OWNER)
def connect() -> Any:
    """Check the key while the user waits; kept when the cabinet knows it, or when only our address is missing."""
    form = _form()
    if not form.validate():
        return _page(form), 422
    token = form.access_token.data or g.account.cabinet_access_token
    account_id = g.account.id
    # Nothing of ours stays locked while the cabinet thinks.
    db.session.commit()
    found = checking.check(form.url.data, token, line.client())
    failure = found.get("failure")
    if failure and failure["mnemonic"] != "ip_not_whitelisted":
        advice = words.stop(failure)
        form.access_token.errors = [f"{advice.what} {advice.repair}"]
        return _page(form, found), 422
    first = g.account.cabinet_kind != CabinetKind.DATAAPI
    connecting.connect(db.session(), g.account, form.url.data, token)
    _keep_check(account_id, found)
    _record("cabinet.connect" if first else "cabinet.key", {"url": [None, form.url.data]})
    db.session.commit()
    if failure:
        flash(_("Ключ сохранён, но кабинет пока не пускает наш адрес. Что сделать — ниже."), "attention")
    else:
        flash(_("Кабинет подключён. Читаем его справочники."), "ok")
    return done(url_for("cabinet.show", slug=g.account.slug))


@blueprint.post("/check")
@member(Role.EDITOR)
def check() -> Any:
    """Ask the cabinet again what the key opens. A success ends a pause."""
    account = g.account
    if account.cabinet_access_token:
        url, token, number = account.cabinet_url, account.cabinet_access_token, account.id
        db.session.commit()
        found = checking.check(url, token, line.client())
        _keep_check(number, found)
        if not found.get("failure"):
            # What was not bought yet stays paused, and goes on being probed.
            line.resume(db.session(), number, but=checking.missing_types(found))
        db.session.commit()
        flash(_("Проверено."), "attention" if found.get("failure") else "ok")
    return done(url_for("cabinet.show", slug=account.slug))


@blueprint.post("/sync")
@member(Role.EDITOR)
def sync() -> Any:
    """Let the worker read the directory."""
    if g.account.cabinet_kind == CabinetKind.DATAAPI:
        # A key of ten seconds: a double click is one job.
        queue.enqueue(db.session(), "sync", g.account.id, key=f"{g.account.id}:{int(utc_now().timestamp()) // 10}")
        link = line.link_of(db.session(), g.account.id)
        link.sync = {**link.sync, "state": "asked", "asked_at": utc_now().isoformat()}
        _record("cabinet.sync", {})
        db.session.commit()
    return done(url_for("cabinet.show", slug=g.account.slug, _anchor="directory"))


@blueprint.get("/sync")
@member(Role.VIEWER)
def sync_state() -> str:
    """How the reading stands; the card asks for itself while it goes on."""
    return render_template("cabinet/directory.html", **_state())


@blueprint.post("/resume")
@member(Role.EDITOR)
def resume() -> Any:
    """End a pause by hand: what waits is tried at once."""
    if line.resume(db.session(), g.account.id):
        _record("cabinet.resume", {})
        flash(_("Передача возобновлена. Если причина осталась, она остановится снова."), "ok")
    db.session.commit()
    return done(url_for("deliveries.index", slug=g.account.slug))


@blueprint.post("/disconnect")
@member(Role.OWNER)
@confirmed(_l("Отключить кабинет? Ключ будет забыт, новые обращения останутся здесь."), _l("Отключить"))
def disconnect() -> Any:
    """Back to the embedded cabinet."""
    if g.account.cabinet_kind == CabinetKind.DATAAPI:
        url = g.account.cabinet_url
        connecting.disconnect(db.session(), g.account)
        _record("cabinet.disconnect", {"url": [url, None]})
        db.session.commit()
        flash(_("Кабинет отключён, ключ забыт. Обращения остаются здесь, справочники — прежние свои."), "ok")
    return done(url_for("cabinet.show", slug=g.account.slug))


def _form() -> ConnectForm:
    form = ConnectForm(url=g.account.cabinet_url or "")
    form.server.choices = [SelectChoice(host, f"{title} — {host}") for host, title in hosts.HOSTS.items()]
    host = (g.account.cabinet_url or "").partition("//")[2].partition("/")[0]
    if _extra():
        form.server.choices.append(SelectChoice(OTHER, _("Другой адрес")))
    if request.method == "GET":
        known = [choice.value for choice in form.server.choices]
        form.server.data = host if host in known else OTHER if host and OTHER in known else known[0]
    return form


def _extra() -> tuple[str, ...]:
    return current_app.config["SETTINGS"].EXTRA_VENDOR_HOSTS


def _keep_check(account_id: int, found: dict[str, Any]) -> None:
    link = line.link_of(db.session(), account_id)
    link.check, link.checked_at = found, utc_now()
    if found.get("points"):
        line.keep_limits(db.session(), account_id, found["points"])


def _page(form: ConnectForm, found: dict[str, Any] | None = None) -> str:
    return render_template("cabinet/show.html", form=form, other=OTHER, tried=found, **_state())


def _state() -> dict[str, Any]:
    """How the connection stands, in words."""
    link = db.session.get(CabinetLink, g.account.id)
    checked = (link.check if link else None) or {}
    told = link.sync if link else {}
    failure = checked.get("failure")
    asked_at = told.get("asked_at") if told.get("state") == "asked" else None
    return {
        "outside": g.account.cabinet_kind == CabinetKind.DATAAPI,
        "link": link,
        "checked": checked,
        "advice": words.stop(failure) if failure else None,
        "needs": [
            {"text": words.need(name), "state": state, "advice": words.stop(facts) if facts else None}
            for name, state, facts in checked.get("needs", [])
        ],
        "lists": LIST_NAMES,
        "sync": told,
        "reading": told.get("state") in ("running", "asked") and not _stale(link, asked_at),
        "sync_advice": words.stop(told["failure"]) if told.get("failure") else None,
        "problems": {name: words.stop({"mnemonic": why}) for name, why in (told.get("problems") or {}).items()},
        "counts": handing.counts(db.session(), g.account.id),
    }


def _stale(link: CabinetLink | None, asked_at: str | None) -> bool:
    """A reading that was begun and whose worker is gone is no longer waited for."""
    if link is None:
        return True
    if asked_at is not None:
        return asked_at < (utc_now() - timedelta(minutes=2)).isoformat()
    return link.sync_until is None or link.sync_until < utc_now()


def _record(action: str, changes: dict[str, Any]) -> None:
    audit.record(db.session, g.account.id, user=current_user, action=action, subject=g.account.name, changes=changes)
