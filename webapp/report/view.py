"""What one address shows: filters, columns, order, and the breakdown of the chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from flask_babel import lazy_gettext as _l

from webapp.models import Account

from .columns import USUAL, Column, chosen
from .filters import Filters
from .listing import Order

#: What the bars can be by: the word in the address, its name, the column of the counters.
BREAKDOWNS = {
    "campaign": (_l("Кампании"), "campaign_id"),
    "source": (_l("Источники"), "source_id"),
    "channel": (_l("Каналы"), "channel"),
    "rule": (_l("Правила"), "rule"),
}


@dataclass(frozen=True)
class View:
    """The state of the page. Everything of it stands in the address, so that it can be kept and passed on."""

    filters: Filters
    columns: tuple[Column, ...]
    order: Order
    by: str

    @classmethod
    def read(cls, account: Account, told: Mapping[str, str]) -> View:
        """The view of an address's parameters; what is unknown in them counts for nothing."""
        by = told.get("by", "")
        return cls(
            Filters.read(account, told),
            tuple(chosen(told.get("columns"))),
            Order.read(told.get("sort")),
            by if by in BREAKDOWNS else "campaign",
        )

    @classmethod
    def parse(cls, account: Account, query: str) -> View:
        """The view of an address's parameters as a form sends them along, in one text."""
        return cls.read(account, dict(parse_qsl(query)))

    def address(self, **changed: Any) -> dict[str, str]:
        """The same as parameters of an address. ``changed`` replaces some of them; None leaves one out."""
        known: dict[str, Any] = self.filters.address()
        keys = tuple(column.key for column in self.columns)
        known["columns"] = ",".join(keys) if keys != USUAL else None
        known["sort"] = None if self.order.is_usual else str(self.order)
        known["by"] = self.by if self.by != "campaign" else None
        return {name: str(value) for name, value in (known | changed).items() if value not in (None, "")}

    def with_columns(self, keys: list[str]) -> View:
        """The same view with other columns."""
        return replace(self, columns=tuple(chosen(",".join(keys))))
