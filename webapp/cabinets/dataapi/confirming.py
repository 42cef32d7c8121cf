"""Reads back what was uploaded, and sees what the cabinet made of it."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models import Account, CabinetKind, CabinetLink, Communication, Delivery, DeliveryState, utc_now

from . import handing, line, lookup
from .failures import Failure, Kind
from .line import Line

#: A few points of the day are left for uploads: reading back is worth less.
LEAST_POINTS = 20


def confirm(session: Session, account_id: int) -> None:
    """Read back what is due, as many at once as one question holds. Commits."""
    account = session.get(Account, account_id)
    if account is None or account.cabinet_kind != CabinetKind.DATAAPI or not account.cabinet_access_token:
        session.commit()
        return
    while True:
        if _must_wait(session, account_id):
            handing.ask_to_confirm(session, account_id, line.PROBE_SECONDS)
            session.commit()
            return
        due = _due(session, account_id)
        if not due:
            session.commit()
            return
        connection, zone = Line.of(session, account), ZoneInfo(account.timezone)
        kind, moments = due[0][0].type, [row[1] for row in due]
        by_name = {row[0].ext_id: row[0].id for row in due}
        session.commit()
        try:
            found = lookup.read_back(connection, kind, list(by_name), min(moments), max(moments), zone)
        except Failure as failure:
            _failed(session, account_id, kind, failure, list(by_name.values()))
            session.commit()
            return
        for ext_id, number in by_name.items():
            _one(session, number, ext_id, found.get(ext_id))
        session.commit()


def _must_wait(session: Session, account_id: int) -> bool:
    link = session.get(CabinetLink, account_id, populate_existing=True)
    if link is not None and link.blocked_until is not None and link.blocked_until > utc_now():
        return True
    left = (link.limits or {}).get("day_remaining") if link else None
    return bool(left is not None and left < LEAST_POINTS) or any(
        one.scope == line.WHOLE for one in line.pauses(session, account_id)
    )


def _due(session: Session, account_id: int) -> Sequence[tuple[Delivery, object]]:
    """Deliveries of one type that are due, close enough in time for one report."""
    base = (
        select(Delivery, Communication.started_at)
        .join(Communication, Communication.id == Delivery.communication_id)
        .where(Delivery.account_id == account_id, Delivery.confirm_at <= utc_now())
        .where(Delivery.state == DeliveryState.DELIVERED)
        .order_by(Communication.started_at)
        .limit(lookup.MOST_AT_ONCE)
    )
    rows = [tuple(row) for row in session.execute(base)]
    # A report spans 3 months at most.
    return [row for row in rows if row[0].type == rows[0][0].type and (row[1] - rows[0][1]).days < 60]


def _one(session: Session, number: int, ext_id: str, found: dict[str, object] | None) -> None:
    delivery = session.get(Delivery, number, with_for_update=True, populate_existing=True)
    if delivery is None or delivery.ext_id != ext_id or delivery.state != DeliveryState.DELIVERED:
        return
    if found is None:
        delivery.confirm_tries += 1
        handing.confirm_later(session, delivery)
        return
    delivery.confirm_at, delivery.confirmed, delivery.confirmed_at = None, found, utc_now()
    delivery.external_id = delivery.external_id or lookup.external_id(found)
    delivery.differs = lookup.differences(delivery.target or {}, found)
    delivery.is_different = bool(delivery.differs)


def _failed(session: Session, account_id: int, kind: str, failure: Failure, numbers: list[int]) -> None:
    """Nothing hangs on it: it is tried later, or given up where reports may not be read at all."""
    if failure.kind is Kind.LIMIT:
        line.keep_limits(session, account_id, failure.limits, exceeded=True)
    if failure.account_wide:
        line.pause(session, account_id, failure, kind)
    for number in numbers:
        delivery = session.get(Delivery, number, with_for_update=True, populate_existing=True)
        if delivery is None or delivery.confirm_at is None:
            continue
        if failure.kind in (Kind.STOP, Kind.ITEM) and not failure.account_wide:
            delivery.confirm_at = None
        else:
            delivery.confirm_tries += failure.kind in (Kind.LATER, Kind.UNKNOWN)
            handing.confirm_later(session, delivery)
