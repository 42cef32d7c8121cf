"""What comes after an attempt: delivered, held, refused, tried again, or the whole line paused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import accumulate
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models import Account, Communication, Delivery, DeliveryPhase, DeliveryState, Integration, utc_now
from webapp.resolution import MARKS

from . import assumptions, handing, line, lookup
from .client import Reply
from .failures import Failure, Kind

log = structlog.get_logger()

#: How often a tag is tried before it is given up: what was uploaded stays uploaded.
MOST_TAG_TRIES = 5

#: The fact of a delivery that is taken back: the number under which the cabinet knows nothing that it could delete.
UNKNOWN_NUMBER = "unknown_number"


def settle(session: Session, delivery: Delivery, task: Any, came: Any, decide: Callable[..., Any]) -> None:
    """Write into the delivery what came of the attempt; the caller commits."""
    delivery.updated_at = utc_now()
    if not isinstance(came, Failure):
        _well(session, delivery, task, came)
    elif came.kind is Kind.LIMIT:
        line.keep_limits(session, delivery.account_id, came.limits, exceeded=True)
        say(delivery, "limit_exceeded", {})
        link = line.link_of(session, delivery.account_id)
        handing.schedule(session, delivery, handing.seconds_in_line(session, delivery.account_id, link))
    elif came.kind is Kind.STOP:
        _stopped(session, delivery, task, came, decide)
    elif came.kind is Kind.ITEM or (came.kind is Kind.DONE and task.phase != DeliveryPhase.SEND):
        _refused(session, delivery, task, came, decide)
    elif came.kind is Kind.DONE:
        _look(session, delivery)
        delivery.facts = {"already": True}
    else:
        _try_again(session, delivery, task, came)


def _well(session: Session, delivery: Delivery, task: Any, came: Any) -> None:
    if task.phase in (DeliveryPhase.SEND, DeliveryPhase.DELETE) and not task.looks:
        delivery.tries = 0
    if task.phase == DeliveryPhase.SEND:
        delivery.attempts += 1
        number = lookup.external_id(came.first) if isinstance(came, Reply) else None
        if number:
            delivered(session, delivery, number)
        else:
            # Half an answer: it says neither yes nor no.
            _look(session, delivery)
    elif task.looks:
        (_looked_for_old if task.phase == DeliveryPhase.DELETE else _looked)(session, delivery, came)
    elif task.phase == DeliveryPhase.SESSION:
        _session_made(session, delivery, task, came)
    elif task.phase == DeliveryPhase.DELETE:
        renew(delivery)
        handing.schedule(session, delivery)
    else:
        delivery.phase, delivery.tag_problem, delivery.tries = DeliveryPhase.DONE, None, 0


def say(delivery: Delivery, reason: str, facts: dict[str, Any]) -> None:
    """Why it waits. Of one that is delivered, and only waits for its tag, nothing is to be said."""
    if delivery.state == DeliveryState.PENDING:
        delivery.reason, delivery.facts = reason, facts


def delivered(session: Session, delivery: Delivery, number: str | None) -> None:
    """The cabinet has it."""
    delivery.state, delivery.external_id = DeliveryState.DELIVERED, number or delivery.external_id
    delivery.reason, delivery.facts, delivery.tries, delivery.looks = None, {}, 0, 0
    delivery.next_at = delivery.known_from = None
    communication = session.get_one(Communication, delivery.communication_id)
    delivery.changed_after = handing.digest(communication) != delivery.sent
    delivery.confirm_tries = 0
    handing.confirm_later(session, delivery)
    if str((communication.integration.handover or {}).get("tag") or "").lstrip("-").isdecimal():
        delivery.phase = DeliveryPhase.TAG
        handing.schedule(session, delivery)
    else:
        delivery.phase = DeliveryPhase.DONE


def hold(session: Session, delivery: Delivery, reason: str, facts: dict[str, Any]) -> None:
    """It cannot go on until the reason goes away."""
    row = session.execute(
        select(Integration.revision, Account.revision)
        .select_from(Communication)
        .join(Integration, Integration.id == Communication.integration_id)
        .join(Account, Account.id == Communication.account_id)
        .where(Communication.id == delivery.communication_id)
    ).one()
    delivery.state, delivery.reason, delivery.facts = DeliveryState.HELD, reason, facts
    delivery.known_from, delivery.next_at, delivery.updated_at = handing.known_from(*row), None, utc_now()


def renew(delivery: Delivery) -> None:
    """What the cabinet had is gone: the next upload has another ext_id, which cannot meet the old one (U-03)."""
    delivery.generation += 1
    delivery.ext_id = delivery.ext_id.rpartition("~")[0] or delivery.ext_id
    delivery.ext_id = f"{delivery.ext_id}~{delivery.generation}"
    delivery.external_id, delivery.phase, delivery.looks = None, DeliveryPhase.SEND, 0
    delivery.facts = {}


def doubt(delivery: Delivery, until: datetime | None = None) -> None:
    """Nobody knows whether it is there: from now on it is looked for. ``until``: when it was sent at the latest."""
    delivery.phase, delivery.looks = DeliveryPhase.LOOK, assumptions.LOOKS_NEEDED
    delivery.sent_at = until or utc_now()


def trust_a_person(delivery: Delivery) -> None:
    """Somebody has looked in the cabinet, and wants it to be sent: what we could not find out is so."""
    if delivery.phase == DeliveryPhase.DELETE:
        renew(delivery)
    delivery.phase = DeliveryPhase.SEND


def _look(session: Session, delivery: Delivery) -> None:
    """It is looked for, more than once, before it is sent again."""
    doubt(delivery)
    delivery.reason, delivery.facts = "unknown_outcome", {}
    handing.schedule(session, delivery, assumptions.LOOK_AFTER[0])


def _looked(session: Session, delivery: Delivery, found: Any) -> None:
    """A report was asked for what is to be uploaded."""
    if found:
        delivered(session, delivery, lookup.external_id(found))
    elif not _is_absent(delivery):
        handing.schedule(session, delivery, _until_next_look(delivery))
    elif (delivery.facts or {}).get("already"):
        delivered(session, delivery, None)
    else:
        delivery.phase = DeliveryPhase.SEND
        handing.schedule(session, delivery)


def _looked_for_old(session: Session, delivery: Delivery, found: Any) -> None:
    """A report was asked for what is to be deleted. Nothing is sent anew before it is known to be gone."""
    number, refused = lookup.external_id(found or {}), (delivery.facts or {}).get(UNKNOWN_NUMBER)
    if number and number.isdecimal() and number != refused:
        delivery.external_id = number
        handing.schedule(session, delivery)
    elif found:
        # There, and nobody says by which number it could be deleted.
        hold(session, delivery, "undeletable", {})
    elif not _is_absent(delivery):
        handing.schedule(session, delivery, _until_next_look(delivery))
    elif refused:
        renew(delivery)
        handing.schedule(session, delivery)
    else:
        # It was there once, and a report that lacks it may lag for good.
        hold(session, delivery, "undeletable", {})


def _is_absent(delivery: Delivery) -> bool:
    """Whether it is to be believed that a report lacks it: often enough, once the report must have had it. The clock
    decides that, for whoever presses «Передать ещё раз» has it looked for earlier."""
    if _seconds_since_sent(delivery) >= sum(assumptions.LOOK_AFTER):
        delivery.looks -= 1
    return delivery.looks <= 0


def _until_next_look(delivery: Delivery) -> float:
    passed = _seconds_since_sent(delivery)
    due = (moment - passed for moment in accumulate(assumptions.LOOK_AFTER))
    return next((seconds for seconds in due if seconds > 0), assumptions.LOOK_AFTER[0])


def _seconds_since_sent(delivery: Delivery) -> float:
    return (utc_now() - (delivery.sent_at or delivery.created_at)).total_seconds()


def _session_made(session: Session, delivery: Delivery, task: Any, came: Any) -> None:
    """A session of marks: the number is in the reply, or for a dropped duplicate in the report (U-18)."""
    number = came if isinstance(came, str) else lookup.external_id({"id": came.first.get("session_id")})
    if number and number.isdecimal():
        delivery.marks_session, delivery.phase, delivery.tries = number, DeliveryPhase.SEND, 0
        handing.schedule(session, delivery)
    elif isinstance(came, str):
        # Sent and not in the report: it is sent again, duplicates are dropped.
        delivery.phase, delivery.tries = DeliveryPhase.SEND, delivery.tries + 1
        seconds = handing.retry_seconds(delivery.tries)
        _later_or_never(session, delivery, seconds, "unknown_outcome")
    else:
        handing.schedule(session, delivery, assumptions.LOOK_AFTER[0])


def _try_again(session: Session, delivery: Delivery, task: Any, failure: Failure) -> None:
    """Nothing is wrong with the communication: the network, the server, or nobody knows."""
    if task.probe and failure.kind is Kind.LATER and failure.mnemonic != "internal_error":
        # Nothing happened, and without the pause it would not have been tried.
        delivery.next_at = None
        say(delivery, "paused", {"mnemonic": failure.mnemonic})
        return
    delivery.tries += 1
    if task.phase == DeliveryPhase.SEND:
        delivery.attempts += 1
        if failure.kind is Kind.UNKNOWN or failure.mnemonic == "internal_error":
            # A server that says it failed may have done it before it did.
            doubt(delivery)
    if task.phase == DeliveryPhase.TAG and delivery.tries >= MOST_TAG_TRIES:
        delivery.tag_problem, delivery.phase = failure.mnemonic, DeliveryPhase.DONE
        return
    delivery.facts = {**(delivery.facts or {}), "mnemonic": failure.mnemonic}
    _later_or_never(session, delivery, handing.retry_seconds(delivery.tries), "trying")


def _later_or_never(session: Session, delivery: Delivery, seconds: float | None, reason: str) -> None:
    if seconds is None:
        delivery.state, delivery.reason, delivery.next_at = DeliveryState.FAILED, "exhausted", None
    else:
        say(delivery, reason, delivery.facts or {})
        handing.schedule(session, delivery, seconds)


def _stopped(session: Session, delivery: Delivery, task: Any, failure: Failure, decide: Callable[..., Any]) -> None:
    """Nobody gets through. The attempt does not count."""
    if not failure.account_wide:
        if task.phase == DeliveryPhase.DELETE:
            hold(session, delivery, "undeletable", failure.facts)
            return
        if task.phase == DeliveryPhase.LOOK:
            # Sending again without looking might make it twice: a person decides.
            hold(session, delivery, "unverifiable", failure.facts)
            return
        if task.phase == DeliveryPhase.SESSION:
            _without_session(session, delivery, MARKS, failure, decide)
            return
        if task.phase == DeliveryPhase.TAG:
            delivery.tag_problem, delivery.phase = failure.mnemonic, DeliveryPhase.DONE
            return
    line.pause(session, delivery.account_id, failure, delivery.type)
    delivery.next_at = None
    say(delivery, "paused", failure.facts)


def _refused(session: Session, delivery: Delivery, task: Any, failure: Failure, decide: Callable[..., Any]) -> None:
    """The cabinet does not want this one as it is."""
    if task.phase == DeliveryPhase.DELETE and not task.looks and failure.mnemonic == "entity_not_found":
        # Deleted already, or there under another number than the one we were told (U-09).
        delivery.facts, delivery.looks = {UNKNOWN_NUMBER: delivery.external_id}, assumptions.LOOKS_NEEDED
        delivery.external_id = None
        handing.schedule(session, delivery)
    elif task.phase == DeliveryPhase.SESSION:
        _without_session(session, delivery, MARKS, failure, decide)
    elif task.phase == DeliveryPhase.TAG:
        if failure.mnemonic == "entity_not_found":
            _try_again(session, delivery, task, failure)
        else:
            done = failure.kind is Kind.DONE
            delivery.tag_problem, delivery.phase = None if done else failure.mnemonic, DeliveryPhase.DONE
    elif task.with_session and assumptions.names_the_session(failure.mnemonic, failure.field):
        delivery.attempts += 1
        made = task.with_session == delivery.marks_session
        _without_session(session, delivery, MARKS if made else task.with_session, failure, decide)
    elif assumptions.names_a_message(failure.mnemonic, failure.field) and not delivery.shortened:
        delivery.attempts += 1
        delivery.shortened = True
        handing.schedule(session, delivery)
    else:
        delivery.attempts += 1
        told = {**failure.facts, "message": failure.message}
        if task.phase == DeliveryPhase.SEND and failure.mnemonic == "campaign_is_inactive":
            hold(session, delivery, failure.mnemonic, told)
        elif task.phase == DeliveryPhase.SEND and assumptions.names_a_reference(failure.mnemonic, failure.field):
            hold(session, delivery, "unknown_entity", told)
        else:
            delivery.state, delivery.reason, delivery.facts = DeliveryState.FAILED, "refused", told
            delivery.next_at = None


def _without_session(
    session: Session, delivery: Delivery, which: str, failure: Failure, decide: Callable[..., Any]
) -> None:
    """The later rules decide, and the trail says why."""
    delivery.refused = {**(delivery.refused or {}), which: failure.mnemonic}
    delivery.phase = DeliveryPhase.SEND
    session.flush()
    decide(session, session.get_one(Communication, delivery.communication_id))
    handing.schedule(session, delivery)
