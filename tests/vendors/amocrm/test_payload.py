"""What webhooks of amoCRM say (contract, section 2)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.conversation import Sender, Stage
from webapp.vendors import VendorRequest, registry
from webapp.vendors.amocrm.assumptions import session_of
from webapp.vendors.amocrm.body import decode, parse
from webapp.vendors.amocrm.origins import channel_of

NOW = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
SAMPLES = sorted((Path(__file__).parents[2] / "payloads" / "amocrm").glob("hook_*"))


def read(body: bytes, **options):
    return registry()["amocrm"].read(VendorRequest(body, None, NOW, options=options))


def sample(name: str) -> bytes:
    return (Path(__file__).parents[2] / "payloads" / "amocrm" / name).read_bytes()


def talk(**values) -> bytes:
    given = {"talk_id": 191, "created_at": 1726581298, "updated_at": 1726581548, "is_in_work": 0, "origin": "telegram"}
    pairs = given | values
    return urlencode({f"talk[update][0][{key}]": value for key, value in pairs.items() if value is not None}).encode()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_sample_is_understood(path: Path):
    reading = read(path.read_bytes())
    assert reading.understood
    entity, action = path.name.split("_")[1:3]
    assert reading.event_name == f"{entity}[{action.partition('.')[0]}]"


def test_a_closed_talk_is_a_request_that_began_when_the_talk_did():
    [told] = read(sample("hook_talk_update_closed.urlencoded.txt")).conversations
    assert (told.vendor_id, told.type, told.stage, told.channel) == (
        "191",
        "offline_message",
        Stage.FINISHED,
        "telegram",
    )
    assert told.started_at == datetime.fromtimestamp(1726581298, UTC)
    assert told.finished_at == datetime.fromtimestamp(1726581548, UTC)
    assert (told.asks, told.waits, told.clues.client) == (True, False, "11018118")
    assert told.details == {"talk": "A191", "origin": "telegram", "lead": "9276114"}


@pytest.mark.parametrize("name", ["hook_talk_add.urlencoded.txt", "hook_talk_update_answered.urlencoded.txt"])
def test_an_open_talk_waits(name: str):
    """A3."""
    reading = read(sample(name))
    assert (reading.note, [one.waits for one in reading.conversations]) == ("talk_open", [True])


def test_both_talks_of_a_request_are_read():
    reading = read(sample("hook_talk_update_two_items.urlencoded.txt"))
    assert [(one.vendor_id, one.channel) for one in reading.conversations] == [("191", "telegram"), ("192", "site")]


def test_a_talk_without_an_entity_is_one_all_the_same():
    [told] = read(sample("hook_talk_update_closed_no_entity.urlencoded.txt")).conversations
    assert "lead" not in told.details


def test_a_message_is_text_that_waits():
    [told] = read(sample("hook_message_add_incoming.urlencoded.txt")).conversations
    assert [(one.sender, one.author, one.text) for one in told.messages] == [(Sender.VISITOR, "user name", "Hello!")]
    assert (told.waits, told.vendor_id, told.contact.name) == (True, "191", "user name")


@pytest.mark.parametrize(
    ("message", "sender"),
    [
        ({"type": "incoming"}, Sender.VISITOR),
        ({"type": "outgoing"}, Sender.OPERATOR),
        ({"author][type": "bot", "type": "outgoing"}, Sender.SYSTEM),
        ({"author][type": "internal"}, Sender.OPERATOR),
        ({}, Sender.VISITOR),
    ],
)
def test_who_wrote_a_message(message, sender):
    pairs = {"talk_id": 191, "text": "?", **message}
    [told] = read(urlencode({f"message[add][0][{key}]": value for key, value in pairs.items()}).encode()).conversations
    assert told.messages[0].sender is sender


@pytest.mark.parametrize(
    ("values", "closed"),
    [
        ({"is_in_work": "0"}, True),
        ({"is_in_work": "1"}, False),
        ({"is_in_work": None}, False),
        ({"is_in_work": None, "status": "closed"}, True),
        ({"is_in_work": "1", "status": "nps_in_progress"}, False),
    ],
)
def test_when_a_talk_is_closed(values, closed):
    """A-01."""
    [told] = read(talk(**values)).conversations
    assert told.finished is closed


@pytest.mark.parametrize(("said", "understood"), [("17029541", True), ("1", False), (None, True)])
def test_the_account_must_be_the_one_that_was_connected(said, understood):
    """Contract 2.2; a hook that names no account is taken."""
    body = talk() + (urlencode({"account[id]": said}).encode().join([b"&", b""]) if said else b"")
    assert read(body, vendor_account="17029541").understood is understood
    assert read(body).understood


@pytest.mark.parametrize(
    ("body", "note"),
    [(b"", "empty"), (b"  ", "empty"), (b"{", "not_form"), (b"hello", "not_form"), (b"account[id]=1", "not_form")],
)
def test_what_is_no_webhook_is_said_to_be_none(body: bytes, note: str):
    reading = read(body)
    assert (reading.understood, reading.note, reading.conversations) == (False, note, ())


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_error(body: bytes):
    read(body)


PIECES = st.sampled_from(["talk", "message", "update", "add", "0", "1", "", "talk_id", "is_in_work", "text", "author"])


@given(st.lists(st.tuples(st.lists(PIECES, min_size=1, max_size=6), st.text(max_size=8)), max_size=12))
def test_any_brackets_are_read_without_an_error(pairs):
    body = urlencode([(path[0] + "".join(f"[{part}]" for part in path[1:]), value) for path, value in pairs])
    read(body.encode())


TREE = st.recursive(
    st.text(alphabet="абв xyz&=+%[]", min_size=1, max_size=6).filter(lambda text: text.strip() == text),
    lambda inner: st.dictionaries(st.from_regex(r"[a-z0-9_]{1,5}", fullmatch=True), inner, min_size=1, max_size=3),
    max_leaves=10,
)


def flat(tree, path=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, (*path, key))
        else:
            yield (*path, key), value


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), TREE, min_size=1, max_size=3))
def test_what_php_would_write_is_read_back(tree):
    pairs = [(path[0] + "".join(f"[{part}]" for part in path[1:]), value) for path, value in flat(tree)]
    assert decode(urlencode(pairs)) == tree


def test_a_list_without_numbers_and_a_later_form_of_a_key():
    assert decode("a[]=1&a[]=2") == {"a": {"0": "1", "1": "2"}}
    assert decode("a=1&a[b]=2") == {"a": {"b": "2"}}
    assert decode("a=1&a=2") == {"a": "2"}


def test_brackets_without_an_end_in_depth_are_one_key():
    deep = "a" + "[b]" * 5000
    assert decode(f"{deep}=1") == {deep: "1"}


def test_the_json_of_the_documents_is_read_as_well():
    assert parse(b'{"talk": {"update": [{"talk_id": 5, "is_in_work": false, "x": null}]}}') == {
        "talk": {"update": {"0": {"talk_id": "5", "is_in_work": "0"}}}
    }


@pytest.mark.parametrize(
    ("origin", "channel"),
    [
        ("onlinechat", "site"),
        ("telegram", "telegram"),
        ("waba", "whatsapp"),
        ("com.wazzup24.insta", "instagram"),
        ("com.wazzup24.new", "whatsapp"),
        ("com.something.wa", "whatsapp"),
        ("ru.max.bot", "max"),
        ("vk", "vk"),
        ("avito_messenger", "avito"),
        ("amo.ext.30490163_v2", "amo.ext.30490163_v2"),
        ("com.walmart", "com.walmart"),
        ("", None),
        (None, None),
    ],
)
def test_which_messenger_an_origin_is(origin, channel):
    """Contract, section 5; DESIGN §8: the vendor's own word where none fits."""
    assert channel_of(origin) == channel


@pytest.mark.parametrize(
    ("value", "session"),
    [
        ("4815162342", "4815162342"),
        ("as1.4815162342", "4815162342"),
        (" 0042 ", "42"),
        ("0", None),
        ("9" * 20, None),
        ("4815162342.0", None),
        ("as2.1", None),
        ("", None),
        (None, None),
        ("１２３", None),
    ],
)
def test_which_session_a_field_names(value, session):
    """Contract 4.4."""
    assert session_of(value) == session


def test_the_sample_of_the_test_button_is_a_closed_talk_nobody_is_asked_about(app):
    with app.test_request_context():
        body = registry()["amocrm"].sample_chat(NOW, "ab12")
    reading = read(body, vendor_account="17029541")
    first, message = reading.conversations
    assert (first.vendor_id, first.finished, first.asks, first.channel) == ("test-ab12", True, False, "site")
    assert message.vendor_id == first.vendor_id
    assert message.contact.email == "test@example.com"
