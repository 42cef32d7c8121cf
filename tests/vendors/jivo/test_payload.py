"""What the parser reads out of Jivo's events (J1-J8, B7, B9)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from webapp.conversation import Contact, ConversationType, Message, Sender, Stage

from .bodies import RECEIVED, conversation, finished, read, sample, with_messages


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_accepted_chat_gives_contact_session_marks_and_operator():
    """J4, J6, B9: the constructed sample with everything."""
    reading = read(sample("constructed/01_site_chat_accepted_with_token.json"))
    (chat,) = reading.conversations
    assert (reading.event_name, reading.understood, reading.note) == ("chat_accepted", True, None)
    assert (reading.widget, reading.reference) == ("AbCdEf1234", "431")
    assert (chat.type, chat.vendor_id, chat.stage, chat.finished) == (
        ConversationType.CHAT,
        "431",
        Stage.ACCEPTED,
        False,
    )
    assert chat.contact == Contact("Анна", "+79123456789", "8 (912) 345-67-89", None)
    assert (chat.clues.client, chat.clues.widget) == ("412", "AbCdEf1234")
    assert chat.clues.token is not None
    assert chat.clues.token.kind == "own"
    assert chat.clues.utm == {"source": "yandex", "medium": "cpc", "campaign": "brand msk", "term": "шторы"}
    assert chat.clues.page_url == "https://shop.example/catalog?utm_source=yandex&utm_medium=cpc"
    assert chat.clues.page_title == "Каталог"
    assert chat.operators == ("op@example.com",)
    assert chat.details == {"city": "Moscow", "ga": "1234567890.1700000000", "ym": "1700000000123456789"}
    assert (chat.started_at, chat.finished_at, chat.event_at) == (None, None, None)


def test_finished_chat_gives_every_message_with_its_author_and_time():
    """J5, J8."""
    chat = conversation(sample("constructed/02_site_chat_finished_same_chat.json"))
    assert chat.messages == (
        Message(at(1700000200), Sender.VISITOR, "Анна", "Есть в наличии?"),
        Message(at(1700000230), Sender.OPERATOR, "Оператор", "Да", "op@example.com"),
        Message(at(1700000400), Sender.OPERATOR, "Второй", "Оформим?", "op2@example.com"),
    )
    assert (chat.started_at, chat.finished_at) == (at(1700000200), at(1700000400))
    assert chat.text == "Анна: Есть в наличии?\nОператор: Да\nВторой: Оформим?"
    assert chat.operators == ("op@example.com", "op2@example.com")
    assert chat.finished
    assert chat.details == {"invitation": "Здравствуйте! Чем помочь?", "city": "Moscow", "rate": "positive"}
    assert chat.clues.utm == {"source": "(direct)", "campaign": "(direct)"}


def test_messenger_chat_without_session_and_page_is_read():
    """J3, J-03, J-04."""
    chat = conversation(sample("constructed/03_messenger_chat_finished_no_session.json"))
    assert (chat.contact.name, chat.clues.widget, chat.clues.page_url) == ("Ivan Telegram", "TgChan5678", None)
    assert chat.clues.token is None
    assert chat.clues.utm == {}
    assert chat.messages[0].text == "Добрый день"


def test_empty_blacklisted_chat_is_a_chat():
    """J-05: no agents, no messages, no chat_accepted before."""
    chat = conversation(sample("constructed/05_chat_finished_empty.json"))
    assert (chat.vendor_id, chat.messages, chat.text, chat.operators) == ("434", (), "", ())
    assert chat.details == {"blacklisted": "true"}
    assert chat.finished


def test_offline_message_is_a_request_with_the_time_in_its_id():
    """J-11: offline_message_id is milliseconds and does not fit 32 bits."""
    request = conversation(sample("constructed/04_offline_message_no_contacts.json"))
    assert (request.type, request.vendor_id) == (ConversationType.OFFLINE_MESSAGE, "1700002000123")
    assert request.stage is Stage.FINISHED
    assert request.event_at == request.started_at == at(1700002000.123)
    assert request.text == "Перезвоните"
    assert request.messages == (Message(request.event_at, Sender.VISITOR, None, "Перезвоните"),)
    assert request.contact == Contact(None, "+79990000000", "+79990000000", None)


def test_offline_message_without_id_is_known_by_chat_and_text():
    """Contract section 9: the second key."""
    body = {"event_name": "offline_message", "chat_id": 7, "message": "Перезвоните"}
    first, again, other = (conversation(body), conversation(body), conversation(body | {"message": "Когда?"}))
    assert first.vendor_id == again.vendor_id != other.vendor_id
    assert first.vendor_id.startswith("7-")
    assert first.event_at is None


def test_offline_message_with_a_small_id_has_no_time():
    """J-11: older ids are small numbers, also as strings."""
    for number in (1234, "1234", 1700000000, 99_999_999_999_999):
        request = conversation({"event_name": "offline_message", "message": "а", "offline_message_id": number})
        assert (request.vendor_id, request.event_at) == (str(number), None)


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("chat_accepted", Stage.ACCEPTED),
        ("chat_assigned", Stage.ACCEPTED),
        ("chat_updated", Stage.UPDATED),
        ("chat_finished", Stage.FINISHED),
    ],
)
def test_each_chat_event_has_its_stage(name, stage):
    """J-05: any of them may be the first."""
    assert conversation(finished(event_name=name)).stage is stage


@pytest.mark.parametrize(
    ("name", "event", "note", "reference"),
    [
        ("docs_call_event.json", "call_event", "call", "4398"),
        ("constructed/08_unknown_event.json", "some_future_event", "unknown_event", "431"),
        ("constructed/09_bot_api_client_message.json", "CLIENT_MESSAGE", "bot_api", "431"),
        ("docs_crm_client_inner.json", "assigned_agent_to_client", "crm_event", "1"),
        ("docs_crm_deal_inner.json", "created_deal", "crm_event", None),
        ("docs_client_attribute_updated.NOT_JSON.txt", "client_attribute_updated", "not_json", None),
    ],
)
def test_what_is_no_conversation_says_what_it_is(name, event, note, reference):
    """J-10 and contract section 0, point 10: unknown names are never an error."""
    reading = read(sample(name))
    assert (reading.event_name, reading.note, reading.reference) == (event, note, reference)
    assert reading.understood is (note == "call")
    assert not reading.conversations
    assert not reading.client_updates


@pytest.mark.parametrize(
    "body",
    [
        {"event_type": "crm_deal", "event_name": "created_deal"},
        {"event_type": "crm_client"},
        {"event_type": "crm_task", "payload": {"event": {"event_name": "completed task"}}},
        {"payload": {"event": {"event_name": "updated_client"}}},
        {"event_name": "merged_tag"},
    ],
)
def test_crm_webhooks_are_recognised_in_every_envelope(body):
    """J-10."""
    assert read(body).note == "crm_event"


def test_a_chat_is_a_chat_whatever_else_is_in_the_body():
    extra = {"event_type": "crm_deal", "payload": {"event": {"event_name": "created_deal"}}, "event": "CLIENT_MESSAGE"}
    assert conversation(finished(**extra)) == conversation(finished())


def test_double_braces_of_the_crm_samples_are_not_json():
    """J-10."""
    reading = read(b'{ { "event_name": "created_deal", "deal_id": 3 } }')
    assert (reading.note, reading.event_name) == ("not_json", "created_deal")


def test_client_events_tell_of_a_person():
    """J-13: client_id and visitor.number are one number, as text or as a number."""
    (update,) = read(sample("docs_client_updated.json")).client_updates
    assert update.client == "1217"
    assert update.contact == Contact("Thomas", None, "+458745457845", "thomas@gmail.com")
    (update,) = read(sample("constructed/06_client_attribute_updated_object_form.json")).client_updates
    assert (update.client, update.contact, update.token) == ("412", Contact(), None)
    body = {"event_name": "client_attribute_updated", "client_id": 5, "user_token": "as1.77", "attributes": [{"a": 1}]}
    (update,) = read(body).client_updates
    assert update.token is not None
    assert update.token.visit == "77"


@pytest.mark.parametrize("none", [None, {}, [], "", "  ", True, 1e999])
def test_events_without_their_key_are_kept_apart(none):
    """A chat without chat_id and a person without a number cannot be recorded, and say so."""
    assert read(finished(chat_id=none)).note == "no_chat_id"
    assert read({"event_name": "client_updated", "client_id": none, "visitor": none}).note == "no_client"
    assert read({"event_name": "offline_message", "chat_id": none, "message": none}).note == "no_chat_id"


@pytest.mark.parametrize("number", [431, "431", " 431 ", 431.0])
def test_ids_are_the_same_as_number_and_as_text(number):
    """Contract section 8, first quirk."""
    reading = read(finished(chat_id=number, widget_id=number, visitor={"number": number}))
    (chat,) = reading.conversations
    assert {chat.vendor_id, chat.clues.client, reading.widget, reading.reference} == {"431"}


def test_huge_ids_keep_apart_and_fit():
    first, second = (conversation(finished(chat_id="9" * 5000 + end)).vendor_id for end in "12")
    assert first != second
    assert len(first) <= 64


@pytest.mark.parametrize("none", [None, {}, [], "", "absent"])
def test_every_style_of_none_is_none(none):
    """Contract section 8: null, {}, [] and a missing key."""
    keys = ("user_token", "visitor", "organization", "tags", "topic", "department", "session", "page", "analytics")
    keys += ("agents", "agent", "chat", "plain_messages", "html_messages", "widget_id")
    body = {"event_name": "chat_finished", "chat_id": 1} | ({} if none == "absent" else dict.fromkeys(keys, none))
    chat = conversation(body)
    assert chat == conversation({"event_name": "chat_finished", "chat_id": 1})
    assert (chat.contact, chat.details, chat.messages, chat.operators) == (Contact(), {}, (), ())


def test_messages_are_put_in_order_of_time():
    """J8: unordered, equal, missing and implausible times."""
    chat = conversation(
        with_messages(
            {"message": "третье", "timestamp": 1700000300, "type": "visitor"},
            {"message": "без времени, за третьим", "type": "agent", "agent_id": 10101},
            {"message": "первое", "timestamp": 1700000100, "type": "visitor"},
            {"message": "второе", "timestamp": 1700000100000, "type": "agent", "agent_id": "10102"},
        )
    )
    assert [message.text for message in chat.messages] == ["первое", "второе", "третье", "без времени, за третьим"]
    assert [message.author for message in chat.messages] == ["Анна", "Второй", "Анна", "Первый"]
    assert chat.messages[1].at == at(1700000100)


@pytest.mark.parametrize("stamp", [0, -1, 1, 1e12, 4102444800, "", "abc", None, True, [], {}, 10**30, 1e300])
def test_implausible_times_are_no_times(stamp):
    """Before 2010, more than a day ahead of the arrival, or no time at all."""
    chat = conversation(with_messages({"message": "а", "timestamp": stamp, "type": "visitor"}))
    assert (chat.messages[0].at, chat.started_at, chat.finished_at) == (None, None, None)


@pytest.mark.parametrize("stamp", [1700000200, "1700000200", 1700000200.9, 1700000200000])
def test_times_come_in_seconds_or_milliseconds(stamp):
    chat = conversation(with_messages({"message": "а", "timestamp": stamp, "type": "visitor"}))
    assert chat.started_at == at(1700000200)


def test_a_clock_a_little_ahead_is_believed():
    ahead = int(RECEIVED.timestamp()) + 3600
    assert conversation(with_messages({"message": "а", "timestamp": ahead, "type": "visitor"})).started_at == at(ahead)


def test_event_timestamp_is_used_when_plausible():
    """J-11."""
    assert conversation(finished(event_timestamp="1700000500")).event_at == at(1700000500)
    assert conversation(finished(event_timestamp=5)).event_at is None


@pytest.mark.parametrize(
    ("message", "sender", "author"),
    [
        ({"type": "visitor"}, Sender.VISITOR, "Анна"),
        ({"type": "agent", "agent_id": "10101"}, Sender.OPERATOR, "Первый"),
        ({"type": "agent", "agent_id": 999}, Sender.OPERATOR, None),
        ({"type": "agent"}, Sender.OPERATOR, None),
        ({"type": "bot"}, Sender.SYSTEM, "bot"),
        ({"type": 5}, Sender.SYSTEM, "5"),
        ({"agent_id": 10101}, Sender.OPERATOR, "Первый"),
        ({}, Sender.SYSTEM, None),
    ],
)
def test_who_wrote_a_message(message, sender, author):
    """J-09: unknown types are kept, and are nobody's words."""
    (found,) = conversation(with_messages({"message": "а"} | message)).messages
    assert (found.sender, found.author) == (sender, author)


