"""Jivo's scenarios from the stand-in's socket to the rows (contract on Jivo, section 11; B3, J1-J8)."""

from __future__ import annotations

import http.client
import json
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests
from flask import Flask
from sqlalchemy import Engine, create_engine, func, select, text, update
from sqlalchemy.event import listen, remove

from tests.databases import POSTGRESQL
from tests.doubles.hostile import TEXTS, bodies
from tests.doubles.jivo import JivoDouble
from tests.doubles.jivo_scenarios import SCENARIOS
from tests.doubles.jivo_switches import SESSION
from tests.doubles.stage import OK, Stage
from tests.factories import make_account, make_employee, make_integration, make_site, make_source, make_user, make_visit
from webapp import jobs
from webapp.extensions import db
from webapp.models import Account, Communication, EventState, Integration, WebhookEvent, utc_now


@pytest.fixture(scope="module")
def double() -> Iterator[JivoDouble]:
    with JivoDouble() as double:
        yield double


@pytest.fixture
def integration(session) -> Integration:
    account = make_account(session)
    return make_integration(session, account)


@pytest.fixture
def stage(double: JivoDouble, server: str, session, integration: Integration) -> Iterator[Stage]:
    stage = Stage(double.url, server, session, integration)
    yield stage
    stage.every_good_answer_says_ok_and_no_more()


def whole(chat: Communication) -> None:
    """Everything that the stand-in's finished chat tells is there."""
    assert chat.type == "chat"
    assert (chat.contact_name, chat.contact_phone) == ("Мария", "+79000000101")
    assert chat.contact_email == "maria@mail.example"
    assert [row["from"] for row in chat.messages] == ["visitor", "operator"] * 2
    assert chat.messages[1]["author"] == "Анна"
    assert chat.finished_at is not None
    assert chat.finished_at - chat.started_at == timedelta(seconds=270)
    assert (chat.channel, chat.utm["term"]) == ("site", "шторы блэкаут")


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
    [event] = stage.events()
    assert event.repeats == 1
    whole(stage.communication())


def test_two_hundred_events_in_a_second_are_all_answered_in_time(stage: Stage):
    assert len(stage.play("burst")) == 200
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


def test_a_thousand_random_and_hostile_bodies_break_nothing_and_all_are_kept(
    stage: Stage, client, runner, session, integration
):
    """B3: never a 5xx, never a false refusal, nothing lost, nothing failed, and every page can be looked at."""
    owner = make_user(session, account=session.get(Account, integration.account_id))
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


def test_hostile_channels_and_headers_break_nothing(stage: Stage, client, session, integration):
    """The address and the headers come from outside as much as the body does."""
    owner = make_user(session, account=session.get(Account, integration.account_id))
    address = urlsplit(stage.hook)
    channels = [quote(text[:2000].encode("utf-8", "surrogatepass")) for text in TEXTS if text]
    channels += [
        "%ff%fe",
        "%c3",
        "%ed%a0%80",
        "a/b/c",
        "..%2f..%2fx",
        "telegram/",
        "TeLeGrAm",
        "%20tg%20",
        "-",
        "a" * 5000,
    ]
    lines = [f"POST {address.path}/{channel} HTTP/1.1\r\nHost: x\r\n" for channel in channels]
    headers = [
        *(
            "Content-Type: " + "x" * 9000,
            "Content-Type: a/b\x01; charset=\xff",
            "Content-Type:",
            "Content-Type: \xd0\xb6",
        ),
        *(
            "Content-Encoding: gzip",
            "Cookie: leadtrail=" + "x" * 4000,
            "Cookie: \xff=\x01;;;==",
            "Accept-Language: " + ";," * 900,
        ),
        *(
            "X-Leadtrail-Test: x",
            "X-Leadtrail-Test: " + ".".join("abc"),
            "X-Leadtrail-Test: \xff\xfe",
            "Host: [::1",
            "Host: a/../b",
        ),
        *(
            "X-Forwarded-For: '; DROP TABLE x",
            "X-Forwarded-Host: \xff",
            "Range: bytes=9-1",
            "If-None-Match: *",
            "HX-Request: \xff",
        ),
        *("User-Agent: " + "\xf0" * 900, "Referer: http://[/", "Authorization: Basic \xff", "Expect: 200-maybe"),
    ]
    lines += [f"POST {address.path} HTTP/1.1\r\n{header}\r\n" for header in headers]
    for number, line in enumerate(lines):
        body = json.dumps({"event_name": "chat_finished", "chat_id": number}).encode()
        head = f"{line}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        assert b" 200 " in raw(address, head.encode("latin-1") + body).partition(b"\r\n")[0], line[:200]
    assert len(stage.communications()) == len(stage.events()) == len(lines)
    assert {event.state for event in stage.events()} == {EventState.DONE}
    for length in ("-1", "x", "1e3", "9" * 30, ""):
        head = f"POST {address.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        status = raw(address, head.encode(), patience=0.3).split(b" ", 2)[1:2]
        assert not status or status[0] < b"500", length
    client.sign_in(owner.email)
    for event in stage.events():
        client.get(f"/a/romashka/events/{event.id}")
    for chat in stage.communications():
        client.get(f"/a/romashka/communications/{chat.id}")
    for page in ("events", "communications", "integrations/jivo"):
        client.get(f"/a/romashka/{page}")


