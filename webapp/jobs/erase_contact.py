"""Erases a person (DESIGN §9): their own rows first, then every mention in what is kept of others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session, undefer

from webapp.database import reading_only
from webapp.enrichment import refresh_search_text
from webapp.erasure import Mentions, Person, chunks, communications_of, known_as, visits_of
from webapp.extensions import db
from webapp.models import (
    Account,
    Communication,
    Export,
    Redecision,
    SavedView,
    Task,
    VendorClient,
    Visit,
    VisitTie,
    WebhookEvent,
    event_communication,
    search_index,
)
from webapp.report import digest
from webapp.tasks import carry_out

from .reconcile import read_again

#: Rows of one transaction: few enough that a webhook waits for less than a second.
BATCH = 200

#: Row numbers that one step covers at most, for nearly all of them may be other accounts'.
SPAN = 5000

#: What is looked through for mentions, in this order, after the person's own rows.
PLACES = {"visits": Visit, "clients": VendorClient, "events": WebhookEvent, "communications": Communication}

#: The last phase: the inverted index has words of the person, too.
INDEX = "index"

#: Where a visit, a vendor's card and a communication may name somebody.
VISIT_TEXTS = ("landing_url", "referrer", "last_url", "marks", "search_text")
CLIENT_TEXTS = ("name", "phone_raw", "token")
TEXTS = ("contact_name", "contact_phone_raw", "text", "messages", "details", "clues", "utm", "trail")


def handle(row_id: int) -> None:
    """Carry out this task. The embedded database overwrites what it deletes; here its log as well."""
    session = db.session()
    carry_out(session, row_id, partial(step, _rows_to_see(session, row_id)))
    if _on_sqlite(session):
        session.rollback()
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _on_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _rows_to_see(session: Session, row_id: int) -> int | None:
    """How many rows are to be looked through, None when that is known. Counted as a reader: it may take a while."""
    with reading_only():
        task = session.get(Task, row_id)
        total = None
        if task is not None and task.total is None:
            counts = (select(func.count()).where(table.account_id == task.account_id) for table in PLACES.values())
            total = sum(map(session.scalar, counts))
        session.rollback()
    return total


def step(total: int | None, session: Session, task: Task) -> bool:
    """The next part. The cursor's ``phase`` is own, then a name of PLACES, then index; ``known`` are the vendors'
    numbers of the person, found before the rows that tell them are gone."""
    account, person = session.get(Account, task.account_id), _person(task)
    if not task.cursor:
        # The contact itself never leaves the encrypted column.
        task.cursor = {"phase": "own", "known": known_as(session, account, person)}
        task.total = total
        return True
    if task.cursor["phase"] == "own":
        _erase_own(session, account, person, task)
        return True
    if task.cursor["phase"] == INDEX:
        return _clean_index(session, task)
    return _look_through(session, task, Mentions(person))


def _person(task: Task) -> Person:
    kind, _colon, value = (task.subject or "").partition(":")
    return Person(**{kind: value})


def _erase_own(session: Session, account: Account, person: Person, task: Task) -> None:
    """A batch of the person's communications with their events and visits; after the last one the person's cards, and
    what users keep that may name the person."""
    known = [(integration, client) for integration, client in task.cursor["known"]]
    numbers = communications_of(session, account, person, known)[:BATCH]
    visits = visits_of(session, account, numbers, [] if numbers else known)
    _delete(session, task, "visits", Visit, Visit.id.in_(visits[:BATCH]), Visit.account_id == account.id)
    if len(visits) > BATCH:
        return
    if numbers:
        _remember(task, read_again(session, numbers))
        link = event_communication.c
        events = session.scalars(select(link.event_id).distinct().where(link.communication_id.in_(numbers))).all()
        for some in chunks(list(events)):
            _delete(session, task, "events", WebhookEvent, WebhookEvent.id.in_(some))
        _delete(session, task, "communications", Communication, Communication.id.in_(numbers))
        return
    for integration, client in known:
        of_them = (VendorClient.integration_id == integration, VendorClient.client == client)
        _delete(session, task, "clients", VendorClient, *of_them)
        session.execute(delete(VisitTie).where(VisitTie.integration_id == integration, VisitTie.client == client))
    _forget_views(session, task, account, Mentions(person))
    task.cursor = {"phase": next(iter(PLACES)), "id": 0}


def _remember(task: Task, references: dict[str, list[str]]) -> None:
    """Keep the vendor's numbers of these conversations, by integration: the next look there would find them missing."""
    kept = dict(task.params.get("erased", {}))
    for integration, numbers in references.items():
        kept[integration] = [*kept.get(integration, []), *numbers]
    if references:
        task.params = task.params | {"erased": kept}


