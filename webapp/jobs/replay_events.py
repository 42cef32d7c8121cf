"""Reads again the events that a person chose by a filter (B3)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, undefer

from webapp import events
from webapp.extensions import db
from webapp.models import Integration, Task, WebhookEvent
from webapp.tasks import carry_out

from .replay_failed import BATCH, Replayed, replay_one


def handle(row_id: int) -> None:
    """Carry out this task."""
    carry_out(db.session(), row_id, step, count=count)


def count(session: Session, task: Task) -> int:
    """How many events there are to read."""
    return session.scalar(select(func.count()).select_from(events.chosen(task.account_id, task.params).subquery())) or 0


def step(session: Session, task: Task) -> bool:
    """The next batch, the oldest first."""
    query = events.chosen(task.account_id, task.params)
    cursor = task.cursor
    place = (datetime.fromisoformat(cursor["received_at"]), cursor["id"]) if cursor else None
    rows = session.scalars(
        events.oldest_first(query, place)
        .options(undefer(WebhookEvent.body), joinedload(WebhookEvent.integration).joinedload(Integration.account))
        .limit(BATCH)
        .with_for_update(of=WebhookEvent)
    ).all()
    if not rows:
        return False
    result = Replayed()
    for event in rows:
        replay_one(session, event, result)
    task.count(done=result.done, failed=result.failed, skipped=sum(result.skipped.values()))
    task.cursor = {"received_at": rows[-1].received_at.isoformat(), "id": rows[-1].id}
    task.seen += len(rows)
    return len(rows) == BATCH
