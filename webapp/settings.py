"""Every environment variable Leadtrail reads, typed, with its default.

A secret may also come from a file: NAME_FILE names it. What is not given and must not be public is made once and
kept in DATA_DIR, so that a fresh machine starts with no configuration at all.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, MultiFernet
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


class SettingsError(RuntimeError):
    """The environment holds something Leadtrail cannot start with. The message names the variable."""


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaSeparated = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Settings(BaseModel):
    """The settings of one process. Field names in capitals are the environment's names."""

    model_config = ConfigDict(frozen=True)

    DATA_DIR: Path = Path("data")
    PORT: int = Field(8000, ge=0, le=65535)
    DATABASE_URL: str = ""
    SECRET_KEY: str = ""
    #: Fernet keys, the first encrypts, all decrypt.
    ENCRYPTION_KEYS: CommaSeparated = ()
    #: How the outside reaches this server, without a slash at the end. Empty: the address of the request.
    PUBLIC_URL: str = ""
    #: host:port of stand-ins that may be called besides the vendors' own hosts.
    EXTRA_VENDOR_HOSTS: CommaSeparated = ()
    AMOCRM_OAUTH_URL: str = "https://www.amocrm.ru/oauth"
    #: How many proxies in front of us set X-Forwarded-*. 0: believe none.
    PROXY_COUNT: int = Field(0, ge=0, le=5)
    #: Sign-in attempts from one address.
    SIGN_IN_LIMIT: str = "10 per minute"
    #: Messages of visit counters and site scripts from one address; an office has many people behind one.
    COUNTER_LIMIT: str = "600 per minute"
    #: smtp://user:password@host:port, or smtps://…; empty: no mail is sent.
    SMTP_URL: str = ""
    #: Whom mail comes from.
    MAIL_FROM: str = ""
    LOG_FORMAT: str = Field("text", pattern="^(text|json)$")
    LOG_LEVEL: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    WEB_WORKERS: int = Field(2, ge=1, le=32)
    WEB_THREADS: int = Field(8, ge=1, le=64)

    @property
    def is_sqlite(self) -> bool:
        """True for the embedded database."""
        return self.DATABASE_URL.startswith("sqlite")


SECRET_NAMES = ("SECRET_KEY", "ENCRYPTION_KEYS", "DATABASE_URL")

#: What may also stand in a file, beside those that are made when they are missing.
FILE_NAMES = (*SECRET_NAMES, "SMTP_URL")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment. Raises SettingsError with the variable's name when a value is unusable."""
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {name: environ[name] for name in Settings.model_fields if environ.get(name)}
    for name in FILE_NAMES:
        path = environ.get(f"{name}_FILE")
        if path:
            try:
                values[name] = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsError(f"{name}_FILE: cannot read {path}: {error.strerror}") from error
            except UnicodeDecodeError as error:
                raise SettingsError(f"{name}_FILE: {path} is not text") from error
            if not values[name]:
                raise SettingsError(f"{name}_FILE: {path} is empty")
    data_dir = Path(values.get("DATA_DIR") or "data").resolve()
    values["DATA_DIR"] = data_dir
    if not all(values.get(name) for name in SECRET_NAMES):
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"DATA_DIR: cannot make {data_dir}: {error.strerror}") from error
    if not values.get("SECRET_KEY"):
        values["SECRET_KEY"] = _kept(data_dir, "secret_key", lambda: secrets.token_urlsafe(48))
    if not values.get("ENCRYPTION_KEYS"):
        values["ENCRYPTION_KEYS"] = _kept(data_dir, "encryption_keys", lambda: Fernet.generate_key().decode())
    values["DATABASE_URL"] = _database_url(values.get("DATABASE_URL") or f"sqlite:///{data_dir / 'leadtrail.db'}")
    values["PUBLIC_URL"] = str(values.get("PUBLIC_URL") or "").rstrip("/")
    try:
        settings = Settings(**values)
        MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"{first['loc'][0]}: {first['msg']}") from error
    except ValueError as error:
        raise SettingsError("ENCRYPTION_KEYS: each key must be a Fernet key (32 bytes, url-safe base64)") from error
    _check_database(settings.DATABASE_URL)
    _check_mail(settings)
    if settings.is_sqlite:
        _check_sqlite()
    return settings


def _kept(data_dir: Path, name: str, make: Any) -> str:
    """A value made once. Two processes starting together agree on one: the first to create the file wins."""
    path = data_dir / name
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()


def _database_url(url: str) -> str:
    """The same URL with the driver we ship, whatever spelling the platform gave."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def _check_database(text: str) -> None:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise SettingsError("DATABASE_URL: not a database URL") from error
    shared = url.get_backend_name() == "postgresql" or url.database not in (None, "", ":memory:")
    if url.get_backend_name() not in ("sqlite", "postgresql") or not shared:
        raise SettingsError("DATABASE_URL: must be a SQLite file or PostgreSQL")


def _check_mail(settings: Settings) -> None:
    if not settings.SMTP_URL:
        return
    try:
        parts = urlsplit(settings.SMTP_URL)
        known = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise SettingsError("SMTP_URL: must be smtp://user:password@host:port or smtps://…")
    if "@" not in settings.MAIL_FROM:
        raise SettingsError("MAIL_FROM: mail needs a sender's address beside SMTP_URL")


def _check_sqlite() -> None:
    """The job engine needs SQLite 3.42 on Python 3.12 and later; with 3.11 an older one works."""
    if sys.version_info >= (3, 12) and sqlite3.sqlite_version_info < (3, 42):
        raise SettingsError(
            f"DATABASE_URL: this Python has SQLite {sqlite3.sqlite_version}; with Python 3.12+ Leadtrail needs 3.42 or "
            "later. Use Python 3.11, a newer system, or PostgreSQL."
        )
