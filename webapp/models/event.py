"""Every request of a vendor, as received."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, BigId, Numbered, partial_index
from .communication import Communication
from .integration import Integration


class EventState(StrEnum):
    """What became of an event.

    done: it said something of a conversation or a person, and that is recorded. ignored: understood, or kept and
    flagged, with nothing to record. failed: our processing raised; replay it. stored: not processed yet, the
    integration was off.
    """

    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"
    STORED = "stored"


event_communication = Table(
    "event_communication",
    Base.metadata,
    Column("event_id", BigId, ForeignKey("webhook_event.id", ondelete="CASCADE"), primary_key=True),
    Column("communication_id", BigId, ForeignKey("communication.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class WebhookEvent(Numbered, Base):
    """One request. ``digest`` is the SHA-256 of channel and body: the same bytes again only raise ``repeats``.

    ``note`` flags a body or an event that nobody knows (a code), ``error`` is the text of a failure.
    """

    __tablename__ = "webhook_event"
    __table_args__ = (
        UniqueConstraint("integration_id", "digest"),
        Index(None, "account_id", "id"),
        # In the order of a list. The state stands in the index, so that looking for one reads no rows.
        Index(None, "account_id", "received_at", "id", "state"),
        Index(None, "account_id", "integration_id", "received_at", "id", "state"),
        # Few events wait or failed. Asked through webapp.events.in_state.
        partial_index("state IN ('failed', 'stored')", "account_id", "state", "received_at", "id"),
        partial_index("state IN ('failed', 'stored')", "account_id", "integration_id", "state", "received_at", "id"),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    received_at: Mapped[datetime]
    channel: Mapped[str | None] = mapped_column(String(50))
    content_type: Mapped[str | None] = mapped_column(String(200))
    body: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    digest: Mapped[str] = mapped_column(String(64))
    repeats: Mapped[int] = mapped_column(default=0)
    last_repeat_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(16), default=EventState.STORED)
    event_name: Mapped[str | None] = mapped_column(String(100))
    reference: Mapped[str | None] = mapped_column(String(100))
    note: Mapped[str | None] = mapped_column(String(50))
    error: Mapped[str | None] = mapped_column(Text)
    processed_at: Mapped[datetime | None]
    is_test: Mapped[bool] = mapped_column(default=False)

    integration: Mapped[Integration] = relationship()
    communications: Mapped[list[Communication]] = relationship(
        secondary=event_communication, order_by="Communication.id"
    )

    @classmethod
    def of(cls, integration: Integration) -> ColumnElement[bool]:
        """The condition on an integration's events, in the words of the indexes that have them."""
        return and_(cls.account_id == integration.account_id, cls.integration_id == integration.id)
