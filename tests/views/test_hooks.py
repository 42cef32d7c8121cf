"""The webhook's way from the socket to the row (B3, J1, J2, J3, J4, J5, J8)."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import func, select

from tests.factories import make_account, make_campaign, make_integration, make_source, map_channel
from webapp.models import Communication, EventState, Integration, WebhookEvent, utc_now

OK = '{"result":"ok"}'


@pytest.fixture
def integration(session) -> Integration:
    account = make_account(session)
    return make_integration(session, account)


def finished(chat_id: object = 84, **more: object) -> dict:
    return {
        "event_name": "chat_finished",
        "widget_id": "AbCdEf1234",
        "chat_id": chat_id,
        "visitor": {"name": "Мария", "phone": "8 (916) 123-45-67", "number": 83, "chats_count": 2},
        "agents": [{"id": 1, "name": "Анна", "email": "anna@shop.example"}],
        "chat": {
            "messages": [
                {"timestamp": 1700000200, "type": "visitor", "message": "Есть шторы?"},
                {"timestamp": 1700000230, "type": "agent", "agent_id": 1, "message": "Есть."},
            ]
        },
        **more,
    }


def communications(session) -> list[Communication]:
    session.rollback()
    return list(session.scalars(select(Communication).order_by(Communication.id)))


def events(session) -> list[WebhookEvent]:
    session.rollback()
    return list(session.scalars(select(WebhookEvent).order_by(WebhookEvent.id)))


def test_a_finished_chat_becomes_one_communication_and_is_answered_as_jivo_expects(server, session, integration):
    """J1, J4, J5, J8."""
    answer = requests.post(server + integration.hook_path("telegram"), json=finished(), timeout=5)
    assert (answer.status_code, answer.text) == (200, OK)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "Set-Cookie" not in answer.headers
    [communication] = communications(session)
    assert (communication.type, communication.vendor_id, communication.channel) == ("chat", "84", "telegram")
    assert (communication.contact_name, communication.contact_phone) == ("Мария", "+79161234567")
    assert communication.started_at.timestamp() == 1700000200
    assert [message["from"] for message in communication.messages] == ["visitor", "operator"]
    [event] = events(session)
    assert event.state == EventState.DONE
    assert event.communications == [communication]


def test_the_messenger_mapping_decides_for_a_chat_without_a_session_and_the_default_for_the_rest(
    server, session, integration
):
    """J7, J14, J15."""
    telegram = make_source(session, integration.account)
    direct = make_campaign(session, integration.account)
    map_channel(session, integration, "telegram", source=telegram)
    integration.point_to("campaign", direct.id, None, None)
    session.commit()
    requests.post(server + integration.hook_path("telegram"), json=finished(1), timeout=5)
    requests.post(server + integration.hook_path("viber"), json=finished(2), timeout=5)
    first, second = communications(session)
    assert (first.rule, first.source_id, first.campaign_id) == ("channel", telegram.id, None)
    assert (second.rule, second.source_id, second.campaign_id) == ("default", None, direct.id)
    assert [step["rule"] for step in second.trail] == ["visit", "beacon", "contact", "utm", "channel", "default"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (2, 1, 0), (1, 2, 0)])
def test_events_of_one_chat_in_any_order_add_up_to_the_same_communication(
    server, session, integration, payloads: Path, order
):
    """Contract §9: accepted, updated and finished are one chat whatever comes first."""
    folder = payloads / "jivo" / "constructed"
    accepted = json.loads((folder / "01_site_chat_accepted_with_token.json").read_text())
    done = json.loads((folder / "02_site_chat_finished_same_chat.json").read_text())
    updated = accepted | {"event_name": "chat_updated", "visitor": accepted["visitor"] | {"email": "old@example.com"}}
    for number in order:
        requests.post(server + integration.hook_path(), json=[accepted, updated, done][number], timeout=5)
    [communication] = communications(session)
    assert communication.contact_email == "anna@example.com"
    assert communication.contact_phone == "+79123456789"
    assert communication.utm == {"source": "yandex", "medium": "cpc", "campaign": "brand msk", "term": "шторы"}
    assert communication.started_at.timestamp() == 1700000200
    assert communication.finished_at.timestamp() == 1700000400
    assert communication.message_count == 3
    assert communication.channel == "site"


def test_the_same_bytes_again_are_one_event_with_repeats(server, session, integration):
    for _attempt in range(3):
        assert requests.post(server + integration.hook_path(), json=finished(), timeout=5).text == OK
    [event] = events(session)
    assert event.repeats == 2
    assert len(communications(session)) == 1


def test_twenty_parallel_deliveries_of_one_chat_are_stored_once(server, session, integration):
    """Contract §11: the same finished twice in parallel is one chat."""
    bodies = [json.dumps(finished()), json.dumps(finished(chat_rate="good"))]
    answers: list[int] = []
    url = server + integration.hook_path()

    def send(number: int) -> None:
        answers.append(requests.post(url, data=bodies[number % 2], timeout=30).status_code)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 20
    assert len(communications(session)) == 1
    assert sum(event.repeats + 1 for event in events(session)) == 20


def test_a_second_finished_with_more_messages_is_merged(server, session, integration):
    """J-06: a reopened chat goes on."""
    reopened = finished()
    reopened["chat"]["messages"] = [
        reopened["chat"]["messages"][1],
        {"timestamp": 1700009999, "type": "visitor", "message": "Ещё вопрос"},
    ]
    for body in (finished(), reopened):
        requests.post(server + integration.hook_path(), json=body, timeout=5)
    [communication] = communications(session)
    assert [message["text"] for message in communication.messages] == ["Есть шторы?", "Есть.", "Ещё вопрос"]


def test_the_same_chat_number_of_two_connections_is_two_chats(server, session, integration):
    """J-14, B10."""
    other = make_integration(session, integration.account, key="jivo-2")
    for one in (integration, other):
        requests.post(server + one.hook_path(), json=finished(), timeout=5)
    assert len(communications(session)) == 2


def test_a_contact_card_that_comes_late_enriches_the_chat(server, session, integration):
    """J4, J-13."""
    bare = finished(visitor={"number": 83, "chats_count": 1})
    card = {
        "event_name": "client_updated",
        "client_id": "83",
        "widget_id": "AbCdEf1234",
        "visitor": {"name": "Мария", "phone": "9161234567", "email": "maria@example.com", "number": 83},
    }
    for body in (bare, card):
        requests.post(server + integration.hook_path(), json=body, timeout=5)
    [communication] = communications(session)
    assert (communication.contact_phone, communication.contact_email) == ("+79161234567", "maria@example.com")
    assert [event.event_name for event in events(session) if communication in event.communications] == [
        "chat_finished",
        "client_updated",
    ]


def test_a_contact_card_that_came_first_is_used(server, session, integration):
    card = {"event_name": "client_updated", "client_id": 83, "visitor": {"email": "maria@example.com", "number": 83}}
    for body in (card, finished(visitor={"number": "83"})):
        requests.post(server + integration.hook_path(), json=body, timeout=5)
    [communication] = communications(session)
    assert communication.contact_email == "maria@example.com"


def test_an_inactive_integration_stores_and_answers_ok_and_makes_no_communication(server, session, integration):
    """J10, DESIGN §4."""
    integration.active = False
    session.commit()
    assert requests.post(server + integration.hook_path(), json=finished(), timeout=5).text == OK
    assert communications(session) == []
    assert [event.state for event in events(session)] == [EventState.STORED]


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (b"", "empty"),
        (b"hello", "not_json"),
        (b"[1, 2]", "not_object"),
        (b'{"event_name": "some_future_event"}', "unknown_event"),
        (b'{"event_name": "chat_finished"}', "no_chat_id"),
        (b"\xff\xfe\x00", "not_json"),
    ],
)
def test_what_nobody_understands_is_stored_flagged_and_answered_ok(server, session, integration, body, note):
    answer = requests.post(server + integration.hook_path(), data=body, timeout=5)
    assert (answer.status_code, answer.text) == (200, OK)
    [event] = events(session)
    assert (event.state, event.note, event.body) == (EventState.IGNORED, note, body)


def test_every_sample_of_the_contract_is_answered_ok_whatever_its_content_type(
    server, session, integration, payloads: Path
):
    samples = sorted(path for path in (payloads / "jivo").rglob("*") if path.is_file())
    assert len(samples) >= 17
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded", ""):
        for sample in samples:
            answer = requests.post(
                server + integration.hook_path(),
                data=sample.read_bytes(),
                headers={"Content-Type": content_type},
                timeout=5,
            )
            assert answer.text == OK, sample.name
    assert [event for event in events(session) if event.state == EventState.FAILED] == []


def test_an_unknown_secret_is_404_get_is_405_and_nothing_is_stored(server, session, integration):
    assert requests.post(server + "/hooks/jivo/wrong", json=finished(), timeout=5).status_code == 404
    assert (
        requests.post(server + integration.hook_path().replace("jivo", "nobody"), json={}, timeout=5).status_code == 404
    )
    assert requests.get(server + integration.hook_path(), timeout=5).status_code == 405
    assert events(session) == []


def test_a_body_over_one_mebibyte_is_refused_without_being_read(server, session, integration):
    parts = urlsplit(server)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        head = f"POST {integration.hook_path()} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(200)
    assert events(session) == []


def test_a_connection_that_drops_in_the_middle_leaves_no_event_and_the_repeat_is_stored(server, session, integration):
    parts = urlsplit(server)
    body = json.dumps(finished()).encode()
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        head = f"POST {integration.hook_path()} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[: len(body) // 2])
    requests.post(server + integration.hook_path(), data=body, timeout=5)
    assert len(communications(session)) == 1


def test_after_a_rotation_the_old_address_is_heard_until_its_grace_ends(server, session, integration):
    """J11."""
    old = integration.hook_path()
    integration.rotate_secret()
    session.commit()
    assert requests.post(server + old, json=finished(1), timeout=5).status_code == 200
    assert requests.post(server + integration.hook_path(), json=finished(2), timeout=5).status_code == 200
    session.rollback()
    integration.previous_secret_until = utc_now()
    session.commit()
    assert requests.post(server + old, json=finished(3), timeout=5).status_code == 404


def test_a_failure_of_ours_keeps_the_event_and_answers_ok_and_a_replay_repairs_it(
    server, session, integration, monkeypatch
):
    """B3, DESIGN §4.3: the savepoint takes back everything but the event."""
    from webapp import recording

    def broken(*_args: object) -> None:
        raise ValueError("call +79161234567 back")

    with monkeypatch.context() as broken_rules:
        broken_rules.setattr(recording, "attribute", broken)
        assert requests.post(server + integration.hook_path(), json=finished(), timeout=5).text == OK
    [event] = events(session)
    assert event.state == EventState.FAILED
    assert event.error == "ValueError: call *** back"
    assert communications(session) == []
    assert requests.post(server + integration.hook_path(), json=finished(), timeout=5).text == OK
    [event] = events(session)
    assert (event.state, event.error, event.repeats) == (EventState.DONE, None, 1)
    assert session.scalar(select(func.count()).select_from(Communication)) == 1


def test_widget_ids_are_counted_and_their_label_names_the_channel(server, session, integration):
    """J3: the way of the widget table."""
    requests.post(server + integration.hook_path(), json=finished(1), timeout=5)
    session.rollback()
    [widget] = integration.widgets
    assert (widget.widget, widget.seen, widget.channel) == ("AbCdEf1234", 1, None)
    widget.channel = "whatsapp"
    session.commit()
    requests.post(server + integration.hook_path(), json=finished(2), timeout=5)
    requests.post(server + integration.hook_path("tg"), json=finished(3), timeout=5)
    assert [communication.channel for communication in communications(session)] == [None, "whatsapp", "telegram"]


def test_an_integration_that_was_removed_is_heard_again_once_it_is_back(server, session, integration):
    """A process that met it while it was gone must not go on thinking so."""
    url = server + integration.hook_path()
    for archived_at, status in ((None, 200), (utc_now(), 404), (None, 200)):
        session.rollback()
        integration.archived_at = archived_at
        session.commit()
        assert requests.post(url, json=finished(), timeout=5).status_code == status
