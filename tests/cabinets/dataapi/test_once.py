"""Exactly once (C4): what may be in the cabinet is looked for before it is sent, whoever presses what meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from tests.cabinets.dataapi.test_upload import ANNA
from tests.cabinets.outside import Outside
from tests.views.acting import chat
from webapp.cabinets.dataapi import attempt, handing, settling
from webapp.extensions import db
from webapp.models import Communication, Delivery


def change(outside: Outside, what: Callable[[Session, Delivery], None]) -> None:
    """Let somebody do something with the only delivery, in a transaction of their own."""
    with outside.app.app_context(), Session(db.engine) as session:
        what(session, session.query(Delivery).one())
        session.commit()


def meanwhile(monkeypatch: pytest.MonkeyPatch, method: str, happens: Callable[[], None]) -> None:
    """Let something happen, once, while this method's answer is on its way."""
    call, done = attempt._call, []

    def interrupted(connection: Any, task: attempt.Task) -> Any:
        came = call(connection, task)
        if task.method == method and not done:
            done.append(True)
            happens()
        return came

    monkeypatch.setattr(attempt, "_call", interrupted)


def erase(outside: Outside) -> None:
    """Delete all communications, with their deliveries."""
    with outside.app.app_context(), Session(db.engine) as session:
        session.execute(delete(Communication))
        session.commit()


def test_a_new_communication_is_not_taken_for_an_erased_one_of_its_number(outside: Outside):
    """SQLite hands out the numbers of deleted rows again; the cabinet still has the erased chat."""
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    erase(outside)
    outside.double.fault("reset", "upload.*", stage="before")
    outside.send(chat(85, "Есть карнизы?", **ANNA))
    outside.run()
    assert (outside.delivery().state, outside.held_once()) == ("delivered", 2)


def test_an_answer_for_an_erased_communication_is_not_anothers(outside: Outside, monkeypatch: pytest.MonkeyPatch):
    def replaced() -> None:
        erase(outside)
        outside.send(chat(85, "Есть карнизы?", **ANNA))

    meanwhile(monkeypatch, "upload.chats", replaced)
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert (outside.delivery().state, outside.held_once()) == ("delivered", 2)


def test_its_name_in_the_cabinet_stays_while_it_is_tried(outside: Outside):
    outside.double.fault("http", "upload.*", times=3, status=503)
    outside.send(chat(84, "Есть шторы?", **ANNA))
    before = outside.delivery().ext_id
    outside.run()
    assert list(outside.double.holdings("chats")) == [before] == [outside.delivery().ext_id]


@pytest.mark.parametrize("metadata", ["metadata", "absent"])
def test_half_an_answer_of_a_report_is_no_proof_of_absence(outside: Outside, metadata: str):
    """With a report that lags ten minutes, one empty list after a quarter of an hour is all that says so."""
    outside.double.switch(repeated_ext_id="second entity", report_delay_s=600, metadata_key=metadata)
    outside.double.fault("reset", "upload.*", stage="after")
    outside.double.fault("data_empty", "get.chats_report", after=2)
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert outside.held_once() == 1
    assert outside.delivery().external_id == str(outside.stored()["id"])
    assert len(outside.double.calls("upload.chats")) == 1


@pytest.mark.parametrize("half", ["data_null", "page_empty"])
def test_nor_is_a_report_without_rows_that_counts_some(outside: Outside, half: str):
    outside.double.fault("reset", "upload.*", stage="after")
    outside.double.fault(half, "get.chats_report", times=5)
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert (outside.held_once(), len(outside.double.calls("upload.chats"))) == (1, 1)


def test_who_presses_again_and_again_has_it_looked_for_and_not_sent(outside: Outside):
    """Looking earlier does not make a report that lags know more."""
    outside.double.switch(repeated_ext_id="second entity", report_delay_s=600)
    outside.double.fault("reset", "upload.*", stage="after")
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run(seconds=5)
    for _ in range(5):
        change(outside, handing.again)
        outside.run(seconds=5)
    assert len(outside.double.calls("get.chats_report")) >= 5
    outside.run()
    assert (outside.held_once(), len(outside.double.calls("upload.chats"))) == (1, 1)


