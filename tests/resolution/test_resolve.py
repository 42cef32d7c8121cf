"""Each rule, each way it can end, and the order in which the rules are asked (DESIGN: resolution)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from webapp.conversation import SessionToken
from webapp.resolution import Catalogue, Rule, Sightings, Target, VisitFacts

from . import BEGAN, EVERY_RULE, OWN_TOKEN, decide, entry, facts_of, question, trail_of, visit

SECOND = timedelta(seconds=1)
NO_TOKEN = [("visit", "absent"), ("beacon", "absent"), ("contact", "off")]
NOTHING_ELSE = [("utm", "absent"), ("channel", "absent"), ("default", "not_set")]


class TestVisit:
    """The visit that the payload names."""

    def test_a_known_visit_answers_with_its_campaign_its_source_and_its_site(self) -> None:
        found = visit(5, campaign=11, source=12, site=13, marks={"source": "yandex"})

        decision = decide(question(OWN_TOKEN), Sightings(named=found), **EVERY_RULE)

        assert (decision.rule, decision.visit) == (Rule.VISIT, 5)
        assert (decision.campaign, decision.source, decision.site) == (11, 12, 13)
        assert trail_of(decision) == [("visit", "answered")]
        assert facts_of(decision, "visit") == {
            "session": "session-5",
            "started_at": "2026-11-23T11:00:00+00:00",
            "marks": {"source": "yandex"},
            "campaign": 11,
            "source": 12,
        }

    def test_a_visit_without_a_campaign_is_an_answer_of_its_own(self) -> None:
        """«Посетители без РК» (J13, the switch is off)."""
        decision = decide(question(OWN_TOKEN, "telegram"), Sightings(named=visit(5, site=13)), **EVERY_RULE)

        assert (decision.rule, decision.campaign, decision.source) == (Rule.VISIT, None, None)
        assert (decision.visit, decision.site) == (5, 13)

    @pytest.mark.parametrize(
        ("token", "sightings", "outcome", "facts"),
        [
            (None, Sightings(), "absent", {"page": False}),
            (SessionToken("GA1.2.3", "foreign"), Sightings(), "foreign", {"kind": "foreign"}),
            (SessionToken("123456", "digits"), Sightings(), "foreign", {"kind": "digits"}),
            (OWN_TOKEN, Sightings(), "unknown", {"session": "8f3c"}),
            (OWN_TOKEN, Sightings(named_elsewhere=True), "other_account", {"session": "8f3c"}),
        ],
    )
    def test_why_it_has_no_answer(
        self, token: SessionToken | None, sightings: Sightings, outcome: str, facts: dict[str, object]
    ) -> None:
        decision = decide(question(token), sightings)

        assert trail_of(decision)[0] == ("visit", outcome)
        assert facts_of(decision, "visit") == facts
        assert (decision.rule, decision.visit) == (Rule.NONE, None)

    def test_a_chat_without_a_token_says_whether_it_came_from_a_page(self) -> None:
        decision = decide(question(page_url="https://shop.example/"))

        assert facts_of(decision, "visit") == {"page": True}

    def test_a_foreign_token_uses_no_visit_even_if_one_is_offered(self) -> None:
        decision = decide(question(SessionToken("x", "jwt")), Sightings(named=visit(5, campaign=11)))

        assert (decision.rule, decision.visit) == (Rule.NONE, None)


class TestAge:
    """A visit began before its conversation, and at most 180 days before."""

    @pytest.mark.parametrize(
        ("ago", "outcome"),
        [
            (timedelta(0), "answered"),
            (timedelta(days=180), "answered"),
            (timedelta(days=180) + timedelta(microseconds=1), "too_old"),
            (timedelta(days=181), "too_old"),
            (-timedelta(seconds=60), "answered"),
            (-timedelta(seconds=60, microseconds=1), "later"),
            (-timedelta(days=1), "later"),
        ],
    )
    @pytest.mark.parametrize("rule", ["visit", "beacon"])
    def test_its_bounds_are_inclusive_and_clocks_may_differ_by_a_minute(
        self, rule: str, ago: timedelta, outcome: str
    ) -> None:
        found = visit(5, ago, campaign=11)
        if rule == "visit":
            decision = decide(question(OWN_TOKEN), Sightings(named=found))
        else:
            decision = decide(question(), Sightings(beacon=found))

        assert (rule, outcome) in trail_of(decision)
        assert decision.visit == (5 if outcome == "answered" else None)
        assert decision.campaign == (11 if outcome == "answered" else None)

    def test_too_old_says_how_old_it_is_and_how_old_it_may_be(self) -> None:
        decision = decide(question(OWN_TOKEN), Sightings(named=visit(ago=timedelta(days=200))))

        facts = facts_of(decision, "visit")
        assert (facts["days"], facts["limit"]) == (200, 180)

    def test_a_visit_of_one_second_too_much_is_never_said_to_be_as_old_as_it_may_be(self) -> None:
        decision = decide(question(OWN_TOKEN), Sightings(named=visit(ago=timedelta(days=180) + SECOND)))

        facts = facts_of(decision, "visit")
        assert facts["days"] > facts["limit"]

    def test_the_later_rules_are_asked_when_the_visit_is_not_good(self) -> None:
        sightings = Sightings(named=visit(5, timedelta(days=400), campaign=11), beacon=visit(6, campaign=12))

        decision = decide(question(OWN_TOKEN), sightings)

        assert (decision.rule, decision.visit, decision.campaign) == (Rule.BEACON, 6, 12)


class TestBeacon:
    """The visit that the site script tied to the vendor's visitor (B6)."""

    def test_a_tied_visit_answers(self) -> None:
        decision = decide(
            question(client="412"), Sightings(beacon=visit(6, campaign=11, source=12, site=13)), **EVERY_RULE
        )

        assert (decision.rule, decision.visit) == (Rule.BEACON, 6)
        assert (decision.campaign, decision.source, decision.site) == (11, 12, 13)
        assert trail_of(decision) == [("visit", "absent"), ("beacon", "answered")]

    def test_without_one_it_says_whom_it_looked_for(self) -> None:
        decision = decide(question(client="412"))

        assert trail_of(decision)[1] == ("beacon", "absent")
        assert facts_of(decision, "beacon") == {"client": "412"}


