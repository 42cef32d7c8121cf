"""Brings the rows to the rules and the decision back to the row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, bindparam, or_, select
from sqlalchemy.orm import Session

from webapp.cabinets import cabinet_of
from webapp.conversation import Contact, SessionToken
from webapp.enrichment import clues_of
from webapp.models import Account, Campaign, ChannelMapping, Communication, Integration, VendorClient, Visit, VisitTie
from webapp.resolution import (
    CLOCK_TOLERANCE,
    Attribution,
    Catalogue,
    Outcome,
    Policy,
    Question,
    Rule,
    Sightings,
    Target,
    VisitFacts,
    resolve,
)

#: How many integrations' policies and accounts' rules a process keeps ready.
KEPT = 512

#: So many visits of a person are looked at for the one of a conversation.
MOST_TIED_VISITS = 50

#: A tie speaks of a conversation until so long after its end. When a visit began is known, so it may be as long as a
#: silent chat is waited for; of an outside cabinet's session it is not, and after such a pause another one begins.
LATE_TIE = timedelta(days=1)
LATE_SESSION = timedelta(minutes=30)

#: The rules that decide by a visit.
BY_VISIT = frozenset((Rule.VISIT, Rule.BEACON, Rule.CONTACT))

# Built once, and in Core where the way of every webhook goes: the ORM's share of its time was the largest.
_people = VendorClient.__table__.c
_CLIENT = select(
    _people.name, _people.phone, _people.phone_raw, _people.email, _people.token, _people.visit_tied_at
).where(_people.integration_id == bindparam("integration_id"), _people.client == bindparam("client"))
_NAMED = select(Visit).where(Visit.session_id == bindparam("session_id"))
_TIED = (
    select(Visit, VisitTie.tied_at)
    .join(VisitTie, VisitTie.visit_id == Visit.id)
    .where(
        VisitTie.integration_id == bindparam("integration_id"),
        VisitTie.client == bindparam("client"),
        Visit.account_id == bindparam("account_id"),
    )
    .order_by(Visit.started_at.desc())
    .limit(MOST_TIED_VISITS)
)


@dataclass(frozen=True)
class Client:
    """What is known of a person by the vendor's number for them. ``tied``: a beacon told of visits of theirs."""

    contact: Contact
    token: SessionToken | None
    tied: bool


@dataclass(frozen=True)
class _Directory:
    """What intake needs of an account's directory."""

    catalogue: Catalogue
    employees: Mapping[str, int]


@dataclass
class _Kept:
    """What a process has read of one database, and of which revision it is."""

    directories: dict[int, tuple[int, _Directory]]
    policies: dict[int, tuple[Any, Policy]]


_kept: WeakKeyDictionary[Any, _Kept] = WeakKeyDictionary()


def attribute(
    session: Session, integration: Integration, communication: Communication, client: Client | None
) -> Attribution:
    """Decide who brought this communication, and write the decision and its trail into it.

    ``client`` is what is known of the person beyond this conversation (``find_client``). What was decided by a session
    that is gone stays, unless another session is found: the day's rules would know less.
    """
    decision = _decide(session, integration, communication, client)
    counted_here = cabinet_of(integration.account).counts_visits
    if decision.by_session or not session_is_gone(communication, counted_here):
        write_decision(communication, decision)
    return decision


def attribute_by_tie(
    session: Session, integration: Integration, communication: Communication, client: Client | None, tied_at: datetime
) -> bool:
    """The same on the occasion of a tie alone; false where it says nothing of this communication.

    Then the decision stays as it is, whatever the rules have become since: those change the past on demand only (B2).
    """
    counted_here = cabinet_of(integration.account).counts_visits
    in_time = _in_time(communication, tied_at, LATE_TIE if counted_here else LATE_SESSION)
    if communication.rule == Rule.VISIT or not in_time:
        return False
    decision = _decide(session, integration, communication, client)
    if not decision.by_session and (
        session_is_gone(communication, counted_here) or _answer(decision) != _answer_of(communication)
    ):
        return False
    write_decision(communication, decision)
    return True


def _decide(
    session: Session, integration: Integration, communication: Communication, client: Client | None
) -> Attribution:
    account = integration.account
    question = Question(
        started_at=communication.started_at,
        channel=communication.channel,
        clues=clues_of(communication),
        has_contact=bool(communication.contact_phone or communication.contact_email),
    )
    return resolve(
        question,
        sightings(session, account, communication, question, client),
        policy(session, account, integration),
    )