def raw(address: Any, request: bytes, patience: float = 10) -> bytes:
    """What a server answers to these bytes; nothing where it waits for more of them."""
    with socket.create_connection((address.hostname, address.port), timeout=patience) as connection:
        connection.sendall(request)
        with suppress(TimeoutError):
            return connection.recv(65_536)
    return b""


def test_while_the_database_is_away_the_answer_is_503_at_once_and_a_retry_is_stored(
    stage: Stage, app, database_kind, observing_engine
):
    """B3: a 2xx means on disk, so without a disk there is none."""
    retried = {"retries": 2, "retry_on": "5xx and timeout"}
    stage.session.close()
    with (postgresql_away if database_kind == "postgresql" else sqlite_locked)(app, observing_engine):
        result = stage.send(chat=7, at=1_790_000_000, switches=retried)
        page = requests.get(f"{stage.server}/sign-in", timeout=10)
    attempts = stage.deliveries()
    assert [(attempt["status"], attempt["attempt"]) for attempt in attempts] == [(503, 1), (503, 2), (503, 3)]
    assert "ok" not in result["answer"]
    assert max(attempt["latency_s"] for attempt in attempts) < 1
    assert page.status_code == (503 if database_kind == "postgresql" else 200)
    assert stage.events() == []
    assert stage.send(chat=7, at=1_790_000_000)["answer"] == OK
    whole(stage.communication())


def test_a_database_that_fails_in_the_middle_of_an_event_leaves_no_false_ok(
    stage: Stage, app, database_kind, observing_engine
):
    """The connection dies while the event is being written; on SQLite the disk is full."""
    with (connection_killed if database_kind == "postgresql" else disk_full)(app, observing_engine):
        result = stage.send(chat=8, at=1_790_000_000, overrides={"plain_messages": "штора " * 50_000})
    assert (result["status"], result["attempt"]) == (503, 1)
    assert stage.events() == stage.communications() == []
    assert stage.send(chat=8, at=1_790_000_000)["answer"] == OK
    whole(stage.communication())


@contextmanager
def postgresql_away(app: Flask, observing_engine: Engine) -> Iterator[None]:
    """The server refuses every connection to the database, and has ended those there were."""
    observing_engine.dispose()
    name = app.config["SETTINGS"].DATABASE_URL.rpartition("/")[2]
    with create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT").connect() as admin:
        admin.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        try:
            admin.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
            )
            yield
        finally:
            admin.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
    admin.engine.dispose()


@contextmanager
def connection_killed(app: Flask, observing_engine: Engine) -> Iterator[None]:
    """The first statement that waits for the table of events loses its connection."""
    done = threading.Event()

    def kill() -> None:
        waiting = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with observing_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not done.is_set() and not connection.execute(waiting).all():
                time.sleep(0.02)

    with observing_engine.begin() as holder:
        holder.execute(text("LOCK TABLE webhook_event IN ACCESS EXCLUSIVE MODE"))
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            yield
        finally:
            done.set()
            killer.join()


@contextmanager
def sqlite_locked(app: Flask, observing_engine: Engine) -> Iterator[None]:
    """Another process holds the write lock, and the product is told to wait a tenth of a second for it."""
    with on_every_connection(app, "PRAGMA busy_timeout=100"):
        with closing(sqlite3.connect(observing_engine.url.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")


@contextmanager
def disk_full(app: Flask, observing_engine: Engine) -> Iterator[None]:
    """The file may not grow by a page."""
    with on_every_connection(app, "PRAGMA max_page_count=1"):
        yield


@contextmanager
def on_every_connection(app: Flask, statement: str) -> Iterator[None]:
    """Each connection the product takes from its pool has run the statement."""
    with app.app_context():
        engine = db.engine

    def taken(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(statement).close()

    listen(engine, "checkout", taken)
    try:
        yield
    finally:
        remove(engine, "checkout", taken)
        engine.dispose()
