"""One attempt at handing a communication over: look at the row, make one call, write down what came of it.

Before the call the row says that somebody is at it (``busy_until``). Whoever finds that past knows that a worker died
there: the communication may be in the cabinet, so it is looked for before anything is sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from webapp.conversation import ConversationType
from webapp.models import (
    Account,
    CabinetKind,
    CabinetLink,
    Communication,
    Delivery,
    DeliveryAttempt,
    DeliveryPhase,
    DeliveryState,
    utc_now,
)

from . import compose, handing, line, lookup, settling, telling
from .client import Reply
from .failures import Failure, Kind
from .line import Line
from .masking import masked_answer, masked_request

log = structlog.get_logger()

#: No call takes as long, the wait for its turn included.
LEASE = timedelta(seconds=240)

#: A job that comes earlier than this before its time is another one's forerunner.
EARLY = timedelta(seconds=2)

#: What says nothing of a communication before the vendor's server has.
AWAITING = frozenset({DeliveryPhase.SESSION, DeliveryPhase.SEND, DeliveryPhase.DELETE})

#: Decides a communication anew, now that a session of it was refused.
Decide = Callable[[Session, Communication], Any]


@dataclass(frozen=True)
class Task:
    """What one attempt does, as plain values: no row is held while the call is made."""

    delivery_id: int
    attempt_id: int
    phase: DeliveryPhase
    kind: str
    ext_id: str
    started_at: datetime
    zone: ZoneInfo
    method: str
    params: dict[str, Any]
    not_after: datetime
    with_session: str | None = None
    probe: bool = False

    @property
    def looks(self) -> bool:
        """True when it asks a report whether the communication is there, to upload or to delete it."""
        return self.method == lookup.REPORTS[ConversationType(self.kind)]

    @property
    def uploads(self) -> bool:
        """True when it uploads the communication itself."""
        return self.method == compose.UPLOADS[ConversationType(self.kind)]


def perform(session: Session, delivery_id: int, decide: Decide, *, probe: bool = False) -> bool:
    """Make one attempt if one is due; commits. ``probe`` goes through a pause of its type, to see if it has ended.
    False when no call was made."""
    task, connection = _begin(session, delivery_id, decide, probe)
    session.commit()
    if task is None or connection is None:
        return False
    try:
        came = _call(connection, task)
    except Failure as failure:
        came = failure
    _end(session, task, came, decide)
    session.commit()
    return True


def _begin(session: Session, delivery_id: int, decide: Decide, probe: bool) -> tuple[Task | None, Line | None]:
    """Say that somebody is at it, and what is to be done; nothing when it is not to be done now."""
    delivery = _locked(session, delivery_id)
    if delivery is None or not _is_open(delivery):
        return None, None
    now, account = utc_now(), delivery.account
    if delivery.busy_until is not None and delivery.busy_until > now:
        handing.schedule(session, delivery, line.seconds_until(delivery.busy_until))
        return None, None
    if delivery.next_at is not None and delivery.next_at > now + EARLY:
        return None, None
    if account.cabinet_kind != CabinetKind.DATAAPI or not account.cabinet_access_token:
        delivery.next_at = None
        return None, None
    if not probe and line.is_paused(session, account.id, delivery.type):
        delivery.next_at = None
        return None, None
    link = session.get(CabinetLink, account.id)
    if link is not None and link.blocked_until is not None and link.blocked_until > now:
        settling.say(delivery, "limit_exceeded", {})
        handing.schedule(session, delivery, handing.seconds_in_line(session, account.id, link))
        return None, None
    if not probe and line.turn_in(session, account.id) > line.LONGEST_TURN:
        handing.schedule(session, delivery, handing.seconds_in_line(session, account.id, link))
        return None, None
    if delivery.busy_until is not None:
        _worker_died(session, delivery)
    wait = handing.seconds_awaited(session, delivery.communication_id)
    if wait and delivery.phase in AWAITING:
        # Asked anew since: a rating or a replay came, or somebody let all be tried again.
        handing.await_answer(session, delivery, wait)
        return None, None
    communication = session.get_one(
        Communication, delivery.communication_id, options=[joinedload(Communication.integration)]
    )
    task = _task(session, delivery, communication, account, decide, probe)
    return (task, Line.of(session, account)) if task else (None, None)


def _locked(session: Session, delivery_id: int) -> Delivery | None:
    """The delivery, locked after its communication: webhooks lock the two in this order."""
    of = select(Delivery.communication_id).where(Delivery.id == delivery_id).scalar_subquery()
    session.execute(select(Communication.id).where(Communication.id == of).with_for_update())
    return session.scalar(
        select(Delivery)
        .options(joinedload(Delivery.account))
        .where(Delivery.id == delivery_id)
        .with_for_update(of=Delivery)
        .execution_options(populate_existing=True)
    )


def _is_open(delivery: Delivery) -> bool:
    """True when there is something to do by itself."""
    if delivery.state == DeliveryState.DELIVERED:
        return delivery.phase == DeliveryPhase.TAG
    return delivery.state == DeliveryState.PENDING and delivery.reason != handing.UNFINISHED


def _worker_died(session: Session, delivery: Delivery) -> None:
    """What it was at may have happened."""
    session.execute(
        update(DeliveryAttempt)
        .where(DeliveryAttempt.delivery_id == delivery.id, DeliveryAttempt.outcome.is_(None))
        .values(outcome="unknown", mnemonic="worker_died", finished_at=utc_now())
    )
    if delivery.phase == DeliveryPhase.SEND:
        delivery.attempts += 1
        settling.doubt(delivery, delivery.busy_until)
        settling.say(delivery, "unknown_outcome", {})
    delivery.busy_until = None


def _task(
    session: Session, delivery: Delivery, communication: Communication, account: Account, decide: Decide, probe: bool
) -> Task | None:
    """The call that is to be made. What cannot be sent is held; a session that is none is as good as refused."""
    with_session = None
    try:
        if delivery.phase == DeliveryPhase.SEND:
            method, params, with_session = _upload(session, delivery, communication, account, decide)
        else:
            method, params = _other_call(delivery, communication)
    except compose.Held as held:
        settling.hold(session, delivery, held.reason, held.facts)
        return None
    now = utc_now()
    delivery.busy_until = now + LEASE
    attempt = DeliveryAttempt(
        account_id=account.id, delivery_id=delivery.id, method=method, request=masked_request(method, params)
    )
    session.add(attempt)
    session.flush()
    return Task(
        delivery.id, attempt.id, DeliveryPhase(delivery.phase), delivery.type, delivery.ext_id,
        communication.started_at, ZoneInfo(account.timezone), method, params, now + LEASE / 2, with_session, probe,
    )  # fmt: skip


def _upload(
    session: Session, delivery: Delivery, communication: Communication, account: Account, decide: Decide
) -> tuple[str, dict[str, Any], str | None]:
    if delivery.state == DeliveryState.PENDING and delivery.reason in (*handing.BY_SETTINGS, handing.ASKING):
        decide(session, communication)
    while True:
        told = telling.told_of(session, delivery, communication, account)
        if telling.wants_marks_session(delivery, communication) and (told.phone or told.email) and told.site:
            delivery.phase = DeliveryPhase.SESSION
            page = (communication.clues or {}).get("page_url")
            made = compose.marks_session(told, communication.utm or {}, page, told.site, f"{delivery.ext_id}-s")
            return "upload.sessions", {"sessions": [made]}, None
        try:
            item = compose.item(told)
            break
        except compose.SessionUnusable as unusable:
            delivery.refused = {**(delivery.refused or {}), unusable.session: "not_a_session"}
            decide(session, communication)
    kind = compose.type_of(told)
    delivery.type = str(kind)
    delivery.target = compose.target(told)
    delivery.sent, delivery.sent_at = handing.digest(communication), utc_now()
    return compose.UPLOADS[kind], {compose.LISTS[kind]: [item]}, told.session


def _other_call(delivery: Delivery, communication: Communication) -> tuple[str, dict[str, Any]]:
    kind = ConversationType(delivery.type)
    if delivery.phase == DeliveryPhase.DELETE and (delivery.external_id or "").isdecimal():
        return compose.UPLOADS[kind].replace("upload.", "delete."), {"id": int(delivery.external_id or 0)}
    if delivery.phase == DeliveryPhase.TAG:
        tag = str((communication.integration.handover or {}).get("tag") or "0")
        params = {"communication_ext_id": delivery.ext_id, "communication_type": str(kind), "tag_id": int(tag)}
        return "set.tag_communications", params
    if delivery.phase == DeliveryPhase.SESSION:
        return "get.visitor_sessions_report", {"ext_id": f"{delivery.ext_id}-s"}
    return lookup.REPORTS[kind], {"ext_id": delivery.ext_id}


def _call(connection: Line, task: Task) -> Any:
    """Make the call: the reply, or for a look what was found. Raises Failure."""
    if task.looks:
        return lookup.find(connection, task.kind, task.ext_id, task.started_at, task.zone) or {}
    if task.phase == DeliveryPhase.SESSION and task.method != "upload.sessions":
        return lookup.find_session(connection, f"{task.ext_id}-s", task.started_at, task.zone) or ""
    # Whoever was stopped for so long that he passes for dead sends nothing any more.
    return connection.call(task.method, task.params, task.not_after)


def _end(session: Session, task: Task, came: Any, decide: Decide) -> None:
    """Write down what came of it, and what comes next."""
    delivery = _locked(session, task.delivery_id)
    attempt = session.get(DeliveryAttempt, task.attempt_id, populate_existing=True)
    if delivery is None or attempt is None or delivery.ext_id != task.ext_id:
        # Erased meanwhile; the number of its row may be another's by now.
        return
    overtaken = attempt.outcome is not None
    failure = came if isinstance(came, Failure) else None
    attempt.finished_at = utc_now()
    attempt.outcome = str(failure.kind) if failure else "ok"
    attempt.mnemonic = failure.mnemonic if failure else None
    if failure:
        attempt.answer = masked_answer(failure.answer)
    elif isinstance(came, Reply):
        attempt.answer = masked_answer(came.answer)
    else:
        attempt.answer = str(came or "—")[:200]
    if overtaken:
        # It took longer than anything may, and another looks for what became of it.
        return
    delivery.busy_until = None
    if delivery.phase != task.phase:
        # Somebody asked for something else meanwhile: that is next, whatever came of this.
        handing.schedule(session, delivery)
        return
    settling.settle(session, delivery, task, came, decide)
    if task.probe and task.uploads and (failure is None or failure.kind is Kind.DONE):
        # Its type gets through, and no other is known to.
        line.resume(session, delivery.account_id, task.kind)
