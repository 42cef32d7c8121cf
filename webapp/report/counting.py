"""The counters: made anew a day at a time, added up for charts and totals.

A day is counted from its communications and a month from its days, so an error never stays: the next change of the day
mends it. The cost of a question depends on the length of the period and on how many kinds of communications there are,
not on how many communications.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, delete, false, func, insert, literal, literal_column, or_, select
from sqlalchemy.orm import Session

from webapp.models import Account, Communication, CommunicationChange, CommunicationCount, DayToCount, Grain

from .filters import FIELDS, Filters
from .periods import day_of, midnight, month_of, next_month

#: Days that are behind are counted while one waits, up to so many communications and days.
MOST_COUNTED_NOW, MOST_DAYS_NOW = 3000, 5

#: With more changes waiting than this the numbers are said to be behind.
BACKLOG = 2000

#: The kinds in the counters' order.
KINDS = ("rule", "type", "channel", "integration_id", "site_id", "campaign_id", "source_id", "employee_id",
         "has_visit", "is_repeat")  # fmt: skip

#: Kinds that a short grain leaves out.
SELDOM = {"integration_id", "site_id", "employee_id", "is_repeat"}

_C = Communication
# Written into the SQL: two parameters of one value are two expressions to PostgreSQL, which groups by one of them.
_NOTHING, _NO_NUMBER = literal_column("''"), literal_column("0")
_IDS = ("site_id", "campaign_id", "source_id", "employee_id")
_TOLD = {
    "rule": _C.rule,
    "type": _C.type,
    "channel": func.coalesce(_C.channel, _NOTHING),
    "integration_id": _C.integration_id,
    **{
        name: func.coalesce(getattr(_C, name), _NO_NUMBER)
        for name in ("site_id", "campaign_id", "source_id", "employee_id")
    },
    "has_visit": _C.visit_id.is_not(None),
    "is_repeat": _C.is_repeat,
}


def recount(session: Session, account: Account, days: Iterable[date]) -> None:
    """Count these days of the account's zone anew, and their months. The caller commits."""
    days = set(days)
    for day in sorted(days):
        _replace(session, account, Grain.DAY, day, _of_day(account, day))
        _replace(session, account, Grain.SHORT_DAY, day, _sum(account, Grain.SHORT_DAY, day, Grain.DAY, _next_day(day)))
    for month in sorted({month_of(day) for day in days}):
        end = next_month(month)
        _replace(session, account, Grain.MONTH, month, _sum(account, Grain.MONTH, month, Grain.DAY, end))
        short = _sum(account, Grain.SHORT_MONTH, month, Grain.SHORT_DAY, end)
        _replace(session, account, Grain.SHORT_MONTH, month, short)


def _next_day(day: date) -> date:
    return day + timedelta(days=1)


def _of_day(account: Account, day: date) -> Any:
    zone = account.timezone
    return (
        select(literal(account.id), literal(str(Grain.DAY)), literal(day), *_TOLD.values(), func.count())
        .where(
            _C.account_id == account.id,
            _C.started_at >= midnight(day, zone),
            _C.started_at < midnight(_next_day(day), zone),
        )
        .group_by(*_TOLD.values())
    )


def _sum(account: Account, grain: Grain, first: date, of: Grain, end: date) -> Any:
    """The counters of a longer time, or of fewer kinds, out of those that are there."""
    short = grain in (Grain.SHORT_DAY, Grain.SHORT_MONTH)
    nothing = {"is_repeat": false()} if short else {}
    nothing |= dict.fromkeys(SELDOM - {"is_repeat"}, _NO_NUMBER) if short else {}
    kinds = [nothing.get(name, getattr(CommunicationCount, name)) for name in KINDS]
    by = [getattr(CommunicationCount, name) for name in KINDS if name not in nothing]
    return (
        select(literal(account.id), literal(str(grain)), literal(first), *kinds, func.sum(CommunicationCount.number))
        .where(
            CommunicationCount.account_id == account.id,
            CommunicationCount.grain == of,
            CommunicationCount.day >= first,
            CommunicationCount.day < end,
        )
        .group_by(*by)
    )


def _replace(session: Session, account: Account, grain: Grain, day: date, rows: Any) -> None:
    counts = CommunicationCount.__table__
    session.execute(
        delete(counts).where(counts.c.account_id == account.id, counts.c.grain == grain, counts.c.day == day)
    )
    session.execute(insert(counts).from_select(["account_id", "grain", "day", *KINDS, "number"], rows))


