"""Finds conversations that ended unheard, and passes them on (B3): on a schedule, and by a button with a range."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from flask import current_app
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, joinedload

from webapp import queue
from webapp.authorizations import OpenLink
from webapp.extensions import db
from webapp.intake import accept
from webapp.models import Communication, Integration, Reconciliation, Task, TaskKind, utc_now
from webapp.vendors import registry
from webapp.vendors.connection import ConnectionProblem

log = structlog.get_logger()

#: The job's name is the module's.
NAME = __name__.rpartition(".")[2]

#: A look begins so long before the last one's end: webhooks and the vendor's list are not of one moment.
OVERLAP = timedelta(minutes=30)

#: Communications whose vendor's numbers are compared in one statement, and those recorded in one transaction.
COMPARED, BATCH = 500, 50

#: Of a look that read a part of the list, and goes on.
PARTIAL = "partial"

#: Between two tries of a look that somebody ordered.
LONGEST_PAUSE = 3600.0


def handle(row_id: int) -> None:
    """Do one reconciliation, or enqueue those of all integrations when ``row_id`` is 0."""
    session = db.session()
    if row_id:
        _reconcile(session, row_id)
    else:
        _enqueue_all(session)


def order(session: Session, integration: Integration, since: datetime, until: datetime, by: str) -> Reconciliation:
    """A look at a range of time, for the button; the caller commits."""
    row = Reconciliation(integration_id=integration.id, since=since, until=until, ordered_by=by)
    session.add(row)
    session.flush()
    queue.enqueue(session, NAME, row.id)
    return row


def read_again(session: Session, communications: list[int]) -> dict[str, list[str]]:
    """The vendor's numbers, by integration, of those that a look which is still to come would find missing if they
    were deleted now."""
    open_looks = (
        select(Reconciliation.integration_id, func.min(Reconciliation.since))
        .where(or_(Reconciliation.ordered_by.is_(None), Reconciliation.finished_at.is_(None)))
        .group_by(Reconciliation.integration_id)
    )
    found = {}
    for integration, since in session.execute(open_looks).all():
        # Twice: the vendor's clock is not ours.
        ended = or_(Communication.finished_at.is_(None), Communication.finished_at >= since - 2 * OVERLAP)
        found[str(integration)] = session.scalars(
            select(Communication.vendor_id).where(
                Communication.id.in_(communications), Communication.integration_id == integration, ended
            )
        ).all()
    return {integration: list(numbers) for integration, numbers in found.items() if numbers}


def _erased(session: Session, integration: Integration) -> set[str]:
    """Conversations of people who were erased a short time ago: they are missing because somebody wanted it."""
    of_account = (Task.account_id == integration.account_id, Task.kind == TaskKind.ERASE)
    told = session.scalars(select(Task.params).where(*of_account))
    return {number for params in told for number in params.get("erased", {}).get(str(integration.id), ())}


def _enqueue_all(session: Session) -> None:
    """One look for each integration that listens; where it does not, the next one begins now: what came meanwhile is
    stored and offered on its page."""
    now, slot = utc_now(), int(time.time()) // 300
    with_connection = [vendor.name for vendor in registry().values() if vendor.connection is not None]
    integrations = session.scalars(
        select(Integration)
        .options(joinedload(Integration.authorization))
        .where(Integration.vendor.in_(with_connection), Integration.archived_at.is_(None))
    ).all()
    for integration in integrations:
        authorization = integration.authorization
        if authorization is None:
            continue
        row = session.scalar(
            select(Reconciliation).where(
                Reconciliation.integration_id == integration.id, Reconciliation.ordered_by.is_(None)
            )
        )
        if row is None:
            row = Reconciliation(integration_id=integration.id, since=now)
            session.add(row)
            session.flush()
        if not integration.active:
            row.since = now
        elif authorization.connected:
            queue.enqueue(session, NAME, row.id, key=f"{row.id}:{slot}")
    session.commit()


def _reconcile(session: Session, row_id: int) -> None:
    row = session.get(Reconciliation, row_id)
    integration = session.get(Integration, row.integration_id) if row else None
    if row is None or integration is None or integration.archived_at is not None:
        session.rollback()
        return
    authorization, scheduled = integration.authorization, row.ordered_by is None
    if not scheduled and row.finished_at is not None:
        session.rollback()
        return
    if authorization is None or not authorization.connected or not integration.active:
        _note(session, row_id, problem="not_connected" if integration.active else "off")
        return
    # A list that was cut is read on for the time that it was begun for.
    until, cursor = row.through or row.until or utc_now(), row.cursor
    since = row.since - OVERLAP if scheduled else row.since
    link = OpenLink(db.engine, current_app.config["SETTINGS"], authorization.id, authorization.vendor)
    number = integration.id
    session.commit()
    try:
        ended = link.connection.closed_since(link, since, until, cursor)
    except ConnectionProblem as problem:
        # A place that the list does not know any more: it is read from its beginning.
        _note(session, row_id, problem=problem.code, forget=problem.retry_after is None)
        _come_back(session, row_id, problem, scheduled)
        return
    seen = len(ended.conversations)
    found = _pass_on(session, number, ended.conversations)
    code = ended.problem.code if ended.problem else None
    if ended.cursor:
        _note_part(session, row_id, code or PARTIAL, ended.cursor, seen, found, until)
        _come_back(session, row_id, ended.problem, scheduled)
    else:
        _note(session, row_id, seen=seen, found=found, until=until, unread=code)
    if found:
        log.info("reconciled", integration=number, seen=seen, found=found, whole=ended.cursor is None)


def _come_back(session: Session, row_id: int, problem: ConnectionProblem | None, scheduled: bool) -> None:
    """Read on soon, or after a problem when another try makes sense; what is scheduled comes back by itself then."""
    if problem is None:
        queue.enqueue(session, NAME, row_id, delay_seconds=1)
    elif not scheduled and problem.retry_after is not None:
        pause = min(max(problem.retry_after, 30.0), LONGEST_PAUSE)
        queue.enqueue(session, NAME, row_id, delay_seconds=pause)
    session.commit()


def _pass_on(session: Session, integration_id: int, ended: Sequence[tuple[str, bytes]]) -> int:
    """Accept those of which nothing is known, as if their webhooks had come; gives how many."""
    found = 0
    for begin in range(0, len(ended), BATCH):
        batch = ended[begin : begin + BATCH]
        integration = session.get(Integration, integration_id, populate_existing=True)
        if integration is None or not integration.active or integration.archived_at is not None:
            session.rollback()
            break
        known = set(
            session.scalars(
                select(Communication.vendor_id).where(
                    Communication.integration_id == integration_id,
                    Communication.vendor_id.in_([reference for reference, _body in batch]),
                )
            )
        )
        known |= _erased(session, integration)
        content_type = registry()[integration.vendor].content_type
        for reference, body in batch:
            if reference not in known:
                accept(session, integration, body, content_type=content_type)
                found += 1
        session.commit()
    return found


def _note(
    session: Session,
    row_id: int,
    *,
    problem: str | None = None,
    seen: int = 0,
    found: int = 0,
    until: datetime | None = None,
    unread: str | None = None,
    forget: bool = False,
) -> None:
    """Keep how it ended. Only a look that came to the end moves the beginning of the next one. ``unread``: what could
    not be read on the way; ``forget`` the place where it was cut."""
    row = session.get(Reconciliation, row_id, with_for_update=True, populate_existing=True)
    if row is None:
        session.rollback()
        return
    row.problem = problem or unread
    if forget:
        row.cursor = row.through = None
    if problem is None:
        row.finished_at, row.found = utc_now(), row.found + found
        row.seen = row.seen + seen if row.cursor else seen
        row.cursor = row.through = None
        if row.ordered_by is None and until is not None:
            row.since = max(row.since, until)
    session.commit()


def _note_part(
    session: Session, row_id: int, problem: str, cursor: str, seen: int, found: int, until: datetime
) -> None:
    """Keep what a part of the list brought, and where to read on."""
    row = session.get(Reconciliation, row_id, with_for_update=True, populate_existing=True)
    if row is None:
        session.rollback()
        return
    row.seen = row.seen + seen if row.cursor else seen
    row.found += found
    row.problem, row.cursor, row.through = problem, cursor, until
    session.commit()
