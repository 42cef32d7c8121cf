"""«События»: every webhook as received, what became of it, and another try."""

from __future__ import annotations

import json
import time
from typing import Any

from flask import Blueprint, abort, flash, g, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload, selectinload, undefer

from webapp import audit, queue
from webapp.extensions import db
from webapp.intake import process
from webapp.models import Communication, EventState, Integration, Role, WebhookEvent

from .access import member
from .numbers import number_argument
from .partial import done

blueprint = Blueprint("events", __name__, url_prefix="/a/<slug>/events")

PAGE_SIZE = 50

#: More of a body is not shown, only kept.
LONGEST_SHOWN_BODY = 100_000

STATE_NAMES = {
    EventState.DONE: _l("обработано"),
    EventState.IGNORED: _l("принято к сведению"),
    EventState.FAILED: _l("ошибка"),
    EventState.STORED: _l("ждёт включения"),
}

#: What an event is flagged with, in words.
NOTES = {
    "unknown_event": _l("Такого события мы ещё не знаем. Оно сохранено целиком."),
    "talk_open": _l("Беседа ещё идёт: обращением она станет, когда её завершат."),
    "message": _l("Сообщение беседы: его текст войдёт в обращение, когда её завершат."),
    "message_without_talk": _l("Сообщение без номера беседы: отнести его не к чему."),
    "reconciled": _l("Найдено сверкой: вебхук об этой беседе не приходил."),
    "other_event": _l("Событие не о беседе: обращением не становится."),
    "other_account": _l("Событие другого аккаунта, не того, что подключён. Оно сохранено, но не учтено."),
    "not_form": _l("Тело не разобрать: это не форма. Оно сохранено как есть."),
    "call": _l("Событие о звонке: обращением не становится."),
    "crm_event": _l("Событие CRM: обращением не становится."),
    "bot_api": _l("Это сообщение Bot API, а не вебхук: проверьте, какой адрес вписан в настройках бота."),
    "not_json": _l("Тело не разобрать: это не JSON. Оно сохранено как есть."),
    "not_object": _l("Тело не похоже на вебхук: это не объект. Оно сохранено как есть."),
    "empty": _l("Пустой запрос."),
    "no_client": _l("В событии нет номера посетителя, поэтому записать его некуда."),
    "no_chat_id": _l("В событии нет номера чата, поэтому обращения из него не вышло."),
}


@blueprint.get("")
@member(Role.VIEWER)
def index() -> str:
    """The list, the latest first."""
    state = request.args.get("state") if request.args.get("state") in list(EventState) else None
    integration = number_argument("integration")
    before = number_argument("before")
    query = (
        select(WebhookEvent)
        .options(
            joinedload(WebhookEvent.integration),
            selectinload(WebhookEvent.communications).load_only(
                Communication.type, Communication.contact_name, Communication.vendor_id
            ),
        )
        .where(WebhookEvent.account_id == g.account.id)
    )
    if state:
        query = query.where(WebhookEvent.state == state)
    if integration:
        query = query.where(WebhookEvent.integration_id == integration)
    if before:
        query = query.where(WebhookEvent.id < before)
    rows = list(db.session.scalars(query.order_by(WebhookEvent.id.desc()).limit(PAGE_SIZE + 1)))
    more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE]
    chosen = {name: value for name, value in (("state", state), ("integration", integration)) if value}
    integrations = db.session.scalars(
        select(Integration).where(Integration.account_id == g.account.id).order_by(Integration.name)
    ).all()
    return render_template(
        "events/list.html",
        rows=rows,
        state=state,
        integration=integration,
        integrations=integrations,
        state_names=STATE_NAMES,
        notes=NOTES,
        failed=_count(EventState.FAILED),
        older_url=url_for("events.index", slug=g.account.slug, before=rows[-1].id, **chosen) if more else None,
        newer_url=url_for("events.index", slug=g.account.slug, **chosen) if before else None,
    )


@blueprint.get("/<int:number>")
@member(Role.VIEWER)
def show(number: int) -> str:
    """One webhook as received."""
    event = _event(number)
    body = event.body[:LONGEST_SHOWN_BODY].decode("utf-8", "replace").replace("\0", "\N{SYMBOL FOR NULL}")
    return render_template(
        "events/show.html",
        event=event,
        body=_indented(body),
        size=len(event.body),
        cut=len(event.body) > LONGEST_SHOWN_BODY,
        state_names=STATE_NAMES,
        notes=NOTES,
        path=_masked_path(event),
        title=_("Событие %(number)s", number=event.id),
    )


@blueprint.post("/<int:number>/replay")
@member(Role.EDITOR)
def replay(number: int) -> Any:
    """Read one event again. Doing it twice changes nothing."""
    event = _event(number)
    if not event.integration.active:
        flash(_("Интеграция выключена. Включите её, и всё полученное обработается."), "attention")
    else:
        process(db.session(), event.integration, event)
        audit.record(
            db.session, g.account.id, user=current_user, action="events.replay", subject=str(event.id), changes={}
        )
        db.session.commit()
        failed = event.state == EventState.FAILED
        flash(
            _("Снова ошибка: %(error)s", error=event.error) if failed else _("Событие обработано заново."),
            "refused" if failed else "ok",
        )
    return done(url_for("events.show", slug=g.account.slug, number=number))


@blueprint.post("/replay-failed")
@member(Role.EDITOR)
def replay_failed() -> Any:
    """Let the worker read all failed events again."""
    failed = _count(EventState.FAILED)
    # A key of the minute: a double click is one job.
    queue.enqueue(db.session, "replay_failed", g.account.id, key=f"{g.account.id}:{int(time.time()) // 60}")
    audit.record(
        db.session, g.account.id, user=current_user, action="events.replay_failed", subject=str(failed), changes={}
    )
    db.session.commit()
    flash(ngettext("%(num)s событие обрабатывается заново.", "%(num)s событий обрабатываются заново.", failed), "ok")
    return done(url_for("events.index", slug=g.account.slug))


def _event(number: int) -> WebhookEvent:
    found = db.session.scalar(
        select(WebhookEvent)
        .options(undefer(WebhookEvent.body), joinedload(WebhookEvent.integration))
        .where(WebhookEvent.id == number, WebhookEvent.account_id == g.account.id)
    )
    return found or abort(404)


def _count(state: EventState) -> int:
    return (
        db.session.scalar(
            select(func.count())
            .select_from(WebhookEvent)
            .where(WebhookEvent.account_id == g.account.id, WebhookEvent.state == state)
        )
        or 0
    )


def _masked_path(event: WebhookEvent) -> str:
    """The address it came to, with the secret masked."""
    return f"/hooks/{event.integration.vendor}/••••••" + (f"/{event.channel}" if event.channel else "")


def _indented(body: str) -> str:
    """JSON with indents, for reading; anything else as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2).encode("utf-8", "replace").decode()
    except (ValueError, RecursionError):
        return body
