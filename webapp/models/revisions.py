"""Counts the changes of what attribution depends on, so that rules read once can be kept until they change.

Bound to every session: whoever changes an integration, its mapping or the directory need not think of it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import Session

from .account import Account
from .directory import DirectoryEntry
from .integration import ChannelMapping, Integration


@event.listens_for(Session, "before_flush")
def count_changes(session: Session, _context: Any, _instances: Any) -> None:
    """Raise Integration.revision and Account.revision for what this flush writes."""
    integrations: set[Integration] = set()
    accounts: set[int] = set()
    for row in [*session.new, *session.dirty, *session.deleted]:
        if isinstance(row, ChannelMapping):
            owner = row.integration or (session.get(Integration, row.integration_id) if row.integration_id else None)
            if owner is not None:
                integrations.add(owner)
        elif isinstance(row, Integration) and row in session.dirty and session.is_modified(row):
            integrations.add(row)
        elif isinstance(row, DirectoryEntry) and row.account_id is not None:
            if row not in session.dirty or session.is_modified(row):
                accounts.add(row.account_id)
        elif isinstance(row, Account) and row in session.dirty and session.is_modified(row):
            accounts.add(row.id)
    with session.no_autoflush:
        for integration in integrations:
            if inspect(integration).persistent and integration not in session.deleted:
                integration.revision = Integration.revision + 1
        for number in accounts:
            account = session.get(Account, number)
            if account is not None:
                # Counted by the database: two who change the directory at once must not arrive at the same number.
                account.revision = Account.revision + 1
