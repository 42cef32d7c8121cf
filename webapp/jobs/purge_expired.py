"""Deletes what is older than the account wants to keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import delete, exists, or_, select, true, tuple_
from sqlalchemy.orm import Session

from webapp.database import reading_only
from webapp.extensions import db
from webapp.models import (
    Account,
    AlertMessage,
    Communication,
    EventState,
    Integration,
    Redecision,
    Task,
    TaskKind,
    TaskState,
    VendorClient,
    Visit,
    VisitTie,
    WebhookEvent,
    event_communication,
    utc_now,
)
from webapp.report.exports import forget_old
from webapp.tasks import LONGEST_ARRIVAL, UNDO_LIFE, end, forget_files

log = structlog.get_logger()

#: Rows of one transaction: few enough that a webhook waits for less than a second.
BATCH = 500

#: What failed, or came while its integration was off, is kept at least so long for its replay, unless communications
#: themselves are not kept so long.
UNPROCESSED_DAYS = 90


def handle(row_id: int) -> None:
    """Purge one account, or all of them when ``row_id`` is 0."""
    session = db.session()
    query = select(Account.id).order_by(Account.id)
    numbers = session.scalars(query.where(Account.id == row_id) if row_id else query).all()
    session.commit()
    for number in numbers:
        _purge(session, number)
    _purge_tasks(session)
    forget_old(session)


def _purge(session: Session, number: int) -> None:
    with reading_only():
        account = session.get(Account, number)
        limits = account and (
            account.event_retention_days, account.communication_retention_days, account.visit_retention_days
        )  # fmt: skip
        session.rollback()
    if limits is None:
        return
    events, communications, visits = limits
    counts = {}
    if events:
        counts["events"] = _delete(
            session, WebhookEvent, WebhookEvent.received_at,
            WebhookEvent.account_id == number,
            WebhookEvent.received_at < _days_ago(events),
            # What was never processed waits for its replay longer than what is recorded already.
            or_(
                WebhookEvent.state.not_in((EventState.FAILED, EventState.STORED)),
                WebhookEvent.received_at < _days_ago(max(events, UNPROCESSED_DAYS)),
            ),
        )  # fmt: skip
    if communications:
        before = _days_ago(communications)
        counts["bodies"], counts["communications"] = _purge_communications(session, number, before)
        # What tells of no conversation, or of one that has gone, may hold a contact as well.
        counts["bodies"] += _delete(
            session, WebhookEvent, WebhookEvent.received_at,
            WebhookEvent.account_id == number,
            WebhookEvent.received_at < before,
            ~exists().where(event_communication.c.event_id == WebhookEvent.id),
        )  # fmt: skip
        # What is known of a person goes with the last conversation that told it.
        counts["clients"] = _delete(
            session, VendorClient, None, VendorClient.account_id == number, VendorClient.updated_at < before,
            ~exists().where(
                Communication.integration_id == VendorClient.integration_id,
                Communication.client == VendorClient.client,
            ),
        )  # fmt: skip
    if visits:
        before = _days_ago(visits)
        counts["visits"] = _delete(
            session, Visit, Visit.started_at,
            Visit.account_id == number, Visit.started_at < before, Visit.last_seen_at < before,
        )  # fmt: skip
        # A tie to a visit that is known elsewhere only has no row to go with.
        counts["ties"] = _delete(
            session, VisitTie, None, VisitTie.visit_id.is_(None), VisitTie.tied_at < before,
            VisitTie.integration_id.in_(select(Integration.id).where(Integration.account_id == number)),
        )  # fmt: skip
    if any(counts.values()):
        log.info("purged", account=number, **counts)


def _days_ago(days: int) -> datetime:
    return utc_now() - timedelta(days=days)


def _purge_communications(session: Session, number: int, before: datetime) -> tuple[int, int]:
    """Delete an account's communications that began before this moment, and first their bodies, which hold the same
    contacts: an event goes with its last communication, whenever it came. Gives how many of both."""
    link, other = event_communication.c, event_communication.alias("other").c
    bodies = communications = 0
    while True:
        with reading_only():
            numbers = session.scalars(
                select(Communication.id)
                .where(Communication.account_id == number, Communication.started_at < before)
                .order_by(Communication.started_at, Communication.id)
                .limit(BATCH)
            ).all()
            elsewhere = exists().where(other.event_id == link.event_id, other.communication_id.not_in(numbers))
            events = session.scalars(
                select(link.event_id).distinct().where(link.communication_id.in_(numbers), ~elsewhere)
            ).all()
            session.rollback()
        for start in range(0, len(events), BATCH):
            bodies += _remove(session, WebhookEvent, events[start : start + BATCH])
        communications += _remove(session, Communication, numbers)
        if len(numbers) < BATCH:
            return bodies, communications


def _purge_tasks(session: Session) -> None:
    """What can no longer be taken back, messages that nobody will read, and uploads that never arrived whole."""
    before = utc_now() - UNDO_LIFE
    old = select(Task.id).where(Task.kind == TaskKind.REATTRIBUTE, Task.finished_at < before)
    _delete(session, Redecision, None, Redecision.task_id.in_(old))
    _delete(session, AlertMessage, None, AlertMessage.created_at < before)
    for task in session.scalars(select(Task).where(Task.kind == TaskKind.ERASE, Task.finished_at < before)):
        # The vendor's numbers of what was erased, which no look finds missing any more.
        task.params = {}
    stuck = select(Task).where(Task.state == TaskState.ARRIVING, Task.created_at < utc_now() - LONGEST_ARRIVAL)
    for task in session.scalars(stuck.with_for_update()):
        end(session, task, TaskState.FAILED)
    session.commit()
    # Also of those that were stopped by a process that did not live to do it.
    forget_files(session)


def _delete(session: Session, table: Any, by: Any, *which: Any) -> int:
    """Delete these rows in short transactions, in the order of ``by`` (an index has it behind the account), else of
    their numbers; gives how many. They are sought by a reader, who holds up nobody, each time from where the last
    batch ended."""
    key = [table.id] if by is None else [by, table.id]
    query = select(*key).where(*which).order_by(*key).limit(BATCH)
    total, further = 0, true()
    while True:
        with reading_only():
            rows = session.execute(query.where(further)).all()
            session.rollback()
        # Asked again: something may have happened to them meanwhile.
        total += _remove(session, table, [row.id for row in rows], *which)
        if len(rows) < BATCH:
            return total
        further = tuple_(*key) > tuple_(*rows[-1])


def _remove(session: Session, table: Any, numbers: Sequence[int], *which: Any) -> int:
    if not numbers:
        return 0
    query = delete(table).where(table.id.in_(numbers), *which)
    done = session.execute(query, execution_options={"synchronize_session": False})
    session.commit()
    return done.rowcount
