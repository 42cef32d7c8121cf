"""Brings the directory's tables to what the cabinet has now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

import structlog
from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models import PICKED, Account, CabinetKind, utc_now

from . import checking, compose, handing, line, reading
from .failures import Failure
from .line import Line
from .reading import Found, Listing

log = structlog.get_logger()

#: A reading that has not ended by then was interrupted.
LEASE = timedelta(minutes=20)

#: Entries of one transaction.
BATCH = 500


class Busy(RuntimeError):
    """Somebody else is reading this directory at the moment."""


def sync(
    session: Session, account_id: int, say: Callable[[str, int], None] = lambda _name, _number: None
) -> dict[str, str]:
    """Read the directory now; ``say`` is told of each list. Commits. A success resumes a paused account.

    Gives the lists that were refused, each with the server's word for why.

    Raises Failure when the cabinet refuses, Busy when it is being read already, LookupError when it has no key.
    """
    account = session.get_one(Account, account_id)
    if account.cabinet_kind != CabinetKind.DATAAPI:
        raise LookupError("the cabinet is embedded")
    connection = Line.of(session, account)
    url, token = str(account.cabinet_url), str(account.cabinet_access_token)
    _begin(session, account_id)

    def tell(name: str, number: int) -> None:
        _progress(session, account_id, name, number)
        say(name, number)

    try:
        found = reading.read(connection, tell)
        _write(session, account_id, found)
    except Failure as failure:
        session.rollback()
        _finish(session, account_id, {"state": "failed", "failure": failure.facts})
        if failure.account_wide:
            line.pause(session, account_id, failure, line.WHOLE)
        session.commit()
        raise
    except Exception:
        session.rollback()
        _finish(session, account_id, {"state": "failed", "failure": {"mnemonic": "our_error"}})
        session.commit()
        raise
    problems = {name: listing.problem for name, listing in found.lists.items() if listing.problem}
    parts = [name for name, listing in found.lists.items() if not listing.whole and not listing.problem]
    _finish(session, account_id, {"state": "done", "problems": problems, "incomplete": parts})
    link = line.link_of(session, account_id)
    link.synced_at = utc_now()
    if link.check is None:
        # Connected by a file: nobody has looked yet what the key opens.
        session.commit()
        checked = checking.check(url, token, line.client())
        link = line.link_of(session, account_id)
        link.check, link.checked_at = checked, utc_now()
    line.resume(session, account_id)
    session.commit()
    handing.reconcile(session, account_id)
    return problems


def _begin(session: Session, account_id: int) -> None:
    link = line.link_of(session, account_id)
    if link.sync_until is not None and link.sync_until > utc_now():
        session.rollback()
        raise Busy
    link.sync_until = utc_now() + LEASE
    link.sync = {"state": "running", "started_at": utc_now().isoformat(), "counts": {}}
    session.commit()


def _progress(session: Session, account_id: int, name: str, number: int) -> None:
    link = line.link_of(session, account_id)
    link.sync = {**link.sync, "counts": {**link.sync.get("counts", {}), name: number}}
    session.commit()


def _finish(session: Session, account_id: int, result: dict[str, Any]) -> None:
    link = line.link_of(session, account_id)
    link.sync = {**link.sync, **result, "finished_at": utc_now().isoformat()}
    link.sync_until = None


def _write(session: Session, account_id: int, found: Found) -> None:
    account = session.get_one(Account, account_id, with_for_update=True)
    if found.timezone in available_timezones():
        # Dates are sent in the zone of the cabinet, whatever was chosen here (U-08).
        account.timezone = str(found.timezone)
    session.commit()
    for name in PICKED:
        _write_list(session, account_id, name, found.lists[name])


def _write_list(session: Session, account_id: int, name: str, listing: Listing) -> None:
    """Add, change and bring back what is there, archive what is gone, in short transactions."""
    table = PICKED[name]
    stored = dict(session.execute(select(table.key, table.id).where(table.account_id == account_id)).all())
    sites = {}
    if name == "campaigns":
        site = PICKED["sites"]
        sites = dict(session.execute(select(site.key, site.id).where(site.account_id == account_id)).all())
    with force_locale("ru"):
        without_campaign = _("Посетители без рекламной кампании")
    entries = list(listing.entries.items())
    for start in range(0, len(entries), BATCH):
        numbers = [stored[key] for key, _values in entries[start : start + BATCH] if key in stored]
        rows = {row.key: row for row in session.scalars(select(table).where(table.id.in_(numbers)))}
        for key, values in entries[start : start + BATCH]:
            values = dict(values)
            if name == "campaigns":
                values["site_id"] = sites.get(values.pop("site"))
                values["name"] = values["name"] or without_campaign
            _put(session, table, account_id, rows.get(key), key, values)
        session.commit()
    if listing.whole:
        _archive(session, account_id, table, {*listing.entries, compose.NO_CAMPAIGN})


def _put(session: Session, table: Any, account_id: int, row: Any, key: str, values: dict[str, Any]) -> None:
    """Write one entry, and only what is different: every change makes kept rules be read anew."""
    if row is None:
        row = table(account_id=account_id, key=key, **values)
        session.add(row)
    else:
        for field, value in {**values, "archived_at": None}.items():
            if getattr(row, field) != value:
                setattr(row, field, value)
    before = row.search_text
    row.refresh_search_text()
    if row.search_text == before:
        row.search_text = before


def _archive(session: Session, account_id: int, table: Any, kept: set[str]) -> None:
    """What the cabinet no longer has is put away; what points to it keeps pointing, and its page says so."""
    query = select(table.id, table.key).where(table.account_id == account_id, table.archived_at.is_(None))
    gone = [number for number, key in session.execute(query) if key not in kept]
    for start in range(0, len(gone), BATCH):
        for row in session.scalars(select(table).where(table.id.in_(gone[start : start + BATCH]))):
            row.archived_at = utc_now()
        session.commit()
    if gone:
        log.info("directory_entries_vanished", account=account_id, table=table.__tablename__, number=len(gone))
