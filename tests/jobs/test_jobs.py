"""How the handlers are found and run."""

from __future__ import annotations

import pytest
from flask import current_app

from tests.factories import make_account
from webapp import jobs
from webapp.extensions import db
from webapp.jobs import _in_context


def test_every_module_is_a_job_of_its_name(app):
    found = jobs.handlers(app)
    assert set(found) == {
        *("close_idle_chats", "make_export", "process_stored", "purge_expired", "replay_failed"),
        *("erase_contact", "import_archive", "reattribute", "replay_events", "undo_reattribution"),
        *("send_alert", "watch"),
        *("confirm", "probe", "resume_deliveries", "retry_deliveries", "sync", "upload"),
        *("ask_refused", "check_authorization", "look_up", "reconcile", "resume_lookups"),
    }
    assert {schedule.job for schedule in jobs.SCHEDULES} <= set(found)


def test_a_handler_has_the_application_and_a_session_of_its_own(app, session):
    account = make_account(session)
    seen = []

    def handle(row_id: int) -> None:
        seen.append((row_id, current_app.name, db.session.get(type(account), row_id).slug))

    _in_context(app, handle)(account.id)
    assert seen == [(account.id, "webapp", "romashka")]


def test_what_a_failing_handler_wrote_is_taken_back(app, session):
    account = make_account(session)
    session.commit()

    def handle(row_id: int) -> None:
        db.session.get(type(account), row_id).name = "Другое"
        db.session.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _in_context(app, handle)(account.id)
    session.rollback()
    assert account.name == "Romashka"
