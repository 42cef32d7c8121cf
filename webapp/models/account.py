"""Accounts (tenants), the people in them, and the links that let a person in."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash, generate_password_hash

from .base import Base, Encrypted, Numbered, utc_now

#: A new person has this long to use the link.
INVITATION_LIFE = timedelta(days=7)


class Role(StrEnum):
    """What a person may do in an account: everything; the daily work and its settings; look."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"

    def covers(self, needed: Role) -> bool:
        """True when this role may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) <= order.index(needed)


class CabinetKind(StrEnum):
    """Where the account's communications go."""

    EMBEDDED = "embedded"
    DATAAPI = "dataapi"


class Account(Numbered, Base):
    """A tenant. Everything else belongs to exactly one.

    ``region`` is the default for phone numbers (ISO 3166). ``contact_window_days`` switches the rule "contact" on.
    ``revision`` grows with every change of the account and its directory, so that rules read once can be kept.
    The retention settings are days; None keeps for ever. The visit counter's manners: ``visits_need_consent`` waits for
    the site to say so, ``respects_do_not_track`` leaves out who asks for it, ``keeps_full_ip`` stores addresses whole.
    """

    __tablename__ = "account"

    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    timezone: Mapped[str] = mapped_column(String(64), default="Europe/Moscow")
    region: Mapped[str] = mapped_column(String(2), default="RU")
    cabinet_kind: Mapped[str] = mapped_column(String(16), default=CabinetKind.EMBEDDED)
    cabinet_url: Mapped[str | None] = mapped_column(String(500))
    cabinet_access_token: Mapped[str | None] = mapped_column(Encrypted)
    contact_window_days: Mapped[int | None]
    event_retention_days: Mapped[int | None] = mapped_column(default=365)
    communication_retention_days: Mapped[int | None]
    visit_retention_days: Mapped[int | None] = mapped_column(default=365)
    visits_need_consent: Mapped[bool] = mapped_column(default=False)
    respects_do_not_track: Mapped[bool] = mapped_column(default=True)
    keeps_full_ip: Mapped[bool] = mapped_column(default=False)
    revision: Mapped[int] = mapped_column(default=0)

    memberships: Mapped[list[Membership]] = relationship(back_populates="account", cascade="all, delete-orphan")


class User(Numbered, Base):
    """A person who signs in. ``session_version`` grows with the password, which ends all older sessions."""

    __tablename__ = "user"

    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    password_hash: Mapped[str] = mapped_column(String(255))
    language: Mapped[str] = mapped_column(String(2), default="ru")
    session_version: Mapped[int] = mapped_column(default=0)

    memberships: Mapped[list[Membership]] = relationship(back_populates="user", cascade="all, delete-orphan")

    # What Flask-Login asks of a user.
    is_active = True
    is_authenticated = True
    is_anonymous = False

    def get_id(self) -> str:
        """The name of this user's session: it changes with the password."""
        return f"{self.id}.{self.session_version}"

    def set_password(self, password: str) -> None:
        """Keep the password's hash and end every other session."""
        self.password_hash = generate_password_hash(password)
        self.session_version = (self.session_version or 0) + 1

    def check_password(self, password: str) -> bool:
        """True when this is the password."""
        return check_password_hash(self.password_hash, password)


class Membership(Numbered, Base):
    """A user's role in an account."""

    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("account_id", "user_id"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(String(16))

    account: Mapped[Account] = relationship(back_populates="memberships")
    user: Mapped[User] = relationship(back_populates="memberships")


class Invitation(Numbered, Base):
    """A one-time link. Without an account it is the welcome of a fresh installation.

    Only the hash of its token is kept: the link is shown once and cannot be read back.
    """

    __tablename__ = "invitation"

    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    email: Mapped[str | None] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(16), default=Role.OWNER)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    account: Mapped[Account | None] = relationship()

    @classmethod
    def make(cls, account: Account | None, email: str | None, role: Role) -> tuple[Invitation, str]:
        """A new invitation and the token of its link."""
        token = secrets.token_urlsafe(32)
        invitation = cls(
            token_hash=cls.hash_of(token),
            account=account,
            email=email,
            role=role,
            expires_at=utc_now() + INVITATION_LIFE,
        )
        return invitation, token

    @staticmethod
    def hash_of(token: str) -> str:
        """What is stored of a token. It has 256 random bits, so a plain hash is enough."""
        return hashlib.sha256(token.encode("utf-8")).hexdigest()

    @property
    def usable(self) -> bool:
        """True until it is used or too old."""
        return self.used_at is None and self.expires_at > utc_now()
