"""Looks at every account for what its people want to be told of."""

from __future__ import annotations

import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from webapp.alerts.watching import look_at
from webapp.extensions import db
from webapp.models import Account, utc_now

log = structlog.get_logger()


def handle(row_id: int) -> None:
    """Look at one account, or at all of them when ``row_id`` is 0, each in a transaction of its own."""
    session = db.session()
    query = select(Account.id).order_by(Account.id)
    numbers = session.scalars(query.where(Account.id == row_id) if row_id else query).all()
    session.commit()
    for number in numbers:
        account = session.get(Account, number)
        if account is None:
            continue
        try:
            look_at(session, account, utc_now())
            session.commit()
        except OperationalError:
            raise
        except Exception:
            # One account's trouble is not the others'.
            log.exception("alerts_not_looked_at", account=number)
            session.rollback()
