"""Every open point about Jivo's webhooks, played in each way it may turn out (contract on Jivo, sections 10, 11)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.doubles.jivo_switches import EMOJI_TEXT, HTML_TEXT, MARK_WITH_BARS, OTHER_TERM, SESSION, SWITCHES
from tests.doubles.stage import OK, Stage, on_stage, whole
from tests.factories import make_visit
from webapp.models import Communication, EventState, utc_now
from webapp.vendors import registry

#: When the chats of these tests ended, unix seconds; a moment of the past, so that "future" is one.
AT = 1_790_000_000

#: The last message of the stand-in's chat, and its mark with quotes in it.
LAST = "Да, дизайнер приедет с образцами."
CONTENT = '"тюль" & портьера'

Check = Callable[[Communication], None]


def kept(chat: Communication) -> None:
    """The text is damaged beyond repair; the rest is there."""
    assert (chat.contact_phone, chat.message_count, chat.started_at.timestamp()) == ("+79000000101", 4, AT - 300)


def token(kind: str | None, visit: str | None = None) -> Check:
    """What the token was taken for, and the session in it."""

    def check(chat: Communication) -> None:
        found = chat.clues.get("token") or {"kind": None, "visit": None}
        assert (found["kind"], found["visit"]) == (kind, visit)
        assert chat.rule == ("visit" if visit else "none")
        whole(chat)

    return check


def mark(key: str, value: str) -> Check:
    """A mark as its author wrote it."""

    def check(chat: Communication) -> None:
        assert chat.utm[key] == value
        assert chat.utm["campaign"] == "шторы москва"

    return check


def said(number: int, last: str, *, sender: str = "visitor", author: str | None = "Мария") -> Check:
    """So many messages, and the last of them."""

    def check(chat: Communication) -> None:
        assert chat.message_count == len(chat.messages) == number
        assert (chat.messages[-1]["from"], chat.messages[-1]["author"]) == (sender, author)
        assert chat.messages[-1]["text"] == last

    return check


def untimed(chat: Communication) -> None:
    """Times that cannot be: the arrival stands for the beginning, and the text is whole."""
    assert abs(chat.started_at - utc_now()) < timedelta(minutes=1)
    assert [row["at"] for row in chat.messages] == [None] * 4


def no_messages(chat: Communication) -> None:
    """An empty chat is a chat: its contact is worth something."""
    assert (chat.message_count, chat.messages, chat.contact_phone) == (0, [], "+79000000101")


def at_once(chat: Communication) -> None:
    """All messages at one moment, in the order in which they were told."""
    assert chat.started_at == chat.finished_at
    said(4, LAST, sender="operator", author="Анна")(chat)


def either_term(chat: Communication) -> None:
    """Two search words, each from another field: one of them, whole."""
    assert chat.utm["term"] in ("шторы блэкаут", OTHER_TERM)


def by_agents(employee: str | None) -> Check:
    """Who is named as the operator in the messages."""

    def check(chat: Communication) -> None:
        assert chat.messages[1]["author"] == employee
        assert chat.messages[1]["from"] == "operator"

    return check


def off_site(name: str) -> Check:
    """Nothing of a website, whose absence hurts nothing."""

    def check(chat: Communication) -> None:
        assert (chat.contact_name, chat.contact_phone, chat.message_count) == (name, "+79000000101", 4)
        assert (chat.channel, chat.utm) == (None, {})

    return check


#: What a finished chat must become under each value of each switch that changes its body.
BODIES: dict[str, dict[str, Check]] = {
    "content_type": dict.fromkeys(SWITCHES["content_type"], whole),
    "body_prefix": dict.fromkeys(SWITCHES["body_prefix"], whole),
    "encoding": {"utf-8": whole, "escapes": whole, "bom": whole, "invalid": kept, "cp1251": kept},
    "id_types": dict.fromkeys(SWITCHES["id_types"], whole),
    "none_style": dict.fromkeys(SWITCHES["none_style"], whole),
    "token": {
        "absent": token(None),
        "null": token(None),
        "own": token("own", SESSION),
        "cookie": token("comagic_cookie", SESSION),
        "pairs": token("credentials", SESSION),
        "# pairs": token("credentials", SESSION),
        "json": token("json", SESSION),
        "digits": token("digits"),
        "jwt": token("jwt", SESSION),
        "::": token("foreign"),
        "4 KB": token("too_long"),
        "empty": token(None),
    },
    "term_key": {
        "term": mark("term", "шторы блэкаут"),
        "keyword": mark("term", "шторы блэкаут"),
        "both": mark("term", "шторы блэкаут"),
        "different": either_term,
    },
    "utm_encoding": {
        **dict.fromkeys(SWITCHES["utm_encoding"], mark("content", CONTENT)),
        "bars": mark("content", MARK_WITH_BARS),
    },
    "channel_fields": {"website": whole, "messenger": off_site("Мария"), "chat api": off_site("Мария")},
    "timestamps": {
        "seconds": whole,
        "unordered": whole,
        "equal": at_once,
        "future": untimed,
        "zero": untimed,
        "milliseconds": whole,
        "event_timestamp": whole,
        "implausible event_timestamp": whole,
    },
    "messages": {
        "normal": said(4, LAST, sender="operator", author="Анна"),
        "empty": no_messages,
        "visitor only": said(2, "2,6 метра. Замер бесплатный?"),
        "agent only": said(2, LAST, sender="operator", author="Анна"),
        "unknown type": said(5, "Вас ждёт оператор", sender="system", author="bot"),
        "unknown agent": said(5, "Подключаюсь", sender="operator", author=None),
        "empty text": said(5, ""),
        "no text": said(5, ""),
        "html": said(5, HTML_TEXT),
        "emoji": said(5, EMOJI_TEXT),
        "100 kB": said(5, ("штора " * 9_500).strip()),
        "2000": said(2000, "сообщение 1999"),
    },
    "agents": {
        "one": by_agents("Анна"),
        "none": by_agents(None),
        "several": by_agents("Анна"),
        "without e-mail": by_agents("Анна"),
        "string ids": by_agents("Анна"),
    },
}

#: Switches of another kind: of other bodies, or of how a body is sent. Each has a test of its own below.
OTHERS = {"attributes", "crm_envelope", "timeout_s", "retries", "time_factor", "retry_on", "disable_after_failures"}


@pytest.fixture
def stage(server: str, session: Session) -> Iterator[Stage]:
    with on_stage(server, session) as stage:
        yield stage


def test_no_switch_and_no_value_is_left_out():
    assert set(BODIES) | OTHERS == set(SWITCHES)
    assert {name: tuple(checks) for name, checks in BODIES.items()} == {name: SWITCHES[name] for name in BODIES}


@pytest.mark.parametrize("switch", BODIES)
def test_a_finished_chat_is_understood_however_it_is_sent(stage: Stage, switch: str):
    make_visit(
        stage.session,
        stage.integration.account,
        SESSION,
        started_at=utc_now().fromtimestamp(AT - 900, utc_now().tzinfo),
    )
    for number, value in enumerate(BODIES[switch], 1):
        result = stage.send(chat=number, at=AT, switches={switch: value})
        assert (result["status"], result["answer"]) == (200, OK), value
    chats = {chat.vendor_id: chat for chat in stage.communications()}
    assert sorted(chats, key=int) == [str(number) for number in range(1, len(BODIES[switch]) + 1)]
    assert {event.state for event in stage.events()} == {EventState.DONE}
    for number, (value, check) in enumerate(BODIES[switch].items(), 1):
        try:
            check(chats[str(number)])
        except AssertionError as error:
            raise AssertionError(f"{switch} = {value}: {error}") from error


def test_the_senders_own_id_behind_a_name_is_shown_apart(stage: Stage):
    """J-04: Chat API channels hide it there."""
    stage.send(switches={"channel_fields": "chat api"})
    assert stage.communication().details["external_id"] == "12345"


@pytest.mark.parametrize("value", SWITCHES["attributes"])
def test_attributes_are_taken_in_any_form_even_in_the_vendors_invalid_one(stage: Stage, value: str):
    """J-10: the vendor's own sample is not JSON; it is kept as it came."""
    result = stage.send(template="client_attribute_updated", switches={"attributes": value})
    [event] = stage.events()
    assert (result["answer"], event.event_name) == (OK, "client_attribute_updated")
    assert (event.state, event.note) == (("ignored", "not_json") if value == "invalid" else ("done", None))
    assert event.body == stage.deliveries()[0]["body"]


