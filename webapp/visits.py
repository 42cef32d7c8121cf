"""Writes what the counter and the site script say into visits, and ties visits to the vendors' numbers of people."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, func, select
from sqlalchemy.orm import Session

from webapp.arrival import arrival_facts, arrival_marks
from webapp.attribution import catalogue
from webapp.hits import Hit
from webapp.models import Account, Integration, Site, Visit, VisitTie, fold
from webapp.models.visit import LONGEST_VISIT_SEARCH_TEXT
from webapp.recording import INSERTS, attribute_again, dialect_of, known_client, lock_client

#: One browser has one number of a vendor, several where the site has several widgets; more is somebody who guesses.
MOST_TIES_OF_A_VISIT = 5

LONGEST_USER_AGENT = 400

#: What is searched besides ids and marks, the short first: the rest is cut. Hosts and addresses are in letters here.
SEARCHED_FACTS = ("referrer_host", "landing_host", "landing_url", "referrer")

_visits = Visit.__table__
_ties = VisitTie.__table__


def _upsert(dialect: str):
    """Insert a visit; of one that is known only its end is moved on, whatever else the browser says now."""
    statement = INSERTS[dialect](_visits)
    latest = func.greatest if dialect == "postgresql" else func.max
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["account_id", "session_id"],
        set_={
            "last_seen_at": latest(_visits.c.last_seen_at, new.last_seen_at),
            "page_count": _visits.c.page_count + bindparam("pages"),
            # Two hits of a page that moves on quickly may overtake each other on their way into the database.
            "last_url": case(
                (new.last_seen_at >= _visits.c.last_seen_at, func.coalesce(new.last_url, _visits.c.last_url)),
                else_=_visits.c.last_url,
            ),
        },
    ).returning(_visits.c.id)


_UPSERT = {dialect: _upsert(dialect) for dialect in INSERTS}
_TIE = {
    dialect: build(_ties).on_conflict_do_nothing(index_elements=["integration_id", "client", "session_id"])
    for dialect, build in INSERTS.items()
}


@dataclass(frozen=True)
class Browser:
    """What the request itself tells of who sent it."""

    ip: str | None
    user_agent: str | None


def record_hit(session: Session, account: Account, site: Site, hit: Hit, browser: Browser, now: datetime) -> int:
    """Make or continue the visit of a hit; gives its row number. The caller commits.

    A visit's beginning, marks, campaign and source are what its first hit said and never change by a later one.
    """
    marks = arrival_marks(hit.landing_url)
    facts, rules = arrival_facts(hit.landing_url, hit.referrer), catalogue(session, account)
    campaign, source = rules.campaign(facts), rules.source(facts)
    connection = session.connection()
    return connection.execute(
        _UPSERT[dialect_of(connection)],
        {
            "account_id": account.id,
            "site_id": site.id,
            "session_id": hit.session_id,
            "visitor_id": hit.visitor_id,
            "started_at": now - timedelta(seconds=hit.age_seconds),
            "last_seen_at": now,
            "created_at": now,
            "landing_url": hit.landing_url,
            "referrer": hit.referrer,
            "last_url": hit.page_url,
            # A beacon may be faster than the page's own hit: the page is counted when that one arrives.
            "page_count": int(hit.is_page),
            "pages": int(hit.is_page),
            "user_agent": browser.user_agent[:LONGEST_USER_AGENT] if browser.user_agent else None,
            "ip": browser.ip if account.keeps_full_ip else network_of(browser.ip),
            "marks": {name.removeprefix("utm_"): value for name, value in marks.items()},
            "search_text": _searchable(hit, [*marks.values(), *(facts.get(name) for name in SEARCHED_FACTS)]),
            "campaign_id": campaign.entry.id if campaign else None,
            "source_id": source.entry.id if source else None,
        },
    ).scalar_one()


def tie(session: Session, integration: Integration, client: str, session_id: str, now: datetime) -> bool:
    """Tie the vendor's number of a person to a visit (B6), and attribute anew the conversations that it explains.

    False when this visit has been tied to as many numbers as one browser can have. The caller commits.
    """
    connection = session.connection()
    lock_client(connection, integration, client)
    known = session.scalars(
        select(VisitTie.client).where(VisitTie.integration_id == integration.id, VisitTie.session_id == session_id)
    ).all()
    if client in known:
        return True
    if len(known) >= MOST_TIES_OF_A_VISIT:
        return False
    visit_id = session.scalar(
        select(Visit.id).where(Visit.account_id == integration.account_id, Visit.session_id == session_id)
    )
    values = {
        "integration_id": integration.id,
        "client": client,
        "session_id": session_id,
        "visit_id": visit_id,
        "tied_at": now,
        "created_at": now,
    }
    connection.execute(_TIE[dialect_of(connection)], values)
    person = known_client(session, integration, client, now)
    person.visit_tied_at = now
    session.flush()
    attribute_again(session, integration, client, now)
    return True


def _searchable(hit: Hit, texts: list[str | None]) -> str:
    return fold(hit.session_id, hit.visitor_id, *texts)[:LONGEST_VISIT_SEARCH_TEXT]


def network_of(ip: str | None) -> str | None:
    """An address without the part that tells one household from another: IPv4 by /24, IPv6 by /48."""
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False).network_address)
