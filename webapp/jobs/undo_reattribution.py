"""Gives back what a re-attribution changed, where nothing has changed it since (B2)."""

from __future__ import annotations

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
    for table, key in ((Visit, "visit_id"), (Communication, "communication_id")):
        wanted = {getattr(change, key): change for change in changes if getattr(change, key)}
        rows = session.scalars(select(table).where(table.id.in_(wanted)).with_for_update()).all()
        for row in rows:
            change = wanted[row.id]
            # Decided again since, by an event or by a person: that is the later word.
            if columns(row, tuple(change.after)) != change.after:
                task.count(kept=1)
                continue
            for name, value in change.before.items():
                setattr(row, name, value)
            if table is Communication:
                session.flush()
                cabinet.resend(session, row.id)
                task.count(restored=1)
    task.cursor = {"id": changes[-1].id}
    task.seen += len(changes)
    return len(changes) == BATCH
