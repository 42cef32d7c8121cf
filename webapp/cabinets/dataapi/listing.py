"""Questions about an account's deliveries, each in the words of the index that answers it. A list is in the order of
places: when each was made, and its number."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, false, literal_column, select, tuple_
from sqlalchemy.orm import Session

from webapp.models import Delivery, DeliveryState

#: When a delivery was made, and its number.
Place = tuple[datetime, int]

PLACE = tuple_(Delivery.created_at, Delivery.id)

#: SQLite uses a partial index for no query but one that repeats the index's own condition, its values written out.
DIFFERENT: ColumnElement[bool] = literal_column("delivery.is_different")
PENDING: ColumnElement[bool] = Delivery.state == literal_column("'pending'")
TAG: ColumnElement[bool] = Delivery.phase == literal_column("'tag'")


def chosen(account_id: int, asked: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """The conditions on the account's deliveries by state, reason, differs, since and until (moments as text), last
    (the largest number)."""
    wanted = [Delivery.account_id == account_id]
    if asked.get("state") and asked.get("reason"):
        # By the reason's index: of a state there may be millions. What was delivered has no reason.
        delivered = asked["state"] == DeliveryState.DELIVERED
        wanted.append(false() if delivered else Delivery.state.concat("") == asked["state"])
    elif asked.get("state"):
        wanted.append(Delivery.state == asked["state"])
    if asked.get("reason"):
        wanted.append(Delivery.reason == asked["reason"])
    if asked.get("differs"):
        wanted.append(DIFFERENT)
    if asked.get("since"):
        wanted.append(Delivery.created_at >= datetime.fromisoformat(asked["since"]))
    if asked.get("until"):
        wanted.append(Delivery.created_at < datetime.fromisoformat(asked["until"]))
    if asked.get("last"):
        wanted.append(Delivery.id <= asked["last"])
    return wanted


def place_of(session: Session, account_id: int, number: int) -> Place | None:
    """Where a delivery of the account stands in the list."""
    own = (Delivery.account_id == account_id, Delivery.id == number)
    found = session.execute(select(Delivery.created_at, Delivery.id).where(*own)).first()
    return tuple(found) if found else None


def latest_first(query: Select[Any], before: Place | None) -> Select[Any]:
    """The query with the latest first, going on before a place."""
    if before is not None:
        query = query.where(tuple_(before[0].astimezone(UTC), before[1]) > PLACE)
    return query.order_by(Delivery.created_at.desc(), Delivery.id.desc())


def oldest_first(query: Select[Any], after: Place | None) -> Select[Any]:
    """The query with the oldest first, going on after a place."""
    if after is not None:
        query = query.where(tuple_(after[0].astimezone(UTC), after[1]) < PLACE)
    return query.order_by(Delivery.created_at, Delivery.id)
