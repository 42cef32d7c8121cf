"""Makes the file of an Export row by row, in parts that a later request sends. Needs an application context."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import IO, Any

from flask import current_app, g
from flask_babel import force_locale
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from webapp import queue
from webapp.database import reading_only
from webapp.models import Account, Communication, Export, ExportPart, ExportState, utc_now

from . import listing
from .columns import needs
from .files import csv_lines, write_xlsx
from .view import View

#: How long a file can be had.
KEPT = timedelta(hours=24)

#: Rows of a file. What spreadsheets take ends a little above.
MOST_ROWS = 1_000_000

#: Files of one user that may be waiting to be made.
WAITING_LIMIT = 3

#: The job that makes them, and the states it has yet to end.
JOB = "make_export"
UNFINISHED = (ExportState.WAITING, ExportState.RUNNING)

#: Bytes of a part, and how many parts one transaction deletes: SQLite writes over all that is deleted (secure_delete),
#: and every webhook waits meanwhile.
PART = 1 << 20
REMOVED = 4


def is_over(export: Export, now: datetime) -> bool:
    """True when the file is too old to be had."""
    return (export.finished_at or export.created_at) < now - KEPT


def enqueue(session: Session, export: Export) -> None:
    """Have its file made once the caller commits."""
    queue.enqueue(session, JOB, export.id, key=_key(export))


def state_of(session: Session, export: Export) -> ExportState:
    """How it stands. One that is unfinished and has no job any more (the database was away, a worker died again and
    again) will not be made, and counts as failed."""
    state = ExportState(export.state)
    is_lost = state in UNFINISHED and not queue.is_waiting(session, JOB, _key(export))
    return ExportState.FAILED if is_lost else state


def _key(export: Export) -> str:
    # SQLite gives a number again whose row is gone, and a key is used once.
    return f"{export.id}-{export.created_at:%Y%m%d%H%M%S%f}"


class GivenUp(Exception):
    """Somebody deleted the export while its file was made."""


def make(session: Session, number: int) -> None:
    """Make the file from the beginning; what an earlier attempt left is taken away. Raises what the database raises."""
    export = session.get(Export, number)
    if export is None or export.state == ExportState.DONE:
        session.rollback()
        return
    session.rollback()
    _remove_parts(session, number)
    export = session.get(Export, number)
    if export is None:
        session.rollback()
        return
    account = session.get_one(Account, export.account_id)
    export.state, export.done = ExportState.RUNNING, 0
    kind, language, told = export.format, export.language, dict(export.query)
    session.commit()
    with current_app.test_request_context(), force_locale(language):
        # The application context stays the job's, and the zone that texts are made in is asked of it.
        g.account = session.get_one(Account, account.id)
        try:
            _write(session, number, kind, View.read(g.account, told))
        except GivenUp:
            session.rollback()
        finally:
            g.pop("account", None)


def _write(session: Session, number: int, kind: str, view: View) -> None:
    zone = view.filters.account.timezone
    with reading_only():
        total = listing.total(session, view.filters)
        session.rollback()
    _tell(session, number, total=None if total.more else min(total.number, MOST_ROWS))
    batches = _progress(session, number, view)
    with tempfile.TemporaryFile() as file:
        if kind == "xlsx":
            write_xlsx(file, view.columns, batches, zone)
        else:
            for piece in csv_lines(view.columns, batches, zone):
                file.write(piece)
        size = file.tell()
        file.seek(0)
        _keep(session, number, file)
    _tell(session, number, state=ExportState.DONE, size=size, finished_at=utc_now())


def _progress(session: Session, number: int, view: View) -> Iterator[list[Communication]]:
    """The rows, and after each batch how many they were. The reading transactions are short and hold up nobody."""
    done = 0
    rows = listing.everything(session, view.filters, listing.listed(needs(view.columns)), MOST_ROWS)
    while True:
        with reading_only():
            batch = next(rows, None)
        if batch is None:
            return
        yield batch
        done += len(batch)
        session.expunge_all()
        session.rollback()
        _tell(session, number, done=done)


def _keep(session: Session, number: int, file: IO[bytes]) -> None:
    place = 0
    while part := file.read(PART):
        session.add(ExportPart(export_id=number, number=place, body=part))
        session.commit()
        place += 1


def _tell(session: Session, number: int, **values: Any) -> None:
    """Write how it stands. Raises GivenUp when there is no such export any more."""
    if not session.execute(update(Export).where(Export.id == number).values(**values)).rowcount:
        raise GivenUp
    session.commit()


def fail(session: Session, number: int) -> None:
    """Write that the file could not be made."""
    session.rollback()
    session.execute(update(Export).where(Export.id == number).values(state=ExportState.FAILED, finished_at=utc_now()))
    session.commit()


def remove(session: Session, number: int) -> None:
    """Delete an export and its file, in short transactions of its own. One that is being made is given up."""
    _remove_parts(session, number)
    session.execute(delete(Export).where(Export.id == number))
    session.commit()


def forget_old(session: Session) -> int:
    """Take away files that are too old; gives how many."""
    with reading_only():
        numbers = session.scalars(select(Export.id).where(Export.created_at < utc_now() - 2 * KEPT)).all()
        session.rollback()
    for number in numbers:
        remove(session, number)
    return len(numbers)


def _remove_parts(session: Session, number: int) -> None:
    own = ExportPart.export_id == number
    while True:
        with reading_only():
            parts = session.scalars(
                select(ExportPart.number).where(own).order_by(ExportPart.number).limit(REMOVED)
            ).all()
            session.rollback()
        if not parts:
            return
        session.execute(delete(ExportPart).where(own, ExportPart.number.in_(parts)))
        session.commit()
