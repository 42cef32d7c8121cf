"""What the page «Обращения и цели» keeps beside the communications: counters, saved views, files to download."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Date, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .account import User
from .base import Base, BigId, Numbered


class CommunicationChange(Base):
    """A communication that was written or deleted since the search index and the counters were last brought up to date.

    Rows are written by triggers of the database (webapp.models.search_index), so that no code can forget it, and are
    taken away by webapp.report.digest. They refer to nothing: what they tell of may be gone.
    """

    __tablename__ = "communication_change"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    communication_id: Mapped[int] = mapped_column(BigId)
    account_id: Mapped[int] = mapped_column(BigId)
    started_at: Mapped[datetime]


class Grain(StrEnum):
    """What a counter is for: a day or a month, and either of them without the kinds that few questions are about.

    Those (site, employee, integration, whether repeated) make most of the rows, and the usual charts need none of them.
    """

    DAY = "d"
    MONTH = "m"
    SHORT_DAY = "D"
    SHORT_MONTH = "M"


class CommunicationCount(Base):
    """How many communications of one kind there were in a day or a month of the account's zone.

    ``day`` is the first day. Unknown values are 0 and the empty text, for a primary key takes no NULL; so are those of
    the kinds that a short grain leaves out.
    """

    __tablename__ = "communication_count"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    grain: Mapped[str] = mapped_column(String(1), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    rule: Mapped[str] = mapped_column(String(16), primary_key=True)
    type: Mapped[str] = mapped_column(String(32), primary_key=True)
    channel: Mapped[str] = mapped_column(String(50), primary_key=True)
    integration_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    source_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    employee_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    has_visit: Mapped[bool] = mapped_column(primary_key=True)
    is_repeat: Mapped[bool] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigId)


class DayToCount(Base):
    """A day of an account, in its zone, whose counters are behind."""

    __tablename__ = "day_to_count"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)


class CountedZone(Base):
    """The time zone in which an account's communications were counted; in another one the days are others."""

    __tablename__ = "counted_zone"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    timezone: Mapped[str] = mapped_column(String(64))


class SavedView(Numbered, Base):
    """A view of the list that a user gave a name. ``query`` are the parameters of its address."""

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("account_id", "user_id", "name"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    query: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class ExportState(StrEnum):
    """How the making of a file stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Export(Numbered, Base):
    """A file of a view that is too large to be made while somebody waits. ``done`` and ``total`` count its rows.

    ``language`` is that of its headings. Its bytes are in parts, which a worker on another machine can write too.
    """

    __tablename__ = "export"
    __table_args__ = (Index(None, "account_id", "user_id", "id"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    format: Mapped[str] = mapped_column(String(8))
    query: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    language: Mapped[str] = mapped_column(String(2))
    state: Mapped[str] = mapped_column(String(16), default=ExportState.WAITING)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int | None]
    size: Mapped[int] = mapped_column(BigId, default=0)
    finished_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()


class ExportPart(Base):
    """A piece of an export's file, in the order of ``number``."""

    __tablename__ = "export_part"

    export_id: Mapped[int] = mapped_column(ForeignKey("export.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
