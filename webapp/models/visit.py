"""Visits of a site, and the people a vendor knows by number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, Numbered


class Visit(Numbered, Base):
    """One visit of one visitor to a site, with its marks and the campaign and source they mean.

    ``session_id`` is what the site script hands to the vendor's widget; it is unique within the account. ``marks`` has
    the utm keys without prefix.
    """

    __tablename__ = "visit"
    __table_args__ = (UniqueConstraint("account_id", "session_id"), Index(None, "account_id", "started_at"))

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"), index=True)
    session_id: Mapped[str] = mapped_column(String(64), index=True)
    visitor_id: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    landing_url: Mapped[str | None] = mapped_column(String(2000))
    referrer: Mapped[str | None] = mapped_column(String(2000))
    marks: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaign.id"), index=True)
    source_id: Mapped[int | None] = mapped_column(ForeignKey("source.id"), index=True)


class VendorClient(Numbered, Base):
    """A person as one integration's vendor knows them, by the vendor's number (Jivo: visitor.number).

    Holds what was said of them outside any conversation, and the visit that the site script tied to them (the beacon).
    """

    __tablename__ = "vendor_client"
    __table_args__ = (UniqueConstraint("integration_id", "client"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    client: Mapped[str] = mapped_column(String(100))
    name: Mapped[str | None] = mapped_column(String(255))
    phone: Mapped[str | None] = mapped_column(String(32))
    phone_raw: Mapped[str | None] = mapped_column(String(100))
    email: Mapped[str | None] = mapped_column(String(254))
    token: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("visit.id", ondelete="SET NULL"), index=True)
    visit_tied_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
