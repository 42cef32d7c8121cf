"""The one way in: whatever a vendor sends is stored, recorded once, and can be processed again."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import inspect, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from tests.factories import make_account, make_employee, make_integration, make_visit
from tests.vendors.jivo.bodies import finished, samples
from webapp import attribution
from webapp.cabinets.embedded import EmbeddedCabinet
from webapp.conversation import CHANNELS
from webapp.extensions import db
from webapp.intake import CHANNEL_WORDS, accept, normalise_channel, process
from webapp.models import Communication, EventState, Integration, VendorClient, WebhookEvent, Widget
from webapp.vendors.jivo import Jivo

RECEIVED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

#: What a second processing may set anew.
MOMENTS = {"updated_at", "processed_at"}


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Rows of one test have the numbers of another's, so what was kept for those is given up."""
    attribution._kept.clear()


@pytest.fixture
def integration(session: Session) -> Integration:
    """An active integration."""
    return make_integration(session, make_account(session))


def body(**changes: Any) -> bytes:
    """A finished chat."""
    return json.dumps(finished(**changes), ensure_ascii=False).encode()


def take(session: Session, integration: Integration, raw: bytes, **circumstances: Any) -> WebhookEvent:
    """Accept a request and commit; gives the event."""
    accepted = accept(session, integration, raw, **{"received_at": RECEIVED, **circumstances})
    session.commit()
    return session.get_one(WebhookEvent, accepted.event_id)


def only(session: Session, table: type[Any]) -> Any:
    """The one row of a table."""
    return session.scalars(select(table)).one()


def everything(session: Session) -> dict[str, list[dict[str, Any]]]:
    """Every row that intake writes, without the moments of the writing."""
    session.expire_all()
    found = {}
    for table in (WebhookEvent, Communication, VendorClient, Widget):
        names = [column.key for column in inspect(table).columns if column.key not in MOMENTS]
        found[table.__tablename__] = [
            {name: getattr(row, name) for name in names} for row in session.scalars(select(table).order_by(table.id))
        ]
    return found


