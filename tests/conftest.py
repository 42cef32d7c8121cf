"""Fixtures of the suite: an application on each database, a server on a real socket, a client that lints pages."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import Session
from werkzeug.serving import make_server

from tests.databases import KINDS, drop_database, fresh_database
from tests.pages import LintingClient
from webapp import attribution, create_app, queue
from webapp.database import begin_as_reader
from webapp.extensions import db, limiter
from webapp.models import Base
from webapp.settings import Settings, load
from webapp.views import counter, hooks

#: Two runs on one machine do not meet in one database.
WORKER = f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"


@pytest.fixture(scope="session", params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """sqlite or postgresql."""
    return request.param


@pytest.fixture(scope="session")
def settings(database_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of an application on a fresh database."""
    directory = tmp_path_factory.mktemp(database_kind)
    url = fresh_database(database_kind, WORKER, directory)
    yield load(
        {
            "DATA_DIR": str(directory),
            "DATABASE_URL": url,
            "SIGN_IN_LIMIT": "1000 per minute",
            "LOG_LEVEL": "ERROR",
        }
    )
    drop_database(url)


@pytest.fixture(scope="session")
def migrated_app(settings: Settings) -> Iterator[Flask]:
    """One application a database, its tables made by the migrations."""
    app = create_app(settings)
    app.config["TESTING"] = False
    with app.app_context():
        upgrade()
        queue.prepare()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def app(migrated_app: Flask) -> Iterator[Flask]:
    """The application with empty tables."""
    settings: Settings = migrated_app.config["SETTINGS"]
    queue.configure(settings.DATABASE_URL)
    with migrated_app.app_context():
        empty_tables()
    limiter.reset()
    yield migrated_app
    with migrated_app.app_context():
        db.session.remove()


def empty_tables() -> None:
    """Delete every row: ours and the job engine's. Sequences begin anew; truncating would take far longer."""
    begin_as_reader(False)
    # Row numbers begin anew, so what a process has kept by number is another test's.
    attribution.forget()
    hooks.forget()
    counter.forget()
    with db.engine.begin() as connection:
        schema = f"{queue.SCHEMA}." if connection.dialect.name == "postgresql" else ""
        queued = [f"{schema}{name}" for name in ("operation_outputs", "workflow_status")]
        ours = [f'"{table.name}"' for table in reversed(Base.metadata.sorted_tables)]
        # Most tests fill few tables: asking which takes less time than emptying all.
        asked = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in [*queued, *ours])
        filled = set(connection.scalars(text(asked)))
        # Deleting communications is a change of them, too.
        for name in [*(name for name in [*queued, *ours] if name in filled), "communication_change"]:
            connection.execute(text(f"DELETE FROM {name}"))
        if schema:
            connection.execute(
                text(
                    "SELECT setval(format('public.%I', sequencename)::regclass, 1, false) FROM pg_sequences"
                    " WHERE schemaname = 'public' AND last_value IS NOT NULL"
                )
            )


@pytest.fixture(scope="session")
def observing_engine(settings: Settings) -> Iterator[Engine]:
    """An engine of the tests' own. Its SQLite transactions begin as a reader's, so that a test that only looks does not
    keep the server under test from writing."""
    engine = create_engine(settings.DATABASE_URL)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def connect(connection: Any, _record: Any) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA busy_timeout=30000")

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN")

    yield engine
    engine.dispose()


@pytest.fixture
def session(app: Flask, observing_engine: Engine) -> Iterator[Session]:
    """A database session apart from the application's, which belongs to no application context."""
    with Session(observing_engine) as session:
        yield session


@pytest.fixture
def runner(app: Flask):
    """Runs the flask commands."""
    return app.test_cli_runner()


@pytest.fixture
def client(app: Flask) -> LintingClient:
    """A client without a session; every page it gets is linted."""
    return LintingClient(app)


@pytest.fixture
def server(app: Flask) -> Iterator[str]:
    """The application on a real socket; gives its address."""
    served = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=served.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    thread.join()


@pytest.fixture
def payloads() -> Path:
    """Sample bodies of the vendors."""
    return Path(__file__).parent / "payloads"
