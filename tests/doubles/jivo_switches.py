"""The switches of the Jivo stand-in: everything that no document says about a webhook, as one knob each.

The table is the contract's (Jivo, section 11), the default first. A default leaves a body as its template made it, so a
sample file is sent exactly as it stands until a switch is turned.
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from .server import Refused

#: Each switch's values, the default first. ``disable_after_failures`` takes any whole number, ``time_factor`` any
#: number: the pauses of retries and scenarios are multiplied by it.
SWITCHES: dict[str, tuple[Any, ...]] = {
    "content_type": (
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "none",
    ),
    "body_prefix": ("none", "event = "),
    "encoding": ("utf-8", "escapes", "bom", "invalid", "cp1251"),
    "timeout_s": (3, 1, 10),
    "retries": (0, 2, 5),
    "time_factor": (1,),
    "retry_on": ("nothing", "5xx and timeout", "also 4xx", "also not ok"),
    "disable_after_failures": ("off",),
    "id_types": ("number", "string", "mixed"),
    "none_style": ("null", "absent", "object", "list", "empty string"),
    "token": (
        *("absent", "null", "own", "cookie", "pairs", "# pairs", "json", "digits", "jwt", "::", "4 KB", "empty"),
    ),
    "term_key": ("term", "keyword", "both", "different"),
    "utm_encoding": ("plain", "percent 1", "percent 2", "percent 3", "html", "bars"),
    "channel_fields": ("website", "messenger", "chat api"),
    "timestamps": (
        *("seconds", "unordered", "equal", "future", "zero", "milliseconds"),
        *("event_timestamp", "implausible event_timestamp"),
    ),
    "messages": (
        *("normal", "empty", "visitor only", "agent only", "unknown type", "unknown agent", "empty text", "no text"),
        *("html", "emoji", "100 kB", "2000"),
    ),
    "agents": ("one", "none", "several", "without e-mail", "string ids"),
    "attributes": ("object", "list", "invalid"),
    "crm_envelope": ("plain", "payload.event", "double braces", "no event_type"),
}

#: The session that tokens name unless an order says another.
SESSION = "700000001"

#: Values of the switches that a test must be able to recognise.
EMOJI_TEXT = "Шторы 🪟🧵 в спальню 👩‍👩‍👧"
HTML_TEXT = '<img src=x onerror="alert(1)"><b>Шторы</b> & <script>alert(2)</script>'
MARK_WITH_BARS = "синий|лён=50%|a=b"
OTHER_TERM = "портьеры"

_ID_KEYS = frozenset(
    {"id", "chat_id", "client_id", "number", "agent_id", "topic_id", "parent_id", "offline_message_id", "deal_id"}
)


def checked(order: Any) -> dict[str, Any]:
    """The switches of an order. Raises Refused for an unknown name or value."""
    if not isinstance(order, Mapping):
        raise Refused("switches must be an object")
    for name, value in order.items():
        if name not in SWITCHES:
            raise Refused(f"no switch {name!r}; there are {', '.join(SWITCHES)}")
        number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        free = name == "time_factor" or (name == "disable_after_failures" and isinstance(value, int))
        if value not in SWITCHES[name] and not (free and number):
            raise Refused(f"the switch {name} has no {value!r}; it has {SWITCHES[name]}")
    return dict(order)


def defaults() -> dict[str, Any]:
    """Every switch at its default."""
    return {name: values[0] for name, values in SWITCHES.items()}


def turned(body: dict[str, Any], switches: Mapping[str, Any], *, at: int, session: str) -> dict[str, Any]:
    """The body with the switches applied. ``at`` is the event's time in unix seconds."""
    body = copy.deepcopy(body)
    _agents(body, switches["agents"])
    _messages(body, switches["messages"], at)
    _timestamps(body, switches["timestamps"], at)
    _channel_fields(body, switches["channel_fields"])
    if switches["token"] != "absent":
        body["user_token"] = token(switches["token"], session, at)
    _utm(body, switches["term_key"], switches["utm_encoding"])
    if switches["attributes"] == "list" and isinstance(body.get("attributes"), dict):
        body["attributes"] = [{key: value} for key, value in body["attributes"].items()]
    _crm_envelope(body, switches["crm_envelope"])
    if switches["id_types"] != "number":
        mixed = switches["id_types"] == "mixed"
        places = itertools.count()
        body = _walk(body, lambda key, value: _as_id(key, value, not mixed or next(places) % 2 == 0))
    return _nones(body, switches["none_style"])


