"""Feeds an uploaded archive of raw bodies through intake, and reports what was new, known and refused (B3)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import groupby, islice
from typing import IO
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.archive_files import Found, deliveries
from webapp.extensions import db
from webapp.intake import accept
from webapp.models import EventState, Integration, Task, TaskFile
from webapp.tasks import carry_out, tell

#: Bodies of one transaction: few enough that a webhook waits for less than a second.
BATCH = 100


def handle(row_id: int) -> None:
    """Carry out this task."""
    carry_out(db.session(), row_id, _Reader().step)


class _Reader:
    """Reads on from step to step; a new one begins where the task's cursor stands."""

    def __init__(self) -> None:
        self._found: Iterator[Found] | None = None
        self._place = 0
        self._files: list[tuple[str, IO[bytes]]] = []

    def step(self, session: Session, task: Task) -> bool:
        """The next batch. ``params``: integration is its number, channel that of bodies whose address names none."""
        integration = session.get(Integration, task.params["integration"])
        if integration is None or integration.archived_at is not None:
            return False
        zone = ZoneInfo(integration.account.timezone)
        if not self._files:
            self._files = list(_files(session, task))
        if task.total is None:
            task.total = sum(1 for _one in deliveries(self._files, zone))
            self._rewind()
            return True
        if self._found is None or self._place != task.seen:
            self._rewind()
            self._found = islice(deliveries(self._files, zone), task.seen, None)
        batch = list(islice(self._found, BATCH))
        for found in batch:
            _take(session, task, integration, found)
        task.seen += len(batch)
        self._place = task.seen
        return len(batch) == BATCH

    def _rewind(self) -> None:
        for _name, file in self._files:
            file.seek(0)


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


def _take(session: Session, task: Task, integration: Integration, found: Found) -> None:
    """One body into intake, or a line into the report."""
    delivery = found.delivery
    if delivery is None or found.problem:
        task.count(refused=1)
        tell(task, file=found.file, line=delivery.line if delivery else None, problem=found.problem)
        return
    accepted = accept(
        session,
        integration,
        delivery.body,
        channel=delivery.channel or task.params.get("channel"),
        received_at=delivery.received_at,
        dated=delivery.received_at is not None,
    )
    task.count(**{"known" if accepted.repeat else "new": 1})
    if accepted.state in (EventState.FAILED, EventState.STORED):
        task.count(**{str(accepted.state): 1})
