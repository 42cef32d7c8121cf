"""Events about one conversation add up to one communication, in any order and however often they come (J-05, J-07)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.conversation import (
    UTM_KEYS,
    Clues,
    Contact,
    Conversation,
    ConversationType,
    Message,
    Sender,
    SessionToken,
    Stage,
)
from webapp.enrichment import clues_of, dialogue, enrich, fill_contact, fill_token, update_client
from webapp.models import Communication, VendorClient

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CONTACTS = ("contact_name", "contact_phone", "contact_phone_raw", "contact_email")
TOLD = (*CONTACTS, "client", "utm", "clues", "messages", "text", "details", "started_at", "finished_at")
KEPT = (*TOLD, "message_count", "search_text", "stages")


@dataclass(frozen=True)
class Told:
    """One event: what it says, and when it came first."""

    conversation: Conversation
    received_at: datetime


def token(session: str) -> SessionToken:
    """A token of our own that names this session."""
    return SessionToken(f"as1.{session}", "own", session)


def said(seconds: int | None, text: str, sender: Sender = Sender.VISITOR, author: str | None = None) -> Message:
    """A message so many seconds after the beginning."""
    return Message(None if seconds is None else BEGAN + timedelta(seconds=seconds), sender, author, text)


def telling(stage: Stage = Stage.FINISHED, minute: int = 0, **what: Any) -> Told:
    """An event that came in this minute."""
    return Told(
        Conversation(ConversationType.CHAT, "84", stage, **what), BEGAN + timedelta(hours=1) + timedelta(minutes=minute)
    )


def add_up(events: list[Told], communication: Communication | None = None) -> Communication:
    """The communication after these events."""
    communication = communication or Communication(vendor_id="84")
    for event in events:
        enrich(communication, event.conversation, event.received_at)
    return communication


def kept(communication: Communication, fields: tuple[str, ...] = KEPT) -> dict[str, Any]:
    """What a communication holds."""
    return {field: getattr(communication, field) for field in fields}


WORDS = st.sampled_from(["a", "b", "c"])
MAYBE = st.none() | WORDS
TIMELINE = [
    said(10 * number, "abcab"[number % 5], [Sender.VISITOR, Sender.OPERATOR][number % 2]) for number in range(8)
]


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """What one event may say. Its messages are any of the conversation's, which have times of their own."""
    named = draw(st.booleans())
    messages = tuple(
        Message(message.at, message.sender, str(message.sender) if named else None, message.text)
        for message in TIMELINE
        if draw(st.booleans())
    )
    stage = draw(st.sampled_from(list(Stage)))
    times = [message.at for message in messages if message.at]
    return Conversation(
        ConversationType.CHAT,
        "84",
        stage,
        contact=draw(
            st.builds(Contact, MAYBE, MAYBE, MAYBE, MAYBE, st.sampled_from([(), ("phone",), ("phone", "email")]))
        ),
        clues=draw(
            st.builds(
                Clues,
                st.none() | WORDS.map(token),
                st.sampled_from([None, "412"]),
                MAYBE,
                st.dictionaries(st.sampled_from(UTM_KEYS), st.sampled_from(["", "a", "b"])),
                MAYBE,
                MAYBE,
            )
        ),
        started_at=min(times, default=None),
        finished_at=max(times, default=None) if stage is Stage.FINISHED else None,
        event_at=draw(st.none() | st.integers(0, 3).map(lambda minute: BEGAN + timedelta(minutes=minute))),
        messages=messages,
        text=dialogue_of(messages),
        details=draw(st.dictionaries(st.sampled_from(["topic", "rate"]), WORDS)),
    )


def dialogue_of(messages: tuple[Message, ...]) -> str:
    """As a vendor's parser writes it."""
    return "\n".join(f"{one.author}: {one.text}" if one.author else one.text for one in messages if one.text)


