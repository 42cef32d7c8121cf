"""A communication's way into the cabinet (C2, C3, C4), over a real socket to a strict stand-in."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from sqlalchemy import select

from tests.cabinets.outside import Outside
from tests.views.acting import chat
from webapp.extensions import db
from webapp.intake import accept
from webapp.models import ChannelMapping, Integration, Site, Source

ANNA = {"visitor": {"name": "Анна", "number": 7, "phone": "79123456789", "chats_count": 1}}


def with_session(session: Any, number: int = 84) -> dict[str, Any]:
    """A finished chat of Anna that names a session."""
    return chat(number, "Есть шторы?", "Есть.", user_token=f"as1.{session}", **ANNA)


def a_session(outside: Outside, **more: Any) -> str:
    """A session that the cabinet knows."""
    order = {
        "site_id": 43501,
        "at": time.time() - 3600,
        "marks": {"utm_source": "yandex", "utm_campaign": "blackout"},
        **more,
    }
    return str(outside.double.add_session(**order)["id"])


def trail(outside: Outside) -> dict[str, str]:
    """How each rule ended, by rule."""
    return {step["rule"]: step["outcome"] for step in outside.communication().trail}


def test_a_finished_chat_is_uploaded_once_and_read_back(outside: Outside):
    outside.send(chat(84, "Есть шторы?", "Есть.", **ANNA))
    outside.run()
    delivery, stored = outside.delivery(), outside.stored()
    assert (delivery.state, delivery.attempts, delivery.reason) == ("delivered", 1, None)
    assert delivery.external_id == str(stored["id"])
    assert (stored["campaign_id"], stored["sent"]["phone"]) == (268101, "79123456789")
    assert delivery.confirmed["campaign_id"] == 268101
    assert (delivery.differs, delivery.is_different) == ([], False)


def test_a_chat_that_goes_on_waits_for_its_end(outside: Outside):
    going_on = chat(84, "Есть шторы?", **ANNA) | {"event_name": "chat_accepted"}
    outside.send(going_on)
    outside.run()
    assert (outside.delivery().state, outside.delivery().reason) == ("pending", "unfinished")
    assert outside.held_once() == 0
    outside.send(chat(84, "Есть шторы?", "Есть.", **ANNA))
    outside.run()
    assert outside.delivery().state == "delivered"
    assert outside.held_once() == 1


def test_a_request_goes_another_way(outside: Outside):
    outside.send(
        {
            "event_name": "offline_message",
            "offline_message_id": "5",
            "message": "Перезвоните",
            "visitor": {"name": "Анна", "phone": "79123456789", "number": 7},
        }
    )
    outside.run()
    delivery, stored = outside.delivery(), outside.stored("offline_messages")
    assert (delivery.state, delivery.type) == ("delivered", "offline_message")
    assert (stored["text"], stored["campaign_id"], stored["sent"]["form_name"]) == ("Перезвоните", 268101, "Jivo")


def test_a_test_of_ours_is_not_uploaded(outside: Outside, app):
    number = outside.integration.id
    outside.session.rollback()
    with app.app_context():
        body = json.dumps(chat(84, "Проверка", **ANNA)).encode()
        accept(db.session(), db.session.get(Integration, number), body, is_test=True)
        db.session.commit()
    outside.run()
    assert outside.deliveries() == []
    assert outside.held_once() == 0


def test_a_named_session_is_sent_unchecked_and_the_cabinet_knows_the_campaign(outside: Outside):
    """DESIGN §5, end."""
    session = a_session(outside)
    outside.send(with_session(session))
    outside.run()
    communication, stored = outside.communication(), outside.stored()
    assert (communication.rule, communication.session_named) == ("visit", session)
    assert communication.trail[0]["facts"] == {"session": session, "unchecked": True}
    assert (stored["visitor_session_id"], stored["campaign_id"]) == (int(session), 268102)
    assert outside.delivery().confirmed["campaign_name"] == "Яндекс.Директ — блэкаут"


@pytest.mark.parametrize("word", ["entity_not_found", "invalid_parameter_value"])
@pytest.mark.parametrize("field_path", ["names", "indices", "last"])
def test_a_session_that_the_cabinet_refuses_does_not_lose_the_chat(outside: Outside, word: str, field_path: str):
    """U-06: the later rules decide, and the trail says so."""
    outside.double.switch(unknown_session=word, field_path=field_path)
    outside.send(with_session(14_799_999_999))
    outside.run()
    communication, delivery = outside.communication(), outside.delivery()
    assert (delivery.state, delivery.attempts) == ("delivered", 2)
    assert (communication.rule, communication.session_named) == ("default", None)
    assert trail(outside)["visit"] == "refused"
    assert delivery.refused == {"14799999999": word}
    assert outside.stored()["campaign_id"] == 268101


def test_a_session_older_than_180_days_is_refused_and_the_default_decides(outside: Outside):
    session = a_session(outside, at=time.time() - 181 * 86_400)
    outside.send(with_session(session))
    outside.run()
    assert outside.delivery().state == "delivered"
    assert (outside.communication().rule, trail(outside)["visit"]) == ("default", "refused")


def test_a_session_that_is_no_number_is_not_even_sent(outside: Outside):
    outside.send(with_session("8f3c2d7e"))
    outside.run()
    assert (outside.delivery().state, outside.delivery().attempts) == ("delivered", 1)
    assert outside.communication().trail[0]["outcome"] == "foreign"


def test_a_mapping_to_source_and_site_says_both(outside: Outside):
    integration = outside.integration

    def find(table: Any, key: str) -> int:
        return outside.session.scalars(select(table.id).where(table.key == key)).one()

    row = ChannelMapping(integration_id=integration.id, channel="telegram")
    row.point_to("source", None, find(Source, "811"), find(Site, "43501"))
    outside.session.add(row)
    outside.session.commit()
    path = outside.integration.hook_path("telegram")
    outside.session.rollback()
    assert outside.app.test_client().post(path, json=chat(84, "Есть шторы?", **ANNA)).status_code == 200
    outside.run()
    stored = outside.stored()
    assert (stored["site_id"], stored["source_id"]) == (43501, 811)
    assert stored["messages"][0]["text"] == "Telegram\nЕсть шторы?"


def test_the_system_campaign_of_a_site_is_said_by_the_site_alone(outside: Outside):
    """§6: -1 is not allowed in chats."""
    outside.point_to("-1.43501")
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert (outside.delivery().state, outside.stored()["campaign_id"], outside.stored()["site_id"]) == (
        "delivered", -1, 43501,
    )  # fmt: skip


def test_without_a_contact_it_is_held_and_sent_when_one_arrives(outside: Outside):
    """C4."""
    outside.send(chat(84, "Есть шторы?", "Есть."))
    outside.run()
    assert (outside.delivery().state, outside.delivery().reason, outside.delivery().attempts) == (
        "held", "no_contact", 0,
    )  # fmt: skip
    outside.send(chat(84, "Есть шторы?", "Есть.", **ANNA))
    outside.run()
    assert (outside.delivery().state, outside.held_once()) == ("delivered", 1)


def test_without_anything_to_attribute_to_it_is_held_until_a_default_is_set(outside: Outside):
    outside.point_to(None)
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert outside.delivery().reason == "nothing_to_attribute"
    outside.point_to("268102")
    outside.run_job("resume_deliveries", outside.account_id)
    outside.run()
    assert (outside.delivery().state, outside.communication().rule) == ("delivered", "default")
    assert outside.stored()["campaign_id"] == 268102


def test_an_operator_whom_nobody_knows_holds_the_chat_until_an_employee_is_chosen(outside: Outside):
    outside.employ(None)
    outside.send(chat(84, "Есть шторы?", "Есть.", **ANNA))
    outside.run()
    assert outside.delivery().reason == "no_employee"
    outside.employ("5505")
    outside.run_job("resume_deliveries", outside.account_id)
    outside.run()
    assert outside.delivery().state == "delivered"


def test_an_inactive_campaign_holds_the_chat_until_another_is_chosen(outside: Outside):
    outside.double.change_directory(put={"campaigns": [{"id": 268101, "status": "inactive"}]})
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run(seconds=3600)
    assert (outside.delivery().state, outside.delivery().reason) == ("held", "campaign_is_inactive")
    outside.point_to("268102")
    outside.run_job("resume_deliveries", outside.account_id)
    outside.run(seconds=3600)
    assert (outside.delivery().state, outside.stored()["campaign_id"]) == ("delivered", 268102)


def test_what_is_refused_for_good_fails_with_the_cabinets_words(outside: Outside):
    outside.double.fault("invalid_parameter_value", "upload.*", times=None, field="name", message="Wrong name")
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    delivery = outside.delivery()
    assert (delivery.state, delivery.reason, delivery.facts["message"]) == ("failed", "refused", "Wrong name")


def test_a_message_that_is_too_long_is_cut_once(outside: Outside):
    """U-05."""
    outside.double.switch(message_limits="1000")
    outside.send(chat(84, "я" * 2000, **ANNA))
    outside.run()
    assert (outside.delivery().state, outside.delivery().shortened) == ("delivered", True)
    assert len(outside.stored()["messages"][0]["text"]) == 1000


@pytest.mark.parametrize("repeats", ["second entity", "update", "duplicate_entity", "ignored"])
def test_an_answer_that_got_lost_is_looked_for_before_anything_is_sent_again(outside: Outside, repeats: str):
    """U-03: whatever the cabinet does with a repeated ext_id."""
    outside.double.switch(repeated_ext_id=repeats, report_delay_s=600)
    outside.double.fault("reset", "upload.*", stage="after")
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert outside.held_once() == 1
    assert (outside.delivery().state, outside.delivery().external_id) == ("delivered", str(outside.stored()["id"]))
    assert len(outside.double.calls("upload.chats")) == 1


def test_what_never_arrived_is_sent_again_after_it_was_looked_for(outside: Outside):
    outside.double.fault("reset", "upload.*", stage="before")
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert (outside.held_once(), outside.delivery().state) == (1, "delivered")
    assert len(outside.double.calls("upload.chats")) == 2
    assert len(outside.double.calls("get.chats_report")) >= 3


@pytest.mark.parametrize("half", ["data_empty", "data_null", "no_id", "foreign_id", "null_id", "string_ids", "cut"])
def test_half_an_answer_is_no_answer(outside: Outside, half: str):
    outside.double.fault(half, "upload.*")
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert (outside.held_once(), outside.delivery().state) == (1, "delivered")
    assert outside.delivery().external_id == str(outside.stored()["id"])


def test_where_reports_may_not_be_read_a_person_decides(outside: Outside):
    """Sending again without looking might make it twice."""
    outside.double.fault("timeout", "upload.*", stage="after", seconds=0.1)
    outside.double.fault("method_component_disabled", "get.chats_report", times=None)
    outside.double.hold_s = 0.1
    outside.double.fault("close", "upload.*", stage="after")
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert (outside.delivery().state, outside.delivery().reason) == ("held", "unverifiable")
    assert outside.held_once() == 1


def test_a_chat_that_grew_after_its_upload_says_so_and_can_be_sent_anew(outside: Outside, app):
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    first = outside.delivery().external_id
    outside.send(chat(84, "Есть шторы?", "Есть.", "Беру!", **ANNA))
    outside.run()
    assert (outside.delivery().changed_after, outside.delivery().external_id) == (True, first)
    outside.resend()
    outside.run()
    delivery = outside.delivery()
    assert (delivery.state, delivery.generation, delivery.changed_after) == ("delivered", 2, False)
    assert delivery.external_id != first
    assert [row["deleted"] for row in outside.double.holdings("chats").values()] == [1, 0]


def test_sending_anew_what_is_the_same_does_nothing(outside: Outside):
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert outside.resend() is False
    outside.run()
    assert len(outside.double.calls("upload.chats")) == 1


def test_a_tag_is_set_where_the_integration_asks_for_it_and_its_failure_repeats_no_upload(outside: Outside):
    """§10."""
    outside.hand_over(tag="515101")
    outside.double.fault("internal_error", "set.tag_communications", times=2)
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert (outside.delivery().phase, outside.delivery().tag_problem) == ("done", None)
    assert [tag["tag_id"] for tag in outside.stored()["tags"]] == [515101]
    assert len(outside.double.calls("upload.chats")) == 1
    outside.hand_over(tag="999")
    outside.send(chat(85, "Есть шторы?", **ANNA))
    outside.run()
    assert (outside.deliveries()[1].state, outside.deliveries()[1].tag_problem) == ("delivered", "entity_not_found")


UTM = {"session": {"utm_json": {"source": "yandex", "medium": "cpc", "campaign": "blackout"}}}


def test_marks_without_a_session_become_one_where_the_integration_asks_for_it(outside: Outside):
    """§8: the one way to tell the cabinet of marks."""
    outside.hand_over(upload_sessions=True)
    page = {"page": {"url": "https://romashka-shtory.example/blackout", "title": "Шторы"}}
    outside.send(chat(84, "Есть шторы?", **ANNA, **UTM, **page))
    outside.run()
    stored = outside.stored()
    assert (outside.communication().rule, outside.delivery().state) == ("utm", "delivered")
    assert stored["campaign_id"] == 268102
    assert stored["visitor_session_id"] == int(outside.delivery().marks_session)


def test_a_cabinet_that_makes_no_sessions_leaves_it_to_the_later_rules(outside: Outside):
    outside.hand_over(upload_sessions=True)
    outside.double.set_account(lacking=["upload_sessions"])
    page = {"page": {"url": "https://romashka-shtory.example/blackout", "title": "Шторы"}}
    outside.send(chat(84, "Есть шторы?", **ANNA, **UTM, **page))
    outside.run()
    assert (outside.communication().rule, trail(outside)["utm"]) == ("default", "refused")
    assert (outside.delivery().state, outside.stored()["campaign_id"]) == ("delivered", 268101)


def test_a_cabinet_that_wants_a_real_address_leaves_it_to_the_later_rules(outside: Outside):
    """Nobody's address is known, and none is made up."""
    outside.hand_over(upload_sessions=True)
    field = "sessions.visitor_ip_address"
    outside.double.fault("invalid_parameter_value", "upload.sessions", containing='"0.0.0.0"', times=None, field=field)
    page = {"page": {"url": "https://romashka-shtory.example/blackout", "title": "Шторы"}}
    outside.send(chat(84, "Есть шторы?", **ANNA, **UTM, **page))
    outside.run()
    assert (outside.communication().rule, trail(outside)["utm"]) == ("default", "refused")
    assert (outside.delivery().state, outside.held_once()) == ("delivered", 1)


