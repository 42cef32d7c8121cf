"""From one request of Jivo to what it says. The facts are in the contract on Jivo, sections 1, 2, 8 and 9."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from webapp.contacts import LONGEST_TEXT, find_email, find_phone, normalise_email
from webapp.conversation import (
    ClientUpdate,
    Clues,
    Contact,
    Conversation,
    ConversationType,
    Message,
    Reading,
    Sender,
    SessionToken,
)
from webapp.marks import marks_of_url
from webapp.vendors import VendorRequest

from . import assumptions
from .body import parse
from .fields import block, identifier, line, rows, short_hash, text
from .token import read_token
from .utm import session_marks

#: Name of the option that takes a token of nothing but digits for a session.
ACCEPT_DIGIT_TOKENS = "accept_digit_tokens"

#: Events of the vendor's Bot API, which is another hook (jivo.ru/docs/bot).
_BOT_EVENTS = frozenset(
    {
        "CLIENT_MESSAGE",
        "BOT_MESSAGE",
        "INVITE_AGENT",
        "AGENT_JOINED",
        "AGENT_MESSAGE",
        "AGENT_UNAVAILABLE",
        "CHAT_CLOSED",
        "CLIENT_INFO",
    }
)

#: Channels made with the Chat API have the sender's own id behind the name.
_NAME_WITH_ID = re.compile(r"(.*?)\[([0-9]{1,64})\]")

_LONGEST_NAME, _LONGEST_PHONE, _LONGEST_URL, _LONGEST_TAGS = 100, 100, 2000, 1000


def read(request: VendorRequest) -> Reading:
    """What one request says. Never raises for any bytes.

    Notes of what is not understood: empty, not_json, not_object, unknown_event, crm_event, bot_api, no_chat_id,
    no_client. A call is understood and noted ``call``: it is no conversation.
    """
    found = parse(request.body, request.content_type)
    body = found.data
    if body is None:
        return Reading(found.event_name, understood=False, note=found.note)
    name = line(body.get("event_name"), _LONGEST_NAME)
    if name in assumptions.STAGES:
        conversation = _conversation(body, name, request)
        if conversation is None:
            return _refused(body, name, "no_chat_id")
        return _reading(body, name, conversations=(conversation,))
    if name in assumptions.CLIENT_EVENTS:
        update = _client_update(body, request)
        return _reading(body, name, client_updates=(update,)) if update else _refused(body, name, "no_client")
    if name == "call_event":
        return _reading(body, name, note="call")
    crm, bot = assumptions.crm_event(body), line(body.get("event"), _LONGEST_NAME)
    if crm is not None:
        return _refused(body, crm[:_LONGEST_NAME], "crm_event")
    if name is None and bot is not None and (bot.upper() in _BOT_EVENTS or "site_id" in body):
        return _refused(body, bot, "bot_api")
    return _refused(body, name, "unknown_event")


def _reading(body: dict[str, Any], name: str | None, **said: Any) -> Reading:
    chat_id, offline_id = assumptions.chat_key(body), identifier(body.get("offline_message_id"))
    reference = chat_id or offline_id or assumptions.client_number(body)
    return Reading(name, widget=assumptions.channel_id(body), reference=reference, **said)


def _refused(body: dict[str, Any], name: str | None, note: str) -> Reading:
    return _reading(body, name, understood=False, note=note)


def _conversation(body: dict[str, Any], name: str, request: VendorRequest) -> Conversation | None:
    """The chat or the request of this event, None when nothing in it can be its key."""
    offline = name == "offline_message"
    vendor_id = _offline_key(body) if offline else assumptions.chat_key(body)
    if vendor_id is None:
        return None
    event_at = assumptions.event_time(body, request.received_at)
    messages = _offline_messages(body, event_at) if offline else _messages(body, request.received_at)
    said = [message.text for message in messages if message.sender is Sender.VISITOR]
    contact, contact_details = _contact(body, request.region, said)
    times = [message.at for message in messages if message.at]
    stage = assumptions.STAGES[name]
    finished_at = max(times, default=None) if name == "chat_finished" else None
    return Conversation(
        type=ConversationType.OFFLINE_MESSAGE if offline else ConversationType.CHAT,
        vendor_id=vendor_id,
        stage=stage,
        contact=contact,
        clues=_clues(body, request),
        started_at=min(times, default=None) or (event_at if offline else None),
        finished_at=finished_at,
        event_at=event_at,
        messages=tuple(messages),
        text="\n".join(said) if offline else _dialogue(messages),
        operators=_operators(body),
        details=contact_details | _details(body, request.received_at),
    )


def _client_update(body: dict[str, Any], request: VendorRequest) -> ClientUpdate | None:
    """What client_updated or client_attribute_updated says, None when it does not say of whom."""
    client = assumptions.client_number(body)
    if client is None:
        return None
    contact, _ = _contact(body, request.region, ())
    return ClientUpdate(client=client, contact=contact, token=_token(body, request))


def _offline_key(body: dict[str, Any]) -> str | None:
    """The id of an offline message; without one, what makes it unlike the person's other ones."""
    number = identifier(body.get("offline_message_id"))
    if number is not None:
        return number
    message = text(body.get("message"))
    owner = assumptions.chat_key(body) or assumptions.client_number(body)
    if owner is None and message is None:
        return None
    return f"{owner or 'message'}-{short_hash(message or '')}"


def _clues(body: dict[str, Any], request: VendorRequest) -> Clues:
    session, page = assumptions.site_blocks(body)
    url = line(page.get("url"), limit=LONGEST_TEXT)
    return Clues(
        token=_token(body, request),
        client=assumptions.client_number(body),
        widget=assumptions.channel_id(body),
        utm=assumptions.combined_marks(marks_of_url(url) if url else {}, session_marks(session)),
        page_url=url[:_LONGEST_URL] if url else None,
        page_title=line(page.get("title")),
    )