@pytest.mark.parametrize("value", SWITCHES["crm_envelope"])
def test_a_crm_webhook_at_this_address_is_known_for_what_it_is(stage: Stage, value: str):
    """J-10: it tells of no chat, and its samples are not JSON either."""
    result = stage.send(template="crm_client", switches={"crm_envelope": value})
    [event] = stage.events()
    assert (result["answer"], event.event_name, event.state) == (OK, "updated_client", "ignored")
    assert event.note == ("not_json" if value == "double braces" else "crm_event")
    assert stage.communications() == []


@pytest.mark.parametrize("timeout", SWITCHES["timeout_s"])
def test_an_answer_too_late_for_the_sender_makes_a_repeat_and_no_second_chat(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, timeout: int
):
    """J-02: a slow network after the event is on disk; whoever waits long enough sends it once."""
    vendor = registry()["jivo"]
    quick = vendor.answer
    calls: list[float] = []

    def slow() -> Any:
        calls.append(time.monotonic())
        if len(calls) == 1:
            time.sleep(1.4)
        return quick()

    monkeypatch.setattr(vendor, "answer", slow, raising=False)
    stage.send(at=AT, chat=1, switches={"timeout_s": timeout, "retries": 2, "retry_on": "5xx and timeout"})
    told = [(one["status"], one["error"]) for one in stage.deliveries()]
    assert told == ([(None, "timeout"), (200, None)] if timeout == 1 else [(200, None)])
    [event] = stage.events()
    assert event.repeats == len(told) - 1
    whole(stage.communication())


