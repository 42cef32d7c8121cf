"""How events about one conversation add up to one communication, in whatever order they come.

Each field has a place in the conversation's life: the stage (webapp.conversation.Stage) and the moment that told it.
The session and the marks are kept from the earliest place, because a visitor's session may change while they chat;
contacts and details from the latest, because operators correct them. Nothing that is known is ever replaced by nothing,
and telling an old event again changes nothing.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from webapp.conversation import UTM_KEYS, Clues, Contact, Conversation, ConversationType, Message, SessionToken
from webapp.models import Communication, VendorClient, fold

#: How well the beginning of a conversation is known, worst first.
_BY_ARRIVAL, _BY_EVENT, _BY_MESSAGE = 0, 1, 2

#: Contacts that were found in the text, and those of the person's card outside the conversation, stand before every
#: stage of the conversation itself.
_FROM_TEXT, _OF_PERSON = -2, -1

#: Where something was told: a stage, or one of the two above, and moments within it. Compared as lists are.
Place = list[int]

#: What the list's search looks through; the whole text is on the communication's page.
LONGEST_SEARCH_TEXT = 20_000


def enrich(communication: Communication, told: Conversation, received_at: datetime) -> None:
    """Write into the communication what this telling of the conversation adds."""
    stages: dict[str, Any] = dict(communication.stages or {})
    place = place_of(told, received_at)
    _contact(communication, told, stages, place)
    _clues(communication, told, stages, place)
    _details(communication, told, stages, place)
    _messages(communication, told)
    _times(communication, told, stages, received_at)
    communication.client = communication.client or told.clues.client
    communication.stages = stages
    refresh_search_text(communication)


def fill_contact(communication: Communication, contact: Contact) -> bool:
    """Give a communication the contacts that it lacks or that were only found in its text. True when it gained one."""
    stages: dict[str, Any] = dict(communication.stages or {})
    gained = False
    for field, value in _contact_fields(contact):
        known = getattr(communication, field)
        if value and (not known or stages.get(field, [0])[0] == _FROM_TEXT):
            setattr(communication, field, value)
            stages[field] = [_OF_PERSON]
            gained = gained or value != known
    if gained:
        refresh_search_text(communication)
    communication.stages = stages
    return gained


def fill_token(communication: Communication, token: SessionToken) -> bool:
    """Give a communication whose own events named no session the one that is known of the person."""
    clues = dict(communication.clues or {})
    known = clues.get("token")
    if known and (known["visit"] or not token.visit):
        return False
    communication.clues = clues | {"token": asdict(token)}
    return True


def update_client(client: VendorClient, contact: Contact, token: SessionToken | None, at: datetime) -> None:
    """Keep what is said of a person outside any conversation. The newest contact wins, the first token stays (J-07);
    what was said before ``client.updated_at`` only fills what is missing."""
    newer = client.updated_at is None or at >= client.updated_at
    for field, value in (
        ("name", contact.name),
        ("phone", contact.phone),
        ("phone_raw", contact.phone_raw),
        ("email", contact.email),
    ):
        if value and (newer or not getattr(client, field)):
            setattr(client, field, value)
    if token and not client.token:
        client.token = asdict(token)
    client.updated_at = at if newer else client.updated_at


def takes_place(communication: Communication, field: str, told: Conversation, received_at: datetime) -> bool:
    """True when this telling is not behind the one that told the field's value; its place is kept then."""
    here, stages = place_of(told, received_at), dict(communication.stages or {})
    if here < stages.get(field, here):
        return False
    communication.stages = stages | {field: here}
    return True


def place_of(told: Conversation, received_at: datetime) -> Place:
    """Where in the conversation's life something was told."""
    return [int(told.stage), _milliseconds(told.event_at or received_at), _milliseconds(received_at)]


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


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _contact(communication: Communication, told: Conversation, stages: dict[str, Any], place: Place) -> None:
    """The latest place wins; what was only found in the text yields to every card."""
    for field, value in _contact_fields(told.contact):
        from_text = field.removeprefix("contact_") in told.contact.from_text
        here = [_FROM_TEXT, *place] if from_text else place
        if value and (not getattr(communication, field) or here >= stages.get(field, here)):
            setattr(communication, field, value)
            stages[field] = here


