"""Gives back what a re-attribution changed, where nothing has changed it since (B2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.cabinets import cabinet_of
from webapp.extensions import db
from webapp.models import Account, Communication, Redecision, Task, Visit
from webapp.tasks import carry_out

from .reattribute import BATCH, columns


def handle(row_id: int) -> None:
    """Carry out this task."""
    carry_out(db.session(), row_id, step)


def step(session: Session, task: Task) -> bool:
    """The next batch of changes, the latest first. ``params``: task is the number of the re-attribution."""
    of_task = Redecision.task_id == task.params["task"]
    if task.total is None:
        task.total = session.scalar(select(func.count()).select_from(Redecision).where(of_task))
    query = select(Redecision).where(of_task)
    if task.cursor:
        query = query.where(Redecision.id < task.cursor["id"])
    changes = session.scalars(query.order_by(Redecision.id.desc()).limit(BATCH)).all()
    if not changes:
        return False
    cabinet = cabinet_of(session.get(Account, task.account_id))
    visits = _there(session, (change.before.get("visit_id") for change in changes))
    for table, key in ((Visit, "visit_id"), (Communication, "communication_id")):
        wanted = {getattr(change, key): change for change in changes if getattr(change, key)}
        rows = session.scalars(select(table).where(table.id.in_(wanted)).with_for_update()).all()
        for row in rows:
            change = wanted[row.id]
            # Decided again since, by an event or by a person: that is the later word.
            if columns(row, tuple(change.after)) != _without_the_gone(row, change.after):
                task.count(kept=1)
                continue
            for name, value in change.before.items():
                setattr(row, name, value if name != "visit_id" or value in visits else None)
            if table is Communication:
                session.flush()
                cabinet.resend(session, row.id)
                task.count(restored=1)
    task.cursor = {"id": changes[-1].id}
    task.seen += len(changes)
    return len(changes) == BATCH


def _there(session: Session, numbers: Iterable[int | None]) -> set[int]:
    """Those of these visits that are still kept; they stay until the end of the transaction."""
    query = select(Visit.id).where(Visit.id.in_({number for number in numbers if number is not None}))
    return set(session.scalars(query.with_for_update(read=True, key_share=True)))


def _without_the_gone(row: Any, after: dict[str, Any]) -> dict[str, Any]:
    """What a row must be to be as the re-attribution left it: a visit may have expired since."""
    return after | {"visit_id": None} if after.get("visit_id") and row.visit_id is None else after
