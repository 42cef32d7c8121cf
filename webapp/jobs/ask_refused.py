"""Opens lookups again that ended for want of rights: somebody has connected or checked, or one of them was let in."""

from __future__ import annotations

import time

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from webapp import queue
from webapp.extensions import db
from webapp.models import Lookup, integration_authorization

#: The job's name is the module's.
NAME = __name__.rpartition(".")[2]

#: Does what is open. Named, not imported: it is another job.
RESUME = "resume_lookups"

#: Lookups of one transaction.
BATCH = 500

#: Of SQLite's partial indexes only those are used whose condition stands in a query word for word.
_REFUSED = text("problem = 'no_rights'")


def handle(row_id: int) -> None:
    """Open all that ended so, of the authorization ``row_id``."""
    session = db.session()
    while reopen(session, row_id, BATCH) == BATCH:
        session.commit()
    queue.enqueue(session, RESUME, row_id, key=f"{row_id}:refused:{int(time.time()) // 10}")
    session.commit()


def reopen(session: Session, authorization_id: int, most: int) -> int:
    """Open the latest that ended so; how many. Whoever takes lookups up finds them; the caller commits."""
    users = select(integration_authorization.c.integration_id).where(
        integration_authorization.c.authorization_id == authorization_id
    )
    ended = (
        select(Lookup.communication_id)
        .where(Lookup.integration_id.in_(users), _REFUSED, Lookup.done_at.is_not(None))
        .order_by(Lookup.communication_id.desc())
        .limit(most)
    )
    return session.execute(
        update(Lookup)
        .where(Lookup.communication_id.in_(ended))
        .values(done_at=None, next_at=None, looks=0, failures=0)
        .execution_options(synchronize_session=False)
    ).rowcount