EVENTS = st.lists(conversations(), min_size=1, max_size=5).map(
    lambda told: [Told(one, BEGAN + timedelta(minutes=10, seconds=number)) for number, one in enumerate(told)]
)


@st.composite
def ways(draw: st.DrawFn) -> tuple[list[Told], list[Told]]:
    """A conversation's events in the order they happened, and in any other, some of them repeated."""
    events = draw(EVENTS)
    again = draw(st.lists(st.sampled_from(events), max_size=4))
    return events, draw(st.permutations([*events, *again]))


@given(ways())
def test_any_order_and_any_repetition_give_the_same_communication(way: tuple[list[Told], list[Told]]) -> None:
    events, shuffled = way

    assert kept(add_up(shuffled)) == kept(add_up(events))


@given(EVENTS, st.integers(0, 4))
def test_an_event_told_again_at_any_later_time_changes_nothing(events: list[Told], place: int) -> None:
    communication = add_up(events)
    before = kept(communication)

    add_up([events[place % len(events)]], communication)

    assert kept(communication) == before


@given(EVENTS)
def test_nothing_that_is_known_is_replaced_by_nothing(events: list[Told]) -> None:
    communication = Communication(vendor_id="84")
    known: set[str] = set()
    for event in events:
        add_up([event], communication)
        now = {field for field in TOLD if getattr(communication, field)}
        now |= {f"clues.{name}" for name, value in (communication.clues or {}).items() if value}
        now |= {f"details.{name}" for name, value in communication.details.items() if value}
        assert known <= now
        known = now


def places(events: list[Told]) -> list[Told]:
    """The events in the order of the conversation's own life."""
    return sorted(
        events,
        key=lambda event: (
            event.conversation.stage,
            event.conversation.event_at or event.received_at,
            event.received_at,
        ),
    )


@given(ways())
def test_contacts_are_of_the_latest_stage_and_a_card_goes_before_the_text(way: tuple[list[Told], list[Told]]) -> None:
    events, shuffled = way
    communication = add_up(shuffled)

    for field in ("name", "phone", "phone_raw", "email"):
        told = [event.conversation.contact for event in places(events)]
        cards = [getattr(one, field) for one in told if field not in one.from_text and getattr(one, field)]
        found = [getattr(one, field) for one in told if field in one.from_text and getattr(one, field)]
        assert getattr(communication, f"contact_{field}") == next(iter([*cards[::-1], *found[::-1]]), None)


@given(ways())
def test_the_session_and_the_marks_are_of_the_earliest_stage(way: tuple[list[Told], list[Told]]) -> None:
    events, shuffled = way
    clues = clues_of(add_up(shuffled))

    told = [event.conversation.clues for event in places(events)]
    assert clues.token == next((one.token for one in told if one.token), None)
    assert clues.page_url == next((one.page_url for one in told if one.page_url), None)
    utm = [{key: value for key, value in one.utm.items() if value} for one in told]
    assert clues.utm == next((marks for marks in utm if marks), {})


@given(ways())
def test_messages_are_the_union_of_all_tellings_in_the_order_of_their_times(way: tuple[list[Told], list[Told]]) -> None:
    events, shuffled = way
    communication = add_up(shuffled)

    union: Counter[tuple[Any, ...]] = Counter()
    for event in events:
        union |= Counter((one.at, str(one.sender), one.text) for one in event.conversation.messages)
    rows = communication.messages or []
    assert Counter((datetime.fromisoformat(row["at"]), row["from"], row["text"]) for row in rows) == union
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert (communication.message_count or 0) == len(rows)


