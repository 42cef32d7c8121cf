"""The amoCRM stand-in's hooks, by the contract's section 2: their bytes, their order, and how often they are tried."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
import requests

from .amocrm import AmoDouble
from .amocrm_caller import Caller, Receiver
from .amocrm_http import Reply, Request
from .amocrm_php import EMOJI_TEXT
from .server import Refused

SAMPLES = Path(__file__).parents[1] / "payloads" / "amocrm"
CHAT = "33b41601-7ed1-443b-9108-6938ae6b7935"
EVERYTHING = ["add_talk", "update_talk", "add_message", "add_lead", "update_lead", "delete_lead", "add_contact"]


@pytest.fixture
def amo() -> Iterator[AmoDouble]:
    with AmoDouble() as double:
        double.configure({"clock": {"set": 1_726_581_298}})
        yield double


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


@pytest.fixture
def caller(amo: AmoDouble) -> Caller:
    one = Caller(amo)
    one.sign_in()
    return one


def subscribe(caller: Caller, receiver: Receiver, *settings: str) -> dict[str, Any]:
    order = {"destination": receiver.url, "settings": list(settings or EVERYTHING)}
    answer = caller.call("POST", "webhooks", order)
    assert answer.status_code == 201, answer.text
    return answer.json()


def switch(amo: AmoDouble, **switches: Any) -> None:
    amo.configure({"switches": switches})


def sample(name: str) -> bytes:
    return (SAMPLES / f"hook_{name}.urlencoded.txt").read_bytes()


def at(amo: AmoDouble, moment: int) -> None:
    amo.configure({"clock": {"set": moment}})


def sample_talk(amo: AmoDouble, talk: int = 191, chat: str = CHAT, origin: str = "telegram") -> None:
    """The talk of Kommo's samples."""
    amo.update_tenant({"link": "https://example.amocrm.ru", "subdomain": "example"})
    if 11018118 not in amo.state.tenant().contacts:
        amo.create_contact("user name", contact=11018118)
        amo.create_lead(lead=9276114, contacts=[11018118])
    amo.create_talk(9276114, talk=talk, chat_id=chat, origin=origin)


def test_the_life_of_a_talk_is_told_as_the_samples_are(amo: AmoDouble, caller: Caller, receiver: Receiver):
    subscribe(caller, receiver, "add_talk", "update_talk")
    sample_talk(amo, chat="33b41601-7ed1-333ff2-9108-6938ae6b7935")
    amo.update_talk(191, {"chat_id": CHAT}, tell=False)
    at(amo, 1_726_581_487)
    amo.answer_talk(191)
    at(amo, 1_726_581_548)
    amo.close_talk(191)
    switch(amo, hook_talk="no entity")
    amo.close_talk(191)
    switch(amo, hook_talk="plain")
    at(amo, 1_726_581_700)
    amo.rate_talk(191, 5)
    names = ("talk_add", "talk_update_answered", "talk_update_closed", "talk_update_closed_no_entity")
    assert receiver.bodies == [sample(name) for name in (*names, "talk_update_closed_rated_later")]


def test_two_talks_in_one_request_are_told_as_the_sample_is(amo: AmoDouble, caller: Caller, receiver: Receiver):
    subscribe(caller, receiver, "update_talk")
    sample_talk(amo)
    sample_talk(amo, talk=192, origin="onlinechat")
    at(amo, 1_726_581_548)
    switch(amo, delivery="hold")
    amo.close_talk(191)
    amo.close_talk(192)
    assert receiver.bodies == []
    amo.flush_hooks(joined=True)
    assert receiver.bodies == [sample("talk_update_two_items")]


def test_a_message_is_told_as_the_sample_is(amo: AmoDouble, caller: Caller, receiver: Receiver):
    subscribe(caller, receiver, "add_message")
    sample_talk(amo, chat="33b41601-443b-9108-6938ae6b7935")
    picture = "https://amojo.kommo.com/attachments/profiles/a6c9-24b1bc7368f6/file-0_128x128.jpg"
    author = {"id": "e1ec058c-7efb-4b59-24b1bcesdf3168f6", "type": "external", "name": "user name"}
    amo.message(
        191,
        "Hello!",
        author={**author, "avatar_url": picture},
        message_id="660b5b93-4ead-ac38-3797c062146c",
        created_at=1_726_581_295,
    )
    assert receiver.bodies == [sample("message_add_incoming")]


