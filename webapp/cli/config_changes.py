"""What a configuration file changed, for whoever applied it and for the audit record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from webapp.logs import MASK


@dataclass
class Changes:
    """What changed in one account: by dotted name, [before, after]. Secrets are only said to have changed.

    ``added`` are the names that stand for something new. ``warnings`` are for whoever applied the file.
    """

    slug: str
    fields: dict[str, list[Any]] = field(default_factory=dict)
    added: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)

    def add(self, label: str, words: str | None) -> None:
        """Note something new."""
        self.added.add(label)
        self.fields[label] = [None, plain(words)]

    def set(self, row: Any, attribute: str, value: Any, label: str) -> None:
        """Give the row's attribute this value, and note it if it was another."""
        before = getattr(row, attribute)
        if before != value:
            setattr(row, attribute, value)
            self.fields[label] = [plain(before), plain(value)]

    def hide(self, row: Any, attribute: str, value: Any, label: str) -> None:
        """The same for a secret: only that it is another one is noted."""
        if getattr(row, attribute) != value:
            setattr(row, attribute, value)
            self.fields[label] = [MASK, MASK]


def plain(value: Any) -> Any:
    """A value as the record keeps it: of the file's own kinds of text only the text."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, str) else value
