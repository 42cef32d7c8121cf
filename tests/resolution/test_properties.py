"""What holds for every decision, whatever it is made from."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from webapp.conversation import UTM_KEYS, Clues, SessionToken
from webapp.resolution import (
    Attribution,
    Catalogue,
    Condition,
    Entry,
    Operator,
    Outcome,
    Policy,
    Question,
    Rule,
    Sightings,
    Target,
    VisitFacts,
    resolve,
)

IN_ORDER = list(Rule)
OVER_VISITS = {Rule.VISIT, Rule.BEACON, Rule.CONTACT}

WORDS = st.sampled_from(["a", "B", "yandex", "cpc", "", "шторы"])
MOMENTS = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),
    st.datetimes(datetime(2026, 6, 1), datetime(2026, 6, 2)),
    st.datetimes(),
).map(lambda moment: moment.replace(tzinfo=UTC))

# Each kind of id has numbers of its own, so that one in the wrong place is noticed.
CAMPAIGNS, SOURCES, SITES = st.integers(100, 109), st.integers(200, 209), st.integers(300, 309)
TARGETS = st.one_of(
    st.just(Target()),
    st.builds(Target, campaign=CAMPAIGNS, site=st.none() | SITES),
    st.builds(Target, source=SOURCES, site=st.none() | SITES),
)
VISITS = st.builds(
    VisitFacts,
    st.integers(400, 409),
    st.text(max_size=5),
    MOMENTS,
    st.none() | CAMPAIGNS,
    st.none() | SOURCES,
    st.none() | SITES,
    st.dictionaries(st.sampled_from(UTM_KEYS), WORDS),
)
TOKENS = st.builds(
    SessionToken,
    st.text(max_size=10),
    st.sampled_from(["own", "comagic_cookie", "credentials", "json", "digits", "jwt", "foreign", "too_long"]),
    st.none() | st.text(min_size=1, max_size=10),
)
CLUES = st.builds(
    Clues,
    st.none() | TOKENS,
    st.none() | st.text(max_size=5),
    st.none() | st.text(max_size=5),
    st.dictionaries(st.sampled_from(UTM_KEYS), WORDS),
    st.none() | st.text(max_size=5),
)
CONDITIONS = st.builds(
    Condition, st.sampled_from([f"utm_{key}" for key in UTM_KEYS]), st.sampled_from(list(Operator)), WORDS
)
RULES = st.lists(st.lists(CONDITIONS, max_size=2).map(tuple), max_size=2).map(tuple)


def entries(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[list[Entry]]:
    """A few campaigns or sources."""
    made = st.builds(Entry, numbers, st.integers(1, 3), RULES, st.none() | SITES)
    return st.lists(made, max_size=3, unique_by=lambda one: one.id)


CHANNELS = st.sampled_from(["site", "telegram", "whatsapp"])
QUESTIONS = st.builds(Question, MOMENTS, st.none() | CHANNELS, CLUES, st.booleans())
SIGHTINGS = st.builds(Sightings, st.none() | VISITS, st.booleans(), st.none() | VISITS, st.none() | VISITS)
POLICIES = st.builds(
    Policy,
    st.builds(Catalogue, entries(CAMPAIGNS), entries(SOURCES)),
    st.dictionaries(CHANNELS, TARGETS),
    TARGETS,
    st.booleans(),
    st.none() | st.integers(0, 3650),
)


@given(QUESTIONS, SIGHTINGS, POLICIES)
def test_every_question_is_answered_and_the_same_way_each_time(
    question: Question, sightings: Sightings, policy: Policy
) -> None:
    first = resolve(question, sightings, policy)

    assert isinstance(first, Attribution)
    assert resolve(question, sightings, policy) == first


@given(QUESTIONS, SIGHTINGS, POLICIES)
def test_the_trail_tells_the_rules_in_order_up_to_the_one_that_decided(
    question: Question, sightings: Sightings, policy: Policy
) -> None:
    decision = resolve(question, sightings, policy)

    tried = [step.rule for step in decision.trail]
    kept = [step.rule for step in decision.trail if step.outcome == Outcome.NO_CAMPAIGN]
    answered = [step.rule for step in decision.trail if step.outcome == Outcome.ANSWERED]
    needless = [rule for rule in OVER_VISITS if kept and IN_ORDER.index(rule) > IN_ORDER.index(kept[0])]
    expected = [rule for rule in IN_ORDER if rule is not Rule.NONE and rule not in needless]
    assert tried == expected[: len(tried)]
    assert len(kept) <= 1
    if answered:
        assert answered == [decision.rule] == tried[-1:]
    else:
        assert tried == expected, "nobody answered, so everybody was asked"
        assert decision.rule == (kept[0] if kept else Rule.NONE)


@given(QUESTIONS, SIGHTINGS, POLICIES)
def test_no_id_is_given_that_was_not_told(question: Question, sightings: Sightings, policy: Policy) -> None:
    seen = [one for one in (sightings.named, sightings.beacon, sightings.contact) if one]
    targets = [*policy.mapping.values(), policy.default]
    marks = {f"utm_{key}": value for key, value in question.clues.utm.items() if value}
    campaign, source = policy.catalogue.campaign(marks), policy.catalogue.source(marks)

    decision = resolve(question, sightings, policy)

    by_marks = {campaign.entry.id} if campaign else set()
    assert decision.campaign in {None} | by_marks | {one.campaign for one in (*seen, *targets)}
    assert decision.source in {None} | ({source.entry.id} if source else set()) | {
        one.source for one in (*seen, *targets)
    }
    sites = {campaign.entry.site} if campaign else set()
    assert decision.site in {None} | sites | {one.site for one in (*seen, *targets)}
    assert decision.visit in {None} | {one.id for one in seen}


@given(QUESTIONS, SIGHTINGS, POLICIES)
def test_a_visit_in_a_decision_is_one_that_the_trail_accepted(
    question: Question, sightings: Sightings, policy: Policy
) -> None:
    decision = resolve(question, sightings, policy)

    good = [step for step in decision.trail if step.outcome in (Outcome.ANSWERED, Outcome.NO_CAMPAIGN)]
    from_visits = [step for step in good if step.rule in OVER_VISITS]
    if decision.visit is None:
        assert not from_visits
    else:
        (step,) = from_visits
        ways = {Rule.VISIT: sightings.named, Rule.BEACON: sightings.beacon, Rule.CONTACT: sightings.contact}
        found = ways[step.rule]
        assert found is not None
        assert decision.visit == found.id
        assert timedelta(seconds=-60) <= question.started_at - found.started_at <= timedelta(days=180)
        assert decision.site == (found.site if found.site is not None else decision.site)
        assert decision.source == (found.source if found.source is not None else decision.source)


@given(QUESTIONS, SIGHTINGS, POLICIES, SIGHTINGS, POLICIES)
def test_what_later_rules_know_never_changes_the_answer_of_an_earlier_one(
    question: Question, sightings: Sightings, policy: Policy, other: Sightings, others: Policy
) -> None:
    decision = resolve(question, sightings, policy)
    if decision.trail[-1].outcome != Outcome.ANSWERED:
        return

    owners = {"beacon": Rule.BEACON, "contact": Rule.CONTACT, "mapping": Rule.CHANNEL, "default": Rule.DEFAULT}
    later = {name for name, rule in owners.items() if IN_ORDER.index(rule) > IN_ORDER.index(decision.rule)}
    if IN_ORDER.index(decision.rule) < IN_ORDER.index(Rule.UTM):
        later.add("catalogue")
    if IN_ORDER.index(decision.rule) < IN_ORDER.index(Rule.CONTACT):
        later.add("contact_window_days")
    seen = {field.name: getattr(other, field.name) for field in fields(Sightings) if field.name in later}
    said = {field.name: getattr(others, field.name) for field in fields(Policy) if field.name in later}

    assert resolve(question, replace(sightings, **seen), replace(policy, **said)) == decision


@given(QUESTIONS, SIGHTINGS, POLICIES)
def test_the_trail_is_json_and_names_no_visit_of_another_account(
    question: Question, sightings: Sightings, policy: Policy
) -> None:
    elsewhere = replace(sightings, named=None, named_elsewhere=True)

    decision = resolve(question, elsewhere, policy)

    for step in decision.trail:
        json.dumps(dict(step.facts))
        if step.outcome == Outcome.OTHER_ACCOUNT:
            assert question.clues.token is not None
            assert dict(step.facts) == {"session": question.clues.token.visit}


@given(QUESTIONS, SIGHTINGS, POLICIES)
def test_the_switch_only_ever_adds(question: Question, sightings: Sightings, policy: Policy) -> None:
    """J13: with the switch on, nothing that the visit said is lost."""
    off = resolve(question, sightings, replace(policy, fill_without_campaign=False))
    on = resolve(question, sightings, replace(policy, fill_without_campaign=True))

    if off.visit is None or off.campaign is not None:
        assert on == off
    else:
        assert on.visit == off.visit
        for name in ("source", "site"):
            known = getattr(off, name)
            assert known is None or getattr(on, name) == known
