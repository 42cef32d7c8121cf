"""Writes what a vendor's event says into communications and people, in the transaction of the event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from webapp import queue
from webapp.attribution import attribute, attribute_by_tie, employee_by_email, find_client
from webapp.cabinets import cabinet_of
from webapp.conversation import ClientUpdate, Conversation, Reading
from webapp.enrichment import enrich, fill_contact, fill_token, takes_place, update_client
from webapp.models import (
    Communication,
    Integration,
    Lookup,
    VendorClient,
    WaitingEvent,
    Widget,
    event_communication,
    utc_now,
)

#: How many of a person's conversations a late contact card is written into, the latest first.
ENRICHED_CONVERSATIONS = 20

#: Longest id of a vendor's channel that is kept.
LONGEST_WIDGET = 100

#: The job that asks the vendor's server about a communication. Named here, known by nobody below the jobs.
ASK = "look_up"

#: A cabinet waits for the answer to it no longer than this (A-04; a connection may be broken for days).
LONGEST_WAIT = timedelta(days=1)

#: Both databases know "insert or leave alone", each by its own name. Statements of the common way are built once.
INSERTS = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}

_communications = Communication.__table__
_widgets = Widget.__table__

_lookups = Lookup.__table__.c
_WAIT = {dialect: build(WaitingEvent.__table__).on_conflict_do_nothing() for dialect, build in INSERTS.items()}
_ASK_AGAIN = {
    dialect: (statement := build(Lookup.__table__)).on_conflict_do_update(
        index_elements=["communication_id"],
        set_={
            "done_at": None,
            "looks": 0,
            "awaited_until": statement.excluded.awaited_until,
            "next_at": statement.excluded.next_at,
        },
        where=_lookups.done_at.is_not(None) & ~_lookups.complete,
    )
    for dialect, build in INSERTS.items()
}
_LINK = {dialect: build(event_communication).on_conflict_do_nothing() for dialect, build in INSERTS.items()}
_SEE_WIDGET = {
    dialect: (statement := build(_widgets))
    .on_conflict_do_update(
        index_elements=["integration_id", "widget"],
        set_={"seen": _widgets.c.seen + statement.excluded.seen, "last_seen_at": statement.excluded.last_seen_at},
    )
    .returning(_widgets.c.channel)
    for dialect, build in INSERTS.items()
}
_FIND = (
    select(_communications.c.id)
    .where(
        _communications.c.integration_id == bindparam("integration_id"),
        _communications.c.type == bindparam("type"),
        _communications.c.vendor_id == bindparam("vendor_id"),
    )
    .with_for_update()
)
_CREATE = insert(_communications)
_COLUMNS = [column.key for column in _communications.columns if column.key != "id"]


@dataclass(frozen=True)
class Occasion:
    """The event on whose occasion something is recorded. ``first``: it is being read for the first time.

    ``connection`` is the session's, asked for once. ``id`` is None when the event itself has been deleted by its age.
    """

    connection: Connection
    id: int | None
    channel: str | None
    received_at: datetime
    is_test: bool
    first: bool


def dialect_of(connection: Connection) -> str:
    """sqlite or postgresql."""
    return connection.dialect.name


def record(session: Session, integration: Integration, occasion: Occasion, reading: Reading) -> None:
    """Create or enrich the communications a reading speaks of, and keep what it says of people.

    Raises IntegrityError when another process made the same conversation at this moment: look again.
    """
    channel = occasion.channel
    if reading.widget:
        label = _see_widget(integration, occasion, reading.widget)
        channel = channel or label
    for told in reading.client_updates:
        _record_client(session, integration, occasion, told)
    for conversation in reading.conversations:
        _record_conversation(session, integration, occasion, conversation, channel)


def _see_widget(integration: Integration, occasion: Occasion, widget: str) -> str | None:
    """Count the vendor's channel id, so that the page can offer it to be labelled; gives its label."""
    values = {
        "integration_id": integration.id,
        "widget": widget[:LONGEST_WIDGET],
        "seen": int(occasion.first),
        "last_seen_at": occasion.received_at,
        "created_at": occasion.received_at,
    }
    return occasion.connection.execute(_SEE_WIDGET[dialect_of(occasion.connection)], values).scalar()


