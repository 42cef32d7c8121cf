"""Where visits are counted by an outside cabinet: sessions are handed on, not looked up (DESIGN §5, end)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.resolution import OWN_TOKEN, decide, question, visit
from webapp.conversation import SessionToken
from webapp.resolution import MARKS, Outcome, Rule, Sightings, Target

DEFAULT = Target(campaign=7, site=3)
MARKED = {"source": "yandex", "medium": "cpc"}


def named(session: str) -> SessionToken:
    """A token of ours that names this session."""
    return SessionToken(f"as1.{session}", "own", session)


def test_a_named_session_answers_without_being_looked_up():
    decision = decide(question(named("14700000001")), sessions_elsewhere=True, default=DEFAULT)
    assert (decision.rule, decision.session, decision.visit, decision.campaign) == (
        Rule.VISIT, "14700000001", None, None,
    )  # fmt: skip
    assert decision.trail[0].facts == {"session": "14700000001", "unchecked": True}


def test_here_it_is_looked_up():
    decision = decide(question(named("14700000001")), default=DEFAULT)
    assert (decision.rule, decision.session) == (Rule.DEFAULT, None)


def test_a_session_that_was_refused_leaves_it_to_the_later_rules():
    sightings = Sightings(refused={"14700000001": "entity_not_found"})
    decision = decide(question(named("14700000001")), sightings, sessions_elsewhere=True, default=DEFAULT)
    assert (decision.rule, decision.session, decision.campaign) == (Rule.DEFAULT, None, 7)
    assert decision.trail[0].outcome is Outcome.REFUSED
    assert decision.trail[0].facts["why"] == "entity_not_found"


def test_another_session_than_the_refused_one_is_tried():
    sightings = Sightings(refused={"1": "entity_not_found"})
    assert decide(question(named("14700000001")), sightings, sessions_elsewhere=True).session == "14700000001"


def test_the_beacons_visit_is_not_used_once_its_session_was_refused():
    seen = visit(1, session_id="14700000002")
    refused = Sightings(beacon=seen, refused={"14700000002": "invalid_date_time"})
    asked = question(client="412")
    assert decide(asked, Sightings(beacon=seen), sessions_elsewhere=True, default=DEFAULT).rule is Rule.BEACON
    assert decide(asked, refused, sessions_elsewhere=True, default=DEFAULT).rule is Rule.DEFAULT


def test_only_who_counts_visits_knows_that_one_has_no_campaign():
    """J13 is of the embedded cabinet: the outside one works the campaign out itself."""
    policy = {"fill_without_campaign": True, "default": DEFAULT}
    asked, seen = question(client="412"), Sightings(beacon=visit(1))
    assert decide(asked, seen, **policy).rule is Rule.DEFAULT
    assert decide(asked, seen, **policy, sessions_elsewhere=True).rule is Rule.BEACON


@pytest.mark.parametrize("session", ["8f3c", "0", str(2**53), "-5", "٣٣٣٣٣٣"])
def test_what_is_no_number_of_a_session_is_none_of_the_cabinets(session):
    decision = decide(question(named(session)), sessions_elsewhere=True, default=DEFAULT)
    assert (decision.rule, decision.trail[0].outcome) == (Rule.DEFAULT, Outcome.FOREIGN)


@given(st.integers(1, 2**53 - 1))
def test_every_number_that_json_keeps_exactly_is_handed_on(number: int):
    assert decide(question(named(str(number))), sessions_elsewhere=True).session == str(number)


def test_marks_become_a_session_on_the_pages_site_else_on_the_defaults():
    asked = question(utm=MARKED, page_url="https://www.shop.example/a?utm_source=yandex")
    policy = {"sessions_elsewhere": True, "marks_elsewhere": True, "sites": {"shop.example": 5}}
    decision = decide(asked, **policy, default=DEFAULT)
    assert (decision.rule, decision.site, decision.campaign) == (Rule.UTM, 5, None)
    assert decide(question(utm=MARKED), **policy, default=DEFAULT).site == 3
    nowhere = decide(question(utm=MARKED), **policy, default=Target(campaign=7))
    assert (nowhere.rule, nowhere.campaign) == (Rule.DEFAULT, 7)


def test_marks_that_the_cabinet_made_no_session_of_leave_it_to_the_later_rules():
    sightings = Sightings(refused={MARKS: "method_component_disabled"})
    policy = {"sessions_elsewhere": True, "marks_elsewhere": True, "sites": {}}
    decision = decide(question(utm=MARKED), sightings, **policy, default=DEFAULT)
    assert decision.rule is Rule.DEFAULT
    assert Outcome.REFUSED in {step.outcome for step in decision.trail if step.rule is Rule.UTM}


def test_a_session_goes_before_marks():
    policy = {"sessions_elsewhere": True, "marks_elsewhere": True, "sites": {}}
    assert decide(question(OWN_TOKEN, utm=MARKED), **policy, default=DEFAULT).rule is Rule.UTM
    assert decide(question(named("14700000001"), utm=MARKED), **policy, default=DEFAULT).rule is Rule.VISIT