def test_the_only_agent_wrote_what_an_agent_wrote():
    body = with_messages({"message": "а", "type": "agent"}) | {"agents": [{"id": 5, "name": "Один"}]}
    assert conversation(body).messages[0].author == "Один"


@pytest.mark.parametrize("said", ["", None, {}, [], True, "<Message text is not displayed here>"])
def test_messages_without_words_are_kept_for_their_time(said):
    """J-09: files and placeholders have no text; when they were sent is known all the same."""
    chat = conversation(with_messages({"message": said, "timestamp": 1700000200, "type": "visitor"}))
    assert chat.messages == (Message(at(1700000200), Sender.VISITOR, "Анна", ""),)
    assert chat.text == ""


def test_texts_come_through_as_written():
    for said in ("<b>HTML</b> & кавычки", "😀 👩‍👩‍👧", "две\nстроки", "ы" * 100_000):
        assert conversation(with_messages({"message": said, "type": "visitor"})).messages[0].text == said


def test_plain_messages_are_used_only_where_there_are_no_messages():
    """J-09."""
    plain = "Анна: Есть в наличии?\nи когда?\nПервый: Да\nСистема: чат закрыт"
    chat = conversation(finished(chat={"messages": []}, plain_messages=plain, html_messages="<p>нет</p>"))
    assert chat.messages == (
        Message(None, Sender.VISITOR, "Анна", "Есть в наличии?\nи когда?"),
        Message(None, Sender.OPERATOR, "Первый", "Да\nСистема: чат закрыт"),
    )
    assert chat.text == plain
    assert "иное" not in conversation(finished(plain_messages="Анна: иное")).text
    (only,) = conversation(finished(chat=None, plain_messages="строка без имени")).messages
    assert (only.sender, only.text) == (Sender.SYSTEM, "строка без имени")
    assert conversation(finished(chat=None, plain_messages="<Message text is not displayed here>")).messages == ()


