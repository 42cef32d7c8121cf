"""Jivo's scenarios from the stand-in's socket to the rows (contract on Jivo, section 11; B3, J1-J8)."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tests.doubles.hostile import bodies
from tests.doubles.jivo_scenarios import SCENARIOS
from tests.doubles.jivo_switches import SESSION
from tests.doubles.stage import OK, Stage, on_stage, whole
from tests.factories import make_account, make_employee, make_integration, make_site, make_source, make_user, make_visit
from webapp import jobs
from webapp.models import Communication, EventState, WebhookEvent, utc_now


@pytest.fixture
def stage(server: str, session: Session) -> Iterator[Stage]:
    with on_stage(server, session) as stage:
        yield stage


@pytest.mark.parametrize("name", ["accepted_updated_finished", "finished_first", "updated_after_finished"])
def test_the_events_of_one_chat_are_one_communication_in_any_order(stage: Stage, name: str):
    """Contract §9: any of the chat events may be the first seen, and nothing of them is lost."""
    results = stage.play(name)
    whole(stage.communication())
    assert [event.communications for event in stage.events()] == [[stage.communication()]] * len(results)


def test_an_end_without_a_beginning_is_a_chat(stage: Stage):
    """J-05."""
    stage.play("finished_only")
    whole(stage.communication())


def test_a_beginning_without_an_end_is_kept_and_closed_by_our_own_rule(stage: Stage, app):
    """J-05: the end was lost on its way."""
    stage.play("accepted_only")
    chat = stage.communication()
    assert (chat.contact_phone, chat.finished_at) == ("+79000000101", None)
    stage.session.execute(update(Communication).values(updated_at=utc_now() - timedelta(hours=25)))
    stage.session.commit()
    jobs.handlers(app)["close_idle_chats"](0)
    assert stage.communication().finished_at is not None


def test_the_same_end_twice_is_stored_once_and_counted(stage: Stage):
    stage.play("finished_twice")
    whole(stage.communication())
    [event] = stage.events()
    assert event.repeats == 1


def test_the_same_end_many_times_in_parallel_is_stored_once(stage: Stage):
    results = stage.play("finished_twice_in_parallel")
    whole(stage.communication())
    assert Counter(event.repeats + 1 for event in stage.events()) == {8: 2}
    assert len(results) == 16


def test_a_reopened_chat_is_merged(stage: Stage):
    """J-06: the second end tells more messages."""
    stage.play("reopened")
    chat = stage.communication()
    assert chat.message_count == 5
    assert chat.messages[-1]["text"] == "А можно ещё тюль?"
    assert chat.finished_at == datetime.fromisoformat(chat.messages[-1]["at"])


def test_a_transferred_chat_is_one_chat_with_two_operators(stage: Stage):
    anna = make_employee(stage.session, stage.integration.account, key="anna", email="anna@shop.example")
    make_employee(stage.session, stage.integration.account, key="olga", email="olga@shop.example")
    joined = {"message": "Подключаюсь", "timestamp": int(utc_now().timestamp()), "type": "agent", "agent_id": 10102}
    stage.play("transfer")
    whole(stage.communication())
    assert stage.communication().employee_id == anna.id
    more = {"chat": 1, "visitor": 1001, "switches": {"agents": "several"}, "overrides": {"chat.messages[+]": joined}}
    stage.send(**more)
    authors = {row["author"] for row in stage.communication().messages if row["from"] == "operator"}
    assert authors == {"Анна", "Ольга"}


def test_the_same_numbers_from_two_addresses_are_two_chats(stage: Stage):
    """J-14, B10."""
    other = make_integration(stage.session, make_account(stage.session, "vasilek"), key="jivo")
    stage.play("two_endpoints", urls=[stage.hook, stage.server + other.hook_path()])
    first, second = stage.communications()
    assert (first.vendor_id, first.client) == (second.vendor_id, second.client)
    assert first.account_id != second.account_id
    whole(first)
    whole(second)


def test_offline_messages_are_one_request_each(stage: Stage):
    """With contacts and an id above 2^31; without contacts and with a small one."""
    stage.play("offline_messages")
    known, nobody = stage.communications()
    assert known.type == nobody.type == "offline_message"
    assert int(known.vendor_id) > 2**31
    assert known.contact_phone == "+79000000101"
    assert [row["text"] for row in known.messages] == ["Перезвоните, пожалуйста: нужен карниз для эркера."]
    assert (nobody.vendor_id, nobody.contact_phone, nobody.contact_email) == ("77", None, None)


def test_the_four_events_of_a_call_can_be_found_together(stage: Stage):
    stage.play("call")
    assert stage.communications() == []
    assert {(event.reference, event.note, event.state) for event in stage.events()} == {("1", "call", "ignored")}
    assert len(stage.events()) == 4


def test_nonsense_is_answered_ok_and_kept_as_it_came(stage: Stage):
    stage.play("nonsense")
    assert [event.body for event in stage.events()] == [delivery["body"] for delivery in stage.deliveries()]
    assert {event.state for event in stage.events()} == {EventState.IGNORED}
    assert [event.note for event in stage.events()] == ["unknown_event", "empty", "not_json", "not_object"]


def test_five_megabytes_are_refused(stage: Stage):
    [result] = stage.play_badly("too_large")
    assert result["status"] == 413 or result["error"] in ("ConnectionResetError", "BrokenPipeError"), result
    assert result["latency_s"] < 1
    assert stage.events() == []


def test_a_wrong_address_or_method_is_refused_and_stores_nothing(stage: Stage):
    assert [result["status"] for result in stage.play_badly("wrong_address")] == [404, 404, 405]
    assert stage.events() == []


def test_half_a_body_leaves_nothing_and_its_repeat_is_the_event(stage: Stage):
    half, again = stage.play_badly("half_body")
    assert (half["status"], again["answer"]) == (None, OK)
    [event] = stage.events()
    assert event.repeats == 0
    whole(stage.communication())


def test_an_event_whose_answer_nobody_read_is_a_duplicate_the_second_time(stage: Stage):
    stage.play_badly("dropped_answer")
    deadline = time.monotonic() + 10
    while [event.repeats for event in stage.events()] != [1]:
        assert time.monotonic() < deadline, stage.events()
        time.sleep(0.02)
    whole(stage.communication())


@pytest.mark.processes
def test_two_hundred_events_in_a_second_are_all_answered_and_kept(stage: Stage):
    """J-02. The stand-in runs alone, so that its own work does not slow the product down. How fast is for bench/."""
    command = [sys.executable, "-m", "tests.doubles.jivo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as alone:
        beside, stage.double = stage.double, alone.stdout.readline().split()[-1]
        try:
            results = stage.play_badly("burst", switches={"timeout_s": 10})
        finally:
            stage.double = beside
            alone.terminate()
    assert alone.returncode == 0
    assert Counter((result["status"], result["answer"]) for result in results) == {(200, OK): 200}
    assert len(stage.communications()) == 200


def test_a_late_delivery_is_ordered_by_what_it_tells(stage: Stage):
    stage.play("late")
    now, before = stage.communications()
    assert timedelta(hours=5) <= now.started_at - before.started_at < timedelta(hours=5, seconds=2)


def test_a_flood_after_a_day_of_silence_is_ordered_by_what_it_tells(stage: Stage):
    stage.play("gap_then_flood")
    chats = sorted(stage.communications(), key=lambda chat: chat.started_at)
    assert len(chats) == 25
    assert [int(chat.vendor_id) for chat in chats] == [1, *range(25, 1, -1)]


@pytest.mark.parametrize("name", ["token_late", "token_early", "two_tokens"])
def test_the_first_session_that_a_chat_names_decides(stage: Stage, name: str):
    """J-07, J6: whichever event tells it; of two, that of the chat's earlier stage, even if it arrives later."""
    account = stage.integration.account
    hour_ago = utc_now() - timedelta(hours=1)
    visit = make_visit(
        stage.session,
        account,
        SESSION,
        started_at=hour_ago,
        source_id=make_source(stage.session, account).id,
        site_id=make_site(stage.session, account).id,
    )
    make_visit(stage.session, account, "700000002", started_at=hour_ago)
    stage.play(name)
    chat = stage.communication()
    assert (chat.rule, chat.visit_id, chat.source_id) == ("visit", visit.id, visit.source_id)
    whole(chat)


