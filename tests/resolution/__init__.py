"""Values for the tests of resolution, with as little said as possible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from webapp.conversation import Clues, SessionToken
from webapp.resolution import (
    Attribution,
    Catalogue,
    Condition,
    Entry,
    Operator,
    Policy,
    Question,
    Sightings,
    Target,
    VisitFacts,
    resolve,
)

#: When the conversation of every test begins.
BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

OWN_TOKEN = SessionToken("as1.8f3c", "own", "8f3c")


def question(
    token: SessionToken | None = None, channel: str | None = None, has_contact: bool = False, **clues: Any
) -> Question:
    """A conversation that names this token and says these clues."""
    return Question(BEGAN, channel, Clues(token=token, **clues), has_contact)


def visit(number: int = 1, ago: timedelta = timedelta(hours=1), **facts: Any) -> VisitFacts:
    """A visit that began so long before the conversation."""
    return VisitFacts(number, facts.pop("session_id", f"session-{number}"), BEGAN - ago, **facts)


def entry(number: int, *rules: dict[str, str], priority: int = 100, site: int | None = None) -> Entry:
    """A campaign or source whose rules compare for equality."""
    conditions = tuple(tuple(Condition(mark, Operator.EQUALS, value) for mark, value in rule.items()) for rule in rules)
    return Entry(number, priority, conditions, site)


def decide(asked: Question, sightings: Sightings | None = None, **policy: Any) -> Attribution:
    """The decision on it, under a policy of which only this is said."""
    return resolve(asked, sightings or Sightings(), Policy(**policy))


def trail_of(decision: Attribution) -> list[tuple[str, str]]:
    """(rule, outcome) of each step."""
    return [(str(step.rule), str(step.outcome)) for step in decision.trail]


def facts_of(decision: Attribution, rule: str) -> dict[str, Any]:
    """What the step of this rule saw."""
    (facts,) = [step.facts for step in decision.trail if step.rule == rule]
    return dict(facts)


#: A policy that answers by every rule that looks at no visit: utm 21/31, channel 22, default 23.
EVERY_RULE: dict[str, Any] = {
    "catalogue": Catalogue(
        [entry(21, {"utm_source": "yandex"}, site=41)],
        [entry(31, {"utm_source": "yandex"}), entry(32, {"utm_medium": "social"})],
    ),
    "mapping": {"telegram": Target(campaign=22, site=42)},
    "default": Target(campaign=23, site=43),
}
