"""What came while an integration was off is processed when somebody asks for it (DESIGN §4)."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from tests.factories import make_account, make_integration
from webapp import queue
from webapp.intake import accept
from webapp.jobs import handlers, process_stored, replay_failed
from webapp.models import Communication, Integration, WebhookEvent


@pytest.fixture
def process(app):
    return handlers(app)["process_stored"]


@pytest.fixture
def jivo(session) -> Integration:
    """An integration that is on, with five webhooks from the time when it was off."""
    integration = make_integration(session, make_account(session), active=False)
    for chat in range(5):
        body = {"event_name": "chat_finished", "chat_id": chat, "widget_id": "w", "chat": {"messages": []}}
        accept(session, integration, json.dumps(body).encode())
    integration.active = True
    session.commit()
    return integration


def states(session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(WebhookEvent.state).order_by(WebhookEvent.id)))


def test_all_stored_events_become_communications(session, jivo, process):
    process(jivo.id)
    assert states(session) == ["done"] * 5
    assert len(session.scalars(select(Communication)).all()) == 5


def test_another_integrations_events_stay(session, jivo, process):
    other = make_integration(session, jivo.account, key="other")
    process(other.id)
    assert states(session) == ["stored"] * 5


def test_an_integration_that_is_off_or_gone_is_left_alone(session, jivo, process):
    jivo.active = False
    session.commit()
    process(jivo.id)
    process(4711)
    assert states(session) == ["stored"] * 5


def test_it_stops_when_the_integration_is_switched_off_meanwhile(session, jivo, process, monkeypatch):
    monkeypatch.setattr(process_stored, "BATCH", 2)
    monkeypatch.setattr(replay_failed, "BATCH", 2)
    genuine = process_stored.replay

    def then_switch_off(*args, **more):
        result = genuine(*args, **more)
        session.rollback()
        jivo.active = False
        session.commit()
        return result

    monkeypatch.setattr(process_stored, "replay", then_switch_off)
    process(jivo.id)
    assert states(session) == ["done"] * 2 + ["stored"] * 3


def test_a_long_list_goes_on_in_another_job(session, jivo, process, monkeypatch):
    monkeypatch.setattr(process_stored, "BATCH", 2)
    monkeypatch.setattr(replay_failed, "BATCH", 2)
    monkeypatch.setattr(process_stored, "MOST_EVENTS", 4)
    process(jivo.id)
    assert states(session) == ["done"] * 4 + ["stored"]
    assert queue.backlog(session).waiting == 1
    session.rollback()
    process(jivo.id)
    assert states(session) == ["done"] * 5
    assert queue.backlog(session).waiting == 1, "nothing is left, so no further job"


def test_a_failing_event_does_not_stop_the_others(session, jivo, process, monkeypatch):
    genuine = replay_failed.process

    def fail_third(session, integration, event):
        if event.id == 3:
            event.state = "failed"
        else:
            genuine(session, integration, event)

    monkeypatch.setattr(replay_failed, "process", fail_third)
    process(jivo.id)
    assert states(session) == ["done", "done", "failed", "done", "done"]
