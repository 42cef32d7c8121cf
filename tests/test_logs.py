"""No personal data and no secret reaches a log line; what an operator needs to find an event does."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import redirect_stderr
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from webapp import logs
from webapp.logs import MASK, redact, redact_event

SECRET = "k3pT-xU_8f3c2d7eA1b2C3d4E5f6G7h8I9j0K1l2M3n"

PHONES = [
    "+79161234567",
    "+7 916 123-45-67",
    "+7 (916) 123-45-67",
    "+7(916)1234567",
    "+7-916-123-45-67",
    "+7 916 123 45 67",
    "+7\u00a0916\u00a0123\u00a045\u00a067",
    "79161234567",
    "7 916 123-45-67",
    "89161234567",
    "8 (916) 123-45-67",
    "8-916-123-45-67",
    "8(916)123-45-67",
    "8 916 1234567",
    "+375291234567",
    "+375 (29) 123-45-67",
    "+380 50 123 45 67",
    "+49 30 12345678",
    "+1 (212) 555-0123",
    "%2B79161234567",
]

#: Where a phone may stand.
AROUND = [
    "{}",
    "({})",
    "звонить {}!",
    "phone={}",
    "тел:{}",
    "тел.: {}",
    '{{"phone": "{}"}}',
    "['{}']",
    "/a/romashka/communications?q={}&page=2",
    "DETAIL: Key (contact_phone)=({}) already exists.",
]


#: The moment a line begins or ends with: its microseconds may happen to hold any three digits.
LINE_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+Z?")


def digits(text: str) -> str:
    """The digits of a text."""
    return "".join(sign for sign in text if sign.isdigit())


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("phone", PHONES)
def test_phones_are_masked_however_they_are_written(phone: str, around: str) -> None:
    told = redact(around.format(phone))

    assert MASK in told
    assert not set("123456") <= set(digits(told))
    assert "916" not in told


@pytest.mark.parametrize(
    "email", ["anna@example.com", "Anna.P+shop@mail.example.co.uk", "иван@почта.рф", "a%40b.example"]
)
@pytest.mark.parametrize("around", AROUND)
def test_mail_addresses_are_masked(email: str, around: str) -> None:
    told = redact(around.format(email))

    assert email not in told
    assert MASK in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"POST /hooks/jivo/{SECRET} HTTP/1.1", f"POST /hooks/jivo/{MASK} HTTP/1.1"),
        (f"POST /hooks/jivo/{SECRET}/telegram HTTP/1.1", f"POST /hooks/jivo/{MASK}/telegram HTTP/1.1"),
        (f"https://trail.example/hooks/amocrm/{SECRET}?x=1", f"https://trail.example/hooks/amocrm/{MASK}?x=1"),
        (f'"path": "/hooks/jivo/{SECRET}"', f'"path": "/hooks/jivo/{MASK}"'),
        (f"GET /welcome/{SECRET}", f"GET /welcome/{MASK}"),
        (f"GET /invitation/{SECRET}?next=/", f"GET /invitation/{MASK}?next=/"),
    ],
)
def test_the_secrets_in_our_own_addresses_are_masked(text: str, told: str) -> None:
    assert redact(text) == told


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization: bearer {SECRET}==",
        f"https://example.amocrm.ru/x?access_token={SECRET}&page=1",
        f'{{"refresh_token": "{SECRET}"}}',
        f"{{'client_secret': '{SECRET}'}}",
        f"api_key={SECRET}",
        f"password={SECRET} host=db",
        f"postgresql+psycopg://leadtrail:{SECRET}@db.example:5432/leadtrail",
        f"could not connect to postgres://leadtrail:{SECRET}@db/leadtrail: refused",
        f"postgresql://leadtrail:with/slash{SECRET}@db/leadtrail",
        f"postgresql://leadtrail:with:colon{SECRET}@db/leadtrail",
        f"redis://:{SECRET}@cache:6379/0",
        f"postgresql://db/leadtrail?user=leadtrail&password={SECRET}",
        f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MTIifQ.{SECRET}",
    ],
)
def test_tokens_and_database_passwords_are_masked(text: str) -> None:
    told = redact(text)

    assert SECRET not in told
    assert MASK in told


def test_the_rest_of_a_database_url_stays_to_be_recognised() -> None:
    told = redact("postgresql+psycopg://leadtrail:secret@db.example:5432/leadtrail_test")

    assert told == f"postgresql+psycopg://leadtrail:{MASK}@db.example:5432/leadtrail_test"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T12:00:00.123456Z",
        "2026-11-23 12:00:00,123 INFO webapp.intake",
        "2026-11-23 12:00:00+00:00",
        "event_id=123456 integration=7 communication=8912345",
        "chat_id 84, unix time 1700000200, in milliseconds 1700000200123",
        "job 550e8400-e29b-41d4-a716-446655440000 of 79161234-5678-4abc-8def-891612345678",
        "digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "session 268176.1700000200",
        "https://shop.example:8443/path?page=2",
        "http://127.0.0.1:8000/a/romashka/events",
        "10.0.0.1 - - [23/Nov/2026:12:00:00 +0000] GET /healthz 200 0.003",
        "IntegrityError: UNIQUE constraint failed: communication.integration_id, communication.type",
        "Traceback: File /app/webapp/intake.py, line 79, in accept",
        "took 0.8901234567 s",
        "revision 0001, SQLite 3.45.1, Python 3.11.9",
    ],
)
def test_what_is_needed_to_find_an_event_stays(text: str) -> None:
    assert redact(text) == text


@given(st.text())
def test_any_text_can_be_redacted_and_doing_it_twice_changes_nothing(text: str) -> None:
    once = redact(text)

    assert redact(once) == once


@given(st.integers(0, 9_999_999_999), st.sampled_from(["+7", "8", "7"]))
def test_any_russian_number_is_masked(number: int, prefix: str) -> None:
    assert redact(f"звонить {prefix}{number:010d}") == f"звонить {MASK}"


class TestFields:
    """The processor that every log line passes."""

    @pytest.mark.parametrize(
        "name",
        ["access_token", "client_secret", "password", "Authorization", "Set-Cookie", "api_key", "apikey", "phone",
         "contact_email", "contact", "text", "body", "webhook_secret"],
    )  # fmt: skip
    def test_secret_fields_are_masked_whatever_they_hold(self, name: str) -> None:
        for value in ("x", b"x", {"a": 1}, ["x"], 7):
            assert redact_event(None, "info", {name: value}) == {name: MASK}

    def test_it_reaches_into_what_is_nested(self) -> None:
        event = {"event": "e", "rows": [{"deep": ("anna@example.com", {"token": "x"})}], "names": {"anna@example.com"}}

        told = json.dumps(redact_event(None, "info", event), default=repr)

        assert "anna" not in told
        assert '"token": "***"' in told

    def test_numbers_and_flags_stay_what_they_are(self) -> None:
        event = {"event": "e", "event_id": 79161234567, "seconds": 0.5, "done": True, "nothing": None}

        assert redact_event(None, "info", dict(event)) == event

    @pytest.mark.parametrize("value", [ValueError("anna@example.com"), io.BytesIO, b"anna@example.com"])
    def test_an_object_is_told_without_what_it_would_print(self, value: Any) -> None:
        assert "anna" not in json.dumps(redact_event(None, "info", {"event": "e", "error": value}), default=repr)


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging as it was, after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def written(log_format: str, write: Any) -> str:
    """What is written to standard error."""
    with redirect_stderr(io.StringIO()) as stream:
        logs.configure(log_format, "INFO")
        write()
    return stream.getvalue()


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("log_format", ["json", "text"])
class TestLines:
    def test_our_own_lines_and_the_libraries_are_redacted_alike(self, log_format: str) -> None:
        def write() -> None:
            structlog.get_logger("webapp.test").info("anna@example.com", phone="+79161234567", event_id=84)
            logging.getLogger("library").warning("to %s at %s", "anna@example.com", "+7 916 123-45-67")

        told = LINE_TIME.sub("", written(log_format, write))

        assert len(told.strip().splitlines()) == 2
        assert "anna" not in told
        assert "916" not in told
        assert "84" in told

    def test_a_traceback_is_redacted_too(self, log_format: str) -> None:
        def write() -> None:
            try:
                raise ValueError(f"anna@example.com via /hooks/jivo/{SECRET}")
            except ValueError:
                structlog.get_logger("webapp.test").exception("event_failed")
                logging.getLogger("library").exception("failed")

        told = written(log_format, write)

        assert "ValueError" in told
        assert "anna" not in told
        assert SECRET not in told

    def test_lines_below_the_level_are_not_written(self, log_format: str) -> None:
        assert written(log_format, lambda: logging.getLogger("library").debug("quiet")) == ""


@pytest.mark.usefixtures("restored")
def test_json_lines_are_json_with_a_level_a_logger_and_a_time() -> None:
    before = datetime.now(UTC)

    line = json.loads(written("json", lambda: structlog.get_logger("webapp.test").warning("событие", event_id=84)))

    assert (line["event"], line["level"], line["logger"], line["event_id"]) == (
        "событие",
        "warning",
        "webapp.test",
        84,
    )
    assert before <= datetime.fromisoformat(line["timestamp"]) <= datetime.now(UTC)
