"""«Сырые данные» → «Сессии»: the visits that the counter has seen."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, abort, g, render_template, request, url_for
from sqlalchemy import ColumnElement, exists, func, select, union_all
from sqlalchemy.orm import joinedload, load_only

from webapp.cabinets import cabinet_of
from webapp.extensions import db
from webapp.models import Communication, Integration, Role, Site, Visit, VisitTie, fold, like, utc_now

from .access import member
from .communications import heading
from .days import day_of, midnight
from .paging import key_of, page_by_time, position_of
from .picker import Picker
from .site_script import script_tag
from .visit_words import came_from, device_of, duration, mark_name, page_of

blueprint = Blueprint("visits", __name__, url_prefix="/a/<slug>/visits")

#: A count is shown up to here; beyond it costs more than it tells.
LARGEST_COUNT = 1000

#: Without a day to begin at, a search goes back so far: what no index finds is read row by row.
SEARCHED = timedelta(days=90)

#: So many of each are shown beside a visit.
MOST_BESIDE = 10

#: Ids of sessions and visitors as the counter makes them; few are shorter.
_ID = re.compile(r"[1-9][0-9]{9,15}")

#: The pickers: name in the address, list of the directory, column.
PICKERS = (("site", "sites", "site_id"), ("campaign", "campaigns", "campaign_id"), ("source", "sources", "source_id"))

LISTED = (
    Visit.started_at, Visit.session_id, Visit.landing_url, Visit.referrer, Visit.marks, Visit.page_count,
)  # fmt: skip


@dataclass(frozen=True)
class Filters:
    """What the address asks for. ``talked``: with (True) or without (False) communications, None for either."""

    since: date | None = None
    until: date | None = None
    talked: bool | None = None
    query: str = ""
    pickers: dict[str, Picker] = field(default_factory=dict)

    @classmethod
    def read(cls) -> Filters:
        """The filters of this request."""
        chosen = request.args.get
        return cls(
            since=day_of(chosen("since")),
            until=day_of(chosen("until")),
            talked={"yes": True, "no": False}.get(chosen("talked", "")),
            query=chosen("q", "").replace("\0", "").strip()[:200],
            pickers={name: Picker.read(g.account, kind, name, request.args) for name, kind, _column in PICKERS},
        )

    @property
    def narrow(self) -> bool:
        """True when something is left out of the list by more than its day."""
        return bool(self.talked is not None or self.query or any(picker.id for picker in self.pickers.values()))

    @property
    def any(self) -> bool:
        """True when something is asked for."""
        return bool(self.narrow or self.since or self.until or any(picker.error for picker in self.pickers.values()))

    @property
    def bounded(self) -> date | None:
        """The day that a search begins at because the address names none; None when nothing has to be bounded."""
        if self.since or not self.narrow or _ID.fullmatch(self.query):
            return None
        return (self.until or utc_now().date()) - SEARCHED

    def address(self, **more: Any) -> dict[str, Any]:
        """The same as parameters of an address."""
        known = {
            "since": self.since,
            "until": self.until,
            "talked": {True: "yes", False: "no"}.get(self.talked),
            "q": self.query or None,
            **{name: picker.id for name, picker in self.pickers.items()},
        }
        return {name: value for name, value in (known | more).items() if value is not None}

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same as SQL. Days are days of the account's zone."""
        wanted = [Visit.account_id == g.account.id]
        since = self.since or self.bounded
        if since:
            wanted.append(Visit.started_at >= midnight(since))
        if self.until:
            wanted.append(Visit.started_at < midnight(self.until + timedelta(days=1)))
        wanted += [
            getattr(Visit, column) == self.pickers[name].id
            for name, _kind, column in PICKERS
            if self.pickers[name].id is not None
        ]
        if self.talked is not None:
            talked = exists().where(Communication.visit_id == Visit.id)
            wanted.append(talked if self.talked else ~talked)
        if self.query:
            wanted.append(_search(self.query))
        return wanted


