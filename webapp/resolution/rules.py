"""The rules, one function each. A rule gives its line of the trail and, if it has an answer, a Finding."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from webapp.arrival import BEYOND_UTM, REFERRER_MARKS, UTM_MARKS, arrival_facts, arrival_marks, host_of
from webapp.conversation import Clues

from .conditions import Facts
from .values import LARGEST_SESSION, MARKS, Outcome, Policy, Question, Rule, Sightings, Step, Target, VisitFacts

#: A cabinet takes no older session (contracts/dataapi.md).
OLDEST_VISIT = timedelta(days=180)

DAY = timedelta(days=1)

#: Vendors tell whole seconds and their clocks are not ours: so much may a visit begin "after" its chat.
CLOCK_TOLERANCE = timedelta(seconds=60)


@dataclass(frozen=True)
class Finding:
    """What a rule that answered would give."""

    campaign: int | None = None
    source: int | None = None
    site: int | None = None
    visit: int | None = None
    session: str | None = None


Answer = tuple[Step, Finding | None]


def visit(question: Question, sightings: Sightings, policy: Policy) -> Answer:
    """The visit whose session the payload names."""
    token = question.clues.token
    if token is None:
        return Step(Rule.VISIT, Outcome.ABSENT, {"page": bool(question.clues.page_url)}), None
    if token.visit is None:
        return Step(Rule.VISIT, Outcome.FOREIGN, {"kind": token.kind}), None
    if policy.sessions_elsewhere:
        return _unchecked(Rule.VISIT, token.visit, token.kind, sightings)
    if sightings.named is None:
        outcome = Outcome.OTHER_ACCOUNT if sightings.named_elsewhere else Outcome.UNKNOWN
        return Step(Rule.VISIT, outcome, {"session": token.visit}), None
    return _seen(Rule.VISIT, question, sightings.named, OLDEST_VISIT)


def beacon(question: Question, sightings: Sightings, policy: Policy) -> Answer:
    """The visit that the site script tied to the vendor's number of this person (B6)."""
    if policy.sessions_elsewhere and sightings.beacon_session is not None:
        return _unchecked(Rule.BEACON, sightings.beacon_session, "own", sightings)
    if sightings.beacon is None:
        return Step(Rule.BEACON, Outcome.ABSENT, {"client": question.clues.client}), None
    refused = sightings.refused.get(sightings.beacon.session_id)
    if refused is not None:
        return Step(Rule.BEACON, Outcome.REFUSED, {"session": sightings.beacon.session_id, "why": refused}), None
    return _seen(Rule.BEACON, question, sightings.beacon, OLDEST_VISIT)


def contact(question: Question, sightings: Sightings, policy: Policy) -> Answer:
    """The latest visit of the same phone or e-mail, within the account's window."""
    if not policy.contact_window_days:
        return Step(Rule.CONTACT, Outcome.OFF), None
    if not question.has_contact or sightings.contact is None:
        return Step(Rule.CONTACT, Outcome.ABSENT, {"contact": question.has_contact}), None
    window = timedelta(days=policy.contact_window_days)
    return _seen(Rule.CONTACT, question, sightings.contact, min(window, OLDEST_VISIT))


def utm(question: Question, sightings: Sightings, policy: Policy) -> Answer:
    """The marks that came with the payload, by the campaigns' and sources' rules (B9)."""
    marks, arrival = _told_by(question.clues)
    if not marks:
        return Step(Rule.UTM, Outcome.ABSENT), None
    campaign, source = policy.catalogue.campaign(arrival), policy.catalogue.source(arrival)
    facts: dict[str, Any] = {"marks": marks}
    if campaign is None and source is None and policy.marks_elsewhere and any(mark in UTM_MARKS for mark in marks):
        return _marks_elsewhere(question, sightings, policy, facts)
    if campaign is None and source is None:
        return Step(Rule.UTM, Outcome.NO_MATCH, facts), None
    if campaign:
        facts |= {"campaign": campaign.entry.id, "campaign_rule": campaign.rule + 1}
    if source:
        facts |= {"source": source.entry.id, "source_rule": source.rule + 1}
    finding = Finding(
        campaign=campaign.entry.id if campaign else None,
        source=source.entry.id if source else None,
        site=campaign.entry.site if campaign else None,
    )
    return Step(Rule.UTM, Outcome.ANSWERED, facts), finding


