"""The Data API stand-in answers as the contract says: envelope, keys, rights, points, lists, reports, tags."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from .dataapi import METHODS, DataApiDouble
from .dataapi_caller import NOTHING, NOW, Caller, chat, told

ROOT = Path(__file__).parents[2]
ENVELOPE = {"jsonrpc": "2.0", "id": "call-1", "method": "get.account", "params": {"access_token": "example-key"}}
COUNTER = ["call_tracking", "consultant", "lead", "sitephone"]


@pytest.fixture
def double() -> Iterator[DataApiDouble]:
    with DataApiDouble() as double:
        double.clock.move({"set": NOW})
        yield double


@pytest.fixture
def caller(double: DataApiDouble) -> Caller:
    return Caller(double)


@pytest.mark.parametrize(
    ("body", "code", "mnemonic"),
    [
        (b"{", -32700, "parse_error"),
        (b'{"id": NaN}', -32700, "parse_error"),
        ('{"id": "Привет"}'.encode("cp1251"), -32700, "parse_error"),
        ([ENVELOPE], -32099, "batch_opreations_not_supported"),
        ({key: value for key, value in ENVELOPE.items() if key != "id"}, -32099, "notifications_not_supported"),
        ({**ENVELOPE, "jsonrpc": "1.0"}, -32600, "invalid_request"),
        ({**ENVELOPE, "id": None}, -32600, "invalid_request"),
        ({**ENVELOPE, "access_token": "example-key"}, -32600, "invalid_request"),
        ({**ENVELOPE, "method": "upload.calls"}, -32601, "method_not_found"),
        ({**ENVELOPE, "params": {}}, -32602, "required_parameter_missed"),
        ({**ENVELOPE, "params": {"access_token": "x"}}, -32001, "access_token_invalid"),
        ({**ENVELOPE, "params": {**ENVELOPE["params"], "limit": 1}}, -32602, "unexpected_parameters"),
    ],
)
def test_a_bad_envelope_is_refused(caller: Caller, body: Any, code: int, mnemonic: str) -> None:
    answer = caller.post(body)

    assert answer.status_code == 200
    assert (answer.json()["error"]["code"], answer.json()["error"]["data"]["mnemonic"]) == (code, mnemonic)


def test_the_content_type_and_the_way_of_asking_are_looked_at(double: DataApiDouble, caller: Caller) -> None:
    assert caller.post(ENVELOPE, Content_Type="application/json").json()["error"]["code"] == -32600
    assert requests.get(double.endpoint, timeout=5).json()["error"]["code"] == -32600
    assert requests.post(f"{double.url}/v2", timeout=5).status_code == 404


def test_a_number_as_id_comes_back_as_a_number(caller: Caller) -> None:
    assert caller.post({**ENVELOPE, "id": 7}).json()["id"] == 7


def test_the_account_tells_itself(double: DataApiDouble, caller: Caller) -> None:
    assert caller.data("get.account") == [{"app_id": 4101, "name": "Ромашка", "timezone": "Europe/Moscow"}]
    data = caller.data("getobj.account")
    assert {"upload_chats", "upload_sessions"} <= set(data["components"])
    assert data["permissions"][0]["is_select"] is True


@pytest.mark.parametrize(
    ("state", "mnemonic"),
    [("expired", "access_token_expired"), ("blocked", "access_token_blocked"), ("revoked", "access_token_invalid")],
)
def test_a_key_that_is_no_longer_good_opens_nothing(
    double: DataApiDouble, caller: Caller, state: str, mnemonic: str
) -> None:
    double.set_key(caller.key, state=state)
    error = caller.error("get.account")
    assert (error["code"], error["data"]["mnemonic"]) == (-32001, mnemonic)

    double.set_key(caller.key, state="valid")
    assert caller.data("get.account")


def test_a_key_ends_when_its_time_has_come(double: DataApiDouble, caller: Caller) -> None:
    double.set_key(caller.key, expires_at=NOW + 60)
    assert caller.data("get.account")

    double.clock.move({"advance": 60})
    assert caller.refused("get.account") == ("access_token_expired", None)


def test_calls_from_elsewhere_are_refused_with_the_address(double: DataApiDouble, caller: Caller) -> None:
    double.configure({"seen_ip": "198.51.100.9"})
    double.set_account(ips=["203.0.113.0/24"])

    error = caller.error("get.account")
    assert error["message"] == "Your IP 198.51.100.9 is not whitelisted"
    assert (error["code"], error["data"]["params"]) == (-32003, {"ip": "198.51.100.9"})

    double.set_account(ips=["198.51.100.9"])
    assert caller.data("get.account")


def test_an_inactive_account_is_told_apart(double: DataApiDouble, caller: Caller) -> None:
    double.set_account(state="blocked")

    assert caller.error("get.sites")["code"] == -32009


@pytest.mark.parametrize(
    ("method", "lacking", "named"),
    [
        ("upload.chats", ["upload_chats"], "upload_chats"),
        ("upload.offline_messages", ["upload_offline_messages"], "upload_offline_messages"),
        ("upload.sessions", ["upload_sessions"], "upload_sessions"),
        ("get.chats_report", COUNTER, "call_tracking, consultant, lead, sitephone"),
        ("get.sites", COUNTER, "call_tracking, consultant, lead, sitephone"),
        ("get.sources", ["data_api_settings"], "data_api_settings"),
    ],
)
def test_a_component_that_was_not_bought_is_named(
    double: DataApiDouble, caller: Caller, method: str, lacking: list[str], named: str
) -> None:
    double.set_account(lacking=lacking)
    error = caller.error(method)

    assert (error["code"], error["data"]["mnemonic"]) == (-32008, "method_component_disabled")
    assert error["data"]["params"] == {"components": named}
    assert error["message"].endswith(named)


def test_an_upload_is_allowed_where_the_report_is_not(double: DataApiDouble, caller: Caller) -> None:
    double.set_account(lacking=COUNTER)

    assert caller.upload(chat())
    assert caller.refused("get.chats_report", date_from=told(-60), date_till=told())[0] == "method_component_disabled"
    assert len(caller.report("get.communications_report")) == 1


@pytest.mark.parametrize(
    ("method", "rights"),
    [
        ("get.sites", {"site_selected": []}),
        ("get.campaigns", {"ac": [], "ac_ext": [], "ac_undefined": []}),
        ("get.employees", {"employees": ["update"]}),
        ("set.tag_communications", {"tag_management": ["select"]}),
    ],
)
def test_a_right_that_is_missing_is_forbidden(
    double: DataApiDouble, caller: Caller, method: str, rights: dict[str, list[str]]
) -> None:
    double.set_account(rights=rights)
    error = caller.error(method)

    assert (error["code"], error["data"]["mnemonic"]) == (-32003, "forbidden")


def test_a_login_lasts_an_hour(double: DataApiDouble, caller: Caller) -> None:
    who = {"login": "admin@romashka-shtory.example", "password": "example-password"}
    assert caller.refused("login.user", access_token=NOTHING, **{**who, "password": "x"}) == ("auth_error", None)
    token = caller.data("login.user", access_token=NOTHING, **who)
    assert (token["app_id"], token["expire_at"]) == (4101, NOW + 3600)

    guest = Caller(double, token["access_token"])
    assert guest.data("get.account")
    double.clock.move({"advance": 3600})
    assert guest.refused("get.account") == ("access_token_expired", None)
    guest.key = caller.data("login.user", access_token=NOTHING, **who)["access_token"]
    guest.result("logout.user")
    assert guest.refused("get.account") == ("access_token_invalid", None)


def test_an_agent_names_the_client(double: DataApiDouble) -> None:
    double.set_account(9001, name="Агентство")
    double.set_key("agent", app_id=9001, customers={2870: 4101})
    agent = Caller(double, "agent")

    assert agent.refused("get.sites") == ("required_parameter_missed", "user_id")
    assert agent.refused("get.sites", user_id=1) == ("entity_not_found", "user_id")
    assert agent.data("get.sites", user_id=2870)[0]["id"] == 43501
    assert agent.error("get.account")["data"]["mnemonic"] == "forbidden"


def test_a_key_is_at_home_on_one_host(double: DataApiDouble) -> None:
    double.set_account(project="callgear")

    assert Caller(double, endpoint=double.add_host("callgear")).data("get.account")
    assert Caller(double, endpoint=double.add_host("uiscom")).refused("get.account")[0] == "access_token_invalid"
    stranger = requests.post(double.endpoint, json=ENVELOPE, headers={"Host": "dataapi.comagic.ru"}, timeout=5)
    assert stranger.json()["error"]["code"] == -32600  # the content type lacks its charset
    named = Caller(double).post(ENVELOPE, Host="dataapi.comagic.ru")
    assert named.json()["error"]["data"]["mnemonic"] == "access_token_invalid"


def test_points_are_charged_for_what_went_well(double: DataApiDouble, caller: Caller) -> None:
    double.set_account(day=3, minute=2)

    limits = caller.result("get.account")["metadata"]["limits"]
    assert limits == {
        "day_limit": 3,
        "day_remaining": 2,
        "day_reset": 24_400,
        "minute_limit": 2,
        "minute_remaining": 1,
        "minute_reset": 40,
    }
    caller.error("get.sites", fields=["no_such_column"])
    caller.data("get.sites")
    error = caller.error("get.sites")
    assert error["code"] == -32029
    assert error["message"] == "Limit per minute has been exceeded. Value of current limit per minute is 2"
    assert error["data"]["metadata"]["limits"]["minute_remaining"] == 0

    double.clock.move({"advance": 40})
    caller.data("get.sites")
    assert caller.error("get.sites")["message"].startswith("Limit per day")
    double.clock.move({"advance": 24_360})
    assert datetime.fromtimestamp(double.clock.now(), UTC).hour == 21  # midnight in Moscow
    caller.data("get.sites")
    assert double.metrics()["beyond_limits"] == 2
    assert double.metrics()["points"]["4101"] == {"day": 1, "minute": 1, "busiest_minute": 2}


def test_calls_at_once_are_counted_and_may_be_limited(double: DataApiDouble) -> None:
    double.set_account(parallel=4)
    double.configure({"latency_s": 0.3})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Caller(double).call("get.account"), range(8)))

    refused = [one["error"]["data"]["params"]["limit_type"] for one in answers if "error" in one]
    assert double.metrics()["most_parallel"] == 8
    assert refused == ["simultaneous requests"] * 4
    assert double.metrics()["parallel"] == 0


def test_many_callers_lose_and_repeat_nothing(double: DataApiDouble) -> None:
    def load(worker: int) -> list[int]:
        caller = Caller(double)
        return [caller.upload(chat(ext_id=f"{worker}:{place}"))[0] for place in range(40)]

    with ThreadPoolExecutor(8) as pool:
        numbers = [number for found in pool.map(load, range(8)) for number in found]

    assert len(set(numbers)) == 320
    assert {row["count"] for row in double.holdings("chats").values()} == {1}
    assert [one.number for one in double.calls("upload.chats")] == list(range(1, 321))


def test_every_method_can_be_called(caller: Caller) -> None:
    """None of them breaks the stand-in, whatever it says to a call without parameters."""
    for method in METHODS:
        answer = caller.send(method)
        assert answer.status_code == 200, answer.text
        assert {"result", "error"} & answer.json().keys()
