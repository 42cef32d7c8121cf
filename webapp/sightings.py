"""What the integrations' scripts say of themselves from the sites they stand on, and what that means (B4).

A report holds words of the lists below and nothing about the visitor. One visitor's refusal to be counted, or one
blocked counter, says nothing about the site: whatever worked lately counts as working.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.hits import belongs
from webapp.models import Integration, ScriptSighting
from webapp.recording import INSERTS

#: What the script found. ``refused`` and ``consent``: this visitor is not counted, and that is as it should be.
COUNTER_WORDS = ("ok", "none", "missing", "refused", "consent")
WIDGET_WORDS = ("ok", "missing")
#: What became of the session: handed over; another product's token left alone; the channel takes signed tokens only;
#: the widget raised; nothing to hand over.
TOKEN_WORDS = ("set", "foreign", "jwt", "failed", "none")

#: Anybody can send reports from hosts they make up; a company has fewer sites than this. Hosts of the account's own
#: sites are counted apart, so that made-up ones cannot keep them out.
MOST_HOSTS = 30

#: The same good news within it is not written down again: every visitor's browser brings it.
QUIET = timedelta(minutes=1)

#: A site whose last good report is not much older than its last report works.
STILL_GOOD = timedelta(days=1)

#: Longer silence means that the script is gone, or the site has no visitors.
SILENCE = timedelta(days=3)

#: Faults are shown for so long.
FAULTS_SHOWN = timedelta(days=7)

_FAULT = re.compile(r"[a-z_]{1,30}")


@dataclass(frozen=True)
class Report:
    """One report, checked."""

    counter: str
    widget: str
    token: str
    faults: tuple[str, ...]

    @property
    def good(self) -> bool:
        """True when the session was passed on this page, by the token or by the beacon."""
        return self.counter == "ok" and self.widget == "ok" and self.token in ("set", "foreign", "jwt")

    @property
    def telling(self) -> bool:
        """False when it tells of the visitor's own choice rather than of the site."""
        return self.counter not in ("refused", "consent")


def parse_report(fields: Mapping[str, str]) -> Report | None:
    """A report out of the script's fields, None for anything else."""
    told = (fields.get("counter"), fields.get("widget"), fields.get("token"))
    for word, known in zip(told, (COUNTER_WORDS, WIDGET_WORDS, TOKEN_WORDS), strict=True):
        if word not in known:
            return None
    faults = tuple(fault for fault in fields.get("faults", "").split() if _FAULT.fullmatch(fault))
    return Report(*told, faults[:5])


def record_report(
    session: Session, integration: Integration, host: str, report: Report, now: datetime, domains: Sequence[str] = ()
) -> None:
    """Keep what a host says. ``domains`` are those of the account's sites. The caller commits. One host too many is
    not kept."""
    which = (ScriptSighting.integration_id == integration.id, ScriptSighting.host == host)
    query = select(ScriptSighting).where(*which).with_for_update()
    sighting = session.scalar(query)
    if sighting is None:
        known = select(ScriptSighting.host).where(ScriptSighting.integration_id == integration.id)
        own = _is_own(host, domains)
        if sum(_is_own(other, domains) == own for other in session.scalars(known)) >= MOST_HOSTS:
            return
        # The first visitors of a new site may report at the same moment.
        session.execute(
            INSERTS[session.connection().dialect.name](ScriptSighting)
            .values(
                integration_id=integration.id, host=host, created_at=now, last_seen_at=now, reports=0, faults={},
                counter=report.counter, widget=report.widget, token=report.token,
            )
            .on_conflict_do_nothing(index_elements=["integration_id", "host"])
        )  # fmt: skip
        sighting = session.scalars(query).one()
    elif report.good and not report.faults and sighting.last_good_at and now - sighting.last_good_at < QUIET:
        return
    if report.telling or sighting.reports == 0:
        sighting.counter, sighting.widget, sighting.token = report.counter, report.widget, report.token
    sighting.last_seen_at = now
    sighting.reports = sighting.reports + 1
    if report.good:
        sighting.last_good_at = now
    if report.faults:
        sighting.faults = {**(sighting.faults or {}), **{fault: now.isoformat() for fault in report.faults}}


def _is_own(host: str, domains: Sequence[str]) -> bool:
    return any(belongs(host, domain) for domain in domains)


def verdict(sighting: ScriptSighting, now: datetime) -> str:
    """One word for how the script does on a host: ``ok``, ``silent``, or what is missing first in the order of repair
    (``counter``, ``session``, ``widget``, ``failed``, ``token``)."""
    if now - sighting.last_seen_at > SILENCE:
        return "silent"
    if sighting.last_good_at and sighting.last_seen_at - sighting.last_good_at < STILL_GOOD:
        return "ok"
    if sighting.counter == "missing":
        return "counter"
    if sighting.counter in ("consent", "refused"):
        return "consent"
    if sighting.counter == "none":
        return "session"
    if sighting.widget == "missing":
        return "widget"
    return {"failed": "failed"}.get(sighting.token, "token")


def recent_faults(sighting: ScriptSighting, now: datetime) -> list[str]:
    """The codes of faults told lately."""
    return sorted(
        code for code, at in (sighting.faults or {}).items() if now - datetime.fromisoformat(at) < FAULTS_SHOWN
    )