class Fault:
    """A fault in what comes after the communication is written; it can be mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        self.error: Exception | None = error
        self.met = 0
        monkeypatch.setattr(EmbeddedCabinet, "record", self)

    def __call__(self, *_: Any) -> None:
        if self.error:
            self.met += 1
            raise self.error

    def mend(self) -> None:
        """From now on it works."""
        self.error = None


class TestStored:
    @pytest.mark.parametrize("raw", [b"", b"\x00\xff\xfe{", b"not json", body(), "событие".encode("cp1251")])
    def test_a_request_is_kept_byte_for_byte(self, session: Session, integration: Integration, raw: bytes) -> None:
        event = take(session, integration, raw, content_type="application/json; charset=utf-8", channel="TG")

        assert event.body == raw
        assert (event.account_id, event.integration_id) == (integration.account_id, integration.id)
        assert (event.channel, event.content_type) == ("telegram", "application/json; charset=utf-8")
        assert event.received_at == RECEIVED
        assert (event.repeats, event.last_repeat_at) == (0, None)
        assert event.processed_at is not None

    def test_what_nobody_understands_is_flagged_and_ignored(self, session: Session, integration: Integration) -> None:
        event = take(session, integration, b'{"event_name": "of_tomorrow", "chat_id": 84}')

        assert (event.state, event.note, event.event_name) == (EventState.IGNORED, "unknown_event", "of_tomorrow")
        assert event.communications == []

    def test_a_chat_is_done_and_tied_to_its_event(self, session: Session, integration: Integration) -> None:
        event = take(session, integration, body())

        assert (event.state, event.error, event.reference) == (EventState.DONE, None, "431")
        assert [found.vendor_id for found in event.communications] == ["431"]

    def test_every_sample_of_the_vendor_is_accepted(self, session: Session, integration: Integration) -> None:
        for path in samples():
            event = take(session, integration, path.read_bytes())
            assert event.state in (EventState.DONE, EventState.IGNORED), f"{path.name}: {event.error}"

    @pytest.mark.parametrize("content_type", [None, "", "x" * 5000, "text/\0plain"])
    def test_any_content_type_is_taken(
        self, session: Session, integration: Integration, content_type: str | None
    ) -> None:
        assert take(session, integration, body(), content_type=content_type).state == EventState.DONE

    def test_a_test_is_marked_as_one(self, session: Session, integration: Integration) -> None:
        event = take(session, integration, body(), is_test=True)

        assert event.is_test
        assert only(session, Communication).is_test

    def test_two_integrations_with_the_same_chat_number_have_two_chats(
        self, session: Session, integration: Integration
    ) -> None:
        """J-14: the number counts within one account of the vendor."""
        second = make_integration(session, integration.account, "second")
        take(session, integration, body())
        take(session, second, body())

        found = session.scalars(select(Communication.integration_id)).all()
        assert sorted(found) == [integration.id, second.id]


class TestRepeats:
    def test_the_same_bytes_are_one_event_that_counts(self, session: Session, integration: Integration) -> None:
        first = take(session, integration, body())
        before = everything(session)["communication"]

        again = accept(session, integration, body(), received_at=RECEIVED + timedelta(minutes=5))
        session.commit()

        assert again.repeat
        assert (again.event_id, again.state) == (first.id, EventState.DONE)
        session.refresh(first)
        assert (first.repeats, first.last_repeat_at) == (1, RECEIVED + timedelta(minutes=5))
        assert first.received_at == RECEIVED
        assert everything(session)["communication"] == before
        assert only(session, Widget).seen == 1

    def test_on_another_channel_they_are_another_event_of_the_same_chat(
        self, session: Session, integration: Integration
    ) -> None:
        events = [take(session, integration, body(), channel=name) for name in (None, "telegram", "TG", "whatsapp")]

        assert len({event.id for event in events}) == 3
        assert events[1].id == events[2].id
        assert only(session, Communication).channel == "whatsapp"

    def test_another_integrations_bytes_are_its_own(self, session: Session, integration: Integration) -> None:
        second = make_integration(session, integration.account, "second")

        assert take(session, integration, body()).id != take(session, second, body()).id

    def test_parallel_deliveries_make_one_event_and_one_chat(
        self, app: Flask, session: Session, integration: Integration
    ) -> None:
        number, start, failures = integration.id, threading.Barrier(4), []
        session.commit()

        def deliver(raw: bytes) -> None:
            try:
                start.wait()
                with app.app_context(), Session(db.engine) as own:
                    accept(own, own.get_one(Integration, number), raw)
                    own.commit()
            except Exception as error:
                failures.append(error)

        accepted = body(event_name="chat_accepted")
        threads = [threading.Thread(target=deliver, args=(raw,)) for raw in (body(), body(), accepted, accepted)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failures == []
        events = session.scalars(select(WebhookEvent)).all()
        assert sorted((event.repeats, event.state) for event in events) == [(1, "done"), (1, "done")]
        assert only(session, Communication).vendor_id == "431"


class TestAgain:
    def test_processing_again_changes_nothing(self, session: Session, integration: Integration) -> None:
        """In whatever order and however often: each sample, as if it came on the website and then in messengers."""
        make_visit(session, integration.account, "8f3c2d7e", started_at=RECEIVED - timedelta(hours=1))
        for minute, path in enumerate(samples()):
            take(session, integration, path.read_bytes(), received_at=RECEIVED + timedelta(minutes=minute))
        before = everything(session)
        events = session.scalars(select(WebhookEvent).order_by(WebhookEvent.id)).all()

        for event in [*reversed(events), *events]:
            process(session, integration, event)
            session.commit()

        assert everything(session) == before

    def test_an_old_event_processed_again_does_not_bring_back_an_old_contact(
        self, session: Session, integration: Integration
    ) -> None:
        old = take(session, integration, body(event_name="chat_updated", visitor={"phone": "89120000000", "number": 1}))
        corrected = body(event_name="chat_updated", visitor={"phone": "89123456789", "number": 1})
        take(session, integration, corrected, received_at=RECEIVED + timedelta(minutes=1))

        process(session, integration, old)
        session.commit()

        assert only(session, Communication).contact_phone == "+79123456789"


class TestFailure:
    ERROR = ValueError("anna@example.com has no place")

    def test_it_takes_back_everything_but_the_event(
        self, session: Session, integration: Integration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Fault(monkeypatch, self.ERROR)
        employee = make_employee(session, integration.account)
        employee.full_name = "Changed in the same transaction"

        event = take(session, integration, body(), channel="telegram")

        assert (event.state, event.error) == (EventState.FAILED, "ValueError: *** has no place")
        assert (event.body, event.event_name, event.channel) == (body(), "chat_finished", "telegram")
        left = everything(session)
        assert (left["communication"], left["vendor_client"], left["widget"]) == ([], [], [])
        assert employee.full_name == "Changed in the same transaction"

    def test_replay_records_it_after_the_fault_is_mended(
        self, session: Session, integration: Integration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fault = Fault(monkeypatch, self.ERROR)
        event = take(session, integration, body())
        process(session, integration, event)
        session.commit()
        assert event.state == EventState.FAILED
        fault.mend()

        process(session, integration, event)
        session.commit()

        assert (event.state, event.error) == (EventState.DONE, None)
        assert only(session, Communication).started_at == datetime.fromtimestamp(1700000200, UTC)

    def test_a_repeat_of_what_failed_is_another_try(
        self, session: Session, integration: Integration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fault = Fault(monkeypatch, self.ERROR)
        take(session, integration, body())
        fault.mend()

        event = take(session, integration, body())

        assert (event.state, event.error, event.repeats) == (EventState.DONE, None, 1)
        assert only(session, Communication).vendor_id == "431"

    def test_a_fault_of_the_parser_is_kept_too(
        self, session: Session, integration: Integration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(Jivo, "read", lambda *_: 1 / 0)
            event = take(session, integration, body())
        assert event.state == EventState.FAILED
        assert event.error is not None
        assert event.error.startswith("ZeroDivisionError")

        process(session, integration, event)

        assert event.state == EventState.DONE

    def test_a_later_failure_does_not_undo_what_was_recorded_before(
        self, session: Session, integration: Integration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        take(session, integration, body(event_name="chat_accepted"))
        before = everything(session)["communication"]
        Fault(monkeypatch, self.ERROR)

        take(session, integration, body())

        assert everything(session)["communication"] == before

    def test_two_at_the_same_moment_are_looked_at_once_more(
        self, session: Session, integration: Integration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fault = Fault(monkeypatch, IntegrityError("insert", {}, Exception("duplicate key")))

        assert take(session, integration, body()).state == EventState.FAILED
        assert fault.met == 2

    def test_a_database_that_does_not_work_is_the_callers_affair(
        self, session: Session, integration: Integration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing is promised to the vendor: the answer is 503."""
        Fault(monkeypatch, OperationalError("select", {}, Exception("server closed the connection")))

        with pytest.raises(OperationalError):
            accept(session, integration, body())
        session.rollback()
        assert everything(session)["webhook_event"] == []


