"""Has deliveries tried again that a person chose by a filter: those that failed or are held (C4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, false, func, or_, select
from sqlalchemy.orm import Session

from webapp.cabinets.dataapi import handing, listing
from webapp.extensions import db
from webapp.models import Delivery, DeliveryState, Task
from webapp.tasks import carry_out

#: Deliveries of one transaction: few enough that a webhook waits for less than a second.
BATCH = 100

#: What does not go on by itself, one after the other: each has its index.
STATES = (DeliveryState.FAILED, DeliveryState.HELD)


def handle(row_id: int) -> None:
    """Carry out this task."""
    carry_out(db.session(), row_id, step, count=count)


def count(session: Session, task: Task) -> int:
    """How many there are to try."""
    return sum(
        session.scalar(select(func.count()).select_from(_query(task, state).subquery())) or 0 for state in STATES
    )


def step(session: Session, task: Task) -> bool:
    """The next batch of the state that it is at, the oldest first."""
    state = task.cursor.get("state", STATES[0])
    made = task.cursor.get("created_at")
    place = (datetime.fromisoformat(made), task.cursor["id"]) if made else None
    rows = session.scalars(listing.oldest_first(_query(task, state), place).limit(BATCH).with_for_update()).all()
    for delivery in rows:
        handing.again(session, delivery)
    task.count(sent=len(rows))
    task.seen += len(rows)
    if len(rows) == BATCH:
        last = rows[-1]
        task.cursor = {"state": str(state), "created_at": last.created_at.isoformat(), "id": last.id}
        return True
    following = STATES[STATES.index(DeliveryState(state)) + 1 :]
    task.cursor = {"state": str(following[0])} if following else {}
    return bool(following)


def _query(task: Task, state: str) -> Select[tuple[Delivery]]:
    """Those of a state. What may be in the cabinet already is only sent one by one, by somebody who has looked."""
    asked = task.params
    if asked.get("state") not in (None, state):
        return select(Delivery).where(false())
    query = select(Delivery).where(*listing.chosen(task.account_id, {**asked, "state": state}))
    return query.where(or_(Delivery.reason.is_(None), Delivery.reason.not_in(handing.BY_A_PERSON)))
