"""The cabinet that lives here: its directory and its communications are our own tables (C1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.cabinets import Need
from webapp.models import Account, Campaign, Communication, Employee, Integration, Source
from webapp.resolution import Catalogue, Condition, Entry, Operator
from webapp.vendors import registry


class EmbeddedCabinet:
    """Implements webapp.cabinets.Cabinet."""

    owns_directory = True
    counts_visits = True

    def catalogue(self, session: Session, account: Account) -> Catalogue:
        """See Cabinet.catalogue."""
        return Catalogue(_entries(session, account, Campaign), _entries(session, account, Source))

    def employees(self, session: Session, account: Account) -> Mapping[str, int]:
        """See Cabinet.employees."""
        rows = session.execute(
            select(Employee.email, Employee.id)
            .where(Employee.account_id == account.id, Employee.archived_at.is_(None), Employee.email.is_not(None))
            .order_by(Employee.id.desc())
        )
        return {email.casefold(): number for email, number in rows}

    def needs(self, session: Session, integration: Integration) -> Sequence[Need]:
        """See Cabinet.needs. What it can load is built in."""
        component = registry()[integration.vendor].guide.component
        return (Need("present", _("%(component)s — встроена в этот кабинет, подключать нечего", component=component)),)

    def policy(self, session: Session, integration: Integration) -> Mapping[str, Any]:
        """See Cabinet.policy."""
        return {}

    def refused(self, session: Session, communication: Communication) -> Mapping[str, str]:
        """See Cabinet.refused."""
        return {}

    def record(self, session: Session, communication_id: int) -> None:
        """The row itself is the record: nothing goes anywhere else."""

    def resend(self, session: Session, communication_id: int) -> bool:
        """See Cabinet.resend: the row is what it was decided to be."""
        return False

    def settings_changed(self, session: Session, account: Account) -> None:
        """Nothing waits for settings."""


def _entries(session: Session, account: Account, table: type[Campaign] | type[Source]) -> list[Entry]:
    columns = [table.id, table.priority, table.rules]
    if table is Campaign:
        columns.append(Campaign.site_id)
    rows = session.execute(select(*columns).where(table.account_id == account.id, table.archived_at.is_(None)))
    return [Entry(row[0], row[1], _conditions(row[2]), row[3] if len(row) > 3 else None) for row in rows if row[2]]


def _conditions(rules: list[list[dict[str, str]]]) -> tuple[tuple[Condition, ...], ...]:
    return tuple(tuple(Condition(c["mark"], Operator(c["op"]), c["value"]) for c in rule) for rule in rules)
