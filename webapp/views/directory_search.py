"""Search in the directory, on the server: for its pages and for the pickers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func, select, tuple_

from webapp.extensions import db
from webapp.models import PICKED, Account, fold, like

#: How many a picker offers at once; more is said, not sent.
OFFERED = 20

#: Among so many entries that hold a name the one that is called exactly so is looked for.
MOST_OF_A_NAME = 5000


def matches(table: Any, query: str) -> list[ColumnElement[bool]]:
    """Every word of the query stands somewhere in the entry. Signs between words (the dash of a label) do not count."""
    folded = fold(query[:300].replace("\0", " "))
    words = [word for word in folded.split() if any(character.isalnum() for character in word)]
    return [table.search_text.like(like(word), escape="\\") for word in words[:8]]


def offer(account: Account, kind: str, query: str, limit: int = OFFERED) -> tuple[list[Any], int]:
    """The first entries of a list that fit the query, and how many fit in all. Archived ones are not offered."""
    table = PICKED[kind]
    wanted = [table.account_id == account.id, table.archived_at.is_(None), *matches(table, query)]
    total = db.session.scalar(select(func.count()).select_from(table).where(*wanted)) or 0
    found = db.session.scalars(select(table).where(*wanted).order_by(table.search_text, table.id).limit(limit))
    return list(found), total


def has_none(account: Account, kind: str) -> bool:
    """True when the list has nothing that could be chosen, whatever is searched for."""
    table = PICKED[kind]
    wanted = select(table.id).where(table.account_id == account.id, table.archived_at.is_(None)).limit(1)
    return db.session.scalar(wanted) is None


def page(
    account: Account, kind: str, query: str, archived: bool, after: int | None, size: int
) -> tuple[list[Any], bool]:
    """One page of a list in the order of names, beginning after the entry ``after``, and whether more follow."""
    table = PICKED[kind]
    wanted = [
        table.account_id == account.id,
        table.archived_at.is_not(None) if archived else table.archived_at.is_(None),
        *matches(table, query),
    ]
    last = get(account, kind, after)
    if last is not None:
        wanted.append(tuple_(table.search_text, table.id) > tuple_(last.search_text, last.id))
    found = list(db.session.scalars(select(table).where(*wanted).order_by(table.search_text, table.id).limit(size + 1)))
    return found[:size], len(found) > size


def get(account: Account, kind: str, number: int | None) -> Any:
    """The entry of this number, if it is this account's."""
    if number is None:
        return None
    table = PICKED[kind]
    return db.session.scalar(select(table).where(table.id == number, table.account_id == account.id))


def by_key(account: Account, kind: str, key: str | None) -> Any:
    """The entry of this key, if there is one."""
    if key is None:
        return None
    table = PICKED[kind]
    return db.session.scalar(select(table).where(table.account_id == account.id, table.key == key))


def by_label(account: Account, kind: str, text: str) -> list[Any]:
    """The entries that are called exactly so, if possible in their letters, too."""
    folded = fold(text.replace("\0", " ")).strip()
    if not folded:
        return []
    candidates, _total = offer(account, kind, folded, limit=MOST_OF_A_NAME)
    written = [entry for entry in candidates if entry.label == text.strip()]
    exact = written or [entry for entry in candidates if fold(entry.label) == folded]
    return exact or [entry for entry in candidates if folded in _names(entry)]


def _names(entry: Any) -> set[str]:
    return {fold(getattr(entry, name, None)).strip() for name in ("name", "full_name", "domain", "email", "key")} - {""}
