"""Alerts: what is wrong in an account right now, whom that is told, and how the telling went."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, Encrypted, Numbered, partial_index
from .integration import Integration

#: Percent of communications without attribution from which on it is an alert, unless the account says otherwise.
USUAL_UNATTRIBUTED_LIMIT = 30


class AlertSetting(Numbered, Base):
    """Which alerts an account wants and where to. ``off`` names the checks it does not want.

    ``emails`` is a list; messages are written in ``language``. ``webhook_url`` may hold a key of its own, so it is kept
    like a secret; requests to it are signed with ``webhook_secret``.
    """

    __tablename__ = "alert_setting"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), unique=True)
    off: Mapped[list[str]] = mapped_column(JSON, default=list)
    unattributed_limit: Mapped[int] = mapped_column(default=USUAL_UNATTRIBUTED_LIMIT)
    emails: Mapped[list[str]] = mapped_column(JSON, default=list)
    webhook_url: Mapped[str | None] = mapped_column(Encrypted)
    webhook_secret: Mapped[str | None] = mapped_column(Encrypted)
    language: Mapped[str] = mapped_column(String(2), default="ru")


class Alert(Numbered, Base):
    """One thing that may be wrong: the check of this ``name`` and what it is about (``subject``).

    The row stays and is used again. ``present`` and ``absent`` count the looks in a row that found it or did not. It is
    open from ``opened_at`` until ``closed_at``; ``told_at`` is when somebody was last told of an opening, ``hidden_at``
    when a person said that they know.
    """

    __tablename__ = "alert"
    __table_args__ = (
        UniqueConstraint("account_id", "name", "subject"),
        partial_index("opened_at IS NOT NULL AND closed_at IS NULL", "account_id", "opened_at"),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(String(100))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    present: Mapped[int] = mapped_column(default=0)
    absent: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    hidden_at: Mapped[datetime | None]

    integration: Mapped[Integration | None] = relationship()

    @property
    def is_open(self) -> bool:
        """True while it is wrong."""
        return self.opened_at is not None and self.closed_at is None


class AlertMessage(Numbered, Base):
    """One message about an alert on one way (email, webhook). ``event``: opened, closed or test.

    ``state``: pending, sent or failed; ``error`` is a code (webapp.alerts.messages), ``body`` what is sent.
    """

    __tablename__ = "alert_message"
    __table_args__ = (Index(None, "account_id", "id"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    way: Mapped[str] = mapped_column(String(16))
    event: Mapped[str] = mapped_column(String(16))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(String(100))
    sent_at: Mapped[datetime | None]
