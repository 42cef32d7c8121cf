"""Reads the directory of an outside cabinet: of one account, or on schedule of all of them."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from webapp import queue
from webapp.cabinets.dataapi.failures import Failure
from webapp.cabinets.dataapi.syncing import Busy, sync
from webapp.extensions import db
from webapp.models import Account, CabinetKind

log = structlog.get_logger()

#: The job's name is the module's.
NAME = __name__.rpartition(".")[2]


def handle(row_id: int) -> None:
    """Read this account's directory; 0 gives every account a job of its own."""
    session = db.session()
    if not row_id:
        wanted = select(Account.id).where(
            Account.cabinet_kind == CabinetKind.DATAAPI, Account.cabinet_access_token.is_not(None)
        )
        for number in session.scalars(wanted).all():
            queue.enqueue(session, NAME, number)
        session.commit()
        return
    try:
        sync(session, row_id)
    except (Failure, Busy, LookupError) as problem:
        # It is told on the account's pages, and the next one comes by the schedule or with the end of a pause.
        log.warning("sync_ended_early", account=row_id, problem=type(problem).__name__)
