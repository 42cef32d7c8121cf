"""One communication of «Обращения и цели», and what its pages share. The list is in communications_list."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, abort, g, render_template, url_for
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp import wording
from webapp.extensions import db
from webapp.models import Campaign, Communication, Role, Site, Source, WebhookEvent, event_communication
from webapp.vendors import registry

from .access import member
from .delivery_card import cabinet_card
from .lookup_words import looked

blueprint = Blueprint("communications", __name__, url_prefix="/a/<slug>/communications")


@blueprint.get("/<int:number>")
@member(Role.VIEWER)
def show(number: int) -> str:
    """One communication: the conversation, the contact, the marks, and why it was attributed so."""
    found = db.session.scalar(
        select(Communication)
        .options(joinedload(Communication.integration))
        .where(Communication.id == number, Communication.account_id == g.account.id)
    ) or abort(404)
    events = db.session.scalars(
        select(WebhookEvent)
        .join(event_communication, event_communication.c.event_id == WebhookEvent.id)
        .where(event_communication.c.communication_id == found.id)
        .order_by(WebhookEvent.id)
        .limit(50)
    ).all()
    messages = [{**row, "at": _moment(row["at"])} for row in found.messages or []]
    return render_template(
        "communications/show.html",
        communication=found,
        messages=messages,
        events=events,
        trail=trail_of(found),
        title=heading(found),
        lookup=looked(found),
        vendor=registry().get(found.integration.vendor),
        **cabinet_card(found),
    )


def heading(communication: Communication) -> str:
    """«Чат · Мария»: the kind and who it was."""
    who = communication.contact_name or communication.contact_phone or communication.contact_email or _("Без имени")
    return f"{wording.type_name(communication.type)} · {who}"


def trail_of(communication: Communication) -> list[wording.Sentence]:
    """Why it was attributed as it was, in sentences."""
    names = names_of([communication])
    return wording.trail(communication.trail or [], names, communication.channel, communication.details)


def names_of(communications: list[Communication]) -> wording.Names:
    """The names behind the ids in these communications' trails, of their own account only."""
    wanted: dict[str, set[int]] = {"campaign": set(), "source": set(), "site": set()}
    for communication in communications:
        for step in communication.trail or []:
            for kind, ids in wanted.items():
                number = (step.get("facts") or {}).get(kind)
                if isinstance(number, int):
                    ids.add(number)
    known = {}
    for kind, table in (("campaign", Campaign), ("source", Source), ("site", Site)):
        if wanted[kind]:
            rows = db.session.scalars(
                select(table).where(table.id.in_(wanted[kind]), table.account_id == communications[0].account_id)
            )
            known[kind] = {row.id: row.domain if kind == "site" else row.name for row in rows}
    return wording.Names(known)


def first_steps(integrations: Any) -> list[dict[str, Any]]:
    """The way to the first communication, ticked as it is gone."""
    slug = g.account.slug
    first = next((integration for integration in integrations if integration.archived_at is None), None)
    saved, active = bool(first and first.saved_at), bool(first and first.active)
    page = url_for("integrations.show", slug=slug, key=first.key) if first else url_for("integrations.new", slug=slug)
    return [
        {"text": _("Добавить интеграцию и сохранить настройки"), "done": saved, "href": page},
        {"text": _("Включить её и вставить адрес вебхука в сервис чатов"), "done": active, "href": page},
        {"text": _("Отправить проверочный чат"), "done": False, "href": page},
    ]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
