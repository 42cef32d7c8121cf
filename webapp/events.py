"""Questions about stored events, each in the words of the index that answers it. A list of events is in the order of
their places: when each was received, and its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, select, tuple_
from sqlalchemy.orm import Session

from webapp.models import EventState, WebhookEvent

#: When an event was received, and its number.
Place = tuple[datetime, int]

#: In this state an event has yet to be recorded. SQLite uses a partial index for no query but one that repeats the
#: index's own condition, with its values written out.
WAITING = WebhookEvent.state.in_([literal_column("'failed'"), literal_column("'stored'")])

#: States that no index knows are looked for among so many events, an index's entry each.
MOST_LOOKED_AT = 50_000

_PLACE = tuple_(WebhookEvent.received_at, WebhookEvent.id)


@dataclass(frozen=True)
class Page:
    """Some events, the latest first. ``older`` is the number of the event to go on after, None at the end; ``gap``: the
    search ended there without looking at everything."""

    rows: Sequence[WebhookEvent]
    older: int | None
    gap: bool


def in_state(state: str) -> ColumnElement[bool]:
    """The condition on events of this state."""
    here = WebhookEvent.state == state
    return and_(WAITING, here) if state in (EventState.FAILED, EventState.STORED) else here


def count(session: Session, state: EventState, *which: ColumnElement[bool], most: int) -> int:
    """How many of these events wait in a state, counted up to ``most``."""
    found = select(WebhookEvent.id).where(in_state(state), *which).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0


def chosen(account_id: int, asked: Mapping[str, Any]) -> Select[tuple[WebhookEvent]]:
    """The account's events by state, integration, since and until (moments as text), last (the largest number)."""
    query = select(WebhookEvent).where(WebhookEvent.account_id == account_id)
    if asked.get("last"):
        query = query.where(WebhookEvent.id <= asked["last"])
    if asked.get("state"):
        query = query.where(in_state(asked["state"]))
    if asked.get("integration"):
        query = query.where(WebhookEvent.integration_id == asked["integration"])
    if asked.get("since"):
        query = query.where(WebhookEvent.received_at >= datetime.fromisoformat(asked["since"]))
    if asked.get("until"):
        query = query.where(WebhookEvent.received_at < datetime.fromisoformat(asked["until"]))
    return query


def oldest_first(query: Select[Any], after: Place | None) -> Select[Any]:
    """The query in the order of places, going on after one."""
    if after is not None:
        query = query.where(tuple_(after[0].astimezone(UTC), after[1]) < _PLACE)
    return query.order_by(WebhookEvent.received_at, WebhookEvent.id)


def page(
    session: Session, account_id: int, asked: Mapping[str, Any], before: int | None, size: int, *options: Any
) -> Page:
    """So many of the ``chosen`` events, the latest first; ``before`` is the ``older`` of an earlier page."""
    around, query = chosen(account_id, {**asked, "state": None}), chosen(account_id, asked).options(*options)
    place = _place(session, account_id, before) if before else None
    if place is not None:
        around, query = around.where(tuple_(*place) > _PLACE), query.where(tuple_(*place) > _PLACE)
    end = None
    if asked.get("state") in (EventState.DONE, EventState.IGNORED):
        edge = session.execute(_latest_first(_places(around)).offset(MOST_LOOKED_AT - 1).limit(2)).all()
        if len(edge) == 2:
            end = edge[0]
            query = query.where(tuple_(*end) <= _PLACE)
    rows = session.scalars(_latest_first(query).limit(size + 1)).all()
    if len(rows) > size:
        return Page(rows[:size], rows[size - 1].id, gap=False)
    return Page(rows, end.id if end else None, gap=end is not None)


def _place(session: Session, account_id: int, number: int) -> Place | None:
    own = [WebhookEvent.account_id == account_id, WebhookEvent.id == number]
    found = session.execute(_places(select(WebhookEvent)).where(*own)).first()
    return tuple(found) if found else None


def _places(query: Select[Any]) -> Select[Any]:
    return query.with_only_columns(WebhookEvent.received_at, WebhookEvent.id)


def _latest_first(query: Select[Any]) -> Select[Any]:
    return query.order_by(WebhookEvent.received_at.desc(), WebhookEvent.id.desc())
