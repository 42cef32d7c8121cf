"""Asks the vendor's server about one communication, and asks again while something is missing (issue 4.6)."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, undefer

from webapp import authorizations, queue
from webapp.authorizations import OpenLink
from webapp.cabinets import cabinet_of
from webapp.conversation import ConversationType, Reading
from webapp.extensions import db
from webapp.intake import process_waiting
from webapp.models import (
    Communication,
    Integration,
    Lookup,
    WaitingEvent,
    WebhookEvent,
    event_communication,
    utc_now,
)
from webapp.recording import Occasion, record
from webapp.vendors.connection import NO_RIGHTS, ConnectionProblem, Finding, Known

log = structlog.get_logger()

#: The job's name is the module's.
NAME = __name__.rpartition(".")[2]

#: Seconds after which what is still empty is looked at again (contract, A-04).
AGAIN = (10, 60, 300)

#: A contact may be out of reach until somebody accepts the incoming lead (contract, 3.2): it is looked for longer.
CONTACT_AGAIN = (*AGAIN, 3600, 24 * 3600)

#: What an answer may lack for which it is worth to look again. A lead that has none of a session's field lacks nothing.
CONTACT = "contact"

#: The problem of a call that was not made, because the account is left alone.
TURNED_AWAY = "paused"

#: How many open lookups are counted to find one a place behind them.
LONGEST_LINE = 2000

#: Events that waited and are read in one transaction.
HEARD = 100

#: A job that comes earlier than this before its time is another one's forerunner.
EARLY = timedelta(seconds=2)

#: The problem of a look that the vendor's server allowed only in part.
REFUSED = "no_rights"

#: The job that has such lookups done again. Named, not imported: it is another job.
ASK_REFUSED = "ask_refused"

#: Seconds before a failed call is tried again: doubled each time up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 2, 3600

_noise = random.SystemRandom()


@dataclass(frozen=True)
class _Errand:
    """What to ask, as plain values."""

    known: Known
    authorization_id: int
    vendor: str
    region: str
    options: dict[str, Any]
    problem: str | None


def handle(row_id: int) -> None:
    """Ask once about communication ``row_id``; the next time, if there is to be one, is enqueued in the same commit as
    the answer. Told twice, it changes nothing."""
    session = db.session()
    errand = _begin(session, row_id)
    if errand is None:
        return
    link = OpenLink(db.engine, current_app.config["SETTINGS"], errand.authorization_id, errand.vendor)
    try:
        finding = link.connection.look(link, errand.known, errand.options, errand.region, utc_now())
    except ConnectionProblem as problem:
        _failed(session, row_id, problem)
        if not problem.needs_consent:
            authorizations.say_problem(db.engine, errand.authorization_id, problem.code, problem.detail)
        return
    if errand.problem:
        authorizations.say_problem(db.engine, errand.authorization_id, None)
    if _write(session, row_id, finding):
        # Only what has been passed on for good is taken from the lead.
        session.commit()
        _clear(link, errand, finding)
    _end(session, row_id, finding, errand.authorization_id)


def _begin(session: Session, row_id: int) -> _Errand | None:
    """What to ask; None when there is nothing to ask, or nobody who could be asked."""
    lookup = session.get(Lookup, row_id)
    communication = session.get(Communication, row_id)
    if lookup is None or communication is None or lookup.done_at is not None:
        session.rollback()
        return None
    if lookup.next_at is not None and lookup.next_at > utc_now() + EARLY:
        session.rollback()
        return None
    _hear_what_waited(session, row_id)
    lookup = session.get(Lookup, row_id, populate_existing=True)
    communication = session.get(Communication, row_id, populate_existing=True)
    if lookup is None or communication is None:
        session.rollback()
        return None
    integration = communication.integration
    authorization = integration.authorization
    if authorization is None or not authorization.connected:
        # It is taken up again by resume_lookups when somebody has connected.
        lookup.problem, lookup.next_at = "not_connected", None
        session.commit()
        return None
    errand = _Errand(
        _known(communication, lookup.missing or []),
        authorization.id,
        authorization.vendor,
        integration.account.region,
        dict(integration.options or {}),
        authorization.problem,
    )
    session.commit()
    return errand


def _known(communication: Communication, missing: list[str]) -> Known:
    """A lead that was not there may have been merged into another one: then the talk itself is asked for its lead."""
    lead = None if "lead" in missing else (communication.details or {}).get("lead")
    return Known(communication.vendor_id, lead, communication.client, communication.started_at)


def _hear_what_waited(session: Session, communication_id: int) -> None:
    """Read the events again that spoke of this conversation before it was a communication; a part of them at a time,
    for on SQLite nobody else's webhook is written meanwhile. Commits."""
    while True:
        communication = session.get(Communication, communication_id, populate_existing=True)
        if communication is None:
            return
        integration, vendor_id = communication.integration, communication.vendor_id
        these = (WaitingEvent.integration_id == integration.id, WaitingEvent.vendor_id == vendor_id)
        numbers = session.scalars(
            select(WaitingEvent.event_id).where(*these).order_by(WaitingEvent.event_id).limit(HEARD).with_for_update()
        ).all()
        if not numbers:
            return
        session.execute(
            delete(WaitingEvent)
            .where(*these, WaitingEvent.event_id.in_(numbers))
            .execution_options(synchronize_session=False)
        )
        events = session.scalars(
            select(WebhookEvent)
            .options(undefer(WebhookEvent.body))
            .where(WebhookEvent.id.in_(numbers))
            .order_by(WebhookEvent.id)
        ).all()
        process_waiting(session, integration, events, vendor_id)
        session.commit()


