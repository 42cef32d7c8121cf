"""What goes wrong around Jivo's webhooks: hostile addresses and headers, a database that is away (B3)."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests
from flask import Flask
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.event import listen, remove
from sqlalchemy.orm import Session

from tests.databases import POSTGRESQL
from tests.doubles.hostile import TEXTS
from tests.doubles.stage import OK, Stage, on_stage, whole
from tests.factories import make_user
from webapp.extensions import db
from webapp.models import EventState

#: Last segments of the address, as they stand in it.
CHANNELS = (
    *(quote(text[:2000].encode("utf-8", "surrogatepass")) for text in TEXTS if text and not {"\n", "\0"} & set(text)),
    *("%ff%fe", "%c3", "%ed%a0%80", "a/b/c", "..%2f..%2fx", "telegram/", "TeLeGrAm", "%20tg%20", "-", "a" * 5000),
)

HEADERS = (
    "Content-Type: " + "x" * 9000,
    "Content-Type: a/b\x01; charset=\xff",
    "Content-Type:",
    "Content-Type: \xd0\xb6",
    "Content-Encoding: gzip",
    "Cookie: leadtrail=" + "x" * 4000,
    "Cookie: \xff=\x01;;;==",
    "Accept-Language: " + ";," * 900,
    "X-Leadtrail-Test: x",
    "X-Leadtrail-Test: a.b.c",
    "X-Leadtrail-Test: \xff\xfe",
    "Host: [::1",
    "Host: a/../b",
    "X-Forwarded-For: '; DROP TABLE x",
    "X-Forwarded-Host: \xff",
    "Range: bytes=9-1",
    "If-None-Match: *",
    "HX-Request: \xff",
    "User-Agent: " + "\xf0" * 900,
    "Referer: http://[/",
    "Authorization: Basic \xff",
    "Expect: 200-maybe",
)


@pytest.fixture
def stage(server: str, session: Session) -> Iterator[Stage]:
    with on_stage(server, session) as stage:
        yield stage


def test_hostile_channels_and_headers_break_nothing(stage: Stage, client, session):
    """The address and the headers come from outside as much as the body does."""
    owner = make_user(session, account=stage.integration.account)
    address = urlsplit(stage.hook)
    lines = [f"POST {address.path}/{channel} HTTP/1.1\r\nHost: x\r\n" for channel in CHANNELS]
    lines += [f"POST {address.path} HTTP/1.1\r\n{header}\r\n" for header in HEADERS]
    for number, line in enumerate(lines):
        body = json.dumps({"event_name": "chat_finished", "chat_id": number}).encode()
        head = f"{line}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        assert b" 200 " in raw(address, head.encode("latin-1") + body).partition(b"\r\n")[0], line[:200]
    assert len(stage.communications()) == len(stage.events()) == len(lines)
    assert {event.state for event in stage.events()} == {EventState.DONE}
    for no_address in ("%0D%0Ax", "a%00b"):
        head = f"POST {address.path}/{no_address} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        assert raw(address, head.encode()).startswith(b"HTTP/1.1 404")
    for length in ("-1", "x", "1e3", "9" * 30, ""):
        head = f"POST {address.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        status = raw(address, head.encode(), patience=0.3).split(b" ", 2)[1:2]
        assert not status or status[0] < b"500", length
    client.sign_in(owner.email)
    for event in stage.events():
        client.get(f"/a/romashka/events/{event.id}")
    for chat in stage.communications():
        client.get(f"/a/romashka/communications/{chat.id}")
    for page in ("events", "communications", "integrations/jivo"):
        client.get(f"/a/romashka/{page}")


def raw(address: Any, request: bytes, patience: float = 10) -> bytes:
    """What a server answers to these bytes; nothing where it waits for more of them."""
    with socket.create_connection((address.hostname, address.port), timeout=patience) as connection:
        connection.sendall(request)
        with suppress(TimeoutError):
            return connection.recv(65_536)
    return b""


def test_while_the_database_is_away_the_answer_is_503_at_once_and_a_retry_is_stored(
    stage: Stage, app, database_kind, observing_engine
):
    """B3: a 2xx means on disk, so without a disk there is none."""
    retried = {"retries": 2, "retry_on": "5xx and timeout"}
    stage.session.close()
    with (postgresql_away if database_kind == "postgresql" else sqlite_locked)(app, observing_engine):
        result = stage.send(chat=7, at=1_790_000_000, switches=retried)
        page = requests.get(f"{stage.server}/sign-in", timeout=10)
    attempts = stage.deliveries()
    assert [(attempt["status"], attempt["attempt"]) for attempt in attempts] == [(503, 1), (503, 2), (503, 3)]
    assert "ok" not in result["answer"]
    assert max(attempt["latency_s"] for attempt in attempts) < 1
    assert page.status_code == (503 if database_kind == "postgresql" else 200)
    assert stage.events() == []
    assert stage.send(chat=7, at=1_790_000_000)["answer"] == OK
    whole(stage.communication())


def test_a_database_that_fails_in_the_middle_of_an_event_leaves_no_false_ok(
    stage: Stage, app, database_kind, observing_engine
):
    """The connection dies while the event is being written; on SQLite the disk is full."""
    stage.session.close()
    with (connection_killed if database_kind == "postgresql" else disk_full)(app, observing_engine):
        result = stage.send(chat=8, at=1_790_000_000, overrides={"plain_messages": "штора " * 50_000})
    assert (result["status"], result["attempt"]) == (503, 1)
    assert stage.events() == stage.communications() == []
    assert stage.send(chat=8, at=1_790_000_000)["answer"] == OK
    whole(stage.communication())


@contextmanager
def postgresql_away(app: Flask, observing_engine: Engine) -> Iterator[None]:
    """The server refuses every connection to the database, and has ended those there were."""
    observing_engine.dispose()
    name = app.config["SETTINGS"].DATABASE_URL.rpartition("/")[2]
    with create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT").connect() as admin:
        admin.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        try:
            ending = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
            admin.execute(ending, {"name": name})
            yield
        finally:
            admin.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
    admin.engine.dispose()


@contextmanager
def connection_killed(app: Flask, observing_engine: Engine) -> Iterator[None]:
    """The first statement that waits for the table of events loses its connection."""
    done = threading.Event()

    def kill() -> None:
        waiting = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        with observing_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not done.is_set() and not connection.execute(waiting).all():
                time.sleep(0.02)

    with observing_engine.begin() as holder:
        holder.execute(text("LOCK TABLE webhook_event IN ACCESS EXCLUSIVE MODE"))
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            yield
        finally:
            done.set()
            killer.join()


@contextmanager
def sqlite_locked(app: Flask, observing_engine: Engine) -> Iterator[None]:
    """Another process holds the write lock, and the product is told to wait a tenth of a second for it."""
    other = sqlite3.connect(observing_engine.url.database, isolation_level=None)
    with closing(other), on_every_connection(app, "PRAGMA busy_timeout=100"):
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def disk_full(app: Flask, observing_engine: Engine) -> Iterator[None]:
    """The file may not grow by a page, and none of its pages is free."""
    with closing(sqlite3.connect(observing_engine.url.database)) as other:
        other.execute("VACUUM")
    with on_every_connection(app, "PRAGMA max_page_count=1"):
        yield


@contextmanager
def on_every_connection(app: Flask, statement: str) -> Iterator[None]:
    """Each connection the product takes from its pool has run the statement."""
    with app.app_context():
        engine = db.engine

    def taken(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(statement).close()

    listen(engine, "checkout", taken)
    try:
        yield
    finally:
        remove(engine, "checkout", taken)
        engine.dispose()
