"""«Сырые данные» → «Обращения и цели»."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, g, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, or_, select, tuple_
from sqlalchemy.orm import joinedload, load_only

from webapp import wording
from webapp.contacts import normalise_email, normalise_phone
from webapp.conversation import ConversationType
from webapp.extensions import db
from webapp.models import Campaign, Communication, Integration, Role, Site, Source, WebhookEvent, event_communication
from webapp.resolution import Rule
from webapp.vendors import registry

from .access import member
from .delivery_card import cabinet_card
from .directory_search import like
from .lookup_words import looked
from .numbers import number_argument, row_number

blueprint = Blueprint("communications", __name__, url_prefix="/a/<slug>/communications")

PAGE_SIZE = 50

#: A part of a phone number: digits with the signs that people put between them.
_LIKE_A_PHONE = re.compile(r"\+?(?=(?:[\s()-]*\d){4})[\d\s()-]+")

#: A count is shown up to here; beyond it costs more than it tells.
LARGEST_COUNT = 1000

#: What the list shows; messages and trails are left in the database.
LISTED = (
    Communication.type,
    Communication.vendor_id,
    Communication.started_at,
    Communication.finished_at,
    Communication.channel,
    Communication.contact_name,
    Communication.contact_phone,
    Communication.contact_email,
    Communication.rule,
    Communication.message_count,
    Communication.is_test,
    Communication.account_id,
)


@dataclass(frozen=True)
class Filters:
    """What the address asks for. Everything unknown in it is left out."""

    since: date | None = None
    until: date | None = None
    type: str | None = None
    integration: int | None = None
    rule: str | None = None
    query: str = ""

    @classmethod
    def read(cls) -> Filters:
        """The filters of this request."""
        chosen = request.args.get
        return cls(
            since=_day(chosen("since")),
            until=_day(chosen("until")),
            type=chosen("type") if chosen("type") in list(ConversationType) else None,
            integration=number_argument("integration"),
            rule=chosen("rule") if chosen("rule") in list(Rule) else None,
            query=(chosen("q") or "").replace("\0", "").strip()[:200],
        )

    @property
    def any(self) -> bool:
        """True when something is left out of the list."""
        return self != Filters()

    def address(self, **more: Any) -> dict[str, Any]:
        """The same as parameters of an address."""
        known = {
            "since": self.since,
            "until": self.until,
            "type": self.type,
            "integration": self.integration,
            "rule": self.rule,
            "q": self.query or None,
        }
        return {name: value for name, value in (known | more).items() if value is not None}

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same as SQL. Days are days of the account's zone."""
        wanted = [Communication.account_id == g.account.id]
        if self.since:
            wanted.append(Communication.started_at >= _midnight(self.since))
        if self.until:
            wanted.append(Communication.started_at < _midnight(self.until + timedelta(days=1)))
        if self.type:
            wanted.append(Communication.type == self.type)
        if self.integration:
            wanted.append(Communication.integration_id == self.integration)
        if self.rule:
            wanted.append(Communication.rule == self.rule)
        if self.query:
            wanted.append(_search(self.query))
        return wanted


@blueprint.get("")
@member(Role.VIEWER)
def index() -> str:
    """The list, the latest first, paged by key."""
    filters = Filters.read()
    wanted = filters.conditions()
    position = _position(request.args.get("before")), _position(request.args.get("after"))
    rows, older, newer = _page(wanted, *position)
    integrations = db.session.scalars(
        select(Integration).where(Integration.account_id == g.account.id).order_by(Integration.name)
    ).all()
    counted = len(db.session.scalars(select(Communication.id).where(*wanted).limit(LARGEST_COUNT + 1)).all())
    return render_template(
        "communications/list.html",
        rows=rows,
        filters=filters,
        integrations=integrations,
        counted=counted,
        largest_count=LARGEST_COUNT,
        rules=wording.RULE_NAMES,
        types=wording.TYPE_NAMES,
        older_url=_url(filters, before=_key(rows[-1])) if older and rows else None,
        # Beyond either end there is nothing to go on from: back to the beginning.
        newer_url=(_url(filters, after=_key(rows[0])) if rows else _url(filters)) if newer else None,
        first_steps=None if rows or filters.any else first_steps(integrations),
    )


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
        trail=wording.trail(found.trail or [], names_of([found])),
        title=heading(found),
        lookup=looked(found),
        vendor=registry().get(found.integration.vendor),
        **cabinet_card(found),
    )


def heading(communication: Communication) -> str:
    """«Чат · Мария»: the kind and who it was."""
    who = communication.contact_name or communication.contact_phone or communication.contact_email or _("Без имени")
    return f"{wording.type_name(communication.type)} · {who}"


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


def _page(
    wanted: list[ColumnElement[bool]], before: tuple[datetime, int] | None, after: tuple[datetime, int] | None
) -> tuple[list[Communication], bool, bool]:
    """One page and whether there are older and newer ones. The key is (started_at, id)."""
    key = tuple_(Communication.started_at, Communication.id)
    query: Select[Any] = (
        select(Communication)
        .where(*wanted)
        .options(
            load_only(*LISTED),
            joinedload(Communication.campaign),
            joinedload(Communication.source),
            joinedload(Communication.site),
            joinedload(Communication.integration).load_only(Integration.name),
        )
    )
    if after:
        query = query.where(key > tuple_(*after)).order_by(Communication.started_at, Communication.id)
    else:
        query = query.where(key < tuple_(*before)) if before else query
        query = query.order_by(Communication.started_at.desc(), Communication.id.desc())
    rows = list(db.session.scalars(query.limit(PAGE_SIZE + 1)))
    more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE]
    if after:
        return rows[::-1], True, more
    return rows, more, before is not None


def _search(query: str) -> ColumnElement[bool]:
    """A whole phone or e-mail is looked up by its index, anything else in the text."""
    phone = normalise_phone(query, g.account.region)
    if phone and sum(character.isdigit() for character in query) >= 10:
        return Communication.contact_phone == phone
    email = normalise_email(query)
    if email:
        return Communication.contact_email == email
    if _LIKE_A_PHONE.fullmatch(query):
        digits = like("".join(filter(str.isdecimal, query)))
        in_text = Communication.search_text.like(like(query.casefold()), escape="\\")
        return or_(Communication.contact_phone.like(digits), in_text)
    return Communication.search_text.like(like(query.casefold()), escape="\\")


def _key(row: Communication) -> str:
    return f"{row.started_at.timestamp():.6f}.{row.id}"


def _position(text: str | None) -> tuple[datetime, int] | None:
    """(started_at, id) of a key in an address; None for anything else."""
    try:
        seconds, micro, number = (text or "").split(".")
        moment = datetime.fromtimestamp(int(seconds), ZoneInfo("UTC")) + timedelta(microseconds=int(micro))
        row = row_number(number)
        return None if row is None else (moment, row)
    except (ValueError, OverflowError, OSError):
        return None


def _url(filters: Filters, **more: Any) -> str:
    return url_for("communications.index", slug=g.account.slug, **filters.address(**more))


def _day(text: str | None) -> date | None:
    try:
        found = date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(g.account.timezone))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
