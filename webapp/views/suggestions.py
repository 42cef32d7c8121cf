"""«Подсказки»: what traffic brings and nobody has set up yet, each with the form that mends it (B5)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, g, render_template, url_for
from sqlalchemy import select

from webapp.arrival import arrival_facts
from webapp.cabinets import cabinet_of
from webapp.extensions import db
from webapp.models import Communication, Integration, Role, Source, Visit, utc_now

from . import integration_page as pages
from .access import member

blueprint = Blueprint("suggestions", __name__, url_prefix="/a/<slug>/suggestions")

#: The newest communications and visits that are looked at.
MOST_LOOKED_AT = 5000

#: Pairs of marks shown, the most frequent first.
MOST_PAIRS = 50


#: What counters write for people who came by themselves; there is nothing to set up for them.
BY_THEMSELVES = ("(direct)", "direct")


@dataclass
class Pair:
    """A source and a medium that came in marks which no campaign's rule covers. ``also``: sources whose rules do."""

    source: str
    medium: str
    communications: int = 0
    visits: int = 0
    also: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        """«yandex / cpc»."""
        return " / ".join(filter(None, (self.source, self.medium)))

    @property
    def marks(self) -> dict[str, str]:
        """As the form of a new campaign takes them from its address."""
        given = {"utm_source": self.source, "utm_medium": self.medium}
        return {mark: value for mark, value in given.items() if value}


@blueprint.get("")
@member(Role.VIEWER)
def index() -> str:
    """Messengers, channel ids and marks of the last 30 days that nothing is set for."""
    integrations = db.session.scalars(
        select(Integration)
        .where(Integration.account_id == g.account.id, Integration.archived_at.is_(None))
        .order_by(Integration.id)
    ).all()
    owns = cabinet_of(g.account).owns_directory
    pairs, more = _pairs() if owns else ([], 0)
    seen = pages.seen_channels(g.account)
    return render_template(
        "suggestions/index.html",
        channels=[row for integration in integrations for row in _channels(integration, seen.get(integration.id, {}))],
        widgets=[row for integration in integrations for row in _widgets(integration)],
        pairs=pairs,
        more_pairs=more,
        sources=_names({number for pair in pairs for number in pair.also}),
        owns_directory=owns,
        looked_at=MOST_LOOKED_AT,
    )


def _channels(integration: Integration, seen: dict[str, int]) -> list[dict[str, Any]]:
    """Messengers seen in this integration's traffic without a row in its table."""
    offered = pages.offered_channels(seen, [row.channel for row in integration.mappings])
    return [
        {"integration": integration, "channel": channel, "count": count, "url": _page(integration, "mapping", channel)}
        for channel, count in offered
    ]


def _widgets(integration: Integration) -> list[dict[str, Any]]:
    """Channel ids without a label, by the communications whose channel is unknown because of it."""
    rows = db.session.scalars(
        select(Communication.clues)
        .where(
            Communication.of(integration),
            Communication.started_at >= utc_now() - pages.RECENT,
            Communication.channel.is_(None),
        )
        .order_by(Communication.started_at.desc())
        .limit(MOST_LOOKED_AT)
    )
    labelled = integration.widget_channels
    counts = Counter(widget for clues in rows if (widget := (clues or {}).get("widget")) and widget not in labelled)
    return [
        {"integration": integration, "widget": widget, "count": count, "url": _page(integration, "widgets")}
        for widget, count in counts.most_common(MOST_PAIRS)
    ]


def _page(integration: Integration, anchor: str, channel: str | None = None) -> str:
    return url_for("integrations.show", slug=g.account.slug, key=integration.key, offer=channel, _anchor=anchor)


def _pairs() -> tuple[list[Pair], int]:
    """The pairs that no campaign covers, and how many more there are than are given."""
    catalogue = cabinet_of(g.account).catalogue(db.session(), g.account)
    pairs: defaultdict[tuple[str, str], Pair] = defaultdict(lambda: Pair("", ""))

    def note(facts: Mapping[str, str]) -> Pair | None:
        source, medium = (facts.get(f"utm_{key}", "").strip() for key in ("source", "medium"))
        if not (source or medium) or source.casefold() in BY_THEMSELVES or catalogue.campaign(facts):
            return None
        pair = pairs[source.casefold(), medium.casefold()]
        pair.source, pair.medium = pair.source or source, pair.medium or medium
        covered = catalogue.source(facts)
        if covered:
            pair.also.add(covered.entry.id)
        return pair

    for utm in _recent(Communication, Communication.utm):
        pair = note({f"utm_{key}": value for key, value in (utm[0] or {}).items()})
        if pair:
            pair.communications += 1
    for landing_url, referrer in _recent(Visit, Visit.landing_url, Visit.referrer):
        pair = note(arrival_facts(landing_url, referrer))
        if pair:
            pair.visits += 1
    ordered = sorted(pairs.values(), key=lambda pair: (-pair.communications, -pair.visits, pair.name))
    return ordered[:MOST_PAIRS], max(0, len(ordered) - MOST_PAIRS)


def _recent(table: Any, *columns: Any) -> Any:
    """These columns of the account's newest rows."""
    return db.session.execute(
        select(*columns)
        .where(table.account_id == g.account.id, table.started_at >= utc_now() - pages.RECENT)
        .order_by(table.started_at.desc(), table.id.desc())
        .limit(MOST_LOOKED_AT)
    )


def _names(numbers: set[int]) -> dict[int, str]:
    rows = db.session.execute(
        select(Source.id, Source.name).where(Source.id.in_(numbers), Source.account_id == g.account.id)
    )
    return {number: name for number, name in rows}
