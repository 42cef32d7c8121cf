"""Days in addresses and forms, and the moments they begin at in the account's zone."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from flask import g


def day_argument(text: str | None) -> date | None:
    """The day in a text such as 2026-11-21; None for anything else."""
    try:
        found = date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None


def midnight(day: date) -> datetime:
    """When the day begins in the account's zone."""
    return datetime.combine(day, time(), ZoneInfo(g.account.timezone))
