"""An integration moves, is switched off, comes by a widget or a button: the amoCRM stand-in over real sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from .amocrm import AmoDouble
from .amocrm_caller import REDIRECT, Caller, Receiver


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


def test_an_account_that_moved_is_found_by_its_refresh_token(amo: AmoDouble, caller: Caller):
    pair, old = caller.sign_in(), amo.domain
    moved = amo.move_tenant("renamed")
    assert caller.call("GET", "account").status_code == 401
    assert caller.token(refresh_token=pair["refresh_token"]).status_code == 401
    asked = {"X-Refresh-Token": pair["refresh_token"]}
    answer = requests.get(f"http://{old}/oauth2/account/current/subdomain", headers=asked, timeout=5)
    assert answer.json() == {
        **{"id": amo.tenant_id, "subdomain": "renamed", "domain": moved["domain"], "top_level_domain": "ru"},
    }
    assert caller.call("GET", "account", url=moved["url"]).json()["subdomain"] == "renamed"
    switch(amo, moved="drop")
    with pytest.raises(requests.ConnectionError):
        caller.call("GET", "account")
    nobody = requests.get(f"http://{old}/oauth2/account/current/subdomain", headers={"X-Refresh-Token": "x"}, timeout=5)
    assert nobody.status_code == 401


def test_a_disabled_integration_is_told_by_a_signed_call(amo: AmoDouble, caller: Caller):
    pair = caller.sign_in()
    with Receiver() as receiver:
        amo.update_integration({"disabled_hook_uri": receiver.url})
        amo.disable()
        [call] = receiver.requests
    assert call.method == "GET"
    told = dict(call.query)
    signed = f"{amo.client_id}|{amo.tenant_id}".encode()
    assert told == {
        "account_id": str(amo.tenant_id),
        "client_uuid": amo.client_id,
        "signature": hmac.new(amo.client_secret.encode(), signed, hashlib.sha256).hexdigest(),
    }
    assert call.headers["user-agent"] == "amoService-oAuth-Code-Sender/1.0"
    assert caller.call("GET", "account").status_code == 401
    assert caller.token(refresh_token=pair["refresh_token"]).json()["hint"] == "Token has been revoked"


def test_the_signed_call_may_be_wrong_or_come_twice(amo: AmoDouble, caller: Caller):
    right = amo.disabled_query()
    switch(amo, disabled_hook="wrong")
    assert amo.disabled_query()["signature"] != right["signature"]
    switch(amo, disabled_hook="client_id")
    about = {"account_id": right["account_id"], "signature": right["signature"]}
    assert amo.disabled_query() == {**about, "client_id": amo.client_id}
    switch(amo, disabled_hook="unknown account")
    assert amo.disabled_query()["account_id"] != right["account_id"]
    switch(amo, disabled_hook="replayed")
    with Receiver() as receiver:
        amo.update_integration({"disabled_hook_uri": receiver.url})
        amo.disable()
        assert len(receiver.requests) == 2


def test_a_widget_installation_calls_without_a_state(amo: AmoDouble, caller: Caller):
    with Receiver() as receiver:
        amo.set_redirect_uri(receiver.url)
        receiver.answers = [500]
        told = amo.install_widget()
        [call] = receiver.requests
    query = dict(call.query)
    assert query.keys() == {"code", "referer", "platform", "client_id", "from_widget"}
    assert told["code"] == 500
    body = {**caller.body(code=query["code"]), "redirect_uri": receiver.url}
    assert requests.post(f"{amo.url}/oauth2/access_token", json=body, timeout=5).status_code == 200


def test_an_external_integration_gets_keys_of_its_own(amo: AmoDouble, caller: Caller):
    with Receiver() as receiver:
        told = amo.install_external(REDIRECT, receiver.url, "s-9")
        [call] = receiver.requests
        keys = json.loads(call.body)
        assert keys == {"client_id": told["client_id"], "client_secret": told["client_secret"], "state": "s-9"}
        code = dict(parse_qsl(urlsplit(told["redirect"]).query))["code"]
        body = caller.body(code=code) | {key: keys[key] for key in ("client_id", "client_secret")}
        answer = requests.post(f"{amo.url}/oauth2/access_token", json=body, timeout=5)
        caller.access = answer.json()["access_token"]
        assert caller.call("GET", "users").status_code == 403
        switch(amo, secrets_hook="without the redirect")
        assert amo.install_external(REDIRECT, receiver.url, "s-9")["redirect"] is None
        switch(amo, secrets_hook="wrong state")
        amo.install_external(REDIRECT, receiver.url, "s-9")
        assert json.loads(receiver.bodies[-1])["state"] != "s-9"


def test_a_long_lived_token_has_no_refresh_token_and_can_be_revoked(amo: AmoDouble, caller: Caller):
    told = amo.issue_tokens(long_lived_days=365)
    assert told["refresh_token"] is None
    caller.access = told["access_token"]
    amo.configure({"clock": {"advance": 364 * 86_400}})
    assert caller.call("GET", "account").status_code == 200
    amo.revoke_token(told["access_token"])
    assert caller.call("GET", "account").status_code == 401


def test_a_pair_may_be_rotated_by_somebody_else(amo: AmoDouble, caller: Caller):
    pair = caller.sign_in()
    amo.rotate_elsewhere()
    assert caller.call("GET", "account").status_code == 401
    assert caller.token(refresh_token=pair["refresh_token"]).json()["hint"] == "Token has been revoked"


def test_a_disposable_token_is_signed_by_the_client_secret(amo: AmoDouble, caller: Caller):
    told = amo.disposable_token()
    said, _, signature = told["token"].rpartition(".")
    signed = hmac.digest(amo.client_secret.encode(), said.encode(), hashlib.sha256)
    assert signature == base64.urlsafe_b64encode(signed).decode().rstrip("=")
    assert told["claims"]["aud"] == "http://127.0.0.1:8000"
    assert told["claims"]["exp"] - told["claims"]["iat"] == 1800