def test_a_hook_has_the_observed_headers(amo: AmoDouble, caller: Caller, receiver: Receiver):
    subscribe(caller, receiver)
    sample_talk(amo)
    headers = receiver.requests[-1].headers
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["user-agent"] == "amoCRM-Webhooks/3.0"
    assert headers["content-length"] == str(len(receiver.bodies[-1]))
    assert len({one.headers["x-amocrm-requestid"] for one in receiver.requests}) == len(receiver.requests)


def test_only_what_was_asked_for_is_told_and_nothing_to_a_deleted_hook(
    amo: AmoDouble, caller: Caller, receiver: Receiver
):
    subscribe(caller, receiver, "update_talk")
    sample_talk(amo)
    assert receiver.bodies == []
    amo.close_talk(191)
    assert len(receiver.bodies) == 1
    assert caller.call("DELETE", "webhooks", {"destination": receiver.url}).status_code == 204
    amo.reopen_talk(191)
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("full", ["account[subdomain]", "account[id]", "account[_links][self]"]),
        ("subdomain only", ["account[subdomain]"]),
        ("absent", []),
    ],
)
def test_the_account_block(amo: AmoDouble, caller: Caller, receiver: Receiver, block: str, told: list[str]):
    subscribe(caller, receiver, "add_talk")
    switch(amo, hook_account=block)
    sample_talk(amo)
    keys = [key for key, _value in parse_qsl(receiver.bodies[0].decode())]
    assert [key for key in keys if key.startswith("account")] == told


def test_the_account_may_be_another(amo: AmoDouble, caller: Caller, receiver: Receiver):
    other = amo.create_tenant("other")["id"]
    subscribe(caller, receiver, "add_talk")
    switch(amo, hook_account="other tenant")
    sample_talk(amo)
    assert dict(parse_qsl(receiver.bodies[0].decode()))["account[id]"] == str(other)


def test_a_body_may_be_huge_or_strange(amo: AmoDouble, caller: Caller, receiver: Receiver):
    subscribe(caller, receiver, "add_talk")
    for talk, kind in enumerate(("3000 fields", "2 MB", "cyrillic and emoji"), 300):
        switch(amo, hook_padding=kind)
        sample_talk(amo, talk)
    many, large, strange = receiver.bodies
    assert len(parse_qsl(many.decode())) > 3000
    assert len(large) > 2_000_000
    assert EMOJI_TEXT in dict(parse_qsl(strange.decode())).values()
    assert all(dict(parse_qsl(one.decode()))["talk[add][0][talk_id]"] for one in receiver.bodies)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ("list of objects", {"[0][value]": "7"}),
        ("list of scalars", {"[0]": "7"}),
        ("single object", {"[value]": "7"}),
        ("null string", {"": "null"}),
    ],
)
def test_custom_fields_have_three_shapes(
    amo: AmoDouble, caller: Caller, receiver: Receiver, shape: str, told: dict[str, str]
):
    subscribe(caller, receiver, "add_lead")
    switch(amo, hook_values=shape)
    amo.create_lead(fields={str(amo.create_field()["id"]): 7})
    pairs = dict(parse_qsl(receiver.bodies[0].decode()))
    start = "leads[add][0][custom_fields][0][values]"
    assert {key.removeprefix(start): value for key, value in pairs.items() if key.startswith(start)} == told


def test_a_deletion_may_be_a_bare_id(amo: AmoDouble, caller: Caller, receiver: Receiver):
    subscribe(caller, receiver, "delete_lead")
    lead = amo.create_lead()["id"]
    amo.delete_lead(lead)
    switch(amo, hook_delete="bare id")
    amo.delete_lead(lead)
    first, second = (unquote(one.decode()) for one in receiver.bodies)
    assert f"leads[delete][0][id]={lead}" in first
    assert second.endswith(f"leads[delete]={lead}")


def test_held_hooks_come_in_any_order(amo: AmoDouble, caller: Caller, receiver: Receiver):
    subscribe(caller, receiver, "add_talk", "update_talk")
    switch(amo, delivery="hold")
    sample_talk(amo)
    amo.close_talk(191)
    amo.flush_hooks("reversed")
    assert [b"talk%5Bupdate" in one for one in receiver.bodies] == [True, False]
    switch(amo, delivery="lost")
    amo.reopen_talk(191)
    assert amo.flush_hooks() == {"deliveries": []}
    assert len(receiver.bodies) == 2


