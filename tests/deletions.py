"""How much is deleted at once: SQLite has one writer, and what is deleted is written over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import event

from webapp.extensions import db


@contextmanager
def watched(app: Flask, table: str) -> Iterator[list[int]]:
    """The rows of this table that went with each transaction of the application that deleted any."""
    gone: list[int] = []
    open_now: list[int] = []

    def executed(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(f"DELETE FROM {table} "):
            open_now.append(cursor.rowcount)

    def committed(_connection: Any) -> None:
        if open_now:
            gone.append(sum(open_now))
            open_now.clear()

    with app.app_context():
        engine = db.engine
    for name, listener in (("after_cursor_execute", executed), ("commit", committed)):
        event.listen(engine, name, listener)
    yield gone
    for name, listener in (("after_cursor_execute", executed), ("commit", committed)):
        event.remove(engine, name, listener)