def test_who_was_stopped_for_long_sends_nothing_when_he_goes_on(outside: Outside, monkeypatch: pytest.MonkeyPatch):
    """By then he passes for dead, and another has looked for what he had not sent yet."""
    reserve, stopped = attempt.line.pacing.reserve, []

    def late(*told: Any) -> float:
        if not stopped:
            stopped.append(True)
            outside.wait(hours=1)
        return reserve(*told)

    outside.send(chat(84, "Есть шторы?", **ANNA))
    monkeypatch.setattr("webapp.cabinets.dataapi.line.pacing.reserve", late)
    outside.run(until=lambda: outside.jobs_done > 1 and bool(stopped))
    assert outside.double.calls("upload.chats") == []
    outside.run()
    assert (outside.delivery().state, outside.held_once()) == ("delivered", 1)


class TestTakenBack:
    """What is deleted in the cabinet to be sent anew is not sent before it is known to be gone."""

    def delivered(self, outside: Outside) -> None:
        outside.send(chat(84, "Есть шторы?", **ANNA))
        outside.run(until=lambda: bool(outside.deliveries()) and outside.delivery().state == "delivered")

    def deleted(self, outside: Outside) -> list[int]:
        assert len(outside.double.stored("chats")) == 1
        return sorted(row["deleted"] for row in outside.double.holdings("chats").values())

    def test_without_a_number_it_is_looked_for(self, outside: Outside):
        outside.double.fault("no_id", "upload.*")
        outside.double.fault("no_id", "get.chats_report")
        self.delivered(outside)
        assert outside.delivery().external_id is None
        change(outside, handing.take_back)
        outside.run()
        assert (outside.delivery().state, self.deleted(outside)) == ("delivered", [0, 1])

    def test_what_no_report_shows_is_left_to_a_person(self, outside: Outside):
        outside.double.switch(repeated_ext_id="duplicate_entity", report_delay_s="never")
        outside.double.fault("close", "upload.*", stage="after")
        self.delivered(outside)
        assert outside.delivery().external_id is None
        change(outside, handing.take_back)
        outside.run()
        assert (outside.delivery().state, outside.delivery().reason) == ("held", "undeletable")
        assert self.deleted(outside) == [0], "there, and not sent anew"
        change(outside, lambda session, row: (settling.trust_a_person(row), handing.again(session, row)))
        outside.run()
        assert (outside.delivery().state, outside.delivery().generation) == ("delivered", 2)

    def test_a_number_that_is_not_the_chats_deletes_nothing_and_proves_nothing(self, outside: Outside):
        """U-09: what an upload answers may be another number than the one that is deleted by."""
        self.delivered(outside)
        change(outside, lambda _session, row: setattr(row, "external_id", "999999"))
        change(outside, handing.take_back)
        outside.run()
        assert (outside.delivery().state, self.deleted(outside)) == ("delivered", [0, 1])

    @pytest.mark.parametrize("stage", ["before", "after"])
    def test_an_answer_to_deleting_that_got_lost(self, outside: Outside, stage: str):
        self.delivered(outside)
        outside.double.fault("reset", "delete.chats", stage=stage)
        change(outside, handing.take_back)
        outside.run()
        assert (outside.delivery().state, self.deleted(outside)) == ("delivered", [0, 1])

    def test_where_deleting_is_not_allowed_the_others_go_on(self, outside: Outside):
        self.delivered(outside)
        outside.double.fault("forbidden", "delete.chats", times=None)
        change(outside, handing.take_back)
        outside.run()
        assert (outside.delivery().state, outside.delivery().reason) == ("held", "undeletable")
        outside.send(chat(85, "Есть карнизы?", **ANNA))
        outside.run(seconds=5)
        assert [row.state for row in outside.deliveries()] == ["held", "delivered"]

    def test_while_its_tag_is_being_set(self, outside: Outside, monkeypatch: pytest.MonkeyPatch):
        outside.hand_over(tag="515101")
        meanwhile(monkeypatch, "set.tag_communications", lambda: change(outside, handing.take_back))
        outside.send(chat(84, "Есть шторы?", **ANNA))
        outside.run()
        delivery = outside.delivery()
        assert (delivery.state, delivery.phase, delivery.generation) == ("delivered", "done", 2)
        assert self.deleted(outside) == [0, 1]
        assert [tag["tag_id"] for tag in outside.stored()["tags"]] == [515101]
