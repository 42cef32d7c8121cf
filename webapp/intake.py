"""The one way in: webhooks, replays and imported archives all go through accept() and process()."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from webapp import metrics
from webapp.attribution import attribute
from webapp.cabinets import cabinet_of
from webapp.conversation import ClientUpdate, Contact, Conversation, SessionToken
from webapp.enrichment import enrich, fill_contact, fill_token, update_client
from webapp.logs import redact
from webapp.models import (
    Communication,
    EventState,
    Integration,
    VendorClient,
    WebhookEvent,
    Widget,
    event_communication,
    utc_now,
)
from webapp.vendors import VendorRequest, registry

log = structlog.get_logger()

#: Longest channel, event name and reference kept; more is a mistake or malice.
LONGEST_CHANNEL, LONGEST_NAME = 50, 100

#: How many of a person's conversations a late contact card is written into, the latest first.
ENRICHED_CONVERSATIONS = 20

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


def accept(
    session: Session,
    integration: Integration,
    body: bytes,
    *,
    content_type: str | None = None,
    channel: str | None = None,
    received_at: datetime | None = None,
    is_test: bool = False,
) -> WebhookEvent:
    """Store one request of a vendor and, if the integration is active, record what it says.

    The caller commits; until then nothing is promised to the vendor. The same bytes on the same channel are one event
    whose ``repeats`` grows; a repeat of one that failed is another try. Raises OperationalError when the database does
    not work, and nothing for anything the vendor sent.
    """
    received_at = received_at or utc_now()
    channel = normalise_channel(channel)
    event, is_new = _store(session, integration, body, content_type, channel, received_at, is_test)
    if not is_new:
        _count_repeat(session, event, received_at)
    if integration.active and event.state in (EventState.STORED, EventState.FAILED):
        process(session, integration, event)
    metrics.webhooks.labels(integration.vendor, "repeat" if not is_new else event.state).inc()
    return event


def process(session: Session, integration: Integration, event: WebhookEvent) -> None:
    """Read a stored event and record what it says, or leave it ``failed`` with its error.

    Works in a savepoint: a failure takes back everything but the event itself. Doing it again changes nothing.
    """
    try:
        for attempt in (1, 2):
            try:
                with session.begin_nested():
                    _record(session, integration, event)
                break
            except IntegrityError:
                # Another process created the same conversation at this moment; the second look finds it.
                if attempt == 2:
                    raise
        event.error = None
    except OperationalError:
        raise
    except Exception as error:
        event.state = EventState.FAILED
        event.error = redact(f"{type(error).__name__}: {error}")[:2000]
        log.exception("event_failed", event_id=event.id, integration=integration.id, vendor=integration.vendor)
    event.processed_at = utc_now()


def normalise_channel(channel: str | None) -> str | None:
    """The channel's word, lower-case, from the last segment of an address or from a label."""
    if not channel:
        return None
    word = re.sub(r"[^\w.-]+", "-", channel.strip().casefold()).strip("-")[:LONGEST_CHANNEL]
    return CHANNEL_WORDS.get(word, word) or None


def _store(
    session: Session,
    integration: Integration,
    body: bytes,
    content_type: str | None,
    channel: str | None,
    received_at: datetime,
    is_test: bool,
) -> tuple[WebhookEvent, bool]:
    """The event of these bytes, and whether it is a new one. Two parallel deliveries agree on one row."""
    digest = hashlib.sha256((channel or "").encode() + b"\0" + body).hexdigest()
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    event = session.scalar(
        insert(WebhookEvent)
        .values(
            account_id=integration.account_id,
            integration_id=integration.id,
            received_at=received_at,
            channel=channel,
            content_type=content_type[:200].replace("\0", "") if content_type else None,
            body=body,
            digest=digest,
            is_test=is_test,
        )
        .on_conflict_do_nothing(index_elements=["integration_id", "digest"])
        .returning(WebhookEvent)
    )
    if event is not None:
        return event, True
    found = session.scalars(
        select(WebhookEvent)
        .where(WebhookEvent.integration_id == integration.id, WebhookEvent.digest == digest)
        .with_for_update()
    ).one()
    return found, False


def _count_repeat(session: Session, event: WebhookEvent, received_at: datetime) -> None:
    event.repeats += 1
    event.last_repeat_at = received_at


