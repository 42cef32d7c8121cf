"""How events about one conversation add up to one communication, in whatever order they come.

Each field has a stage (webapp.conversation.Stage): the session and the marks are kept from the earliest stage that told
them, because a visitor's session may change while they chat; contacts from the latest, because operators correct them.
Nothing that is known is ever replaced by nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from webapp.conversation import UTM_KEYS, Clues, Contact, Conversation, Message, SessionToken
from webapp.models import Communication, VendorClient, fold

#: How well the beginning of a conversation is known, worst first.
_BY_ARRIVAL, _BY_EVENT, _BY_MESSAGE = 0, 1, 2

#: What the list's search looks through; the whole text is on the communication's page.
LONGEST_SEARCH_TEXT = 20_000


def enrich(communication: Communication, told: Conversation, received_at: datetime) -> None:
    """Write into the communication what this telling of the conversation adds."""
    stages = dict(communication.stages or {})
    _contact(communication, told, stages)
    _clues(communication, told, stages)
    _messages(communication, told)
    _times(communication, told, stages, received_at)
    communication.details = {**(communication.details or {}), **told.details}
    communication.client = communication.client or told.clues.client
    communication.stages = stages
    refresh_search_text(communication)


def fill_contact(communication: Communication, contact: Contact) -> bool:
    """Give a communication the contacts it lacks. True when one was missing and is known now."""
    filled = False
    for field, value in _contact_fields(contact):
        if value and not getattr(communication, field):
            setattr(communication, field, value)
            filled = True
    if filled:
        refresh_search_text(communication)
    return filled


def fill_token(communication: Communication, token: SessionToken) -> bool:
    """Give a communication whose own events named no session the one that is known of the person."""
    clues = dict(communication.clues or {})
    if clues.get("token"):
        return False
    communication.clues = clues | {"token": asdict(token)}
    return True


def update_client(client: VendorClient, contact: Contact, token: SessionToken | None, at: datetime) -> None:
    """Keep what is said of a person outside any conversation. The newest contact wins, the first token stays (J-07)."""
    client.name = contact.name or client.name
    client.phone = contact.phone or client.phone
    client.phone_raw = contact.phone_raw or client.phone_raw
    client.email = contact.email or client.email
    if token and not client.token:
        client.token = asdict(token)
    client.updated_at = at


def clues_of(communication: Communication) -> Clues:
    """The clues as the rules take them."""
    kept = communication.clues or {}
    token = kept.get("token")
    return Clues(
        token=SessionToken(**token) if token else None,
        client=communication.client,
        widget=kept.get("widget"),
        utm=dict(communication.utm or {}),
        page_url=kept.get("page_url"),
        page_title=kept.get("page_title"),
    )


def refresh_search_text(communication: Communication) -> None:
    """Set what the list's search looks through. A phone is found by any run of its digits."""
    communication.search_text = fold(
        communication.contact_name,
        communication.contact_phone,
        communication.contact_email,
        communication.vendor_id,
        communication.text,
    )[:LONGEST_SEARCH_TEXT]


def _contact_fields(contact: Contact) -> tuple[tuple[str, str | None], ...]:
    return (
        ("contact_name", contact.name),
        ("contact_phone", contact.phone),
        ("contact_phone_raw", contact.phone_raw),
        ("contact_email", contact.email),
    )


def _contact(communication: Communication, told: Conversation, stages: dict[str, int]) -> None:
    """The latest stage wins; what was only found in the text yields to every card."""
    for field, value in _contact_fields(told.contact):
        if not value:
            continue
        from_card = field.removeprefix("contact_") not in told.contact.from_text
        stage = int(told.stage) if from_card else -1
        if not getattr(communication, field) or stage >= stages.get(field, -2):
            setattr(communication, field, value)
            stages[field] = stage


def _clues(communication: Communication, told: Conversation, stages: dict[str, int]) -> None:
    clues = dict(communication.clues or {})
    stage = int(told.stage)
    token = asdict(told.clues.token) if told.clues.token else None
    for name, value in (
        ("token", token),
        ("widget", told.clues.widget),
        ("page_url", told.clues.page_url),
        ("page_title", told.clues.page_title),
    ):
        if value and (not clues.get(name) or stage < stages.get(name, stage + 1)):
            clues[name] = value
            stages[name] = stage
    communication.clues = clues
    utm = {key: told.clues.utm[key] for key in UTM_KEYS if told.clues.utm.get(key)}
    if utm and (not communication.utm or stage < stages.get("utm", stage + 1)):
        communication.utm = utm
        stages["utm"] = stage


def _messages(communication: Communication, told: Conversation) -> None:
    """Every message once: two tellings of the same chat may overlap, and a reopened chat tells its own part."""
    known = list(communication.messages or [])
    counted = Counter(_identity(message) for message in known)
    told_count: Counter[tuple[Any, ...]] = Counter()
    added = []
    for message in told.messages:
        row = _row(message)
        identity = _identity(row)
        told_count[identity] += 1
        if told_count[identity] > counted[identity]:
            added.append(row)
    if added:
        known += added
        known.sort(key=lambda row: row["at"] or "")
        communication.messages = known
        communication.message_count = len(known)
        communication.text = dialogue(known)
    elif not known and told.text and told.text not in (communication.text or ""):
        communication.text = told.text


def dialogue(messages: Sequence[dict[str, Any]]) -> str:
    """A conversation as plain text, a line a message; a message without words (a file) has no line."""
    return "\n".join(
        f"{row['author']}: {row['text']}" if row["author"] else row["text"] for row in messages if row["text"]
    )


def _row(message: Message) -> dict[str, Any]:
    at = message.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if message.at else None
    return {"at": at, "from": str(message.sender), "author": message.author, "text": message.text}


def _identity(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["at"], row["from"], row["text"]


def _times(communication: Communication, told: Conversation, stages: dict[str, int], received_at: datetime) -> None:
    """The beginning is the first message's time, else the vendor's event time, else the arrival; the earliest of the
    best kind that is known."""
    for how, at in ((_BY_MESSAGE, told.started_at), (_BY_EVENT, told.event_at), (_BY_ARRIVAL, received_at)):
        if at is None:
            continue
        known = stages.get("started_at", -1)
        if how > known or (how == known and at < communication.started_at):
            communication.started_at = at
            stages["started_at"] = how
        break
    if told.finished:
        end = told.finished_at or told.event_at or received_at
        known_end = communication.finished_at
        communication.finished_at = max(known_end, end) if known_end and stages.get("finished_at") else end
        stages["finished_at"] = 1