@pytest.mark.parametrize(
    ("agents", "emails"),
    [
        ([], ()),
        ({"id": 1, "email": "One@Example.com"}, ("one@example.com",)),
        ({"0": {"id": 1, "email": "a@example.com"}, "1": {"id": 2, "email": "b@example.com"}}, None),
        (
            [{"id": 1}, {"id": 2, "email": "no e-mail"}, None, 5, {"id": 3, "email": "c@example.com"}],
            ("c@example.com",),
        ),
        ([{"email": "a@example.com"}, {"email": "A@example.com"}], ("a@example.com",)),
    ],
)
def test_operators_are_the_agents_with_an_email(agents, emails):
    assert conversation(finished(agents=agents)).operators == (
        ("a@example.com", "b@example.com") if emails is None else emails
    )


def test_details_have_stable_codes_and_texts():
    body = finished(
        topic={"title": "Доставка"},
        department={"name": "Продажи"},
        tags=[{"id": "1", "title": "Опт"}, {"id": 2, "title": "Срочно"}, None],
        chat_rate="good",
        analytics={"ga": 5, "ym": True},
        chat={"messages": [], "invitation": "Добрый день", "invite_timestamp": 1700000000, "rate": None},
    )
    assert conversation(body).details == {
        "topic": "Доставка",
        "department": "Продажи",
        "tags": "Опт, Срочно",
        "rate": "good",
        "ga": "5",
        "invitation": "Добрый день",
        "invited_at": "2023-11-14T22:13:20Z",
    }


def test_nothing_in_a_reading_is_longer_than_its_column():
    long = "я" * 10_000
    body = finished(
        event_name="chat_updated",
        widget_id=long,
        chat_id=long,
        visitor={"name": long, "phone": long, "email": long, "number": long},
        page={"url": long, "title": long},
        user_token=long,
    )
    reading = read(body)
    (chat,) = reading.conversations
    assert max(len(chat.vendor_id), len(chat.clues.client), len(reading.widget), len(reading.reference)) <= 64
    assert max(len(chat.contact.name), len(chat.contact.phone_raw)) <= 255
    assert len(chat.contact.phone_raw) <= 100
    assert len(chat.clues.page_url) <= 2000
    assert len(read({"event_name": long}).event_name) <= 100
    assert json.dumps(chat.details)
