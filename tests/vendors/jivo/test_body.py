"""The bytes around Jivo's JSON: prefixes, forms, encodings, and everything that is no JSON."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus, urlencode

import pytest

from webapp.vendors.jivo import assumptions
from webapp.vendors.jivo.body import parse

from .bodies import FINISHED, conversation, finished, read, sample, with_messages

PLAIN = json.dumps(FINISHED, ensure_ascii=False)
ESCAPED = json.dumps(FINISHED)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        None,
        "",
    ],
)
@pytest.mark.parametrize("text", [PLAIN, ESCAPED, "event = " + PLAIN, "event=" + PLAIN, "\ufeff" + PLAIN, PLAIN + "="])
def test_the_same_chat_in_every_content_type_and_wrapping(content_type, text):
    """J-01 and the legacy prefix."""
    assert read(text.encode(), content_type=content_type) == read(FINISHED)


@pytest.mark.parametrize(
    "text",
    [
        urlencode({"payload": PLAIN}),
        urlencode({"id": "5", "data[json]": ESCAPED, "last": "1"}),
        quote_plus(PLAIN),
        quote(PLAIN) + "=",
        "a=1&data=" + quote_plus("\ufeff" + PLAIN),
    ],
)
def test_a_form_that_holds_the_json_is_unwrapped(text):
    assert read(text.encode(), content_type="application/x-www-form-urlencoded") == read(FINISHED)


def test_percent_signs_and_plus_signs_in_json_stay():
    body = with_messages({"message": "100% = 50+50 %D1%88 &amp;", "type": "visitor"})
    chat = conversation(json.dumps(body).encode(), content_type="application/x-www-form-urlencoded")
    assert chat.messages[0].text == "100% = 50+50 %D1%88 &amp;"


@pytest.mark.parametrize(
    ("raw", "note", "name"),
    [
        (b"", "empty", None),
        (b" \r\n\t ", "empty", None),
        (b"\xef\xbb\xbf", "empty", None),
        (b"\x00\x00", "empty", None),
        (b"[]", "not_object", None),
        (b'[{"event_name": "chat_finished", "chat_id": 1}]', "not_object", None),
        (b'"text"', "not_object", None),
        (b"42", "not_object", None),
        (b"null", "not_object", None),
        (b"<html>", "not_json", None),
        (b"a=1&b=2", "not_json", None),
        (b"data=%7Bnot+json", "not_json", None),
        (b'{"event_name": "chat_finished", "chat_id": 1', "not_json", "chat_finished"),
        (b"\xff\xfe\x00\x01", "not_json", None),
    ],
)
def test_what_is_not_a_json_object_is_named(raw, note, name):
    reading = read(raw)
    assert (reading.note, reading.event_name, reading.understood) == (note, name, False)
    assert not reading.conversations


def test_an_object_without_a_name_is_an_unknown_event():
    assert read(b"{}").note == "unknown_event"
    assert read(sample("docs_chat_accepted_response.json")).note == "unknown_event"


def test_invalid_bytes_are_replaced_and_the_rest_is_read():
    raw = PLAIN.encode().replace("Есть".encode(), b"\xc5\xf1\xf2\xfc")
    chat = conversation(raw)
    assert chat.messages[0].text.endswith(" в наличии?")
    assert "\ufffd" in chat.messages[0].text


def test_mojibake_is_read_as_sent():
    raw = json.dumps(finished(), ensure_ascii=False).encode().decode("cp1251", "ignore").encode()
    assert conversation(raw).vendor_id == "431"


def test_halves_of_surrogate_pairs_and_nul_never_reach_the_database():
    raw = b'{"event_name":"chat_finished","chat_id":"4\\u000031","visitor":{"name":"\\ud800A\\udc00\\u0000"},'
    raw += b'"chat":{"messages":[{"message":"a\\u0000b\\ud83d\\ude00\\ud83d","type":"visitor"}]}}'
    chat = conversation(raw)
    assert (chat.vendor_id, chat.contact.name) == ("431", "\ufffdA\ufffd")
    assert chat.messages[0].text == "ab😀\ufffd"


def test_thousands_of_brackets_are_not_json():
    for depth in (900, 1000, 5000, 100_000):
        raw = b'{"event_name": "chat_finished", "chat_id": 1, "tags": ' + b"[" * depth + b"]" * depth + b"}"
        reading = read(raw)
        assert reading.event_name == "chat_finished"
        assert reading.note in (None, "not_json")


def test_numbers_out_of_every_range_are_read():
    raw = b'{"event_name":"chat_finished","chat_id":%s,"visitor":{"number":1e999,"chats_count":NaN,"phone":-Infinity}}'
    chat = conversation(raw % (b"9" * 10_000))
    assert chat.vendor_id.startswith("9999")
    assert (chat.clues.client, chat.contact.phone_raw) == (None, None)


def test_the_last_of_two_equal_keys_counts():
    assert conversation(b'{"event_name":"chat_finished","chat_id":1,"chat_id":2}').vendor_id == "2"


def test_raw_control_characters_in_texts_are_tolerated():
    raw = b'{"event_name":"chat_finished","chat_id":1,"chat":{"messages":[{"message":"a\nb\x01","type":"visitor"}]}}'
    assert conversation(raw).messages[0].text == "a\nb"


@pytest.mark.parametrize(
    "raw",
    [
        b"{" * 1_000_000,
        b'{"a":' * 200_000,
        b"&" * 1_000_000,
        b"a=" * 500_000,
        b"%7B" * 300_000,
        b'"event_name":' * 70_000,
        json.dumps(
            with_messages(*[{"message": "8 " * 200, "type": "visitor", "timestamp": 1700000000}] * 2000)
        ).encode(),
        json.dumps(with_messages(*[{"message": "@" * 400, "type": "visitor"}] * 2000)).encode(),
        json.dumps(finished(chat=None, plain_messages="а\n" * 200_000)).encode(),
        json.dumps(finished(chat=None, plain_messages="Анна:\n" * 50_000)).encode(),
        json.dumps(finished(session={"utm": "|term=" * 150_000})).encode(),
        json.dumps(finished(page={"url": "?utm_term=%25" * 70_000})).encode(),
        json.dumps(finished(visitor={"name": "[" * 900_000, "email": "a@" * 400_000})).encode(),
    ],
)
@pytest.mark.timeout(20 * assumptions.READ_WITHIN_SECONDS)
def test_a_body_of_a_megabyte_takes_no_time_that_grows_with_its_square(raw):
    """J-02: a slow answer may be taken for none. The limit is far off, so that only such a growth reaches it."""
    read(raw)


def test_two_thousand_messages_are_all_kept():
    messages = [{"message": str(n), "type": "visitor", "timestamp": 1700000000 + n} for n in range(2000)]
    assert [message.text for message in conversation(with_messages(*reversed(messages))).messages] == [
        str(n) for n in range(2000)
    ]


def test_parse_gives_the_object_itself():
    assert parse(b'event = {"a": 1}', None).data == {"a": 1}