class TestContact:
    """The latest visit of the same phone or e-mail."""

    @pytest.mark.parametrize("window", [None, 0])
    def test_it_is_off_by_default(self, window: int | None) -> None:
        sightings = Sightings(contact=visit(7, campaign=11))

        decision = decide(question(has_contact=True), sightings, contact_window_days=window)

        assert ("contact", "off") in trail_of(decision)
        assert (decision.rule, decision.visit) == (Rule.NONE, None)

    def test_within_the_window_it_answers(self) -> None:
        sightings = Sightings(contact=visit(7, timedelta(days=30), campaign=11))

        decision = decide(question(has_contact=True), sightings, contact_window_days=30)

        assert (decision.rule, decision.visit, decision.campaign) == (Rule.CONTACT, 7, 11)

    def test_beyond_the_window_it_does_not(self) -> None:
        sightings = Sightings(contact=visit(7, timedelta(days=30) + SECOND, campaign=11))

        decision = decide(question(has_contact=True), sightings, contact_window_days=30)

        assert ("contact", "too_old") in trail_of(decision)
        assert facts_of(decision, "contact")["limit"] == 30

    def test_no_window_makes_a_visit_older_than_a_cabinet_takes_good(self) -> None:
        sightings = Sightings(contact=visit(7, timedelta(days=200), campaign=11))

        decision = decide(question(has_contact=True), sightings, contact_window_days=365)

        assert ("contact", "too_old") in trail_of(decision)
        assert facts_of(decision, "contact")["limit"] == 180

    @pytest.mark.parametrize("has_contact", [True, False])
    def test_without_a_contact_or_a_visit_it_is_absent(self, has_contact: bool) -> None:
        sightings = Sightings() if has_contact else Sightings(contact=visit(7))

        decision = decide(question(has_contact=has_contact), sightings, contact_window_days=30)

        assert ("contact", "absent") in trail_of(decision)
        assert facts_of(decision, "contact") == {"contact": has_contact}