def test_a_good_answer_is_never_asked_for_again_and_a_refusal_stores_nothing(stage: Stage):
    """J-02: whatever makes Jivo repeat, ``result`` is ok in every answer, and a 404 stays one."""
    for policy, retries in itertools.product(SWITCHES["retry_on"], SWITCHES["retries"]):
        before = len(stage.deliveries())
        switches = {"retries": retries, "retry_on": policy, "time_factor": 0.001}
        stage.send(switches=switches)
        assert len(stage.deliveries()) == before + 1
        stage.send(url=f"{stage.server}/hooks/jivo/wrong", switches=switches)
        refused = [delivery["status"] for delivery in stage.deliveries()[before + 1 :]]
        assert refused == [404] * (1 + (retries if policy in ("also 4xx", "also not ok") else 0))
    assert len(stage.events()) == len(stage.communications()) == 12


@pytest.mark.parametrize("after", [*SWITCHES["disable_after_failures"], 2])
def test_a_sender_that_gives_up_after_refusals_is_heard_again_at_the_right_address(stage: Stage, after: Any):
    """What Jivo does with an address that keeps failing is unknown; the right one must not suffer from it."""
    switches = {"disable_after_failures": after}
    wrong = [stage.send(url=f"{stage.server}/hooks/jivo/wrong", switches=switches) for _ in range(3)]
    assert [one["error"] for one in wrong] == [None, None, "disabled" if after == 2 else None]
    assert stage.send(at=AT, chat=1, switches=switches)["answer"] == OK
    whole(stage.communication())
