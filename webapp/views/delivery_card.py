"""What the pages say of one hand-over to an outside cabinet."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from webapp.cabinets.dataapi import words
from webapp.extensions import db
from webapp.models import Communication, Delivery, DeliveryState

STATE_NAMES = {
    DeliveryState.PENDING: _l("в очереди"),
    DeliveryState.DELIVERED: _l("передано"),
    DeliveryState.HELD: _l("задержано"),
    DeliveryState.FAILED: _l("не передано"),
}

STATE_PILLS = {
    DeliveryState.PENDING: "quiet",
    DeliveryState.DELIVERED: "ok",
    DeliveryState.HELD: "attention",
    DeliveryState.FAILED: "refused",
}

#: What the cabinet made of a communication, in the order in which it is shown, and the ids that go with each.
READ_BACK = (
    ("campaign_name", _l("Рекламная кампания"), "campaign_id"),
    ("source_name", _l("Источник"), "source_id"),
    ("site_domain_name", _l("Сайт"), "site_id"),
    ("visitor_session_id", _l("Сессия"), "visitor_session_id"),
    ("communication_number", _l("Номер обращения у этого человека"), None),
    ("utm_source", "utm_source", None),
    ("utm_medium", "utm_medium", None),
    ("utm_campaign", "utm_campaign", None),
    ("utm_content", "utm_content", None),
    ("utm_term", "utm_term", None),
)


def about(found: Delivery) -> dict[str, Any]:
    """What a card says of a delivery."""
    told = found.confirmed or {}
    rows = [
        {"name": title, "value": told.get(name) or told.get(id_name), "differs": id_name in (found.differs or [])}
        for name, title, id_name in READ_BACK
        if told.get(name) or (id_name and told.get(id_name))
    ]
    return {
        "delivery": found,
        "delivery_why": why(found),
        "delivery_state": STATE_NAMES[DeliveryState(found.state)],
        "delivery_pill": STATE_PILLS[DeliveryState(found.state)],
        "read_back": rows,
    }


def cabinet_card(communication: Communication) -> dict[str, Any]:
    """The same for the page of a communication; nothing where it is not handed over."""
    found = db.session.scalar(select(Delivery).where(Delivery.communication_id == communication.id))
    return about(found) if found else {}


def why(delivery: Delivery) -> words.Advice | None:
    """Why it waits, is held or failed."""
    if words.is_over(delivery.reason, delivery.state):
        return None
    return words.reason(delivery.reason, delivery.facts)