def test_every_event_is_answered_with_ok_alone(stage: Stage):
    results = stage.play("every_event")
    assert len(results) == len(stage.events()) == 10
    assert {event.state for event in stage.events()} == {EventState.DONE, EventState.IGNORED}


def test_every_scenario_of_the_contract_is_played_here():
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in SCENARIOS if f'"{name}"' not in source] == []


def test_a_thousand_random_and_hostile_bodies_break_nothing_and_all_are_kept(stage: Stage, client, runner, session):
    """B3: never a 5xx, never a false refusal, nothing lost, nothing failed, and every page can be looked at."""
    owner = make_user(session, account=stage.integration.account)
    waiting: SimpleQueue[bytes] = SimpleQueue()
    sent = bodies(1000)
    for body in sent:
        waiting.put(body)
    answers: list[tuple[int, str]] = []
    address = urlsplit(stage.hook)

    def post() -> None:
        while not waiting.empty():
            connection = http.client.HTTPConnection(address.hostname or "", address.port or 0, timeout=60)
            connection.request("POST", address.path, waiting.get(), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answers.append((answer.status, answer.read().decode()))
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        for worker in [pool.submit(post) for _ in range(8)]:
            worker.result()

    assert Counter(answers) == {(200, OK): 1000}
    session.rollback()
    failed = session.scalars(select(WebhookEvent).where(WebhookEvent.state == EventState.FAILED)).all()
    assert [(event.error, event.body[:300]) for event in failed] == []
    assert session.scalar(select(func.sum(WebhookEvent.repeats + 1))) == 1000
    assert Counter(event.body for event in stage.events()) == dict.fromkeys(sent, 1)
    chats = stage.communications()
    assert len(chats) > 30

    client.sign_in(owner.email)
    for page in ("events", "communications"):
        shown, here = 0, f"/a/romashka/{page}"
        while here:
            listed = client.get(here)
            shown += len(listed.select("tr.row-link"))
            older = listed.select_one("a[rel=next]")
            here = older["href"] if older else None
        assert shown == len(stage.events() if page == "events" else chats)
    for event in stage.events()[::7]:
        client.get(f"/a/romashka/events/{event.id}")
    for chat in chats:
        client.get(f"/a/romashka/communications/{chat.id}")
    client.get("/a/romashka/integrations/jivo")
    for export, number in (("events", len(stage.events())), ("communications", len(chats))):
        lines = runner.invoke(args=[export, "export"]).output.splitlines()
        assert [type(json.loads(line)) for line in lines] == [dict] * number
