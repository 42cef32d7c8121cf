"""Reads again the events that a person chose by a filter (B3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload, undefer

from webapp.extensions import db
from webapp.models import Integration, Task, WebhookEvent
from webapp.tasks import carry_out

from .replay_failed import BATCH, Replayed, replay_one


def handle(row_id: int) -> None:
    """Carry out this task."""
    carry_out(db.session(), row_id, step)


def step(session: Session, task: Task) -> bool:
    """The next batch, the oldest first."""
    query = chosen_events(task.account_id, task.params)
    if task.total is None:
        task.total = session.scalar(select(func.count()).select_from(query.subquery()))
    events = session.scalars(
        query.options(undefer(WebhookEvent.body), joinedload(WebhookEvent.integration).joinedload(Integration.account))
        .where(WebhookEvent.id > task.cursor.get("id", 0))
        .order_by(WebhookEvent.id)
        .limit(BATCH)
        .with_for_update(of=WebhookEvent)
    ).all()
    if not events:
        return False
    result = Replayed()
    for event in events:
        replay_one(session, event, result)
    task.count(done=result.done, failed=result.failed, skipped=sum(result.skipped.values()))
    task.cursor = {"id": events[-1].id}
    task.seen += len(events)
    return len(events) == BATCH


def chosen_events(account_id: int, asked: Mapping[str, Any]) -> Select[tuple[WebhookEvent]]:
    """The account's events by state, integration, since and until (moments as text), last (the largest number)."""
    query = select(WebhookEvent).where(WebhookEvent.account_id == account_id)
    if asked.get("last"):
        query = query.where(WebhookEvent.id <= asked["last"])
    if asked.get("state"):
        query = query.where(WebhookEvent.state == asked["state"])
    if asked.get("integration"):
        query = query.where(WebhookEvent.integration_id == asked["integration"])
    if asked.get("since"):
        query = query.where(WebhookEvent.received_at >= datetime.fromisoformat(asked["since"]))
    if asked.get("until"):
        query = query.where(WebhookEvent.received_at < datetime.fromisoformat(asked["until"]))
    return query
