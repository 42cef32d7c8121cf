"""«Что изменится»: how stored communications would be attributed by rules that are not saved yet (B2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import g
from flask_babel import gettext as _
from sqlalchemy import select

from webapp import attribution
from webapp.cabinets import cabinet_of
from webapp.database import begin_as_reader
from webapp.extensions import db
from webapp.forecast import FORECAST_DAYS, Forecast, forecast
from webapp.lookback import Decided, Ruling, ruling
from webapp.models import Account, Campaign, Site, Source, utc_now
from webapp.wording import Names, rule_name

from .communications import heading
from .task_words import KEPT_NAMES

#: Names by kind and number.
KnownNames = Mapping[str, Mapping[int, str]]

#: What a forecast knows how to name.
TABLES = {"campaign": Campaign, "source": Source, "site": Site}


def of_change(account: Account, change: Callable[[], Any], integration_id: int | None = None) -> dict[str, Any]:
    """What the change would do to the last 30 days, for whatif/forecast.html.

    The change is made as saving would make it, its rules are read, and it is taken back before anything is looked at.
    A change that gives the campaign or source it wrote has it named as it would be called then.
    """
    session = db.session()
    # The settings of an integration leave the directory as it is.
    catalogue = attribution.catalogue(session, account) if integration_id else None
    written = change()
    session.flush()
    names = {
        kind: {written.id: written.name}
        for kind, table in (("campaign", Campaign), ("source", Source))
        if isinstance(written, table)
    }
    new = ruling(session, account, catalogue)
    session.rollback()
    return foreseen(account, new, utc_now() - timedelta(days=FORECAST_DAYS), names=names, integration_id=integration_id)


def foreseen(
    account: Account,
    new: Ruling | None,
    since: datetime,
    until: datetime | None = None,
    *,
    names: KnownNames | None = None,
    integration_id: int | None = None,
) -> dict[str, Any]:
    """What these rules (None: the saved ones) make of the communications of this time, for whatif/forecast.html.

    The session must hold nothing unsaved: on SQLite nobody shall wait for a page that only looks.
    """
    begin_as_reader(True)
    session = db.session()
    saved = ruling(session, account, attribution.catalogue(session, account))
    found = forecast(session, account, new or saved, saved, since=since, until=until, integration_id=integration_id)
    known = _names(found, names or {})
    return {
        "forecast": found,
        "kept": [(KEPT_NAMES[why], count) for why, count in found.kept.items()],
        "drafted": new is not None,
        "rows": [
            {
                "before": _words(shift.before, known, account),
                "after": _words(shift.after, known, account),
                "count": shift.count,
                "examples": [(one, heading(one)) for one in shift.examples],
            }
            for shift in found.shifts
        ],
    }


def _words(decided: Decided, names: Names, account: Account) -> dict[str, str]:
    """Where a communication goes and by which rule."""
    parts = []
    if decided.campaign:
        parts.append(_("кампания «%(name)s»", name=names("campaign", decided.campaign)))
    if decided.source:
        parts.append(_("источник «%(name)s»", name=names("source", decided.source)))
    if decided.site and (parts or decided.rule != "none"):
        parts.append(_("сайт %(name)s", name=names("site", decided.site)))
    if not parts and decided.rule == "none":
        parts.append(_("без атрибуции"))
    elif not parts:
        parts.append(_("без кампании") if cabinet_of(account).counts_visits else _("решает кабинет по сессии"))
    text = ", ".join(parts)
    return {"text": text[:1].upper() + text[1:], "rule": rule_name(decided.rule)}


def _names(found: Forecast, drafted: KnownNames) -> Names:
    """The names behind the ids, of this account only."""
    sides = [side for shift in found.shifts for side in (shift.before, shift.after)]
    known: dict[str, dict[int, str]] = {}
    for kind, table in TABLES.items():
        numbers: Iterable[int] = {number for side in sides if (number := getattr(side, kind)) is not None}
        rows = db.session.scalars(select(table).where(table.id.in_(numbers), table.account_id == g.account.id))
        known[kind] = {row.id: row.domain if kind == "site" else row.name for row in rows} | dict(drafted.get(kind, {}))
    return Names(known)
