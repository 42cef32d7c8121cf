"""The record of one chat or request, with its attribution."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, ForeignKey, Index, String, Text, UniqueConstraint, and_, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.marks import known_utm

from .base import Base, Moment, Numbered, partial_index
from .directory import Campaign, Employee, Site, Source
from .integration import Integration
from .visit import Visit


class Communication(Numbered, Base):
    """One «Обращение».

    Unique by integration, type and the vendor's conversation id. ``stages`` says, field by field, at which stage of the
    conversation the kept value was told, so that late events enrich and never undo. ``clues`` is what the attribution
    was decided from. ``finished_at`` is None while the conversation goes on. ``session_named`` is the session of an
    outside cabinet that decided: it cannot be looked up here.
    """

    __tablename__ = "communication"
    __table_args__ = (
        UniqueConstraint("integration_id", "type", "vendor_id"),
        Index(None, "account_id", "started_at", "id"),
        Index(None, "account_id", "type", "started_at", "id"),
        Index(None, "account_id", "rule", "started_at", "id"),
        # Named by hand: PostgreSQL takes no longer name than 63 letters.
        Index("ix_communication_of_integration", "account_id", "integration_id", "started_at", "id", "channel"),
        Index(None, "integration_id", "client"),
        partial_index("contact_phone IS NOT NULL", "account_id", "contact_phone"),
        partial_index("contact_email IS NOT NULL", "account_id", "contact_email"),
        partial_index("visit_id IS NOT NULL", "visit_id"),
        partial_index("finished_at IS NULL", "updated_at"),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(32))
    vendor_id: Mapped[str] = mapped_column(String(100))
    started_at: Mapped[datetime] = mapped_column(Moment, active_history=True)
    finished_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    channel: Mapped[str | None] = mapped_column(String(50))
    # With the active history of these four a change also knows what was there before (webapp.models.repeats).
    client: Mapped[str | None] = mapped_column(String(100), active_history=True)

    contact_name: Mapped[str | None] = mapped_column(String(255))
    contact_phone: Mapped[str | None] = mapped_column(String(32), active_history=True)
    contact_phone_raw: Mapped[str | None] = mapped_column(String(100))
    contact_email: Mapped[str | None] = mapped_column(String(254), active_history=True)

    # No index on these four: nothing is looked up by them yet, directory entries are archived and never deleted, and
    # each index is paid for by every webhook.
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id"))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaign.id"))
    source_id: Mapped[int | None] = mapped_column(ForeignKey("source.id"))
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("visit.id", ondelete="SET NULL"))
    session_named: Mapped[str | None] = mapped_column(String(64))
    rule: Mapped[str] = mapped_column(String(16))
    trail: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)

    utm: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    clues: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    stages: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    messages: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    message_count: Mapped[int] = mapped_column(default=0)
    text: Mapped[str] = mapped_column(Text, default="")
    details: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    search_text: Mapped[str] = mapped_column(Text, default="")
    is_test: Mapped[bool] = mapped_column(default=False)
    # Whether its contact had written before: set by webapp.report.digest, soon after.
    is_repeat: Mapped[bool] = mapped_column(default=False, server_default=false())

    integration: Mapped[Integration] = relationship()
    employee: Mapped[Employee | None] = relationship()
    site: Mapped[Site | None] = relationship()
    campaign: Mapped[Campaign | None] = relationship()
    source: Mapped[Source | None] = relationship()
    visit: Mapped[Visit | None] = relationship()

    @classmethod
    def of(cls, integration: Integration) -> ColumnElement[bool]:
        """The condition on an integration's communications, in the words of the index that has them by time."""
        return and_(cls.account_id == integration.account_id, cls.integration_id == integration.id)

    @property
    def known_utm(self) -> dict[str, str]:
        """The marks of its visit, else those that came with the vendor's payload (``utm``)."""
        return known_utm(self.utm, self.visit.marks if self.visit else None)
