"""Ties an account to an outside cabinet and back to its own (docs/decisions.md: what happens to the directory)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp import queue
from webapp.models import PICKED, Account, CabinetKind, utc_now

from . import line

#: Marks entries of the account's own directory that were put away when another came in their place.
PUT_AWAY = {"put_away": True}

#: Marks an entry that is known by its id alone until the directory is read.
UNVERIFIED = {"unverified": True}


def connect(session: Session, account: Account, url: str, token: str) -> None:
    """Let the account's communications go to this cabinet. Its own directory is put away, the cabinet's will be read.

    The caller commits.
    """
    if account.cabinet_kind != CabinetKind.DATAAPI:
        _put_away(session, account.id)
        account.cabinet_kind = CabinetKind.DATAAPI
    link = line.link_of(session, account.id)
    account.cabinet_url, account.cabinet_access_token, link.key_at = url, token, utc_now()
    link.check = link.checked_at = link.blocked_until = None
    link.limits = {}
    if not line.resume(session, account.id):
        queue.enqueue(session, "resume_deliveries", account.id)
    queue.enqueue(session, "sync", account.id)


def disconnect(session: Session, account: Account) -> None:
    """Back to the embedded cabinet and the directory it had before. The key is forgotten; the caller commits."""
    account.cabinet_kind = CabinetKind.EMBEDDED
    account.cabinet_url = account.cabinet_access_token = None
    for one in line.pauses(session, account.id):
        session.delete(one)
    link = line.link_of(session, account.id)
    link.check = link.checked_at = link.blocked_until = link.key_at = None
    link.sync, link.limits = {}, {}
    for table in PICKED.values():
        for row in session.scalars(select(table).where(table.account_id == account.id)):
            if row.outside == PUT_AWAY:
                row.outside, row.archived_at = {}, None
            elif row.outside and row.archived_at is None:
                row.archived_at = utc_now()
    session.flush()


def placeholder(account_id: int, name: str, key: str) -> Any:
    """An entry that the configuration names before the directory was read. ``name`` is a word of PICKED."""
    label = {"employees": {"full_name": key}, "sites": {"domain": key, "name": key}}.get(name, {"name": key})
    row = PICKED[name](account_id=account_id, key=key, outside=dict(UNVERIFIED), **label)
    row.refresh_search_text()
    return row


def _put_away(session: Session, account_id: int) -> None:
    for table in PICKED.values():
        rows = session.scalars(select(table).where(table.account_id == account_id, table.archived_at.is_(None)))
        for row in rows:
            if not row.outside:
                row.archived_at, row.outside = utc_now(), dict(PUT_AWAY)
    session.flush()
