"""From one webhook of amoCRM to what it says (contract, section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webapp.contacts import find_email, find_phone
from webapp.conversation import Clues, Contact, Conversation, ConversationType, Message, Reading, Sender, Stage
from webapp.vendors import VendorRequest

from . import assumptions
from .body import parse
from .origins import channel_of
from .values import block, line, moment, number, rows, text

#: The option that says whose hooks these must be; set when an account has been connected.
ACCOUNT_OPTION = "vendor_account"

#: The key by which a body of our own reconciliation makes itself known.
RECONCILED = "reconciled"

#: Test talks have no number, so nothing is asked about them.
TEST_PREFIX = "test-"


def read(request: VendorRequest) -> Reading:
    """What one webhook says. Never raises for any bytes.

    Notes: talk_open and message (kept until the talk is closed), reconciled, message_without_talk, other_event (of no
    talk); not understood: empty, not_form, other_account.
    """
    tree = parse(request.body)
    name = _event_name(tree)
    if not tree:
        return Reading(None, understood=False, note="not_form" if request.body.strip() else "empty")
    if _is_foreign(tree, request):
        return Reading(name, understood=False, note="other_account")
    if name is None:
        return Reading(None, understood=False, note="not_form")
    told = [*_talks(tree, request), *_messages(tree, request)]
    return Reading(
        name, note=_note(tree, told), reference=told[0].vendor_id if told else None, conversations=tuple(told)
    )


def talk_conversation(talk: dict[str, Any], request: VendorRequest) -> Conversation | None:
    """What the state of one talk says, told by a hook or by the API; None without a number to know it by."""
    number_of = talk_reference(talk)
    if number_of is None:
        return None
    closed = assumptions.is_closed(talk)
    created, updated = (moment(talk.get(key), request.received_at) for key in ("created_at", "updated_at"))
    origin, rate = line(talk.get("origin")), number(talk.get("rate"))
    entity = number(talk.get("entity_id"))
    details = {
        "talk": f"A{number_of}" if number_of.isdecimal() else None,
        "origin": origin,
        "rate": rate,
        "lead": entity if talk.get("entity_type") in ("lead", None) else None,
        "customer": entity if talk.get("entity_type") == "customer" else None,
    }
    return Conversation(
        type=ConversationType.OFFLINE_MESSAGE,
        vendor_id=assumptions.talk_key(number_of),
        stage=Stage.FINISHED if closed else Stage.UPDATED,
        clues=Clues(client=number(talk.get("contact_id"))),
        started_at=created,
        finished_at=updated if closed else None,
        event_at=updated,
        details={code: value for code, value in details.items() if value},
        channel=channel_of(origin),
        asks=closed and number_of.isdecimal(),
        waits=not closed,
    )


def talk_reference(talk: dict[str, Any]) -> str | None:
    """The number of a talk, or the name of a test's."""
    name = line(talk.get("talk_id"), 64)
    return name if name and name.startswith(TEST_PREFIX) else number(talk.get("talk_id"))


def _event_name(tree: dict[str, Any]) -> str | None:
    """``talk[update]``: the first entity and its action, the account aside."""
    for entity, actions in tree.items():
        if isinstance(actions, dict) and entity != "account":
            return f"{entity}[{next(iter(actions), '')}]"[:100]
    return None


def _is_foreign(tree: dict[str, Any], request: VendorRequest) -> bool:
    """True for the hook of an account that is not the one connected. A hook that names none is taken."""
    wanted, said = request.options.get(ACCOUNT_OPTION), number(block(tree, "account").get("id"))
    return bool(wanted and said and str(wanted) != said)


def _note(tree: dict[str, Any], told: list[Conversation]) -> str | None:
    if any(not one.waits for one in told):
        return "reconciled" if RECONCILED in tree else None
    if told:
        return "message" if told[0].messages else "talk_open"
    return "message_without_talk" if "message" in tree else "other_event"


def _talks(tree: dict[str, Any], request: VendorRequest) -> Iterator[Conversation]:
    """Every talk of the request: several actions and several items may share one."""
    actions = block(tree, "talk")
    for action in actions:
        for talk in rows(actions, action):
            conversation = talk_conversation(talk, request)
            if conversation is not None:
                yield conversation


def _messages(tree: dict[str, Any], request: VendorRequest) -> Iterator[Conversation]:
    actions = block(tree, "message")
    for action in actions:
        for message in rows(actions, action):
            number_of = talk_reference(message)
            if number_of is not None:
                yield _message(message, number_of, request)


def _message(message: dict[str, Any], number_of: str, request: VendorRequest) -> Conversation:
    """A message: the text of its talk, and a name, a phone or an e-mail until the contact's card is read (B7)."""
    author = block(message, "author")
    sender = _sender(message, author)
    said, at = text(message.get("text")) or "", moment(message.get("created_at"), request.received_at)
    contact = Contact()
    if sender is Sender.VISITOR:
        phone, email = find_phone(said, request.region), find_email(said)
        found = tuple(name for name, value in (("phone", phone), ("email", email)) if value)
        contact = Contact(name=line(author.get("name")), phone=phone, email=email, from_text=found)
    return Conversation(
        type=ConversationType.OFFLINE_MESSAGE,
        vendor_id=assumptions.talk_key(number_of),
        stage=Stage.UPDATED,
        contact=contact,
        clues=Clues(client=number(message.get("contact_id"))),
        event_at=at,
        messages=(Message(at, sender, line(author.get("name")), said),),
        channel=channel_of(line(message.get("origin"))),
        waits=True,
    )


def _sender(message: dict[str, Any], author: dict[str, Any]) -> Sender:
    if author.get("type") == "bot":
        return Sender.SYSTEM
    if message.get("type") == "outgoing" or (message.get("type") != "incoming" and author.get("type") == "internal"):
        return Sender.OPERATOR
    return Sender.VISITOR