class Counts:
    """The numbers of one view: how many in all, by each name, and by day or month. ``behind``: not all is counted."""

    def __init__(self, names: Sequence[str], by_month: bool, behind: bool) -> None:
        self.names, self.by_month, self.behind = names, by_month, behind
        self._rows: Counter[tuple[Any, ...]] = Counter()

    def add(self, day: date, values: Sequence[Any], number: int) -> None:
        """Count some more."""
        self._rows[month_of(day) if self.by_month else day, *values] += number

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self._rows.values())

    def by(self, *names: str) -> Counter[tuple[Any, ...]]:
        """The numbers by these names; ``day`` is one of them."""
        places = [0 if name == "day" else 1 + self.names.index(name) for name in names]
        found: Counter[tuple[Any, ...]] = Counter()
        for key, number in self._rows.items():
            found[tuple(key[place] for place in places)] += number
        return found


def count(session: Session, filters: Filters, names: Sequence[str], by_month: bool = False) -> Counts:
    """The numbers of a view that the counters know (``filters.can_be_counted``), by these of KINDS."""
    late, behind = _late_days(session, filters)
    found = Counts(names, by_month, behind)
    columns = [getattr(CommunicationCount, name) for name in names]
    asked = {one.column for one in FIELDS if one.key in filters.values} | set(names)
    grains = (Grain.DAY, Grain.MONTH) if asked & SELDOM else (Grain.SHORT_DAY, Grain.SHORT_MONTH)
    totals = select(CommunicationCount.day, *columns, func.sum(CommunicationCount.number)).where(*filters.counted())
    for day, *values, number in session.execute(
        totals.where(_of_period(filters, by_month, late, *grains)).group_by(CommunicationCount.day, *columns)
    ):
        found.add(day, values, int(number))
    for day in late:
        _count_now(session, filters, day, found)
    return found


def live(session: Session, filters: Filters, conditions: Sequence[Any], names: Sequence[str], by_month: bool) -> Counts:
    """The same, of communications that are looked at one by one (webapp.report.scope says how many those may be)."""
    found, zone = Counts(names, by_month, False), filters.account.timezone
    told = [_TOLD[name] for name in names]
    for at, *values in session.execute(select(_C.started_at, *told).where(*conditions)):
        found.add(day_of(at, zone), values, 1)
    return found


def _count_now(session: Session, filters: Filters, day: date, found: Counts) -> None:
    zone = filters.account.timezone
    told = [_TOLD[name] for name in found.names]
    rows = session.execute(
        select(*told, func.count())
        .where(
            *filters.conditions(),
            _C.started_at >= midnight(day, zone),
            _C.started_at < midnight(_next_day(day), zone),
        )
        .group_by(*told)
    )
    for *values, number in rows:
        found.add(day, values, number)


def _of_period(filters: Filters, by_month: bool, late: Sequence[date], a_day: Grain, a_month: Grain) -> Any:
    """Whole months by their own counters, what is left of the others by days; days that are behind not at all."""
    day, grain = CommunicationCount.day, CommunicationCount.grain
    days = [grain == a_day]
    if late:
        days.append(day.not_in(late))
    since, until = filters.since, filters.until
    if since:
        days.append(day >= since)
    if until:
        days.append(day <= until)
    if not by_month:
        return and_(*days)
    first = (since if since == month_of(since) else next_month(since)) if since else None
    end = month_of(until + timedelta(days=1)) if until else None
    broken = {month_of(one) for one in late}
    months = [grain == a_month, *([day >= first] if first else []), *([day < end] if end else [])]
    if broken:
        months.append(day.not_in(broken))
    edges = [and_(day >= one, day < next_month(one)) for one in broken]
    edges += [day < first] if first else []
    edges += [day >= end] if end else []
    return or_(and_(*months), and_(*days, or_(*edges))) if edges else and_(*months)


def _late_days(session: Session, filters: Filters) -> tuple[list[date], bool]:
    """The days of the period that are behind and can be counted now, and whether others are left."""
    account = filters.account
    waiting = select(CommunicationChange.account_id, CommunicationChange.started_at).limit(BACKLOG + 1)
    changes = session.execute(waiting).all()
    if len(changes) > BACKLOG:
        return [], True
    noted = session.scalars(select(DayToCount.day).where(DayToCount.account_id == account.id)).all()
    changed = {day_of(at, account.timezone) for number, at in changes if number == account.id}
    late = sorted(
        day
        for day in changed | set(noted)
        if (not filters.since or day >= filters.since) and (not filters.until or day <= filters.until)
    )
    if not late:
        return [], False
    zone = account.timezone
    spans = [
        and_(_C.started_at >= midnight(day, zone), _C.started_at < midnight(_next_day(day), zone))
        for day in late[: MOST_DAYS_NOW + 1]
    ]
    few = select(_C.id).where(_C.account_id == account.id, or_(*spans)).limit(MOST_COUNTED_NOW + 1).subquery()
    if len(late) > MOST_DAYS_NOW or (session.scalar(select(func.count()).select_from(few)) or 0) > MOST_COUNTED_NOW:
        return [], True
    return late, False
