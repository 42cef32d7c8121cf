"""Millions of communications and events, written by the database itself: rows, indexes, the words of the search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateIndex, DropIndex

from webapp.models import Communication, WebhookEvent
from webapp.report.tokens import VALUES, document

#: Rows of one statement.
CHUNK = 500_000

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 320

#: Rows that have the rare campaign and the rare word, whatever the size.
RARE = 60

#: The oldest rows are those of an integration that has been quiet since, and of events that said nothing.
OLDEST = 40

MESSAGES = (
    '[{"at": "2026-01-01T10:00:00Z", "from": "visitor", "author": "Мария", "text": "Есть шторы на кухню?"}, '
    '{"at": "2026-01-01T10:01:00Z", "from": "operator", "author": "Анна", "text": "Есть, какой размер нужен?"}]'
)

#: What is said, folded: every chat speaks of curtains, every hundredth of tulle, RARE of them of amethyst.
_SAID = (
    "'мария ' || phone || ' ' || n || ' мария: есть шторы на кухню? заказ' || n || ' анна: есть, какой размер нужен?'"
    " || CASE WHEN n % 100 = 7 THEN ' тюль' ELSE '' END || CASE WHEN n % {step} = 5 THEN ' аметист' ELSE '' END"
)

#: How the values depend on each other, as in life: marks have campaigns, messengers have sources.
_KINDS = """
SELECT n,
  '+7900' || {padded} AS phone,
  CASE WHEN n % 7 = 0 THEN 'offline_message' ELSE 'chat' END AS type,
  CASE WHEN n % 100 < 40 THEN 'utm' WHEN n % 100 < 55 THEN 'visit' WHEN n % 100 < 80 THEN 'channel'
       WHEN n % 100 < 97 THEN 'default' ELSE 'none' END AS rule,
  CASE WHEN n % 100 < 55 THEN 'site' WHEN n % 100 < 65 THEN 'telegram' WHEN n % 100 < 75 THEN 'whatsapp'
       WHEN n % 100 < 80 THEN 'vk' WHEN n % 100 < 97 THEN 'site' ELSE 'avito' END AS channel,
  CASE WHEN n % {step} = 5 THEN {campaign} + 20 WHEN n % 100 < 55 THEN {campaign} + (n / 100) % 20 END AS campaign_id,
  CASE WHEN n % 100 < 55 THEN NULL WHEN n % 100 < 65 THEN {source} WHEN n % 100 < 75 THEN {source} + 1
       WHEN n % 100 < 80 THEN {source} + 2 WHEN n % 100 < 97 THEN {source} + 3 END AS source_id,
  {employee} + n % 5 AS employee_id,
  CASE WHEN n % 100 >= 40 AND n % 100 < 55 THEN {visit} END AS visit_id,
  n % 4 = 0 AS is_repeat,
  CASE WHEN n < {oldest} THEN {quiet} ELSE {integration} END AS integration_id
