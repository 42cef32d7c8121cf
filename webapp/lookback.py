"""Decides again about stored communications, many at a time: what a change of the rules would do, or does (B2).

The rules are those of ``webapp.resolution``; visits are looked for as of ``webapp.attribution.sightings`` does it,
for hundreds of communications at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, load_only

from webapp.arrival import arrival_facts
from webapp.attribution import MOST_TIED_VISITS, read_policy
from webapp.cabinets import cabinet_of
from webapp.conversation import Clues
from webapp.enrichment import clues_of
from webapp.models import Account, Campaign, Communication, Integration, Visit, VisitTie
from webapp.resolution import (
    CLOCK_TOLERANCE,
    Attribution,
    Catalogue,
    Policy,
    Question,
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
    Communication.rule,
    Communication.utm,
    Communication.clues,
)

Meaning = tuple[int | None, int | None]


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


@dataclass(frozen=True)
class Case:
    """A communication and the visits that its clues lead to."""

    communication: Communication
    clues: Clues
    named: Visit | None
    named_elsewhere: bool
    beacon: Visit | None
    contact: Visit | None

    @property
    def visits(self) -> Iterator[Visit]:
        """Those there are."""
        return (visit for visit in (self.named, self.beacon, self.contact) if visit is not None)


@dataclass(frozen=True)
class Ruling:
    """The say of an account's rules and integrations at one moment.

    ``policies`` and ``labels`` (the channel of a vendor's channel id) are by integration. ``catalogue`` says what a
    visit's arrival means; None where visits are attributed elsewhere. ``sites`` are the campaigns'.
    """

    policies: Mapping[int, Policy]
    labels: Mapping[int, Mapping[str, str]]
    catalogue: Catalogue | None
    sites: Mapping[int, int]
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
            contact=self._facts(case.contact),
        )
        return resolve(question, sightings, self.policies[communication.integration_id])

    def meaning(self, visit: Visit) -> Meaning:
        """The campaign and the source of a visit, as the counter would decide them now. A visit of which the arrival is
        not known keeps what it has."""
        known = self._meanings.get(visit.id)
        if known is None:
            known = visit.campaign_id, visit.source_id
            facts = arrival_facts(visit.landing_url, visit.referrer) if self.catalogue else {}
            if self.catalogue and facts:
                campaign, source = self.catalogue.campaign(facts), self.catalogue.source(facts)
                known = campaign.entry.id if campaign else None, source.entry.id if source else None
            self._meanings[visit.id] = known
        return known

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
    return Ruling(
        {one.id: read_policy(session, account, one, catalogue) for one in integrations},
        {one.id: one.widget_channels for one in integrations},
        catalogue if cabinet.owns_directory else None,
        {campaign: site for campaign, site in sites},
    )


def cases(session: Session, account: Account, communications: Sequence[Communication]) -> list[Case]:
    """The communications with their visits. A handful of queries, however many they are (up to ``CHUNK``)."""
    clues = {one.id: clues_of(one) for one in communications}
    tokens = {said.token.visit for said in clues.values() if said.token and said.token.visit}
    named, elsewhere = _named(session, account, tokens)
    beacons, contacts = _beacons(session, communications), _contacts(session, account, communications)
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
                contacts.get(one.id),
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
    """Of the visits tied to a person the latest that began before the conversation, else the latest."""
    people: defaultdict[int, set[str]] = defaultdict(set)
    for one in communications:
        if one.client is not None:
            people[one.integration_id].add(one.client)
    tied: defaultdict[tuple[int, str], list[Visit]] = defaultdict(list)
    for integration, clients in people.items():
        for client, visit in session.execute(
            select(VisitTie.client, Visit)
            .join(Visit, VisitTie.visit_id == Visit.id)
            .where(VisitTie.integration_id == integration, VisitTie.client.in_(clients))
            .order_by(Visit.started_at.desc())
        ):
            tied[integration, client].append(visit)
    found = {}
    for one in communications:
        visits = tied.get((one.integration_id, one.client or ""), [])[:MOST_TIED_VISITS]
        latest = one.started_at + CLOCK_TOLERANCE
        visit = next((visit for visit in visits if visit.started_at <= latest), visits[0] if visits else None)
        if visit is not None and visit.account_id == one.account_id:
            found[one.id] = visit
    return found


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


# What would change


#: How far a forecast looks back, and at how many communications at most, the newest first.
FORECAST_DAYS, MOST_FORECAST = 30, 5000

#: Communications shown of each kind of change.
MOST_EXAMPLES = 3


@dataclass(frozen=True)
class Shift:
    """So many communications would go from one to the other; ``examples`` are the newest of them."""

    before: Decided
    after: Decided
    count: int = 0
    examples: tuple[Communication, ...] = ()


@dataclass(frozen=True)
class Forecast:
    """How stored communications would be attributed. ``cut``: there are more than were looked at.

    ``anyway`` of the ``changed`` would change by the saved rules alone: they were decided by older ones.
    """

    seen: int
    cut: bool
    shifts: tuple[Shift, ...]
    anyway: int

    @property
    def changed(self) -> int:
        """How many would go elsewhere."""
        return sum(shift.count for shift in self.shifts)


def forecast(
    session: Session,
    account: Account,
    new: Ruling,
    saved: Ruling,
    *,
    since: datetime,
    until: datetime | None = None,
    integration_id: int | None = None,
    most: int = MOST_FORECAST,
) -> Forecast:
    """What ``new`` would make of the newest communications of this time, tests left out. Writes nothing."""
    shifts: dict[tuple[Decided, Decided], Shift] = {}
    anyway = 0
    newest = chosen(account, since=since, until=until, integration_id=integration_id)
    rows = session.scalars(
        newest.where(Communication.is_test.is_(False))
        .options(load_only(*LOOKED_AT))
        .order_by(Communication.started_at.desc(), Communication.id.desc())
        .limit(most + 1)
    ).all()
    for case in _in_chunks(session, account, rows[:most]):
        before, after = Decided.of(case.communication), Decided.by(new.decide(case))
        if before == after:
            continue
        anyway += Decided.by(saved.decide(case)) == after
        shift = shifts.get((before, after), Shift(before, after))
        examples = shift.examples
        if len(examples) < MOST_EXAMPLES:
            examples = (*examples, case.communication)
        shifts[before, after] = replace(shift, count=shift.count + 1, examples=examples)
    ordered = sorted(shifts.values(), key=lambda shift: -shift.count)
    return Forecast(min(len(rows), most), len(rows) > most, tuple(ordered), anyway)


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


def _in_chunks(session: Session, account: Account, rows: Sequence[Communication]) -> Iterable[Case]:
    for start in range(0, len(rows), CHUNK):
        yield from cases(session, account, rows[start : start + CHUNK])
