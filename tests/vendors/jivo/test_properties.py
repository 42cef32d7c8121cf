"""Whatever comes, the parser answers, and what it answers can be stored."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.conversation import UTM_KEYS, Reading
from webapp.vendors.jivo.assumptions import CLIENT_EVENTS, STAGES

from .bodies import read, samples

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**62, max_value=10**40)
    | st.floats()
    | st.text(max_size=40)
    | st.text(alphabet=st.characters(categories=["Cs", "Cc", "Nd"]), max_size=10)
    | st.sampled_from(["1700000200", "as1.5", "+79161234567", "[12345]", "<Message text is not displayed here>"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SAMPLES = [json.loads(path.read_bytes()) for path in samples() if path.suffix == ".json"]
EVENTS = sorted([*STAGES, *CLIENT_EVENTS, "call_event"])


def texts(value: Any) -> Iterator[str]:
    """Every text in a reading."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts(getattr(value, field.name))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(key)
            yield from texts(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from texts(inner)


def check(reading: Reading) -> None:
    for found in texts(reading):
        assert "\x00" not in found
        found.encode("utf-8")
    assert reading.understood is (reading.note in (None, "call"))
    for conversation in reading.conversations:
        assert conversation.vendor_id
        assert set(conversation.clues.utm) <= set(UTM_KEYS)
        assert all(isinstance(value, str) for value in conversation.details.values())
        times = [message.at for message in conversation.messages if message.at]
        assert times == sorted(times)
        assert conversation.contact.phone is None or conversation.contact.phone.startswith("+")
    for update in reading.client_updates:
        assert update.client


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every place in a body."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


@st.composite
def mutated_samples(draw: st.DrawFn) -> Any:
    """A sample with up to four places overwritten or taken out."""
    body = copy.deepcopy(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from(sorted(paths(body), key=repr) or [("event_name",)]))
        place = body
        for step in way:
            place = place[step]
        if isinstance(place, dict) and draw(st.booleans()):
            place.pop(last, None)
        else:
            place[last] = draw(VALUES)
    return body


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read(raw):
    check(read(raw))


@given(VALUES, st.sampled_from([b"", b"\xef\xbb\xbf", b"event = ", b"data="]))
@settings(max_examples=300, deadline=None)
def test_any_json_is_read(value, prefix):
    check(read(prefix + json.dumps(value).encode()))


@given(mutated_samples(), st.sampled_from(EVENTS))
@settings(max_examples=500, deadline=None)
def test_any_change_of_a_sample_is_read(body, event):
    check(read(json.dumps(body).encode()))
    check(read(json.dumps(body | {"event_name": event}).encode()))


@given(st.sampled_from([path.read_bytes() for path in samples()]), st.data())
@settings(max_examples=300, deadline=None)
def test_any_damage_to_a_samples_bytes_is_read(raw, data):
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 30)))
    check(read(raw[:start] + data.draw(st.binary(max_size=10)) + raw[end:]))


@given(st.integers(min_value=0, max_value=10**30))
def test_an_id_is_the_same_as_number_and_as_text(number):
    body = {"event_name": "chat_finished"}
    as_number, as_text = read(body | {"chat_id": number}), read(body | {"chat_id": str(number)})
    assert as_number == as_text
    assert as_number.conversations[0].vendor_id == str(number)


@given(mutated_samples())
@settings(max_examples=100, deadline=None)
def test_reading_twice_gives_the_same(body):
    raw = json.dumps(body).encode()
    assert read(raw) == read(raw)
