"""What all tables share: names of constraints, types, moments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import BigInteger, DateTime, Index, Integer, LargeBinary, MetaData, TypeDecorator, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: Every constraint has a name, so that a migration can speak of it on both databases.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

#: 64 bits everywhere; SQLite numbers rows by itself only for its own word "integer".
BigId = BigInteger().with_variant(Integer, "sqlite")


def utc_now() -> datetime:
    """This moment, UTC, aware."""
    return datetime.now(UTC)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC. Goes in and comes out aware; a naive one is a mistake and refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Keys:
    """The process's encryption keys; set once by create_app."""

    fernet: MultiFernet | None = None


def use_encryption_keys(keys: tuple[str, ...]) -> None:
    """Set the Fernet keys of this process: the first encrypts, all decrypt."""
    _Keys.fernet = MultiFernet([Fernet(key) for key in keys])


class Encrypted(TypeDecorator[str]):
    """Text that is stored encrypted (Fernet). Raises cryptography.fernet.InvalidToken when no key fits."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> bytes | None:
        return None if value is None else _fernet().encrypt(value.encode("utf-8"))

    def process_result_value(self, value: bytes | None, dialect: Any) -> str | None:
        return None if value is None else _fernet().decrypt(value).decode("utf-8")


def _fernet() -> MultiFernet:
    if _Keys.fernet is None:
        raise RuntimeError("encryption keys are not set")
    return _Keys.fernet


def partial_index(condition: str, *columns: str) -> Index:
    """An index of the rows that fulfil the condition only. Both databases have them; each condition is a constant."""
    where = text(condition)
    return Index(None, *columns, sqlite_where=where, postgresql_where=where)


class Base(DeclarativeBase):
    """The parent of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: Moment}


class Numbered:
    """A row with a number of its own and the moment it was made."""

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
