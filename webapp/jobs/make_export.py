"""Makes a file of «Обращения и цели» that somebody ordered."""

from __future__ import annotations

from sqlalchemy.exc import OperationalError

from webapp.extensions import db
from webapp.report import exports


def handle(row_id: int) -> None:
    """Make the file of this export from the beginning, and let go of old ones."""
    session = db.session()
    exports.forget_old(session)
    try:
        exports.make(session, row_id)
    except OperationalError:
        raise
    except Exception:
        exports.fail(session, row_id)
        raise
