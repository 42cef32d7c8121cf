"""Bodies for the tests of the Jivo parser."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from webapp.conversation import Conversation, Reading
from webapp.vendors import VendorRequest
from webapp.vendors.jivo import vendor

PAYLOADS = Path(__file__).parents[2] / "payloads" / "jivo"
RECEIVED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

#: A finished chat with everything in it that the tests change.
FINISHED: dict[str, Any] = {
    "event_name": "chat_finished",
    "widget_id": "AbCdEf1234",
    "visitor": {"name": "Анна", "email": "anna@example.com", "phone": "89123456789", "number": 412},
    "chat_id": 431,
    "session": {"utm": "", "utm_json": None},
    "page": {"url": "https://shop.example/", "title": "Главная"},
    "agents": [
        {"id": 10101, "name": "Первый", "email": "op@example.com"},
        {"id": "10102", "name": "Второй", "email": "Op2@Example.com"},
    ],
    "chat": {
        "messages": [
            {"message": "Есть в наличии?", "timestamp": 1700000200, "type": "visitor"},
            {"message": "Да", "timestamp": 1700000230, "type": "agent", "agent_id": 10101},
        ],
    },
}


def finished(**changes: Any) -> dict[str, Any]:
    """The finished chat with these top-level keys in place of its own."""
    return copy.deepcopy(FINISHED) | changes


def with_visitor(**visitor: Any) -> dict[str, Any]:
    """The finished chat of this visitor."""
    return finished(visitor=visitor)


def with_messages(*messages: Any) -> dict[str, Any]:
    """The finished chat with these messages."""
    return finished(chat={"messages": list(messages)})


def sample(name: str) -> bytes:
    """The bytes of a sample payload."""
    return (PAYLOADS / name).read_bytes()


def samples() -> list[Path]:
    """Every sample payload."""
    return sorted(path for path in PAYLOADS.rglob("*") if path.is_file())


def read(body: Any, *, content_type: str | None = "application/json", **request: Any) -> Reading:
    """What the parser makes of bytes, or of an object sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return vendor.read(VendorRequest(raw, content_type, request.pop("received_at", RECEIVED), **request))


def conversation(body: Any, **request: Any) -> Conversation:
    """The one conversation of a body."""
    (found,) = read(body, **request).conversations
    return found
