"""The one way in: webhooks, replays and imported archives all go through accept() and process().

What can be read before the transaction is: on SQLite everybody else's webhook waits while one is being written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from webapp import metrics
from webapp.conversation import Conversation, Reading, together
from webapp.logs import redact
from webapp.models import EventState, Integration, WebhookEvent, utc_now
from webapp.recording import INSERTS, Occasion, dialect_of, link_events, record
from webapp.vendors import VendorRequest, registry

log = structlog.get_logger()

#: The same bytes within it are a retry (contracts: jivo §9).
REPEAT_WINDOW = timedelta(minutes=5)

#: Longest channel, event name and reference kept; more is a mistake or malice.
LONGEST_CHANNEL, LONGEST_NAME = 50, 100

#: The short words that people put into an address for a channel.
CHANNEL_WORDS = {
    "tg": "telegram",
    "wa": "whatsapp",
    "vb": "viber",
    "fb": "facebook",
    "ig": "instagram",
    "av": "avito",
    "vkontakte": "vk",
    "odnoklassniki": "ok",
    "widget": "site",
    "mail": "email",
}

_events = WebhookEvent.__table__
_STORE = {
    dialect: build(_events).on_conflict_do_nothing(index_elements=["integration_id", "digest"]).returning(_events.c.id)
    for dialect, build in INSERTS.items()
}


@dataclass(frozen=True)
class Received:
    """One request as it came, and what the vendor's parser made of it (``problem``: the parser's own failure).

    ``dated``: ``received_at`` is when the vendor said it; of a body in an archive that may be unknown.
    """

    body: bytes
    digest: str
    content_type: str | None
    channel: str | None
    received_at: datetime
    is_test: bool
    reading: Reading
    problem: str | None
    dated: bool = True


@dataclass(frozen=True)
class Accepted:
    """What became of a request that was accepted: the event, how it stands, whether its bytes were known."""

    event_id: int
    state: EventState
    repeat: bool


def accept(session: Session, integration: Integration, body: bytes, **circumstances: Any) -> Accepted:
    """Read one request of a vendor and store it; ``circumstances`` are those of ``read``. See ``store``."""
    return store(session, integration, read(integration, body, **circumstances))


def read(
    integration: Integration,
    body: bytes,
    *,
    content_type: str | None = None,
    channel: str | None = None,
    received_at: datetime | None = None,
    is_test: bool = False,
    dated: bool = True,
) -> Received:
    """Read one request without touching the database. Raises nothing, whatever the vendor sent."""
    received_at, channel = received_at or utc_now(), normalise_channel(channel)
    content_type = content_type[:200].replace("\0", "") if content_type else None
    reading, problem = _parse(integration, body, content_type, received_at)
    digest = hashlib.sha256((channel or "").encode() + b"\0" + body).hexdigest()
    return Received(body, digest, content_type, channel, received_at, is_test, reading, problem, dated)


def store(session: Session, integration: Integration, received: Received) -> Accepted:
    """Store a request and, if the integration is active, record what it says.

    The caller commits; until then nothing is promised to the vendor. The same bytes on the same channel are one event
    whose ``repeats`` grows; a repeat of one that failed is another try. Raises OperationalError when the database does
    not work.
    """
    active, problem = integration.active, received.problem
    state = _state(received.reading, problem) if active else EventState.STORED
    connection = session.connection()
    number = connection.execute(
        _STORE[dialect_of(connection)],
        {
            "account_id": integration.account_id,
            "integration_id": integration.id,
            "received_at": received.received_at,
            "created_at": received.received_at,
            "channel": received.channel,
            "content_type": received.content_type,
            "body": received.body,
            "digest": received.digest,
            "repeats": 0,
            "is_test": received.is_test,
            "state": state,
            "error": problem if active else None,
            "processed_at": received.received_at if active else None,
            **_described(received.reading),
        },
    ).scalar()
    if number is None:
        accepted = _repeat(session, integration, received)
    else:
        if active and not problem:
            occasion = Occasion(
                connection, number, received.channel, received.received_at, received.is_test, first=True
            )
            problem = _try_to_record(session, integration, occasion, received.reading)
            if problem:
                state = EventState.FAILED
                session.execute(
                    update(WebhookEvent).where(WebhookEvent.id == number).values(state=state, error=problem)
                )
        accepted = Accepted(number, state, repeat=False)
    metrics.webhooks.labels(integration.vendor, "repeat" if accepted.repeat else accepted.state).inc()
    return accepted


def process(
    session: Session, integration: Integration, event: WebhookEvent, *, told_at: datetime | None = None
) -> None:
    """Read a stored event again and record what it says, or leave it ``failed`` with its error.

    ``told_at`` is when the vendor said it, by default when it first arrived. Works in a savepoint: a failure takes back
    everything but the event itself. Doing it again changes nothing.
    """
    told_at = told_at or event.received_at
    reading, problem = _parse(integration, event.body, event.content_type, told_at)
    if not problem:
        occasion = Occasion(
            session.connection(), event.id, event.channel, event.received_at, event.is_test, event.processed_at is None
        )
        problem = _try_to_record(session, integration, occasion, reading)
    for name, value in _described(reading).items():
        setattr(event, name, value)
    event.state, event.error, event.processed_at = _state(reading, problem), problem, utc_now()


def process_waiting(session: Session, integration: Integration, events: Sequence[WebhookEvent], vendor_id: str) -> None:
    """Read stored events again that waited for one conversation, all at once: to write a long conversation anew for
    each of its messages takes minutes. What is no plain telling of it is read by itself. The caller commits."""
    plain: list[tuple[WebhookEvent, Conversation]] = []
    for event in events:
        reading, problem = _parse(integration, event.body, event.content_type, event.received_at)
        only = reading.conversations[0] if len(reading.conversations) == 1 else None
        is_plain = only and only.waits and only.vendor_id == vendor_id and only.started_at is None
        same = not plain or (event.channel, event.is_test) == (plain[0][0].channel, plain[0][0].is_test)
        if not problem and is_plain and same and not reading.client_updates and not reading.widget:
            plain.append((event, only))
        else:
            process(session, integration, event)
    if not plain:
        return
    last = max((event for event, _told in plain), key=lambda event: event.received_at)
    occasion = Occasion(session.connection(), last.id, last.channel, last.received_at, last.is_test, first=False)
    told = replace(together([told for _event, told in plain]), waits=True)
    problem = _try_to_record(session, integration, occasion, Reading(None, conversations=(told,)))
    for event, _told in plain:
        if problem:
            # One of them is the reason, and is to keep it to itself.
            process(session, integration, event)
        else:
            event.processed_at = utc_now()
    if not problem:
        link_events(session, integration, told, [event.id for event, _told in plain])


def normalise_channel(channel: str | None) -> str | None:
    """The channel's word, lower-case, from the last segment of an address or from a label."""
    if not channel:
        return None
    word = re.sub(r"[^\w.-]+", "-", channel.strip().casefold())[:LONGEST_CHANNEL].strip("-")
    return CHANNEL_WORDS.get(word, word) or None


