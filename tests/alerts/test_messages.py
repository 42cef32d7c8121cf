"""Issue 6.7: messages arrive, by mail and by webhook, and their failures are told."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.factories import make_alert
from tests.views.acting import jobs
from webapp.alerts.messages import PAUSES, tell
from webapp.jobs import handlers
from webapp.models import AlertMessage, utc_now


@pytest.fixture
def send(app, session, account, setting):
    """Tells of an alert and sends what there is to send, once; gives the messages by way."""

    def sent(event: str = "opened") -> dict[str, AlertMessage]:
        with app.app_context():
            tell(session, account, setting, event, make_alert(session, account) if event != "test" else None)
            session.commit()
        return again()

    def again() -> dict[str, AlertMessage]:
        numbers = session.scalars(select(AlertMessage.id)).all()
        session.rollback()
        for number in numbers:
            handlers(app)["send_alert"](number)
        return {one.way: one for one in session.scalars(select(AlertMessage))}

    sent.again = again
    return sent


def test_a_mail_says_what_is_wrong_and_shows_nobody_the_others(send, post_office):
    found = send()
    [(recipients, message)] = post_office.messages
    assert recipients == ["olga@romashka.example", "pavel@romashka.example"]
    assert "olga" not in str(message["To"])
    assert message["Subject"] == "Leadtrail: События с ошибкой"
    assert "«Jivo»: 2 события не обработано из-за ошибки." in message.get_content()
    assert "https://trail.example/a/romashka/alerts" in message.get_content()
    assert (found["email"].state, found["email"].sent_at is not None) == ("sent", True)


def test_mail_is_written_in_the_chosen_language(session, send, setting, post_office):
    setting.language = "en"
    session.commit()
    send("closed")
    [(_recipients, message)] = post_office.messages
    assert not any("а" <= letter <= "я" for letter in message["Subject"] + message.get_content())


def test_a_webhook_is_signed_and_tells_the_same(send, receiver):
    found = send()
    [call] = receiver.calls
    body = json.loads(call.body)
    assert body["id"] == str(found["webhook"].id)
    assert (body["event"], body["check"], body["account"]) == ("alert.opened", "failed_events", "romashka")
    assert body["text"].startswith("«Jivo»")
    headers = {name.lower(): value for name, value in call.headers.items()}
    signed = headers["x-leadtrail-timestamp"].encode() + b"." + call.body
    wanted = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert headers["x-leadtrail-signature"] == f"sha256={wanted}"


def test_a_test_needs_no_alert(send, receiver, post_office):
    send("test")
    assert json.loads(receiver.calls[0].body)["event"] == "alert.test"
    assert len(post_office.messages) == 1


def test_it_is_sent_once(send, receiver, post_office):
    send()
    send.again()
    assert (len(receiver.calls), len(post_office.messages)) == (1, 1)


def test_who_fails_is_tried_again_later_and_given_up_in_the_end(session, send, receiver, post_office):
    receiver.status, post_office.refuse = 500, True
    found = send()
    assert {(one.state, one.attempts, one.error) for one in found.values()} == {
        ("pending", 1, "status_500"),
        ("pending", 1, "refused"),
    }
    before = jobs(session)
    for _attempt in PAUSES:
        found = send.again()
    assert {(one.state, one.attempts) for one in found.values()} == {("failed", len(PAUSES) + 1)}
    assert jobs(session) - before == 2 * (len(PAUSES) - 1)
    send.again()
    assert len(receiver.calls) == len(PAUSES) + 1


def test_who_is_well_again_gets_it(send, receiver):
    receiver.status = 302
    assert send()["webhook"].error == "status_302"
    receiver.status = 204
    found = send.again()["webhook"]
    assert (found.state, found.error, found.attempts) == ("sent", None, 2)


def test_a_later_attempt_is_signed_with_its_own_time(send, receiver, monkeypatch):
    receiver.status = 500
    send()
    later = utc_now() + timedelta(hours=2)
    monkeypatch.setattr("webapp.alerts.messages.utc_now", lambda: later)
    send.again()
    first, second = [int(call.headers["X-Leadtrail-Timestamp"]) for call in receiver.calls]
    assert second == int(later.timestamp()) > first
    assert receiver.calls[0].body == receiver.calls[1].body


def test_an_error_of_ours_is_an_attempt_like_others_and_is_told(send, monkeypatch):
    def fails(*_arguments, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr("webapp.alerts.messages.mail.send", fails)
    found = send()["email"]
    assert (found.state, found.attempts, found.error) == ("pending", 1, "error")
    for _attempt in PAUSES:
        found = send.again()["email"]
    assert found.state == "failed"


@pytest.mark.parametrize(
    ("url", "state", "error"),
    [
        ("http://public.example/hook", "failed", "not_allowed"),
        ("https://public.example:25/hook", "failed", "not_allowed"),
        ("https://localhost/hook", "failed", "not_allowed"),
        ("https://10.0.0.1:8443/hook", "failed", "not_allowed"),
    ],
)
def test_only_public_addresses_are_called(session, send, setting, url, state, error, monkeypatch):
    setting.webhook_url, setting.emails = url, []
    session.commit()
    reached = []
    listening = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", listening.getsockname())]
    )
    found = send()["webhook"]
    monkeypatch.undo()
    listening.settimeout(0.1)
    try:
        connection, _ = listening.accept()
        with connection:
            reached.append(connection.recv(1))
    except TimeoutError:
        reached.append(b"")
    listening.close()
    assert (found.state, found.error, reached) == (state, error, [b""])


def test_without_a_mail_server_it_is_said(app, session, send, monkeypatch):
    settings = app.config["SETTINGS"].model_copy(update={"SMTP_URL": ""})
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    found = send()["email"]
    assert (found.state, found.error) == ("failed", "no_server")


def test_a_password_is_never_sent_in_clear(app, session, send, post_office, monkeypatch):
    url = post_office.url.replace("smtp://", "smtp://user:secret@")
    monkeypatch.setitem(app.config, "SETTINGS", app.config["SETTINGS"].model_copy(update={"SMTP_URL": url}))
    found = send()["email"]
    assert (found.state, found.error, post_office.logins) == ("failed", "no_tls", 0)


def test_a_way_that_was_removed_meanwhile_is_not_used(app, session, account, setting, receiver):
    with app.app_context():
        tell(session, account, setting, "test")
    setting.webhook_url, setting.emails = None, []
    session.commit()
    numbers = session.scalars(select(AlertMessage.id)).all()
    session.rollback()
    for number in numbers:
        handlers(app)["send_alert"](number)
    session.rollback()
    assert {one.error for one in session.scalars(select(AlertMessage))} == {"no_address"}
    assert receiver.calls == []
