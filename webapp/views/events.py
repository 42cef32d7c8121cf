"""«События»: every webhook as received, what became of it, and another try."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, abort, flash, g, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload, selectinload, undefer

from webapp import audit, events, queue, tasks
from webapp.extensions import db
from webapp.intake import process
from webapp.models import Communication, EventState, Integration, Role, TaskKind, WebhookEvent

from .access import member
from .days import day_of, midnight
from .numbers import number_argument, row_number
from .partial import done

blueprint = Blueprint("events", __name__, url_prefix="/a/<slug>/events")

PAGE_SIZE = 50

#: Failed events are counted up to here.
LARGEST_COUNT = 10_000

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


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to. Days are days of the account's zone, both included."""

    state: str | None
    integration: int | None
    since: date | None
    until: date | None

    @classmethod
    def read(cls, sent: Mapping[str, str]) -> Filters:
        """Everything unknown is left out."""
        state = sent.get("state")
        return cls(
            state if state in list(EventState) else None,
            row_number(sent.get("integration")),
            day_of(sent.get("since")),
            day_of(sent.get("until")),
        )

    @property
    def address(self) -> dict[str, Any]:
        """The same as parameters of an address."""
        return {name: value for name, value in vars(self).items() if value}

    def params(self) -> dict[str, Any]:
        """The same for a task, moments as text."""
        since = midnight(self.since) if self.since else None
        until = midnight(self.until + timedelta(days=1)) if self.until else None
        return {
            "state": self.state,
            "integration": self.integration,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
        }


@blueprint.get("")
@member(Role.VIEWER)
def index() -> str:
    """The list, the latest first."""
    filters, before = Filters.read(request.args), number_argument("before")
    page = events.page(
        db.session(),
        g.account.id,
        filters.params(),
        before,
        PAGE_SIZE,
        joinedload(WebhookEvent.integration),
        selectinload(WebhookEvent.communications).load_only(
            Communication.type, Communication.contact_name, Communication.vendor_id
        ),
    )
    integrations = db.session.scalars(
        select(Integration).where(Integration.account_id == g.account.id).order_by(Integration.name)
    ).all()
    chosen = filters.address
    return render_template(
        "events/list.html",
        page=page,
        filters=filters,
        chosen=chosen,
        integrations=integrations,
        state_names=STATE_NAMES,
        notes=NOTES,
        failed=_failed(),
        older_url=url_for("events.index", slug=g.account.slug, before=page.older, **chosen) if page.older else None,
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
    failed = _failed()
    # A key of the minute: a double click is one job.
    queue.enqueue(db.session, "replay_failed", g.account.id, key=f"{g.account.id}:{int(time.time()) // 60}")
    audit.record(
        db.session, g.account.id, user=current_user, action="events.replay_failed", subject=str(failed), changes={}
    )
    db.session.commit()
    flash(ngettext("%(num)s событие обрабатывается заново.", "%(num)s событий обрабатываются заново.", failed), "ok")
    return done(url_for("events.index", slug=g.account.slug))


@blueprint.post("/replay")
@member(Role.EDITOR)
def replay_chosen() -> Any:
    """Let a worker read again what the list is narrowed to."""
    filters = Filters.read(request.form)
    running = tasks.busy(db.session, g.account.id, TaskKind.REPLAY)
    if running is not None:
        flash(_("Одна повторная обработка уже идёт."), "attention")
        return done(url_for("tasks.show", slug=g.account.slug, number=running.id))
    last = db.session.scalar(select(func.max(WebhookEvent.id))) or 0
    params = filters.params()
    task = tasks.start(db.session, TaskKind.REPLAY, g.account.id, current_user.email, params=params | {"last": last})
    audit.record(
        db.session,
        g.account.id,
        user=current_user,
        action="task.replay",
        subject=str(task.id),
        changes={name: [None, value] for name, value in params.items() if value},
    )
    db.session.commit()
    return done(url_for("tasks.show", slug=g.account.slug, number=task.id))


def _event(number: int) -> WebhookEvent:
    found = db.session.scalar(
        select(WebhookEvent)
        .options(undefer(WebhookEvent.body), joinedload(WebhookEvent.integration))
        .where(WebhookEvent.id == number, WebhookEvent.account_id == g.account.id)
    )
    return found or abort(404)


def _failed() -> int:
    return events.count(db.session(), EventState.FAILED, WebhookEvent.account_id == g.account.id, most=LARGEST_COUNT)


def _masked_path(event: WebhookEvent) -> str:
    """The address it came to, with the secret masked."""
    return f"/hooks/{event.integration.vendor}/••••••" + (f"/{event.channel}" if event.channel else "")


def _indented(body: str) -> str:
    """JSON with indents, for reading; anything else as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2).encode("utf-8", "replace").decode()
    except (ValueError, RecursionError):
        return body
