"""Every fault of the Data API stand-in reaches a caller over a real socket, and is true about what was stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from .dataapi import DataApiDouble
from .dataapi_caller import NOW, Caller, chat, told
from .dataapi_errors import CODES
from .dataapi_faults import FAULTS, RECOVERABLE, Fault
from .server import Refused

ODD = requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError


@pytest.fixture
def double() -> Iterator[DataApiDouble]:
    with DataApiDouble() as double:
        double.clock.move({"set": NOW})
        double.configure({"hold_s": 0.05})
        yield double


@pytest.fixture
def caller(double: DataApiDouble) -> Caller:
    return Caller(double)


def held(double: DataApiDouble) -> int:
    """How many chats there are."""
    return len(double.stored("chats"))


@pytest.mark.parametrize("mnemonic", CODES)
@pytest.mark.parametrize("stage", ["before", "after"])
def test_any_error_can_be_ordered(double: DataApiDouble, caller: Caller, mnemonic: str, stage: str) -> None:
    double.fault(mnemonic, "upload.chats", stage=stage)

    error = caller.error("upload.chats", chats=[chat()])
    assert (error["code"], error["data"]["mnemonic"]) == (CODES[mnemonic], mnemonic)
    assert held(double) == (stage == "after")
    [call] = double.calls("upload.chats")
    assert (call.fault, call.outcome, call.done) == (f"{mnemonic} {stage}", mnemonic, stage == "after")
    assert caller.upload(chat(ext_id="next"))


def test_an_error_can_be_dressed(double: DataApiDouble, caller: Caller) -> None:
    double.fault("ip_not_whitelisted", ip="192.0.2.44", metadata=False)
    double.fault("limit_exceeded", limit="day")
    double.fault("entity_not_found", field="chats.site_id", value=7, message="Нет такого сайта", code=-32603)
    double.fault("parameter_component_disabled", components="sources")

    told_ip = caller.error("get.account")
    assert told_ip["message"] == "Your IP 192.0.2.44 is not whitelisted"
    assert "metadata" not in told_ip["data"]
    beyond = caller.error("get.account")["data"]
    assert beyond["params"]["limit_type"] == "day"
    assert beyond["metadata"]["limits"]["day_remaining"] == 0
    assert beyond["metadata"]["limits"]["day_reset"] == 24_400
    assert caller.error("get.account") == {
        "code": -32603,
        "message": "Нет такого сайта",
        "data": {
            "mnemonic": "entity_not_found",
            "field": "chats.site_id",
            "value": 7,
            "metadata": {"limits": double.world.example.budget.told(NOW)},
        },
    }
    assert caller.error("get.account")["data"]["params"] == {"components": "sources"}


@pytest.mark.parametrize("fault", ["timeout", "reset", "close", "cut", "cut_reset"])
@pytest.mark.parametrize("stage", ["before", "after"])
def test_a_connection_can_end_in_every_way(double: DataApiDouble, caller: Caller, fault: str, stage: str) -> None:
    double.fault(fault, stage=stage)

    with pytest.raises(ODD):
        caller.send("upload.chats", chats=[chat()])
    # Half an answer is half of a true one, so it was done.
    assert held(double) == (stage == "after" or fault.startswith("cut"))
    assert caller.data("get.account")


def test_a_reset_is_a_reset_and_a_timeout_holds_until_it_is_healed(double: DataApiDouble, caller: Caller) -> None:
    double.fault("reset")
    with pytest.raises(requests.exceptions.ConnectionError, match="reset by peer"):
        caller.send("get.account")

    double.fault("timeout", seconds=600)
    with pytest.raises(requests.exceptions.ReadTimeout):
        caller.send("get.account", timeout=0.2)
    assert double.metrics()["parallel"] == 1
    double.heal()
    assert Caller(double).data("get.account")


@pytest.mark.parametrize("stage", ["before", "after"])
@pytest.mark.parametrize(
    ("details", "status", "content_type", "content"),
    [
        ({"fault": "http", "status": 502}, 502, "text/html; charset=utf-8", b"<html>"),
        ({"fault": "http", "status": 500, "body": "json"}, 500, "application/json; charset=UTF-8", b"{"),
        ({"fault": "http", "status": 429, "body": "none"}, 429, None, b""),
        ({"fault": "http", "status": 403, "body": "none"}, 403, None, b""),
        ({"fault": "empty"}, 200, "application/json; charset=UTF-8", b""),
        ({"fault": "not_json"}, 200, "text/html; charset=utf-8", b"<!DOCTYPE"),
    ],
)
def test_an_answer_can_be_no_answer(
    double: DataApiDouble,
    caller: Caller,
    details: dict[str, Any],
    status: int,
    content_type: str | None,
    content: bytes,
    stage: str,
) -> None:
    double.fault(**details, stage=stage)

    answer = caller.send("upload.chats", chats=[chat()])
    assert (answer.status_code, answer.headers.get("Content-Type")) == (status, content_type)
    assert answer.content.startswith(content)
    assert bool(answer.content) == bool(content)
    assert held(double) == (stage == "after")


@pytest.mark.parametrize("fault", ["slow", "slow_body", "gzip", "wrong_content_type", "extra_keys"])
def test_a_strange_answer_can_be_a_good_one(double: DataApiDouble, caller: Caller, fault: str) -> None:
    double.fault(fault, seconds=0.05)

    answer = caller.send("upload.chats", chats=[chat()])
    assert answer.json()["result"]["data"][0]["id"] == double.stored("chats")[0]["id"]
    assert (answer.headers.get("Content-Encoding") == "gzip") == (fault == "gzip")
    assert answer.headers["Content-Type"].startswith("text/html" if fault == "wrong_content_type" else "application")
    assert ("server" in answer.json()) == (fault == "extra_keys")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("data_empty", []),
        ("data_null", None),
        ("no_id", [{}]),
        ("string_ids", [{"id": "70000001"}]),
    ],
)
def test_half_an_answer_to_an_upload(double: DataApiDouble, caller: Caller, fault: str, expected: Any) -> None:
    double.fault(fault)

    assert caller.data("upload.chats", chats=[chat()]) == expected
    assert held(double) == 1


def test_an_answer_can_be_somebody_elses(double: DataApiDouble, caller: Caller) -> None:
    double.fault("foreign_id")
    double.fault("null_id")

    assert caller.call("get.account")["id"] not in ("call-1", None)
    assert caller.call("get.account")["id"] is None
    assert caller.call("get.account")["id"] == "call-1"


def test_pages_can_be_wrong(double: DataApiDouble, caller: Caller) -> None:
    def numbers(offset: int) -> tuple[list[int], int]:
        page = {"limit": 5, "offset": offset, "fields": ["id"], "sort": [{"field": "id"}]}
        result = caller.result("get.campaigns", **page)
        return [row["id"] for row in result["data"]], result["metadata"]["total_items"]

    first, total = numbers(0)
    for fault in ("page_repeated", "page_empty", "total_wrong"):
        double.fault(fault)

    assert numbers(5) == (first, total)
    assert numbers(5) == ([], total)
    assert numbers(5)[1] == total + 7
    assert numbers(5)[0][0] > first[-1]


def test_faults_wait_for_their_method_their_turn_and_their_item(double: DataApiDouble, caller: Caller) -> None:
    double.fault("internal_error", "upload.*", times=2, after=1)
    double.fault("account_inactive", "upload.chats", containing="Шторы")

    def outcome(**changes: Any) -> str:
        caller.call("upload.chats", chats=[chat(**changes)])
        return double.calls("upload.chats")[-1].outcome

    assert caller.data("get.account")
    assert [outcome(ext_id=str(place)) for place in range(4)] == ["ok", "internal_error", "internal_error", "ok"]
    assert [outcome(ext_id="x", name=name) for name in ("Анна", "Шторы", "Шторы")] == ["ok", "account_inactive", "ok"]
    assert double.told_faults()["dealt"] == {"internal_error before": 2, "account_inactive before": 1}


def test_a_fault_without_a_number_stays_until_it_is_healed(double: DataApiDouble, caller: Caller) -> None:
    double.fault("http", times=None, status=503)
    assert [caller.send("get.account").status_code for _ in range(4)] == [503] * 4

    double.clock.move({"advance": 86_400})
    double.heal()
    assert caller.data("get.account")


def test_a_refused_fault_is_refused(double: DataApiDouble) -> None:
    for bad in ({"fault": "gremlins"}, {"fault": "http", "colour": 1}, {"fault": "http", "stage": "during"}, {}):
        with pytest.raises(Refused):
            Fault.read(bad)
    with pytest.raises(Refused):
        double.chaos(seed=1, probability=0.5, faults=[])


def outcomes(seed: int, calls: int = 60) -> tuple[list[str], dict[str, int], DataApiDouble]:
    """What befalls so many uploads under chaos of this seed."""
    with DataApiDouble() as double:
        double.clock.move({"set": NOW})
        double.chaos(seed=seed, probability=0.6, seconds=0.01)
        for place in range(calls):
            try:
                Caller(double).send("upload.chats", chats=[chat(ext_id=str(place))])
            except requests.RequestException:
                continue
        received = double.calls()
        for one in received:
            assert bool(double.holdings("chats").get(str(one.number - 1))) == one.done, one
        return [f"{one.fault}/{one.outcome}" for one in received], double.told_faults()["dealt"], double


def test_chance_deals_the_same_for_the_same_seed() -> None:
    first, dealt, _double = outcomes(7)

    assert outcomes(7)[0] == first
    assert outcomes(8)[0] != first
    assert 20 < sum(dealt.values()) < 50
    assert len(dealt) > 10


def test_chance_knows_every_recoverable_fault_and_ends(double: DataApiDouble, caller: Caller) -> None:
    assert {one["fault"] for one in RECOVERABLE} <= set(FAULTS)
    double.chaos(seed=1, faults=[{"fault": "internal_error", "probability": 1, "method": "upload.*"}])
    assert caller.error("upload.chats", chats=[chat()])["code"] == -32603
    assert caller.report("get.chats_report", date_from=told(-60)) == []

    double.chaos()
    assert caller.upload(chat())
