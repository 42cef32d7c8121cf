"""Whether somebody who writes would have to wait at this moment."""

from __future__ import annotations

import sqlite3

from sqlalchemy import Engine, text


def nobody_waits(engine: Engine) -> bool:
    """True when no webhook (SQLite has one writer) and nobody who stops a task (PostgreSQL) would have to wait."""
    if engine.dialect.name == "sqlite":
        connection = sqlite3.connect(str(engine.url.database), timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        finally:
            connection.close()
        return True
    with engine.connect() as connection:
        free = connection.scalars(text("SELECT id FROM task FOR UPDATE SKIP LOCKED")).all()
        return len(free) == connection.scalar(text("SELECT count(*) FROM task"))
