"""The amoCRM stand-in's API v4 by the contract's section 3, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .amocrm import AmoDouble
from .amocrm_caller import Caller, Receiver
from .amocrm_lists import good_destination

NOW = 1_790_000_000


@pytest.fixture
def amo() -> Iterator[AmoDouble]:
    with AmoDouble() as double:
        double.configure({"clock": {"set": NOW}, "switches": {"rate_limit": 0, "account_rate_limit": 0}})
        yield double


@pytest.fixture
def caller(amo: AmoDouble) -> Caller:
    one = Caller(amo)
    one.sign_in()
    return one


def switch(amo: AmoDouble, **switches: Any) -> None:
    amo.configure({"switches": switches})


def values(caller: Caller, lead: int) -> dict[int, Any]:
    told = caller.get(f"leads/{lead}")["custom_fields_values"] or []
    return {one["field_id"]: one["values"][0]["value"] for one in told}


def test_the_account_tells_its_time_zone_when_asked(amo: AmoDouble, caller: Caller):
    plain = caller.get("account")
    assert (plain["id"], plain["subdomain"], plain["_embedded"]) == (amo.tenant_id, "example", {})
    asked = caller.get("account?with=datetime_settings,amojo_id")
    assert asked["_embedded"]["datetime_settings"]["timezone"] == "Europe/Moscow"
    assert asked["amojo_id"]
    assert caller.call("GET", "account?with=everything").status_code == 400


def test_a_talk_leads_to_its_lead_and_contact(amo: AmoDouble, caller: Caller):
    contact = amo.create_contact("Мария Иванова", ["+79000000101", "333"], ["maria@mail.example"])["id"]
    field = amo.create_field("Сессия")["id"]
    lead = amo.create_lead(contacts=[contact], fields={field: "700000001"}, source="Сайт")["id"]
    talk = amo.create_talk(lead, origin="onlinechat")["id"]
    answer = caller.call("GET", f"talks/{talk}")
    assert answer.headers["Content-Type"] == "application/hal+json"
    told = answer.json()
    assert (told["is_in_work"], told["entity_id"], told["entity_type"]) == (True, lead, "lead")
    assert told["_embedded"]["leads"][0]["id"] == lead
    assert "status" not in told

    told = caller.get(f"leads/{lead}?with=contacts,source")
    assert [(one["id"], one["is_main"]) for one in told["_embedded"]["contacts"]] == [(contact, True)]
    assert told["_embedded"]["source"]["name"] == "Сайт"
    about = {"field_id": field, "field_name": "Сессия", "field_code": None, "field_type": "text"}
    assert told["custom_fields_values"] == [{**about, "values": [{"value": "700000001"}]}]
    assert "contacts" not in caller.get(f"leads/{lead}")["_embedded"]

    told = caller.get(f"contacts/{contact}?with=leads")
    assert [one["id"] for one in told["_embedded"]["leads"]] == [lead]
    codes = {one["field_code"]: one["values"] for one in told["custom_fields_values"]}
    assert [one["value"] for one in codes["PHONE"]] == ["+79000000101", "333"]
    assert codes["EMAIL"][0]["enum_code"] == "WORK"
    switch(amo, enum_key="enum", lead_embedded="absent", talk_extra="present")
    told = caller.get(f"contacts/{contact}")["custom_fields_values"][0]["values"][0]
    assert told.keys() == {"value", "enum_id", "enum"}
    assert "_embedded" not in caller.get(f"leads/{lead}?with=contacts")
    assert caller.get(f"talks/{talk}")["status"] == "in_work"


def test_what_is_not_there_is_204_and_a_talk_404(amo: AmoDouble, caller: Caller):
    lead = amo.create_lead()["id"]
    assert caller.get(f"leads/{lead}")["custom_fields_values"] is None
    for path in ("leads/1", "contacts/1", "webhooks", "leads?filter[id][]=1", "talks", "events", "leads?page=9"):
        answer = caller.call("GET", path)
        assert (answer.status_code, answer.content, "Content-Type" in answer.headers) == (204, b"", False), path
    answer = caller.call("GET", "talks/1")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    switch(amo, absent="204 with a content-type")
    assert "Content-Type" in caller.call("GET", "leads/1").headers
    amo.delete_lead(lead)
    assert caller.call("GET", f"leads/{lead}").status_code == 204
    assert caller.get(f"leads/{lead}?with=only_deleted")["is_deleted"] is True


def test_paths_methods_and_parameters_are_taken_to_the_letter(caller: Caller):
    assert caller.call("GET", "nothing").status_code == 404
    assert caller.call("PUT", "account").status_code == 405
    assert caller.call("POST", "users", []).status_code == 405
    assert caller.call("GET", "leads?filter[name]=x").status_code == 400
    assert caller.call("GET", "leads?limit=251").status_code == 400
    assert caller.call("GET", "leads?page=0").status_code == 400
    assert caller.call("PATCH", "leads", None, **{"Content-Type": "text/plain"}).status_code == 415


def test_an_unaccepted_lead_hides_its_contact(amo: AmoDouble, caller: Caller):
    contact = amo.create_contact()["id"]
    made = amo.create_lead(contacts=[contact], unsorted=True)
    [entry] = caller.get("leads/unsorted?filter[category][]=chats")["_embedded"]["unsorted"]
    assert entry["uid"] == made["uid"]
    assert entry["metadata"]["origin"].keys() == {"chat_id", "ref", "visitor_uid"}
    assert caller.get(f"leads/{made['id']}?with=contacts")["_embedded"]["contacts"][0]["id"] == contact
    assert caller.call("GET", f"contacts/{contact}").status_code == 204
    amo.accept_unsorted(made["uid"])
    assert caller.get(f"contacts/{contact}")["id"] == contact
    assert caller.call("GET", "leads/unsorted").status_code == 204

    other = amo.create_lead(contacts=[amo.create_contact()["id"]], unsorted=True)
    amo.decline_unsorted(other["uid"])
    assert caller.call("GET", f"leads/{other['id']}").status_code == 204


def test_a_talk_is_closed_once(amo: AmoDouble, caller: Caller):
    talk = amo.create_talk(amo.create_lead()["id"])["id"]
    assert caller.call("POST", f"talks/{talk}/close", {"force": True}).status_code == 400
    answer = caller.call("POST", f"talks/{talk}/close", {"force_close": True})
    assert (answer.status_code, answer.content) == (202, b"")
    assert caller.get(f"talks/{talk}")["is_in_work"] is False
    assert caller.call("POST", f"talks/{talk}/close", {"force_close": True}).status_code == 422
    switch(amo, nps="is_in_work 1")
    other = amo.create_talk(amo.create_lead()["id"])["id"]
    assert caller.call("POST", f"talks/{other}/close").status_code == 202
    assert caller.get(f"talks/{other}")["is_in_work"] is True
    amo.rate_talk(other, 5)
    assert (caller.get(f"talks/{other}")["rate"], caller.get(f"talks/{other}")["is_in_work"]) == (5, False)


def test_talks_and_events_tell_what_happened_while_nobody_listened(amo: AmoDouble, caller: Caller):
    lead, contact = amo.create_lead()["id"], amo.create_contact()["id"]
    for place in range(5):
        amo.configure({"clock": {"set": NOW + place}})
        talk = amo.create_talk(lead, contact)["id"]
        if place % 2:
            amo.close_talk(talk)
    told = caller.get("talks?limit=2&page=2")
    assert [one["created_at"] for one in told["_embedded"]["talks"]] == [NOW + 2, NOW + 1]
    assert told["_links"].keys() == {"self", "next", "first", "prev"}
    assert len(caller.get("talks?filter[only_in_work]=1")["_embedded"]["talks"]) == 3
    assert len(caller.get("talks?filter[is_in_work]=0")["_embedded"]["talks"]) == 5
    switch(amo, talks_order="oldest first")
    assert caller.get("talks?limit=1")["_embedded"]["talks"][0]["created_at"] == NOW
    switch(amo, talks_list="404")
    assert caller.call("GET", "talks").status_code == 404

    query = f"events?filter[type][]=talk_closed&filter[entity][]=contact&filter[created_at][from]={NOW + 2}"
    [event] = caller.get(query)["_embedded"]["events"]
    assert (event["entity_type"], event["entity_id"], event["created_at"]) == ("lead", lead, NOW + 3)
    assert event["_embedded"]["entity"]["linked_talk_contact_id"] == contact
    assert caller.call("GET", query.replace("contact", "lead")).status_code == 204
    assert caller.call("GET", "events?limit=101").status_code == 400
    switch(amo, events="russian list")
    assert caller.call("GET", query).status_code == 204
    message = amo.message(talk)["id"]
    [event] = caller.get("events?filter[type][]=incoming_chat_message")["_embedded"]["events"]
    assert event["value_after"] == [{"message": {"id": message, "origin": "telegram", "talk_id": talk}}]


def test_texts_of_a_talk_need_a_scope(amo: AmoDouble, caller: Caller):
    talk = amo.create_talk(amo.create_lead()["id"])["id"]
    amo.message(talk, "Есть блэкаут?")
    amo.message(talk, "Есть", outgoing=True)
    answer = caller.call("GET", f"talks/{talk}/messages")
    assert (answer.status_code, answer.json()["detail"]) == (403, "Invalid scope")
    amo.update_integration({"scopes": ["crm", "chats"]})
    assert caller.call("GET", f"talks/{talk}/messages").status_code == 403, "scopes are of the grant"
    caller.sign_in()
    told = caller.get(f"talks/{talk}/messages")["_embedded"]["messages"]
    assert [(one["text"], one["type"]) for one in told] == [("Есть блэкаут?", "incoming"), ("Есть", "outgoing")]


def test_custom_fields_come_in_pages(amo: AmoDouble, caller: Caller):
    amo.delete_field()
    assert caller.call("GET", "leads/custom_fields").status_code == 204
    amo.create_field("Поле", times=300)
    assert caller.call("GET", "leads/custom_fields?limit=250").status_code == 400
    names, path = [], "leads/custom_fields?limit=50&filter[type][]=text&filter[type][]=numeric"
    while path:
        page = caller.get(path)
        names += [one["name"] for one in page["_embedded"]["custom_fields"]]
        assert (page["_total_items"], page["_page_count"]) == (300, 6)
        path = page["_links"].get("next", {}).get("href", "").removeprefix(f"{amo.url}/api/v4/")
    assert names == [f"Поле {place}" for place in range(1, 301)]
    switch(amo, fields_limit=250, page_count="wrong", last_page="empty")
    page = caller.get("leads/custom_fields?limit=150&page=2")
    assert page["_page_count"] == 1
    assert caller.call("GET", page["_links"]["next"]["href"].removeprefix(f"{amo.url}/api/v4/")).status_code == 204
    switch(amo, timeout_above_limit=100)
    assert caller.call("GET", "leads/custom_fields?limit=101").status_code == 504


def test_a_field_is_made_as_it_was_asked_for(amo: AmoDouble, caller: Caller):
    order = {"name": "Сессия", "type": "text", "code": "UIS_SESSION_ID", "group_id": "statistic", "is_api_only": False}
    answer = caller.call("POST", "leads/custom_fields", [order])
    assert answer.status_code == 201
    [field] = answer.json()["_embedded"]["custom_fields"]
    assert {key: field[key] for key in order} == order
    assert field in [
        {**one, "_links": field["_links"]} for one in caller.get("leads/custom_fields")["_embedded"]["custom_fields"]
    ]
    answer = caller.call("POST", "leads/custom_fields", [order])
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert isinstance(answer.json()["validation-errors"][0]["errors"], list)
    switch(amo, errors_shape="object")
    answer = caller.call("POST", "leads/custom_fields", [{**order, "code": "X", "kind": "text"}])
    assert answer.json()["validation-errors"][0]["errors"]["0"]["path"] == "kind"
    for wrong in (order, [], [{**order, "type": "sesssion"}], [{**order, "name": " "}], [{**order, "group_id": 1}]):
        assert caller.call("POST", "leads/custom_fields", wrong).status_code == 400


def test_only_an_admins_grant_makes_fields_and_hooks(amo: AmoDouble, caller: Caller):
    user = amo.create_user()["id"]
    caller.access = amo.issue_tokens(user)["access_token"]
    assert caller.call("GET", "account").json()["current_user_id"] == user
    for method, path in (("POST", "leads/custom_fields"), ("GET", "webhooks"), ("GET", "users")):
        assert caller.call(method, path, []).status_code == 403
    amo.update_user(user, {"is_active": False})
    answer = caller.call("GET", "account")
    assert (answer.status_code, answer.json()["code"]) == (401, 112)


def test_a_lead_is_changed_by_id_or_code(amo: AmoDouble, caller: Caller):
    lead, field = amo.create_lead()["id"], amo.create_field(code="UIS")["id"]
    with Receiver() as receiver:
        caller.call("POST", "webhooks", {"destination": receiver.url, "settings": ["update_lead", "status_lead"]})
        order = {"id": lead, "status_id": 142, "tags_to_add": [{"name": "чат"}]}
        order["custom_fields_values"] = [{"field_code": "UIS", "values": [{"value": "7"}]}]
        answer = caller.call("PATCH", "leads", [order])
        assert answer.status_code == 200
        assert [one["id"] for one in answer.json()["_embedded"]["leads"]] == [lead]
        receiver.wait(2)
    told = caller.get(f"leads/{lead}")
    assert (told["status_id"], told["_embedded"]["tags"][0]["name"]) == (142, "чат")
    assert values(caller, lead) == {field: "7"}

    clear = {"custom_fields_values": [{"field_id": field, "values": None}]}
    switch(amo, clear_field="refused")
    assert caller.call("PATCH", f"leads/{lead}", clear).status_code == 400
    switch(amo, clear_field="ignored")
    assert caller.call("PATCH", f"leads/{lead}", clear).status_code == 200
    assert values(caller, lead) == {field: "7"}
    switch(amo, clear_field="accepted")
    assert caller.call("PATCH", f"leads/{lead}", clear).json()["id"] == lead
    assert values(caller, lead) == {}
    wrong = [{"id": lead, "custom_fields_values": [{"field_id": 1, "values": [{"value": "7"}]}]}]
    answer = caller.call("PATCH", "leads", wrong)
    assert answer.json()["validation-errors"][0]["errors"][0]["path"] == "custom_fields_values.0.field_id"
    note = [{"note_type": "common", "params": {"text": "Сессия 7"}}]
    assert caller.call("POST", f"leads/{lead}/notes", note).status_code == 200
    assert amo.state.tenant().notes[lead][0]["params"]["text"] == "Сессия 7"


def test_the_same_destination_is_the_same_hook(amo: AmoDouble, caller: Caller):
    order = {"destination": "https://leadtrail.example/h/s", "settings": ["update_talk"], "sort": 10}
    first = caller.call("POST", "webhooks", order)
    assert first.status_code == 201
    assert list(first.json()) == [
        *("id", "destination", "created_at", "updated_at", "account_id", "created_by", "sort", "disabled", "settings"),
    ]
    second = caller.call("POST", "webhooks", {**order, "settings": ["add_talk", "add_message"]})
    assert (second.json()["id"], second.json()["settings"]) == (first.json()["id"], ["add_talk", "add_message"])
    assert caller.call("GET", "webhooks?filter[destination]=https://leadtrail.example/h").status_code == 204
    found = caller.get("webhooks?filter[destination]=https://leadtrail.example/h/s")["_embedded"]["webhooks"]
    assert found == [second.json()]
    for wrong in (
        *({**order, "settings": ["close_talk"]}, {**order, "settings": []}, {**order, "name": "x"}),
        *({**order, "destination": "https://leadtrail.example"}, {"destination": order["destination"]}),
    ):
        assert caller.call("POST", "webhooks", wrong).status_code == 400
    assert caller.call("DELETE", "webhooks").status_code == 400
    assert caller.call("DELETE", "webhooks", {"destination": "https://leadtrail.example/h"}).status_code == 404
    assert caller.call("DELETE", "webhooks", {"destination": order["destination"]}).status_code == 204
    amo.update_tenant({"plan": "base"})
    assert caller.call("POST", "webhooks", order).status_code == 402


def test_hooks_of_an_integration_vanish_with_it(amo: AmoDouble, caller: Caller):
    order = {"destination": "https://leadtrail.example/h/s", "settings": ["update_talk"]}
    caller.call("POST", "webhooks", order)
    amo.disable()
    caller.sign_in()
    assert caller.call("GET", "webhooks").status_code == 204
    caller.call("POST", "webhooks", order)
    switch(amo, hooks_when_disabled="stay")
    amo.disable()
    caller.sign_in()
    assert len(caller.get("webhooks")["_embedded"]["webhooks"]) == 1


@pytest.mark.parametrize(
    ("address", "good"),
    [
        *(("https://a.example/", True), ("http://127.0.0.1:1/x?y", True), ("https://a.example", False)),
        *(("https://шторы.рф/", False), ("https://xn--80ak6aa.example/", False), ("ftp://a.example/", False)),
        *(("https:///x", False), (7, False), ("https://[x/", False)),
    ],
)
def test_where_a_hook_may_go(address: Any, good: bool):
    assert good_destination(address) is good


def test_people_pipelines_sources_and_buttons(amo: AmoDouble, caller: Caller):
    amo.create_user("Олег")
    users = caller.get("users")["_embedded"]["users"]
    assert [(one["name"], one["rights"]["is_admin"]) for one in users] == [
        ("Анна Администратор", True),
        ("Олег", False),
    ]
    [pipeline] = caller.get("leads/pipelines")["_embedded"]["pipelines"]
    assert [one["id"] for one in pipeline["_embedded"]["statuses"]][-2:] == [142, 143]
    assert caller.call("GET", "sources").status_code == 204
    amo.create_source("Лендинг")
    other = amo.create_integration()["id"]
    amo.create_source("Чужой", integration=other)
    assert [one["name"] for one in caller.get("sources")["_embedded"]["sources"]] == ["Лендинг"]

    order = {"pipeline_id": pipeline["id"], "trusted_websites": ["shop.example"]}
    answer = caller.call("POST", "website_buttons", order)
    assert (answer.status_code, answer.json().keys()) == (202, {"source_id", "trusted_websites"})
    source = answer.json()["source_id"]
    assert caller.call("POST", f"website_buttons/{source}/online_chat").status_code == 202
    more = {"trusted_websites": {"add": ["my-shop.example"]}}
    assert "script" in caller.call("PATCH", f"website_buttons/{source}", more).json()
    [button] = caller.get("website_buttons?with=scripts")["_embedded"]["website_buttons"]
    assert (button["source_id"], button["script"].startswith("<script>")) == (source, True)
    assert amo.state.tenant().buttons[source]["sites"] == ["shop.example", "my-shop.example"]
    for wrong in (
        {**order, "pipeline_id": 1},
        {**order, "trusted_websites": []},
        {**order, "trusted_websites": ["a/b"]},
    ):
        assert caller.call("POST", "website_buttons", wrong).status_code == 400