def _write(session: Session, row_id: int, finding: Finding) -> bool:
    """Record what was found, the way a webhook's facts are; the caller commits. True when the session field is to be
    emptied."""
    communication = session.get(Communication, row_id, with_for_update=True, populate_existing=True)
    if communication is None:
        session.rollback()
        return False
    integration = communication.integration
    told = finding.conversation
    if communication.channel:
        # The webhook's address or its own word has named it.
        told = replace(told, channel=None)
    told = replace(told, type=ConversationType(communication.type), vendor_id=communication.vendor_id)
    event = session.scalar(
        select(event_communication.c.event_id)
        .where(event_communication.c.communication_id == row_id)
        .order_by(event_communication.c.event_id)
        .limit(1)
    )
    occasion = Occasion(session.connection(), event, None, utc_now(), communication.is_test, first=False)
    record(session, integration, occasion, Reading(None, conversations=(told,)))
    options = integration.options or {}
    is_ours = bool(told.clues.token and told.clues.token.visit)
    return bool(options.get("clear_session_field") and is_ours and finding.lead)


def _clear(link: OpenLink, errand: _Errand, finding: Finding) -> None:
    """Empty the session field, so that it takes the next talk's. That it did not work is no reason to lose the rest."""
    try:
        link.connection.clear_field(link, finding.lead or "", int(errand.options["session_field"]))
    except ConnectionProblem as problem:
        log.warning("field_not_cleared", authorization=errand.authorization_id, code=problem.code)


def _end(session: Session, row_id: int, finding: Finding, authorization_id: int) -> None:
    """Keep what was missing, and look again if it may come."""
    lookup = session.get(Lookup, row_id, with_for_update=True, populate_existing=True)
    if lookup is None:
        session.rollback()
        return
    looked, now, was_refused = lookup.looks, utc_now(), lookup.problem == REFUSED
    is_refused = any(part.endswith(NO_RIGHTS) for part in finding.missing)
    lookup.looks, lookup.failures, lookup.problem = looked + 1, 0, REFUSED if is_refused else None
    # A session that was there once is known, even if the field has been emptied since.
    communication = session.get(Communication, row_id)
    known = bool(communication and (communication.clues or {}).get("token"))
    missing = [part for part in finding.missing if part != "session" or not known]
    lookup.missing, lookup.complete, lookup.looked_at = missing, not missing, now
    pauses = CONTACT_AGAIN if CONTACT in missing else AGAIN
    # Time brings no rights: what nobody may see is asked for again when somebody has connected or checked.
    may_come = [part for part in missing if not part.endswith(NO_RIGHTS)]
    if may_come and looked < len(pauses):
        _again(session, lookup, pauses[looked])
    else:
        lookup.done_at, lookup.next_at = now, None
    if lookup.done_at or looked >= len(AGAIN):
        # A contact that may come tomorrow keeps nobody waiting.
        _let_go(session, lookup)
    if was_refused and not is_refused:
        # What nobody was allowed to see may be seen: there may be more of it.
        queue.enqueue(session, ASK_REFUSED, authorization_id, key=f"{authorization_id}:{int(now.timestamp()) // 60}")
    session.commit()


def _let_go(session: Session, lookup: Lookup) -> None:
    """There is nothing more to wait for: an outside cabinet may have the communication."""
    if lookup.awaited_until is None:
        return
    lookup.awaited_until = None
    session.flush()
    communication = session.get(Communication, lookup.communication_id)
    if communication is not None:
        cabinet_of(communication.integration.account).record(session, communication.id)


def _failed(session: Session, row_id: int, problem: ConnectionProblem) -> None:
    """Keep why there was no answer, and try again if that makes sense."""
    lookup = session.get(Lookup, row_id, with_for_update=True, populate_existing=True)
    if lookup is None or lookup.done_at is not None:
        session.rollback()
        return
    was_called = problem.code != TURNED_AWAY
    lookup.problem, lookup.failures = problem.code, lookup.failures + was_called
    if problem.needs_consent:
        lookup.next_at = None
    elif problem.retry_after is None:
        lookup.done_at, lookup.next_at = utc_now(), None
        _let_go(session, lookup)
    elif problem.for_all:
        # Whoever comes back in the same moment only finds the others there.
        _again(session, lookup, problem.retry_after + _noise.uniform(0, seconds_for(session, lookup.integration_id)))
    else:
        # Not all at once: many lookups may have met the same fault at the same moment.
        pause = min(FIRST_PAUSE * 2 ** min(lookup.failures - 1, 10) * _noise.uniform(1, 1.5), LONGEST_PAUSE)
        _again(session, lookup, max(pause, min(problem.retry_after, LONGEST_PAUSE)))
    session.commit()


def seconds_for(session: Session, integration_id: int) -> float:
    """How long the lookups take that an integration has open, of a very long line its beginning."""
    open_ones = select(Lookup.communication_id).where(Lookup.integration_id == integration_id, Lookup.done_at.is_(None))
    number = session.scalar(select(func.count()).select_from(open_ones.limit(LONGEST_LINE).subquery())) or 0
    integration = session.get(Integration, integration_id)
    pace = authorizations.connection_of(integration.vendor).looks_per_second if integration else 1.0
    return number / pace


def _again(session: Session, lookup: Lookup, seconds: float) -> None:
    lookup.next_at = utc_now() + timedelta(seconds=seconds)
    # One next time for each look: a job that runs twice does not make two.
    key = f"{lookup.communication_id}:{lookup.looks}:{lookup.failures}:{int(lookup.next_at.timestamp())}"
    queue.enqueue(session, NAME, lookup.communication_id, delay_seconds=seconds, key=key)
