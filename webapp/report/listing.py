"""One page of the list: its order, where it begins, what lies before and after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import Session, joinedload, load_only

from webapp.models import Communication, Integration

from .counting import count
from .filters import Filters
from .scope import Key, Scope, at_most, look

PAGE_SIZE = 50

#: A count that the counters do not know is shown up to here; beyond it costs more than it tells.
LARGEST_COUNT = 1000

#: So many can be sorted by something that is not the time, for which there is an index.
MOST_SORTED = 10_000

#: Rows of one question where everything is read.
BATCH = 1000

_C = Communication

#: What the list can be sorted by, besides the time. Nothing is put before everything else.
SORTS: dict[str, ColumnElement[Any]] = {
    "name": func.lower(func.coalesce(_C.contact_name, "")),
    "phone": func.coalesce(_C.contact_phone, ""),
    "email": func.coalesce(_C.contact_email, ""),
    "channel": func.coalesce(_C.channel, ""),
    "rule": _C.rule,
    "type": _C.type,
    "messages": _C.message_count,
    "finished": func.coalesce(_C.finished_at, _C.started_at),
}

#: What the list shows; messages and trails are left in the database.
LISTED = (
    _C.type,
    _C.vendor_id,
    _C.started_at,
    _C.finished_at,
    _C.channel,
    _C.contact_name,
    _C.contact_phone,
    _C.contact_email,
    _C.rule,
    _C.message_count,
    _C.is_test,
    _C.is_repeat,
    _C.account_id,
    _C.utm,
)


@dataclass(frozen=True)
class Order:
    """The order of a list: by time, or by one of SORTS; the last first, or the first first."""

    name: str = "time"
    descending: bool = True

    @classmethod
    def read(cls, text: str | None) -> Order:
        """The order of an address: a name, with a minus before it when the last come first."""
        name = (text or "").removeprefix("-")
        return cls(name, (text or "").startswith("-")) if name == "time" or name in SORTS else cls()

    def __str__(self) -> str:
        return ("-" if self.descending else "") + self.name

    @property
    def is_usual(self) -> bool:
        """True for the order of a list of which nobody wanted another."""
        return self == Order()


@dataclass(frozen=True)
class Total:
    """How many communications a view has. ``more``: at least so many. ``behind``: some are not counted yet. ``blind``:
    so many were found, some of them by the index, which does not see everything."""

    number: int
    more: bool = False
    behind: bool = False
    blind: bool = False


@dataclass
class Page:
    """One page. ``older`` and ``newer`` are the places to go on from, None at the ends. ``gap``: the search ended at
    ``older`` without looking at everything; ``order`` is the one that was used; ``blind`` as in a scope."""

    rows: list[Communication]
    older: str | None
    newer: str | None
    gap: bool
    order: Order
    blind: bool = False


def total(session: Session, filters: Filters, scope: Scope | None = None) -> Total:
    """How many there are: exactly where the counters know it, else as far as it is worth counting."""
    behind = False
    if filters.can_be_counted:
        counts = count(session, filters, ("rule",), by_month=True)
        if not counts.behind:
            return Total(counts.total)
        behind = True
    scope = scope or look(session, filters, PAGE_SIZE + 1)
    number = at_most(session, scope.conditions, LARGEST_COUNT + 1)
    more = number > LARGEST_COUNT or scope.end is not None
    return Total(min(number, LARGEST_COUNT), more, behind, scope.blind)


def page(
    session: Session,
    filters: Filters,
    order: Order,
    before: str | None,
    after: str | None,
    rows: Select[Any],
    known: Total,
) -> Page:
    """One page of a view; ``rows`` is the query that the columns need (``listed``), ``known`` the view's total.

    ``before`` and ``after`` are places of an earlier page: what comes next in the list's order, or what came before.
    """
    if order.name != "time" and not known.more and known.number <= MOST_SORTED:
        # One more than there are, so that no step is enough that leaves anything out.
        scope = look(session, filters, known.number + 1)
        if scope.end is None:
            return _sorted_page(session, filters, scope, order, before, after, rows)
    order = order if order.name == "time" else Order()
    place = _place(after) or _place(before)
    forwards = _place(after) is None
    backwards = order.descending == forwards
    scope = look(session, filters, PAGE_SIZE + 1, place, backwards)
    way = [one.desc() if backwards else one.asc() for one in (_C.started_at, _C.id)]
    found = list(session.scalars(rows.where(*scope.conditions).order_by(*way).limit(PAGE_SIZE + 1)).unique())
    more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    end = _key(found[-1]) if found and more else None
    gap = not more and scope.end is not None
    if gap:
        end = write_place(scope.end)
    if not forwards:
        found.reverse()
        return Page(found, _key(found[-1]) if found else None, end, gap, order, scope.blind)
    newer = (_key(found[0]) if found else "") if place else None
    return Page(found, end, newer, gap, order, scope.blind)


def _sorted_page(
    session: Session,
    filters: Filters,
    scope: Scope,
    order: Order,
    before: str | None,
    after: str | None,
    rows: Any,
) -> Page:
    """The same where the scope reaches everything. A place is the number of a row."""
    key = (SORTS[order.name], _C.started_at, _C.id)
    forwards = not after
    descending = order.descending == forwards
    place = None
    number = after or before
    if number and number.isascii() and number.isdecimal() and len(number) <= 18:
        own = [_C.account_id == filters.account.id, _C.id == int(number)]
        place = session.execute(select(*key).where(*own)).first()
    query = rows.where(*scope.conditions)
    if place is not None:
        query = query.where(tuple_(*key) < tuple_(*place) if descending else tuple_(*key) > tuple_(*place))
    query = query.order_by(*(one.desc() if descending else one.asc() for one in key))
    found = list(session.scalars(query.limit(PAGE_SIZE + 1)).unique())
    more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    if not forwards:
        found.reverse()
        first = str(found[0].id) if found and more else None
        return Page(found, str(found[-1].id) if found else None, first, False, order, scope.blind)
    last = str(found[-1].id) if found and more else None
    newer = (str(found[0].id) if found else "") if place is not None else None
    return Page(found, last, newer, False, order, scope.blind)


def listed(more: tuple[Any, ...] = ()) -> Select[Any]:
    """The query for rows of the list; ``more`` are columns and relationships that the chosen columns need."""
    options = [one for one in more if not hasattr(one, "property") or not hasattr(one.property, "columns")]
    columns = [one for one in more if one not in options]
    return select(_C).options(
        load_only(*LISTED, *columns),
        joinedload(_C.campaign),
        joinedload(_C.source),
        joinedload(_C.site),
        joinedload(_C.integration).load_only(Integration.name),
        *options,
    )


def everything(session: Session, filters: Filters, rows: Select[Any], most: int) -> Iterator[list[Communication]]:
    """All communications of a view, the latest first, a batch at a time, up to so many.

    The batches are read one after the other, so the caller may end the transaction between them. What a search finds
    depends on the steps it takes, so it takes those of the pages: a file has what one sees there.
    """
    size = PAGE_SIZE if filters.query else BATCH
    start: Key | None = None
    while most > 0:
        scope = look(session, filters, size + 1, start)
        query = rows.where(*scope.conditions).order_by(_C.started_at.desc(), _C.id.desc()).limit(size + 1)
        found = list(session.scalars(query).unique())
        more, found = len(found) > size, found[: min(size, most)]
        yield found
        most -= len(found)
        start = (found[-1].started_at, found[-1].id) if more else scope.end
        if start is None:
            return


def write_place(key: Key) -> str:
    """A place in an address."""
    return f"{key[0].timestamp():.6f}.{key[1]}"


def _key(row: Communication) -> str:
    return write_place((row.started_at, row.id))


def _place(text: str | None) -> Key | None:
    """The place of an address; None for anything else."""
    try:
        seconds, micro, number = (text or "").split(".")
        moment = datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(micro))
        if not number.isascii() or not number.isdecimal() or len(number) > 18:
            return None
        return moment, int(number)
    except (ValueError, OverflowError, OSError):
        return None


def names_by_number(session: Session, table: Any, account: int, numbers: Any, name: Any) -> Mapping[int, str]:
    """The names of these entries, of this account only."""
    wanted = [number for number in numbers if number]
    if not wanted:
        return {}
    return dict(session.execute(select(table.id, name).where(table.account_id == account, table.id.in_(wanted))).all())
