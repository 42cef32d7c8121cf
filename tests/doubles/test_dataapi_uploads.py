"""The Data API stand-in takes what the contract allows, and refuses everything else in the contract's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .dataapi import DataApiDouble
from .dataapi_caller import NOTHING, NOW, Caller, chat, lead, message, session, told

DAY = 86_400
FOREIGN_KEY = "foreign-key"


@pytest.fixture(scope="module")
def double() -> Iterator[DataApiDouble]:
    with DataApiDouble() as double:
        yield double


@pytest.fixture
def caller(double: DataApiDouble) -> Caller:
    double.reset()
    double.clock.move({"set": NOW})
    double.add_session(id=1_000, site_id=43501, at=NOW - 3600, campaign_id=268101)
    double.add_session(id=1_001, site_id=43501, at=NOW - 181 * DAY)
    double.add_session(id=1_002, site_id=43502, at=NOW - 3600)
    double.set_account(9001, key=FOREIGN_KEY)
    return Caller(double)


def test_a_chat_is_stored_whole(double: DataApiDouble, caller: Caller) -> None:
    [number] = caller.upload(chat(email="maria@mail.example", visitor_session_id=1_000))

    [held] = double.stored("chats")
    assert (held["id"], held["ext_id"], held["status"], held["initiator"]) == (number, "jivo:1:1", "succeed", "visitor")
    assert (held["site_id"], held["campaign_id"], held["visitor_session_id"]) == (43501, 268101, 1_000)
    assert (held["at"], held["employee_id"]) == (NOW - 100, 5501)
    assert [(one["source"], one["text"]) for one in held["messages"]] == [
        ("visitor", "Есть блэкаут?"),
        ("operator", "Есть"),
    ]
    assert double.holdings("chats") == {"jivo:1:1": {"count": 1, "ids": [number], "deleted": 0, "uploads": 1}}


def test_a_request_is_stored_whole(double: DataApiDouble, caller: Caller) -> None:
    item = lead(user_fields=[{"ext_id": "window_width", "value": "140.5"}])
    [row] = caller.data("upload.offline_messages", offline_messages=[item])

    [held] = double.stored("offline_messages")
    assert (held["id"], held["text"], held["sent"]) == (row["id"], "Перезвоните", item)


#: What is refused of a chat, and with which words.
BAD_CHATS: list[tuple[dict[str, Any], str, str]] = [
    ({"channel": "telegram"}, "unexpected_parameters", "chats.channel"),
    ({"messages": [message(attachment="x")]}, "unexpected_parameters", "chats.messages.attachment"),
    ({"start_date_time": NOTHING}, "required_parameter_missed", "chats.start_date_time"),
    ({"status": NOTHING}, "required_parameter_missed", "chats.status"),
    ({"messages": NOTHING}, "required_parameter_missed", "chats.messages"),
    ({"phone": NOTHING}, "required_parameter_missed", "chats"),
    ({"site_id": NOTHING}, "required_parameter_missed", "chats"),
    ({"messages": [message(message=NOTHING)]}, "required_parameter_missed", "chats.messages.message"),
    ({"messages": [message(date_time=NOTHING)]}, "required_parameter_missed", "chats.messages.date_time"),
    (
        {"messages": [message(source="operator", employee_id=NOTHING)]},
        "required_parameter_missed",
        "chats.messages.employee_id",
    ),
    ({"site_id": "43501"}, "data_type_error", "chats.site_id"),
    ({"site_id": 43501.0}, "data_type_error", "chats.site_id"),
    ({"site_id": True}, "data_type_error", "chats.site_id"),
    ({"phone": 79000000101}, "data_type_error", "chats.phone"),
    ({"name": None}, "data_type_error", "chats.name"),
    ({"messages": {}}, "data_type_error", "chats.messages"),
    ({"messages": [message(employee_id="5501")]}, "data_type_error", "chats.messages.employee_id"),
    ({"status": "succeeded"}, "invalid_parameter_value", "chats.status"),
    ({"initiator": "chatbot"}, "invalid_parameter_value", "chats.initiator"),
    ({"messages": [message(source="client")]}, "invalid_parameter_value", "chats.messages.source"),
    ({"messages": []}, "invalid_parameter_value", "chats.messages"),
    ({"messages": [message(message=" ")]}, "invalid_parameter_value", "chats.messages.message"),
    ({"phone": "+79000000101"}, "invalid_parameter_value", "chats.phone"),
    ({"phone": "8 (900) 000"}, "invalid_parameter_value", "chats.phone"),
    ({"phone": ""}, "invalid_parameter_value", "chats.phone"),
    ({"email": "maria"}, "invalid_parameter_value", "chats.email"),
    ({"start_date_time": "2026-09-21T17:11:40"}, "invalid_parameter_value", "chats.start_date_time"),
    ({"start_date_time": "2026-02-30 17:11:40"}, "invalid_parameter_value", "chats.start_date_time"),
    ({"start_date_time": told(60)}, "invalid_date_time", "chats.start_date_time"),
    ({"messages": [message(60)]}, "invalid_date_time", "chats.messages.date_time"),
    ({"messages": [message(-100)]}, "invalid_date_time", "chats.messages.date_time"),
    ({"campaign_id": -1}, "invalid_parameter_value", "chats.campaign_id"),
    ({"campaign_id": 5}, "entity_not_found", "chats.campaign_id"),
    ({"campaign_id": 268106}, "campaign_is_inactive", "chats.campaign_id"),
    ({"campaign_id": 268201}, "invalid_parameters_combination", "chats.campaign_id"),
    ({"site_id": 5}, "entity_not_found", "chats.site_id"),
    ({"source_id": 5}, "entity_not_found", "chats.source_id"),
    ({"source_id": 813}, "invalid_parameter_value", "chats.source_id"),
    ({"messages": [message(source="operator", employee_id=5)]}, "entity_not_found", "chats.messages.employee_id"),
    ({"visitor_session_id": 5}, "entity_not_found", "chats.visitor_session_id"),
    ({"visitor_session_id": 1_001}, "entity_not_found", "chats.visitor_session_id"),
    ({"visitor_session_id": 1_002}, "invalid_parameters_combination", "chats.visitor_session_id"),
    (
        {"visitor_session_id": 1_000, "campaign_id": 268102},
        "invalid_parameters_combination",
        "chats.visitor_session_id",
    ),
    ({"visitor_session_id": 1_000, "start_date_time": told(-3600)}, "invalid_date_time", "chats.start_date_time"),
]


@pytest.mark.parametrize(("changes", "mnemonic", "field"), BAD_CHATS)
def test_a_bad_chat_is_refused(
    double: DataApiDouble, caller: Caller, changes: dict[str, Any], mnemonic: str, field: str
) -> None:
    error = caller.error("upload.chats", chats=[chat(**changes)])

    assert (error["code"], error["data"]["mnemonic"], error["data"]["field"]) == (-32602, mnemonic, field)
    assert double.holdings("chats") == {}
    assert double.metrics()["points"]["4101"]["day"] == 0


@pytest.mark.parametrize(
    ("changes", "stored"),
    [
        ({"site_id": NOTHING, "campaign_id": 268201}, {"site_id": 43502, "campaign_id": 268201}),
        ({}, {"site_id": 43501, "campaign_id": -1}),
        ({"site_id": NOTHING, "visitor_session_id": 1_000}, {"site_id": 43501, "campaign_id": 268101}),
        ({"source_id": 811}, {"source_id": 811}),
        ({"source_id": 814}, {"source_id": 814}),
        ({"source_id": -2}, {"source_id": -2}),
        ({"phone": NOTHING, "email": "maria@mail.example"}, {}),
        ({"initiator": NOTHING}, {"initiator": "visitor"}),
        ({"initiator": NOTHING, "messages": [message(source="system")]}, {"initiator": "autoinvite"}),
        ({"messages": [message(source="system")]}, {"status": "lost", "initiator": "visitor"}),
        ({"messages": [message()]}, {"status": "succeed"}),
        ({"status": "refused", "initiator": "operator"}, {"status": "refused"}),
    ],
)
def test_a_good_chat_is_stored(
    double: DataApiDouble, caller: Caller, changes: dict[str, Any], stored: dict[str, Any]
) -> None:
    caller.upload(chat(**changes))

    [held] = double.stored("chats")
    assert {key: held[key] for key in stored} == stored


@pytest.mark.parametrize(
    ("changes", "mnemonic", "field"),
    [
        ({"status": "lost"}, "unexpected_parameters", "offline_messages.status"),
        ({"phone": NOTHING}, "required_parameter_missed", "offline_messages"),
        ({"site_id": NOTHING}, "required_parameter_missed", "offline_messages"),
        ({"campaign_id": -1, "site_id": NOTHING}, "invalid_parameters_combination", "offline_messages.site_id"),
        ({"date_time": told(1)}, "invalid_date_time", "offline_messages.date_time"),
        (
            {"user_fields": [{"ext_id": "height", "value": "1"}]},
            "entity_not_found",
            "offline_messages.user_fields.ext_id",
        ),
        (
            {"user_fields": [{"ext_id": "window_width", "value": "широко"}]},
            "invalid_parameter_value",
            "offline_messages.user_fields.value",
        ),
        ({"visitor_session_id": 1_000, "date_time": told(-3600)}, "invalid_date_time", "offline_messages.date_time"),
    ],
)
def test_a_bad_request_is_refused(caller: Caller, changes: dict[str, Any], mnemonic: str, field: str) -> None:
    assert caller.refused("upload.offline_messages", offline_messages=[lead(**changes)]) == (mnemonic, field)


def test_the_system_campaign_is_allowed_in_a_request_with_its_site(double: DataApiDouble, caller: Caller) -> None:
    caller.data("upload.offline_messages", offline_messages=[lead(campaign_id=-1, date_time=NOTHING)])

    [held] = double.stored("offline_messages")
    assert (held["campaign_id"], held["site_id"], held["at"]) == (-1, 43501, NOW)


@pytest.mark.parametrize(
    ("changes", "mnemonic", "field"),
    [
        ({"is_visitor_new": NOTHING}, "required_parameter_missed", "sessions.is_visitor_new"),
        ({"is_visitor_new": 1}, "data_type_error", "sessions.is_visitor_new"),
        ({"utm_foo": "x"}, "unexpected_parameters", "sessions.utm_foo"),
        ({"date_time": "2010-12-31 00:00:00"}, "invalid_date_time", "sessions.date_time"),
        ({"date_time": told(1)}, "invalid_date_time", "sessions.date_time"),
        ({"visitor_ip_address": "shop"}, "invalid_parameter_value", "sessions.visitor_ip_address"),
        ({"duration": DAY}, "invalid_parameter_value", "sessions.duration"),
        ({"visitor_device": "watch"}, "invalid_parameter_value", "sessions.visitor_device"),
        ({"adv_system": 9}, "invalid_parameter_value", "sessions.adv_system"),
        ({"site_id": 5}, "entity_not_found", "sessions.site_id"),
        ({"campaign_id": 5}, "entity_not_found", "sessions.campaign_id"),
        ({"campaign_id": 268201}, "invalid_parameters_combination", "sessions.campaign_id"),
        ({"visitor_id": 5}, "entity_not_found", "sessions.visitor_id"),
    ],
)
def test_a_bad_session_is_refused(caller: Caller, changes: dict[str, Any], mnemonic: str, field: str) -> None:
    assert caller.refused("upload.sessions", sessions=[session(**changes)]) == (mnemonic, field)


def test_a_session_of_marks_finds_its_campaign_and_carries_a_chat(double: DataApiDouble, caller: Caller) -> None:
    [row] = caller.data("upload.sessions", sessions=[session()])
    assert row["ext_id"] == "jivo:1:1"
    assert row["session_id"] > 2**32

    caller.upload(chat(visitor_session_id=row["session_id"]))
    [shown] = caller.report("get.chats_report", fields=["campaign_name", "utm_campaign", "visitor_session_id"])
    assert shown == {
        "campaign_name": "Яндекс.Директ — бренд",
        "utm_campaign": "brand",
        "visitor_session_id": row["session_id"],
    }


def test_a_session_of_another_account_is_unknown(caller: Caller, double: DataApiDouble) -> None:
    stranger = Caller(double, FOREIGN_KEY)
    double.change_directory(9001, put={"sites": [{"id": 1, "domain_name": "x.example"}]})

    assert stranger.refused(
        "upload.chats", chats=[chat(site_id=1, messages=[message()], visitor_session_id=1_000)]
    ) == (
        "entity_not_found",
        "chats.visitor_session_id",
    )


@pytest.mark.parametrize("method", ["upload.chats", "upload.offline_messages", "upload.sessions"])
def test_fifty_are_taken_and_fifty_one_are_not(double: DataApiDouble, caller: Caller, method: str) -> None:
    kind, make = {
        "upload.chats": ("chats", chat),
        "upload.offline_messages": ("offline_messages", lead),
        "upload.sessions": ("sessions", session),
    }[method]
    items = [make(ext_id=f"one:{place}") for place in range(51)]

    assert caller.refused(method, **{kind: items})[0] == "data_limit_exceeded"
    assert caller.refused(method, **{kind: []})[0] == "invalid_parameter_value"
    assert len(caller.data(method, **{kind: items[:50]})) == 50
    assert len(double.holdings(kind)) == 50
    assert double.metrics()["points"]["4101"]["day"] == 1


def test_sessions_of_half_a_megabyte_are_too_much(caller: Caller) -> None:
    large = [session(ext_id=f"one:{place}", referrer="r" * 20_000) for place in range(30)]

    assert caller.refused("upload.sessions", sessions=large) == ("data_limit_exceeded", "sessions")


def test_what_was_loaded_can_be_deleted_once(double: DataApiDouble, caller: Caller) -> None:
    [number] = caller.upload(chat())

    assert caller.result("delete.chats", id=number) == {"success": "true"}
    assert caller.refused("delete.chats", id=number) == ("entity_not_found", "id")
    assert double.holdings("chats")["jivo:1:1"] == {"count": 0, "ids": [], "deleted": 1, "uploads": 1}
    assert caller.report("get.chats_report") == []


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(key=st.sampled_from(sorted(chat(email="a@b.example", campaign_id=1, source_id=1))), value=JUNK)
@settings(max_examples=150, deadline=None)
def test_whatever_a_chat_holds_it_is_taken_or_refused_by_name(double: DataApiDouble, key: str, value: Any) -> None:
    caller = Caller(double)
    body = caller.call("upload.chats", chats=[chat(**{key: value})])

    assert ("result" in body) != ("error" in body)
    if "error" in body:
        assert body["error"]["code"] == -32602
        assert body["error"]["data"]["field"].startswith("chats")
