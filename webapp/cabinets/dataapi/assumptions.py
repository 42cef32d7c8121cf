"""What nobody documents about the Data API, each with its id in the contract, and the answer this product is built on.

When a live account shows the truth, this is the one place to change. Some answers are a way of doing things rather than
a value, and live where the thing is done:

U-01 the body decides whatever the HTTP status, without one the status does (client, failures). U-02 no call has
more than one item (attempt). U-09 the returned id is not taken for the communication's: tags go by ext_id
(attempt). U-10 a cookie's second part is the session (the vendors' tokens). U-11 a status is told by who wrote and
never read back (compose). U-15 messages are sorted, stable, equal times kept; U-16 every message has a time, and a
chat without words is a request (compose). U-17 an integration names campaigns or sources as it likes. U-18 a
session that the reply leaves out is looked for in the report (settling). U-20 the hosts share the code; what
differs is a table by host here.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Any
from zoneinfo import ZoneInfo

#: U-03: a repeated ext_id may be a second entity, so what may have been sent is searched for; this word means done.
ALREADY_THERE = "duplicate_entity"

#: U-04: "later than" may be strict.
LEAST_DISTANCE = timedelta(seconds=1)

#: U-05: no length is documented. Where a message is refused for its value it is cut to this, once.
SHORTENED_LENGTH = 1000

#: U-06: the words with which a session may be refused.
SESSION_REFUSALS = frozenset(
    {"entity_not_found", "invalid_parameter_value", "invalid_date_time", "invalid_parameters_combination"}
)

#: U-06: words that may mean the session whatever field they name.
VAGUE_REFUSALS = frozenset({"invalid_date_time", "invalid_parameters_combination"})

#: U-12: by host, the word for a chat in which both sides wrote.
SUCCEED_WORDS: dict[str, str] = {}

#: U-14: seconds until a loaded communication is looked for, each after the last. Reports may lag behind as long as all
#: of them together: nothing that they lack before is absent.
LOOK_AFTER = (60, 240, 600)

#: So often a report has to lack it after that time: an empty list may also be half an answer.
LOOKS_NEEDED = 2

#: U-14: seconds until an upload is read back, and until it is looked for again.
CONFIRM_AFTER = (60, 240, 600, 3600, 6 * 3600)

#: U-19: calls a second while the limits are unknown.
UNKNOWN_RATE = 1.0

#: Not in the contract's list: upload.sessions demands an address, and none is kept. This one can be nobody's.
UNKNOWN_ADDRESS = str(IPv4Address(0))

#: Not in the contract's list: a session made of marks begins so long before the chat.
MARKS_SESSION_BEFORE = timedelta(seconds=60)


def digits_of(phone: str) -> str:
    """U-07: a phone is sent as digits alone."""
    return re.sub(r"\D", "", phone)


def local_time(moment: datetime, zone: ZoneInfo) -> datetime:
    """U-08: dates are in the account's zone, without it."""
    return moment.astimezone(zone).replace(tzinfo=None, microsecond=0)


def succeed_word(host: str) -> str:
    """U-12."""
    return SUCCEED_WORDS.get(host, "succeed")


def without_nothing(item: dict[str, Any]) -> dict[str, Any]:
    """U-13: nothing is said of what is not known; a null might be refused."""
    return {name: value for name, value in item.items() if value not in (None, "")}


def shortened(text: str) -> str:
    """U-05: cut, and without characters of four bytes."""
    return "".join(character for character in text if ord(character) <= 0xFFFF)[:SHORTENED_LENGTH]


def names_the_session(mnemonic: str, field: str | None) -> bool:
    """U-06: whether a refusal of something that was sent with a session may be the session's fault."""
    if mnemonic not in SESSION_REFUSALS:
        return False
    return not field or "visitor_session_id" in field or mnemonic in VAGUE_REFUSALS


def names_a_reference(mnemonic: str, field: str | None) -> bool:
    """Not in the contract's list: a removed source or a foreign employee may be told as unknown or as a wrong value."""
    last = str(field or "").rpartition(".")[2]
    known = ("campaign_id", "source_id", "site_id", "employee_id")
    return mnemonic == "entity_not_found" or (mnemonic == "invalid_parameter_value" and last in known)


def names_a_message(mnemonic: str, field: str | None) -> bool:
    """U-05: whether a message was refused for its length or its characters."""
    return mnemonic == "invalid_parameter_value" and bool(field) and str(field).rpartition(".")[2] == "message"


def is_our_id(answered: Any, ours: str) -> bool:
    """A number may come back as a string and the other way about; null is nobody's."""
    return answered is not None and str(answered) == ours
