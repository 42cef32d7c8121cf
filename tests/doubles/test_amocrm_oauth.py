"""The amoCRM stand-in's consent and tokens, by the contract's section 1, over real sockets."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from bs4 import BeautifulSoup

from .amocrm import AmoDouble
from .amocrm_caller import REDIRECT, Caller
from .amocrm_faults import HINTS


@pytest.fixture
def amo() -> Iterator[AmoDouble]:
    with AmoDouble() as double:
        double.configure({"clock": {"set": 1_790_000_000}})
        yield double


@pytest.fixture
def caller(amo: AmoDouble) -> Caller:
    return Caller(amo)


def switch(amo: AmoDouble, **switches: Any) -> None:
    amo.configure({"switches": switches})


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_consent_brings_code_referer_state_platform_and_client_id(amo: AmoDouble, caller: Caller):
    told = caller.consent(response_type="code", redirect_uri="https://ignored.example", approval_prompt="auto")
    assert told.pop("code").startswith("def502")
    assert told == {"referer": amo.domain, "state": "s-1", "platform": "1", "client_id": amo.client_id}


def test_a_code_buys_one_pair_once(amo: AmoDouble, caller: Caller):
    code = caller.consent()["code"]
    answer = caller.token(code=code)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    told = answer.json()
    assert list(told) == ["token_type", "expires_in", "server_time", "access_token", "refresh_token"]
    assert (told["token_type"], told["expires_in"], told["server_time"]) == ("Bearer", 86_400, 1_790_000_000)
    assert claims(told["access_token"])["account_id"] == amo.tenant_id
    assert claims(told["access_token"])["api_domain"] == amo.domain

    again = caller.token(code=code)
    assert (again.status_code, again.json()["hint"]) == (400, "Authorization code has been revoked")
    assert "error" not in again.json()
    caller.access = told["access_token"]
    assert caller.get("account")["id"] == amo.tenant_id


def test_a_code_lives_twenty_minutes(amo: AmoDouble, caller: Caller):
    first, second = caller.consent()["code"], caller.consent()["code"]
    amo.configure({"clock": {"advance": 1200}})
    assert caller.token(code=first).status_code == 200
    amo.configure({"clock": {"advance": 1}})
    assert caller.token(code=second).json()["hint"] == "Authorization code has expired"


@pytest.mark.parametrize(
    ("order", "hint"),
    [
        ({"client_id": "x"}, "Check the `client_id` parameter"),
        ({"client_secret": "x"}, "Check the `client_secret` parameter"),
        ({"redirect_uri": REDIRECT + "/"}, "Redirect URI is not associated with client"),
        ({"code": "def502x"}, "Cannot decrypt the authorization code"),
        ({"scope": "crm"}, None),
    ],
)
def test_a_wrong_word_in_a_token_call_is_told_by_its_hint(caller: Caller, order: dict[str, str], hint: str | None):
    code = caller.consent()["code"]
    answer = caller.token(**{"code": code, **order})
    assert (answer.status_code, answer.json().get("hint")) == (400, hint)
    assert caller.token(code=code).status_code == 200


def test_only_json_is_taken_without_an_authorization_header(amo: AmoDouble, caller: Caller):
    address, body = f"{amo.url}/oauth2/access_token", caller.body(code=caller.consent()["code"])
    assert requests.post(address, data=body, timeout=5).status_code == 400
    assert requests.post(address, data=json.dumps(body), timeout=5).status_code == 400
    assert requests.post(address, json=body, auth=("a", "b"), timeout=5).status_code == 400
    missing = {key: value for key, value in body.items() if key != "redirect_uri"}
    assert requests.post(address, json=missing, timeout=5).status_code == 400
    switch(amo, token_body="form is 401")
    assert requests.post(address, data=body, timeout=5).status_code == 401
    switch(amo, token_body="form accepted")
    assert requests.post(address, data=body, timeout=5).status_code == 200


def test_a_refresh_token_is_exchanged_once(amo: AmoDouble, caller: Caller):
    first = caller.sign_in()
    second = caller.token(refresh_token=first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    again = caller.token(refresh_token=first["refresh_token"])
    assert (again.status_code, again.json()["hint"]) == (400, "Token has been revoked")
    assert caller.call("GET", "account").status_code == 401
    caller.access = second["access_token"]
    assert caller.call("GET", "account").status_code == 200
    assert caller.token(refresh_token="def502nonsense").json()["hint"] == "Invalid refresh token"


def test_the_old_refresh_token_may_live_until_the_new_pair_is_used(amo: AmoDouble, caller: Caller):
    switch(amo, old_refresh_token="until the new pair is used")
    old = caller.sign_in()["refresh_token"]
    lost, found = caller.token(refresh_token=old).json(), caller.token(refresh_token=old)
    assert found.status_code == 200
    caller.access = lost["access_token"]
    assert caller.call("GET", "account").status_code == 401
    caller.access = found.json()["access_token"]
    assert caller.call("GET", "account").status_code == 200
    assert caller.token(refresh_token=old).json()["hint"] == "Token has been revoked"


def test_tokens_end_by_the_clock(amo: AmoDouble, caller: Caller):
    pair = caller.sign_in()
    amo.configure({"clock": {"advance": 86_399}})
    assert caller.call("GET", "account").status_code == 200
    amo.configure({"clock": {"advance": 1}})
    assert caller.call("GET", "account").status_code == 401
    amo.configure({"clock": {"advance": 90 * 86_400}})
    assert caller.token(refresh_token=pair["refresh_token"]).json()["hint"] == "Token has been revoked"


def test_of_eight_refreshes_at_once_one_wins_and_all_are_counted(amo: AmoDouble, caller: Caller):
    refresh = caller.sign_in()["refresh_token"]
    amo.faults.add([{"on": "token.refresh", "do": "slow", "times": 8, "seconds": 0.3}])
    start = threading.Barrier(8)

    def one(_number: int) -> int:
        start.wait()
        return caller.token(refresh_token=refresh).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one, range(8))) == [200] + [400] * 7
    told = requests.get(f"{amo.url}/_control/counts", timeout=5).json()
    assert told["counts"]["token.refresh"] == 8
    assert told["counts"][f"pairs:{amo.tenant_id}"] == 2
    assert told["most_at_once"][f"token.refresh:{amo.tenant_id}"] > 1


def test_a_lost_answer_has_rotated_all_the_same(amo: AmoDouble, caller: Caller):
    refresh = caller.sign_in()["refresh_token"]
    amo.faults.add([{"on": "token.refresh", "do": "lost answer"}])
    with pytest.raises(requests.ConnectionError):
        caller.token(refresh_token=refresh)
    assert caller.token(refresh_token=refresh).json()["hint"] == "Token has been revoked"


@pytest.mark.parametrize("name", HINTS)
def test_every_hint_can_be_played(amo: AmoDouble, caller: Caller, name: str):
    amo.faults.add([{"on": "token", "do": f"hint {name}"}])
    assert caller.token(code="x").json()["hint"] == HINTS[name]


@pytest.mark.parametrize("do", ["429", "500", "502 html", "200 empty", "200 html", "no hint"])
def test_other_answers_of_the_token_endpoint_can_be_played(amo: AmoDouble, caller: Caller, do: str):
    code = caller.consent()["code"]
    amo.faults.add([{"on": "token", "do": do}])
    answer = caller.token(code=code)
    assert answer.status_code == (400 if do == "no hint" else int(do[:3]))
    assert "hint" not in answer.text
    assert caller.token(code=code).status_code == 200


def test_errors_may_lack_their_hint_and_be_401(amo: AmoDouble, caller: Caller):
    switch(amo, token_error_hint="missing", token_error_status=401)
    answer = caller.token(code="x")
    assert answer.status_code == 401
    assert list(answer.json()) == ["title", "type", "status", "detail"]


@pytest.mark.parametrize(
    ("reply", "missing"), [("no server_time", "server_time"), ("no refresh_token", "refresh_token")]
)
def test_a_reply_may_lack_a_part(amo: AmoDouble, caller: Caller, reply: str, missing: str):
    switch(amo, token_reply=reply)
    assert missing not in caller.token(code=caller.consent()["code"]).json()


def test_a_reply_may_be_an_error_with_200_or_have_a_token_that_says_nothing(amo: AmoDouble, caller: Caller):
    switch(amo, token_reply="200 error")
    answer = caller.token(code=caller.consent()["code"])
    assert (answer.status_code, answer.json()["status"]) == (200, 400)
    switch(amo, token_reply="opaque access token")
    assert "." not in caller.sign_in()["access_token"]
    assert caller.call("GET", "account").status_code == 200


@pytest.mark.parametrize(
    ("code", "hint"),
    [("expired", HINTS["code expired"]), ("used", HINTS["code used"]), ("garbled", HINTS["code garbled"])],
)
def test_a_consent_may_bring_a_bad_code(amo: AmoDouble, caller: Caller, code: str, hint: str):
    switch(amo, code=code)
    assert caller.token(code=caller.consent()["code"]).json()["hint"] == hint


def test_a_code_of_another_account_is_refused(amo: AmoDouble, caller: Caller):
    amo.create_tenant("other")
    switch(amo, code="other account")
    assert caller.token(code=caller.consent()["code"]).json()["hint"] == "Invalid account"


def test_a_refusal_brings_the_error_and_the_state_alone(amo: AmoDouble, caller: Caller):
    switch(amo, consent="deny")
    assert caller.consent() == {"error": "access_denied", "state": "s-1"}


@pytest.mark.parametrize(
    ("referer", "told"),
    [
        *(("foreign", "amocrm.ru.evil.example"), ("port", "example.amocrm.ru:8443"), ("upper", "EXAMPLE.AMOCRM.RU")),
        *(("idn", "пример.amocrm.ru"), ("=a@b", "a@b"), ("absent", None)),
    ],
)
def test_the_way_back_may_lie_about_the_account(amo: AmoDouble, caller: Caller, referer: str, told: str | None):
    switch(amo, callback_referer=referer, platform="2")
    back = caller.consent()
    assert (back.get("referer"), back["platform"]) == (told, "2")


def test_the_way_back_may_hide_another_host_in_a_path(amo: AmoDouble, caller: Caller):
    switch(amo, callback_referer="path")
    assert caller.consent()["referer"] == f"{amo.domain}/@evil.example"


def test_the_way_back_may_change_or_lose_the_state(amo: AmoDouble, caller: Caller):
    switch(amo, callback_state="changed")
    assert caller.consent()["state"] != "s-1"
    switch(amo, callback_state="missing")
    assert "state" not in caller.consent()


def test_a_click_decides_on_the_page(amo: AmoDouble, caller: Caller):
    switch(amo, consent="click")
    asked = {"client_id": amo.client_id, "state": "<s&>", "mode": "post_message"}
    page = BeautifulSoup(requests.get(amo.oauth_url, params=asked, timeout=5).text, "html.parser")
    form = {one["name"]: one["value"] for one in page.select("input")}
    assert form == asked
    accounts = [one.text for one in page.select("select[name=account] option")]
    assert accounts == ["example"]
    answer = requests.post(amo.oauth_url, {**form, "decision": "approve"}, allow_redirects=False, timeout=5)
    told = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    assert told["state"] == "<s&>"
    assert caller.token(code=told["code"]).status_code == 200
    denied = requests.post(amo.oauth_url, {**form, "decision": "deny"}, allow_redirects=False, timeout=5)
    assert "access_denied" in denied.headers["Location"]
    popup = requests.post(amo.oauth_url, {**form, "mode": "popup", "decision": "approve"}, timeout=5)
    assert "window.opener.location" in popup.text


def test_the_consent_page_refuses_what_it_does_not_know(amo: AmoDouble):
    assert requests.get(amo.oauth_url, params={"client_id": "x"}, timeout=5).status_code == 400
    asked = {"client_id": amo.client_id, "mode": "iframe"}
    assert requests.get(amo.oauth_url, params=asked, timeout=5).status_code == 400


def test_the_first_installation_needs_an_admin(amo: AmoDouble, caller: Caller):
    user = amo.create_user()["id"]
    asked = {"client_id": amo.client_id, "user": user, "decision": "approve"}
    assert requests.post(amo.oauth_url, asked, allow_redirects=False, timeout=5).status_code == 403
    caller.sign_in()
    asked["mode"] = "post_message"
    assert requests.post(amo.oauth_url, asked, allow_redirects=False, timeout=5).status_code == 302


def test_a_private_integration_knows_its_own_account_alone(amo: AmoDouble, caller: Caller):
    other = amo.create_tenant("other")
    switch(amo, consent_tenant=other["id"])
    asked = {"client_id": amo.client_id, "state": "s"}
    assert requests.get(amo.oauth_url, params=asked, allow_redirects=False, timeout=5).status_code == 403
    amo.update_integration({"kind": "public"})
    back = caller.consent()
    assert back["referer"] == other["domain"]
    assert caller.token(code=back["code"]).json()["hint"] == "Invalid account"
    body = caller.body(code=back["code"])
    answer = requests.post(f"{other['url']}/oauth2/access_token", json=body, timeout=5)
    assert answer.status_code == 200
    caller.access = answer.json()["access_token"]
    assert caller.call("GET", "account", url=other["url"]).json()["id"] == other["id"]
    assert caller.call("GET", "account").status_code == 401
