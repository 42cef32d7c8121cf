"""Ends chats of which nothing has been heard for a day: the vendor may never tell their end (contracts J-05)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.cabinets import cabinet_of
from webapp.conversation import ConversationType
from webapp.extensions import db
from webapp.models import Communication, Integration, utc_now

IDLE = timedelta(hours=24)

#: Chats of one transaction.
BATCH = 500


def handle(_row_id: int) -> None:
    """Give every idle chat its end: its last message's time, else the last time it was told of.

    An end that the vendor tells later replaces this one.
    """
    session, oldest = db.session(), utc_now() - IDLE
    while True:
        chats = session.scalars(
            select(Communication)
            .options(joinedload(Communication.integration).joinedload(Integration.account))
            .where(
                Communication.type == str(ConversationType.CHAT),
                Communication.finished_at.is_(None),
                Communication.updated_at < oldest,
            )
            .order_by(Communication.updated_at)
            .limit(BATCH)
            .with_for_update(of=Communication)
        ).all()
        for chat in chats:
            chat.finished_at = _last_message(chat.messages or []) or chat.updated_at
            session.flush()
            cabinet_of(chat.integration.account).record(session, chat.id)
        session.commit()
        if len(chats) < BATCH:
            return


def _last_message(messages: list[dict[str, Any]]) -> datetime | None:
    latest = max((message["at"] for message in messages if message.get("at")), default=None)
    return datetime.fromisoformat(latest) if latest else None
