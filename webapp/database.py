"""How this product speaks to its database: SQLite as a durable single file, or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Engine, event

#: What SQLite is told on each connection. A longer log between checkpoints writes a page that changed often only once.
#: What is deleted is overwritten, whoever deletes it: of a person who was erased, no earlier copy may be left either.
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=30000",
    "wal_autocheckpoint=4000",
    "cache_size=-16000",
    "secure_delete=ON",
)

_reading = ContextVar("reading", default=False)


@contextmanager
def reading_only() -> Iterator[None]:
    """Within it a SQLite transaction begins as a reader's, so that pages never wait for a writer."""
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


def begin_as_reader(reading: bool) -> None:
    """The same for the rest of the current context (a web request)."""
    _reading.set(reading)


def engine_options(url: str) -> dict[str, Any]:
    """Options of the application's engine for this database."""
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": 30}, "hide_parameters": True}
    return {
        "hide_parameters": True,
        "pool_size": 10,
        "max_overflow": 10,
        "pool_pre_ping": True,
        "connect_args": {"connect_timeout": 5},
    }


def prepare_engine(engine: Engine) -> None:
    """Make SQLite keep what it promises.

    Python's driver begins transactions by itself and too late for savepoints, so it is told not to; a writer takes the
    lock at once (BEGIN IMMEDIATE) instead of failing later; synchronous=FULL makes a commit outlive a power cut.
    """
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN" if _reading.get() else "BEGIN IMMEDIATE")
