"""Why these facts lead where they lead: the winner, who else would fit, who came near and what they lack."""

from __future__ import annotations

from webapp.resolution import Catalogue, Condition, Entry, Operator, explain

from . import entry

YANDEX = {"utm_source": "yandex"}
CPC = YANDEX | {"utm_medium": "cpc"}


def told(entries: list[Entry], facts: dict[str, str], most: int = 10) -> list[tuple[int, int, tuple[bool, ...]]]:
    explained = explain(Catalogue(entries, []).campaigns, facts, most)
    return [(verdict.entry.id, verdict.rule, verdict.held) for verdict in explained.verdicts]


def test_what_matches_comes_in_the_order_of_asking_and_then_what_came_near():
    far = entry(4, CPC | {"utm_term": "x", "utm_content": "y"}, priority=1)
    near = entry(3, CPC | {"utm_term": "x"}, priority=90)
    entries = [far, near, entry(1, YANDEX, priority=50), entry(2, CPC, priority=9)]

    assert told(entries, CPC) == [
        (2, 0, (True, True)),
        (1, 0, (True,)),
        (3, 0, (True, True, False)),
        (4, 0, (True, True, False, False)),
    ]


def test_an_entry_is_shown_by_its_first_rule_that_holds_or_else_by_the_nearest():
    entries = [entry(1, {"utm_term": "x"}, YANDEX, CPC), entry(2, {"utm_term": "x"}, CPC | {"utm_term": "x"})]

    assert told(entries, CPC) == [(1, 1, (True,)), (2, 1, (True, True, False))]


def test_entries_that_have_nothing_in_common_with_the_facts_are_counted_only():
    denial = Entry(2, 100, ((Condition("utm_term", Operator.ABSENT), Condition("gclid", Operator.PRESENT)),))
    entries = [entry(1, {"utm_source": "google"}), denial, entry(3)]

    explained = explain(Catalogue(entries, []).campaigns, CPC, 10)

    assert explained.verdicts == ()
    assert explained.winner is None
    assert explained.others == 2


def test_no_more_are_shown_than_asked_for():
    entries = [entry(number, CPC) for number in range(1, 30)]

    explained = explain(Catalogue(entries, []).campaigns, CPC, 3)

    assert [verdict.entry.id for verdict in explained.verdicts] == [1, 2, 3]
    assert explained.others == 26


def test_case_and_blanks_do_not_matter_to_it_either():
    assert told([entry(1, {"utm_source": "Yandex"})], {"utm_source": " YANDEX "}) == [(1, 0, (True,))]
