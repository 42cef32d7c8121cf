"""Each way in which a call may fail is put into one class (dataapi §4)."""

from __future__ import annotations

import json

import pytest
import requests

from tests.doubles.broken import Broken, trusting
from webapp.cabinets.dataapi import client, failures, hosts, words
from webapp.cabinets.dataapi.failures import Failure, Kind
from webapp.cabinets.dataapi.masking import masked_answer, masked_request
from webapp.http import Client, Refused


def error(mnemonic: str, code: int, **more: object) -> bytes:
    """An answer with this error."""
    data = {"mnemonic": mnemonic, **more}
    return json.dumps({"jsonrpc": "2.0", "id": "ours", "error": {"code": code, "message": "m", "data": data}}).encode()


@pytest.mark.parametrize(
    ("mnemonic", "code", "kind", "account_wide"),
    [
        ("access_token_expired", -32001, Kind.STOP, True),
        ("access_token_blocked", -32001, Kind.STOP, True),
        ("access_token_invalid", -32001, Kind.STOP, True),
        ("auth_error", -32001, Kind.STOP, True),
        ("ip_not_whitelisted", -32003, Kind.STOP, True),
        ("account_inactive", -32009, Kind.STOP, True),
        ("forbidden", -32003, Kind.STOP, False),
        ("forbidden", -32602, Kind.ITEM, False),
        ("method_component_disabled", -32008, Kind.STOP, False),
        ("parameter_component_disabled", -32008, Kind.STOP, False),
        ("method_not_found", -32601, Kind.STOP, False),
        ("limit_exceeded", -32029, Kind.LIMIT, False),
        ("internal_error", -32603, Kind.LATER, False),
        ("duplicate_entity", -32602, Kind.DONE, False),
        ("data_type_error", -32602, Kind.ITEM, False),
        ("unexpected_parameters", -32602, Kind.ITEM, False),
        ("campaign_is_inactive", -32602, Kind.ITEM, False),
        ("never_heard_of", -32602, Kind.ITEM, False),
        ("never_heard_of", -32001, Kind.STOP, True),
        ("never_heard_of", -32029, Kind.LIMIT, False),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_the_mnemonic_decides_whatever_the_status(mnemonic, code, kind, account_wide, status):
    """U-01."""
    with pytest.raises(Failure) as failed:
        client._read(status, error(mnemonic, code), "ours")
    assert (failed.value.kind, failed.value.account_wide) == (kind, account_wide)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", Kind.UNKNOWN),
        (200, b"<html>", Kind.UNKNOWN),
        (200, b'{"jsonrpc": "2.0", "id": "ours"', Kind.UNKNOWN),
        (200, b'{"jsonrpc": "2.0", "id": "theirs", "result": {"data": []}}', Kind.UNKNOWN),
        (200, b'{"jsonrpc": "2.0", "id": null, "result": {"data": []}}', Kind.UNKNOWN),
        (200, b"[]", Kind.UNKNOWN),
        (502, b"<html>", Kind.UNKNOWN),
        (503, b"", Kind.UNKNOWN),
        (429, b"", Kind.LIMIT),
        (403, b"<html>", Kind.STOP),
        (401, b"", Kind.STOP),
        (404, b"", Kind.STOP),
        (302, b"", Kind.STOP),
        (400, b"", Kind.LATER),
    ],
)
def test_an_answer_that_is_no_reply_is_judged_by_its_status(status, body, kind):
    with pytest.raises(Failure) as failed:
        client._read(status, body, "ours")
    assert failed.value.kind is kind


def test_an_error_without_an_id_is_ours():
    """§4: the id of an error may be null."""
    body = json.loads(error("limit_exceeded", -32029, metadata={"limits": {"minute_reset": 7, "day_limit": True}}))
    with pytest.raises(Failure) as failed:
        client._read(200, json.dumps(body | {"id": None}).encode(), "ours")
    assert failed.value.limits == {"minute_reset": 7}


@pytest.mark.parametrize("name", ["metadata", "meta_data"])
def test_both_spellings_of_the_metadata_are_read(name):
    body = {"id": "ours", "result": {"data": [{"id": 1}], name: {"limits": {"day_remaining": 5}, "total_items": 1}}}
    reply = client._read(200, json.dumps(body).encode(), "ours")
    assert (reply.limits, reply.total, reply.rows) == ({"day_remaining": 5}, 1, [{"id": 1}])


