"""When a communication is handed over: the row of its delivery, and the jobs that look at it."""

from __future__ import annotations

import hashlib
import json
import random
import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import String, cast, func, or_, select
from sqlalchemy.orm import Session

from webapp import queue
from webapp.conversation import ConversationType
from webapp.models import (
    Account,
    CabinetLink,
    CabinetPause,
    Communication,
    Delivery,
    DeliveryPhase,
    DeliveryState,
    Integration,
    Lookup,
    utc_now,
)

from . import assumptions, line, listing

#: Seconds before each next attempt: about ten over three days.
RETRY_AFTER = (60, 300, 900, 3600, 7200, 14400, 28800, 43200, 72000, 86400)

#: How much earlier or later than that, so that what failed together does not come back together.
JITTER = 0.2

_noise = random.SystemRandom()

#: A job that is due may be late by so much before it is thought lost.
OVERDUE = timedelta(minutes=10)

#: Rows of one transaction of the reconciliation.
BATCH = 500

#: A count on a page is worth no more work than this.
LARGEST_COUNT = 10_000

#: How many that wait are counted.
LONGEST_LINE = 2000

#: Pending, and waiting for the conversation's end rather than for a job.
UNFINISHED = "unfinished"

#: Pending, and waiting for what the vendor's server says of it: a job is due when the wait is over at the latest.
ASKING = "asking"

#: What is held for these reasons may go on when settings or the directory change.
BY_SETTINGS = frozenset(
    {
        "nothing_to_attribute",
        "no_site",
        "no_employee",
        "gone",
        "not_in_cabinet",
        "campaign_is_inactive",
        "unknown_entity",
    }
)


#: What may be in the cabinet for all we know: only somebody who has looked there may have it sent.
BY_A_PERSON = frozenset({"unverifiable", "undeletable"})


def record(session: Session, communication_id: int) -> None:
    """See Cabinet.record. A chat goes out when it has ended; what is only a test of ours never does."""
    told = session.execute(
        select(
            Communication.type,
            Communication.is_test,
            Communication.finished_at,
            Communication.account_id,
            Integration.public_id,
        )
        .join(Integration, Integration.id == Communication.integration_id)
        .where(Communication.id == communication_id)
    ).one()
    if told.is_test:
        return
    ready = told.type != ConversationType.CHAT or told.finished_at is not None
    wait = seconds_awaited(session, communication_id)
    found = _locked(session, communication_id)
    if found is None:
        found = Delivery(
            account_id=told.account_id,
            communication_id=communication_id,
            type=told.type,
            ext_id=_new_ext_id(told.public_id, communication_id),
            state=DeliveryState.PENDING,
            reason=None if ready else UNFINISHED,
            updated_at=utc_now(),
            **{name: 0 for name in ("attempts", "tries", "looks", "turn", "confirm_tries")},
        )
        session.add(found)
        session.flush()
        if ready:
            _hand_over(session, found, wait)
    elif found.state == DeliveryState.PENDING:
        if ready and (found.reason == UNFINISHED or (found.reason == ASKING and not wait)):
            _hand_over(session, found, wait)
    elif found.state == DeliveryState.HELD:
        found.state, found.tries = DeliveryState.PENDING, 0
        _hand_over(session, found, wait)
    elif found.sent and digest(session.get_one(Communication, communication_id)) != found.sent:
        if found.state == DeliveryState.FAILED:
            again(session, found)
        else:
            found.changed_after = True


def seconds_awaited(session: Session, communication_id: int) -> float:
    """For how long the answer of the vendor's server is waited for, 0 when nobody is asked."""
    until = session.scalar(select(Lookup.awaited_until).where(Lookup.communication_id == communication_id))
    return line.seconds_until(until) if until and until > utc_now() else 0.0


def _hand_over(session: Session, delivery: Delivery, wait: float) -> None:
    if wait:
        await_answer(session, delivery, wait)
    else:
        schedule(session, delivery)


def await_answer(session: Session, delivery: Delivery, seconds: float) -> None:
    """Let it wait for what the vendor's server says, at most so many seconds."""
    delivery.reason, delivery.facts = ASKING, {}
    schedule(session, delivery, seconds)


