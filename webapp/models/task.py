"""Work over many rows that somebody asked for on a page: how far it is, what it did, and how to take it back."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, Encrypted, Numbered, partial_index


class TaskKind(StrEnum):
    """What a task does. The job that does it has the same name."""

    REATTRIBUTE = "reattribute"
    UNDO = "undo_reattribution"
    REPLAY = "replay_events"
    IMPORT = "import_archive"
    ERASE = "erase_contact"
    RETRY = "retry_deliveries"


class TaskState(StrEnum):
    """How a task stands. arriving: its files are still being stored. The last three are ends."""

    ARRIVING = "arriving"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


#: States in which something will still happen.
LIVE = (TaskState.ARRIVING, TaskState.WAITING, TaskState.RUNNING)


class Task(Numbered, Base):
    """One task. ``params`` say what was asked for, ``cursor`` where to go on, ``counts`` what was done, by name.

    ``total`` is how many rows there are to look at, None until it is known; ``seen`` how many were. ``problems`` are
    lines for the report. ``subject`` is what must not stand in clear: whose data an erasure is about; it is emptied
    at the end.
    """

    __tablename__ = "task"
    __table_args__ = (Index(None, "account_id", "kind", "id"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16), default=TaskState.WAITING)
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    subject: Mapped[str | None] = mapped_column(Encrypted)
    cursor: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    total: Mapped[int | None]
    seen: Mapped[int] = mapped_column(default=0)
    counts: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    problems: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    actor: Mapped[str] = mapped_column(String(254))
    finished_at: Mapped[datetime | None]

    files: Mapped[list[TaskFile]] = relationship(cascade="all, delete-orphan", passive_deletes=True)

    @property
    def live(self) -> bool:
        """True while something will still happen."""
        return self.state in LIVE

    def count(self, **more: int) -> None:
        """Add to the counts."""
        self.counts = self.counts | {name: self.counts.get(name, 0) + number for name, number in more.items()}


class TaskFile(Numbered, Base):
    """A part of a file that a task reads; the parts of all its files stand in the order of ``number``.

    Kept in the database, because the worker may be another machine; deleted when the task has ended.
    """

    __tablename__ = "task_file"
    __table_args__ = (UniqueConstraint("task_id", "number"),)

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"))
    number: Mapped[int]
    name: Mapped[str] = mapped_column(String(255))
    data: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class Redecision(Numbered, Base):
    """What a re-attribution changed in one communication or one visit: its columns before and after, by name."""

    __tablename__ = "redecision"
    __table_args__ = (
        Index(None, "task_id", "id"),
        partial_index("communication_id IS NOT NULL", "communication_id"),
        partial_index("visit_id IS NOT NULL", "visit_id"),
    )

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"))
    communication_id: Mapped[int | None] = mapped_column(ForeignKey("communication.id", ondelete="CASCADE"))
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("visit.id", ondelete="CASCADE"))
    before: Mapped[dict[str, Any]] = mapped_column(JSON)
    after: Mapped[dict[str, Any]] = mapped_column(JSON)
