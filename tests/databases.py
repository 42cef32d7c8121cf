"""The databases that the suite runs on: SQLite always, PostgreSQL where one answers."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa

KINDS = ("sqlite", "postgresql")

#: A database whose role may create others; .ci/run makes it.
POSTGRESQL = os.environ.get(
    "TEST_POSTGRES_URL", "postgresql+psycopg://leadtrail:leadtrail@127.0.0.1:5432/leadtrail_test"
)


def missing(what: str, why: str) -> None:
    """Leave a test out because the machine lacks something; with REQUIRE_ALL=1 that is a failure."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"{what} is required: {why}")
    pytest.skip(f"needs {what}: {why}")


@cache
def postgresql_problem() -> str | None:
    """Why PostgreSQL cannot be used, or None."""
    try:
        engine = sa.create_engine(POSTGRESQL, connect_args={"connect_timeout": 3})
        with engine.connect():
            pass
        engine.dispose()
    except sa.exc.OperationalError as error:
        return str(error.orig).strip().splitlines()[0]
    return None


def fresh_database(kind: str, name: str, directory: Path) -> str:
    """The URL of a new and empty database."""
    if kind == "sqlite":
        return f"sqlite:///{directory / name}.db"
    problem = postgresql_problem()
    if problem:
        missing("PostgreSQL", problem)
    url = sa.make_url(POSTGRESQL)
    database = f"{url.database}_{name}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'))
        connection.execute(sa.text(f'CREATE DATABASE "{database}"'))
    engine.dispose()
    return url.set(database=database).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Leave nothing behind on PostgreSQL; a SQLite file goes with its directory."""
    made = sa.make_url(url)
    if made.get_backend_name() != "postgresql":
        return
    engine = sa.create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT")
    # An autovacuum worker may be in it, which only a superuser ends; then it stays, and no later run uses its name.
    with suppress(sa.exc.DBAPIError), engine.connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE IF EXISTS "{made.database}" WITH (FORCE)'))
    engine.dispose()
