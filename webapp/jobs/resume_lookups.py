"""Takes up lookups that nobody is about to do: their worker died, or the connection was broken and works again."""

from __future__ import annotations

import time
from datetime import timedelta

from sqlalchemy import or_, select

from webapp import queue
from webapp.extensions import db
from webapp.models import (
    Authorization,
    AuthorizationState,
    Integration,
    Lookup,
    integration_authorization,
    utc_now,
)

from .look_up import NAME as LOOK_UP

#: A lookup that is so long overdue has no job any more.
OVERDUE = timedelta(minutes=5)

#: Lookups of one run; the rest is the next run's.
MOST = 2000


def handle(row_id: int) -> None:
    """Enqueue what is to be looked up, of the authorization ``row_id`` or, when it is 0, of all that are connected."""
    session, now = db.session(), utc_now()
    query = (
        select(Lookup)
        .join(Integration, Integration.id == Lookup.integration_id)
        .join(integration_authorization, integration_authorization.c.integration_id == Integration.id)
        .join(Authorization, Authorization.id == integration_authorization.c.authorization_id)
        .where(
            Lookup.done_at.is_(None),
            or_(Lookup.next_at.is_(None), Lookup.next_at < now - OVERDUE),
            Authorization.state == AuthorizationState.CONNECTED,
        )
        .order_by(Lookup.communication_id)
        .limit(MOST)
    )
    if row_id:
        query = query.where(Authorization.id == row_id)
    slot = int(time.time()) // 60
    for lookup in session.scalars(query).all():
        if lookup.next_at is None and lookup.problem is None and not row_id:
            # Its first job is in the queue, unless it has been there for long.
            lookup.next_at = now
            continue
        lookup.next_at = now
        queue.enqueue(session, LOOK_UP, lookup.communication_id, key=f"{lookup.communication_id}:resumed:{slot}")
    session.commit()
