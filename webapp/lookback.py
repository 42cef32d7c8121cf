"""Decides again about stored communications, many at a time: what a change of the rules would do, or does (B2).

The rules are those of ``webapp.resolution``; visits are looked for as of ``webapp.attribution.sightings`` does it,
for hundreds of communications at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from webapp.arrival import arrival_facts
from webapp.attribution import (
    BY_VISIT,
    MOST_TIED_VISITS,
    read_policy,
    session_is_gone,
    tied_session,
    tied_visit,
)
from webapp.cabinets import cabinet_of
from webapp.conversation import Clues
from webapp.enrichment import clues_of
from webapp.models import Account, Campaign, Communication, Delivery, Integration, Source, Visit, VisitTie
from webapp.resolution import (
    Attribution,
    Catalogue,
    Policy,
    Question,
    Rule,
    Sightings,
    VisitFacts,
    resolve,
)

#: Communications whose visits are read by one query each way.
CHUNK = 500

#: What deciding needs of a communication; messages and texts stay in the database.
LOOKED_AT = (
    Communication.account_id,
    Communication.integration_id,
    Communication.type,
    Communication.started_at,
    Communication.channel,
    Communication.client,
    Communication.contact_name,
    Communication.contact_phone,
    Communication.contact_email,
    Communication.campaign_id,
    Communication.source_id,
    Communication.site_id,
    Communication.visit_id,
    Communication.session_named,
    Communication.rule,
    Communication.trail,
    Communication.utm,
    Communication.clues,
)

#: Rules whose answer is a campaign's or a source's own rules, then or when the visit came.
BY_DIRECTORY = BY_VISIT | {Rule.UTM}

Meaning = tuple[int | None, int | None]

#: A vendor's number for somebody, within an integration.
Person = tuple[int, str]


@dataclass(frozen=True)
class Decided:
    """What a communication was given to, and by which rule."""

    rule: str
    campaign: int | None
    source: int | None
    site: int | None

    @classmethod
    def of(cls, communication: Communication) -> Decided:
        """As it is stored."""
        return cls(communication.rule, communication.campaign_id, communication.source_id, communication.site_id)

    @classmethod
    def by(cls, decision: Attribution) -> Decided:
        """As the rules say."""
        return cls(str(decision.rule), decision.campaign, decision.source, decision.site)


class Kept(StrEnum):
    """Why a communication stays as it was decided. The values are names of counts."""

    #: What decided, a session, cannot be looked at any more.
    GONE = "gone"
    #: The campaign or source whose rules decided is archived: no rules speak for it today.
    ARCHIVED = "archived"


@dataclass(frozen=True)
class Case:
    """A communication and the visits that its clues lead to."""

    communication: Communication
    clues: Clues
    named: Visit | None
    named_elsewhere: bool
    beacon: Visit | None
    beacon_session: str | None
    contact: Visit | None
    refused: Mapping[str, str]

    @property
    def visits(self) -> Iterator[Visit]:
        """Those there are."""
        return (visit for visit in (self.named, self.beacon, self.contact) if visit is not None)


@dataclass(frozen=True)
class Ruling:
    """The say of an account's rules and integrations at one moment.

    ``policies`` and ``labels`` (the channel of a vendor's channel id) are by integration. ``catalogue`` says what a
    visit's arrival means; None where visits are attributed elsewhere. ``sites`` are the campaigns'. ``archived`` are
    the ids of archived campaigns, and of archived sources; ``counts_visits`` is the cabinet's.
    """

    policies: Mapping[int, Policy]
    labels: Mapping[int, Mapping[str, str]]
    catalogue: Catalogue | None
    sites: Mapping[int, int]
    archived: tuple[frozenset[int], frozenset[int]]
    counts_visits: bool
    _meanings: dict[int, Meaning] = field(default_factory=dict, compare=False)

    def channel(self, case: Case) -> str | None:
        """The channel of a communication; one that had none may have a label by now."""
        communication = case.communication
        labels = self.labels.get(communication.integration_id, {})
        return communication.channel or labels.get(case.clues.widget or "")

    def decide(self, case: Case) -> Attribution:
        """Who brought it, by these rules."""
        communication = case.communication
        question = Question(
            started_at=communication.started_at,
            channel=self.channel(case),
            clues=case.clues,
            has_contact=bool(communication.contact_phone or communication.contact_email),
        )
        sightings = Sightings(
            named=self._facts(case.named),
            named_elsewhere=case.named_elsewhere,
            beacon=self._facts(case.beacon),
            beacon_session=case.beacon_session,
            contact=self._facts(case.contact),
            refused=case.refused,
        )
        return resolve(question, sightings, self.policies[communication.integration_id])

    def kept(self, case: Case) -> Kept | None:
        """Why today's rules have no say in a communication; None when they do."""
        communication = case.communication
        if session_is_gone(communication, self.counts_visits):
            return Kept.GONE
        given = communication.campaign_id, communication.source_id
        return Kept.ARCHIVED if communication.rule in BY_DIRECTORY and self._archived(given) else None

    def meaning(self, visit: Visit) -> Meaning:
        """The campaign and the source of a visit, as the counter would decide them now. A visit of which the arrival is
        not known, or of what is archived, keeps what it has."""
        known = self._meanings.get(visit.id)
        if known is None:
            known = visit.campaign_id, visit.source_id
            facts = arrival_facts(visit.landing_url, visit.referrer) if self.catalogue else {}
            if self.catalogue and facts and not self._archived(known):
                campaign, source = self.catalogue.campaign(facts), self.catalogue.source(facts)
                known = campaign.entry.id if campaign else None, source.entry.id if source else None
            self._meanings[visit.id] = known
        return known

    def _archived(self, given: Meaning) -> bool:
        return any(number in archived for number, archived in zip(given, self.archived, strict=True))

    def _facts(self, visit: Visit | None) -> VisitFacts | None:
        if visit is None:
            return None
        campaign, source = self.meaning(visit)
        site = visit.site_id
        if site is None and campaign is not None:
            site = self.sites.get(campaign)
        return VisitFacts(visit.id, visit.session_id, visit.started_at, campaign, source, site, dict(visit.marks or {}))


def ruling(session: Session, account: Account, catalogue: Catalogue | None = None) -> Ruling:
    """What the rows say in this transaction, saved or not. ``catalogue``: the directory's rules, where they are at hand
    and not what is being changed."""
    cabinet = cabinet_of(account)
    catalogue = catalogue or cabinet.catalogue(session, account)
    integrations = session.scalars(select(Integration).where(Integration.account_id == account.id)).all()
    sites = session.execute(
        select(Campaign.id, Campaign.site_id).where(Campaign.account_id == account.id, Campaign.site_id.is_not(None))
    )
    campaigns, sources = (
        frozenset(
            session.scalars(select(table.id).where(table.account_id == account.id, table.archived_at.is_not(None)))
        )
        for table in (Campaign, Source)
    )
    return Ruling(
        {one.id: read_policy(session, account, one, catalogue) for one in integrations},
        {one.id: one.widget_channels for one in integrations},
        catalogue if cabinet.owns_directory else None,
        {campaign: site for campaign, site in sites},
        (campaigns, sources),
        cabinet.counts_visits,
    )


def cases(session: Session, account: Account, communications: Sequence[Communication]) -> list[Case]:
    """The communications with their visits. A handful of queries, however many they are (up to ``CHUNK``)."""
    clues = {one.id: clues_of(one) for one in communications}
    tokens = {said.token.visit for said in clues.values() if said.token and said.token.visit}
    named, elsewhere = _named(session, account, tokens)
    beacons, contacts = _beacons(session, communications), _contacts(session, account, communications)
    elsewhere_counted = not cabinet_of(account).counts_visits
    sessions = _beacon_sessions(session, communications) if elsewhere_counted else {}
    refused = _refused(session, communications) if elsewhere_counted else {}
    found = []
    for one in communications:
        token = clues[one.id].token
        session_id = token.visit if token else None
        found.append(
            Case(
                one,
                clues[one.id],
                named.get(session_id or ""),
                session_id in elsewhere,
                beacons.get(one.id),
                sessions.get(one.id),
                contacts.get(one.id),
                refused.get(one.id, {}),
            )
        )
    return found


def _named(session: Session, account: Account, tokens: set[str]) -> tuple[dict[str, Visit], set[str]]:
    """This account's visits by session, and the sessions that only another account has."""
    if not tokens:
        return {}, set()
    own = {
        visit.session_id: visit
        for visit in session.scalars(select(Visit).where(Visit.account_id == account.id, Visit.session_id.in_(tokens)))
    }
    rest = tokens - own.keys()
    others = set(session.scalars(select(Visit.session_id).where(Visit.session_id.in_(rest)))) if rest else set()
    return own, others


def _beacons(session: Session, communications: Sequence[Communication]) -> dict[int, Visit]:
    """Of the visits tied to a person the one of the conversation (``tied_visit``)."""
    tied: defaultdict[Person, list[tuple[Visit, datetime]]] = defaultdict(list)
    for integration, clients in _people(communications):
        for client, visit, at in session.execute(
            select(VisitTie.client, Visit, VisitTie.tied_at)
            .join(Visit, VisitTie.visit_id == Visit.id)
            .where(VisitTie.integration_id == integration, VisitTie.client.in_(clients))
            .order_by(Visit.started_at.desc())
        ):
            tied[integration, client].append((visit, at))
    found = {}
    for one in communications:
        visit = tied_visit(one, tied.get((one.integration_id, one.client or ""), [])[:MOST_TIED_VISITS])
        if visit is not None and visit.account_id == one.account_id:
            found[one.id] = visit
    return found


def _beacon_sessions(session: Session, communications: Sequence[Communication]) -> dict[int, str]:
    """Of the outside cabinet's sessions tied to a person the one of the conversation (``tied_session``)."""
    tied: defaultdict[Person, list[tuple[str, datetime]]] = defaultdict(list)
    for integration, clients in _people(communications):
        for client, number, at in session.execute(
            select(VisitTie.client, VisitTie.session_id, VisitTie.tied_at)
            .where(VisitTie.integration_id == integration, VisitTie.client.in_(clients), VisitTie.visit_id.is_(None))
            .order_by(VisitTie.tied_at.desc())
        ):
            tied[integration, client].append((number, at))
    found = {}
    for one in communications:
        number = tied_session(one, tied.get((one.integration_id, one.client or ""), [])[:MOST_TIED_VISITS])
        if number is not None:
            found[one.id] = number
    return found


def _refused(session: Session, communications: Sequence[Communication]) -> dict[int, Mapping[str, str]]:
    """The sessions that the outside cabinet did not take, as Cabinet.refused tells them one by one."""
    numbers = [one.id for one in communications]
    rows = session.execute(
        select(Delivery.communication_id, Delivery.refused).where(Delivery.communication_id.in_(numbers))
    )
    return {number: refused or {} for number, refused in rows}


def _people(communications: Sequence[Communication]) -> Iterable[tuple[int, set[str]]]:
    """The vendors' numbers of the people, by integration."""
    people: defaultdict[int, set[str]] = defaultdict(set)
    for one in communications:
        if one.client is not None:
            people[one.integration_id].add(one.client)
    return people.items()


def _contacts(session: Session, account: Account, communications: Sequence[Communication]) -> dict[int, Visit]:
    """The latest visit of the same phone or e-mail within the account's window, told by another communication."""
    phones = {one.contact_phone for one in communications if one.contact_phone}
    emails = {one.contact_email for one in communications if one.contact_email}
    if not account.contact_window_days or not (phones or emails):
        return {}
    window = timedelta(days=account.contact_window_days)
    starts = [one.started_at for one in communications]
    by_way: defaultdict[str, list[tuple[int, Visit]]] = defaultdict(list)
    rows = session.execute(
        select(Communication.id, Communication.contact_phone, Communication.contact_email, Visit)
        .join(Visit, Communication.visit_id == Visit.id)
        .where(
            Communication.account_id == account.id,
            or_(Communication.contact_phone.in_(phones), Communication.contact_email.in_(emails)),
            Visit.started_at.between(min(starts) - window, max(starts)),
        )
        .order_by(Visit.started_at.desc())
    )
    for number, phone, email, visit in rows:
        for way in {phone, email} - {None}:
            by_way[way].append((number, visit))
    found = {}
    for one in communications:
        oldest, visits = one.started_at - window, []
        for way in {one.contact_phone, one.contact_email} - {None}:
            visits += [
                visit
                for number, visit in by_way.get(way, ())
                if number != one.id and oldest <= visit.started_at <= one.started_at
            ]
        if visits:
            found[one.id] = max(visits, key=lambda visit: visit.started_at)
    return found


def chosen(
    account: Account, *, since: datetime | None, until: datetime | None = None, integration_id: int | None = None
):
    """The query of an account's communications that began within [since, until), of one integration if it is given."""
    query = select(Communication).where(Communication.account_id == account.id)
    if since:
        query = query.where(Communication.started_at >= since)
    if until:
        query = query.where(Communication.started_at < until)
    if integration_id:
        query = query.where(Communication.integration_id == integration_id)
    return query


def in_chunks(session: Session, account: Account, rows: Sequence[Communication]) -> Iterator[Case]:
    """The same for any number of communications."""
    for start in range(0, len(rows), CHUNK):
        yield from cases(session, account, rows[start : start + CHUNK])