def test_a_host_that_is_not_listed_is_never_spoken_to():
    api = client.Api("https://evil.example/v2.0", "key", Client(hosts.HOSTS))
    with pytest.raises(Failure) as failed:
        api.call("get.account", {})
    assert failed.value.mnemonic == "wrong_host"
    assert failures.of_exception(Refused("x")).kind is Kind.STOP


def test_what_was_never_connected_was_never_sent():
    with pytest.raises(Failure) as failed:
        client.Api("http://127.0.0.1:9/v2.0", "key", Client(extra=["127.0.0.1:9"])).call("upload.chats", {})
    assert failed.value.kind is Kind.LATER
    assert failures.of_exception(requests.ReadTimeout()).kind is Kind.UNKNOWN
    assert failures.of_exception(requests.exceptions.SSLError("in the middle of an answer")).kind is Kind.UNKNOWN
    assert failures.of_exception(requests.ConnectionError("reset")).kind is Kind.UNKNOWN


@pytest.mark.parametrize("how", ["garbage", "reset", "close"])
@pytest.mark.parametrize("when", ["before answer", "in body"])
def test_tls_that_breaks_while_the_answer_is_read_leaves_the_outcome_unknown(monkeypatch, how: str, when: str):
    """The upload was heard: sent again without a look it would be there twice."""
    with Broken(f"tls {how} {when}") as vendor, trusting(monkeypatch, vendor):
        with pytest.raises(Failure) as failed:
            client.Api(vendor.url, "key", Client(extra=[vendor.address])).call("upload.chats", {})
        assert vendor.heard.wait(5)
    assert failed.value.kind is Kind.UNKNOWN


def test_tls_that_was_never_agreed_on_sent_nothing():
    with Broken("tls close before answer") as vendor, pytest.raises(Failure) as failed:
        client.Api(vendor.url, "key", Client(extra=[vendor.address])).call("upload.chats", {})
    assert failed.value.kind is Kind.LATER


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://dataapi.uiscom.ru/v2.0", "https://dataapi.uiscom.ru/v2.0"),
        ("dataapi.comagic.ru", "https://dataapi.comagic.ru/v2.0"),
        ("https://DATAAPI.callgear.com/v2.0/", "https://dataapi.callgear.com/v2.0"),
        ("http://127.0.0.1:9300/v2.0", "http://127.0.0.1:9300/v2.0"),
    ],
)
def test_known_addresses_are_cleaned(text, address):
    assert hosts.clean_address(text, ["127.0.0.1:9300"]) == address


@pytest.mark.parametrize(
    "text",
    [
        "http://dataapi.uiscom.ru/v2.0", "https://dataapi.uiscom.ru:8443/v2.0", "https://evil.example", "",
        "https://dataapi.uiscom.ru@evil.example/", "ftp://dataapi.uiscom.ru", "http://127.0.0.1:9301", "http://[::1",
        "https://dataapi.uiscom.ru.evil.example/v2.0",
    ],
)  # fmt: skip
def test_others_are_refused(text):
    """DESIGN §9: plain http for stand-ins alone."""
    with pytest.raises(ValueError, match="not"):
        hosts.clean_address(text, ["127.0.0.1:9300"])


def test_our_address_is_taken_from_the_refusal(app):
    """§4: ip_not_whitelisted names it."""
    for failure in (
        Failure(Kind.STOP, "ip_not_whitelisted", "Your IP 203.0.113.7 is not whitelisted"),
        Failure(Kind.STOP, "ip_not_whitelisted", params={"ip": "203.0.113.7"}),
    ):
        assert failure.facts["ip"] == "203.0.113.7"
        assert "203.0.113.7" in words.stop(failure.facts).repair


def test_what_is_kept_of_a_call_has_no_key_and_nothing_personal():
    """DESIGN §9."""
    secret = {
        "chats": [
            {"name": "Мария", "phone": "79161234567", "email": "m@mail.example", "ext_id": "lt-1", "campaign_id": 7,
             "messages": [{"message": "Мой номер 8 916 123-45-67", "source": "visitor"}]}
        ]
    }  # fmt: skip
    kept = masked_request("upload.chats", secret)
    answer = masked_answer(error("invalid_parameter_value", -32602, value="79161234567", field="phone").decode())
    for text in (kept, answer):
        assert not any(one in text for one in ("Мария", "79161234567", "m@mail.example", "916"))
    assert '"ext_id": "lt-1"' in kept
    assert '"campaign_id": 7' in kept
    assert "invalid_parameter_value" in answer
