"""Makes one attempt at handing a communication over to an outside cabinet."""

from __future__ import annotations

from sqlalchemy.orm import Session

from webapp.attribution import attribute, find_client
from webapp.cabinets.dataapi.attempt import perform
from webapp.extensions import db
from webapp.models import Communication


def handle(row_id: int) -> None:
    """Look at the delivery of this number and do what is next."""
    perform(db.session(), row_id, decide)


def decide(session: Session, communication: Communication) -> None:
    """Attribute a communication anew, now that more is known of its sessions."""
    integration, client = communication.integration, None
    if communication.client:
        client = find_client(session.connection(), integration.id, communication.client)
    attribute(session, integration, communication, client)
    session.flush()
