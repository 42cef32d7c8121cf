"""One condition: every way to compare, negations, and what nobody knows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.resolution import Condition, Operator
from webapp.resolution.conditions import domains_of


def holds(operator: str, wanted: str, value: str | None, mark: str = "utm_campaign") -> bool:
    return Condition(mark, Operator(operator), wanted).folded().holds({mark: value})


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "expected"),
    [
        ("equals", "Brand", "brand", True),
        ("equals", "brand", "brand-msk", False),
        ("contains", "msk", "brand-msk-2", True),
        ("contains", "spb", "brand-msk-2", False),
        ("starts_with", "BRAND", "brand-msk", True),
        ("starts_with", "msk", "brand-msk", False),
        ("matches", "brand-*-2026", "brand-msk-2026", True),
        ("matches", "brand-*-2026", "brand-2026", False),
        ("matches", "a*a", "a", False),
        ("matches", "*", "x", True),
        ("matches", "b*", "abc", False),
        ("matches", "*b", "abc", False),
        ("matches", "abc", "abc", True),
        ("matches", "a.c", "abc", False),
        ("present", "", "x", True),
    ],
)
def test_a_comparison_and_its_negation(operator, wanted, value, expected):
    negation = "absent" if operator == "present" else f"not_{operator}"
    assert holds(operator, wanted, value) is expected
    assert holds(negation, wanted, value) is not expected


@pytest.mark.parametrize(
    ("wanted", "host", "expected"),
    [
        ("google.com", "google.com", True),
        ("google.com", "news.google.com", True),
        ("https://www.Google.com/search", "google.com", True),
        ("google.com", "notgoogle.com", False),
        ("google.com", "google.com.evil.example", False),
        ("google.*", "google.ru", True),
        ("google.*", "google.co.uk", True),
        ("google.*", "google.com.tr", True),
        ("google.*", "news.google.de", True),
        ("google.*", "google.evil.example", False),
        ("google.*", "notgoogle.com", False),
        ("google.*", "google", False),
        ("пример.рф", "xn--e1afmkfd.xn--p1ai", True),
        ("org.telegram.messenger", "org.telegram.messenger", True),
    ],
)
def test_a_domain_is_its_hosts(wanted, host, expected):
    condition = Condition("referrer_host", Operator.DOMAIN, wanted).folded()
    facts = {"referrer_host": Condition("referrer_host", Operator.EQUALS, host).folded().value}
    assert condition.holds(facts) is expected
    assert Condition("referrer_host", Operator.NOT_DOMAIN, wanted).folded().holds(facts) is not expected


def test_the_domains_of_a_host():
    assert list(domains_of("a.b.ru")) == ["a.b.ru", "b.ru", "ru", "a.b.*", "b.*"]
    assert list(domains_of("a.co.uk")) == ["a.co.uk", "co.uk", "uk", "a.*"]
    assert list(domains_of("localhost")) == ["localhost"]
    assert list(domains_of("")) == []


def test_an_address_is_compared_without_percent_signs():
    assert holds("starts_with", "/%D0%90ктер", "/актер/1", mark="landing_path")
    assert holds("contains", ".ru", "ya.ru", mark="referrer_host"), "a part of a host keeps its dots"


@pytest.mark.parametrize("operator", list(Operator))
def test_a_missing_mark_satisfies_negations_only(operator):
    for facts in ({}, {"utm_term": ""}):
        assert Condition("utm_term", operator, "x").holds(facts) is operator.negative


@pytest.mark.parametrize("operator", list(Operator))
def test_what_nobody_knows_satisfies_nothing(operator):
    assert not Condition("utm_term", operator, "x").holds({"utm_term": None})


@pytest.mark.parametrize("operator", [one for one in Operator if one.takes_value])
def test_without_a_value_nothing_is_accepted(operator):
    for facts in ({}, {"utm_term": "x"}):
        assert not Condition("utm_term", operator, "").holds(facts)


@given(st.text("ab*", min_size=1, max_size=8), st.text("ab", min_size=1, max_size=12))
def test_a_star_stands_for_any_letters(pattern, value):
    meant = re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), value) is not None
    assert Condition("m", Operator.MATCHES, pattern).holds({"m": value}) is meant


@pytest.mark.timeout(60)
def test_no_pattern_is_slow():
    value = "a" * 100_000
    for pattern in ("*a" * 120 + "b", "*" * 255, "*a*" * 80 + "b*", "a*" * 127 + "*b"):
        assert Condition("m", Operator.MATCHES, pattern).holds({"m": value}) is pattern.endswith("**")