FROM {numbers}
"""

_SQLITE = {
    "padded": "printf('%07d', n * 7919 % 10000000)",
    "numbers": "(WITH RECURSIVE run(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM run WHERE n + 1 < :last) "
    "SELECT n FROM run)",
    "at": "strftime('%Y-%m-%d %H:%M:%f', 1767225600 + n * {seconds}.0 / {size}, 'unixepoch') || '000'",
}
_POSTGRESQL = {
    "padded": "lpad(CAST(n * 7919 % 10000000 AS VARCHAR), 7, '0')",
    "numbers": "generate_series(CAST(:first AS bigint), CAST(:last AS bigint) - 1) AS run(n)",
    "at": "to_timestamp(1767225600 + n * {seconds}.0 / {size})",
}


def fill(session: Session, size: int, numbers: dict[str, int]) -> None:
    """Write so many communications and events, with their indexes and words, and commit.

    ``numbers`` are ids of what they name.
    """
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    words = _SQLITE if on_sqlite else _POSTGRESQL
    step = max(1, size // RARE)
    at = words["at"].format(seconds=DAYS * 86_400, size=size)
    kinds = _KINDS.format(padded=words["padded"], numbers=words["numbers"], step=step, oldest=OLDEST, **numbers)
    said = _SAID.format(step=step)
    messages, no = (":messages", "0") if on_sqlite else ("CAST(:messages AS json)", "false")
    statement = f"""
        INSERT INTO communication (id, account_id, integration_id, type, vendor_id, started_at, finished_at, updated_at,
          created_at, channel, client, contact_name, contact_phone, employee_id, site_id, campaign_id, source_id,
          visit_id, rule, trail, utm, clues, stages, messages, message_count, text, details, search_text, is_test,
          is_repeat)
        SELECT n + 1, {numbers["account"]}, integration_id, type, CAST(n AS VARCHAR), {at}, {at}, {at}, {at},
          channel, CAST(n % 50000 AS VARCHAR), 'Мария', phone, employee_id, {numbers["site"]}, campaign_id, source_id,
          visit_id, rule, '[]', '{{}}', '{{}}', '{{}}', {messages}, 2, {said}, '{{}}', {said}, {no}, is_repeat
        FROM ({kinds}) AS kinds"""
    _write(session, Communication.__table__, statement, size, messages=MESSAGES)
    body = ":body" if on_sqlite else "CAST(:body AS bytea)"
    statement = f"""
        INSERT INTO webhook_event (id, account_id, integration_id, received_at, created_at, body, digest, repeats,
          state, event_name, is_test)
        SELECT n + 1, {numbers["account"]}, integration_id, {at}, {at}, {body}, CAST(n AS VARCHAR), 0,
          CASE WHEN n < {OLDEST} THEN 'ignored' WHEN n % {step} = 5 THEN 'failed' ELSE 'done' END, 'chat_finished', {no}
        FROM ({kinds}) AS kinds"""
    _write(session, WebhookEvent.__table__, statement, size, body=MESSAGES.encode())
    _write_words(session, size, on_sqlite)


def _write(session: Session, table: Any, statement: str, size: int, **values: Any) -> None:
    """Rows first, then the indexes of the table."""
    for index in table.indexes:
        session.execute(DropIndex(index))
    for first in range(0, size, CHUNK):
        session.execute(text(statement), {"first": first, "last": min(first + CHUNK, size), **values})
        session.commit()
    for index in table.indexes:
        session.execute(CreateIndex(index))
        session.commit()


def _write_words(session: Session, size: int, on_sqlite: bool) -> None:
    month = "strftime('%Y%m', started_at)" if on_sqlite else "to_char(started_at AT TIME ZONE 'UTC', 'YYYYMM')"
    beginning = f"'1_' || substr({month}, 3) || '_'"
    digits = "substr(contact_phone, 2)"
    plain = "replace(replace(replace(replace(replace(search_text, ':', ''), '?', ''), ',', ''), '+', ''), '  ', ' ')"
    parts = [f"'w' || replace({plain}, ' ', ' ' || b || 'w')"]
    parts += [f"'p' || substr({digits}, {start})" for start in range(1, 9)]
    one, zero = ("1", "0") if on_sqlite else ("'1'", "'0'")
    flags = {
        "has_visit": f"CASE WHEN visit_id IS NULL THEN {zero} ELSE {one} END",
        "is_repeat": f"CASE WHEN is_repeat THEN {one} ELSE {zero} END",
    }
    for name, letter in VALUES.items():
        value = flags.get(name) or f"coalesce(CAST({name} AS VARCHAR), '')"
        value = f"replace({value}, '_', 'x')" if name == "type" else value
        parts.append(f"'{letter}' || {value}")
    document_of = " || ' ' || ".join(f"b || {part}" for part in parts)
    into = "rowid, words" if on_sqlite else "communication_id, words"
    words = document_of if on_sqlite else f"array_to_tsvector(string_to_array({document_of}, ' '))"
    statement = text(
        f"INSERT INTO communication_search ({into}) SELECT id, {words} "
        f"FROM (SELECT *, {beginning} AS b FROM communication WHERE id > :first AND id <= :last) AS own"
    )
    if not on_sqlite:
        session.execute(text("DROP INDEX ix_communication_search_words"))
    for first in range(0, size, CHUNK):
        session.execute(statement, {"first": first, "last": first + CHUNK})
        session.commit()
    if not on_sqlite:
        session.execute(text("SET maintenance_work_mem = '1GB'"))
        session.execute(text("CREATE INDEX ix_communication_search_words ON communication_search USING gin (words)"))
        session.commit()
    _compare(session, size, on_sqlite)


def _compare(session: Session, size: int, on_sqlite: bool) -> None:
    """The database has written what the product would write. Raises RuntimeError."""
    key = "rowid" if on_sqlite else "communication_id"
    column = "words" if on_sqlite else "array_to_string(tsvector_to_array(words), ' ')"
    for number in (1, 6, 8, size // 2, size):
        row = session.get_one(Communication, number)
        values: dict[str, Any] = {name: getattr(row, name, None) for name in VALUES}
        values["has_visit"] = row.visit_id is not None
        expected = document(row.account_id, row.started_at, row.search_text, row.contact_phone, values)
        found = session.scalar(text(f"SELECT {column} FROM communication_search WHERE {key} = :id"), {"id": number})
        if set((found or "").split()) != set(expected.split()):
            raise RuntimeError(f"row {number}: {set(found.split()) ^ set(expected.split())}")
    session.rollback()
