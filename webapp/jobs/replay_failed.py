"""Reads the failed events of an account again: what is mended in the meantime is recorded now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, undefer

from webapp.events import in_state, oldest_first
from webapp.extensions import db
from webapp.intake import process
from webapp.models import EventState, Integration, WebhookEvent

#: Events of one transaction: few enough that a webhook waits for less than a second.
BATCH = 100


@dataclass
class Replayed:
    """What became of the events. ``skipped`` counts those of integrations that are off, by the integration's key."""

    done: int = 0
    failed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """All of them."""
        return self.done + self.failed + sum(self.skipped.values())

    def add(self, more: Replayed) -> None:
        """Count what became of some more."""
        self.done, self.failed = self.done + more.done, self.failed + more.failed
        for key, number in more.skipped.items():
            self.skipped[key] = self.skipped.get(key, 0) + number


def handle(row_id: int) -> None:
    """Process all failed events of the account's active integrations, each once."""
    replay(db.session(), WebhookEvent.account_id == row_id, in_state(EventState.FAILED))


def replay(session: Session, *which: Any, most: int | None = None) -> Replayed:
    """Process the events that satisfy ``which``, the oldest first, each once, a commit a batch.

    Integrations that are off or archived are passed over. ``most`` ends it after so many events.
    """
    result, last = Replayed(), None
    while most is None or result.seen < most:
        events = session.scalars(
            oldest_first(select(WebhookEvent).where(*which), last)
            .options(undefer(WebhookEvent.body), joinedload(WebhookEvent.integration).joinedload(Integration.account))
            .limit(BATCH)
            .with_for_update(of=WebhookEvent)
        ).all()
        if not events:
            break
        last = events[-1].received_at, events[-1].id
        for event in events:
            replay_one(session, event, result)
        session.commit()
    return result


def replay_one(session: Session, event: WebhookEvent, result: Replayed) -> None:
    """Process one event, unless its integration is off, and count what became of it."""
    integration = event.integration
    if not integration.active or integration.archived_at is not None:
        result.skipped[integration.key] = result.skipped.get(integration.key, 0) + 1
        return
    process(session, integration, event)
    if event.state == EventState.FAILED:
        result.failed += 1
    else:
        result.done += 1
