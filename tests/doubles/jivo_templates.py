"""The bodies that the Jivo stand-in sends: the sample files of the contract's section 12, and built-in ones.

The built-in ones have the fields of the contract's sections 1.4 and 2 and nothing else. People and texts are invented.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .server import Refused

PAYLOADS = Path(__file__).parents[1] / "payloads" / "jivo"

#: The public id of the channel that the built-in bodies come from.
WIDGET = "DoubleWdgt"

#: Bodies that are no objects. The large one is over the product's limit and over any webhook's size.
RAW_BODIES: dict[str, bytes] = {
    "empty body": b"",
    "not JSON": "это не JSON, а письмо: {[}".encode(),
    "JSON array": b'[{"event_name": "chat_finished", "chat_id": 1}]',
    "5 MB": b'{"event_name": "chat_finished", "chat_id": 1, "padding": "' + b"x" * 5_000_000 + b'"}',
}


@dataclass(frozen=True)
class Chat:
    """Which chat a body is about. ``at`` is the event's time, unix seconds."""

    number: int
    visitor: int
    at: int


def names() -> list[str]:
    """Every template: built-in ones, bodies that are no objects, sample files."""
    files = [str(path.relative_to(PAYLOADS)) for path in sorted(PAYLOADS.rglob("*")) if path.is_file()]
    return [*BUILT_IN, *RAW_BODIES, *files]


def template(name: str, chat: Chat) -> dict[str, Any] | bytes:
    """The body of this name: an object, or bytes that are none. Raises Refused for an unknown name."""
    if name in BUILT_IN:
        return BUILT_IN[name](chat)
    if name in RAW_BODIES:
        return RAW_BODIES[name]
    if name not in names():
        raise Refused(f"no template {name!r}; there are {', '.join(names())}")
    raw = (PAYLOADS / name).read_bytes()
    try:
        return json.loads(raw)
    except ValueError:
        return raw


def chat_accepted(chat: Chat) -> dict[str, Any]:
    """An operator took the chat: no messages, no e-mail yet."""
    return {
        "event_name": "chat_accepted",
        "widget_id": WIDGET,
        "visitor": {"name": "Мария", "phone": "8 (900) 000-01-01", "number": chat.visitor, "chats_count": 1},
        "organization": None,
        "status": {"id": 1, "title": "new"},
        "assigned_agent": None,
        "tags": [],
        "chat_id": chat.number,
        "topic": None,
        "department": {"id": 3, "name": "Продажи"},
        **_site(),
        "agent": _agent(),
    }


def chat_updated(chat: Chat) -> dict[str, Any]:
    """The visitor left an e-mail during the chat."""
    body = chat_accepted(chat) | {"event_name": "chat_updated"}
    body["visitor"] |= {"email": "maria@mail.example"}
    return body


def chat_finished(chat: Chat) -> dict[str, Any]:
    """The whole chat: four messages in the five minutes before ``at``."""
    told = (
        (300, "visitor", "Здравствуйте! Сколько стоят шторы блэкаут на окно 2 метра?"),
        (240, "agent", "Здравствуйте! От 4 900 рублей с пошивом. Какая высота карниза?"),
        (150, "visitor", "2,6 метра. Замер бесплатный?"),
        (30, "agent", "Да, дизайнер приедет с образцами."),
    )
    messages: list[dict[str, Any]] = []
    for before, kind, text in told:
        row = {"message": text, "timestamp": chat.at - before, "type": kind}
        messages.append(row | {"agent_id": _agent()["id"]} if kind == "agent" else row)
    accepted = chat_updated(chat)
    body = {key: value for key, value in accepted.items() if key not in ("agent", "department")}
    return body | {
        "event_name": "chat_finished",
        "agents": [_agent()],
        "chat": {"messages": messages, "blacklisted": False, "rate": None, "invitation": None},
        "plain_messages": "",
        "html_messages": "",
    }


