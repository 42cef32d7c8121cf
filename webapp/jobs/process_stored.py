"""Processes what came while an integration was off, once it has been switched on and somebody asked for it."""

from __future__ import annotations

from webapp import queue
from webapp.events import in_state
from webapp.extensions import db
from webapp.models import EventState, Integration, WebhookEvent

from .replay_failed import BATCH, replay

#: The job's name is the module's.
NAME = __name__.rpartition(".")[2]

#: After so many events the rest is another job, so that a restart of the worker never repeats much.
MOST_EVENTS = 2000


def handle(row_id: int) -> None:
    """Process the stored events of this integration; stops as soon as it is switched off again."""
    session, processed = db.session(), 0
    while processed < MOST_EVENTS:
        integration = session.get(Integration, row_id, populate_existing=True)
        if integration is None or not integration.active or integration.archived_at is not None:
            session.rollback()
            return
        result = replay(session, WebhookEvent.of(integration), in_state(EventState.STORED), most=BATCH)
        if not result.seen:
            session.rollback()
            return
        processed += result.seen
    queue.enqueue(session, NAME, row_id)
    session.commit()
