"""setMeta and people who write through the site button, by the contract's section 4.2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .amocrm import AmoDouble
from .amocrm_caller import Caller
from .server import Refused

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


def write(amo: AmoDouble, visitor: str, session: str, field: int) -> list[str]:
    meta = {"lead": {"custom_fields": [{"id": field, "values": [{"value": session}]}]}}
    return amo.set_meta(visitor, meta)["outcomes"]


def values(caller: Caller, lead: int) -> dict[int, Any]:
    told = caller.get(f"leads/{lead}")["custom_fields_values"] or []
    return {one["field_id"]: one["values"][0]["value"] for one in told}


def test_the_first_session_of_a_lead_stays(amo: AmoDouble, caller: Caller):
    field = amo.create_field()["id"]
    assert write(amo, "v", "700000001", field) == ["waiting"]
    told = amo.visitor_writes("v", phones=["+79000000101"])
    assert values(caller, told["lead"]) == {field: "700000001"}
    assert write(amo, "v", "700000002", field) == ["filled"]
    amo.close_talk(told["talk"])
    again = amo.visitor_writes("v")
    assert (again["lead"], again["talk"] == told["talk"]) == (told["lead"], False)
    amo.set_field(told["lead"], field, None)
    assert write(amo, "v", "700000002", field) == ["taken"]
    assert values(caller, told["lead"]) == {field: "700000002"}
    assert caller.get(f"talks/{told['talk']}")["origin"] == "onlinechat"


def test_data_of_the_page_is_taken_for_a_day_from_buttons_alone(amo: AmoDouble, caller: Caller):
    field = amo.create_field()["id"]
    write(amo, "v", "1", field)
    amo.configure({"clock": {"advance": 24 * 3600 + 1}})
    assert write(amo, "v", "2", field) == ["late"]
    caller.sign_in()
    lead = amo.visitor_writes("v")["lead"]
    assert values(caller, lead) == {}
    assert write(amo, "v", "3", field) == ["taken"]
    write(amo, "w", "4", field)
    assert values(caller, amo.visitor_writes("w", origin="avito")["lead"]) == {}


def test_what_set_meta_may_not_fill(amo: AmoDouble, caller: Caller):
    lead = amo.visitor_writes("v")["lead"]
    hidden, coded = amo.create_field(is_api_only=True)["id"], amo.create_field(code="UIS")["id"]
    tracking = next(one["id"] for one in amo.state.tenant().fields.values() if one["code"] == "UTM_SOURCE")
    assert write(amo, "v", "1", hidden) == write(amo, "v", "1", tracking) == ["refused"]
    assert amo.set_meta("v", {"session": 1})["outcomes"] == ["refused"]
    by_code = {"lead": {"custom_fields": [{"code": "UIS", "values": [{"value": "1"}]}]}}
    assert amo.set_meta("v", by_code)["outcomes"] == ["refused"]
    text_id = {"lead": {"custom_fields": [{"id": str(coded), "values": [{"value": "1"}]}]}}
    assert amo.set_meta("v", text_id)["outcomes"] == ["refused"]
    assert values(caller, lead) == {}
    switch(amo, meta_code="accepted", meta_api_only="accepted")
    assert amo.set_meta("v", by_code)["outcomes"] == write(amo, "v", "2", hidden) == ["taken"]
    assert values(caller, lead) == {coded: "1", hidden: "2"}
    assert amo.set_meta("v", {"note": {"text": "Сессия 3"}})["outcomes"] == ["taken"]


def test_a_field_may_be_seen_only_some_time_after_the_end(amo: AmoDouble, caller: Caller):
    switch(amo, meta_delay_s=30)
    field = amo.create_field()["id"]
    write(amo, "v", "7", field)
    told = amo.visitor_writes("v")
    assert values(caller, told["lead"]) == {}
    amo.close_talk(told["talk"])
    amo.configure({"clock": {"advance": 29}})
    assert values(caller, told["lead"]) == {}
    amo.configure({"clock": {"advance": 1}})
    assert values(caller, told["lead"]) == {field: "7"}


def test_leads_of_the_sites_stand_in_are_taken_over(amo: AmoDouble, caller: Caller):
    field = amo.create_field()["id"]
    lead = {"id": 3001, "name": "", "fields": {str(field): ["7"]}, "contact": {"name": "Мария", "fields": {}}}
    amo.take_site_lead(lead)
    amo.take_site_message(lead, "Здравствуйте", "onlinechat")
    amo.take_site_lead({**lead, "fields": {str(field): ["8"]}})
    amo.take_site_message(lead, "Есть тюль?", "onlinechat")
    assert values(caller, 3001) == {field: "7"}
    [talk] = amo.state.tenant().talks.values()
    assert [one["text"] for one in amo.state.tenant().messages[talk.talk_id]] == ["Здравствуйте", "Есть тюль?"]
    with pytest.raises(Refused):
        amo.take_site_message({"id": 1}, "?", "onlinechat")