def channel(question: Question, sightings: Sightings, policy: Policy) -> Answer:
    """The messenger's row in «Соответствие мессенджеров и источников» (J15)."""
    if question.channel is None:
        return Step(Rule.CHANNEL, Outcome.ABSENT, {"widget": question.clues.widget}), None
    target = policy.mapping.get(question.channel)
    if target is None or target.empty:
        return Step(Rule.CHANNEL, Outcome.UNMAPPED, {"channel": question.channel}), None
    return Step(Rule.CHANNEL, Outcome.ANSWERED, {"channel": question.channel, **_facts(target)}), _given(target)


def default(question: Question, sightings: Sightings, policy: Policy) -> Answer:
    """The integration's campaign, or source and site (J7, J14)."""
    if policy.default.empty:
        return Step(Rule.DEFAULT, Outcome.NOT_SET), None
    return Step(Rule.DEFAULT, Outcome.ANSWERED, _facts(policy.default)), _given(policy.default)


#: Every rule that can have an answer, in order.
IN_ORDER = (visit, beacon, contact, utm, channel, default)

#: The rules that look for a visit; needless once one is found.
OVER_VISITS = (visit, beacon, contact)


def _told_by(clues: Clues) -> tuple[dict[str, str], Facts]:
    """The marks in a payload and its page's address, and all that they tell of the arrival.

    A page with marks in its address is the one that was landed on. Of any other nothing is known but the utm marks, and
    the referrer is never told: rules about what is not known must not hold.
    """
    told = {f"utm_{key}": value for key, value in clues.utm.items() if value}
    on_page = arrival_marks(clues.page_url)
    if not on_page:
        return told, dict.fromkeys(BEYOND_UTM) | told
    facts = dict.fromkeys(REFERRER_MARKS) | arrival_facts(clues.page_url, None)
    if told:
        # Those of the page went before the session's when the payload was read.
        on_page, facts = ({name: one[name] for name in one if name not in UTM_MARKS} for one in (on_page, facts))
    return on_page | told, facts | told


def _unchecked(rule: Rule, session: str, kind: str, sightings: Sightings) -> Answer:
    """A session of an outside cabinet: it is named and handed on, and only the cabinet knows whether it is one."""
    if not (session.isascii() and session.isdecimal() and 0 < int(session) <= LARGEST_SESSION):
        return Step(rule, Outcome.FOREIGN, {"kind": kind}), None
    if session in sightings.refused:
        return Step(rule, Outcome.REFUSED, {"session": session, "why": sightings.refused[session]}), None
    return Step(rule, Outcome.ANSWERED, {"session": session, "unchecked": True}), Finding(session=session)


def _marks_elsewhere(question: Question, sightings: Sightings, policy: Policy, facts: dict[str, Any]) -> Answer:
    """The outside cabinet has the rules: it is told of a session with these marks. That needs a site."""
    site = policy.sites.get(host_of(question.clues.page_url or ""), policy.default.site)
    if MARKS in sightings.refused:
        return Step(Rule.UTM, Outcome.REFUSED, facts | {"why": sightings.refused[MARKS]}), None
    if site is None:
        return Step(Rule.UTM, Outcome.NO_MATCH, facts), None
    return Step(Rule.UTM, Outcome.ANSWERED, facts | {"site": site, "unchecked": True}), Finding(site=site)


def _seen(rule: Rule, question: Question, found: VisitFacts, oldest: timedelta) -> Answer:
    """A visit is good when it began before the conversation, and not too long before."""
    facts: dict[str, Any] = {
        "session": found.session_id,
        "started_at": found.started_at.isoformat(),
        "marks": dict(found.marks),
        "campaign": found.campaign,
        "source": found.source,
    }
    age = question.started_at - found.started_at
    if age < -CLOCK_TOLERANCE:
        return Step(rule, Outcome.LATER, facts), None
    if age > oldest:
        # Begun days count: a visit that is a second too old is not said to be as old as it may be.
        return Step(rule, Outcome.TOO_OLD, facts | {"days": -(-age // DAY), "limit": oldest.days}), None
    if age >= DAY:
        facts["age_days"] = age // DAY
    return Step(rule, Outcome.ANSWERED, facts), Finding(found.campaign, found.source, found.site, found.id)


def _facts(target: Target) -> dict[str, int]:
    pairs = {"campaign": target.campaign, "source": target.source, "site": target.site}
    return {name: value for name, value in pairs.items() if value is not None}


def _given(target: Target) -> Finding:
    return Finding(target.campaign, target.source, target.site)
