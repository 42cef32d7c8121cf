"""What becomes of a chat whose visit matched no campaign (J13), and which site a communication gets."""

from __future__ import annotations

from datetime import timedelta

import pytest

from webapp.resolution import Outcome, Rule, Sightings, Target

from . import EVERY_RULE, OWN_TOKEN, decide, question, trail_of, visit


class TestFillWithoutCampaign:
    """J13: chats whose visit matched no campaign go on to the rules that look at no visit."""

    ASKED = question(OWN_TOKEN, "telegram", True, utm={"source": "yandex"})

    @pytest.mark.parametrize("way", ["named", "beacon", "contact"])
    @pytest.mark.parametrize("answers", [("utm", 21), ("channel", 22), ("default", 23)])
    def test_the_next_rule_fills_the_campaign_and_the_visit_is_kept(self, way: str, answers: tuple[str, int]) -> None:
        rule, campaign = answers
        asked = self.ASKED if way == "named" else question(None, "telegram", True, utm={"source": "yandex"})
        left = {"utm": "catalogue", "channel": "mapping", "default": "default"}
        order = list(left)
        policy = {left[name]: EVERY_RULE[left[name]] for name in order[order.index(rule) :]}

        decision = decide(
            asked, Sightings(**{way: visit(5, site=13)}), **policy, fill_without_campaign=True, contact_window_days=30
        )

        assert (decision.rule, decision.campaign, decision.visit) == (rule, campaign, 5)
        assert decision.site == 13, "the visit's site goes first"
        kept = {"named": "visit"}.get(way, way)
        assert (kept, "no_campaign") in trail_of(decision)
        assert trail_of(decision)[-1] == (rule, "answered")

    def test_the_other_ways_to_a_visit_are_not_asked_any_more(self) -> None:
        sightings = Sightings(named=visit(5), beacon=visit(6, campaign=66), contact=visit(7, campaign=77))

        decision = decide(self.ASKED, sightings, **EVERY_RULE, fill_without_campaign=True, contact_window_days=30)

        assert trail_of(decision) == [("visit", "no_campaign"), ("utm", "answered")]
        assert (decision.visit, decision.campaign) == (5, 21)

    def test_a_visit_that_is_not_good_is_not_kept(self) -> None:
        sightings = Sightings(named=visit(5, timedelta(days=200)), beacon=visit(6))

        decision = decide(self.ASKED, sightings, **EVERY_RULE, fill_without_campaign=True)

        assert trail_of(decision)[:2] == [("visit", "too_old"), ("beacon", "no_campaign")]
        assert decision.visit == 6

    def test_with_a_campaign_the_switch_changes_nothing(self) -> None:
        sightings = Sightings(named=visit(5, campaign=11))

        on, off = (
            decide(self.ASKED, sightings, **EVERY_RULE, fill_without_campaign=switch) for switch in (True, False)
        )

        assert on == off
        assert on.rule == Rule.VISIT

    def test_nothing_to_fill_with_leaves_the_visit_the_answer(self) -> None:
        decision = decide(
            question(OWN_TOKEN), Sightings(named=visit(5, source=12, site=13)), fill_without_campaign=True
        )

        assert decision.rule == Rule.VISIT
        assert (decision.campaign, decision.source, decision.site, decision.visit) == (None, 12, 13, 5)
        assert trail_of(decision) == [
            ("visit", "no_campaign"),
            ("utm", "absent"),
            ("channel", "absent"),
            ("default", "not_set"),
        ]

    @pytest.mark.parametrize("target", [Target(campaign=1), Target(source=2)])
    @pytest.mark.parametrize("visit_source", [None, 12])
    @pytest.mark.parametrize("rule", ["channel", "default"])
    def test_the_visits_source_stands_and_a_source_alone_adds_nothing_to_it(
        self, visit_source: int | None, target: Target, rule: str
    ) -> None:
        policy = {"mapping": {"telegram": target}} if rule == "channel" else {"default": target}
        sightings = Sightings(named=visit(5, source=visit_source))

        decision = decide(question(OWN_TOKEN, "telegram"), sightings, **policy, fill_without_campaign=True)

        fills = target.campaign is not None or visit_source is None
        assert decision.rule == (rule if fills else Rule.VISIT)
        assert decision.campaign == target.campaign
        assert decision.source == (visit_source or target.source)
        assert decision.visit == 5

    def test_a_rule_that_adds_nothing_is_not_said_to_have_decided(self) -> None:
        sightings = Sightings(named=visit(5, source=12))
        asked = question(OWN_TOKEN, "telegram", utm={"medium": "social"})
        policy = {**EVERY_RULE, "mapping": {"telegram": Target(source=2)}, "default": Target(source=3)}

        decision = decide(asked, sightings, **policy, fill_without_campaign=True)

        assert (decision.rule, decision.source) == (Rule.VISIT, 12)
        assert not [step for step in decision.trail if step.outcome == Outcome.ANSWERED]
        assert [str(step.rule) for step in decision.trail] == ["visit", "utm", "channel", "default"]

    def test_a_campaign_further_on_is_found_behind_rules_that_add_nothing(self) -> None:
        asked = question(OWN_TOKEN, "telegram", utm={"medium": "social"})
        policy = {**EVERY_RULE, "mapping": {"telegram": Target(source=2)}}

        decision = decide(asked, Sightings(named=visit(5, source=12)), **policy, fill_without_campaign=True)

        assert (decision.rule, decision.campaign, decision.source) == (Rule.DEFAULT, 23, 12)
        assert [step.rule for step in decision.trail if step.outcome == Outcome.ANSWERED] == [Rule.DEFAULT]


class TestSite:
    """The site is the visit's, else the campaign's, else that of the mapping or default."""

    @pytest.mark.parametrize("rule", ["utm", "channel", "default"])
    @pytest.mark.parametrize("visit_site", [None, 13])
    def test_a_kept_visits_site_goes_before_the_filling_rules(self, rule: str, visit_site: int | None) -> None:
        left = {"utm": "catalogue", "channel": "mapping", "default": "default"}
        policy = {left[rule]: EVERY_RULE[left[rule]]}
        asked = question(OWN_TOKEN, "telegram", utm={"source": "yandex"})

        decision = decide(asked, Sightings(named=visit(5, site=visit_site)), **policy, fill_without_campaign=True)

        assert decision.site == (visit_site or {"utm": 41, "channel": 42, "default": 43}[rule])

    def test_marks_give_the_campaigns_site(self) -> None:
        assert decide(question(utm={"source": "yandex"}), **EVERY_RULE).site == 41
