"""Days in addresses and forms, in the account's zone."""

from __future__ import annotations

from datetime import date, datetime

from flask import g

from webapp.report import periods

day_of = periods.read_day


def midnight(day: date) -> datetime:
    """When a day begins in the account's zone."""
    return periods.midnight(day, g.account.timezone)
