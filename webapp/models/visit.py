"""Visits of a site, and the people a vendor knows by number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, Numbered, partial_index
from .directory import Campaign, Site, Source

#: What the list's search looks through.
LONGEST_VISIT_SEARCH_TEXT = 1000


class Visit(Numbered, Base):
    """One visit of one visitor to a site, with its marks and the campaign and source they mean.

    ``session_id`` is what the site script hands to the vendor's widget; it is unique within the account. ``marks`` has
    the utm keys without prefix, and click ids by their own names. ``ip`` is cut to its network unless the account wants
    it whole. ``search_text`` is folded.
    """

    __tablename__ = "visit"
    __table_args__ = (
        UniqueConstraint("account_id", "session_id"),
        Index(None, "account_id", "started_at", "id"),
        Index(None, "account_id", "visitor_id"),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"), index=True)
    session_id: Mapped[str] = mapped_column(String(64), index=True)
    visitor_id: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    landing_url: Mapped[str | None] = mapped_column(String(2000))
    referrer: Mapped[str | None] = mapped_column(String(2000))
    last_url: Mapped[str | None] = mapped_column(String(2000))
    page_count: Mapped[int] = mapped_column(default=1)
    user_agent: Mapped[str | None] = mapped_column(String(400))
    ip: Mapped[str | None] = mapped_column(String(45))
    marks: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    search_text: Mapped[str] = mapped_column(String(LONGEST_VISIT_SEARCH_TEXT), default="")
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaign.id"), index=True)
    source_id: Mapped[int | None] = mapped_column(ForeignKey("source.id"), index=True)

    site: Mapped[Site | None] = relationship()
    campaign: Mapped[Campaign | None] = relationship()
    source: Mapped[Source | None] = relationship()

    @property
    def pages(self) -> int:
        """How many pages were opened, at least one: of a page whose own hit was lost another message told."""
        return max(1, self.page_count)


class VisitTie(Numbered, Base):
    """The site script saw a vendor's number for a person during a visit (the beacon).

    A person has many visits; a conversation belongs to the latest that began before it. ``visit_id`` is None where the
    visit is known elsewhere only.
    """

    __tablename__ = "visit_tie"
    __table_args__ = (UniqueConstraint("integration_id", "client", "session_id"), Index(None, "session_id"))

    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    client: Mapped[str] = mapped_column(String(100))
    session_id: Mapped[str] = mapped_column(String(64))
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("visit.id", ondelete="CASCADE"), index=True)
    tied_at: Mapped[datetime]


class ScriptSighting(Numbered, Base):
    """What an integration's script last said of itself from one host: what it found on the page, and its troubles.

    ``counter``, ``widget`` and ``token`` are words of webapp.sightings; ``faults`` are codes with the moment (ISO, UTC)
    each was last told. Nothing of it says anything about a visitor.
    """

    __tablename__ = "script_sighting"
    __table_args__ = (UniqueConstraint("integration_id", "host"),)

    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    host: Mapped[str] = mapped_column(String(253))
    last_seen_at: Mapped[datetime]
    last_good_at: Mapped[datetime | None]
    reports: Mapped[int] = mapped_column(default=0)
    counter: Mapped[str] = mapped_column(String(20))
    widget: Mapped[str] = mapped_column(String(20))
    token: Mapped[str] = mapped_column(String(20))
    faults: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)


class VendorClient(Numbered, Base):
    """A person as one integration's vendor knows them, by the vendor's number (Jivo: visitor.number).

    Holds what was said of them outside any conversation, and when the site script last tied a visit to them (VisitTie).
    """

    __tablename__ = "vendor_client"
    __table_args__ = (
        UniqueConstraint("integration_id", "client"),
        partial_index("phone IS NOT NULL", "account_id", "phone"),
        partial_index("email IS NOT NULL", "account_id", "email"),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    client: Mapped[str] = mapped_column(String(100))
    name: Mapped[str | None] = mapped_column(String(255))
    phone: Mapped[str | None] = mapped_column(String(32))
    phone_raw: Mapped[str | None] = mapped_column(String(100))
    email: Mapped[str | None] = mapped_column(String(254))
    token: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    visit_tied_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
