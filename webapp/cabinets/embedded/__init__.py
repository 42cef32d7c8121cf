"""The cabinet that lives here: its directory and its communications are our own tables (C1)."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.cabinets import Need
from webapp.models import Account, Campaign, Communication, Employee, Source
from webapp.resolution import Catalogue, Condition, Entry, Operator


class EmbeddedCabinet:
    """Implements webapp.cabinets.Cabinet."""

    owns_directory = True

    def catalogue(self, session: Session, account: Account) -> Catalogue:
        """See Cabinet.catalogue."""
        return Catalogue(_entries(session, account, Campaign), _entries(session, account, Source))

    def employee_by_email(self, session: Session, account: Account, emails: Sequence[str]) -> int | None:
        """See Cabinet.employee_by_email."""
        folded = [email.casefold() for email in emails]
        if not folded:
            return None
        found = dict(
            session.execute(
                select(func.lower(Employee.email), Employee.id).where(
                    Employee.account_id == account.id,
                    Employee.archived_at.is_(None),
                    func.lower(Employee.email).in_(folded),
                )
            ).all()
        )
        return next((found[email] for email in folded if email in found), None)

    def needs(self, account: Account) -> Sequence[Need]:
        """See Cabinet.needs."""
        return (Need("present", _l("Загрузка чатов из внешней системы — встроена в этот кабинет, подключать нечего")),)

    def record(self, session: Session, communication: Communication) -> None:
        """The row itself is the record: nothing goes anywhere else."""


def _entries(session: Session, account: Account, table: type[Campaign] | type[Source]) -> list[Entry]:
    columns = [table.id, table.priority, table.rules]
    if table is Campaign:
        columns.append(Campaign.site_id)
    rows = session.execute(select(*columns).where(table.account_id == account.id, table.archived_at.is_(None)))
    return [Entry(row[0], row[1], _conditions(row[2]), row[3] if len(row) > 3 else None) for row in rows if row[2]]


def _conditions(rules: list[list[dict[str, str]]]) -> tuple[tuple[Condition, ...], ...]:
    return tuple(tuple(Condition(c["mark"], Operator(c["op"]), c["value"]) for c in rule) for rule in rules)