@pytest.mark.parametrize(("duplicates", "ids"), [("twice", 2), ("parallel", 2)])
def test_a_request_may_come_twice(amo: AmoDouble, caller: Caller, receiver: Receiver, duplicates: str, ids: int):
    subscribe(caller, receiver, "add_talk")
    switch(amo, hook_duplicates=duplicates)
    sample_talk(amo)
    first, second = receiver.requests
    assert first.body == second.body
    assert first.headers["x-amocrm-requestid"] != second.headers["x-amocrm-requestid"]
    switch(amo, hook_request_id="same")
    sample_talk(amo, 192)
    assert len({one.headers["x-amocrm-requestid"] for one in receiver.requests[2:]}) == 1


def test_a_hook_is_tried_five_times_within_95_minutes(amo: AmoDouble, caller: Caller, receiver: Receiver):
    subscribe(caller, receiver, "add_talk")
    receiver.answers = [500, 500, 502, 499, 500, 500]
    sample_talk(amo)
    for number, pause in enumerate((300, 900, 900, 3600), 2):
        amo.configure({"clock": {"advance": pause - 1}})
        time.sleep(0.1)
        assert len(receiver.requests) == number - 1
        amo.configure({"clock": {"advance": 1}})
        receiver.wait(number)
        amo.settle(retries=False)
    amo.configure({"clock": {"advance": 100_000}})
    assert amo.settle() == {"deliveries": 5}
    assert len(set(receiver.bodies)) == 1
    assert [one.parcel.attempt for one in amo.deliveries] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("answers", "attempts"),
    [
        *(([404] * 9, 3), ([302] * 9, 3), ([500, 404, 404, 404], 3), ([503, 503, 503, 404, 500], 4)),
        *(([503] * 9, 5), ([400, 201], 2), ([299], 1)),
    ],
)
def test_attempts_end_as_the_answers_say(
    amo: AmoDouble, caller: Caller, receiver: Receiver, answers: list[int], attempts: int
):
    amo.configure({"clock": None})
    caller.sign_in()
    subscribe(caller, receiver, "add_talk")
    switch(amo, time_factor=0.0001)
    receiver.answers = list(answers)
    sample_talk(amo)
    assert amo.settle() == {"deliveries": attempts}


def test_an_answer_after_two_seconds_is_a_failure(amo: AmoDouble, caller: Caller, receiver: Receiver):
    subscribe(caller, receiver, "add_talk")
    assert amo.switches["hook_timeout_s"] == 2
    switch(amo, hook_timeout_s=0.2, hook_retries="off")

    def late(_request: Request) -> Reply:
        time.sleep(5)
        return Reply(200)

    receiver.answers = [late]
    sample_talk(amo)
    assert (amo.deliveries[-1].outcome.code, amo.deliveries[-1].outcome.error) == (499, "timeout")


def test_a_hundred_and_one_bad_answers_in_two_hours_switch_a_hook_off(
    amo: AmoDouble, caller: Caller, receiver: Receiver
):
    hook = subscribe(caller, receiver, "update_talk")
    switch(amo, hook_retries="off", rate_limit=0)
    sample_talk(amo)
    receiver.answers = [404] * 101
    for _ in range(100):
        amo.update_talk(191, {})
    [told] = caller.get("webhooks")["_embedded"]["webhooks"]
    assert told["disabled"] is False
    amo.update_talk(191, {})
    [told] = caller.get("webhooks")["_embedded"]["webhooks"]
    assert told["disabled"] is True
    amo.update_talk(191, {})
    assert len(receiver.requests) == 101

    assert subscribe(caller, receiver, "update_talk")["disabled"] is True
    switch(amo, post_enables=True)
    assert subscribe(caller, receiver, "update_talk") == {**told, "disabled": False}
    amo.update_talk(191, {})
    assert len(receiver.requests) == 102
    amo.enable_hook(hook["id"])


def test_bad_answers_of_long_ago_do_not_count(amo: AmoDouble, caller: Caller, receiver: Receiver):
    subscribe(caller, receiver, "update_talk")
    switch(amo, hook_retries="off")
    sample_talk(amo)
    receiver.answers = [404] * 150
    for _ in range(75):
        amo.update_talk(191, {})
    amo.configure({"clock": {"advance": 7201}})
    for _ in range(75):
        amo.update_talk(191, {})
    assert len(receiver.requests) == 150


