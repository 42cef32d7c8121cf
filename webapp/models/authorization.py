"""Authorizations: connections to a vendor's account, and what is still to be asked there."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Index, String, Table, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .account import Account
from .base import Base, BigId, Encrypted, Numbered, partial_index

#: Which authorization an integration uses; at most one.
integration_authorization = Table(
    "integration_authorization",
    Base.metadata,
    Column("integration_id", BigId, ForeignKey("integration.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "authorization_id", BigId, ForeignKey("vendor_authorization.id", ondelete="CASCADE"), index=True, nullable=False
    ),
)


class AuthorizationState(StrEnum):
    """How a connection stands. broken: the vendor refuses it until somebody connects anew."""

    NEW = "new"
    CONNECTED = "connected"
    BROKEN = "broken"
    DISCONNECTED = "disconnected"


class Authorization(Numbered, Base):
    """One named connection to an account on the vendor's side; several integrations may use it.

    ``domain`` is a host, or scheme, host and port of a stand-in. ``long_lived``: the access token was made by hand and
    cannot be refreshed. ``consent_hash`` is that of the state which one consent may bring back. ``problem`` is a code
    (Connection.explain). ``lead_fields`` is the list as last read. ``applied_hash`` is that of the tokens which a
    configuration file gave last: they are spent soon after, and applying the file again must not bring them back.

    ``unsure_since``: the vendor refuses new tokens since then without saying that the old ones are dead.

    ``lease_owner`` may refresh the tokens until ``lease_until``, nobody else; no transaction is open meanwhile.
    """

    __tablename__ = "vendor_authorization"
    __table_args__ = (UniqueConstraint("account_id", "key"), Index(None, "client_id"))

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    vendor: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(200))
    domain: Mapped[str] = mapped_column(String(300), default="")
    url: Mapped[str] = mapped_column(String(500), default="")
    token_url: Mapped[str] = mapped_column(String(500), default="")
    client_id: Mapped[str] = mapped_column(String(200), default="")
    client_secret: Mapped[str | None] = mapped_column(Encrypted)
    access_token: Mapped[str | None] = mapped_column(Encrypted)
    refresh_token: Mapped[str | None] = mapped_column(Encrypted)
    long_lived: Mapped[bool] = mapped_column(default=False)
    redirect_uri: Mapped[str] = mapped_column(String(500), default="")
    expires_at: Mapped[datetime | None]
    refreshed_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(16), default=AuthorizationState.NEW)
    problem: Mapped[str | None] = mapped_column(String(50))
    problem_detail: Mapped[str | None] = mapped_column(String(500))
    vendor_account_id: Mapped[str | None] = mapped_column(String(50))
    vendor_account_name: Mapped[str | None] = mapped_column(String(255))
    connected_by: Mapped[str | None] = mapped_column(String(254))
    connected_at: Mapped[datetime | None]
    lead_fields: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)
    fields_read_at: Mapped[datetime | None]
    consent_hash: Mapped[str | None] = mapped_column(String(64))
    applied_hash: Mapped[str | None] = mapped_column(String(64))
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    unsure_since: Mapped[datetime | None]

    account: Mapped[Account] = relationship()

    @property
    def connected(self) -> bool:
        """True while the vendor may be spoken to."""
        return self.state == AuthorizationState.CONNECTED

    @property
    def may_be_tried(self) -> bool:
        """True when it is broken and its tokens were kept: they are good once the settings are."""
        return self.state == AuthorizationState.BROKEN and bool(self.refresh_token)

    def try_again(self) -> None:
        """Take it for connected: the vendor will say."""
        self.state, self.unsure_since = AuthorizationState.CONNECTED, None

    def say_problem(self, code: str | None, detail: str = "") -> None:
        """Keep what is wrong, or that nothing is."""
        self.problem, self.problem_detail = code, detail[:500] or None

    def forget_tokens(self, state: AuthorizationState) -> None:
        """Give the tokens up; settings stay, so that connecting anew is one click."""
        self.access_token = self.refresh_token = self.expires_at = self.unsure_since = None
        self.state = state


class Lookup(Base):
    """What is still to be asked of the vendor's server about one communication.

    ``looks`` counts answers, ``failures`` the tries without one since the last answer; ``missing`` are the parts that
    the last answer did not have, ``complete`` says that there are none. ``done_at`` is None while somebody is to look.
    A job is due at ``next_at``; None where nobody can be asked.
    An outside cabinet is told nothing of the communication before ``awaited_until``; None when nothing is waited for.
    """

    __tablename__ = "lookup"
    __table_args__ = (
        partial_index("done_at IS NULL", "integration_id", "next_at"),
        partial_index("problem = 'no_rights'", "integration_id", "communication_id"),
    )

    communication_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("communication.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"), index=True)
    looks: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    missing: Mapped[list[str] | None] = mapped_column(JSON)
    complete: Mapped[bool] = mapped_column(default=False)
    problem: Mapped[str | None] = mapped_column(String(50))
    looked_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    awaited_until: Mapped[datetime | None]


class WaitingEvent(Base):
    """An event that speaks of a conversation which is no communication yet; it is read again when it becomes one."""

    __tablename__ = "waiting_event"
    __table_args__ = (Index(None, "integration_id", "vendor_id"),)

    event_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("webhook_event.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    vendor_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))


class Reconciliation(Numbered, Base):
    """A look at the vendor's side for conversations that ended unheard. ``ordered_by`` is None for the one row that
    comes back by itself: its ``since`` is where the next look begins.

    ``cursor``: only a part was read, and the next look goes on there; the list is read up to ``through`` then.
    """

    __tablename__ = "reconciliation"
    __table_args__ = (Index(None, "integration_id", "id"),)

    integration_id: Mapped[int] = mapped_column(ForeignKey("integration.id", ondelete="CASCADE"))
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    ordered_by: Mapped[str | None] = mapped_column(String(254))
    seen: Mapped[int] = mapped_column(default=0)
    found: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str | None] = mapped_column(String(50))
    cursor: Mapped[str | None] = mapped_column(Text)
    through: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