def session_is_gone(communication: Communication, counted_here: bool) -> bool:
    """True when a session decided that cannot be looked at any more: it has expired, was erased, or is not of the
    account's present cabinet. ``counted_here``: that one's sessions are visits."""
    if (communication.visit_id if counted_here else communication.session_named) is not None:
        return False
    return communication.rule in BY_VISIT or any(
        step["outcome"] == Outcome.NO_CAMPAIGN for step in communication.trail or ()
    )


def write_decision(communication: Communication, decision: Attribution) -> None:
    """Write a decision and its trail into the communication."""
    communication.rule = str(decision.rule)
    communication.campaign_id = decision.campaign
    communication.source_id = decision.source
    communication.site_id = decision.site
    communication.visit_id = decision.visit
    communication.session_named = decision.session
    communication.trail = [
        {"rule": str(step.rule), "outcome": str(step.outcome), "facts": dict(step.facts)} for step in decision.trail
    ]


def _answer(decision: Attribution) -> tuple[Any, ...]:
    return decision.rule, decision.campaign, decision.source, decision.site, decision.visit, decision.session


def _answer_of(row: Communication) -> tuple[Any, ...]:
    return row.rule, row.campaign_id, row.source_id, row.site_id, row.visit_id, row.session_named


def policy(session: Session, account: Account, integration: Integration) -> Policy:
    """The account's and the integration's say, as the rules take it; read again only when something has changed."""
    kept = _kept_of(session).policies
    revision = (integration.revision, account.revision)
    known = kept.get(integration.id)
    if known is None or known[0] != revision:
        known = (revision, read_policy(session, account, integration, catalogue(session, account)))
        _keep(kept, integration.id, known)
    return known[1]


def read_policy(session: Session, account: Account, integration: Integration, rules: Catalogue) -> Policy:
    """The same as the rows say it in this transaction, kept nowhere."""
    mappings = session.scalars(select(ChannelMapping).where(ChannelMapping.integration_id == integration.id))
    return Policy(
        catalogue=rules,
        mapping={mapping.channel: _target(session, mapping) for mapping in mappings},
        default=_target(session, integration),
        fill_without_campaign=integration.fill_without_campaign,
        contact_window_days=account.contact_window_days,
        **cabinet_of(account).policy(session, integration),
    )


def catalogue(session: Session, account: Account) -> Catalogue:
    """The rules of the account's campaigns and sources, ready; read again only when its directory has changed. Not for
    a transaction that changes them and may be taken back."""
    return _directory(session, account).catalogue


def find_client(connection: Connection, integration_id: int, number: str) -> Client | None:
    """The person of this number, if anything is known of them beyond their conversations."""
    row = connection.execute(_CLIENT, {"integration_id": integration_id, "client": number}).first()
    if row is None:
        return None
    token = SessionToken(**row.token) if row.token else None
    return Client(Contact(row.name, row.phone, row.phone_raw, row.email), token, row.visit_tied_at is not None)


def employee_by_email(session: Session, account: Account, emails: Sequence[str]) -> int | None:
    """The first of these operators who is an employee, by e-mail; None when none is."""
    if not emails:
        return None
    known = _directory(session, account).employees
    return next((known[email.casefold()] for email in emails if email.casefold() in known), None)


def sightings(
    session: Session, account: Account, communication: Communication, question: Question, client: Client | None
) -> Sightings:
    """The visits that the clues lead to. A session of another account is only said to be one, never shown."""
    token = question.clues.token
    named, elsewhere = None, False
    if token and token.visit:
        found = session.scalars(_NAMED, {"session_id": token.visit}).all()
        named = next((visit for visit in found if visit.account_id == account.id), None)
        elsewhere = bool(found) and named is None
    return Sightings(
        named=_facts(session, named),
        named_elsewhere=elsewhere,
        beacon=_facts(session, _beacon(session, communication, client)),
        beacon_session=_beacon_session(session, account, communication, client),
        contact=_facts(session, _by_contact(session, account, communication)),
        refused=cabinet_of(account).refused(session, communication),
    )


def forget() -> None:
    """Give up what was kept, as when a database is emptied under a running process."""
    _kept.clear()


