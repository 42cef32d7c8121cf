"""Every switch of the Data API stand-in, at each of its values, changes what the contract leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from . import dataapi_switches
from .dataapi import DataApiDouble
from .dataapi_caller import NOTHING, NOW, Caller, chat, message, session, told
from .server import Refused

DAY = 86_400


@pytest.fixture
def double() -> Iterator[DataApiDouble]:
    with DataApiDouble() as double:
        double.clock.move({"set": NOW})
        yield double


@pytest.fixture
def caller(double: DataApiDouble) -> Caller:
    return Caller(double)


def outcome(caller: Caller, **changes: Any) -> str:
    """ok, or the mnemonic with which a chat is refused."""
    body = caller.call("upload.chats", chats=[chat(**changes)])
    return body["error"]["data"]["mnemonic"] if "error" in body else "ok"


def test_only_known_values_are_taken(double: DataApiDouble) -> None:
    for bad in ({"colour": 1}, {"success_value": False}, {"success_value": 1}, {"report_delay_s": "soon"}):
        with pytest.raises(Refused):
            double.switch(**bad)
    assert double.switches == dataapi_switches.defaults()
    double.switch(report_delay_s=7.5)


@pytest.mark.parametrize(
    ("value", "statuses"),
    [(200, (200, 200, 200)), (400, (400, 400, 400)), ("by kind", (401, 400, 429)), (500, (500, 500, 500))],
)
def test_error_http_status(double: DataApiDouble, caller: Caller, value: Any, statuses: tuple[int, ...]) -> None:
    double.switch(error_http_status=value)
    double.set_account(minute=0)
    answers = [Caller(double, "x").send("get.account"), caller.send("get.account", access_token=NOTHING)]

    assert (*(one.status_code for one in answers), caller.send("get.account").status_code) == statuses


@pytest.mark.parametrize(
    ("value", "loaded", "told_ids"),
    [("all or nothing", 0, None), ("good ones loaded", 2, None), ("shorter reply", 2, 2)],
)
def test_list_failure(double: DataApiDouble, caller: Caller, value: str, loaded: int, told_ids: int | None) -> None:
    double.switch(list_failure=value)
    body = caller.call("upload.chats", chats=[chat(ext_id="a"), chat(phone="x"), chat(ext_id="c")])

    assert len(double.stored("chats")) == loaded
    assert len(body["result"]["data"]) == told_ids if told_ids else "error" in body


@pytest.mark.parametrize(
    ("value", "second", "held"),
    [
        ("second entity", "ok", {"count": 2, "ids": [70_000_001, 70_000_002], "deleted": 0, "uploads": 2}),
        ("update", "ok", {"count": 1, "ids": [70_000_001], "deleted": 0, "uploads": 2}),
        ("duplicate_entity", "duplicate_entity", {"count": 1, "ids": [70_000_001], "deleted": 0, "uploads": 1}),
        ("ignored", "ok", {"count": 1, "ids": [70_000_001], "deleted": 0, "uploads": 2}),
    ],
)
def test_repeated_ext_id(double: DataApiDouble, caller: Caller, value: str, second: str, held: dict[str, Any]) -> None:
    double.switch(repeated_ext_id=value)

    assert (outcome(caller), outcome(caller, name="Ольга")) == ("ok", second)
    assert double.holdings("chats") == {"jivo:1:1": held}
    names = [row["sent"]["name"] for row in double.stored("chats")]
    assert names == {"second entity": ["Мария", "Ольга"], "update": ["Ольга"]}.get(value, ["Мария"])


@pytest.mark.parametrize(("value", "expected"), [("strict", "invalid_date_time"), ("not strict", "ok")])
def test_later_than(double: DataApiDouble, caller: Caller, value: str, expected: str) -> None:
    double.switch(later_than=value)
    visit = double.add_session(at=NOW - 100)["id"]

    assert outcome(caller, messages=[message(-100)]) == expected
    assert outcome(caller, visitor_session_id=visit) == expected
    assert outcome(caller, messages=[message(-101)]) == "invalid_date_time"


@pytest.mark.parametrize(
    ("value", "long", "emoji", "stored"),
    [
        ("none", "ok", "ok", "Шторы 🪟"),
        ("1000", "invalid_parameter_value", "ok", "Шторы 🪟"),
        ("4-byte refused", "ok", "invalid_parameter_value", None),
        ("4-byte cut", "ok", "ok", "Шторы "),
    ],
)
def test_message_limits(
    double: DataApiDouble, caller: Caller, value: str, long: str, emoji: str, stored: str | None
) -> None:
    double.switch(message_limits=value)

    assert outcome(caller, messages=[message(message="ы" * 1001)]) == long
    assert outcome(caller, messages=[message(message="Шторы 🪟")], ext_id="emoji") == emoji
    assert [row["messages"][0]["text"] for row in double.stored("chats", "emoji")] == ([stored] if stored else [])


@pytest.mark.parametrize(
    ("value", "unknown", "old"),
    [
        ("entity_not_found", "entity_not_found", "entity_not_found"),
        ("invalid_parameter_value", "invalid_parameter_value", "invalid_parameter_value"),
        ("invalid_date_time for old ones", "entity_not_found", "invalid_date_time"),
        ("accepted", "ok", "ok"),
    ],
)
def test_unknown_session(double: DataApiDouble, caller: Caller, value: str, unknown: str, old: str) -> None:
    double.switch(unknown_session=value)
    visit = double.add_session(at=NOW - 181 * DAY)["id"]

    assert (outcome(caller, visitor_session_id=5), outcome(caller, visitor_session_id=visit)) == (unknown, old)
    assert {row["visitor_session_id"] for row in double.stored("chats")} <= {None}


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("digits", ["79000000101", "4930123456"]),
        ("plus allowed", ["79000000101", "+79000000101", "4930123456"]),
        ("russian", ["79000000101"]),
        ("plus required", ["+79000000101"]),
    ],
)
def test_phone_rule(double: DataApiDouble, caller: Caller, value: str, taken: list[str]) -> None:
    double.switch(phone_rule=value)

    phones = ["79000000101", "+79000000101", "4930123456", "8-900", "0900000010"]
    assert [one for one in phones if outcome(caller, phone=one) == "ok"] == taken


@pytest.mark.parametrize(
    ("value", "zone"), [("account", "Asia/Yekaterinburg"), ("utc", "UTC"), ("moscow", "Europe/Moscow")]
)
def test_date_zone(double: DataApiDouble, caller: Caller, value: str, zone: str) -> None:
    double.switch(date_zone=value)
    double.set_account(timezone="Asia/Yekaterinburg")
    start, written = told(-100, ZoneInfo(zone)), told(-60, ZoneInfo(zone))

    assert outcome(caller, start_date_time=start, messages=[message(date_time=written)]) == "ok"
    assert double.stored("chats")[0]["at"] == NOW - 100
    [row] = caller.data("get.chats_report", date_from=told(-DAY), date_till=told(DAY))
    assert row["date_time"] == told(-100, ZoneInfo("Asia/Yekaterinburg"))


@pytest.mark.parametrize(("value", "equal"), [("different", False), ("equal", True)])
def test_id_space(double: DataApiDouble, caller: Caller, value: str, equal: bool) -> None:
    double.switch(id_space=value)
    [number] = caller.upload(chat())

    [row] = caller.report("get.chats_report", fields=["id", "communication_id"])
    assert row["id"] == number
    assert (row["communication_id"] == number) == equal


@pytest.mark.parametrize(("value", "one_side"), [("neither side", "succeed"), ("one side missing", "lost")])
def test_forced_lost(double: DataApiDouble, caller: Caller, value: str, one_side: str) -> None:
    double.switch(forced_lost=value)
    caller.upload(chat(ext_id="one", messages=[message()]), chat(ext_id="none", messages=[message(source="system")]))
    caller.upload(chat(ext_id="both"))

    assert [double.stored("chats", name)[0]["status"] for name in ("one", "none", "both")] == [
        one_side,
        "lost",
        "succeed",
    ]


@pytest.mark.parametrize("value", ["succeed", "succeeded"])
def test_status_word(double: DataApiDouble, caller: Caller, value: str) -> None:
    double.switch(status_word=value)

    words = {"succeed", "succeeded"}
    assert outcome(caller, status=value) == "ok"
    assert outcome(caller, status=(words - {value}).pop()) == "invalid_parameter_value"


@pytest.mark.parametrize(("value", "expected"), [("refused", "data_type_error"), ("accepted", "ok")])
def test_nulls(double: DataApiDouble, caller: Caller, value: str, expected: str) -> None:
    double.switch(nulls=value)

    assert outcome(caller, name=None, campaign_id=None) == expected
    assert outcome(caller, status=None) in ("data_type_error", "required_parameter_missed")


@pytest.mark.parametrize(("value", "seen_after"), [(0, 0), (30, 30), (600, 600), ("never", None)])
def test_report_delay_s(double: DataApiDouble, caller: Caller, value: Any, seen_after: int | None) -> None:
    double.switch(report_delay_s=value)
    caller.upload(chat())
    caller.data("upload.sessions", sessions=[session()])

    def seen() -> list[int]:
        methods = ("get.chats_report", "get.visitor_sessions_report", "get.communications_report")
        return [len(caller.report(method)) for method in methods]

    double.clock.move({"advance": (seen_after or DAY) - 1})
    assert seen() == ([1, 1, 1] if seen_after == 0 else [0, 0, 0])
    double.clock.move({"advance": 1})
    assert seen() == ([0, 0, 0] if seen_after is None else [1, 1, 1])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("free", ["ok", "ok", "ok"]),
        ("ascending", ["ok", "invalid_date_time", "ok"]),
        ("equal times refused", ["ok", "invalid_date_time", "invalid_date_time"]),
    ],
)
def test_message_order(double: DataApiDouble, caller: Caller, value: str, expected: list[str]) -> None:
    double.switch(message_order=value)

    orders = ((-90, -60), (-60, -90), (-60, -60))
    assert [outcome(caller, messages=[message(at) for at in order]) for order in orders] == expected


@pytest.mark.parametrize("value", ["metadata", "meta_data", "absent", "no limits"])
def test_metadata_key(double: DataApiDouble, caller: Caller, value: str) -> None:
    double.switch(metadata_key=value)

    result = caller.result("get.account")
    names = {"metadata", "meta_data"} & result.keys()
    assert names == {"absent": set(), "no limits": {"metadata"}}.get(value, {value})
    if value == "no limits":
        assert result["metadata"]["limits"] == {}
    elif names:
        assert result[value]["limits"]["day_limit"] == 50_000


@pytest.mark.parametrize("value", ["expire_at", "expire"])
def test_login_expiry_key(double: DataApiDouble, caller: Caller, value: str) -> None:
    double.switch(login_expiry_key=value)
    who = {"login": "admin@romashka-shtory.example", "password": "example-password"}

    assert caller.data("login.user", access_token=NOTHING, **who)[value] == NOW + 3600


@pytest.mark.parametrize("value", ["true", True])
def test_success_value(double: DataApiDouble, caller: Caller, value: Any) -> None:
    double.switch(success_value=value)
    [number] = caller.upload(chat())

    assert caller.result("delete.chats", id=number)["success"] is value or value == "true"


@pytest.mark.parametrize(
    ("value", "number", "text"),
    [("same", 7, "x7"), ("other type", "7", "x7"), ("null", None, None), ("foreign", "somebody-else", "somebody-else")],
)
def test_id_echo(double: DataApiDouble, caller: Caller, value: str, number: Any, text: Any) -> None:
    double.switch(id_echo=value)
    call = {"jsonrpc": "2.0", "method": "get.account", "params": {"access_token": caller.key}}

    assert [caller.post({**call, "id": one}).json()["id"] for one in (7, "x7")] == [number, text]


@pytest.mark.parametrize(("value", "told_of"), [("off", False), ("on", True)])
def test_deprecated_version(double: DataApiDouble, caller: Caller, value: str, told_of: bool) -> None:
    double.switch(deprecated_version=value)

    assert ("api_version" in caller.result("get.account")["metadata"]) == told_of


@pytest.mark.parametrize(("value", "states"), [("present", {"active", "off", "removed"}), ("absent", {None})])
def test_sources_state(double: DataApiDouble, caller: Caller, value: str, states: set[Any]) -> None:
    double.switch(sources_state=value)

    assert {row.get("state") for row in caller.data("get.sources")} == states
    assert outcome(caller, source_id=811) == "ok"


@pytest.mark.parametrize(("value", "rows"), [("dropped", 0), ("old id", 1)])
def test_session_duplicates(double: DataApiDouble, caller: Caller, value: str, rows: int) -> None:
    double.switch(session_duplicates=value)
    [first] = caller.data("upload.sessions", sessions=[session()])

    again = caller.data("upload.sessions", sessions=[session()])
    assert again == [first] * rows
    assert double.holdings("sessions")["jivo:1:1"]["count"] == 1


@pytest.mark.parametrize(("value", "expected"), [("required", "required_parameter_missed"), ("optional", "ok")])
def test_message_time(double: DataApiDouble, caller: Caller, value: str, expected: str) -> None:
    double.switch(message_time=value)

    assert outcome(caller, messages=[message(date_time=NOTHING)]) == expected


@pytest.mark.parametrize(("value", "expected"), [("refused", "invalid_parameter_value"), ("accepted", "ok")])
def test_empty_messages(double: DataApiDouble, caller: Caller, value: str, expected: str) -> None:
    double.switch(empty_messages=value)

    assert outcome(caller, messages=[]) == expected
    assert outcome(caller, messages=[message(message="")]) == expected


@pytest.mark.parametrize(("value", "expected"), [("not removed", "ok"), ("active only", "invalid_parameter_value")])
def test_source_rule(double: DataApiDouble, caller: Caller, value: str, expected: str) -> None:
    double.switch(source_rule=value)

    assert outcome(caller, source_id=814) == expected
    assert outcome(caller, source_id=813) == "invalid_parameter_value"


@pytest.mark.parametrize(
    ("value", "field"),
    [("names", "chats.messages.message"), ("indices", "chats.0.messages.1.message"), ("last", "message")],
)
def test_field_path(double: DataApiDouble, caller: Caller, value: str, field: str) -> None:
    double.switch(field_path=value)
    bad = chat(messages=[message(), message(message=NOTHING)])

    assert caller.refused("upload.chats", chats=[bad]) == ("required_parameter_missed", field)


@pytest.mark.parametrize(("value", "allowed"), [("all", True), ("few", False)])
def test_filter_operators(double: DataApiDouble, caller: Caller, value: str, allowed: bool) -> None:
    double.switch(filter_operators=value)

    tree = {"field": "id", "operator": "in", "value": [268101]}
    assert ("result" in caller.call("get.campaigns", filter=tree)) == allowed
    assert caller.data("get.campaigns", filter={**tree, "operator": "=", "value": 268101})


@pytest.mark.parametrize(("value", "there"), [("present", True), ("absent", False)])
def test_error_metadata(double: DataApiDouble, caller: Caller, value: str, there: bool) -> None:
    double.switch(error_metadata=value)

    assert ("metadata" in caller.error("upload.chats")["data"]) == there


def test_every_switch_is_tested() -> None:
    assert {f"test_{name}" for name in dataapi_switches.SWITCHES} <= globals().keys()
