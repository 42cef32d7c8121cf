"""How SQLite answers what a page asks, for the tests that no page reads a long table whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import event

from webapp.extensions import db

#: A question to the database and its values.
Question = tuple[str, Any]


@contextmanager
def asked(app: Flask) -> Iterator[list[Question]]:
    """Collects what is asked of the database."""
    found: list[Question] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            found.append((statement, values))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def readings(app: Flask, questions: list[Question], table: str) -> set[str]:
    """How the questions read a table, except by the number of a row: the index and what of it is asked for, and whether
    what was found had to be sorted."""
    found = set()
    with app.app_context(), db.engine.connect() as connection:
        for statement, values in questions:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            is_sorted = " sorted" if any("TEMP B-TREE FOR ORDER BY" in line for line in plan) else ""
            for line in plan:
                way = re.fullmatch(rf"(SEARCH|SCAN) {table}(?: USING (?:COVERING )?INDEX ix_{table}_(.*))?", line)
                if way:
                    found.add((way[2] or way[1]) + is_sorted)
                elif re.match(rf"(SEARCH|SCAN) {table}\b(?!.*PRIMARY KEY)", line):
                    found.add(line + is_sorted)
    return found