def _kept_of(session: Session) -> _Kept:
    """Kept apart for each database, and given up with its engine."""
    return _kept.setdefault(session.get_bind(), _Kept({}, {}))


def _keep(kept: dict[int, Any], key: int, value: Any) -> None:
    if len(kept) >= KEPT:
        kept.pop(next(iter(kept)), None)
    kept[key] = value


def _directory(session: Session, account: Account) -> _Directory:
    """The account's rules and employees, read again only when its directory has changed."""
    kept = _kept_of(session).directories
    known = kept.get(account.id)
    if known is None or known[0] != account.revision:
        cabinet = cabinet_of(account)
        known = (
            account.revision,
            _Directory(cabinet.catalogue(session, account), cabinet.employees(session, account)),
        )
        _keep(kept, account.id, known)
    return known[1]


def _target(session: Session, row: Integration | ChannelMapping) -> Target:
    """A campaign brings its own site."""
    site = row.site_id
    if row.campaign_id is not None:
        site = session.scalar(select(Campaign.site_id).where(Campaign.id == row.campaign_id))
    return Target(row.campaign_id, row.source_id, site)


def _facts(session: Session, visit: Visit | None) -> VisitFacts | None:
    """A visit as the rules take it. Without a site of its own it has its campaign's."""
    if visit is None:
        return None
    site = visit.site_id
    if site is None and visit.campaign_id is not None:
        site = session.scalar(select(Campaign.site_id).where(Campaign.id == visit.campaign_id))
    return VisitFacts(
        id=visit.id,
        session_id=visit.session_id,
        started_at=visit.started_at,
        campaign=visit.campaign_id,
        source=visit.source_id,
        site=site,
        marks=dict(visit.marks or {}),
    )


def tied_visit(communication: Communication, ties: Iterable[tuple[Visit, datetime]]) -> Visit | None:
    """Of the visits tied to a person, the latest first with the moments of the ties, the one of this conversation: the
    latest that began before it; else the latest, which the rule will refuse and tell why."""
    begun = communication.started_at + CLOCK_TOLERANCE
    said = [visit for visit, at in ties if visit.started_at > begun or _in_time(communication, at, LATE_TIE)]
    return next((visit for visit in said if visit.started_at <= begun), said[0] if said else None)


def tied_session(communication: Communication, ties: Sequence[tuple[str, datetime]]) -> str | None:
    """Of the outside cabinet's sessions tied to a person, the latest first, the last one before the conversation, else
    the first that was told until soon after it: when they began only the cabinet knows."""
    before = [number for number, at in ties if at <= communication.started_at + CLOCK_TOLERANCE]
    said = before[:1] or [number for number, at in ties if _in_time(communication, at, LATE_SESSION)][-1:]
    return said[0] if said else None


def _in_time(communication: Communication, tied_at: datetime, grace: timedelta) -> bool:
    """Whether a tie came soon enough to speak of this conversation; one that goes on may always be explained."""
    return communication.finished_at is None or tied_at <= communication.finished_at + grace


def _beacon(session: Session, communication: Communication, client: Client | None) -> Visit | None:
    if client is None or not client.tied:
        return None
    whose = {
        "account_id": communication.account_id,
        "integration_id": communication.integration_id,
        "client": communication.client,
    }
    return tied_visit(communication, [(row.Visit, row.tied_at) for row in session.execute(_TIED, whose)])


def _beacon_session(
    session: Session, account: Account, communication: Communication, client: Client | None
) -> str | None:
    if client is None or not client.tied or cabinet_of(account).counts_visits:
        return None
    told = session.execute(
        select(VisitTie.session_id, VisitTie.tied_at)
        .where(
            VisitTie.integration_id == communication.integration_id,
            VisitTie.client == communication.client,
            VisitTie.visit_id.is_(None),
        )
        .order_by(VisitTie.tied_at.desc())
        .limit(MOST_TIED_VISITS)
    )
    return tied_session(communication, [(row.session_id, row.tied_at) for row in told])


def _by_contact(session: Session, account: Account, communication: Communication) -> Visit | None:
    """The latest visit that an earlier communication of the same phone or e-mail was tied to."""
    if not account.contact_window_days:
        return None
    ways = [
        column == value
        for column, value in (
            (Communication.contact_phone, communication.contact_phone),
            (Communication.contact_email, communication.contact_email),
        )
        if value
    ]
    if not ways:
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
