"""Rules over marks: any rule of an entry, all conditions of a rule, the order of entries, and how they are found."""

from __future__ import annotations

import pytest

from webapp.resolution import Catalogue, Condition, Entry, Operator

from . import entry

EQUALS, CONTAINS = Operator.EQUALS, Operator.CONTAINS


def campaign_of(entries: list[Entry], **marks: str) -> int | None:
    """The campaign that these marks (without ``utm_``) are given to."""
    found = Catalogue(entries, []).campaign({f"utm_{name}": value for name, value in marks.items()})
    return found.entry.id if found else None


def one_condition(operator: Operator, value: str) -> list[Entry]:
    """One campaign with one condition on the source."""
    return [Entry(1, 100, ((Condition("utm_source", operator, value),),))]


class TestRules:
    def test_any_rule_of_an_entry_is_enough(self) -> None:
        entries = [entry(1, {"utm_source": "yandex"}, {"utm_source": "google"})]

        assert campaign_of(entries, source="yandex") == 1
        assert campaign_of(entries, source="google") == 1
        assert campaign_of(entries, source="bing") is None

    def test_a_rule_needs_all_its_conditions(self) -> None:
        entries = [entry(1, {"utm_source": "yandex", "utm_medium": "cpc"})]

        assert campaign_of(entries, source="yandex", medium="cpc", term="шторы") == 1
        assert campaign_of(entries, source="yandex", medium="organic") is None
        assert campaign_of(entries, source="yandex") is None
        assert campaign_of(entries, medium="cpc") is None

    def test_the_number_of_the_rule_that_matched_is_told(self) -> None:
        entries = [entry(1, {"utm_source": "a"}, {"utm_source": "b"}, {"utm_source": "b"})]

        found = Catalogue(entries, []).campaign({"utm_source": "b"})

        assert found is not None
        assert found.rule == 1

    @pytest.mark.parametrize(
        ("operator", "wanted", "value", "matches"),
        [
            (EQUALS, "yandex", "yandex", True),
            (EQUALS, "yandex", "yandex.direct", False),
            (EQUALS, "yandex", "", False),
            (CONTAINS, "yandex", "yandex", True),
            (CONTAINS, "yandex", "my-yandex-rsya", True),
            (CONTAINS, "yandex", "yand", False),
            (EQUALS, "YANDEX", "Yandex", True),
            (EQUALS, "Шторы", "ШТОРЫ", True),
            (CONTAINS, "ШТОР", "новые шторы", True),
            (EQUALS, "straße", "STRASSE", True),
            (EQUALS, " yandex ", "yandex", True),
            (EQUALS, "yandex", "  yandex\t", True),
            (CONTAINS, "a b", "xa by", True),
        ],
    )
    def test_how_a_condition_compares(self, operator: Operator, wanted: str, value: str, matches: bool) -> None:
        assert campaign_of(one_condition(operator, wanted), source=value) == (1 if matches else None)

    def test_conditions_on_one_mark_hold_together(self) -> None:
        conditions = (Condition("utm_campaign", CONTAINS, "шторы"), Condition("utm_campaign", CONTAINS, "москва"))
        entries = [Entry(1, 100, (conditions,))]

        assert campaign_of(entries, campaign="Шторы-Москва") == 1
        assert campaign_of(entries, campaign="Шторы-Тверь") is None


