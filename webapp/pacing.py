"""Keeps requests to a server under its rate, over all threads, processes and machines that share the database.

A lane is a row with the moment from which the next request may go out. Whoever wants to send moves that moment on by
one interval in a single statement and learns how long to wait: nobody asks twice and nobody is overtaken. Callers must
not hold a transaction open while they wait.
"""

from __future__ import annotations

import math
import time

from sqlalchemy import Connection, Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from webapp.models import Lane

_lanes = Lane.__table__


def reserve(
    engine: Engine, lane: str, per_second: float, *, now: float | None = None, patience: float = math.inf
) -> float:
    """Take the next place in a lane of so many requests a second; gives the seconds to wait before sending.

    Where that is more than ``patience`` no place is taken: it would go unused, and keep others waiting for nothing.
    Commits a transaction of its own. ``now`` is Unix time.
    """
    now = time.time() if now is None else now
    interval = 1 / per_second
    with engine.begin() as connection:
        free_at = _move(connection, lane, now, interval, now + patience)
        if free_at is None:
            at = connection.execute(select(_lanes.c.free_at).where(_lanes.c.name == lane)).scalar_one()
            # Whoever looks a moment later may find it shorter, and still has no place.
            return max(float(at) - now, math.nextafter(patience, math.inf))
    return max(0.0, free_at - interval - now)


def pause(engine: Engine, lane: str, seconds: float, *, now: float | None = None) -> None:
    """Let nothing pass in a lane for so long from now, as Retry-After asks. Never shortens a pause."""
    until = (time.time() if now is None else now) + seconds
    with engine.begin() as connection:
        _move(connection, lane, until, 0.0)


def resume(engine: Engine, lane: str) -> None:
    """Forget a lane's pause and whatever is reserved in it."""
    with engine.begin() as connection:
        connection.execute(update(_lanes).where(_lanes.c.name == lane).values(free_at=0.0))


def _move(
    connection: Connection, lane: str, not_before: float, interval: float, latest: float = math.inf
) -> float | None:
    """Set the lane's moment to the later of it and ``not_before``, plus an interval; gives the new moment. One that is
    after ``latest`` stays, and None is given."""
    on_postgresql = connection.dialect.name == "postgresql"
    insert, later = (postgresql_insert, func.greatest) if on_postgresql else (sqlite_insert, func.max)
    statement = (
        insert(_lanes)
        .values(name=lane, free_at=not_before + interval)
        .on_conflict_do_update(
            index_elements=["name"],
            set_={"free_at": later(_lanes.c.free_at, not_before) + interval},
            where=None if latest == math.inf else _lanes.c.free_at <= latest,
        )
        .returning(_lanes.c.free_at)
    )
    moved = connection.execute(statement).scalar_one_or_none()
    return None if moved is None else float(moved)