class TestMessages:
    def test_a_telling_that_repeats_a_line_keeps_it_twice(self) -> None:
        twice = (said(1, "да"), said(1, "да"))

        communication = add_up([telling(messages=twice), telling(messages=(said(1, "да"),), minute=1)])

        assert [row["text"] for row in communication.messages] == ["да", "да"]

    def test_a_reopened_chat_tells_its_own_part(self) -> None:
        """J-06: a second chat_finished of the same chat merges."""
        first = telling(messages=(said(1, "Есть?", author="Анна"), said(2, "Да", Sender.OPERATOR, "Первый")))
        second = telling(messages=(said(900, "Беру", author="Анна"),), minute=30)

        communication = add_up([second, first])

        assert communication.text == "Анна: Есть?\nПервый: Да\nАнна: Беру"
        assert communication.message_count == 3

    def test_messages_of_one_second_stay_in_the_order_they_were_told(self) -> None:
        told = tuple(said(1, text) for text in ("я", "а", "м"))

        assert [row["text"] for row in add_up([telling(messages=told)]).messages] == ["я", "а", "м"]

    def test_a_message_without_a_time_stays_behind_the_one_it_was_told_after(self) -> None:
        told = (said(1, "раз"), said(None, "без времени"), said(2, "два"))

        for events in ([telling(messages=told)], [telling(messages=told[2:]), telling(messages=told)]):
            assert [row["text"] for row in add_up(events).messages] == ["раз", "без времени", "два"]

    def test_an_author_that_one_telling_leaves_out_is_taken_from_the_other(self) -> None:
        unnamed, named = telling(messages=(said(1, "Да"),)), telling(messages=(said(1, "Да", author="Анна"),), minute=1)

        for events in ([unnamed, named], [named, unnamed]):
            communication = add_up(events)
            assert [row["author"] for row in communication.messages] == ["Анна"]
            assert communication.text == "Анна: Да"

    def test_a_message_is_kept_as_utc_with_its_sender(self) -> None:
        at = datetime(2026, 11, 23, 15, 0, 1, tzinfo=UTC)

        communication = add_up([telling(messages=(Message(at, Sender.SYSTEM, None, "вошёл"),))])

        assert communication.messages == [
            {"at": "2026-11-23T15:00:01Z", "from": "system", "author": None, "text": "вошёл"}
        ]

    def test_a_message_without_words_has_no_line(self) -> None:
        rows = [{"author": "Анна", "text": ""}, {"author": None, "text": "да"}]

        assert dialogue(rows) == "да"

    def test_a_text_without_messages_is_kept_until_messages_come(self) -> None:
        short, long = telling(text="Здравствуйте"), telling(text="Здравствуйте\nЕсть?", minute=1)

        assert add_up([short, long]).text == add_up([long, short]).text == "Здравствуйте\nЕсть?"
        assert add_up([long, telling(messages=(said(1, "Есть?"),))]).text == "Есть?"


class TestTimes:
    ARRIVED = BEGAN + timedelta(hours=1)

    @pytest.mark.parametrize(
        ("what", "started_at"),
        [
            ({}, ARRIVED),
            ({"event_at": BEGAN}, BEGAN),
            ({"event_at": BEGAN, "started_at": BEGAN + timedelta(minutes=5)}, BEGAN + timedelta(minutes=5)),
        ],
    )
    def test_it_began_with_the_first_message_else_with_the_event_else_with_its_arrival(
        self, what: dict[str, Any], started_at: datetime
    ) -> None:
        assert add_up([telling(**what)]).started_at == started_at

    def test_the_best_kind_of_knowledge_wins_and_then_the_earliest(self) -> None:
        events = [
            telling(Stage.ACCEPTED),
            telling(Stage.UPDATED, event_at=BEGAN),
            telling(started_at=BEGAN + timedelta(minutes=9)),
            telling(started_at=BEGAN + timedelta(minutes=3), minute=1),
        ]

        assert add_up(events).started_at == add_up(events[::-1]).started_at == BEGAN + timedelta(minutes=3)

    def test_a_chat_goes_on_until_the_vendor_ends_it(self) -> None:
        assert add_up([telling(Stage.ACCEPTED), telling(Stage.UPDATED, event_at=BEGAN)]).finished_at is None

    def test_it_ended_with_the_last_ending_that_was_told(self) -> None:
        first, last = BEGAN + timedelta(minutes=5), BEGAN + timedelta(minutes=25)
        events = [telling(finished_at=last), telling(finished_at=first, minute=1)]

        assert add_up(events).finished_at == last

    def test_an_ending_that_the_vendor_tells_replaces_our_own(self) -> None:
        """J-05: a chat of which nothing was heard is ended by us."""
        communication = add_up([telling(Stage.ACCEPTED)])
        communication.finished_at = BEGAN + timedelta(days=2)

        add_up([telling(finished_at=BEGAN + timedelta(minutes=5))], communication)

        assert communication.finished_at == BEGAN + timedelta(minutes=5)


