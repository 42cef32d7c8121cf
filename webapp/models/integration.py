"""Integrations: one configured connection of one vendor each, and what they map."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from .account import Account
from .authorization import Authorization, integration_authorization
from .base import Base, Encrypted, Numbered, utc_now
from .directory import Campaign, Employee, Site, Source

#: After a rotation the old webhook address is still heard for this long.
ROTATION_GRACE = timedelta(hours=24)


def hash_secret(secret: str) -> str:
    """What a webhook address is found by. The secret has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class TargetKind(StrEnum):
    """The switch «Рекламная кампания/Источник»."""

    CAMPAIGN = "campaign"
    SOURCE = "source"


class Target:
    """Where chats without a session go: a campaign, or a source and a site."""

    @declared_attr
    def kind(cls) -> Mapped[str]:
        return mapped_column(String(16), default=TargetKind.CAMPAIGN)

    @declared_attr
    def campaign_id(cls) -> Mapped[int | None]:
        return mapped_column(ForeignKey("campaign.id"), index=True)

    @declared_attr
    def source_id(cls) -> Mapped[int | None]:
        return mapped_column(ForeignKey("source.id"), index=True)

    @declared_attr
    def site_id(cls) -> Mapped[int | None]:
        return mapped_column(ForeignKey("site.id"), index=True)

    @declared_attr
    def campaign(cls) -> Mapped[Campaign | None]:
        return relationship(Campaign)

    @declared_attr
    def source(cls) -> Mapped[Source | None]:
        return relationship(Source)

    @declared_attr
    def site(cls) -> Mapped[Site | None]:
        return relationship(Site)

    def point_to(self, kind: str, campaign_id: int | None, source_id: int | None, site_id: int | None) -> None:
        """Set all four at once: the side the switch is not on is emptied."""
        self.kind = kind
        self.campaign_id = campaign_id if kind == TargetKind.CAMPAIGN else None
        self.source_id = source_id if kind == TargetKind.SOURCE else None
        self.site_id = site_id if kind == TargetKind.SOURCE else None

    @property
    def is_set(self) -> bool:
        """True when there is something to give a chat to."""
        return self.campaign_id is not None or self.source_id is not None


class Integration(Numbered, Target, Base):
    """One connection. ``kind``, ``campaign``, ``source`` and ``site`` are its default (DESIGN: fallback).

    ``fill_without_campaign``: chats whose visit matched no campaign go on to the later rules. ``options`` are the
    vendor's own settings. ``hook_state`` is how the webhook that we subscribed stood when last looked at, None when we
    subscribed none. ``handover`` concerns an outside cabinet: ``tag`` is the key of the tag set on what is handed over,
    and with ``upload_sessions`` marks without a session become one. ``saved_at`` is the first «Сохранить». ``revision``
    counts changes, the mapping's too.
    """

    __tablename__ = "integration"
    __table_args__ = (UniqueConstraint("account_id", "key"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    vendor: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(200))
    public_id: Mapped[str] = mapped_column(String(32), unique=True, default=lambda: secrets.token_urlsafe(9))
    active: Mapped[bool] = mapped_column(default=False)
    webhook_secret: Mapped[str] = mapped_column(Encrypted, deferred=True)
    webhook_secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    previous_secret_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    previous_secret_until: Mapped[datetime | None]
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id"), index=True)
    fill_without_campaign: Mapped[bool] = mapped_column(default=False)
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    hook_state: Mapped[str | None] = mapped_column(String(16))
    hook_checked_at: Mapped[datetime | None]
    handover: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    saved_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(default=0)
    archived_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship()
    employee: Mapped[Employee | None] = relationship()
    authorization: Mapped[Authorization | None] = relationship(secondary=integration_authorization, uselist=False)
    mappings: Mapped[list[ChannelMapping]] = relationship(
        cascade="all, delete-orphan", order_by="ChannelMapping.id", back_populates="integration"
    )
    widgets: Mapped[list[Widget]] = relationship(
        cascade="all, delete-orphan", order_by="Widget.id", back_populates="integration"
    )

    @property
    def runs(self) -> bool:
        """True while what it sends is processed."""
        return self.active and self.archived_at is None

    def set_secret(self, secret: str | None = None) -> None:
        """Give it a webhook secret: this one, else 256 new random bits."""
        self.webhook_secret = secret or secrets.token_urlsafe(32)
        self.webhook_secret_hash = hash_secret(self.webhook_secret)

    def rotate_secret(self) -> None:
        """A new webhook address; the old one is heard until ``previous_secret_until``."""
        self.previous_secret_hash = self.webhook_secret_hash
        self.previous_secret_until = utc_now() + ROTATION_GRACE
        self.set_secret()

    def hook_path(self, channel: str | None = None) -> str:
        """The path of the webhook address, with the channel as its last segment if one is given."""
        path = f"/hooks/{self.vendor}/{self.webhook_secret}"
        return f"{path}/{channel}" if channel else path

    @property
    def widget_channels(self) -> dict[str, str]:
        """The channel of each labelled widget id."""
        return {widget.widget: widget.channel for widget in self.widgets if widget.channel}


class ChannelMapping(Numbered, Target, Base):
    """«Соответствие мессенджеров и источников»: where the chats of one channel go when they have no session."""

    __tablename__ = "channel_mapping"
    __table_args__ = (UniqueConstraint("integration_id", "channel"),)

    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(50))

    integration: Mapped[Integration] = relationship(back_populates="mappings")


class Widget(Numbered, Base):
    """A vendor's channel id that was seen in traffic or named in the configuration, and the channel it stands for."""

    __tablename__ = "widget"
    __table_args__ = (UniqueConstraint("integration_id", "widget"),)

    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    widget: Mapped[str] = mapped_column(String(100))
    channel: Mapped[str | None] = mapped_column(String(50))
    seen: Mapped[int] = mapped_column(default=0)
    last_seen_at: Mapped[datetime | None]

    integration: Mapped[Integration] = relationship(back_populates="widgets")
