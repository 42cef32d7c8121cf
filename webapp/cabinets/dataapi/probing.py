"""Ends a pause by itself: once a minute something small is asked of the cabinet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models import Account, CabinetKind, CabinetPause, Delivery, DeliveryPhase, DeliveryState, utc_now

from . import attempt, handing, line
from .failures import Failure, Kind
from .line import Line

#: As many are looked at for one that can be sent; those that turn out to have to be held cost no call.
MOST_TRIED = 20


def probe(session: Session, pause_id: int, decide: Callable[..., Any]) -> None:
    """Look whether it gets through, and resume or look again in a minute. Commits.

    A pause of one type is probed by one of the communications that wait: that its component is bought shows nowhere
    else. Where it does not get through that does not count as an attempt.
    """
    paused = session.get(CabinetPause, pause_id)
    account = session.get(Account, paused.account_id) if paused else None
    if paused is None or account is None:
        session.commit()
        return
    if account.cabinet_kind != CabinetKind.DATAAPI:
        session.delete(paused)
        session.commit()
        return
    if paused.next_probe_at > utc_now() + attempt.EARLY:
        # Another job's: that of an ended pause whose number this one has got.
        session.commit()
        return
    account_id, scope = account.id, paused.scope
    failure = _knock(session, account)
    if failure is None and (scope == line.WHOLE or not _try_one(session, account_id, scope, decide)):
        line.resume(session, account_id, scope)
    _again_if_still_paused(session, pause_id, failure)
    session.commit()


def _try_one(session: Session, account_id: int, scope: str, decide: Callable[..., Any]) -> bool:
    """Let one of the communications that wait to be uploaded go through the pause; its success ends it. False when none
    waits: then the next to come will show."""
    waiting = session.execute(
        select(Delivery.id, Delivery.next_at)
        .where(
            Delivery.account_id == account_id, Delivery.type == scope, Delivery.state == DeliveryState.PENDING,
            # A look, a tag or a deletion needs something else to have been bought.
            Delivery.phase.in_((DeliveryPhase.SEND, DeliveryPhase.SESSION)),
            Delivery.reason.is_(None) | (Delivery.reason != handing.UNFINISHED),
            Delivery.busy_until.is_(None) | (Delivery.busy_until < utc_now()),
        )
        .order_by(Delivery.phase == DeliveryPhase.SESSION, Delivery.next_at.is_not(None), Delivery.next_at, Delivery.id)
        .limit(MOST_TRIED)
    ).all()  # fmt: skip
    session.commit()
    for number, next_at in waiting:
        if next_at is not None and next_at > utc_now():
            break
        if attempt.perform(session, number, decide, probe=True):
            break
    return bool(waiting)


def _knock(session: Session, account: Account) -> Failure | None:
    """Ask the cabinet who it is."""
    try:
        connection = Line.of(session, account)
    except LookupError:
        return Failure(Kind.STOP, "access_token_invalid")
    session.commit()
    try:
        connection.call("get.account", {})
    except Failure as failure:
        return failure
    return None


def _again_if_still_paused(session: Session, pause_id: int, failure: Failure | None) -> None:
    paused = session.get(CabinetPause, pause_id, populate_existing=True, with_for_update=True)
    if paused is None:
        return
    if failure is not None and failure.kind is Kind.STOP and paused.scope == line.WHOLE:
        paused.reason, paused.facts = failure.mnemonic, failure.facts
    line.probe_later(session, paused)