class TestUtm:
    """Marks that came with the payload (B9)."""

    def test_a_campaign_and_a_source_may_both_know_them(self) -> None:
        decision = decide(question(utm={"source": "Yandex"}), **EVERY_RULE)

        assert decision.rule == Rule.UTM
        assert (decision.campaign, decision.source, decision.site) == (21, 31, 41)
        assert facts_of(decision, "utm") == {
            "marks": {"utm_source": "Yandex"},
            "campaign": 21,
            "campaign_rule": 1,
            "source": 31,
            "source_rule": 1,
        }

    def test_a_source_alone_is_an_answer(self) -> None:
        decision = decide(question(utm={"medium": "social"}), **EVERY_RULE)

        assert (decision.rule, decision.campaign, decision.source, decision.site) == (Rule.UTM, None, 32, None)

    def test_the_number_of_the_rule_counts_from_one(self) -> None:
        catalogue = Catalogue([entry(21, {"utm_source": "a"}, {"utm_source": "b"})], [])

        assert facts_of(decide(question(utm={"source": "b"}), catalogue=catalogue), "utm")["campaign_rule"] == 2

    def test_marks_that_nobody_knows_do_not_match(self) -> None:
        decision = decide(question(utm={"source": "unheard"}), **EVERY_RULE)

        assert trail_of(decision)[3] == ("utm", "no_match")
        assert facts_of(decision, "utm") == {"marks": {"utm_source": "unheard"}}
        assert decision.rule == Rule.DEFAULT

    @pytest.mark.parametrize("utm", [{}, {"source": ""}])
    def test_no_marks_are_absent(self, utm: dict[str, str]) -> None:
        assert trail_of(decide(question(utm=utm), **EVERY_RULE))[3] == ("utm", "absent")


class TestChannelAndDefault:
    """The messenger's row (J15) and the integration's default (J7, J14) give a campaign, or a source and site."""

    @pytest.mark.parametrize(
        ("target", "given"),
        [
            (Target(campaign=1), (1, None, None)),
            (Target(campaign=1, site=3), (1, None, 3)),
            (Target(source=2), (None, 2, None)),
            (Target(source=2, site=3), (None, 2, 3)),
        ],
    )
    @pytest.mark.parametrize("rule", ["channel", "default"])
    def test_gives_what_it_points_to(
        self, rule: str, target: Target, given: tuple[int | None, int | None, int | None]
    ) -> None:
        policy = {"mapping": {"telegram": target}} if rule == "channel" else {"default": target}

        decision = decide(question(channel="telegram"), **policy)

        assert decision.rule == rule
        assert (decision.campaign, decision.source, decision.site) == given
        assert decision.visit is None
        named = {name: value for name, value in zip(("campaign", "source", "site"), given, strict=True) if value}
        assert facts_of(decision, rule) == named | ({"channel": "telegram"} if rule == "channel" else {})

    def test_an_unknown_channel_says_which_widget_it_came_from(self) -> None:
        decision = decide(question(widget="AbCd"), **EVERY_RULE)

        assert trail_of(decision)[4] == ("channel", "absent")
        assert facts_of(decision, "channel") == {"widget": "AbCd"}

    @pytest.mark.parametrize("mapping", [{}, {"whatsapp": Target(campaign=1)}, {"telegram": Target(site=3)}])
    def test_a_channel_without_a_row_is_unmapped(self, mapping: dict[str, Target]) -> None:
        decision = decide(question(channel="telegram"), mapping=mapping)

        assert trail_of(decision)[4] == ("channel", "unmapped")
        assert facts_of(decision, "channel") == {"channel": "telegram"}

    @pytest.mark.parametrize("default", [Target(), Target(site=3)])
    def test_without_anything_the_answer_is_none(self, default: Target) -> None:
        decision = decide(question(), default=default)

        assert decision.rule == Rule.NONE
        assert (decision.campaign, decision.source, decision.site, decision.visit) == (None, None, None, None)
        assert trail_of(decision) == NO_TOKEN + NOTHING_ELSE


def test_the_first_rule_with_an_answer_wins() -> None:
    """visit, beacon, contact, utm, channel, default, none: take the answers away one after the other."""
    asked = question(OWN_TOKEN, "telegram", True, utm={"source": "yandex"}, client="412")
    seen = {"named": visit(1, campaign=11), "beacon": visit(2, campaign=12), "contact": visit(3, campaign=13)}
    policy = {**EVERY_RULE, "contact_window_days": 30}
    decided = []
    for gone in ("named", "beacon", "contact", "catalogue", "mapping", "default", None):
        decision = decide(asked, Sightings(**seen), **policy)
        decided.append((str(decision.rule), decision.campaign))
        assert [str(step.rule) for step in decision.trail] == list(Rule)[: len(decision.trail)]
        seen.pop(gone, None)
        policy.pop(gone, None)

    assert decided == [
        ("visit", 11),
        ("beacon", 12),
        ("contact", 13),
        ("utm", 21),
        ("channel", 22),
        ("default", 23),
        ("none", None),
    ]


def test_a_visit_that_began_at_any_offset_is_told_with_its_zone() -> None:
    found = VisitFacts(1, "s", BEGAN, marks={"source": "x"})

    assert facts_of(decide(question(OWN_TOKEN), Sightings(named=found)), "visit")["started_at"].endswith("+00:00")