def offline_message(chat: Chat) -> dict[str, Any]:
    """The form that is shown while nobody works; its id has the shape of epoch milliseconds."""
    body = {key: value for key, value in chat_updated(chat).items() if key not in ("agent", "department")}
    return body | {
        "event_name": "offline_message",
        "message": "Перезвоните, пожалуйста: нужен карниз для эркера.",
        "offline_message_id": chat.at * 1000 + chat.number % 1000,
    }


def client_updated(chat: Chat) -> dict[str, Any]:
    """A client card changed outside of any chat: no chat_id, client_id as text."""
    return {
        "event_name": "client_updated",
        "widget_id": WIDGET,
        "user_token": None,
        "visitor": {
            "name": "Мария Кузнецова",
            "email": "maria.k@mail.example",
            "phone": "+7 900 000-01-02",
            "description": None,
            "number": chat.visitor,
            "chats_count": 1,
        },
        "organization": None,
        "status": None,
        "assigned_agent": None,
        "tags": [{"id": 7, "title": "Скидка"}],
        "client_id": str(chat.visitor),
    }


def client_attribute_updated(chat: Chat) -> dict[str, Any]:
    """Attributes of a client, client_id as a number."""
    return {
        "event_name": "client_attribute_updated",
        "widget_id": WIDGET,
        "user_token": None,
        "client_id": chat.visitor,
        "attributes": {"window_width": 200, "room": "спальня"},
    }


def call_event(chat: Chat) -> dict[str, Any]:
    """A call ordered in the widget; one event for each state of it."""
    accepted = {key: value for key, value in chat_accepted(chat).items() if key not in ("status", "assigned_agent")}
    return accepted | {
        "event_name": "call_event",
        "call": {"type": "callback", "phone": "+79000000101", "status": "start", "record_url": None},
    }


def chat_assigned(chat: Chat) -> dict[str, Any]:
    """The old event of a chat that was linked to a card of a CRM."""
    return chat_accepted(chat) | {"event_name": "chat_assigned", "assign_to": "https://crm.example/card/55"}


def unknown_event(chat: Chat) -> dict[str, Any]:
    """What Jivo may add one day."""
    return {"event_name": "some_future_event", "widget_id": WIDGET, "chat_id": chat.number}


def crm_client(chat: Chat) -> dict[str, Any]:
    """A CRM webhook that was pointed at the address of the chat webhooks."""
    return {
        "event_type": "crm_client",
        "event_name": "updated_client",
        "client_id": chat.visitor,
        "widget": {"widget_id": 488651},
        "name": "Мария",
        "contacts": [{"contact_type": "phone", "contact": "+79000000101", "channel_type": "agent_app"}],
    }


def _agent() -> dict[str, Any]:
    return {"id": 10101, "name": "Анна", "email": "anna@shop.example", "phone": None}


def _site() -> dict[str, Any]:
    """What a chat of the website tells of the visit; the address is one of those reserved for documentation."""
    marks = {
        "source": "yandex",
        "medium": "cpc",
        "campaign": "шторы москва",
        "content": '"тюль" & портьера',
        "term": "шторы блэкаут",
    }
    return {
        "session": {
            "geoip": {
                "region_code": "48",
                "country_code": "RU",
                "country": "Russian Federation",
                "region": "Moscow City",
                "city": "Moscow",
                "latitude": "55.7522",
                "longitude": "37.6156",
                "organization": "Example Telecom",
            },
            "utm": "|".join(f"{key}={value}" for key, value in marks.items()),
            "utm_json": marks,
            "ip_addr": "192.0.2.15",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        },
        "page": {"url": "https://shop.example/blackout", "title": "Шторы блэкаут"},
        "analytics": None,
    }


#: The built-in templates by the name of their event.
BUILT_IN: dict[str, Callable[[Chat], dict[str, Any]]] = {
    make.__name__: make
    for make in (
        chat_accepted,
        chat_updated,
        chat_finished,
        offline_message,
        client_updated,
        client_attribute_updated,
        call_event,
        chat_assigned,
        unknown_event,
        crm_client,
    )
}