def resend(session: Session, communication_id: int) -> bool:
    """See Cabinet.resend."""
    found = _locked(session, communication_id)
    if found is None or found.reason in (UNFINISHED, ASKING):
        return False
    if found.state == DeliveryState.DELIVERED:
        if found.sent == digest(session.get_one(Communication, communication_id)):
            return False
        take_back(session, found)
    else:
        again(session, found)
    return True


def take_back(session: Session, delivery: Delivery) -> None:
    """Let it be deleted in the cabinet and sent as it is now."""
    # Without the cabinet's id it is looked for first.
    delivery.phase, delivery.looks = DeliveryPhase.DELETE, assumptions.LOOKS_NEEDED
    delivery.refused, delivery.marks_session, delivery.shortened = {}, None, False
    delivery.confirmed = delivery.confirmed_at = delivery.confirm_at = None
    delivery.differs, delivery.is_different, delivery.changed_after = [], False, False
    again(session, delivery)


def again(session: Session, delivery: Delivery) -> None:
    """Let it be tried at once, with all its attempts before it."""
    delivery.state, delivery.tries = DeliveryState.PENDING, 0
    schedule(session, delivery)


def schedule(session: Session, delivery: Delivery, seconds: float = 0.0) -> None:
    """Have a job look at it in so many seconds; the caller commits."""
    delivery.turn = (delivery.turn or 0) + 1
    delivery.next_at = utc_now() + timedelta(seconds=seconds)
    if delivery.reason == UNFINISHED:
        delivery.reason = None
    delivery.updated_at = utc_now()
    session.flush()
    queue.enqueue(session, "upload", delivery.id, delay_seconds=seconds, key=_key(delivery))


def _new_ext_id(integration: str, communication_id: int) -> str:
    """Our name for it in the cabinet. Numbers of rows come back after an erasure (SQLite), and the cabinet still has
    what was erased here: with the number alone a new communication would be found there, and never be sent."""
    return f"lt-{integration}-{communication_id}-{secrets.token_urlsafe(6)}"


def _key(delivery: Delivery) -> str:
    """The name of its next job: no number of a row, which an earlier delivery may have had."""
    return f"{delivery.ext_id}:{delivery.turn}"


def seconds_in_line(session: Session, account_id: int, link: CabinetLink | None) -> float:
    """Until somewhere in the line that forms when calls are few: all at once would only find them used up."""
    waiting = select(Delivery.id).where(Delivery.account_id == account_id, Delivery.state == DeliveryState.PENDING)
    ahead = session.scalar(select(func.count()).select_from(waiting.limit(LONGEST_LINE).subquery())) or 0
    begins = link.blocked_until if link and link.blocked_until else utc_now()
    return line.seconds_until(begins) + _noise.uniform(0, ahead / line.rate_of(link))


def retry_seconds(tries: int) -> float | None:
    """Until the next attempt after so many failed ones; None when there were enough."""
    if tries > len(RETRY_AFTER):
        return None
    return RETRY_AFTER[tries - 1] * _noise.uniform(1 - JITTER, 1 + JITTER)


def confirm_later(session: Session, delivery: Delivery) -> bool:
    """Have it read back. False when it has been looked for often enough."""
    if delivery.confirm_tries >= len(assumptions.CONFIRM_AFTER):
        delivery.confirm_at = None
        return False
    seconds = assumptions.CONFIRM_AFTER[delivery.confirm_tries]
    delivery.confirm_at = utc_now() + timedelta(seconds=seconds)
    ask_to_confirm(session, delivery.account_id, seconds)
    return True


def ask_to_confirm(session: Session, account_id: int, seconds: float) -> None:
    """One job reads back all that is due then; a key of ten seconds makes many wishes one job."""
    slot = int(utc_now().timestamp() + seconds) // 10 + 1
    queue.enqueue(session, "confirm", account_id, delay_seconds=seconds + 10, key=f"{account_id}:{slot}")