def _clues(communication: Communication, told: Conversation, stages: dict[str, Any], place: Place) -> None:
    """The earliest place wins; a token that names a session goes before any that names none (J-07)."""
    clues = dict(communication.clues or {})
    token = asdict(told.clues.token) if told.clues.token else None
    if token and clues.get("token") and bool(token["visit"]) != bool(clues["token"]["visit"]):
        if token["visit"]:
            clues["token"], stages["token"] = token, place
        token = None
    for name, value in (
        ("token", token),
        ("widget", told.clues.widget),
        ("page_url", told.clues.page_url),
        ("page_title", told.clues.page_title),
    ):
        if value and (not clues.get(name) or place <= stages.get(name, place)):
            clues[name] = value
            stages[name] = place
    communication.clues = clues
    utm = {key: told.clues.utm[key] for key in UTM_KEYS if told.clues.utm.get(key)}
    if utm and (not communication.utm or place <= stages.get("utm", place)):
        communication.utm = utm
        stages["utm"] = place


def _details(communication: Communication, told: Conversation, stages: dict[str, Any], place: Place) -> None:
    """The latest place wins, fact by fact."""
    details = dict(communication.details or {})
    for name, value in told.details.items():
        stage = f"details.{name}"
        if value and (not details.get(name) or place >= stages.get(stage, place)):
            details[name] = value
            stages[stage] = place
    communication.details = details


def _messages(communication: Communication, told: Conversation) -> None:
    """Every message once: two tellings of the same chat may overlap, and a reopened chat tells its own part."""
    rows = list(_placed(communication.messages or []))
    known: defaultdict[tuple[Any, ...], deque[int]] = defaultdict(deque)
    for number, (_, row) in enumerate(rows):
        known[_identity(row)].append(number)
    changed = False
    for moment, row in _placed(_row(message) for message in told.messages):
        twins = known[_identity(row)]
        if not twins:
            rows.append((moment, row))
            changed = True
            continue
        twin = twins.popleft()
        known_row = rows[twin][1]
        more = {name: row[name] for name in ("author", "email") if row.get(name) and not known_row.get(name)}
        if more:
            rows[twin] = (rows[twin][0], known_row | more)
            changed = True
    if changed:
        rows.sort(key=lambda pair: pair[0])
        communication.messages = [row for _, row in rows]
        communication.message_count = len(rows)
        if told.type is ConversationType.CHAT or len({row["from"] for row in communication.messages}) > 1:
            communication.text = dialogue(communication.messages)
        else:
            # A request has one author, whose name stands in the contact already.
            communication.text = "\n".join(row["text"] for row in communication.messages if row["text"])
    elif not rows:
        # Told as text alone: the longest has the others in it.
        communication.text = max(communication.text or "", told.text, key=lambda text: (len(text), text))


def _placed(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each message with its time; one without a time stays behind the message it was told after."""
    latest = ""
    for row in rows:
        latest = row["at"] or latest
        yield latest, row


def dialogue(messages: Sequence[dict[str, Any]]) -> str:
    """A conversation as plain text, a line a message; a message without words (a file) has no line."""
    return "\n".join(
        f"{row['author']}: {row['text']}" if row["author"] else row["text"] for row in messages if row["text"]
    )


def _row(message: Message) -> dict[str, Any]:
    at = message.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if message.at else None
    row = {"at": at, "from": str(message.sender), "author": message.author, "text": message.text}
    return row | {"email": message.email} if message.email else row


def _identity(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["at"], row["from"], row["text"]


def _times(communication: Communication, told: Conversation, stages: dict[str, Any], received_at: datetime) -> None:
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
        if known_end and stages.get("finished_at"):
            # A chat may be reopened; a request is made once, and what is told of it later is not its end.
            end = (max if told.type is ConversationType.CHAT else min)(known_end, end)
        communication.finished_at = end
        stages["finished_at"] = 1
