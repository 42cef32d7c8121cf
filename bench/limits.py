"""The limits that intake is compared with, served by the same gunicorn: nothing, and one durable row."""

from __future__ import annotations

import os
import sqlite3
import threading

from flask import Flask, request

app = Flask(__name__)
_local = threading.local()


def _connection() -> sqlite3.Connection:
    """A connection a thread, as durable as the product's."""
    if not hasattr(_local, "connection"):
        connection = sqlite3.connect(os.environ["BENCH_LIMIT_DATABASE"], timeout=30, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS body (id INTEGER PRIMARY KEY, body BLOB)")
        _local.connection = connection
    return _local.connection


@app.post("/nothing")
def nothing() -> str:
    """Read the body and answer."""
    request.get_data()
    return "ok"


@app.post("/row")
def row() -> str:
    """Read the body, insert it as one row in one transaction, answer."""
    connection = _connection()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO body (body) VALUES (?)", (request.get_data(),))
    connection.execute("COMMIT")
    return "ok"