def digest(communication: Communication) -> str:
    """What an upload depends on, as one word."""
    told: list[Any] = [
        getattr(communication, name)
        for name in (
            "type", "contact_name", "contact_phone", "contact_email", "text", "messages", "channel", "campaign_id",
            "source_id", "site_id", "visit_id", "session_named",
        )
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told, ensure_ascii=True, sort_keys=True, default=str).encode()).hexdigest()


def reconcile(session: Session, account_id: int) -> None:
    """Find what should have a job and has none: after a pause, a lost job, changed settings. Commits in batches."""
    _release(session, account_id)
    overdue = utc_now() - OVERDUE
    lost = (
        Delivery.account_id == account_id,
        or_(Delivery.next_at.is_(None), Delivery.next_at < overdue),
        or_(Delivery.reason.is_(None), Delivery.reason != UNFINISHED),
        or_(Delivery.busy_until.is_(None), Delivery.busy_until < utc_now()),
    )
    for which in (listing.PENDING, listing.TAG):
        _find_jobs(session, account_id, which, *lost)
    if session.scalar(
        select(Delivery.id).where(Delivery.account_id == account_id, Delivery.confirm_at < overdue).limit(1)
    ):
        ask_to_confirm(session, account_id, 0)
    for one in session.scalars(
        select(CabinetPause).where(CabinetPause.account_id == account_id, CabinetPause.next_probe_at < overdue)
    ).all():
        line.probe_later(session, one)
    session.commit()


def _find_jobs(session: Session, account_id: int, *lost: Any) -> None:
    """Give those a job that have none. Commits in batches."""
    last = 0
    while True:
        stopped = {one.scope for one in line.pauses(session, account_id)}
        if line.WHOLE in stopped:
            return
        found = session.scalars(
            select(Delivery)
            .where(*lost, Delivery.type.not_in(stopped), Delivery.id > last)
            .order_by(Delivery.id)
            .limit(BATCH)
            .with_for_update()
        ).all()
        for delivery in found:
            last = delivery.id
            # What is late because many are before it has a job all the same.
            if delivery.next_at is None or not queue.is_waiting(session, "upload", _key(delivery)):
                schedule(session, delivery)
        session.commit()
        if len(found) < BATCH:
            return


def _release(session: Session, account_id: int) -> None:
    """Let what is held because of settings try again, once for each change of them."""
    for reason in sorted(BY_SETTINGS):
        place = None
        while True:
            query = (
                select(Delivery)
                .join(Communication, Communication.id == Delivery.communication_id)
                .join(Integration, Integration.id == Communication.integration_id)
                .join(Account, Account.id == Delivery.account_id)
                .where(*listing.chosen(account_id, {"reason": reason, "state": DeliveryState.HELD}))
                .where(Delivery.known_from.is_distinct_from(_revisions()))
            )
            found = session.scalars(listing.oldest_first(query, place).limit(BATCH).with_for_update(of=Delivery)).all()
            for delivery in found:
                place = delivery.created_at, delivery.id
                again(session, delivery)
            session.commit()
            if len(found) < BATCH:
                break


def _revisions() -> Any:
    """``known_from`` as the database writes it."""
    integration, account = cast(Integration.revision, String), cast(Account.revision, String)
    return integration.concat(":").concat(account)


def known_from(integration_revision: int, account_revision: int) -> str:
    """The settings that a decision was made under, as one word."""
    return f"{integration_revision}:{account_revision}"


def counts(session: Session, account_id: int) -> dict[str, int | str]:
    """How many deliveries stand how, as far as it is worth counting. States that none has are left out."""
    found: dict[str, int | str] = {}
    for state in DeliveryState:
        some = select(Delivery.id).where(Delivery.account_id == account_id, Delivery.state == state)
        number = session.scalar(select(func.count()).select_from(some.limit(LARGEST_COUNT).subquery())) or 0
        if number:
            found[str(state)] = number if number < LARGEST_COUNT else f"{number}+"
    return found


def _locked(session: Session, communication_id: int) -> Delivery | None:
    return session.scalar(select(Delivery).where(Delivery.communication_id == communication_id).with_for_update())
