"""Who brought this conversation? Pure rules: no Flask, no SQL, no clock, no network (DESIGN §5)."""

from __future__ import annotations

from .catalogue import Catalogue, Entry, Match
from .conditions import Condition, Facts, Operator
from .explanation import Explanation, Verdict, explain
from .rules import CLOCK_TOLERANCE, IN_ORDER, OVER_VISITS, Finding
from .values import MARKS, Attribution, Outcome, Policy, Question, Rule, Sightings, Step, Target, VisitFacts

__all__ = [
    "CLOCK_TOLERANCE",
    "MARKS",
    "Attribution",
    "Catalogue",
    "Condition",
    "Entry",
    "Explanation",
    "Facts",
    "Match",
    "Operator",
    "Outcome",
    "Policy",
    "Question",
    "Rule",
    "Sightings",
    "Step",
    "Target",
    "Verdict",
    "VisitFacts",
    "explain",
    "resolve",
]


def resolve(question: Question, sightings: Sightings, policy: Policy) -> Attribution:
    """Ask the rules in order; the first with an answer decides.

    A visit that matched no campaign is an answer of its own. With ``policy.fill_without_campaign`` it is kept, and
    the later rules are asked for what it lacks (J13); if they have nothing to add, the visit remains the answer.
    """
    trail: list[Step] = []
    kept_rule, kept = Rule.NONE, Finding()
    for rule in IN_ORDER:
        if kept.visit is not None and rule in OVER_VISITS:
            continue
        step, finding = rule(question, sightings, policy)
        if finding and finding.visit is not None and finding.campaign is None and _may_be_filled(policy):
            kept_rule, kept = step.rule, finding
            step, finding = Step(step.rule, Outcome.NO_CAMPAIGN, step.facts), None
        if finding and not _adds(finding, kept):
            step, finding = Step(step.rule, Outcome.ADDS_NOTHING, step.facts), None
        trail.append(step)
        if finding:
            return _attribution(step.rule, finding, kept, trail)
    return _attribution(kept_rule, kept, Finding(), trail)


def _may_be_filled(policy: Policy) -> bool:
    """Only who counts the visits knows that one has no campaign."""
    return policy.fill_without_campaign and not policy.sessions_elsewhere


def _adds(finding: Finding, kept: Finding) -> bool:
    """A default source says less than the source that the kept visit really came from."""
    return finding.campaign is not None or kept.source is None


def _attribution(rule: Rule, finding: Finding, kept: Finding, trail: list[Step]) -> Attribution:
    """The site is the visit's, else the campaign's, else that of the mapping or default; a visit's source stands."""
    return Attribution(
        rule=rule,
        campaign=finding.campaign,
        source=finding.source if kept.source is None else kept.source,
        site=finding.site if kept.site is None else kept.site,
        visit=finding.visit if kept.visit is None else kept.visit,
        trail=tuple(trail),
        session=finding.session,
    )