def lock_client(connection: Connection, integration: Integration, number: str) -> None:
    """What is told of a person takes turns, or one could miss the other; SQLite has one writer anyway."""
    if dialect_of(connection) == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"{integration.id}:{number}"}
        )


def known_client(session: Session, integration: Integration, number: str, now: datetime) -> VendorClient:
    """The row of a person by the vendor's number, made if there is none; the caller holds ``lock_client``."""
    client = session.scalar(
        select(VendorClient).where(VendorClient.integration_id == integration.id, VendorClient.client == number)
    )
    if client is None:
        client = VendorClient(
            account_id=integration.account_id, integration_id=integration.id, client=number, updated_at=now
        )
        session.add(client)
    return client


def attribute_again(session: Session, integration: Integration, number: str, tied_at: datetime) -> None:
    """This person was tied to one more visit: decide anew about their conversations that it may explain."""
    client = find_client(session.connection(), integration.id, number)
    for communication in _conversations(session, integration, number):
        if attribute_by_tie(session, integration, communication, client, tied_at):
            _write(session, integration, communication)


def _record_client(session: Session, integration: Integration, occasion: Occasion, told: ClientUpdate) -> None:
    """Keep what is said of a person, and write it into their conversations that lack it."""
    lock_client(occasion.connection, integration, told.client)
    client = known_client(session, integration, told.client, occasion.received_at)
    update_client(client, told.contact, told.token, occasion.received_at)
    session.flush()
    for communication in _conversations(session, integration, told.client):
        changed = fill_contact(communication, told.contact)
        if told.token and fill_token(communication, told.token):
            changed = True
        if changed:
            attribute(
                session, integration, communication, find_client(occasion.connection, integration.id, told.client)
            )
            _finish(session, integration, occasion, communication)


def _conversations(session: Session, integration: Integration, number: str) -> Iterable[Communication]:
    """The latest conversations of a person, locked."""
    return session.scalars(
        select(Communication)
        .where(Communication.integration_id == integration.id, Communication.client == number)
        .order_by(Communication.id.desc())
        .limit(ENRICHED_CONVERSATIONS)
        .with_for_update()
    )


def _record_conversation(
    session: Session, integration: Integration, occasion: Occasion, told: Conversation, channel: str | None
) -> None:
    """Create or enrich the communication of a conversation, and attribute it anew if its clues have changed."""
    client = None
    if told.asks or told.waits:
        # What waits and what it waits for take turns, or each could miss the other.
        lock_client(occasion.connection, integration, f"conversation:{told.vendor_id}")
    if told.clues.client:
        lock_client(occasion.connection, integration, told.clues.client)
        client = find_client(occasion.connection, integration.id, told.clues.client)
    communication = _find(session, integration, occasion, told)
    known = communication is not None
    if communication is None and told.waits:
        _let_wait(integration, occasion, told)
        return
    if communication is None:
        communication = Communication(
            account_id=integration.account_id,
            integration_id=integration.id,
            type=str(told.type),
            vendor_id=told.vendor_id,
            is_test=occasion.is_test,
            is_repeat=False,
            created_at=utc_now(),
            utm={},
            clues={},
            stages={},
            messages=[],
            message_count=0,
            text="",
            details={},
        )
    before = _what_decides(communication) if known else None
    enrich(communication, told, occasion.received_at)
    channel = channel or told.channel
    if channel and takes_place(communication, "channel", told, occasion.received_at):
        communication.channel = channel
    communication.channel = communication.channel or _channel_of_page(communication.clues)
    if client:
        fill_contact(communication, client.contact)
        if client.token:
            fill_token(communication, client.token)
    employee = employee_by_email(session, integration.account, told.operators)
    if employee and takes_place(communication, "employee", told, occasion.received_at):
        communication.employee_id = employee
    communication.employee_id = communication.employee_id or integration.employee_id
    if before != _what_decides(communication):
        with session.no_autoflush:
            attribute(session, integration, communication, client)
    _finish(session, integration, occasion, communication, known=known, asks=told.asks)


