"""Ends a pause by itself: once a minute something small is asked of the cabinet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models import Account, CabinetKind, CabinetPause, Delivery, DeliveryState, utc_now

from . import attempt, line
from .failures import Failure, Kind
from .line import Line


def probe(session: Session, pause_id: int, decide: Callable[..., Any]) -> None:
    """Look whether it gets through, and resume or look again in a minute. Commits.

    A pause of one type is probed by one of the communications that wait: that its component is bought shows nowhere
    else. Such a try does not count as an attempt.
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
    account_id, scope = account.id, paused.scope
    failure = _knock(session, account)
    waiting = None
    if failure is None and scope != line.WHOLE:
        waiting = session.scalar(
            select(Delivery.id)
            .where(
                Delivery.account_id == account_id, Delivery.type == scope, Delivery.state == DeliveryState.PENDING,
                Delivery.busy_until.is_(None) | (Delivery.busy_until < utc_now()),
            )
            .order_by(Delivery.id)
            .limit(1)
        )  # fmt: skip
        session.commit()
    if waiting is not None:
        attempt.perform(session, waiting, decide, probe=True)
    elif failure is None:
        line.resume(session, account_id, scope)
    _again_if_still_paused(session, pause_id, failure)
    session.commit()


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