@pytest.mark.parametrize(
    ("nps", "flags"),
    [("off", ["0", "0"]), ("is_in_work 1", ["1", "0"]), ("is_in_work 0", ["0", "0"])],
)
def test_the_mark_of_the_client(amo: AmoDouble, caller: Caller, receiver: Receiver, nps: str, flags: list[str]):
    subscribe(caller, receiver, "update_talk")
    switch(amo, nps=nps)
    sample_talk(amo)
    amo.close_talk(191)
    amo.rate_talk(191, 4)
    told = [dict(parse_qsl(one.decode())) for one in receiver.bodies]
    assert [one["talk[update][0][is_in_work]"] for one in told] == flags
    assert [one["talk[update][0][rate]"] for one in told] == ["0", "4"]


def test_a_hook_of_ones_own_goes_anywhere_on_this_machine(amo: AmoDouble, receiver: Receiver):
    with pytest.raises(Refused):
        amo.send_hook(tree={})
    amo.send_hook(f"{receiver.url}/wrong", {"talk": {"update": [{"talk_id": 1}]}}, times=3, parallel=True)
    assert len(receiver.requests) == 3
    assert {one.path for one in receiver.requests} == {"/hooks/secret/wrong"}
    amo.send_hook(receiver.url, body="a[b", headers={"content-type": "text/plain"})
    assert (receiver.bodies[-1], receiver.requests[-1].headers["content-type"]) == (b"a[b", "text/plain")
    outside = amo.send_hook("https://example.com/hook", body="a")["deliveries"][0]
    assert (outside["code"], "not of this machine" in outside["error"]) == (0, True)


def test_a_public_address_is_reached_where_the_test_says(amo: AmoDouble, caller: Caller, receiver: Receiver):
    public = "https://leadtrail.example/hooks/secret"
    answer = caller.call("POST", "webhooks", {"destination": public, "settings": ["add_talk"]})
    assert answer.json()["destination"] == public
    amo.configure({"reached_at": {"https://leadtrail.example": receiver.url.removesuffix("/hooks/secret")}})
    sample_talk(amo)
    assert [one.path for one in receiver.requests] == ["/hooks/secret"]


def test_hooks_suffer_by_chance_and_all_arrive(amo: AmoDouble, caller: Caller, receiver: Receiver):
    amo.configure({"clock": None})
    caller.sign_in()
    subscribe(caller, receiver, "add_talk")
    switch(amo, time_factor=0.0001)
    odds = {"duplicate": 0.2, "delayed": 0.2, "half body": 0.2, "lost answer": 0.2}
    amo.configure({"chaos": {"seed": 3, "on": {"hook": odds}}})
    for talk in range(1000, 1050):
        sample_talk(amo, talk)
    amo.settle()
    told = [dict(parse_qsl(one.decode())).get("talk[add][0][talk_id]") for one in receiver.bodies]
    assert set(told) >= {str(talk) for talk in range(1000, 1050)}
    assert len(told) > 50
    assert told != sorted(told, key=str)
    ends = {one.outcome.error for one in amo.deliveries}
    assert {None, "half body", "lost answer"} <= ends


def test_the_control_surface_does_and_tells_the_same(amo: AmoDouble, caller: Caller, receiver: Receiver):
    subscribe(caller, receiver, "add_talk")

    def control(name: str, **order: Any) -> Any:
        return requests.post(f"{amo.url}/_control/{name}", json=order, timeout=5)

    lead = control("create_lead", contacts=[control("create_contact").json()["id"]]).json()["id"]
    told = control("create_talk", lead=lead, origin="onlinechat").json()
    assert [one["code"] for one in told["deliveries"]] == [200]
    deliveries = requests.get(f"{amo.url}/_control/deliveries", timeout=5).json()["deliveries"]
    assert deliveries == told["deliveries"]
    assert control("close_talk", talk=1).status_code == 400
    assert control("close_talk", speed=1).status_code == 400
    assert control("config", switches={"nps": "maybe"}).status_code == 400
    assert control("told_state").status_code == 404
    state = requests.get(f"{amo.url}/_control/state", timeout=5).json()
    assert state["tenants"][str(amo.tenant_id)]["talks"][str(told["id"])]["origin"] == "onlinechat"
    control("reset")
    assert requests.get(f"{amo.url}/_control/deliveries", timeout=5).json() == {"deliveries": []}
