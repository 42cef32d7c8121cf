"""The hand-over of communications to an outside cabinet: how each stands, every attempt, and how the account stands."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .account import Account
from .base import Base, Moment, Numbered, partial_index
from .communication import Communication


class DeliveryState(StrEnum):
    """How a hand-over stands.

    pending: will be done by itself. delivered: the cabinet has it. held: it cannot be sent until somebody or something
    removes the reason. failed: the cabinet refused it, or all attempts came to nothing; a person may try again.
    """

    PENDING = "pending"
    DELIVERED = "delivered"
    HELD = "held"
    FAILED = "failed"


class DeliveryPhase(StrEnum):
    """What the next attempt does.

    session: make a session of the marks. look: ask the cabinet whether it has the communication already. send: upload
    it. delete: take back what was uploaded. tag: set the tag on what is delivered. done: nothing more.
    """

    SESSION = "session"
    LOOK = "look"
    SEND = "send"
    DELETE = "delete"
    TAG = "tag"
    DONE = "done"


class Delivery(Numbered, Base):
    """The hand-over of one communication.

    ``ext_id`` is our name for it in the cabinet, ``generation`` is part of it and grows when it is taken back and sent
    again. ``external_id`` is the cabinet's name. ``tries`` counts attempts that failed since it was last well, and
    ``looks`` how often a report has yet to lack a communication whose fate is unknown before it may be sent again, once
    the report must have had it; ``sent_at`` is when it was sent at the latest. ``busy_until``:
    somebody is at it; whoever comes later than that finds an unknown outcome. ``next_at``: a job is due then; None in a
    pending one that waits for something else. ``refused`` are the sessions and marks that the cabinet did not take,
    each with its reason. ``marks_session`` is the number of a session made of marks. ``target`` are the ids it was sent
    with. ``known_from`` is the revision of the settings it was held under. ``sent`` is a digest of what was uploaded,
    ``confirmed`` what the cabinet made of it, ``differs`` the fields in which that is not our decision.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index(None, "account_id", "created_at", "id"),
        Index(None, "account_id", "state", "created_at", "id"),
        partial_index("reason IS NOT NULL", "account_id", "reason", "created_at", "id"),
        # Named by us: one with the same columns is that of all rows.
        Index(
            "ix_delivery_is_different",
            "account_id",
            "created_at",
            "id",
            sqlite_where=text("is_different"),
            postgresql_where=text("is_different"),
        ),
        Index(
            "ix_delivery_pending",
            "account_id",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_delivery_tag",
            "account_id",
            "id",
            sqlite_where=text("phase = 'tag'"),
            postgresql_where=text("phase = 'tag'"),
        ),
        partial_index("confirm_at IS NOT NULL", "account_id", "confirm_at"),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    communication_id: Mapped[int] = mapped_column(ForeignKey("communication.id", ondelete="CASCADE"), unique=True)
    type: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16), default=DeliveryState.PENDING)
    phase: Mapped[str] = mapped_column(String(16), default=DeliveryPhase.SEND)
    reason: Mapped[str | None] = mapped_column(String(50))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    ext_id: Mapped[str] = mapped_column(String(100), unique=True)
    generation: Mapped[int] = mapped_column(default=1)
    external_id: Mapped[str | None] = mapped_column(String(32))
    attempts: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    looks: Mapped[int] = mapped_column(default=0)
    turn: Mapped[int] = mapped_column(default=0)
    busy_until: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    refused: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    marks_session: Mapped[str | None] = mapped_column(String(32))
    target: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    shortened: Mapped[bool] = mapped_column(default=False)
    known_from: Mapped[str | None] = mapped_column(String(50))
    sent: Mapped[str | None] = mapped_column(String(64))
    sent_at: Mapped[datetime | None]
    changed_after: Mapped[bool] = mapped_column(default=False)
    tag_problem: Mapped[str | None] = mapped_column(String(50))
    confirm_at: Mapped[datetime | None]
    confirm_tries: Mapped[int] = mapped_column(default=0)
    confirmed: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    confirmed_at: Mapped[datetime | None]
    differs: Mapped[list[str]] = mapped_column(JSON, default=list)
    is_different: Mapped[bool] = mapped_column(default=False)
    updated_at: Mapped[datetime]

    communication: Mapped[Communication] = relationship()
    account: Mapped[Account] = relationship()


class DeliveryAttempt(Numbered, Base):
    """One call to the cabinet for one communication. ``request`` and ``answer`` are masked before they are stored.

    ``outcome`` is None while it is under way, and for ever if its worker was killed.
    """

    __tablename__ = "delivery_attempt"
    __table_args__ = (Index(None, "delivery_id", "id"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"))
    method: Mapped[str] = mapped_column(String(50))
    outcome: Mapped[str | None] = mapped_column(String(16))
    mnemonic: Mapped[str | None] = mapped_column(String(50))
    request: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    finished_at: Mapped[datetime | None]


class CabinetLink(Base):
    """How an account stands with its outside cabinet.

    ``limits`` are the points as the cabinet last told them, ``limits_at`` when; ``blocked_until`` is when the next may
    be spent. ``check`` is what the last check of the connection found, ``sync`` how the directory's reading stands.
    ``key_at`` is when the key was entered.
    """

    __tablename__ = "cabinet_link"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    limits: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    limits_at: Mapped[datetime | None]
    blocked_until: Mapped[datetime | None]
    check: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    checked_at: Mapped[datetime | None]
    sync: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    synced_at: Mapped[datetime | None]
    sync_until: Mapped[datetime | None]
    key_at: Mapped[datetime | None]


class CabinetPause(Numbered, Base):
    """The cabinet takes nothing for now: of the whole account, or of one type of communication (``scope``)."""

    __tablename__ = "cabinet_pause"
    __table_args__ = (UniqueConstraint("account_id", "scope"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(String(50))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    since: Mapped[datetime] = mapped_column(Moment)
    next_probe_at: Mapped[datetime] = mapped_column(Moment)
    probes: Mapped[int] = mapped_column(default=0)


#: What a list of communications shows of it.
Communication.delivery = relationship(Delivery, viewonly=True, uselist=False)
