"""The language and the time zone of a page."""

from __future__ import annotations

from datetime import datetime

from flask import g, has_request_context, request, session
from flask_babel import format_date, format_datetime, format_decimal, format_time
from flask_login import current_user

LANGUAGES = {"ru": "Русский", "en": "English"}


def choose_locale() -> str:
    """The user's language; before sign-in the one chosen on the page, else the browser's, else Russian."""
    if not has_request_context():
        return "ru"
    if current_user and current_user.is_authenticated:
        return current_user.language
    chosen = session.get("language")
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(list(LANGUAGES), "ru") or "ru"


def choose_timezone() -> str | None:
    """The zone of the account whose page this is."""
    return g.account.timezone if has_request_context() and "account" in g else None


def day_and_time(moment: datetime | None) -> str:
    """«21.11.2026 14:02» in the account's zone."""
    return format_datetime(moment, "dd.MM.yyyy HH:mm") if moment else "—"


def exact_time(moment: datetime | None) -> str:
    """The same with seconds, where the order of things matters."""
    return format_datetime(moment, "dd.MM.yyyy HH:mm:ss") if moment else "—"


def day(moment: datetime) -> str:
    """«21.11.2026»."""
    return format_date(moment, "dd.MM.yyyy")


def clock(moment: datetime) -> str:
    """«14:02»."""
    return format_time(moment, "HH:mm")


def number(value: float) -> str:
    """«1 486» in Russian, "1,486" in English."""
    return format_decimal(value)
