"""What is assumed about Jivo because no document says it: one constant or function for each open point.

The ids are those of the Jivo contract's table of assumptions. Nothing else in this folder may repeat one of them: when
a real account shows the truth, its line here is the only one to change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from webapp.contacts import normalise_phone
from webapp.conversation import Sender, Stage

from .fields import block, identifier, line, text

#: J-02: no timeout and no retries are documented for webhooks. Reading a body must leave most of a second for storing
#: it; a repeat may come and must change nothing.
READ_WITHIN_SECONDS = 1.0

#: J-05: a conversation may begin with any of its events; a finished chat needs no accepted one before it.
STAGES: Mapping[str, Stage] = {
    "chat_accepted": Stage.ACCEPTED,
    "chat_assigned": Stage.ACCEPTED,
    "chat_updated": Stage.UPDATED,
    "chat_finished": Stage.FINISHED,
    "offline_message": Stage.FINISHED,
}

#: J-07: our own token keeps to 64 characters; other products' packed tokens are longer, and 2,048 is malice.
LONGEST_OWN_TOKEN, LONGEST_TOKEN = 64, 2048

#: J-08: whether a script's setClientAttributes raises client_attribute_updated is unknown, so attributes are not read
#: for a session; these events only tell who somebody is.
CLIENT_EVENTS = frozenset({"client_updated", "client_attribute_updated"})

#: J-09: what the vendor prints in the place of a text it does not show.
PLACEHOLDER = "<Message text is not displayed here>"

_CRM_NAME = re.compile(
    r"(?:created|updated|deleted|merged|reordered|assigned|completed|fired|changed)[_ ]\w+", re.ASCII
)

#: The first moment that can be a message's, and how far ahead of ours Jivo's clock may be.
_EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
_CLOCK_AHEAD = timedelta(days=1)

#: Unix times above this are milliseconds; as seconds it is the year 5138.
_MILLISECONDS_FROM = 100_000_000_000


def may_be_form(content_type: str | None) -> bool:
    """J-01: the content type is not documented, so it decides nothing: any body may be a form that holds the JSON."""
    return True


def channel_id(body: dict[str, Any]) -> str | None:
    """J-03: no field names the messenger. ``widget_id`` is the channel's id, and the customer says what it is."""
    return identifier(body.get("widget_id"))


def site_blocks(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """J-04: session and page, either of them empty for a conversation that did not begin on a website."""
    return block(body, "session"), block(body, "page")


def chat_key(body: dict[str, Any]) -> str | None:
    """J-06, J-14: a chat_id is one chat however often it is finished. It counts within one account, so it is a key only
    together with the integration."""
    return identifier(body.get("chat_id"))


def sender_of(kind: Any, has_agent: bool) -> Sender:
    """J-09: ``visitor`` and ``agent`` are documented; whatever else comes is no person's message."""
    word = (line(kind) or "").lower()
    if word == "visitor":
        return Sender.VISITOR
    if word == "agent" or (not word and has_agent):
        return Sender.OPERATOR
    return Sender.SYSTEM


def message_text(value: Any) -> str:
    """J-09: the text of a message, empty for a file, a placeholder or nothing."""
    said = text(value) or ""
    return "" if said.casefold() == PLACEHOLDER.casefold() else said


def plain_lines(plain: str, senders: Mapping[str, Sender]) -> list[tuple[Sender, str | None, str]]:
    """J-09: plain_messages as sender, author and text, if its lines are ``Name: text``.

    ``senders`` is by name. A line that begins with no known name goes on with the message before it.
    """
    told: list[tuple[Sender, str | None, list[str]]] = []
    for one in plain.splitlines():
        author, colon, said = one.partition(":")
        sender = senders.get(author.strip()) if colon else None
        if sender is not None:
            told.append((sender, author.strip(), [said]))
        elif told:
            told[-1][2].append(one)
        elif message_text(one):
            told.append((Sender.SYSTEM, None, [one]))
    return [(sender, author, message_text("\n".join(said))) for sender, author, said in told]


def crm_event(body: dict[str, Any]) -> str | None:
    """J-10: the name of a CRM webhook's event, None when the body is none. Its object may stand in ``payload.event``.

    A CRM hook is a second hook with an address of its own; it tells nothing of chats. Its samples leave the type out,
    but its names begin with what was done, while those of chats begin with whom it concerns.
    """
    kind = line(body.get("event_type")) or ""
    inner = block(block(body, "payload"), "event")
    name = line(inner.get("event_name")) or line(body.get("event_name"))
    if kind.startswith("crm_") or inner or (name and _CRM_NAME.fullmatch(name)):
        return name or kind or "crm"
    return None


def event_time(body: dict[str, Any], received_at: datetime) -> datetime | None:
    """J-11: ``event_timestamp`` where it is there and plausible. An offline_message_id that looks like milliseconds is
    the moment of the message."""
    told = moment(body.get("event_timestamp"), received_at)
    if told is None and line(body.get("event_name")) == "offline_message":
        number = _whole(body.get("offline_message_id"))
        told = moment(number, received_at) if number is not None and number >= _MILLISECONDS_FROM else None
    return told


def moment(value: Any, received_at: datetime) -> datetime | None:
    """A unix time in seconds or milliseconds as UTC. None when it is none, before 2010, or a day after the arrival."""
    number = _whole(value)
    if number is None:
        return None
    seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
    if not _EARLIEST.timestamp() <= seconds <= (received_at + _CLOCK_AHEAD).timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC)


def extras(body: dict[str, Any], received_at: datetime) -> dict[str, str | None]:
    """J-11: the undocumented or untyped extras: rate, Google Analytics and Metrika ids, time of the invitation."""
    chat, analytics = block(body, "chat"), block(body, "analytics")
    invited_at = moment(chat.get("invite_timestamp"), received_at)
    return {
        "rate": line(chat.get("rate")) or line(body.get("chat_rate")),
        "ga": line(analytics.get("ga")),
        "ym": line(analytics.get("ym")),
        "invited_at": invited_at.strftime("%Y-%m-%dT%H:%M:%SZ") if invited_at else None,
    }


def combined_marks(page: Mapping[str, str], session: Mapping[str, str]) -> dict[str, str]:
    """J-12: the page's marks are of this visit, the session's are probably of the first one ever.

    So the session's are used where the page has none, and fill what the page lacks only if they speak of the same
    visit: nothing that both name differs.
    """
    if not page:
        return dict(session)
    if any(key in session and session[key].casefold() != value.casefold() for key, value in page.items()):
        return dict(page)
    return {**session, **page}


def client_number(body: dict[str, Any]) -> str | None:
    """J-13: ``client_id`` and ``visitor.number`` are the same number of one person, within one integration."""
    return identifier(block(body, "visitor").get("number")) or identifier(body.get("client_id"))


def phone_of(raw: str | None, region: str) -> str | None:
    """J-15: phones come as typed; local forms belong to the account's region, in Russia 8… and ten digits are +7…."""
    return normalise_phone(raw, region)


def _whole(value: Any) -> int | None:
    """A whole number out of a number or digits; fractions of a second are cut."""
    if isinstance(value, float) and 0 <= value < 2.0**53:
        return int(value)
    digits = identifier(value)
    return int(digits) if digits and digits.isascii() and digits.isdecimal() else None
