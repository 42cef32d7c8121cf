"""The inverted index over communications, and the triggers that tell what has changed.

Each database has its own: SQLite an FTS5 table, PostgreSQL a table of tsvectors with a GIN index. Neither can be said
in models, so this is their SQL, for migrations and for tests that make tables from the models.

The triggers write one short row a change (CommunicationChange); the index itself is written later, by the worker, so
that a webhook does not pay for it. What is deleted leaves the index in the same transaction.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, event, text

from .base import Base

TABLE = "communication_search"

#: What the index and the counters are made from. Changes of anything else are not told.
WATCHED = (
    "account_id", "type", "started_at", "channel", "client", "contact_phone", "contact_email", "integration_id",
    "employee_id", "site_id", "campaign_id", "source_id", "visit_id", "rule", "search_text",
)  # fmt: skip

#: Pages that one step of a merge writes: a tenth of a second during which nobody else writes.
MERGED_PAGES = 250

_INTO = "INSERT INTO communication_change (communication_id, account_id, started_at)"
_NEW = f"{_INTO} VALUES (new.id, new.account_id, new.started_at)"
_OLD = f"{_INTO} VALUES (old.id, old.account_id, old.started_at)"
_FORGET = "DELETE FROM communication_search WHERE rowid = old.id"
_COLUMNS = ", ".join(WATCHED)

SQLITE = (
    # Positions are not needed: what the index finds is compared with the text itself afterwards.
    "CREATE VIRTUAL TABLE IF NOT EXISTS communication_search USING fts5"
    "(words, detail='none', columnsize=0, tokenize=\"ascii tokenchars '_'\")",
    f"CREATE TRIGGER IF NOT EXISTS communication_written AFTER INSERT ON communication BEGIN {_NEW}; END",
    f"CREATE TRIGGER IF NOT EXISTS communication_changed AFTER UPDATE OF {_COLUMNS} ON communication "
    f"WHEN {' OR '.join(f'old.{name} IS NOT new.{name}' for name in WATCHED)} "
    f"BEGIN {_NEW}; {_INTO} SELECT old.id, old.account_id, old.started_at WHERE old.started_at != new.started_at; END",
    f"CREATE TRIGGER IF NOT EXISTS communication_deleted AFTER DELETE ON communication BEGIN {_FORGET}; {_OLD}; END",
)

POSTGRESQL = (
    "CREATE TABLE IF NOT EXISTS communication_search (communication_id BIGINT NOT NULL, words TSVECTOR NOT NULL, "
    "CONSTRAINT pk_communication_search PRIMARY KEY (communication_id), "
    "CONSTRAINT fk_communication_search_communication_id "
    "FOREIGN KEY (communication_id) REFERENCES communication (id) ON DELETE CASCADE)",
    "CREATE INDEX IF NOT EXISTS ix_communication_search_words ON communication_search USING gin (words)",
    "CREATE OR REPLACE FUNCTION note_communication() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"IF TG_OP = 'DELETE' THEN {_OLD}; ELSE {_NEW}; "
    f"IF TG_OP = 'UPDATE' AND old.started_at <> new.started_at THEN {_OLD}; END IF; END IF; RETURN NULL; END $$",
    "CREATE OR REPLACE TRIGGER communication_written AFTER INSERT OR DELETE ON communication "
    "FOR EACH ROW EXECUTE FUNCTION note_communication()",
    f"CREATE OR REPLACE TRIGGER communication_changed AFTER UPDATE OF {_COLUMNS} ON communication FOR EACH ROW "
    f"WHEN ({' OR '.join(f'old.{name} IS DISTINCT FROM new.{name}' for name in WATCHED)}) "
    "EXECUTE FUNCTION note_communication()",
)

_DROP = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS communication_written",
        "DROP TRIGGER IF EXISTS communication_changed",
        "DROP TRIGGER IF EXISTS communication_deleted",
        f"DROP TABLE IF EXISTS {TABLE}",
    ),
    "postgresql": (
        "DROP TRIGGER IF EXISTS communication_written ON communication",
        "DROP TRIGGER IF EXISTS communication_changed ON communication",
        "DROP FUNCTION IF EXISTS note_communication()",
        f"DROP TABLE IF EXISTS {TABLE}",
    ),
}


def is_search_table(name: str | None) -> bool:
    """True for the index and for the tables in which FTS5 keeps it: none of alembic's business."""
    return bool(name) and (name == TABLE or name.startswith(f"{TABLE}_"))


def create(connection: Connection, triggers: bool = True) -> None:
    """Make the index and the triggers where they are missing. Raises RuntimeError where SQLite has no FTS5.

    Without ``triggers`` only the index, for loads that bring it up to date by themselves.
    """
    on_sqlite = connection.dialect.name == "sqlite"
    if on_sqlite and not connection.scalar(text("SELECT sqlite_compileoption_used('ENABLE_FTS5')")):
        raise RuntimeError(
            f"this Python's SQLite ({sqlite3.sqlite_version}) was built without FTS5, which the search needs: "
            "use another build of Python, or PostgreSQL by DATABASE_URL"
        )
    for statement in SQLITE if on_sqlite else POSTGRESQL:
        if triggers or "TRIGGER" not in statement:
            connection.exec_driver_sql(statement)


def merge(connection: Connection, begin: bool) -> bool:
    """Write a part of SQLite's index anew: FTS5 keeps the words of what was deleted, with a mark, until it does so.

    ``begin`` for the first part; True while there is more to do. The caller commits after each.
    """
    driver = connection.connection.driver_connection
    before = driver.total_changes
    pages = -MERGED_PAGES if begin else MERGED_PAGES
    connection.exec_driver_sql(
        "INSERT INTO communication_search (communication_search, rank) VALUES ('merge', ?)", (pages,)
    )
    # The statement itself is one change.
    return driver.total_changes - before > 1


def drop(connection: Connection) -> None:
    """Take both away."""
    for statement in _DROP[connection.dialect.name]:
        connection.exec_driver_sql(statement)


@event.listens_for(Base.metadata, "after_create")
def _after_create(_metadata: Any, connection: Connection, **_options: Any) -> None:
    create(connection)
