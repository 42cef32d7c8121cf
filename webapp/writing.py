"""Short writing transactions of many threads and processes.

SQLite has one writer at a time, and each commit waits for the disk. Threads of a process that wait for their turn are
written together, in one transaction with one commit: none of them returns before it. Processes take turns by a file
lock, which wakes the next one at once; SQLite's own way is to sleep and to try again. PostgreSQL needs none of this.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

#: PostgreSQL's words for "somebody was in the way": deadlock, serialization failure.
BLOCKED = {"40P01", "40001"}

#: So many are written together at most: whoever waits for the commit should not wait long.
MOST_TOGETHER = 16

Work = Callable[[Session], Any]


class _Entry:
    """One thread's work and how it ended."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.done = False
        # Only a commit makes it written: whatever else happens must never look like one.
        self.written = False
        self.error: Exception | None = None


_turn = threading.Lock()
_waiting: list[_Entry] = []


def write(session: Session, work: Work) -> None:
    """Do the work in a transaction and commit it; raises what the work or the commit raises.

    ``work`` gets a session, which may be another thread's: it must not commit, and must bear being done twice, the
    first time being taken back.
    """
    if session.get_bind().dialect.name == "sqlite":
        _write_in_turn(session, work)
    else:
        _write_alone(session, work)


def _write_alone(session: Session, work: Work) -> None:
    """Of two that block each other the database ends one, which then has the way free."""
    for last in (False, True):
        try:
            work(session)
            session.commit()
            return
        except OperationalError as error:
            session.rollback()
            if last or getattr(error.orig, "sqlstate", None) not in BLOCKED:
                raise


def _write_in_turn(session: Session, work: Work) -> None:
    entry = _Entry(work)
    _waiting.append(entry)
    with _turn:
        if not entry.done:
            with open(f"{session.get_bind().engine.url.database}-turn", "ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                _write_waiting(session, entry)
    if not entry.written:
        raise entry.error or OperationalError("write", None, RuntimeError("the transaction was not committed"))


def _write_waiting(session: Session, own: _Entry) -> None:
    """Take along what waits, our own first. When one of them fails, each is written by itself."""
    _waiting.remove(own)
    others = _waiting[: MOST_TOGETHER - 1]
    del _waiting[: len(others)]
    entries = [own, *others]
    try:
        for entry in entries:
            entry.work(session)
        session.commit()
        for entry in entries:
            entry.written = True
    except Exception as error:
        session.rollback()
        if len(entries) == 1:
            own.error = error
        else:
            for entry in entries:
                _write_one(session, entry)
    finally:
        for entry in entries:
            entry.done = True


def _write_one(session: Session, entry: _Entry) -> None:
    try:
        entry.work(session)
        session.commit()
        entry.written = True
    except Exception as error:
        session.rollback()
        entry.error = error
