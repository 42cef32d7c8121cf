"""The amoCRM stand-in's faults, rates and chaos, and what it remembers of the calls, over real sockets."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from .amocrm import AmoDouble
from .amocrm_caller import Caller
from .amocrm_faults import INSTEAD
from .server import Refused


@pytest.fixture
def amo() -> Iterator[AmoDouble]:
    with AmoDouble() as double:
        double.configure({"clock": {"set": 1_790_000_000}, "switches": {"rate_limit": 0, "account_rate_limit": 0}})
        yield double


@pytest.fixture
def caller(amo: AmoDouble) -> Caller:
    one = Caller(amo)
    one.sign_in()
    return one


def switch(amo: AmoDouble, **switches: Any) -> None:
    amo.configure({"switches": switches})


@pytest.mark.parametrize("do", [one for one in INSTEAD if one not in ("drop", "no hint") and "hint" not in one])
def test_a_fault_answers_instead_with_its_status(amo: AmoDouble, caller: Caller, do: str):
    amo.faults.add([{"on": "account", "do": do}])
    answer = caller.call("GET", "account")
    assert answer.status_code == int(do[:3])
    if answer.headers.get("Content-Type") == "application/problem+json":
        assert answer.json()["status"] == answer.status_code
    assert caller.call("GET", "account").status_code == 200


def test_codes_and_pauses_are_told(amo: AmoDouble, caller: Caller):
    def played(do: str, **more: Any) -> requests.Response:
        amo.faults.add([{"on": "account", "do": do, **more}])
        return caller.call("GET", "account")

    assert played("403 113").json()["code"] == 113
    assert played("401 111").json()["code"] == 111
    assert played("403 scope").json()["detail"] == "Invalid scope"
    assert played("429").json()["retry_after"] == 300
    header = played("429 header", retry_after=7)
    assert (header.headers["Retry-After"], "retry_after" in header.json()) == ("7", False)
    neither = played("429 neither")
    assert "Retry-After" not in neither.headers
    assert "retry_after" not in neither.json()
    assert isinstance(played("400 list").json()["validation-errors"][0]["errors"], list)
    assert isinstance(played("400 object").json()["validation-errors"][0]["errors"], dict)
    assert "Content-Type" in played("204 typed").headers
    assert "Content-Type" not in played("204").headers


def test_faults_wait_for_their_calls(amo: AmoDouble, caller: Caller):
    lead = amo.create_lead()["id"]
    amo.faults.add([{"on": "lead", "do": "500", "times": 2, "skip": 1}, {"on": "api", "do": "503"}])
    assert caller.call("GET", "account").status_code == 503
    assert [caller.call("GET", f"leads/{lead}").status_code for _ in range(4)] == [200, 500, 500, 200]
    assert amo.faults.told()["faults"] == []
    other = amo.create_tenant("other")["id"]
    amo.faults.add([{"on": "any", "do": "500", "tenant": other}])
    assert caller.call("GET", "account").status_code == 200
    with pytest.raises(Refused):
        amo.faults.add([{"on": "lead", "do": "explode"}])
    with pytest.raises(Refused):
        amo.faults.add([{"on": "lead", "do": "500", "count": 1}])


def test_answers_break_in_every_way(amo: AmoDouble, caller: Caller):
    lead = amo.create_lead()["id"]
    for do in ("drop", "lost answer", "reset"):
        amo.faults.add([{"on": "lead", "do": do}])
        with pytest.raises(requests.RequestException):
            caller.call("GET", f"leads/{lead}")
    amo.faults.add([{"on": "lead", "do": "half json"}])
    answer = caller.call("GET", f"leads/{lead}")
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    amo.faults.add([{"on": "lead", "do": "slow body", "seconds": 0.3}])
    assert caller.call("GET", f"leads/{lead}").json()["id"] == lead
    assert caller.call("GET", f"leads/{lead}").status_code == 200


def test_a_late_answer_is_given_after_the_deed_and_a_slow_one_before(amo: AmoDouble, caller: Caller):
    lead = amo.create_lead()["id"]
    address = f"{amo.url}/api/v4/leads/{lead}"
    headers = {"Authorization": f"Bearer {caller.access}", "User-Agent": "Leadtrail/1.0"}
    for do, name in (("late", "written"), ("lost answer", "written again")):
        amo.faults.add([{"on": "leads.patch", "do": do, "seconds": 30}])
        with pytest.raises(requests.RequestException):
            requests.patch(address, json={"name": name}, headers=headers, timeout=0.5)
        assert amo.state.tenant().leads[lead].name == name
    amo.faults.add([{"on": "leads.patch", "do": "slow", "seconds": 30}])
    with pytest.raises(requests.Timeout):
        requests.patch(address, json={"name": "not yet"}, headers=headers, timeout=0.5)
    assert amo.state.tenant().leads[lead].name == "written again"


def test_the_rate_is_counted_by_integration_and_account(amo: AmoDouble, caller: Caller):
    amo.steady = lambda: 100.5
    switch(amo, rate_limit=3, retry_after="header", retry_after_s=2)
    answers = [caller.call("GET", "account") for _ in range(5)]
    assert [one.status_code for one in answers] == [200] * 3 + [429] * 2
    assert answers[-1].headers["Retry-After"] == "2"
    assert amo.recorder.counts[f"over_rate:{amo.tenant_id}"] == 2
    for record, begun in zip(amo.recorder.calls, (0, 0, 1, 1.5, 1.9, 2.1, 9), strict=False):
        record.begun = begun
    assert (amo.recorder.peak("account"), amo.recorder.peak("lead")) == (3, 0)
    amo.steady = lambda: 101.6
    assert caller.call("GET", "account").status_code == 200

    second = amo.create_integration(kind="public")["id"]
    caller.access = amo.issue_tokens(integration=second)["access_token"]
    assert caller.call("GET", "account").status_code == 200
    switch(amo, account_rate_limit=1)
    assert caller.call("GET", "account").status_code == 429


def test_who_does_not_stop_is_banned_for_an_hour(amo: AmoDouble, caller: Caller):
    amo.steady = lambda: 100.5
    switch(amo, rate_limit=1, ban_after=3)
    assert [caller.call("GET", "account").status_code for _ in range(5)] == [200, 429, 429, 429, 403]
    amo.configure({"clock": {"advance": 3601}, "switches": {"rate_limit": 0}})
    assert caller.call("GET", "account").status_code == 200
    amo.update_tenant({"banned": True})
    assert "заблокирован" in caller.call("GET", "account").json()["detail"]
    amo.update_tenant({"banned": False})
    assert caller.call("GET", "account").status_code == 200


def test_the_defaults_are_those_of_the_contract():
    with AmoDouble() as amo:
        caller = Caller(amo)
        caller.sign_in()
        amo.steady = lambda: 100.5
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: caller.call("GET", "account"), range(10)))
        assert sorted(one.status_code for one in answers) == [200] * 7 + [429] * 3
        assert {one.json().get("retry_after") for one in answers} == {None, 300}


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [({"paid": False}, 402, None), ({"ip_filter": True}, 403, 113), ({"exists": False}, 401, 101)],
)
def test_an_account_may_be_closed_to_us(
    amo: AmoDouble, caller: Caller, values: dict[str, Any], status: int, code: int | None
):
    amo.update_tenant(values)
    answer = caller.call("GET", "account")
    assert (answer.status_code, answer.json().get("code")) == (status, code)


def test_nobody_enters_without_a_token_and_a_name(amo: AmoDouble, caller: Caller):
    for authorization in ("", "Bearer x", f"Basic {caller.access}", caller.access):
        assert caller.call("GET", "account", **{"Authorization": authorization}).status_code == 401
    assert caller.call("GET", "account", **{"User-Agent": "python-requests/2.32"}).status_code == 403
    switch(amo, user_agent="any")
    assert caller.call("GET", "account", **{"User-Agent": "python-requests/2.32"}).status_code == 200
    user = amo.create_user()["id"]
    free = amo.create_user(is_free=True)["id"]
    assert caller.call("GET", "account", **{"X-Context-User-ID": str(user)}).json()["current_user_id"] == user
    for other in (str(free), "1", "x"):
        assert caller.call("GET", "account", **{"X-Context-User-ID": other}).status_code == 403


def test_chaos_repeats_itself_for_a_seed(amo: AmoDouble, caller: Caller):
    odds = {"api": {"500": 0.2, "429": 0.2, "401": 0.1, "lost answer": 0.1}}

    def played(seed: int) -> list[int | None]:
        amo.recorder.clear()
        amo.configure({"chaos": {"seed": seed, "on": odds}})
        for _ in range(60):
            try:
                caller.call("GET", "account")
            except requests.RequestException:
                continue
        return [one.status if one.fault != "lost answer" else None for one in amo.recorder.calls]

    first = played(1)
    assert set(first) == {200, 500, 429, 401, None}
    assert first == played(1)
    assert first != played(2)
    amo.configure({"chaos": None})
    assert caller.call("GET", "account").status_code == 200
    for wrong in (
        {"on": {"api": {"explode": 1}}},
        {"on": {"api": {"500": 2}}},
        {"odds": {}},
        {"on": {"hook": {"500": 1}}},
    ):
        with pytest.raises(Refused):
            amo.configure({"chaos": wrong})


def test_every_call_is_remembered_as_bytes(amo: AmoDouble, caller: Caller):
    body = '{"destination": "https://шторы.example/", "settings": []}'.encode()
    headers = {"Content-Type": "application/json", "X-Own": "1", "User-Agent": "Leadtrail/1.0"}
    requests.post(f"{amo.url}/api/v4/webhooks?a=%20b", data=body, headers=headers, timeout=5)
    told = requests.get(f"{amo.url}/_control/calls?route=webhooks.post", timeout=5).json()["calls"]
    assert len(told) == 1
    assert base64.b64decode(told[0]["body_base64"]) == body
    assert (told[0]["method"], told[0]["target"]) == ("POST", "/api/v4/webhooks?a=%20b")
    assert ["X-Own", "1"] in told[0]["headers"]
    assert (told[0]["at"], told[0]["status"], told[0]["fault"]) == (1_790_000_000, 401, None)
    counts = requests.get(f"{amo.url}/_control/counts", timeout=5).json()["counts"]
    assert counts["webhooks.post"] == counts[f"webhooks.post:{amo.tenant_id}"] == 1
    requests.delete(f"{amo.url}/_control/calls", timeout=5)
    assert requests.get(f"{amo.url}/_control/calls", timeout=5).json() == {"calls": []}


def test_one_connection_serves_many_calls_and_a_reset_forgets(amo: AmoDouble, caller: Caller):
    second = amo.create_tenant("other")
    with requests.Session() as session:
        session.headers.update({"Authorization": f"Bearer {caller.access}", "User-Agent": "Leadtrail/1.0"})
        for _ in range(50):
            assert session.get(f"{amo.url}/api/v4/account", timeout=5).status_code == 200
        for _ in range(3):
            assert session.get(f"{amo.url}/api/v4/leads", timeout=5).status_code == 204
    old = amo.client_id
    told = requests.post(f"{amo.url}/_control/reset", timeout=5).json()
    assert [one["domain"] for one in told["tenants"]] == [amo.domain]
    assert amo.client_id == old, "ids repeat themselves"
    assert amo.switches["rate_limit"] == 7
    assert caller.call("GET", "account").status_code == 401
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{second['url']}/api/v4/account", timeout=5)


def test_it_runs_by_itself():
    command = [sys.executable, "-m", "tests.doubles.amocrm", "--port", "0"]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=environment) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().rpartition(" ")[2].strip()
            told = requests.get(f"{url}/_control/state", timeout=5).json()
            assert f"http://{told['tenants']['17029541']['domain']}" == url
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
