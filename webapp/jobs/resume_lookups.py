"""Takes up lookups that nobody is about to do: their worker died, or the connection was broken and works again.

They are put in line, at the pace that the vendor allows, and only so many at a time: a job that finds the way taken
would only come back later. The rest follows when the line has become short.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from webapp import queue
from webapp.authorizations import connection_of
from webapp.extensions import db
from webapp.models import Authorization, AuthorizationState, Lookup, integration_authorization, utc_now

from .look_up import NAME as LOOK_UP
from .look_up import REFUSED

#: The job's name is the module's.
NAME = __name__.rpartition(".")[2]

#: A lookup that is so long overdue has no job any more.
OVERDUE = timedelta(minutes=5)

#: What is due by then stands in line. Those that fail again and again come back later than that.
HORIZON = timedelta(minutes=30)

#: Lookups of an authorization that stand in line at a time, and those of one transaction.
MOST, BATCH = 1000, 200


def handle(row_id: int) -> None:
    """Put in line what is to be looked up, of the authorization ``row_id`` or, when it is 0, of all that are connected.

    ``row_id`` has just been found to work: its lookups need not wait for the pause that they met.
    """
    session = db.session()
    connected = select(Authorization.id, Authorization.vendor).where(
        Authorization.state == AuthorizationState.CONNECTED
    )
    if row_id:
        connected = connected.where(Authorization.id == row_id)
    for number, vendor in session.execute(connected).all():
        _put_in_line(session, number, connection_of(vendor).looks_per_second, works=bool(row_id))


def _put_in_line(session: Session, authorization_id: int, pace: float, *, works: bool) -> None:
    now, slot = utc_now(), int(time.time()) // 60
    users = session.scalars(
        select(integration_authorization.c.integration_id).where(
            integration_authorization.c.authorization_id == authorization_id
        )
    ).all()
    open_ones = Lookup.integration_id.in_(users), Lookup.done_at.is_(None)
    overdue, met_a_pause = Lookup.next_at < now - OVERDUE, False
    if works:
        met_a_pause = and_(Lookup.problem.is_not(None), Lookup.problem != REFUSED)
    waiting = or_(Lookup.next_at.is_(None), overdue, met_a_pause)
    place = _in_line(session, *open_ones, ~waiting, now=now)
    last = 0
    while place < MOST:
        found = session.scalars(
            select(Lookup)
            .where(*open_ones, waiting, Lookup.communication_id > last)
            .order_by(Lookup.communication_id)
            .limit(min(BATCH, MOST - place))
            .with_for_update()
        ).all()
        for lookup in found:
            last = lookup.communication_id
            seconds = place / pace
            lookup.next_at = now + timedelta(seconds=seconds)
            if lookup.problem != REFUSED:
                # What it met is over: whoever comes next must not put it in line once more.
                lookup.problem = None
            queue.enqueue(session, LOOK_UP, last, delay_seconds=seconds, key=f"{last}:resumed:{slot}")
            place += 1
        session.commit()
        if not found:
            return
    # There may be more.
    seconds = place / pace / 2
    queue.enqueue(session, NAME, 0, delay_seconds=seconds, key=f"0:{int(time.time() + seconds) // 60}")
    session.commit()


def _in_line(session: Session, *which: object, now: datetime) -> int:
    """How many stand in line already."""
    due = select(Lookup.communication_id).where(*which, Lookup.next_at < now + HORIZON)
    return session.scalar(select(func.count()).select_from(due.limit(MOST).subquery())) or 0
