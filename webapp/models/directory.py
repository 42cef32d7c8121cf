"""The cabinet's directory: sites, campaigns, sources, employees."""

from __future__ import annotations

import re
import secrets
import unicodedata
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint, event, select
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column, relationship

from webapp.arrival import domain_in_letters

from .base import Base, Numbered

LONGEST_SEARCH_TEXT = 700


#: Yo, which most people write as ye.
_FOLDED = {0x451: 0x435}


def fold(*parts: str | None) -> str:
    """Text made ready for a search that minds neither the case nor the dots of the letter yo, often left out.

    SQLite's own folds only Latin letters.
    """
    return " ".join(part for part in parts if part).casefold().translate(_FOLDED)


def like(text: str) -> str:
    """A LIKE pattern that finds this text anywhere, whatever signs are in it (escape character: backslash)."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def clean_domain(written: str) -> str:
    """The domain of a site, as typed or as copied from an address bar, in letters where it was punycode.

    Raises ValueError when there is none in it.
    """
    # Some keyboards and file names bring «й» as two signs; browsers know the one.
    text = unicodedata.normalize("NFC", written.strip().lower())
    try:
        domain = (urlsplit(text if "//" in text else f"//{text}").hostname or "").rstrip(".")
    except ValueError:
        domain = ""
    labels = domain.split(".")
    if len(labels) < 2 and domain != "localhost":
        raise ValueError(f"not a domain: {written!r}")
    if len(domain) > 253 or not all(re.fullmatch(r"(?!-)[\w-]{1,63}(?<!-)", label) for label in labels):
        raise ValueError(f"not a domain: {written!r}")
    return domain_in_letters(domain)


def searchable(*parts: str | None) -> str:
    """The folded text of an entry. Folding may make a text longer than its column: the tail is not worth an error."""
    return fold(*parts)[:LONGEST_SEARCH_TEXT]


class DirectoryEntry(Numbered):
    """What the four lists share. ``key`` is the name in the configuration file, or the outside cabinet's id.

    ``search_text`` is the folded text that the pickers search. ``outside`` is what an outside cabinet tells of it
    beyond our own fields; empty for what is kept here.
    """

    key: Mapped[str] = mapped_column(String(100))
    search_text: Mapped[str] = mapped_column(String(LONGEST_SEARCH_TEXT), default="")
    archived_at: Mapped[datetime | None]
    outside: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    @declared_attr
    def account_id(cls) -> Mapped[int]:
        return mapped_column(ForeignKey("account.id", ondelete="CASCADE"))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("account_id", "key"), Index(None, "account_id", "archived_at", "search_text", "id"))


class Site(DirectoryEntry, Base):
    """A site whose visitors are counted.

    ``public_key`` names it in the address of its counter: its key, unless another account's site has that already.
    """

    __tablename__ = "site"

    public_key: Mapped[str] = mapped_column(String(120), unique=True)
    domain: Mapped[str] = mapped_column(String(253))
    name: Mapped[str] = mapped_column(String(255))

    @property
    def label(self) -> str:
        """How a list shows it."""
        return self.name if self.name == self.domain else f"{self.name} — {self.domain}"

    def refresh_search_text(self) -> None:
        """Set what the pickers search, after a change."""
        self.search_text = searchable(self.name, self.domain, self.key)


@event.listens_for(Session, "before_flush")
def give_public_keys(session: Session, _context: Any, _instances: Any) -> None:
    """Name each new site in the addresses of this server: by its key, unless that is another account's site already."""
    given: set[str] = set()
    for site in session.new:
        if isinstance(site, Site) and not site.public_key:
            with session.no_autoflush:
                taken = session.scalar(select(Site.id).where(Site.public_key == site.key)) is not None
            site.public_key = f"{site.key}-{secrets.token_hex(4)}" if taken or site.key in given else site.key
            given.add(site.public_key)


class RuledEntry(DirectoryEntry):
    """An entry that marks are matched to.

    ``rules`` is a list of rules, each a list of conditions ``{"mark", "op", "value"}``: any rule matches when all its
    conditions do. The smallest ``priority`` is asked first.
    """

    name: Mapped[str] = mapped_column(String(255))
    priority: Mapped[int] = mapped_column(default=100)
    rules: Mapped[list[list[dict[str, str]]]] = mapped_column(JSON, default=list)

    def refresh_search_text(self) -> None:
        """Set what the pickers search, after a change."""
        self.search_text = searchable(self.name, self.key)

    @property
    def label(self) -> str:
        """How a list shows it."""
        return self.name


class Campaign(RuledEntry, Base):
    """An advertising campaign."""

    __tablename__ = "campaign"

    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"), index=True)
    site: Mapped[Site | None] = relationship()

    def refresh_search_text(self) -> None:
        """Set what the pickers search, after a change: in an outside cabinet by the site as well."""
        self.search_text = searchable(self.name, self.key, (self.outside or {}).get("domain"))

    @property
    def label(self) -> str:
        """How a list shows it: the campaign and its site."""
        return f"{self.name} — {self.site.domain}" if self.site else self.name


class Source(RuledEntry, Base):
    """An advertising source."""

    __tablename__ = "source"

    def refresh_search_text(self) -> None:
        """Set what the pickers search, after a change: in an outside cabinet by channel and group as well."""
        outside = self.outside or {}
        self.search_text = searchable(self.name, self.key, outside.get("channel"), outside.get("group"))


class Employee(DirectoryEntry, Base):
    """A person of the company."""

    __tablename__ = "employee"

    full_name: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(254))

    @property
    def label(self) -> str:
        """How a list shows them."""
        return f"{self.full_name} · {self.email}" if self.email else self.full_name

    def refresh_search_text(self) -> None:
        """Set what the pickers search, after a change."""
        self.search_text = searchable(self.full_name, self.email, self.key)


class Tag(DirectoryEntry, Base):
    """A tag of an outside cabinet, for communications. Embedded cabinets have none."""

    __tablename__ = "tag"

    name: Mapped[str] = mapped_column(String(255))

    @property
    def label(self) -> str:
        """How a list shows it."""
        return self.name

    def refresh_search_text(self) -> None:
        """Set what the pickers search, after a change."""
        self.search_text = searchable(self.name, self.key)


#: The four lists by the word used in addresses and in the configuration file.
KINDS: dict[str, type[Site] | type[Campaign] | type[Source] | type[Employee]] = {
    "sites": Site,
    "campaigns": Campaign,
    "sources": Source,
    "employees": Employee,
}

#: What a picker may offer: the lists, and the tags of an outside cabinet.
PICKED: dict[str, Any] = {**KINDS, "tags": Tag}
