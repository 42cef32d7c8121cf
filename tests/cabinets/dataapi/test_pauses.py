"""Pauses: what ends them, what does not, and what probing costs (C3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from tests.cabinets.dataapi.test_troubles import chats, pauses
from tests.cabinets.outside import Outside
from tests.views.acting import chat, enter_as
from webapp.models import CabinetPause, Role

REQUEST = {
    "event_name": "offline_message", "offline_message_id": "5", "message": "Перезвоните",
    "visitor": {"name": "Анна", "phone": "79123456789", "number": 7},
}  # fmt: skip


def lacking(outside: Outside, **more: Any) -> None:
    """A cabinet that did not buy chats, and three chats that wait for it."""
    outside.double.set_account(lacking=["upload_chats"], **more)
    outside.send(*chats(1, 3))
    outside.run(seconds=5)
    assert pauses(outside) == [("chat", "method_component_disabled")]


def test_each_pause_is_probed_also_the_second_and_the_third(outside: Outside):
    """SQLite hands out the number of an ended pause again."""
    for first in (1, 3, 5):
        outside.double.set_account(lacking=["upload_chats"])
        outside.send(*chats(first, first + 1))
        outside.run(seconds=100)
        assert pauses(outside) == [("chat", "method_component_disabled")]
        outside.double.set_account(bought=["upload_chats"])
        outside.run(seconds=300)
        assert (pauses(outside), outside.held_once()) == ([], first + 1)


def test_a_job_of_an_ended_pause_does_not_double_the_probes_of_the_next(outside: Outside):
    lacking(outside)
    outside.session.rollback()
    number = outside.session.scalar(select(CabinetPause.id))
    before = len(outside.double.calls("get.account"))
    outside.session.rollback()
    outside.run_job("probe", number)
    outside.run(seconds=600)
    assert len(outside.double.calls("get.account")) - before <= 11


def test_what_only_looks_proves_nothing(outside: Outside):
    """A report may be read without the component that uploads need."""
    outside.double.fault("reset", "upload.*", stage="after")
    outside.send(*chats(1, 1))
    outside.run(seconds=5)
    outside.double.set_account(lacking=["upload_chats"])
    outside.send(*chats(2, 3))
    outside.run(seconds=90)
    assert pauses(outside) == [("chat", "method_component_disabled")]
    uploads = len(outside.double.calls("upload.chats"))
    outside.run(seconds=600)
    assert pauses(outside) == [("chat", "method_component_disabled")]
    assert len(outside.double.calls("upload.chats")) - uploads <= 11, "one a minute"
    outside.double.set_account(bought=["upload_chats"])
    outside.run()
    assert (pauses(outside), outside.held_once()) == ([], 3)


def test_a_probe_that_gets_nowhere_ends_no_pause_and_burns_no_attempt(outside: Outside):
    lacking(outside)
    outside.double.fault("http", "upload.chats", times=None, status=400, body="none")
    outside.run(seconds=600)
    assert pauses(outside) == [("chat", "method_component_disabled")]
    assert {(row.tries, row.attempts) for row in outside.deliveries()} == {(0, 0)}
    outside.double.heal()
    outside.double.set_account(bought=["upload_chats"])
    outside.run(seconds=600)
    assert (pauses(outside), outside.held_once()) == ([], 3)


def test_a_success_of_one_type_resumes_that_type_only(outside: Outside):
    outside.double.set_account(lacking=["upload_chats", "upload_offline_messages"])
    outside.send(*chats(1, 2), REQUEST)
    outside.run(seconds=5)
    assert {scope for scope, _reason in pauses(outside)} == {"chat", "offline_message"}
    outside.double.set_account(bought=["upload_offline_messages"])
    outside.run(seconds=300)
    assert pauses(outside) == [("chat", "method_component_disabled")]
    assert (outside.held_once("offline_messages"), outside.held_once()) == (1, 0)


def test_one_that_has_to_be_held_does_not_keep_the_others_waiting(outside: Outside):
    lacking(outside)
    outside.employ(None)
    outside.send(chat(9, "Есть шторы?", "Есть.", visitor={"name": "Анна", "number": 7, "phone": "79123456789"}))
    outside.employ("5505")
    outside.double.set_account(bought=["upload_chats"])
    outside.run(seconds=100)
    assert (pauses(outside), outside.held_once()) == ([], 4)


class TestChecked:
    """«Проверить» on the page of the connection."""

    @pytest.fixture
    def check(self, outside: Outside) -> Callable[[], None]:
        editor = enter_as(outside.app, outside.session, outside.account, Role.EDITOR)

        def press() -> None:
            outside.session.rollback()
            editor.post("/a/romashka/settings/cabinet/check", {})

        return press

    def test_a_success_ends_the_pause_at_once(self, outside: Outside, check: Callable[[], None]):
        outside.double.set_account(state="blocked")
        outside.send(*chats(1, 2))
        outside.run(seconds=5)
        assert pauses(outside) == [("all", "account_inactive")]
        check()
        assert pauses(outside) == [("all", "account_inactive")]
        outside.double.set_account(state="active")
        check()
        assert pauses(outside) == []
        outside.run(seconds=10)
        assert outside.held_once() == 2

    def test_also_that_of_one_type(self, outside: Outside, check: Callable[[], None]):
        lacking(outside)
        outside.double.set_account(bought=["upload_chats"])
        check()
        outside.run(seconds=10)
        assert (pauses(outside), outside.held_once()) == ([], 3)

    def test_but_not_of_a_type_that_it_found_missing(self, outside: Outside, check: Callable[[], None]):
        lacking(outside)
        check()
        assert pauses(outside) == [("chat", "method_component_disabled")]
