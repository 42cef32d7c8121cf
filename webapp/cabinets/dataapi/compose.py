"""Makes the item of an upload from a communication, by every rule of the contract. Pure: no SQL, no clock, no Flask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from webapp.conversation import ConversationType, Sender

from . import assumptions

#: The system campaign «Посетители без рекламной кампании», which is on every site and therefore kept once a site.
NO_CAMPAIGN = "-1"

UPLOADS = {ConversationType.CHAT: "upload.chats", ConversationType.OFFLINE_MESSAGE: "upload.offline_messages"}
LISTS = {ConversationType.CHAT: "chats", ConversationType.OFFLINE_MESSAGE: "offline_messages"}


@dataclass(eq=False)
class Held(Exception):
    """It cannot be sent as it is. ``reason`` is a code of webapp.cabinets.dataapi.words."""

    reason: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class SessionUnusable(Exception):
    """The session is none that a cabinet can be told of."""

    session: str


@dataclass(frozen=True)
class Entry:
    """A campaign, source or site of the decision: its key, and whether the cabinet still has it."""

    key: str
    there: bool = True

    @property
    def number(self) -> int:
        """The cabinet's id. Raises Held for an entry that never was the cabinet's."""
        if not self.key.lstrip("-").isdecimal():
            raise Held("not_in_cabinet")
        return int(self.key)


@dataclass(frozen=True)
class Told:
    """All that the item is made of. ``messages`` as the communication keeps them; ``employees`` are numbers by folded
    e-mail, ``employee`` the one for operators who are none of them; ``channel`` is its name for people, None for the
    site's own; ``form`` names a request that came from no messenger."""

    type: ConversationType
    ext_id: str
    started_at: datetime
    now: datetime
    zone: ZoneInfo
    host: str
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    text: str = ""
    messages: Sequence[Mapping[str, Any]] = ()
    channel: str | None = None
    form: str = ""
    session: str | None = None
    campaign: Entry | None = None
    source: Entry | None = None
    site: Entry | None = None
    only_site: Entry | None = None
    employees: Mapping[str, int] = field(default_factory=dict)
    employee: int | None = None
    shorten: bool = False


def type_of(told: Told) -> ConversationType:
    """What the cabinet will call it: a chat in which nothing was said is a request."""
    said = any(_text(row) for row in told.messages)
    return ConversationType.CHAT if told.type is ConversationType.CHAT and said else ConversationType.OFFLINE_MESSAGE


def target(told: Told) -> dict[str, int]:
    """The ids that say whom it belongs to: one way of saying it, never several. Raises Held, SessionUnusable."""
    if told.session is not None:
        if not (told.session.isascii() and told.session.isdecimal()):
            raise SessionUnusable(told.session)
        return {"visitor_session_id": int(told.session)}
    for kind, entry in (("campaign", told.campaign), ("source", told.source), ("site", told.site)):
        if entry is not None and not entry.there:
            raise Held("gone", {"kind": kind})
    site = told.site or told.only_site
    if told.campaign is not None:
        start, _, of_site = told.campaign.key.partition(".")
        if start != NO_CAMPAIGN:
            return {"campaign_id": told.campaign.number}
        # The site alone means this campaign, in chats it is the only way to say so.
        site = Entry(of_site) if of_site else site
        if site is None:
            raise Held("no_site")
        return {"site_id": site.number}
    if told.source is not None:
        if site is None:
            raise Held("no_site")
        return {"site_id": site.number, "source_id": told.source.number}
    if told.site is not None:
        return {"site_id": told.site.number}
    raise Held("nothing_to_attribute")


def item(told: Told) -> dict[str, Any]:
    """The item as it is sent. Raises Held, SessionUnusable."""
    if not told.phone and not told.email:
        raise Held("no_contact")
    ids = target(told)
    common = {
        "name": told.name,
        "phone": assumptions.digits_of(told.phone) if told.phone else None,
        "email": told.email,
        **ids,
        "ext_id": told.ext_id,
    }
    make = _chat if type_of(told) is ConversationType.CHAT else _request
    return assumptions.without_nothing(common | make(told))


def _chat(told: Told) -> dict[str, Any]:
    rows = _messages(told)
    sides = {row["source"] for row in rows}
    if "visitor" not in sides:
        status = "refused"
    else:
        status = assumptions.succeed_word(told.host) if "operator" in sides else "lost"
    first = rows[0]
    return {
        "start_date_time": _written(first["at"] - assumptions.LEAST_DISTANCE),
        "status": status,
        "initiator": {"system": "autoinvite"}.get(first["source"], first["source"]),
        "messages": [_message(row) for row in rows],
    }


def _message(row: Mapping[str, Any]) -> dict[str, Any]:
    return assumptions.without_nothing(
        {
            "date_time": _written(row["at"]),
            "source": row["source"],
            "employee_id": row["employee"],
            "message": row["text"],
        }
    )


def _messages(told: Told) -> list[dict[str, Any]]:
    """In the order of their times, in the account's zone. Where the clocks are put back an hour is told twice, so a
    message is never earlier than the one before it."""
    placed, latest = [], told.started_at
    for row in told.messages:
        if _text(row):
            latest = datetime.fromisoformat(row["at"]) if row.get("at") else latest
            placed.append((min(latest, told.now), row))
    placed.sort(key=lambda pair: pair[0])
    rows: list[dict[str, Any]] = []
    for moment, row in placed:
        at = assumptions.local_time(moment, told.zone)
        source = str(row["from"])
        text = _text(row) if rows or not told.channel else f"{told.channel}\n{_text(row)}"
        rows.append(
            {
                "at": max(at, rows[-1]["at"]) if rows else at,
                "source": source,
                "employee": _employee(told, row) if source == Sender.OPERATOR else None,
                "text": assumptions.shortened(text) if told.shorten else text,
            }
        )
    return rows


def _employee(told: Told, row: Mapping[str, Any]) -> int:
    """The operator by e-mail, else the integration's «Сотрудник»."""
    number = told.employees.get(str(row.get("email") or "").casefold(), told.employee)
    if number is None:
        raise Held("no_employee")
    return number


def _request(told: Told) -> dict[str, Any]:
    text = told.text or "\n".join(_text(row) for row in told.messages if _text(row))
    at = assumptions.local_time(min(told.started_at, told.now), told.zone)
    return {
        "date_time": _written(at),
        "message": assumptions.shortened(text) if told.shorten else text,
        "form_name": (told.channel or told.form)[:255],
    }


def marks_session(told: Told, marks: Mapping[str, str], page: str | None, site: Entry, ext_id: str) -> dict[str, Any]:
    """The item of upload.sessions: a visit with these marks, just before the conversation."""
    begun = min(told.started_at, told.now) - assumptions.MARKS_SESSION_BEFORE
    return assumptions.without_nothing(
        {
            "ext_id": ext_id,
            "site_id": site.number,
            "date_time": _written(assumptions.local_time(begun, told.zone)),
            "is_visitor_new": True,
            "visitor_ip_address": assumptions.UNKNOWN_ADDRESS,
            "entrance_page_url": page,
            **{f"utm_{key}": value for key, value in marks.items()},
        }
    )


def window(started_at: datetime, zone: ZoneInfo) -> dict[str, str]:
    """The days around a conversation in which a report is asked for it. Reports demand them."""
    around = timedelta(days=2)
    return {
        "date_from": _written(assumptions.local_time(started_at - around, zone)),
        "date_till": _written(assumptions.local_time(started_at + around, zone)),
    }


def _text(row: Mapping[str, Any]) -> str:
    return str(row.get("text") or "").strip()


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
