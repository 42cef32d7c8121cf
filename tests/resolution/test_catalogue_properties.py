"""A catalogue means what its rules say, however they are found; an explanation says what the catalogue decides."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from webapp.resolution import Catalogue, Condition, Entry, Match, Operator, explain

WORDS = st.sampled_from(
    ["a", "A", "b", "ab", "Ba", "ß", "SS", "я", "Я", " a", "abc", "abcd", "xabcx", "*", "a*c", "ab*cd", " ", ""]
)
HOSTS = st.sampled_from(["a.ru", "b.a.ru", "a.co.uk", "ba.ru", "a.*", "b.a.*", "ru", "localhost", ""])
MARKS = st.sampled_from(["utm_source", "utm_medium", "utm_term"])
CONDITIONS = st.builds(Condition, MARKS, st.sampled_from(list(Operator)), WORDS) | st.builds(
    Condition, st.just("referrer_host"), st.sampled_from(list(Operator)), HOSTS
)
ENTRIES = st.lists(
    st.builds(
        Entry,
        st.integers(1, 99),
        st.integers(1, 3),
        st.lists(st.lists(CONDITIONS, max_size=3).map(tuple), max_size=3).map(tuple),
    ),
    max_size=8,
    unique_by=lambda made: made.id,
)
FACTS = st.builds(
    lambda marks, hosts: marks | hosts,
    st.dictionaries(MARKS, WORDS | st.none()),
    st.dictionaries(st.just("referrer_host"), HOSTS.filter(lambda host: "*" not in host) | st.none()),
)


def plain(text: str) -> str:
    return text.casefold().strip()


def under(host: str, domain: str) -> bool:
    """The meaning of "domain", by a pattern."""
    ending = r"((com?|net?|org?|gov|edu|ac)\.[a-z]{2}|[^.]+)"
    stem = re.escape(domain.removesuffix(".*")) + (rf"\.{ending}" if domain.endswith(".*") else "")
    return bool(re.fullmatch(rf"(.*\.)?{stem}", host))


def holds(condition: Condition, facts: dict[str, str | None]) -> bool:
    """The meaning of a condition, said once more."""
    told = facts.get(condition.mark, "")
    if told is None:
        return False
    value, wanted, name = plain(told), plain(condition.value), str(condition.operator)
    if name in ("present", "absent"):
        return (name == "present") == bool(value)
    if not wanted:
        return False
    pattern = ".*".join(re.escape(part) for part in wanted.split("*"))
    meant = (
        bool(value)
        and {
            "equals": value == wanted,
            "contains": wanted in value,
            "starts_with": value.startswith(wanted),
            "matches": bool(re.fullmatch(pattern, value)),
            "domain": under(value, wanted),
        }[name.removeprefix("not_")]
    )
    return meant != name.startswith("not_")


def by_brute_force(entries: list[Entry], facts: dict[str, str | None]) -> tuple[int, int] | None:
    """The meaning of a catalogue, without an index: (entry, rule)."""
    for one in sorted(entries, key=lambda made: (made.priority, made.id)):
        for number, rule in enumerate(one.rules):
            if rule and all(holds(condition, facts) for condition in rule):
                return one.id, number
    return None


def number(found: Match | None) -> tuple[int, int] | None:
    return (found.entry.id, found.rule) if found else None


@given(ENTRIES, FACTS)
def test_the_index_finds_what_asking_everybody_finds(entries: list[Entry], facts: dict[str, str | None]) -> None:
    catalogue = Catalogue(entries, entries)

    assert number(catalogue.campaign(facts)) == by_brute_force(entries, facts)
    assert number(catalogue.source(facts)) == by_brute_force(entries, facts)


@given(ENTRIES, FACTS)
def test_the_order_in_which_entries_come_changes_nothing(entries: list[Entry], facts: dict[str, str | None]) -> None:
    forwards, backwards = Catalogue(entries, []).campaign(facts), Catalogue(entries[::-1], []).campaign(facts)

    assert forwards == backwards


@given(ENTRIES, FACTS, st.integers(1, 9))
def test_an_explanation_names_the_winner_of_the_catalogue(
    entries: list[Entry], facts: dict[str, str | None], most: int
) -> None:
    catalogue = Catalogue(entries, [])
    explained = explain(catalogue.campaigns, facts, most)

    winner = explained.winner
    assert ((winner.entry.id, winner.rule) if winner else None) == number(catalogue.campaign(facts))
    assert len(explained.verdicts) <= most
    assert len(explained.verdicts) + explained.others == sum(any(entry.rules) for entry in entries)
    for verdict in explained.verdicts:
        told = tuple(holds(condition, facts) for condition in verdict.entry.rules[verdict.rule])
        assert verdict.held == told
