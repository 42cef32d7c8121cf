"""Brings the rows to the rules and the decision back to the row."""

from __future__ import annotations

from datetime import timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, or_, select
from sqlalchemy.orm import Session

from webapp.cabinets import cabinet_of
from webapp.enrichment import clues_of
from webapp.models import Account, Campaign, Communication, Integration, VendorClient, Visit
from webapp.models import Target as TargetRow
from webapp.resolution import (
    Attribution,
    Catalogue,
    Policy,
    Question,
    Sightings,
    Target,
    VisitFacts,
    resolve,
)

#: How many accounts' rules a process keeps ready.
KEPT_CATALOGUES = 256

_catalogues: WeakKeyDictionary[Engine, dict[int, tuple[int, Catalogue]]] = WeakKeyDictionary()


def attribute(session: Session, integration: Integration, communication: Communication) -> Attribution:
    """Decide who brought this communication, and write the decision and its trail into it."""
    account = integration.account
    question = Question(
        started_at=communication.started_at,
        channel=communication.channel,
        clues=clues_of(communication),
        has_contact=bool(communication.contact_phone or communication.contact_email),
    )
    decision = resolve(
        question, sightings(session, account, communication, question), policy(session, account, integration)
    )
    communication.rule = str(decision.rule)
    communication.campaign_id = decision.campaign
    communication.source_id = decision.source
    communication.site_id = decision.site
    communication.visit_id = decision.visit
    communication.trail = [
        {"rule": str(step.rule), "outcome": str(step.outcome), "facts": dict(step.facts)} for step in decision.trail
    ]
    return decision


def policy(session: Session, account: Account, integration: Integration) -> Policy:
    """The account's and the integration's say, as the rules take it."""
    return Policy(
        catalogue=_catalogue(session, account),
        mapping={mapping.channel: _target(session, mapping) for mapping in integration.mappings},
        default=_target(session, integration),
        fill_without_campaign=integration.fill_without_campaign,
        contact_window_days=account.contact_window_days,
    )


def sightings(session: Session, account: Account, communication: Communication, question: Question) -> Sightings:
    """The visits that the clues lead to. A session of another account is only said to be one, never shown."""
    token = question.clues.token
    named, elsewhere = None, False
    if token and token.visit:
        found = session.scalars(select(Visit).where(Visit.session_id == token.visit)).all()
        named = next((visit for visit in found if visit.account_id == account.id), None)
        elsewhere = bool(found) and named is None
    return Sightings(
        named=_facts(named),
        named_elsewhere=elsewhere,
        beacon=_facts(_beacon(session, communication)),
        contact=_facts(_by_contact(session, account, communication)),
    )


def _catalogue(session: Session, account: Account) -> Catalogue:
    """The account's rules, read again only when its directory has changed."""
    kept = _catalogues.setdefault(session.get_bind(), {})
    version, catalogue = kept.get(account.id, (None, None))
    if catalogue is None or version != account.directory_version:
        catalogue = cabinet_of(account).catalogue(session, account)
        if len(kept) >= KEPT_CATALOGUES:
            kept.pop(next(iter(kept)))
        kept[account.id] = (account.directory_version, catalogue)
    return catalogue


def _target(session: Session, row: TargetRow) -> Target:
    """A campaign brings its own site."""
    site = row.site_id
    if row.campaign_id is not None:
        campaign = session.get(Campaign, row.campaign_id)
        site = campaign.site_id if campaign else None
    return Target(row.campaign_id, row.source_id, site)


def _facts(visit: Visit | None) -> VisitFacts | None:
    if visit is None:
        return None
    return VisitFacts(
        id=visit.id,
        session_id=visit.session_id,
        started_at=visit.started_at,
        campaign=visit.campaign_id,
        source=visit.source_id,
        site=visit.site_id,
        marks=dict(visit.marks or {}),
    )


def _beacon(session: Session, communication: Communication) -> Visit | None:
    if communication.client is None:
        return None
    return session.scalar(
        select(Visit)
        .join(VendorClient, VendorClient.visit_id == Visit.id)
        .where(
            VendorClient.integration_id == communication.integration_id,
            VendorClient.client == communication.client,
            Visit.account_id == communication.account_id,
        )
    )


def _by_contact(session: Session, account: Account, communication: Communication) -> Visit | None:
    """The latest visit that an earlier communication of the same phone or e-mail was tied to."""
    ways = [
        column == value
        for column, value in (
            (Communication.contact_phone, communication.contact_phone),
            (Communication.contact_email, communication.contact_email),
        )
        if value
    ]
    if not account.contact_window_days or not ways:
        return None
    oldest = communication.started_at - timedelta(days=account.contact_window_days)
    return session.scalar(
        select(Visit)
        .join(Communication, Communication.visit_id == Visit.id)
        .where(
            Communication.account_id == account.id,
            Communication.id != communication.id,
            or_(*ways),
            Visit.started_at.between(oldest, communication.started_at),
        )
        .order_by(Visit.started_at.desc())
        .limit(1)
    )