@pytest.mark.parametrize("choice", ["dropped", "old id"])
def test_a_session_of_marks_whose_answer_got_lost_is_found(outside: Outside, choice: str):
    """U-18."""
    outside.hand_over(upload_sessions=True)
    outside.double.switch(session_duplicates=choice)
    outside.double.fault("close", "upload.sessions", stage="after")
    page = {"page": {"url": "https://romashka-shtory.example/blackout", "title": "Шторы"}}
    outside.send(chat(84, "Есть шторы?", **ANNA, **UTM, **page))
    outside.run()
    assert (outside.delivery().state, outside.stored()["campaign_id"]) == ("delivered", 268102)


def test_a_difference_between_their_decision_and_ours_is_marked(outside: Outside):
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run(until=lambda: outside.delivery().state == "delivered")
    outside.stored()["campaign_id"] = 268103
    outside.run()
    assert (outside.delivery().differs, outside.delivery().is_different) == (["campaign_id"], True)


@pytest.mark.parametrize(
    "switches",
    [
        {"error_http_status": "by kind"}, {"error_http_status": 500}, {"metadata_key": "meta_data"},
        {"metadata_key": "absent"}, {"metadata_key": "no limits"}, {"id_echo": "other type"}, {"nulls": "accepted"},
        {"success_value": True}, {"deprecated_version": "on"}, {"id_space": "equal"}, {"later_than": "not strict"},
        {"message_order": "ascending"}, {"forced_lost": "one side missing"}, {"phone_rule": "russian"},
        {"report_delay_s": "never"}, {"report_delay_s": 600}, {"filter_operators": "few"}, {"error_metadata": "absent"},
        {"sources_state": "absent"}, {"source_rule": "active only"}, {"message_limits": "4-byte cut"},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_the_open_points_turn_out_to_be_it_arrives_once(outside: Outside, switches: dict[str, Any]):
    """§16, §17."""
    outside.double.switch(**switches)
    outside.send(chat(84, "Есть шторы? 🙂", "Есть.", **ANNA), with_session(14_799_999_999, 85))
    outside.run(seconds=86_400)
    assert {row.state for row in outside.deliveries()} == {"delivered"}
    assert outside.held_once() == 2
