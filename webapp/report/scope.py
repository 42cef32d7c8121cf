"""How much of the table a question may look at.

A condition that an ordered index serves is simply asked. Any other could read everything before it finds a page's
worth, so it is asked in steps, each of a known cost: the next few thousand communications in the order of time, where
what is frequent is found; then the inverted index, where what is rare is found; last a longer stretch of time, for what
is frequent here and rare there. A scope that is not ``complete`` says where it ends, so that one can go on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    bindparam,
    column,
    func,
    select,
    table,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from webapp.models import Communication, CommunicationChange, search_index

from .filters import FIELDS, Filters
from .periods import months
from .tokens import Asked

#: Communications that are looked at in the order of time: at first, and when the index did not help.
NEAR, FAR = 3000, 50_000

#: Numbers that are taken from the inverted index.
MOST_FOUND = 5000

#: Changes that the index has not heard of, the latest ones.
MOST_CHANGES = 2000

#: Months that are asked of the index at once.
MOST_MONTHS = 120

#: A place in the list: the time and the number of a communication.
Key = tuple[datetime, int]

_PLACE = tuple_(Communication.started_at, Communication.id)


@dataclass(frozen=True)
class Scope:
    """Conditions that cost little. ``end`` is the last place looked at; None when everything was."""

    conditions: list[ColumnElement[bool]]
    end: Key | None = None

    @property
    def complete(self) -> bool:
        """True when nothing lies outside of it."""
        return self.end is None


def look(session: Session, filters: Filters, wanted: int, start: Key | None = None, backwards: bool = True) -> Scope:
    """Where to find the next so many communications of a view, going from ``start`` to older or newer ones."""
    on = [] if start is None else [_PLACE.op("<" if backwards else ">", is_comparison=True)(tuple_(*start))]
    conditions = filters.conditions() + on
    if filters.is_indexed or filters.names_contact:
        return Scope(conditions)
    near = _end(session, filters.indexed() + on, NEAR, backwards)
    if near is None:
        return Scope(conditions)
    within = [*conditions, _within(near, backwards)]
    if _has(session, within, wanted):
        return Scope(within, near)
    for numbers, end in _found(session, filters, start, backwards):
        within = [*conditions, Communication.id.in_(numbers)]
        if end is None:
            return Scope(within)
        within.append(_within(end, backwards))
        if _has(session, within, wanted):
            return Scope(within, end)
    far = _end(session, filters.indexed() + on, FAR, backwards)
    return Scope([*conditions, *([_within(far, backwards)] if far else [])], far)


def _within(end: Key, backwards: bool) -> ColumnElement[bool]:
    return _PLACE.op(">=" if backwards else "<=", is_comparison=True)(tuple_(*end))


def _end(session: Session, conditions: list[ColumnElement[bool]], distance: int, backwards: bool) -> Key | None:
    """The place so many communications away; None when there are fewer."""
    order = [column.desc() if backwards else column.asc() for column in (Communication.started_at, Communication.id)]
    query = select(Communication.started_at, Communication.id).where(*conditions).order_by(*order)
    found = session.execute(query.offset(distance).limit(1)).first()
    return tuple(found) if found else None


def _has(session: Session, conditions: list[ColumnElement[bool]], wanted: int) -> bool:
    return at_most(session, conditions, wanted) == wanted


def at_most(session: Session, conditions: list[ColumnElement[bool]], most: int) -> int:
    """How many there are, counted up to ``most``."""
    found = select(Communication.id).where(*conditions).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0


def _found(session: Session, filters: Filters, start: Key | None, backwards: bool) -> Iterator[tuple[Any, Key | None]]:
    """What the indexes know, for longer and longer stretches of time, with the place where each ends.

    Ends early when one of them knows too many.
    """
    own = next((one.candidates for one in FIELDS if one.key in filters.values and one.candidates), None)
    if own is not None:
        value = next(filters.values[one.key] for one in FIELDS if one.candidates is own)
        numbers = own(value, filters.account.id)
        if _size(session, numbers) <= MOST_FOUND:
            yield numbers, None
        return
    asked = filters.asked()
    if not asked:
        return
    stretch = _stretch(session, filters, start, backwards)
    for number in sorted({1, min(4, len(stretch)), len(stretch)}) if stretch else ():
        numbers = _asked(session, filters, asked, stretch[:number])
        if _size(session, numbers) > MOST_FOUND:
            return
        is_all = number == len(stretch) < MOST_MONTHS
        yield _with_changes(numbers), None if is_all else _edge(stretch[number - 1], backwards)


def _stretch(session: Session, filters: Filters, start: Key | None, backwards: bool) -> list[date]:
    """The months in which the view's communications can be, the nearest first. Months of UTC, as in the index."""
    first, last = (
        session.scalar(select(end(Communication.started_at)).where(*filters.times())) for end in (func.min, func.max)
    )
    if first is None or last is None:
        return []
    if start is not None:
        first, last = (first, min(last, start[0])) if backwards else (max(first, start[0]), last)
    found = list(months(first.astimezone(UTC).date(), last.astimezone(UTC).date()))
    return (found if backwards else found[::-1])[:MOST_MONTHS]


def _edge(month: date, backwards: bool) -> Key:
    """The last place of a month."""
    begin = datetime(month.year, month.month, 1, tzinfo=UTC)
    after = (begin + timedelta(days=32)).replace(day=1)
    return (begin, 0) if backwards else (after, 0)


def _asked(session: Session, filters: Filters, asked: Asked, stretch: list[date]) -> Select[Any]:
    dialect = session.get_bind().dialect.name
    on_sqlite = dialect == "sqlite"
    number = column("rowid" if on_sqlite else "communication_id", BigInteger)
    matches = f"{search_index.TABLE} MATCH :asked" if on_sqlite else "words @@ CAST(:asked AS tsquery)"
    question = asked.query(dialect, filters.account.id, stretch)
    index = table(search_index.TABLE, number)
    condition = text(matches).bindparams(bindparam("asked", question, unique=True))
    return select(number).select_from(index).where(condition).limit(MOST_FOUND + 1)


def _with_changes(numbers: Select[Any]) -> Any:
    changes = select(CommunicationChange.communication_id).order_by(CommunicationChange.id.desc()).limit(MOST_CHANGES)
    found, changed = numbers.subquery(), changes.subquery()
    return union_all(select(*found.c), select(*changed.c))


def _size(session: Session, numbers: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(numbers.limit(MOST_FOUND + 1).subquery())) or 0
