"""Who changed which setting, and the sign that a worker lives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .account import User
from .base import Base, Numbered


class AuditRecord(Numbered, Base):
    """One change of settings. ``changes`` maps a field to [before, after]; secrets never stand in it.

    ``actor`` is the e-mail at that time, or the command that did it, and survives the user.
    """

    __tablename__ = "audit_record"
    __table_args__ = (Index(None, "account_id", "id"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"), index=True)
    actor: Mapped[str] = mapped_column(String(254))
    action: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(String(255))
    changes: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    user: Mapped[User | None] = relationship()


class WorkerBeat(Base):
    """When a worker was last alive."""

    __tablename__ = "worker_beat"

    worker: Mapped[str] = mapped_column(String(100), primary_key=True)
    beat_at: Mapped[datetime]
