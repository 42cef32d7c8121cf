"""Who counted as having written before because of a communication that now has another contact or another time.

The triggers (search_index) tell that a row has changed, not what it was; whose turn it is to be the first of the old
contact is known only here, while both are at hand. webapp.report.digest looks at that row again.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, event, insert, inspect, select

from .communication import Communication
from .report import CommunicationChange

_C = Communication.__table__.c

#: The ways in which two communications are of one contact: the attribute, and within what it names somebody.
CONTACTS = {"contact_phone": "account_id", "contact_email": "account_id", "client": "integration_id"}

_NAMES = ("communication_id", "account_id", "started_at")


@event.listens_for(Communication, "before_update")
def look_again(_mapper: Any, connection: Connection, communication: Communication) -> None:
    """Note the earliest other communication of each contact that this one had until now."""
    attributes = inspect(communication).attrs
    moved = attributes.started_at.history.deleted
    for name, within in CONTACTS.items():
        history = attributes[name].history
        for value in history.deleted or (history.unchanged if moved else ()):
            if value is not None:
                first = (
                    select(_C.id, _C.account_id, _C.started_at)
                    .where(_C[within] == getattr(communication, within), _C[name] == value, _C.id != communication.id)
                    .order_by(_C.started_at, _C.id)
                    .limit(1)
                )
                connection.execute(insert(CommunicationChange.__table__).from_select(_NAMES, first))