def _parse(
    integration: Integration, body: bytes, content_type: str | None, received_at: datetime
) -> tuple[Reading, str | None]:
    """What the vendor's parser makes of it, and the error if the parser has a fault of its own."""
    request = VendorRequest(body, content_type, received_at, integration.account.region, integration.options or {})
    try:
        return registry()[integration.vendor].read(request), None
    except Exception as error:
        log.exception("event_unreadable", integration=integration.id, vendor=integration.vendor)
        return Reading(None, understood=False), _told(error)


def _described(reading: Reading) -> dict[str, str | None]:
    """The columns by which a person finds an event again."""
    return {
        "event_name": reading.event_name[:LONGEST_NAME] if reading.event_name else None,
        "reference": reading.reference[:LONGEST_NAME] if reading.reference else None,
        "note": reading.note,
    }


def _state(reading: Reading, problem: str | None) -> EventState:
    if problem:
        return EventState.FAILED
    told = reading.client_updates or any(not conversation.waits for conversation in reading.conversations)
    return EventState.DONE if told else EventState.IGNORED


def _told(error: Exception) -> str:
    """An error as the page shows it: without personal data."""
    return redact(f"{type(error).__name__}: {error}")[:2000].replace("\0", "")


def _repeat(session: Session, integration: Integration, received: Received) -> Accepted:
    """The same bytes came before: count it, and try again what failed then."""
    event = session.scalars(
        select(WebhookEvent)
        .where(WebhookEvent.integration_id == integration.id, WebhookEvent.digest == received.digest)
        .with_for_update()
    ).one()
    last_arrival = event.last_repeat_at or event.received_at
    event.repeats += 1
    event.last_repeat_at = received.received_at
    # Soon after each other they are the vendor's retries; later on the vendor says the same thing anew, and the latest
    # word counts: a card may have changed from A to B and back to A.
    anew = received.dated and received.received_at - last_arrival > REPEAT_WINDOW
    if integration.active and (anew or event.state in (EventState.STORED, EventState.FAILED)):
        process(session, integration, event, told_at=received.received_at if anew else None)
    return Accepted(event.id, EventState(event.state), repeat=True)


def _try_to_record(session: Session, integration: Integration, occasion: Occasion, reading: Reading) -> str | None:
    """Record what was read, in a savepoint; the error in words if that fails."""
    try:
        for last_attempt in (False, True):
            try:
                with session.begin_nested():
                    # The savepoint is set when the session is next asked for its connection, not before.
                    session.connection()
                    record(session, integration, occasion, reading)
                return None
            except IntegrityError:
                # Another process created the same conversation at this moment; the second look finds it.
                if last_attempt:
                    raise
    except OperationalError:
        raise
    except Exception as error:
        log.exception("event_failed", event_id=occasion.id, integration=integration.id, vendor=integration.vendor)
        return _told(error)
    return None
