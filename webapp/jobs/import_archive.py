"""Feeds an uploaded archive of raw bodies through intake, and reports what was new, known and refused (B3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import groupby, islice
from typing import IO, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.archive_files import Found, Place, deliveries
from webapp.extensions import db
from webapp.intake import Received, read, store
from webapp.models import Account, EventState, Integration, Task, TaskFile
from webapp.tasks import carry_out, tell

#: Bodies of one transaction: few enough that a webhook waits for less than a second.
BATCH = 100


def handle(row_id: int) -> None:
    """Carry out this task."""
    reader = _Reader()
    carry_out(db.session(), row_id, reader.step, count=reader.count, ahead=reader.ahead)


@dataclass(frozen=True)
class _Batch:
    """What stands at a place of the files, read by the vendor's parser where it can be."""

    cursor: dict[str, Any]
    rows: list[tuple[Found, Received | None]]


class _Reader:
    """Reads on from step to step; a new one begins where the task's cursor stands."""

    def __init__(self) -> None:
        self._found: Iterator[Found] = iter(())
        self._cursor: dict[str, Any] | None = None
        self._files: list[tuple[str, IO[bytes]]] = []
        self._batch = _Batch({}, [])

    def count(self, session: Session, task: Task) -> int:
        """How many bodies there are."""
        self._cursor, zone = None, _zone(session, task)
        files = self._opened(session, task)
        # Reading all of it takes its time, and needs no database.
        session.rollback()
        return sum(1 for _one in deliveries(files, zone))

    def ahead(self, session: Session, task: Task) -> None:
        """Unpack and read the next batch."""
        integration = _integration(session, task)
        if integration is None:
            return
        if self._cursor != task.cursor:
            self._found = deliveries(self._opened(session, task), _zone(session, task), Place.told(task.cursor))
        found = list(islice(self._found, BATCH))
        self._batch = _Batch(task.cursor, [(one, _read(task, integration, one)) for one in found])
        self._cursor = asdict(found[-1].after) if found else task.cursor

    def step(self, session: Session, task: Task) -> bool:
        """The next batch. ``params``: integration is its number, channel that of bodies whose address names none."""
        integration = _integration(session, task)
        if integration is None:
            return False
        if task.cursor != self._batch.cursor:
            # Another worker has gone on meanwhile.
            return True
        for found, received in self._batch.rows:
            _take(session, task, integration, found, received)
        task.seen += len(self._batch.rows)
        task.cursor = self._cursor
        return len(self._batch.rows) == BATCH

    def _opened(self, session: Session, task: Task) -> list[tuple[str, IO[bytes]]]:
        self._files = self._files or list(_files(session, task))
        return self._files


def _integration(session: Session, task: Task) -> Integration | None:
    """The integration, unless it has been archived."""
    found = session.get(Integration, task.params["integration"])
    return found if found is not None and found.archived_at is None else None


def _zone(session: Session, task: Task) -> ZoneInfo:
    return ZoneInfo(session.get_one(Account, task.account_id).timezone)


def _files(session: Session, task: Task) -> Iterator[tuple[str, IO[bytes]]]:
    """The task's files, each made of its parts. They fit into memory: uploads are limited."""
    rows = session.execute(
        select(TaskFile.id, TaskFile.name).where(TaskFile.task_id == task.id).order_by(TaskFile.number)
    ).all()
    for name, parts in groupby(rows, key=lambda row: row.name):
        yield (
            name,
            BytesIO(
                b"".join(session.scalar(select(TaskFile.data).where(TaskFile.id == number)) for number, _name in parts)
            ),
        )


def _read(task: Task, integration: Integration, found: Found) -> Received | None:
    delivery = found.delivery
    if delivery is None or found.problem:
        return None
    return read(
        integration,
        delivery.body,
        channel=delivery.channel or task.params.get("channel"),
        received_at=delivery.received_at,
        dated=delivery.received_at is not None,
    )


def _take(session: Session, task: Task, integration: Integration, found: Found, received: Received | None) -> None:
    """One body into intake, or a line into the report."""
    if received is None:
        task.count(refused=1)
        line = found.delivery.line if found.delivery else None
        tell(task, file=found.file, line=line, problem=found.problem)
        return
    accepted = store(session, integration, received)
    task.count(**{"known" if accepted.repeat else "new": 1})
    if accepted.state in (EventState.FAILED, EventState.STORED):
        task.count(**{str(accepted.state): 1})
