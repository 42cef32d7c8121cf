"""The control surface of the Data API stand-in over HTTP, its journal, and the stand-in as a process of its own."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from .dataapi import DataApiDouble
from .dataapi_caller import NOW, Caller, chat, lead, message, session

ROOT = Path(__file__).parents[2]


@pytest.fixture
def double() -> Iterator[DataApiDouble]:
    with DataApiDouble() as double:
        double.clock.move({"set": NOW})
        yield double


def control(url: str, what: str, order: Any = None) -> Any:
    """A control request: a POST with an order, else a GET."""
    address = f"{url}/_control/{what}"
    answer = requests.get(address, timeout=10) if order is None else requests.post(address, json=order, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_everything_can_be_turned_over_http(double: DataApiDouble) -> None:
    url, caller = double.url, Caller(double)
    assert control(url, "config", {"switches": {"success_value": True}, "hold_s": 2})["hold_s"] == 2
    assert control(url, "clock", {"advance": 60})["clock"] == NOW + 60
    number = control(url, "sessions", {"site_id": 43501, "marks": {"utm_medium": "email"}})["id"]
    control(
        url, "directory", {"put": {"campaigns": [{"id": 268101, "status": "inactive"}]}, "remove": {"tags": [515103]}}
    )
    control(url, "accounts", {"lacking": ["upload_sessions"], "minute": 30})
    control(url, "keys", {"key": "second-key"})

    assert caller.upload(
        chat(visitor_session_id=number, messages=[message()], start_date_time=chat()["start_date_time"])
    )
    assert caller.refused("upload.chats", chats=[chat(campaign_id=268101)])[0] == "campaign_is_inactive"
    assert caller.refused("upload.sessions", sessions=[session()])[0] == "method_component_disabled"
    assert len(caller.data("get.tags")) == 3
    assert Caller(double, "second-key").result("get.account")["metadata"]["limits"]["minute_limit"] == 30


def test_what_came_and_what_is_held_can_be_read_over_http(double: DataApiDouble) -> None:
    caller = Caller(double)
    [number] = caller.upload(chat())
    caller.data("upload.offline_messages", offline_messages=[lead()])

    [call] = control(double.url, "calls?method=upload.chats")["calls"]
    assert json.loads(base64.b64decode(call["body_base64"]))["params"]["chats"][0]["ext_id"] == "jivo:1:1"
    assert json.loads(base64.b64decode(call["answer_base64"]))["result"]["data"] == [{"id": number}]
    assert (call["at"], call["outcome"], call["parallel"], call["status"]) == (NOW, "ok", 1, 200)
    assert len(control(double.url, "calls?since=1")["calls"]) == 1
    held = control(double.url, "holdings")
    assert held["chats"] == {"jivo:1:1": {"count": 1, "ids": [number], "deleted": 0, "uploads": 1}}
    assert list(held["offline_messages"]) == ["jivo:1:2"]
    assert control(double.url, "stored")["chats"][0]["sent"]["name"] == "Мария"
    metrics = control(double.url, "metrics?app_id=4101")
    assert metrics["methods"] == {"upload.chats": {"ok": 1}, "upload.offline_messages": {"ok": 1}}
    assert metrics["points"]["4101"] == {"day": 2, "minute": 2, "busiest_minute": 2}


def test_faults_and_chance_can_be_ordered_over_http(double: DataApiDouble) -> None:
    order = {"faults": [{"fault": "http", "status": 504}], "chaos": {"seed": 3, "probability": 0.1}}
    told = control(double.url, "faults", order)
    assert (told["queue"][0]["status"], len(told["chances"]) > 20) == (504, True)

    assert Caller(double).send("get.account").status_code == 504
    assert control(double.url, "faults")["dealt"] == {"http 504 before": 1}
    healed = control(double.url, "faults", {"heal": True})
    assert (healed["queue"], healed["chances"]) == ([], [])


@pytest.mark.parametrize(
    ("what", "order"),
    [
        ("config", {"colour": 1}),
        ("config", {"switches": {"colour": 1}}),
        ("faults", {"faults": [{"fault": "gremlins"}]}),
        ("faults", {"gremlins": True}),
        ("keys", {"key": "x", "state": "lost"}),
        ("keys", {"key": "x", "app_id": 5}),
        ("accounts", {"colour": 1}),
        ("sessions", {"colour": 1}),
        ("sessions", {"site_id": 5}),
        ("directory", {"put": {"goals": []}}),
        ("directory", {"put": {"campaigns": [{"id": 7}]}}),
        ("directory", {"generate": {"sites": 5}}),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(double: DataApiDouble, what: str, order: dict[str, Any]) -> None:
    answer = requests.post(f"{double.url}/_control/{what}", json=order, timeout=10)

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]


def test_a_reset_forgets_everything(double: DataApiDouble, tmp_path: Path) -> None:
    with DataApiDouble(journal=tmp_path / "journal") as kept:
        caller = Caller(kept)
        caller.upload(chat(messages=[message(-90)], start_date_time="2026-01-01 00:00:00"))
        kept.switch(success_value=True)
        kept.fault("internal_error")
        kept.set_key(kept.key, state="blocked")
        control(kept.url, "reset", {})

        assert caller.data("get.account")
        assert (kept.stored("chats"), kept.switches["success_value"]) == ([], "true")
        assert kept.metrics()["calls"] == 1
        assert not (tmp_path / "journal").exists()


def test_the_journal_brings_everything_back(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with DataApiDouble(journal=journal) as first:
        first.clock.move({"set": NOW})
        caller = Caller(first)
        numbers = caller.upload(chat(), chat(ext_id="gone"), chat(ext_id="again"))
        caller.result("delete.chats", id=numbers[1])
        caller.result(
            "set.tag_communications", communication_type="chat", communication_ext_id="jivo:1:1", tag_id=515101
        )
        visit = caller.data("upload.sessions", sessions=[session()])
        caller.result("create.tags", name="Кухня")
        first.change_directory(remove={"employees": [5505]})
        before = first.holdings()
        tagged = first.stored("chats", "jivo:1:1")
    with journal.open("ab") as file:
        file.write(b'{"app_id": 4101, "ki')

    with DataApiDouble(journal=journal) as second:
        second.clock.move({"set": NOW})
        caller = Caller(second)
        assert second.holdings() == before
        assert second.stored("chats", "jivo:1:1") == tagged
        assert [row["name"] for row in caller.data("get.tags")][-1] == "Кухня"
        assert 5505 not in [row["id"] for row in caller.data("get.employees")]
        [fresh] = caller.upload(chat(ext_id="new", visitor_session_id=visit[0]["session_id"]))
        assert fresh == max(numbers) + 1
    with DataApiDouble(journal=journal) as third:
        assert set(third.holdings("chats")) == {"jivo:1:1", "gone", "again", "new"}


@pytest.mark.processes
def test_it_runs_by_itself_and_survives_its_own_death(tmp_path: Path) -> None:
    def started() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.doubles.dataapi", "--port", "0"],
            cwd=ROOT,
            env={**os.environ, "DATAAPI_JOURNAL": str(tmp_path / "journal")},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        return process, found[0]

    def upload(url: str, ext_id: str) -> None:
        control(url, "clock", {"set": NOW})
        content = {"jsonrpc": "2.0", "id": 1, "method": "upload.chats"}
        params = {"access_token": "example-key", "chats": [chat(ext_id=ext_id)]}
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        body = json.dumps({**content, "params": params})
        assert "result" in requests.post(f"{url}/v2.0", data=body, headers=headers, timeout=10).json()

    process, url = started()
    upload(url, "before")
    with process:
        process.kill()
    process, url = started()
    upload(url, "after")
    assert {key: row["count"] for key, row in control(url, "holdings")["chats"].items()} == {"before": 1, "after": 1}
    with process:
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