def _token(body: dict[str, Any], request: VendorRequest) -> SessionToken | None:
    return read_token(body.get("user_token"), accept_digits=bool(request.options.get(ACCEPT_DIGIT_TOKENS)))


def _contact(body: dict[str, Any], region: str, said: Iterable[str]) -> tuple[Contact, dict[str, str]]:
    """The contact of the card, filled from what the visitor wrote (B7), and what is left over for the details."""
    visitor = block(body, "visitor")
    details: dict[str, str] = {}
    name, external_id = _visitor_name(body)
    if external_id:
        details["external_id"] = external_id
    phone_raw = line(visitor.get("phone"), _LONGEST_PHONE)
    phone = assumptions.phone_of(phone_raw, region)
    if phone_raw is None and name:
        # One public handler looks for the phone in the name when the phone is empty.
        only_digits = not any(letter.isalpha() for letter in name)
        phone = assumptions.phone_of(name, region) if only_digits else find_phone(name, region)
        if phone and only_digits:
            name, phone_raw = None, name[:_LONGEST_PHONE]
    email_raw = line(visitor.get("email"))
    email = normalise_email(email_raw)
    if email_raw and not email:
        details["email_raw"] = email_raw
    from_text = []
    written = "\n".join(said)[:LONGEST_TEXT]
    if phone is None and (phone := find_phone(written, region)):
        from_text.append("phone")
    if email is None and (email := find_email(written)):
        from_text.append("email")
    return Contact(name, phone, phone_raw, email, tuple(from_text)), details


def _visitor_name(body: dict[str, Any]) -> tuple[str | None, str | None]:
    """The visitor's name, and the sender's id where a Chat API channel has put one behind it."""
    name = line(block(body, "visitor").get("name"))
    with_id = _NAME_WITH_ID.fullmatch(name) if name else None
    return (with_id[1].strip() or None, with_id[2]) if with_id else (name, None)


def _people(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Everyone on the company's side: ``agents`` of a finished chat, ``agent`` of the other events."""
    return [*rows(body, "agents"), *([block(body, "agent")] if block(body, "agent") else [])]


def _operators(body: dict[str, Any]) -> tuple[str, ...]:
    emails = (normalise_email(line(person.get("email"))) for person in _people(body))
    return tuple(dict.fromkeys(email for email in emails if email))


def _messages(body: dict[str, Any], received_at: datetime) -> list[Message]:
    """The messages in the order of their times. One without a time stays behind the one it was told after."""
    visitor_name, _ = _visitor_name(body)
    people = _people(body)
    only = line(people[0].get("name")) if len(people) == 1 else None
    names = {identifier(person.get("id")): line(person.get("name")) for person in people}
    emails = {identifier(person.get("id")): normalise_email(line(person.get("email"))) for person in people}
    only_email = next(iter(emails.values())) if len(people) == 1 else None
    told = rows(block(body, "chat"), "messages")
    if not told:
        return _plain_messages(body, visitor_name, names.values())
    ordered: list[tuple[float, Message]] = []
    latest = 0.0
    for row in told:
        agent_id = identifier(row.get("agent_id"))
        sender = assumptions.sender_of(row.get("type"), agent_id is not None)
        author, email = line(row.get("type")), None
        if sender is Sender.VISITOR:
            author = visitor_name
        elif sender is Sender.OPERATOR:
            author = names.get(agent_id) if agent_id else only
            email = emails.get(agent_id) if agent_id else only_email
        at = assumptions.moment(row.get("timestamp"), received_at)
        latest = at.timestamp() if at else latest
        said = assumptions.message_text(row.get("message"))
        ordered.append((latest, Message(at, sender, author, said, email)))
    ordered.sort(key=lambda pair: pair[0])
    return [message for _, message in ordered]


def _plain_messages(body: dict[str, Any], visitor_name: str | None, names: Iterable[str | None]) -> list[Message]:
    """What plain_messages tells, for a body whose list of messages is empty."""
    senders = {name: Sender.OPERATOR for name in names if name}
    if visitor_name:
        senders[visitor_name] = Sender.VISITOR
    plain = text(body.get("plain_messages")) or ""
    return [Message(None, *said) for said in assumptions.plain_lines(plain, senders)]


def _offline_messages(body: dict[str, Any], at: datetime | None) -> list[Message]:
    said = assumptions.message_text(body.get("message"))
    return [Message(at, Sender.VISITOR, _visitor_name(body)[0], said)] if said else []


def _dialogue(messages: Iterable[Message]) -> str:
    """The chat as plain text, a line a message; messages without words are left out."""
    return "\n".join(
        f"{message.author}: {message.text}" if message.author else message.text for message in messages if message.text
    )


def _details(body: dict[str, Any], received_at: datetime) -> dict[str, str]:
    """What else is worth showing, by stable codes. The visitor's address and browser are not."""
    session, _ = assumptions.site_blocks(body)
    chat = block(body, "chat")
    tags = ", ".join(filter(None, (line(tag.get("title")) for tag in rows(body, "tags"))))
    details = {
        "invitation": text(chat.get("invitation")),
        "topic": line(block(body, "topic").get("title")),
        "department": line(block(body, "department").get("name")),
        "city": line(block(session, "geoip").get("city")),
        "tags": tags[:_LONGEST_TAGS] or None,
        "blacklisted": "true" if chat.get("blacklisted") is True else None,
        **assumptions.extras(body, received_at),
    }
    return {code: value for code, value in details.items() if value}
