"""J-05: a chat of which nothing is heard any more is over."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.factories import make_account, make_integration
from webapp.intake import accept
from webapp.jobs import close_idle_chats, handlers
from webapp.models import Communication, utc_now


@pytest.fixture
def jivo(session):
    return make_integration(session, make_account(session))


@pytest.fixture
def close(app):
    return handlers(app)["close_idle_chats"]


def make_chat(session, integration, number: int = 1, *, hours: float = 25, **values) -> Communication:
    updated_at = utc_now() - timedelta(hours=hours)
    row = Communication(
        account_id=integration.account_id, integration_id=integration.id, vendor_id=str(number), rule="none",
        started_at=updated_at, updated_at=updated_at, **{"type": "chat", **values},
    )  # fmt: skip
    session.add(row)
    session.commit()
    return row


def ends(session) -> list[datetime | None]:
    session.rollback()
    return list(session.scalars(select(Communication.finished_at).order_by(Communication.id)))


def test_an_idle_chat_ends_with_its_last_message(session, jivo, close):
    messages = [{"at": "2026-11-01T10:00:00Z"}, {"at": "2026-11-01T10:05:00Z"}, {"at": None}]
    make_chat(session, jivo, messages=[{"from": "visitor", "author": None, "text": "", **one} for one in messages])
    close(0)
    assert ends(session) == [datetime(2026, 11, 1, 10, 5, tzinfo=UTC)]


def test_without_messages_it_ends_when_it_was_last_told_of(session, jivo, close):
    chat = make_chat(session, jivo)
    close(0)
    assert ends(session) == [chat.updated_at]


def test_requests_live_chats_and_ended_ones_are_left_alone(session, jivo, close):
    ended = utc_now() - timedelta(days=3)
    make_chat(session, jivo, 1, hours=23)
    make_chat(session, jivo, 2, type="offline_message")
    make_chat(session, jivo, 3, finished_at=ended)
    close(0)
    assert ends(session) == [None, None, ended]


def test_many_chats_end_in_batches(session, jivo, close, monkeypatch):
    monkeypatch.setattr(close_idle_chats, "BATCH", 2)
    for number in range(5):
        make_chat(session, jivo, number)
    close(0)
    assert None not in ends(session)


def test_the_vendors_own_word_of_the_end_replaces_ours(session, jivo, close):
    make_chat(session, jivo, 84)
    close(0)
    messages = [{"type": "visitor", "message": "Ещё здесь", "timestamp": 1_795_200_000}]
    body = {"event_name": "chat_finished", "chat_id": 84, "widget_id": "w", "chat": {"messages": messages}}
    session.rollback()
    accept(session, jivo, json.dumps(body).encode())
    session.commit()
    assert ends(session) == [datetime.fromtimestamp(1_795_200_000, UTC)]