@blueprint.get("")
@member(Role.VIEWER)
def index() -> str:
    """The list, the latest first, paged by key."""
    filters = Filters.read()
    wanted = filters.conditions()
    before, after = (position_of(request.args.get(name)) for name in ("before", "after"))
    query = (
        select(Visit)
        .where(*wanted)
        .options(
            load_only(*LISTED), joinedload(Visit.site), joinedload(Visit.campaign), joinedload(Visit.source),
        )
    )  # fmt: skip
    rows, older, newer = page_by_time(query, Visit, before, after)
    empty = not rows and not filters.any and not (before or after)
    return render_template(
        "visits/list.html",
        rows=rows,
        filters=filters,
        talks=_talks([row.id for row in rows]),
        counted=_count(wanted, len(rows) if not older and not newer else None),
        largest_count=LARGEST_COUNT,
        came_from=came_from,
        page_of=page_of,
        older_url=_url(filters, before=key_of(rows[-1])) if older and rows else None,
        # Beyond either end there is nothing to go on from: back to the beginning.
        newer_url=(_url(filters, after=key_of(rows[0])) if rows else _url(filters)) if newer else None,
        empty=empty,
        counts_visits=cabinet_of(g.account).counts_visits,
        sites=_sites() if empty else [],
    )


@blueprint.get("/<int:number>")
@member(Role.VIEWER)
def show(number: int) -> str:
    """One visit: how the person came, what they did and on what, and whom they wrote to."""
    found = db.session.scalar(select(Visit).where(Visit.id == number, Visit.account_id == g.account.id)) or abort(404)
    mine = Visit.account_id == g.account.id
    others = []
    if found.visitor_id:
        others = db.session.scalars(
            select(Visit)
            .where(mine, Visit.visitor_id == found.visitor_id, Visit.id != found.id)
            .order_by(Visit.started_at.desc(), Visit.id.desc())
            .limit(MOST_BESIDE + 1)
        ).all()
    communications = db.session.scalars(
        select(Communication)
        .where(Communication.visit_id == found.id, Communication.account_id == g.account.id)
        .order_by(Communication.started_at, Communication.id)
        .limit(MOST_BESIDE)
    ).all()
    ties = db.session.execute(
        select(VisitTie, Integration)
        .join(Integration, Integration.id == VisitTie.integration_id)
        .where(VisitTie.session_id == found.session_id, Integration.account_id == g.account.id)
        .order_by(VisitTie.id)
    ).all()
    return render_template(
        "visits/show.html",
        visit=found,
        came_from=came_from,
        device=device_of(found.user_agent),
        duration=duration(found.last_seen_at - found.started_at),
        marks=[(mark_name(name), value) for name, value in (found.marks or {}).items()],
        communications=[(communication, heading(communication)) for communication in communications],
        others=others[:MOST_BESIDE],
        more_others=len(others) > MOST_BESIDE,
        ties=ties,
        page_of=page_of,
    )


def _search(query: str) -> ColumnElement[bool]:
    """A whole id is looked up by its index, anything else in the text. An address may be written either way."""
    if _ID.fullmatch(query):
        mine = [
            select(Visit.id).where(Visit.account_id == g.account.id, column == query)
            for column in (Visit.session_id, Visit.visitor_id)
        ]
        return Visit.id.in_(union_all(*mine))
    return Visit.search_text.like(like(fold(unquote(query, errors="ignore")).replace("\0", "")), escape="\\")


def _talks(numbers: list[int]) -> dict[int, int]:
    """How many communications each of these visits led to."""
    if not numbers:
        return {}
    counted = (
        select(Communication.visit_id, func.count())
        .where(Communication.visit_id.in_(numbers), Communication.account_id == g.account.id)
        .group_by(Communication.visit_id)
    )
    return {number: count for number, count in db.session.execute(counted)}


def _count(wanted: list[ColumnElement[bool]], known: int | None) -> int:
    """How many there are, up to one more than LARGEST_COUNT. One page that holds them all has counted them."""
    if known is not None:
        return known
    return len(db.session.scalars(select(Visit.id).where(*wanted).limit(LARGEST_COUNT + 1)).all())


def _sites() -> list[tuple[Site, str]]:
    """The first sites and the lines of their counters."""
    sites = db.session.scalars(
        select(Site).where(Site.account_id == g.account.id, Site.archived_at.is_(None)).order_by(Site.id).limit(3)
    )
    return [(site, script_tag(f"/c/{site.public_key}.js")) for site in sites]


def _url(filters: Filters, **more: Any) -> str:
    return url_for("visits.index", slug=g.account.slug, **filters.address(**more))
