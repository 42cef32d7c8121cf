"""Bodies that no honest sender makes, the same ones for the same seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from .jivo_templates import BUILT_IN, PAYLOADS, Chat

#: The product's limit; bodies above it are refused, which is another matter.
LARGEST = 1024 * 1024

#: Text that has broken somebody's product: SQL, HTML, NUL, halves of pairs, directions, formats, secrets' shapes.
TEXTS = (
    "'; DROP TABLE communication; --",
    '" OR 1=1 /* %s %(name)s {0} {{7*7}} ${jndi:ldap://x} */',
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a\x00b",
    "\x00",
    "\ud800",
    "\udc00\ud83d",
    "😀" * 300,
    "\u202eобратно\u202c\u2066\u200b\ufeff",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "\r\nSet-Cookie: x=1\r\n\r\n",
    "\x1b[31m\x07\x08",
    "%00%ff%c0%af../../../../etc/passwd",
    "%" * 3000,
    "&amp;" * 3000,
    "a=|" * 3000,
    "+7" * 2000,
    "@." * 2000,
    "1" * 5000,
    "\n" * 5000,
    "x" * 70_000,
    "",
    " ",
)

#: Values of any type, among them numbers that no column holds.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, -1e308, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30, 1e-320),
    *([], {}, [[]], [None], [{}], {"": None}, {"a": {"b": [1, "2", None]}}, [1, "x", {"id": 1}]),
)

#: JSON that only some parsers take, or that is far too deep.
DOCUMENTS = (
    b"",
    b" \r\n\t",
    b"null",
    b"true",
    b'"chat_finished"',
    b"[]",
    b"{}",
    b"-",
    b"NaN",
    b'{"event_name":"chat_finished","chat_id":NaN}',
    b'{"event_name":"chat_finished","chat_id":1e400}',
    b'{"event_name":"chat_finished","chat_id":-0}',
    b'{"event_name":"chat_finished","chat_id":' + b"9" * 5000 + b"}",
    b'{"event_name":"chat_finished","chat_id":1,"chat_id":2}',
    b'{"event_name":"chat_finished","chat_id":1,}',
    b"{'event_name':'chat_finished','chat_id':1}",
    b'{"event_name":"chat_finished","chat_id":1}{"event_name":"chat_finished","chat_id":2}',
    b'{"event_name":"chat_finished","chat_id":"\\ud800"}',
    b'{"event_name":"chat_finished","chat_id":"\\u0000"}',
    b'{"event_name":"chat_finished","chat_id":"\xed\xa0\x80"}',
    b'{"event_name":"\\u0000chat_finished","chat_id":1}',
    b"[" * 100_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"event_name":"chat_finished","chat_id":7,"chat":{"messages":' + b"[" * 900 + b"]" * 900 + b"}}",
    b'{"event_name":"chat_finished","chat_id":8,"visitor":' + b'{"name":' * 900 + b"1" + b"}" * 900 + b"}",
    b'{"event_name":"chat_finished","chat_id":9,"chat":{"messages":[' + b"{}," * 20_000 + b"{}]}}",
    b"event = {",
    b"event=" + b"%7B" * 1000,
    b"=&=&=&;;;%%%",
    b"\xff\xfe{\x00}\x00",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    b"PK\x03\x04",
    b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'a'>]><x>&a;</x>",
)


def bodies(number: int, seed: int = 1) -> list[bytes]:
    """So many bodies. Some of them stand in the list twice, as a sender that repeats itself would have it."""
    chance = random.Random(seed)
    samples = list(_samples())
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: _mutated(chance, samples),
        lambda: _mutated(chance, samples),
        lambda: _mutated(chance, samples),
        lambda: _broken(chance, samples),
        lambda: _broken(chance, samples),
        lambda: chance.randbytes(chance.choice((1, 7, 100, 4_000))),
        lambda: _unlike(chance),
    )
    made = list(DOCUMENTS)
    while len(made) < number:
        made.append(chance.choice(made) if chance.random() < 0.03 else chance.choice(makers)())
    made = [body[:LARGEST] for body in made[:number]]
    chance.shuffle(made)
    return made


def _samples() -> Iterator[dict[str, Any]]:
    """Every kind of event that is known, built-in and of the contract."""
    for make in BUILT_IN.values():
        yield make(Chat(5, 1005, 1_790_000_000))
    for path in sorted(PAYLOADS.rglob("*.json")):
        yield json.loads(path.read_bytes())


def _mutated(chance: random.Random, samples: list[dict[str, Any]]) -> bytes:
    """A sample with up to six of its values replaced, removed, doubled or moved; few chats, so that they collide."""
    body = copy.deepcopy(chance.choice(samples))
    if "chat_id" in body:
        body["chat_id"] = chance.randrange(40)
    for _ in range(chance.randrange(1, 7)):
        holder = _somewhere(chance, body)
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            continue
        key = chance.choice(keys)
        action = chance.randrange(6)
        if action == 0:
            holder.pop(key)
        elif action == 1 and isinstance(holder, dict):
            holder[chance.choice(TEXTS)[:200]] = holder.pop(key)
        elif action == 2 and isinstance(holder, list):
            holder.extend(copy.deepcopy(holder) for _ in range(3))
        elif action == 3:
            holder[key] = copy.deepcopy(chance.choice(VALUES))
        else:
            holder[key] = chance.choice(TEXTS)
    # Halves of pairs cannot be written as UTF-8: they go as escapes, or as the bytes that some languages make of them.
    escapes = chance.random() < 0.5
    return json.dumps(body, ensure_ascii=escapes).encode("utf-8", "surrogatepass")


def _somewhere(chance: random.Random, body: Any) -> Any:
    """An object or a list in the body, at any depth."""
    while True:
        inner = [part for part in (body.values() if isinstance(body, dict) else body) if isinstance(part, dict | list)]
        if not inner or chance.random() < 0.4:
            return body
        body = chance.choice(inner)


def _broken(chance: random.Random, samples: list[dict[str, Any]]) -> bytes:
    """A sample with its bytes cut, flipped or filled up."""
    raw = bytearray(json.dumps(chance.choice(samples), ensure_ascii=False).encode())
    action = chance.randrange(4)
    if action == 0:
        return bytes(raw[: chance.randrange(len(raw))])
    if action == 1:
        return bytes(raw[chance.randrange(len(raw)) :])
    for _ in range(chance.randrange(1, 20)):
        place = chance.randrange(len(raw))
        if action == 2:
            raw[place] = chance.randrange(256)
        else:
            raw[place:place] = chance.choice((b"\x00", b"\xff", b'"', b"{", b"]", b"\\", b"\\u", b"\xed\xa0\x80"))
    return bytes(raw)


def _unlike(chance: random.Random) -> bytes:
    """A known event whose every field has a value of some other kind."""
    keys = (
        *("chat_id", "widget_id", "user_token", "visitor", "client_id", "session", "page", "chat", "agents", "agent"),
        *("message", "offline_message_id", "analytics", "tags", "topic", "call", "attributes", "event_timestamp"),
        *("plain_messages", "chat_rate", "payload", "event", "event_type"),
    )
    names = (*BUILT_IN, "", None, 7, [], {"a": 1}, *TEXTS[:8])
    body = {"event_name": chance.choice(names)}
    for key in keys:
        if chance.random() < 0.6:
            body[key] = chance.choice((*VALUES, *TEXTS))
    return json.dumps(body, ensure_ascii=chance.random() < 0.7).encode("utf-8", "surrogatepass")
