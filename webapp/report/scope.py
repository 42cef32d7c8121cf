"""How much of the table a question may look at.

A condition that an ordered index serves is simply asked. Any other could read everything before it finds a page's
worth, so it is asked in steps, each of a known cost: the next few thousand communications in the order of time, where
what is frequent is found; then the inverted index, where what is rare is found; last a longer stretch of time, for what
is frequent here and rare there. A scope that does not reach everything says where it ends, so that one can go on from
there.

The index knows words by their beginnings, and the first so many of a text. Whatever reading has found among the next
few thousand is kept beside what the index finds, and a scope that relied on the index says that it was ``blind``.
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
    """Conditions that cost little.

    ``end`` is the last place looked at; None when there is nowhere to go on from. ``blind``: beyond the nearest
    communications the index was relied on, which does not see insides of words nor what waits to be indexed.
    """

    conditions: list[ColumnElement[bool]]
    end: Key | None = None
    blind: bool = False


def look(session: Session, filters: Filters, wanted: int, start: Key | None = None, backwards: bool = True) -> Scope:
    """Where to find the next so many communications of a view, going from ``start`` to older or newer ones."""
    on = [] if start is None else [_PLACE.op("<" if backwards else ">", is_comparison=True)(tuple_(*start))]
    conditions = filters.conditions() + on
    if filters.is_indexed:
        return Scope(conditions)
    around = filters.indexed() + on
    near = _end(session, around, NEAR, backwards)
    if near is None:
        return Scope(conditions)
    within = [*conditions, _within(near, backwards)]
    if _has(session, within, wanted):
        return Scope(within, near)
    listed = _listed(session, filters)
    if listed is not None:
        return Scope([*conditions, Communication.id.in_(listed)])
    blind = bool(filters.query) or _size(session, select(CommunicationChange.id), MOST_CHANGES) > MOST_CHANGES
    read = select(Communication.id).where(*around, _within(near, backwards))
    for numbers, end in _found(session, filters, start, backwards):
        within = [*conditions, Communication.id.in_(_together(numbers, _changes(), read))]
        if end is None:
            return Scope(within, None, blind)
        within.append(_within(end, backwards))
        if _has(session, within, wanted):
            return Scope(within, end, blind)
    far = _end(session, around, FAR, backwards)
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


def _listed(session: Session, filters: Filters) -> Select[Any] | None:
    """The numbers that another table has for one of the filters; None when it has too many, or there is none."""
    for one in FIELDS:
        if one.key in filters.values and one.candidates:
            numbers = one.candidates(filters.values[one.key], filters.account.id)
            if _size(session, numbers, MOST_FOUND) <= MOST_FOUND:
                return numbers
    return None


def _found(session: Session, filters: Filters, start: Key | None, backwards: bool) -> Iterator[tuple[Any, Key | None]]:
    """What the indexes know, for longer and longer stretches of time, with the place where each ends.

    Ends early when they know too many.
    """
    asked, contact = filters.asked(), filters.contact()
    if not asked:
        return
    own = [] if contact is None else [select(Communication.id).where(*filters.times(), contact).limit(MOST_FOUND + 1)]
    stretch = _stretch(session, filters, start, backwards)
    for number in sorted({1, min(4, len(stretch)), len(stretch)}) if stretch else ():
        numbers = _together(_asked(session, filters, asked, stretch[:number]), *own)
        if _size(session, numbers, MOST_FOUND) > MOST_FOUND:
            return
        is_all = number == len(stretch) < MOST_MONTHS
        yield numbers, None if is_all else _edge(stretch[number - 1], backwards)


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


def _changes() -> Select[Any]:
    """The latest that the index has not heard of."""
    return select(CommunicationChange.communication_id).order_by(CommunicationChange.id.desc()).limit(MOST_CHANGES)


def _together(*parts: Any) -> Any:
    """All numbers of these questions, which may be limited each."""
    return union_all(*(select(*part.subquery().c) for part in parts))


def _size(session: Session, numbers: Any, most: int) -> int:
    """How many there are, counted to one more than ``most``."""
    return session.scalar(select(func.count()).select_from(numbers.limit(most + 1).subquery())) or 0
