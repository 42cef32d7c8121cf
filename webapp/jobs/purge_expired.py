"""Deletes what is older than the account wants to keep."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

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
from webapp.tasks import LONGEST_ARRIVAL, UNDO_LIFE, end

log = structlog.get_logger()

#: Rows of one transaction: few enough that a webhook waits for less than a second.
BATCH = 500


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
    account = session.get(Account, number)
    if account is None:
        return
    events, communications = account.event_retention_days, account.communication_retention_days
    visits = account.visit_retention_days
    session.commit()
    counts = {}
    if events:
        before = utc_now() - timedelta(days=events)
        counts["events"] = _delete(
            session,
            WebhookEvent,
            WebhookEvent.account_id == number,
            WebhookEvent.received_at < before,
            # What was never processed is not lost by age.
            WebhookEvent.state.not_in((EventState.FAILED, EventState.STORED)),
        )
    if communications:
        before = utc_now() - timedelta(days=communications)
        # Their bodies hold the same contacts, so they go first.
        tied = (
            select(event_communication.c.event_id)
            .join(Communication, Communication.id == event_communication.c.communication_id)
            .where(Communication.account_id == number, Communication.started_at < before)
        )
        counts["bodies"] = _delete(
            session, WebhookEvent, WebhookEvent.account_id == number, WebhookEvent.received_at < before,
            WebhookEvent.id.in_(tied),
        )  # fmt: skip
        counts["communications"] = _delete(
            session, Communication, Communication.account_id == number, Communication.started_at < before
        )
        # What is known of a person goes with the last conversation that told it.
        counts["clients"] = _delete(
            session, VendorClient, VendorClient.account_id == number, VendorClient.updated_at < before,
            ~exists().where(
                Communication.integration_id == VendorClient.integration_id,
                Communication.client == VendorClient.client,
            ),
        )  # fmt: skip
    if visits:
        before = utc_now() - timedelta(days=visits)
        counts["visits"] = _delete(
            session, Visit, Visit.account_id == number, Visit.started_at < before, Visit.last_seen_at < before
        )
        # A tie to a visit that is known elsewhere only has no row to go with.
        counts["ties"] = _delete(
            session, VisitTie, VisitTie.visit_id.is_(None), VisitTie.tied_at < before,
            VisitTie.integration_id.in_(select(Integration.id).where(Integration.account_id == number)),
        )  # fmt: skip
    if any(counts.values()):
        log.info("purged", account=number, **counts)


def _purge_tasks(session: Session) -> None:
    """What can no longer be taken back, messages that nobody will read, and uploads that never arrived whole."""
    before = utc_now() - UNDO_LIFE
    old = select(Task.id).where(Task.kind == TaskKind.REATTRIBUTE, Task.finished_at < before)
    _delete(session, Redecision, Redecision.task_id.in_(old))
    _delete(session, AlertMessage, AlertMessage.created_at < before)
    stuck = select(Task).where(Task.state == TaskState.ARRIVING, Task.created_at < utc_now() - LONGEST_ARRIVAL)
    for task in session.scalars(stuck.with_for_update()):
        end(session, task, TaskState.FAILED)
    session.commit()


def _delete(session: Session, table: Any, *which: Any) -> int:
    total = 0
    while True:
        numbers = session.scalars(select(table.id).where(*which).limit(BATCH)).all()
        if numbers:
            session.execute(
                delete(table).where(table.id.in_(numbers)), execution_options={"synchronize_session": False}
            )
        session.commit()
        total += len(numbers)
        if len(numbers) < BATCH:
            return total
