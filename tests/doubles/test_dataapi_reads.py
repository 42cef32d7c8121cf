"""The Data API stand-in shows what it holds: lists with filters and pages, reports, tags and sales."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .dataapi import DataApiDouble
from .dataapi_caller import NOTHING, NOW, Caller, chat, lead, message, session, told


@pytest.fixture
def double() -> Iterator[DataApiDouble]:
    with DataApiDouble() as double:
        double.clock.move({"set": NOW})
        yield double


@pytest.fixture
def caller(double: DataApiDouble) -> Caller:
    return Caller(double)


def test_the_campaigns_are_read_with_the_system_one_of_each_site(caller: Caller) -> None:
    rows = caller.data("get.campaigns")

    assert [(row["site_id"], row["type"]) for row in rows if row["id"] == -1] == [
        (43501, "system"),
        (43502, "system"),
        (43503, "system"),
    ]
    assert {row["status"] for row in rows} == {"active", "inactive"}
    assert rows[3]["site_domain_name"] == "romashka-shtory.example"
    assert "static_utm_source" not in rows[3]
    assert caller.data("get.campaigns", fields=["id", "static_utm_source"], limit=1) == [
        {"id": -1, "static_utm_source": None}
    ]


def test_sources_tell_their_group_only_when_asked(caller: Caller) -> None:
    assert "group_id" not in caller.data("get.sources")[0]
    [row] = caller.data("get.sources", fields=["id", "group_name"], filter=filtered("id", "=", 811))
    assert row == {"id": 811, "group_name": "Мессенджеры"}
    assert [row["state"] for row in caller.data("get.sources")].count("removed") == 1
    assert caller.data("getobj.source", id=811)["creation_date"] == "2023-10-19T23:12:09+03:00"
    assert {row["channel_id"] for row in caller.data("get.sources_groups")} == {-1, -2, -3, 3}
    assert caller.data("get.sources_channels")[0]["default_source_id"] == -2


def test_employees_may_share_an_address_or_have_none(caller: Caller) -> None:
    addresses = [row["email"] for row in caller.data("get.employees")]

    assert addresses.count("anna@romashka-shtory.example") == 2
    assert None in addresses


def filtered(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


@pytest.mark.parametrize(
    ("tree", "numbers"),
    [
        (filtered("id", "=", 268101), [268101]),
        (filtered("id", "in", [268101, 268102]), [268101, 268102]),
        (filtered("name", "like", "%карнизы"), [268201]),
        (filtered("name", "ilike", "vk%"), [268103]),
        (filtered("name", "regexp", "^Листовки"), [268202]),
        (filtered("engine", "is_not_null"), [268107]),
        (filtered("status", "!=", "active"), [268106]),
        (filtered("id", ">=", 268201), [268201, 268202]),
        ({"filters": [filtered("id", ">", 268105), filtered("id", "<", 268107)], "condition": "and"}, [268106]),
        (
            {"filters": [filtered("id", "=", 268101), {"filters": [filtered("id", "=", 268202)]}], "condition": "or"},
            [268101, 268202],
        ),
    ],
)
def test_a_list_can_be_filtered(caller: Caller, tree: dict[str, Any], numbers: list[int]) -> None:
    assert [row["id"] for row in caller.data("get.campaigns", filter=tree) if row["id"] > 0] == numbers


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        ({"filter": filtered("colour", "=", "x")}, ("unexpected_parameters", "filter.field")),
        ({"filter": filtered("description", "=", "x")}, ("filter_prohibited", "filter.field")),
        ({"filter": filtered("name", "sounds", "x")}, ("invalid_parameter_value", "filter.operator")),
        ({"filter": filtered("name", "regexp", "(")}, ("invalid_parameter_value", "filter.value")),
        ({"filter": filtered("id", "=", "268101")}, ("data_type_error", "filter.value")),
        ({"filter": filtered("name", "=", 1)}, ("data_type_error", "filter.value")),
        ({"filter": filtered("id", "in", 1)}, ("data_type_error", "filter.value")),
        ({"filter": {"field": "id"}}, ("required_parameter_missed", "filter.operator")),
        ({"fields": ["colour"]}, ("unexpected_parameters", "fields")),
        ({"sort": [{"field": "colour"}]}, ("unexpected_parameters", "sort.field")),
        ({"sort": [{"field": "id", "order": "up"}]}, ("invalid_parameter_value", "sort.order")),
        ({"limit": 10_001}, ("invalid_parameter_value", "limit")),
        ({"offset": 100_001}, ("invalid_parameter_value", "offset")),
        ({"date_from": told()}, ("unexpected_parameters", "date_from")),
    ],
)
def test_a_bad_question_is_refused(caller: Caller, params: dict[str, Any], refusal: tuple[str, str]) -> None:
    assert caller.refused("get.campaigns", **params) == refusal


def test_a_long_list_is_read_page_by_page(double: DataApiDouble, caller: Caller) -> None:
    double.change_directory(generate={"campaigns": 25_000})
    found: list[dict[str, Any]] = []
    while True:
        params = {"limit": 10_000, "offset": len(found), "sort": [{"field": "id", "order": "desc"}]}
        result = caller.result("get.campaigns", fields=["id", "name"], **params)
        found += result["data"]
        if len(found) >= result["metadata"]["total_items"]:
            break

    assert len(found) == 25_012
    assert found[0]["id"] == 1_025_000
    assert max(len(row["name"]) for row in found) == 255


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        ({"date_from": NOTHING}, ("required_parameter_missed", "date_from")),
        ({"date_till": NOTHING}, ("required_parameter_missed", "date_till")),
        ({"date_from": told(-93 * 86_400)}, ("date_interval_limit_reached", "date_till")),
        ({"date_from": told(60)}, ("invalid_parameters_combination", "date_from")),
        ({"date_from": "2026-09-21"}, ("invalid_parameter_value", "date_from")),
    ],
)
def test_a_report_needs_a_window(caller: Caller, params: dict[str, Any], refusal: tuple[str, str]) -> None:
    window = {"date_from": told(-60), "date_till": told()}
    given = {key: value for key, value in {**window, **params}.items() if value is not NOTHING}

    assert caller.refused("get.chats_report", **given) == refusal


def test_a_chat_is_read_back_by_its_ext_id(caller: Caller) -> None:
    caller.upload(chat(), chat(ext_id="jivo:1:9"))

    wanted = {
        "filter": filtered("ext_id", "=", "jivo:1:1"),
        "fields": ["id", "communication_id", "ext_id", "date_time"],
    }
    [row] = caller.report("get.chats_report", **wanted)
    assert row["ext_id"] == "jivo:1:1"
    assert row["date_time"] == told(-100)
    assert row["id"] != row["communication_id"]
    [usual] = caller.report("get.chats_report", filter=filtered("id", "=", row["id"]))
    assert "ext_id" not in usual
    assert usual["visitor_phone_number"] == 79000000101
    assert usual["duration"] == "40"
    assert caller.report("get.chats_report", date_till=told(-3600)) == []


def test_a_request_and_the_session_before_it_are_read_back(double: DataApiDouble, caller: Caller) -> None:
    [made] = caller.data("upload.sessions", sessions=[session()])
    caller.data("upload.offline_messages", offline_messages=[lead(visitor_session_id=made["session_id"])])

    columns = ["form_type", "form_name", "text", "visitor_name", "campaign_name", "utm_source", "date_time"]
    [row] = caller.report("get.offline_messages_report", fields=columns)
    assert list(row.values()) == [
        "DataAPI",
        "Замер",
        "Перезвоните",
        "Мария",
        "Яндекс.Директ — бренд",
        "yandex",
        told(-100),
    ]
    [visit] = caller.report("get.visitor_sessions_report", fields=["id", "ext_id", "communications"])
    assert (visit["id"], visit["ext_id"]) == (made["session_id"], "jivo:1:1")
    assert visit["communications"][0]["communication_type"] == "offline_message"
    assert caller.refused(
        "get.visitor_sessions_report", date_from=told(-60), date_till=told(), filter=filtered("id", "=", 1)
    ) == ("filter_prohibited", "filter.field")


def test_people_are_known_again_by_their_contacts(caller: Caller) -> None:
    caller.upload(chat(email="maria@mail.example"), chat(ext_id="b", phone="79000000102", email="maria@mail.example"))
    caller.upload(chat(ext_id="c", phone="79000000103"))

    rows = caller.report("get.chats_report", fields=["person_id", "communication_number"])
    assert [row["communication_number"] for row in rows] == [1, 2, 1]
    assert rows[0]["person_id"] == rows[1]["person_id"] != rows[2]["person_id"]


def test_the_messages_of_a_chat_are_read_back(caller: Caller) -> None:
    [number] = caller.upload(chat())

    rows = caller.data("get.chat_messages_report", chat_id=number)
    assert [(row["date_time"], row["source"], row["text"]) for row in rows] == [
        (told(-90), "visitor", "Есть блэкаут?"),
        (told(-60), "operator", "Есть"),
    ]
    assert len(caller.report("get.chat_messages_report")) == 2
    assert caller.refused("get.chat_messages_report") == ("required_parameter_missed", "date_from")


def test_tags_are_put_on_by_ext_id_and_by_id(caller: Caller) -> None:
    caller.upload(chat())
    one = {"communication_type": "chat", "communication_ext_id": "jivo:1:1"}
    assert caller.result("set.tag_communications", tag_id=515101, **one) == {}
    caller.result("set.tag_communications", tag_id=515101, **one)
    tag = caller.result("create.tags", name="Кухня")["id"]
    [row] = caller.report("get.chats_report", fields=["communication_id", "tags"])
    assert [one["tag_name"] for one in row["tags"]] == ["Замер"]

    by_id = {"communication_type": "chat", "communication_id": row["communication_id"]}
    items = caller.result("update.tags_communication", tag_ids=[515102, tag], **by_id)["items"]
    assert items == [{"id": 515102, "name": "Повторный клиент"}, {"id": tag, "name": "Кухня"}]
    assert caller.result("set.communications_tags", items=[{**by_id, "tag_id": 515103}]) == {"success": "true"}
    caller.result("unset.tag_communications", tag_id=515102, **one)
    [row] = caller.report("get.chats_report", fields=["tags"])
    assert [one["tag_name"] for one in row["tags"]] == ["Кухня", "Спам"]
    assert caller.refused("set.tag_communications", tag_id=5, **one) == ("entity_not_found", "tag_id")
    assert caller.refused("set.tag_communications", tag_id=515101, communication_type="chat")[0] == (
        "required_parameter_missed"
    )
    assert caller.refused("create.tags", name="Кухня") == ("duplicate_entity", "name")


def test_a_sale_needs_a_site_that_counts_them(caller: Caller) -> None:
    caller.upload(chat(), chat(ext_id="other", site_id=43502, messages=[message()]))
    rows = caller.report("get.chats_report", fields=["communication_id"])
    sale = {"communication_type": "chat", "date_time": told(-10), "transaction_value": 990.5}

    assert caller.result("set.tag_sales", communication_id=rows[0]["communication_id"], **sale)["id"]
    assert caller.refused("set.tag_sales", communication_id=rows[1]["communication_id"], **sale)[0] == "error"
    assert [row["sale_cost"] for row in caller.report("get.chats_report", fields=["sale_cost"])] == [990.5, None]


def test_fields_of_requests_are_made_renamed_and_removed(caller: Caller) -> None:
    field = {"ext_id": "height", "name": "Высота", "data_type": "string"}
    assert caller.data("create.offline_message_user_field", **field) == {"ext_id": "height"}
    assert caller.refused("create.offline_message_user_field", **field) == ("duplicate_entity", "ext_id")
    caller.data("update.offline_message_user_field", ext_id="height", name="Высота окна")
    assert caller.data("get.offline_message_user_fields")[-1]["name"] == "Высота окна"
    caller.result("delete.offline_message_user_field", ext_id="height")
    assert [row["ext_id"] for row in caller.data("get.offline_message_user_fields")] == ["window_width"]