def _forget_views(session: Session, task: Task, account: Account, mentions: Mentions) -> None:
    """Saved views that ask for the person, and all files: they may have anybody in them, and are made again by a
    click."""
    for view in session.scalars(select(SavedView).where(SavedView.account_id == account.id)).all():
        if mentions.there([view.name, view.query]):
            session.delete(view)
            task.count(views=1)
    session.execute(delete(Export).where(Export.account_id == account.id))


def batch(table: Any, account_id: int, after: int) -> Select[Any]:
    """The account's rows among the next numbers."""
    return (
        select(table)
        .options(*([undefer(WebhookEvent.body)] if table is WebhookEvent else []))
        # Wrapped, so that no database takes an index over the account, and sorts all of it for each batch.
        .where(table.id > after, table.id <= after + SPAN, func.abs(table.account_id) == account_id)
        .order_by(table.id)
        .limit(BATCH)
        .with_for_update(of=table)
    )


def _look_through(session: Session, task: Task, mentions: Mentions) -> bool:
    """A batch of one table, by row number. False after the last of all."""
    phase = task.cursor["phase"]
    table, after = PLACES[phase], task.cursor["id"]
    rows = session.scalars(batch(table, task.account_id, after)).all()
    _CLEAN[phase](session, task, mentions, rows)
    task.seen += len(rows)
    reached = rows[-1].id if len(rows) == BATCH else after + SPAN
    if reached < (session.scalar(select(func.max(table.id))) or 0):
        task.cursor = {"phase": phase, "id": reached}
        return True
    following = [*PLACES, INDEX][list(PLACES).index(phase) + 1]
    task.cursor = {"phase": following, "id": 0}
    if following == INDEX:
        # One that was made meanwhile may have the person in it.
        session.execute(delete(Export).where(Export.account_id == task.account_id))
    return following != INDEX or _on_sqlite(session)


def _clean_index(session: Session, task: Task) -> bool:
    """Have what was masked indexed anew, then the words of what has gone leave the index. PostgreSQL's own cleaning
    does that."""
    if digest.index(session):
        return True
    more = search_index.merge(session.connection(), begin="merging" not in task.cursor)
    task.cursor = {"phase": INDEX, "merging": True}
    return more


def _clean_visits(session: Session, task: Task, mentions: Mentions, visits: Sequence[Visit]) -> None:
    """A visit that names the person is the person's."""
    named = [visit.id for visit in visits if any(mentions.there(getattr(visit, name)) for name in VISIT_TEXTS)]
    _delete(session, task, "visits", Visit, Visit.id.in_(named))


def _clean_clients(_session: Session, task: Task, mentions: Mentions, clients: Sequence[VendorClient]) -> None:
    for client in clients:
        if _mask(mentions, client, CLIENT_TEXTS):
            task.count(masked=1)


def _clean_events(session: Session, task: Task, mentions: Mentions, events: Sequence[WebhookEvent]) -> None:
    """An event that mentions the person: of somebody else's conversation it keeps the rest, otherwise it goes."""
    link = event_communication.c.event_id
    for event in events:
        masked = mentions.masked_body(event.body)
        if masked is None and not mentions.there(event.error):
            continue
        if session.scalar(select(link).where(link == event.id).limit(1)) is None:
            session.delete(event)
            task.count(events=1)
            continue
        event.body, event.error = masked or event.body, mentions.masked(event.error)
        task.count(masked=1)


def _clean_communications(
    session: Session, task: Task, mentions: Mentions, communications: Sequence[Communication]
) -> None:
    """Mask the contact in other people's conversations, and in what a re-attribution keeps of them."""
    changed = [one for one in communications if _mask(mentions, one, TEXTS)]
    for one in changed:
        refresh_search_text(one)
        task.count(masked=1)
    kept = select(Redecision).where(Redecision.communication_id.in_([one.id for one in changed]))
    for redecision in session.scalars(kept) if changed else ():
        _mask(mentions, redecision, ("before", "after"))


#: What is done with a batch of each of PLACES.
_CLEAN = {
    "visits": _clean_visits,
    "clients": _clean_clients,
    "events": _clean_events,
    "communications": _clean_communications,
}


def _mask(mentions: Mentions, row: Any, names: Sequence[str]) -> bool:
    """Mask the contact in these columns. True when it was there."""
    there = [name for name in names if mentions.there(getattr(row, name))]
    for name in there:
        setattr(row, name, mentions.masked(getattr(row, name)))
    return bool(there)


def _delete(session: Session, task: Task, counted: str, table: Any, *which: Any) -> None:
    done = session.execute(delete(table).where(*which), execution_options={"synchronize_session": False})
    if done.rowcount:
        task.count(**{counted: done.rowcount})