def encoded(body: dict[str, Any], switches: Mapping[str, Any]) -> bytes:
    """The bytes of a body."""

    def dumped(value: Any) -> str:
        return json.dumps(value, ensure_ascii=switches["encoding"] == "escapes", separators=(",", ":"))

    text = dumped(body)
    if switches["attributes"] == "invalid" and isinstance(body.get("attributes"), dict):
        pairs = dumped(body["attributes"])
        text = text.replace(pairs, f"[{pairs[1:-1]}, ...]")
    if switches["crm_envelope"] == "double braces":
        text = "{" + text + "}"
    return encoded_text(text, switches)


def encoded_text(text: str, switches: Mapping[str, Any]) -> bytes:
    """The bytes of a text, with the prefix of old hooks and in the encoding of the switches."""
    if switches["body_prefix"] != "none":
        text = switches["body_prefix"] + text
    raw = text.encode("utf-8", "surrogatepass")
    if switches["encoding"] == "bom":
        return b"\xef\xbb\xbf" + raw
    if switches["encoding"] == "invalid":
        place = next((place for place, byte in enumerate(raw) if byte >= 0x80), len(raw) // 2)
        return raw[:place] + b"\xff" + raw[place + 1 :]
    if switches["encoding"] == "cp1251":
        return raw.decode("cp1251", "replace").encode()
    return raw


def token(shape: str, session: str, at: int) -> str | None:
    """A user_token of this shape that names this session where the shape can (contract, section 7.2)."""
    claims = {"id": "visitor7", "session_id": int(session) if session.isdecimal() else session}
    shapes: dict[str, str | None] = {
        "null": None,
        "own": f"as1.{session}",
        "cookie": f"123456.{session}.{at}",
        "pairs": f"site_key---abcdef|||session_id---{session}|||visitor_id---42",
        "# pairs": f"site_key#abcdef|session_id#{session}|visitor_id#42|",
        "json": json.dumps({"session_id": claims["session_id"], "site": "shop"}),
        "digits": session,
        "jwt": ".".join((_base64({"alg": "HS256", "typ": "JWT"}), _base64(claims), "c2lnbmF0dXJl")),
        "::": f"https://shop.example/::yandex::{session}",
        "4 KB": "x" * 4096,
        "empty": "",
    }
    return shapes[shape]


def _base64(claims: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def _agents(body: dict[str, Any], value: str) -> None:
    agents = body.get("agents")
    if not isinstance(agents, list):
        return
    if value == "none":
        body["agents"] = []
    elif value == "several":
        body["agents"] = [*agents, {"id": 10102, "name": "Ольга", "email": "olga@shop.example"}]
    elif value == "without e-mail":
        body["agents"] = [{key: part for key, part in agent.items() if key != "email"} for agent in agents]
    elif value == "string ids":
        body["agents"] = [{**agent, "id": str(agent["id"])} for agent in agents]


def _messages(body: dict[str, Any], value: str, at: int) -> None:
    chat = body.get("chat")
    if not isinstance(chat, dict) or value == "normal":
        return
    told: list[dict[str, Any]] = chat["messages"]
    first, last = (told[0]["timestamp"], told[-1]["timestamp"]) if told else (at, at)
    visitor = {"timestamp": last + 5, "type": "visitor"}
    added: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "empty": lambda: [],
        "visitor only": lambda: [row for row in told if row["type"] == "visitor"],
        "agent only": lambda: [row for row in told if row["type"] == "agent"],
        "unknown type": lambda: [*told, {"timestamp": last + 5, "type": "bot", "message": "Вас ждёт оператор"}],
        "unknown agent": lambda: [*told, {**visitor, "type": "agent", "agent_id": 99999, "message": "Подключаюсь"}],
        "empty text": lambda: [*told, {**visitor, "message": ""}],
        "no text": lambda: [*told, visitor],
        "html": lambda: [*told, {**visitor, "message": HTML_TEXT}],
        "emoji": lambda: [*told, {**visitor, "message": EMOJI_TEXT}],
        "100 kB": lambda: [*told, {**visitor, "message": "штора " * 9_500}],
        "2000": lambda: [
            {"timestamp": first + place, "type": "visitor", "message": f"сообщение {place}"} for place in range(2000)
        ],
    }
    chat["messages"] = added[value]()


def _timestamps(body: dict[str, Any], value: str, at: int) -> None:
    if value == "event_timestamp":
        body["event_timestamp"] = at
    elif value == "implausible event_timestamp":
        body["event_timestamp"] = 10**17
    told = body["chat"]["messages"] if isinstance(body.get("chat"), dict) else []
    changed: dict[str, Callable[[int], int]] = {
        "equal": lambda _when: told[0]["timestamp"],
        "future": lambda when: when + 10 * 365 * 86_400,
        "zero": lambda _when: 0,
        "milliseconds": lambda when: when * 1000,
    }
    if value in changed:
        for row, when in zip(told, [changed[value](row["timestamp"]) for row in told], strict=True):
            row["timestamp"] = when
    elif value == "unordered":
        told.reverse()


def _channel_fields(body: dict[str, Any], value: str) -> None:
    """Off the website Jivo has no session, page or token to tell (J-03, J-04)."""
    if value == "website":
        return
    for key in ("session", "page", "analytics"):
        if key in body:
            body[key] = None
    body.pop("user_token", None)
    if value == "chat api" and isinstance(body.get("visitor"), dict):
        body["visitor"]["name"] = f"{body['visitor'].get('name') or 'Гость'} [12345]"


def _utm(body: dict[str, Any], term_key: str, encoding: str) -> None:
    session = body.get("session")
    turned_on = (term_key, encoding) != ("term", "plain")
    if not turned_on or not isinstance(session, dict) or not isinstance(session.get("utm_json"), dict):
        return
    marks = dict(session["utm_json"])
    if encoding == "bars":
        marks["content"] = MARK_WITH_BARS
    rounds = int(encoding[-1]) if encoding.startswith("percent") else 0
    for _ in range(rounds):
        marks = {key: quote(value, safe="") for key, value in marks.items()}
    if encoding == "html":
        marks = {key: value.replace("&", "&amp;").replace('"', "&quot;") for key, value in marks.items()}
    packed = dict(marks)
    if term_key in ("keyword", "different"):
        packed = {"keyword" if key == "term" else key: value for key, value in packed.items()}
    if term_key == "keyword":
        marks = dict(packed)
    elif term_key == "both":
        marks["keyword"] = marks.get("term", "")
    elif term_key == "different":
        packed["keyword"] = OTHER_TERM
    session["utm_json"] = marks
    session["utm"] = "|".join(f"{key}={value}" for key, value in packed.items())


def _crm_envelope(body: dict[str, Any], value: str) -> None:
    if "event_type" not in body or value == "plain":
        return
    if value == "no event_type":
        del body["event_type"]
    elif value == "payload.event":
        inner = dict(body)
        body.clear()
        body["payload"] = {"event": inner}


def _walk(value: Any, change: Callable[[str, Any], Any], key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _walk(part, change, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_walk(part, change, key) for part in value]
    return change(key, value)


def _as_id(key: str, value: Any, as_text: bool) -> Any:
    is_id = key in _ID_KEYS and isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_id and as_text else value


def _nones(value: Any, style: str) -> Any:
    """The body with its nulls said in another way."""
    if style == "null":
        return value
    if isinstance(value, dict):
        kept = {key: part for key, part in value.items() if part is not None or style != "absent"}
        return {key: _nones(part, style) for key, part in kept.items()}
    if isinstance(value, list):
        return [_nones(part, style) for part in value]
    said: dict[str, Any] = {"absent": None, "object": {}, "list": [], "empty string": ""}
    return copy.deepcopy(said[style]) if value is None else value
