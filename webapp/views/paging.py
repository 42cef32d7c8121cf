"""Pages of a list that is ordered by time: by key, never by number."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, tuple_

from webapp.extensions import db

from .numbers import row_number

PAGE_SIZE = 50

#: Where a page of a list begins: (started_at, id) of the row before it.
Position = tuple[datetime, int]


def key_of(row: Any) -> str:
    """A row's key for an address, exact to the microsecond."""
    return f"{row.started_at.timestamp():.6f}.{row.id}"


def position_of(text: str | None) -> Position | None:
    """What a key in an address says; None for anything else."""
    try:
        seconds, micro, number = (text or "").split(".")
        moment = datetime.fromtimestamp(int(seconds), ZoneInfo("UTC")) + timedelta(microseconds=int(micro))
        row = row_number(number)
        return None if row is None else (moment, row)
    except (ValueError, OverflowError, OSError):
        return None


def page_by_time(
    query: Select[Any], table: Any, before: Position | None, after: Position | None
) -> tuple[list[Any], bool, bool]:
    """One page of a table's rows, the latest first, and whether there are older and newer ones."""
    key = tuple_(table.started_at, table.id)
    if after:
        query = query.where(key > tuple_(*after)).order_by(table.started_at, table.id)
    else:
        query = query.where(key < tuple_(*before)) if before else query
        query = query.order_by(table.started_at.desc(), table.id.desc())
    rows = list(db.session.scalars(query.limit(PAGE_SIZE + 1)))
    more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE]
    if after:
        return rows[::-1], True, more
    return rows, more, before is not None
