"""Erases a person (DESIGN §9): their own rows first, then every mention in what is kept of others."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session, undefer

from webapp.enrichment import refresh_search_text
from webapp.erasure import Mentions, Person, chunks, communications_of, known_as, mentioned_in_visits, visits_of
from webapp.extensions import db
from webapp.models import (
    Account,
    Communication,
    Export,
    Task,
    VendorClient,
    Visit,
    VisitTie,
    WebhookEvent,
    event_communication,
)
from webapp.tasks import carry_out

#: Rows of one transaction: few enough that a webhook waits for less than a second.
BATCH = 200

#: What a communication says in words.
TEXTS = ("contact_name", "contact_phone_raw", "text", "messages", "details", "clues", "utm")


def handle(row_id: int) -> None:
    """Carry out this task. The embedded database overwrites what it deletes, and its log as well."""
    session = db.session()
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    carry_out(session, row_id, _overwriting if on_sqlite else step)
    if on_sqlite:
        session.rollback()
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _overwriting(session: Session, task: Task) -> bool:
    session.execute(text("PRAGMA secure_delete=ON"))
    return step(session, task)


def step(session: Session, task: Task) -> bool:
    """The next part. The cursor's ``phase`` is own, events, communications; ``known`` are the vendors' numbers of the
    person, found before the rows that tell them are gone."""
    account, person = session.get(Account, task.account_id), _person(task)
    if not task.cursor:
        # The contact itself never leaves the encrypted column.
        task.cursor = {"phase": "own", "known": known_as(session, account, person), "id": 0}
        task.total = sum(
            session.scalar(select(func.count()).select_from(table).where(table.account_id == account.id))
            for table in (WebhookEvent, Communication)
        )
        return True
    if task.cursor["phase"] == "own":
        _erase_own(session, account, person, task)
        return True
    table = WebhookEvent if task.cursor["phase"] == "events" else Communication
    rows = session.scalars(
        select(table)
        .options(*([undefer(WebhookEvent.body)] if table is WebhookEvent else []))
        .where(table.account_id == account.id, table.id > task.cursor["id"])
        .order_by(table.id)
        .limit(BATCH)
        .with_for_update(of=table)
    ).all()
    mentions = Mentions(person)
    for row in rows:
        if table is WebhookEvent:
            _clean_event(session, task, mentions, row)
        elif _clean_communication(mentions, row):
            task.count(masked=1)
    task.seen += len(rows)
    if len(rows) == BATCH:
        task.cursor = task.cursor | {"id": rows[-1].id}
        return True
    task.cursor = {"phase": "communications", "id": 0}
    return table is WebhookEvent


def _person(task: Task) -> Person:
    kind, _colon, value = (task.subject or "").partition(":")
    return Person(**{kind: value})


def _erase_own(session: Session, account: Account, person: Person, task: Task) -> None:
    """A batch of the person's communications with their events and visits; after the last one the person's cards."""
    known = [(integration, client) for integration, client in task.cursor["known"]]
    numbers = communications_of(session, account, person, known)[:BATCH]
    visits = visits_of(session, account, numbers, [] if numbers else known)
    for part in chunks(numbers):
        link = event_communication.c
        events = session.scalars(select(link.event_id).distinct().where(link.communication_id.in_(part))).all()
        for some in chunks(list(events)):
            _delete(session, task, "events", WebhookEvent, WebhookEvent.id.in_(some))
        _delete(session, task, "communications", Communication, Communication.id.in_(part))
    for part in chunks(sorted(visits)):
        _delete(session, task, "visits", Visit, Visit.id.in_(part), Visit.account_id == account.id)
    if numbers:
        return
    for integration, client in known:
        of_them = (VendorClient.integration_id == integration, VendorClient.client == client)
        _delete(session, task, "clients", VendorClient, *of_them)
        session.execute(delete(VisitTie).where(VisitTie.integration_id == integration, VisitTie.client == client))
    _delete(session, task, "visits", Visit, mentioned_in_visits(account, person))
    # A file of a view may have anybody in it, and is made again by a click.
    session.execute(delete(Export).where(Export.account_id == account.id))
    task.cursor = {"phase": "events", "id": 0}


def _clean_event(session: Session, task: Task, mentions: Mentions, event: WebhookEvent) -> None:
    """An event that mentions the person: of somebody else's conversation it keeps the rest, otherwise it goes."""
    masked = mentions.masked_body(event.body)
    if masked is None and not mentions.there(event.error):
        return
    link = event_communication.c
    if session.scalar(select(link.event_id).where(link.event_id == event.id).limit(1)) is None:
        session.delete(event)
        task.count(events=1)
        return
    event.body, event.error = masked or event.body, mentions.masked(event.error)
    task.count(masked=1)


def _clean_communication(mentions: Mentions, communication: Communication) -> bool:
    """Mask the contact in somebody else's conversation. True when it was there."""
    there = [name for name in TEXTS if mentions.there(getattr(communication, name))]
    for name in there:
        setattr(communication, name, mentions.masked(getattr(communication, name)))
    if there:
        refresh_search_text(communication)
    return bool(there)


def _delete(session: Session, task: Task, counted: str, table: Any, *which: Any) -> None:
    done = session.execute(delete(table).where(*which), execution_options={"synchronize_session": False})
    if done.rowcount:
        task.count(**{counted: done.rowcount})
