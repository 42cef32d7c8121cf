"""The numbers above the list, and what is drawn of them. Sizes are per cent; templates make SVG of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp import wording
from webapp.models import CabinetKind, Campaign, Communication, Source
from webapp.resolution import Rule

from .counting import Counts, count, live
from .filters import NONE, RULE_GROUPS, Filters
from .listing import PAGE_SIZE, names_by_number
from .periods import day_of, month_of, next_month, today
from .scope import Scope, look
from .view import BREAKDOWNS

#: A longer period is drawn by months.
MOST_DAYS = 92

#: Bars of a breakdown. What is left is added up in one more.
MOST_BARS = 8


@dataclass(frozen=True)
class Share:
    """A part of all: its number, its share in per cent, and the value of the filter that shows it (None: none does)."""

    name: str
    number: int
    percent: float
    value: str | None


@dataclass(frozen=True)
class Bar:
    """One day or month of the chart: its days, the numbers of RULE_GROUPS, their heights in per cent of the tallest."""

    since: date
    until: date
    numbers: tuple[int, ...]
    heights: tuple[float, ...]

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.numbers)


@dataclass(frozen=True)
class Overview:
    """Everything above the list.

    ``before`` is the number of the period of the same length before, None where there is none to compare with.
    ``partial``: only the latest ``total`` were looked at. ``behind``: some are not counted yet.
    """

    total: int
    before: int | None
    groups: tuple[Share, ...]
    rules: tuple[Share, ...]
    bars: tuple[Bar, ...]
    by_month: bool
    breakdown: tuple[Share, ...]
    others: int
    partial: bool
    behind: bool

    @property
    def change(self) -> int | None:
        """By how many per cent there are more than in the period before."""
        return round((self.total - self.before) * 100 / self.before) if self.before else None

    @property
    def tallest(self) -> int:
        """The number of the tallest bar."""
        return max((bar.total for bar in self.bars), default=0)


def overview(session: Session, filters: Filters, by: str, scope: Scope | None = None) -> Overview:
    """The numbers of a view, broken down by a word of BREAKDOWNS. ``scope`` is what the list looks at, if known."""
    first, last = _days(session, filters)
    by_month = (last - first).days >= MOST_DAYS
    names = ("rule", BREAKDOWNS[by][1]) if by != "rule" else ("rule",)
    if filters.can_be_counted:
        counts, partial = count(session, filters, names, by_month), False
    else:
        scope = scope or look(session, filters, PAGE_SIZE + 1)
        counts, partial = live(session, filters, scope.conditions, names, by_month), scope.end is not None
    rules = counts.by("rule")
    values = {key[0]: number for key, number in counts.by(names[-1]).items()}
    top = sorted(values.items(), key=lambda one: (-one[1], str(one[0])))
    shown = top[:MOST_BARS]
    total = counts.total
    called = _names(session, filters, by, [value for value, _number in shown])
    return Overview(
        total=total,
        before=_before(session, filters),
        groups=tuple(
            _share(name, sum(rules[(str(rule),)] for rule in members), total, name)
            for name, members in RULE_GROUPS.items()
        ),
        rules=tuple(_share(wording.rule_name(rule), rules[(str(rule),)], total, str(rule)) for rule in Rule),
        bars=_bars(counts, first, last, by_month),
        by_month=by_month,
        breakdown=tuple(_share(called[value], number, total, _value(value)) for value, number in shown),
        others=sum(number for _value, number in top[MOST_BARS:]),
        partial=partial,
        behind=counts.behind,
    )


def _share(name: str, number: int, total: int, value: str | None) -> Share:
    return Share(name, number, number * 100 / total if total else 0.0, value)


def _value(value: Any) -> str:
    return str(value) if value else NONE


def _days(session: Session, filters: Filters) -> tuple[date, date]:
    """The first and the last day that are drawn: those asked for, as far as there is anything."""
    zone = filters.account.timezone
    ends = [
        session.scalar(select(end(Communication.started_at)).where(*filters.times())) for end in (func.min, func.max)
    ]
    first, last = (day_of(at, zone) if at else None for at in ends)
    now = today(zone)
    last = filters.until or max(last or now, now if not filters.since else (last or now))
    first = filters.since or first or last
    return min(first, last), last


def _bars(counts: Counts, first: date, last: date, by_month: bool) -> tuple[Bar, ...]:
    numbers = counts.by("day", "rule")
    tallest = max(counts.by("day").values(), default=0) or 1
    bars, day = [], month_of(first) if by_month else first
    while day <= last:
        after = next_month(day) if by_month else day + timedelta(days=1)
        groups = tuple(sum(numbers[day, str(rule)] for rule in members) for members in RULE_GROUPS.values())
        heights = tuple(round(number * 100 / tallest, 2) for number in groups)
        bars.append(Bar(max(day, first), min(after - timedelta(days=1), last), groups, heights))
        day = after
    return tuple(bars)


def _before(session: Session, filters: Filters) -> int | None:
    """How many there were in the period of the same length before."""
    if not (filters.since and filters.until and filters.can_be_counted):
        return None
    length = filters.until - filters.since + timedelta(days=1)
    earlier = replace(filters, since=filters.since - length, until=filters.until - length, period=None)
    return count(session, earlier, ("rule",), by_month=True).total


def _names(session: Session, filters: Filters, by: str, values: list[Any]) -> Mapping[Any, str]:
    """What the values are called on the page."""
    if by == "rule":
        return {value: wording.rule_name(value) for value in values}
    if by == "channel":
        return {value: wording.channel_name(value) if value else wording.without(by) for value in values}
    table = Campaign if by == "campaign" else Source
    found = names_by_number(session, table, filters.account.id, values, table.name)
    none = wording.without(by, elsewhere=filters.account.cabinet_kind != CabinetKind.EMBEDDED)
    return {value: found.get(value, wording.removed(value)) if value else none for value in values}
