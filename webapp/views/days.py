"""Days in addresses and forms, in the account's zone."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from flask import g


def day_of(text: str | None) -> date | None:
    """The day in an address; None for anything else."""
    try:
        found = date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None


def midnight(day: date) -> datetime:
    """When a day begins in the account's zone."""
    return datetime.combine(day, time(), ZoneInfo(g.account.timezone))
