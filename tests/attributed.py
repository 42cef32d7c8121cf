"""Chats that are attributed in a transaction of their own, and the visits behind them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from tests.factories import make_visit
from webapp.attribution import Client, attribute, find_client
from webapp.models import Account, Communication, Integration, Visit

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PHONE, EMAIL = "+79123456789", "anna@example.com"

_numbers = count(1)


def chat(session: Session, integration: Integration, token: str | None = None, **values: Any) -> Communication:
    """A chat that began at BEGAN and names this session, attributed in a transaction of its own."""
    session.commit()
    if token:
        values["clues"] = {"token": {"raw": f"as1.{token}", "kind": "own", "visit": token}}
    made = Communication(
        account_id=integration.account_id,
        integration_id=integration.id,
        type="chat",
        vendor_id=str(next(_numbers)),
        **{"started_at": BEGAN, "updated_at": BEGAN, "rule": "none", **values},
    )
    session.add(made)
    session.flush()
    attribute(session, integration, made, known_client(session, made))
    session.commit()
    return made


def outcomes(communication: Communication) -> dict[str, str]:
    """How each rule that was tried ended."""
    return {step["rule"]: step["outcome"] for step in communication.trail}


def visited(session: Session, account: Account, token: str = "8f3c", ago: timedelta = HOUR, **values: Any) -> Visit:
    """A visit that began so long before BEGAN."""
    return make_visit(session, account, token, started_at=BEGAN - ago, **values)


def known_client(session: Session, communication: Communication) -> Client | None:
    """What is known of the person of this communication."""
    if communication.client is None:
        return None
    return find_client(session.connection(), communication.integration_id, communication.client)