def _let_wait(integration: Integration, occasion: Occasion, told: Conversation) -> None:
    """Remember that this event is to be read again when its conversation has become a communication."""
    if occasion.id is not None:
        values = {"event_id": occasion.id, "vendor_id": told.vendor_id, "integration_id": integration.id}
        occasion.connection.execute(_WAIT[dialect_of(occasion.connection)], values)


def ask(session: Session, integration: Integration, communication_id: int) -> None:
    """Let a job ask the vendor's server about a communication, unless one is about to or has been told everything."""
    connection = session.connection()
    values = {
        "communication_id": communication_id,
        "integration_id": integration.id,
        "awaited_until": (now := utc_now()) + LONGEST_WAIT,
        "next_at": now,
    }
    started = {"looks": 0, "failures": 0, "complete": False}
    if connection.execute(_ASK_AGAIN[dialect_of(connection)], values | started).rowcount:
        queue.enqueue(session, ASK, communication_id)


def _find(session: Session, integration: Integration, occasion: Occasion, told: Conversation) -> Communication | None:
    """The communication of this conversation, locked. Most have none yet, and that is found out cheaply."""
    key = {"integration_id": integration.id, "type": str(told.type), "vendor_id": told.vendor_id}
    number = occasion.connection.execute(_FIND, key).scalar()
    return None if number is None else session.get(Communication, number, populate_existing=True)


def link_events(session: Session, integration: Integration, told: Conversation, events: Iterable[int]) -> None:
    """Tie events to the communication of a conversation, if it is one."""
    connection = session.connection()
    key = {"integration_id": integration.id, "type": str(told.type), "vendor_id": told.vendor_id}
    number = connection.execute(_FIND, key).scalar()
    if number is not None:
        rows = [{"event_id": event, "communication_id": number} for event in events]
        connection.execute(_LINK[dialect_of(connection)], rows)


def _channel_of_page(clues: dict[str, Any]) -> str | None:
    """A page's address is told for the site's own widget only (J-04), so a chat that has one came from the site."""
    return "site" if clues.get("page_url") else None


def _what_decides(communication: Communication) -> tuple[object, ...]:
    """Everything the rules look at."""
    return (
        communication.started_at,
        communication.channel,
        communication.client,
        communication.clues,
        communication.utm,
        communication.contact_phone,
        communication.contact_email,
    )


def _finish(
    session: Session,
    integration: Integration,
    occasion: Occasion,
    communication: Communication,
    *,
    known: bool = True,
    asks: bool = False,
) -> None:
    """Write the communication, tie the event to it, have the vendor's server asked, tell the cabinet."""
    number = _write(session, integration, communication, known=known, asks=asks)
    if occasion.id is not None:
        link = {"event_id": occasion.id, "communication_id": number}
        occasion.connection.execute(_LINK[dialect_of(occasion.connection)], link)


def _write(
    session: Session, integration: Integration, communication: Communication, *, known: bool = True, asks: bool = False
) -> int:
    """Write the communication and tell the cabinet, which waits while the vendor's server is to be asked; gives its
    row number."""
    communication.updated_at = utc_now()
    if known:
        session.flush()
        number = communication.id
    else:
        values = {name: getattr(communication, name) for name in _COLUMNS}
        number = session.connection().execute(_CREATE, values).inserted_primary_key[0]
    if asks:
        ask(session, integration, number)
    cabinet_of(integration.account).record(session, number)
    return number
