"""What a vendor's payloads say about one chat or request, in no vendor's terms.

These values are never stored as such. A vendor folder makes them from bytes, resolution reads them,
intake writes what they say into a Communication.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum, StrEnum

#: The vocabulary of channels. A vendor's own word is kept where none of these fits.
CHANNELS = (
    "site",
    "telegram",
    "whatsapp",
    "viber",
    "vk",
    "facebook",
    "instagram",
    "ok",
    "avito",
    "max",
    "email",
    "other",
)

#: The five UTM keys, in the order in which they are shown and exported.
UTM_KEYS = ("source", "medium", "campaign", "content", "term")


class ConversationType(StrEnum):
    """The two kinds of communication a cabinet knows."""

    CHAT = "chat"
    OFFLINE_MESSAGE = "offline_message"


class Sender(StrEnum):
    """Who wrote a message."""

    VISITOR = "visitor"
    OPERATOR = "operator"
    SYSTEM = "system"


class Stage(IntEnum):
    """How far a conversation had come when the vendor spoke of it.

    Events arrive in any order, so the order of a conversation's own life decides: the session of the earliest stage
    and the contact of the latest one win.
    """

    ACCEPTED = 0
    UPDATED = 1
    FINISHED = 2


@dataclass(frozen=True)
class Message:
    """One line of a conversation. ``at`` is UTC and None where the vendor gave no plausible time; ``email`` is the
    operator's, by which an outside cabinet knows them."""

    at: datetime | None
    sender: Sender
    author: str | None
    text: str
    email: str | None = None


@dataclass(frozen=True)
class Contact:
    """Who wrote. ``phone`` is E.164; ``phone_raw`` is what the vendor sent; ``from_text`` names the fields that were
    found in the conversation's text, because the contact card had none."""

    name: str | None = None
    phone: str | None = None
    phone_raw: str | None = None
    email: str | None = None
    from_text: tuple[str, ...] = ()


@dataclass(frozen=True)
class SessionToken:
    """The session a payload names.

    ``visit`` is the session id that was read, None when the token gives none; ``kind`` says what the token looked like
    (own, comagic_cookie, credentials, json, digits, jwt, foreign, too_long), ``raw`` is the token as sent.
    """

    raw: str
    kind: str
    visit: str | None = None


@dataclass(frozen=True)
class Clues:
    """Everything in a payload that may lead to a visit or a campaign. ``utm`` has keys of UTM_KEYS only, decoded."""

    token: SessionToken | None = None
    client: str | None = None
    widget: str | None = None
    utm: Mapping[str, str] = field(default_factory=dict)
    page_url: str | None = None
    page_title: str | None = None


@dataclass(frozen=True)
class Conversation:
    """One chat or request as one event tells it.

    ``vendor_id`` is unique within (integration, type). ``started_at`` and ``finished_at`` come from the messages,
    ``event_at`` from the vendor's own event time; each is None when unknown, UTC otherwise. ``operators`` are the
    e-mails of the operators, in the order they joined. ``details`` is what else is worth showing, label by key.
    ``channel`` is the messenger, where the vendor itself names it.

    ``asks``: the vendor's server knows more of it, which a job is to fetch. ``waits``: it is no communication by
    itself, and is kept until another event makes one of it.
    """

    type: ConversationType
    vendor_id: str
    stage: Stage
    contact: Contact = Contact()
    clues: Clues = Clues()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    event_at: datetime | None = None
    messages: tuple[Message, ...] = ()
    text: str = ""
    operators: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    channel: str | None = None
    asks: bool = False
    waits: bool = False

    @property
    def finished(self) -> bool:
        """True when the vendor said that this conversation is over."""
        return self.stage is Stage.FINISHED


def together(tellings: Sequence[Conversation]) -> Conversation:
    """Tellings of one conversation as one: all their messages, and of everything else the latest word.

    They are of one stage and begin nothing (no ``started_at``); the clues are those of the first that has any.
    """
    placed = sorted(tellings, key=lambda told: told.event_at.timestamp() if told.event_at else 0.0)
    contact = Contact()
    for told in placed:
        said = {name: value for name, value in vars(told.contact).items() if value and name != "from_text"}
        kept = set(contact.from_text) - said.keys() | set(told.contact.from_text)
        contact = replace(contact, **said, from_text=tuple(sorted(kept)))
    last = placed[-1]
    return replace(
        last,
        contact=contact,
        clues=next((told.clues for told in placed if told.clues != Clues()), last.clues),
        messages=tuple(message for told in placed for message in told.messages),
        details={name: value for told in placed for name, value in told.details.items()},
        channel=next((told.channel for told in reversed(placed) if told.channel), None),
    )


@dataclass(frozen=True)
class ClientUpdate:
    """What an event says about a person outside any conversation, by the vendor's own number for that person."""

    client: str
    contact: Contact = Contact()
    token: SessionToken | None = None


@dataclass(frozen=True)
class Reading:
    """What a vendor's parser made of one request.

    ``event_name`` is the vendor's word for it, None where the body has none. ``understood`` is False for a body or an
    event nobody knows yet: it is kept and flagged with ``note``, a code for the pages. ``widget`` is the vendor's
    channel id, if the body has one.
    """

    event_name: str | None
    understood: bool = True
    note: str | None = None
    widget: str | None = None
    reference: str | None = None
    conversations: tuple[Conversation, ...] = ()
    client_updates: tuple[ClientUpdate, ...] = ()