class TestNothingMatchesNothing:
    @pytest.mark.parametrize("marks", [{}, {"source": ""}, {"source": "  "}, {"source": "yandex"}])
    @pytest.mark.parametrize(
        "rules",
        [
            (),
            ((),),
            ((), ()),
            ((Condition("utm_source", EQUALS, ""),),),
            ((Condition("utm_source", EQUALS, "  "),),),
            ((Condition("utm_source", CONTAINS, ""),),),
            ((Condition("utm_source", CONTAINS, " "),),),
            ((Condition("utm_source", EQUALS, "yandex"), Condition("utm_source", CONTAINS, "")),),
        ],
    )
    def test_empty_rules_and_empty_conditions_never_match(
        self, rules: tuple[tuple[Condition, ...], ...], marks: dict[str, str]
    ) -> None:
        assert campaign_of([Entry(1, 100, rules)], **marks) is None

    def test_an_empty_rule_does_not_hide_the_next_one(self) -> None:
        rules = ((), (Condition("utm_source", EQUALS, "yandex"),))

        assert campaign_of([Entry(1, 100, rules)], source="yandex") == 1

    def test_an_empty_catalogue_knows_nothing(self) -> None:
        assert Catalogue([], []).campaign({"utm_source": "x"}) is None
        assert Catalogue([], []).source({"utm_source": "x"}) is None


class TestOrder:
    def test_the_smallest_priority_is_first(self) -> None:
        rule = {"utm_source": "yandex"}

        assert campaign_of([entry(1, rule, priority=200), entry(2, rule, priority=10)], source="yandex") == 2

    def test_then_the_smallest_id(self) -> None:
        rule = {"utm_source": "yandex"}

        assert campaign_of([entry(9, rule), entry(3, rule), entry(5, rule)], source="yandex") == 3

    def test_the_priority_goes_before_how_exact_a_rule_is(self) -> None:
        entries = [
            Entry(1, 10, ((Condition("utm_source", CONTAINS, "yan"),),)),
            entry(2, {"utm_source": "yandex", "utm_medium": "cpc"}, priority=20),
        ]

        assert campaign_of(entries, source="yandex", medium="cpc") == 1

    def test_campaigns_and_sources_are_asked_apart(self) -> None:
        catalogue = Catalogue([entry(1, {"utm_source": "a"})], [entry(2, {"utm_source": "b"})])

        assert catalogue.campaign({"utm_source": "b"}) is None
        assert catalogue.source({"utm_source": "a"}) is None
        found = catalogue.source({"utm_source": "b"})
        assert found is not None
        assert found.entry.id == 2

    def test_the_match_brings_the_entrys_site(self) -> None:
        found = Catalogue([entry(1, {"utm_source": "a"}, site=7)], []).campaign({"utm_source": "a"})

        assert found is not None
        assert found.entry.site == 7


def asked_for(monkeypatch: pytest.MonkeyPatch, entries: list[Entry], facts: dict[str, str]) -> tuple[int | None, int]:
    """The campaign that wins, and how many conditions were looked at for it."""
    asked: list[str] = []
    holds = Condition.holds
    monkeypatch.setattr(Condition, "holds", lambda self, facts: asked.append(self.value) or holds(self, facts))
    found = Catalogue(entries, []).campaign(facts)
    return found.entry.id if found else None, len(asked)


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "most"),
    [
        (EQUALS, "s{}", "s7777", 2),
        (CONTAINS, "q{:05}q", "brand-q07777q-msk", 400),
        (Operator.STARTS_WITH, "{:05}-", "07777-brand", 400),
        (Operator.MATCHES, "*-q{:05}q-*", "brand-q07777q-msk", 400),
        (Operator.DOMAIN, "s{}.example", "www.s7777.example", 2),
    ],
)
def test_twenty_thousand_campaigns_are_not_asked_one_by_one(
    monkeypatch: pytest.MonkeyPatch, operator: Operator, wanted: str, value: str, most: int
) -> None:
    entries = [
        Entry(n, 100, ((Condition("mark", operator, wanted.format(n)), Condition("utm_medium", EQUALS, "cpc")),))
        for n in range(1, 20_001)
    ]

    winner, looked_at = asked_for(monkeypatch, entries, {"mark": value, "utm_medium": "cpc"})

    assert winner == 7777
    assert looked_at <= most


def test_rules_about_marks_that_are_not_there_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        Entry(n, 100, ((Condition("gclid", Operator.PRESENT), Condition("utm_medium", Operator.ABSENT)),))
        for n in range(1, 20_001)
    ]

    assert asked_for(monkeypatch, entries, {"utm_source": "yandex"}) == (None, 0)
