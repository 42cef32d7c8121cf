"""B3: failed events are read again, each once."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import delete, select, update

from tests.factories import make_account, make_integration
from webapp.intake import accept
from webapp.jobs import handlers, replay_failed
from webapp.models import Communication, EventState, WebhookEvent


@pytest.fixture
def replay(app):
    return handlers(app)["replay_failed"]


def fail(session, integration, *chats: int) -> None:
    """Events that failed."""
    for chat in chats:
        body = {"event_name": "chat_finished", "chat_id": chat, "widget_id": "w", "chat": {"messages": []}}
        number = accept(session, integration, json.dumps(body).encode()).event_id
        failed = update(WebhookEvent).where(WebhookEvent.id == number)
        session.execute(failed.values(state=EventState.FAILED, error="KeyError"))
    session.execute(delete(Communication))
    session.commit()


def states(session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(WebhookEvent.state).order_by(WebhookEvent.id)))


def test_failed_events_of_the_account_are_recorded(session, replay, monkeypatch):
    monkeypatch.setattr(replay_failed, "BATCH", 2)
    jivo = make_integration(session, make_account(session))
    fail(session, jivo, 1, 2, 3)
    other = make_integration(session, make_account(session, "other"))
    fail(session, other, 4)
    replay(jivo.account_id)
    assert states(session) == ["done", "done", "done", "failed"]
    assert session.scalars(select(WebhookEvent.error).where(WebhookEvent.state == "done")).all() == [None] * 3
    assert len(session.scalars(select(Communication)).all()) == 3


def test_integrations_that_are_off_wait(session, replay):
    account = make_account(session)
    jivo = make_integration(session, account)
    fail(session, jivo, 1)
    off = make_integration(session, account, key="off")
    fail(session, off, 2)
    off.active = False
    session.commit()
    replay(account.id)
    assert states(session) == ["done", "failed"]


def test_what_fails_again_is_tried_once_a_run(session, replay, monkeypatch):
    monkeypatch.setattr(replay_failed, "BATCH", 2)
    tried = []

    def count(_session, _integration, event):
        tried.append(event.id)

    monkeypatch.setattr(replay_failed, "process", count)
    jivo = make_integration(session, make_account(session))
    fail(session, jivo, 1, 2, 3)
    replay(jivo.account_id)
    assert tried == [1, 2, 3]
