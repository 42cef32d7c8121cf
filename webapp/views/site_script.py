"""Step 4 of an integration's page: the lines for the site, and how the script does where it stands (B4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import func, select

from webapp import sightings
from webapp.cabinets import cabinet_of
from webapp.extensions import db
from webapp.hits import belongs
from webapp.models import Communication, Integration, ScriptSighting, Site, utc_now
from webapp.vendors import registry

from .addresses import public_url

#: Whose share with a session is shown, and up to how many are counted.
RECENT = timedelta(days=7)
LARGEST_COUNT = 10_000

#: So many sites' counters are listed; the others have theirs in the directory.
MOST_SITES = 20


@dataclass(frozen=True)
class Place:
    """A host where the script was seen. ``state`` is a pill's, ``text`` what it means, ``hints`` what else to know."""

    host: str
    last_seen_at: datetime
    state: str
    title: str
    text: str
    hints: tuple[str, ...]


@dataclass(frozen=True)
class SiteScript:
    """What the step shows. ``state``: todo, done or problem. ``line`` is None while settings that it needs are missing.

    ``with_visit`` of ``recent`` communications of the last 7 days carried a visit.
    """

    state: str
    line: str | None
    counters: Sequence[tuple[Site, str]]
    counts_visits: bool
    places: Sequence[Place]
    recent: int
    with_visit: int

    @property
    def share(self) -> int:
        """Per cent, cut."""
        return 100 * self.with_visit // self.recent if self.recent else 0


def script_tag(path: str) -> str:
    """The line to paste into a page."""
    return f'<script async src="{public_url(path)}"></script>'


def site_script(integration: Integration) -> SiteScript:
    """The step of this integration, as things stand now."""
    now = utc_now()
    account, vendor = integration.account, registry()[integration.vendor]
    sites = db.session.scalars(
        select(Site).where(Site.account_id == account.id, Site.archived_at.is_(None)).order_by(Site.id)
    ).all()
    seen = db.session.scalars(
        select(ScriptSighting)
        .where(ScriptSighting.integration_id == integration.id)
        .order_by(ScriptSighting.last_seen_at.desc())
    ).all()
    places = [_place(integration, sighting, sites, now) for sighting in seen]
    states = {place.state for place in places}
    counts = cabinet_of(account).counts_visits
    ready = integration.saved_at is not None and vendor.script_settings(integration) is not None
    recent, with_visit = _share(integration, now)
    return SiteScript(
        state="done" if "ok" in states else "problem" if places else "todo",
        line=script_tag(f"/i/{integration.public_id}.js") if ready else None,
        counters=[(site, script_tag(f"/c/{site.public_key}.js")) for site in sites[:MOST_SITES]] if counts else [],
        counts_visits=counts,
        places=places,
        recent=recent,
        with_visit=with_visit,
    )


def _place(integration: Integration, sighting: ScriptSighting, sites: Sequence[Site], now: datetime) -> Place:
    words = registry()[integration.vendor].guide.script
    verdict = sightings.verdict(sighting, now)
    title, text = _verdict_words(verdict)
    text = str(words.repairs.get(verdict) or text)
    known = any(belongs(sighting.host, site.domain) for site in sites)
    if not known and verdict != "silent":
        verdict, title = "unknown", _("чужой домен")
        text = _(
            "Этого домена нет в справочнике «Сайты», поэтому визиты с него не считаются. Добавьте сайт, если он ваш."
        )
    hints = [str(words.faults[code]) for code in sightings.recent_faults(sighting, now) if code in words.faults]
    if verdict == "ok" and sighting.token in words.notes:
        hints.append(str(words.notes[sighting.token]))
    state = {"ok": "ok", "silent": "quiet"}.get(verdict, "attention")
    return Place(sighting.host, sighting.last_seen_at, state, title, text, tuple(hints))


def _verdict_words(verdict: str) -> tuple[str, str]:
    """The pill and the sentence for a verdict; a vendor may have better words for what concerns its widget."""
    return {
        "ok": (_("работает"), _("Виджет найден, сессия передаётся.")),
        "silent": (_("молчит"), _("Давно не отзывался: скрипт убрали со страниц, или на сайте никого не было.")),
        "counter": (
            _("нет счётчика"),
            _("Счётчика визитов на странице нет или его не пропускает защита сайта. Вставьте строку счётчика."),
        ),
        "session": (
            _("нет сессии"),
            _("Счётчик на странице есть, но сессию не отдаёт. Проверьте, что он загружается."),
        ),
        "consent": (
            _("ждёт согласия"),
            _("Сайт ещё не сообщил о согласии посетителя, поэтому визиты не считаются."),
        ),
        "widget": (_("нет виджета"), _("Виджета чата на странице нет. Проверьте, что его код стоит на этом же сайте.")),
        "failed": (_("не передаётся"), _("Виджет отказался принять сессию.")),
    }.get(verdict, (_("не передаётся"), _("Сессия пока не передана.")))


def _share(integration: Integration, now: datetime) -> tuple[int, int]:
    """Communications of the last 7 days, and those with a visit; tests left out, both up to LARGEST_COUNT."""
    recent: Any = (
        select(Communication.visit_id)
        .where(
            Communication.of(integration),
            Communication.started_at >= now - RECENT,
            Communication.is_test.is_(False),
        )
        .limit(LARGEST_COUNT)
        .subquery()
    )
    row = db.session.execute(select(func.count(), func.count(recent.c.visit_id)).select_from(recent)).one()
    return row[0], row[1]