class TestPerson:
    """What is said of a person outside any conversation."""

    CARD = Contact("Анна", "+79123456789", "8 912 345-67-89", "anna@example.com")

    def test_a_card_fills_what_is_missing_and_nothing_else(self) -> None:
        communication = add_up([telling(contact=Contact(name="Анна Петрова"))])

        assert fill_contact(communication, self.CARD)
        assert communication.contact_name == "Анна Петрова"
        assert communication.contact_phone == "+79123456789"
        assert "+79123456789" in communication.search_text
        assert not fill_contact(communication, self.CARD), "nothing is gained any more"

    def test_an_empty_card_takes_nothing_away(self) -> None:
        communication = add_up([telling(contact=self.CARD)])

        assert not fill_contact(communication, Contact())
        assert communication.contact_phone == "+79123456789"

    def test_a_card_goes_before_what_was_found_in_the_text_in_either_order(self) -> None:
        """B7: the text is looked through when the contact card is empty."""
        found = telling(contact=Contact(phone="+79990000000", from_text=("phone",)))
        text_first = add_up([found])
        assert fill_contact(text_first, Contact(phone="+79123456789"))
        card_first = Communication(vendor_id="84")
        assert fill_contact(card_first, Contact(phone="+79123456789"))
        add_up([found], card_first)

        assert text_first.contact_phone == card_first.contact_phone == "+79123456789"

    def test_the_conversations_own_card_goes_before_the_persons(self) -> None:
        communication = Communication(vendor_id="84")
        fill_contact(communication, Contact(phone="+79123456789"))

        add_up([telling(Stage.ACCEPTED, contact=Contact(phone="+79990000000"))], communication)

        assert communication.contact_phone == "+79990000000"

    def test_the_persons_token_is_used_until_the_conversation_names_one(self) -> None:
        communication = add_up([telling(Stage.ACCEPTED)])

        assert fill_token(communication, token("person"))
        assert not fill_token(communication, token("another"))
        assert clues_of(communication).token == token("person")
        add_up([telling(clues=Clues(token=token("chat")), minute=1)], communication)
        assert clues_of(communication).token == token("chat")

    def test_the_newest_card_and_the_first_token_stay(self) -> None:
        """J-07: the first token seen wins."""
        client = VendorClient(client="412")
        update_client(client, Contact(phone="+79123456789", email="anna@example.com"), token("first"), BEGAN)
        update_client(client, Contact(phone="+79990000000"), token("second"), BEGAN + timedelta(days=1))

        assert (client.phone, client.email) == ("+79990000000", "anna@example.com")
        assert client.token == {"raw": "as1.first", "kind": "own", "visit": "first"}
        assert client.updated_at == BEGAN + timedelta(days=1)


def test_the_search_finds_name_phone_mail_number_and_text_without_minding_the_case() -> None:
    contact = Contact("АННА", "+79123456789", None, "Anna@Example.com")

    communication = add_up([telling(contact=contact, messages=(said(1, "Шторы ЕСТЬ?"),))])

    for wanted in ("анна", "9123456789", "anna@example.com", "84", "шторы есть"):
        assert wanted in communication.search_text
