"""Finds deliveries that should have a job and have none: after a pause, a lost job, changed settings."""

from __future__ import annotations

from sqlalchemy import select

from webapp.cabinets.dataapi.handing import reconcile
from webapp.extensions import db
from webapp.models import Account, CabinetKind


def handle(row_id: int) -> None:
    """Reconcile this account; 0 means all of them."""
    session = db.session()
    wanted = select(Account.id).where(Account.cabinet_kind == CabinetKind.DATAAPI)
    numbers = session.scalars(wanted.where(Account.id == row_id) if row_id else wanted).all()
    session.commit()
    for number in numbers:
        reconcile(session, number)
