"""Days, months and presets, in an account's zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _l

#: Presets of the page, by the word in its address.
PRESETS = {
    "today": _l("Сегодня"),
    "yesterday": _l("Вчера"),
    "7": _l("7 дней"),
    "30": _l("30 дней"),
    "month": _l("Этот месяц"),
    "last_month": _l("Прошлый месяц"),
    "year": _l("365 дней"),
}


def read_day(text: str | None) -> date | None:
    """The day that an address names (2026-11-21); None for anything that is none of this century or the next."""
    try:
        found = date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None


def today(zone: str) -> date:
    """Today there."""
    return datetime.now(ZoneInfo(zone)).date()


def midnight(day: date, zone: str) -> datetime:
    """When the day begins there."""
    return datetime.combine(day, time(), ZoneInfo(zone))


def day_of(moment: datetime, zone: str) -> date:
    """The day there on which the moment is."""
    return moment.astimezone(ZoneInfo(zone)).date()


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def next_month(day: date) -> date:
    """The first day of the month after."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def months(since: date, until: date) -> Iterator[date]:
    """The months from one day to another, the latest first."""
    month = month_of(until)
    while month >= month_of(since):
        yield month
        month = month_of(month - timedelta(days=1))


def of_preset(preset: str, now: date) -> tuple[date, date]:
    """The first and the last day of a preset. Raises KeyError for a word that is none."""
    if preset not in PRESETS:
        raise KeyError(preset)
    last_month = month_of(month_of(now) - timedelta(days=1))
    days = {"today": (now, now), "yesterday": (now - timedelta(days=1),) * 2, "month": (month_of(now), now)}
    days["last_month"] = (last_month, month_of(now) - timedelta(days=1))
    days["year"] = (now - timedelta(days=364), now)
    return days[preset] if preset in days else (now - timedelta(days=int(preset) - 1), now)