def _record(session: Session, integration: Integration, event: WebhookEvent) -> None:
    reading = registry()[integration.vendor].read(
        VendorRequest(
            body=event.body,
            content_type=event.content_type,
            received_at=event.received_at,
            region=integration.account.region,
            options=integration.options or {},
        )
    )
    event.event_name = reading.event_name[:LONGEST_NAME] if reading.event_name else None
    event.reference = reading.reference[:LONGEST_NAME] if reading.reference else None
    event.note = reading.note
    widget = _see_widget(session, integration, event, reading.widget)
    for update_told in reading.client_updates:
        _record_client(session, integration, event, update_told)
    for conversation in reading.conversations:
        channel = event.channel or (widget.channel if widget else None)
        _record_conversation(session, integration, event, conversation, channel)
    event.state = EventState.DONE if reading.conversations or reading.client_updates else EventState.IGNORED
    session.flush()


def _see_widget(
    session: Session, integration: Integration, event: WebhookEvent, widget_id: str | None
) -> Widget | None:
    """Count the vendor's channel id, so that the page can offer it to be labelled."""
    if not widget_id:
        return None
    found = session.scalar(
        select(Widget).where(Widget.integration_id == integration.id, Widget.widget == widget_id).with_for_update()
    )
    if found is None:
        found = Widget(integration_id=integration.id, widget=widget_id, seen=0)
        session.add(found)
    if event.processed_at is None:
        found.seen += 1
    if found.last_seen_at is None or found.last_seen_at < event.received_at:
        found.last_seen_at = event.received_at
    return found


def _record_client(session: Session, integration: Integration, event: WebhookEvent, told: ClientUpdate) -> None:
    """Keep what is said of a person, and write it into their conversations that lack it."""
    client = _client(session, integration, told.client, event.received_at)
    update_client(client, told.contact, told.token, event.received_at)
    conversations = session.scalars(
        select(Communication)
        .where(Communication.integration_id == integration.id, Communication.client == told.client)
        .order_by(Communication.id.desc())
        .limit(ENRICHED_CONVERSATIONS)
        .with_for_update()
    )
    for communication in conversations:
        changed = fill_contact(communication, told.contact)
        if told.token and fill_token(communication, told.token):
            attribute(session, integration, communication)
            changed = True
        if changed:
            _finish(session, integration, event, communication)


def _record_conversation(
    session: Session, integration: Integration, event: WebhookEvent, told: Conversation, channel: str | None
) -> None:
    """Create or enrich the communication of a conversation, and attribute it anew if its clues have changed."""
    client = None
    if told.clues.client:
        client = _client(session, integration, told.clues.client, event.received_at)
    communication = session.scalar(
        select(Communication)
        .where(
            Communication.integration_id == integration.id,
            Communication.type == str(told.type),
            Communication.vendor_id == told.vendor_id,
        )
        .with_for_update()
    )
    is_new = communication is None
    if communication is None:
        communication = Communication(
            account_id=integration.account_id,
            integration_id=integration.id,
            type=str(told.type),
            vendor_id=told.vendor_id,
            is_test=event.is_test,
        )
    before = None if is_new else _what_decides(communication)
    enrich(communication, told, event.received_at)
    communication.channel = channel or communication.channel or _channel_of_page(communication.clues)
    if client:
        fill_contact(communication, Contact(client.name, client.phone, client.phone_raw, client.email))
        if client.token:
            fill_token(communication, SessionToken(**client.token))
    employee = cabinet_of(integration.account).employee_by_email(session, integration.account, told.operators)
    communication.employee_id = employee or communication.employee_id or integration.employee_id
    if is_new or before != _what_decides(communication):
        attribute(session, integration, communication)
    session.add(communication)
    _finish(session, integration, event, communication)


def _client(session: Session, integration: Integration, number: str, at: datetime) -> VendorClient:
    found = session.scalar(
        select(VendorClient)
        .where(VendorClient.integration_id == integration.id, VendorClient.client == number)
        .with_for_update()
    )
    if found is None:
        found = VendorClient(
            account_id=integration.account_id, integration_id=integration.id, client=number, updated_at=at
        )
        session.add(found)
    return found


def _channel_of_page(clues: dict[str, str]) -> str | None:
    """A page's address is told for the site's own widget only (J-04), so a chat that has one came from the site."""
    return "site" if clues.get("page_url") else None


def _what_decides(communication: Communication) -> tuple[object, ...]:
    """Everything the rules look at."""
    return (
        communication.started_at,
        communication.channel,
        communication.client,
        communication.clues,
        communication.utm,
        communication.contact_phone,
        communication.contact_email,
    )


def _finish(session: Session, integration: Integration, event: WebhookEvent, communication: Communication) -> None:
    communication.updated_at = utc_now()
    session.flush()
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    session.execute(
        insert(event_communication)
        .values(event_id=event.id, communication_id=communication.id)
        .on_conflict_do_nothing()
    )
    cabinet_of(integration.account).record(session, communication)