class TestInactive:
    @pytest.fixture(autouse=True)
    def off(self, session: Session, integration: Integration) -> None:
        """The integration is switched off."""
        integration.active = False
        session.commit()

    def test_what_comes_meanwhile_is_stored_and_waits(self, session: Session, integration: Integration) -> None:
        event = take(session, integration, body())

        assert (event.state, event.processed_at, event.body) == (EventState.STORED, None, body())
        assert everything(session)["communication"] == []
        assert everything(session)["widget"] == []

    def test_switched_on_it_can_be_processed(self, session: Session, integration: Integration) -> None:
        event = take(session, integration, body())
        integration.active = True
        process(session, integration, event)
        session.commit()

        assert event.state == EventState.DONE
        assert only(session, Communication).vendor_id == "431"
        assert only(session, Widget).seen == 1

    def test_a_repeat_waits_as_well_and_is_recorded_once_it_is_on(
        self, session: Session, integration: Integration
    ) -> None:
        take(session, integration, body())
        assert take(session, integration, body()).state == EventState.STORED
        integration.active = True

        event = take(session, integration, body())

        assert (event.state, event.repeats) == (EventState.DONE, 2)


class TestChannel:
    @pytest.mark.parametrize(
        ("given_name", "channel"),
        [
            (None, None),
            ("", None),
            ("  ", None),
            ("///", None),
            ("telegram", "telegram"),
            (" Telegram ", "telegram"),
            ("WhatsApp", "whatsapp"),
            ("My Bot №1", "my-bot-1"),
            ("Вконтакте", "вконтакте"),
            ("a/b", "a-b"),
            ("x" * 500, "x" * 50),
            ("x" * 49 + " y", "x" * 49),
            *CHANNEL_WORDS.items(),
            *((channel, channel) for channel in CHANNELS),
            ("TG", "telegram"),
        ],
    )
    def test_its_word(self, given_name: str | None, channel: str | None) -> None:
        assert normalise_channel(given_name) == channel

    @given(st.text())
    def test_any_text_gives_a_word_that_stays_what_it_is(self, text: str) -> None:
        word = normalise_channel(text)

        assert word is None or (0 < len(word) <= 50 and word == word.casefold())
        assert normalise_channel(word) == word

    def test_the_short_words_stand_for_channels_of_the_vocabulary(self) -> None:
        assert set(CHANNEL_WORDS.values()) <= set(CHANNELS)
