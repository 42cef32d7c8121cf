"""Rules of campaigns and sources, as written and as stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.arrival import HOST_MARKS, MARKS
from webapp.cabinets.embedded.rules import RulesMistake, rules_from_config, rules_to_config
from webapp.resolution import Operator


def condition(mark: str, operator: str, value: str = "") -> dict[str, str]:
    return {"mark": mark, "op": operator, "value": value}


def equals(mark: str, value: str) -> dict[str, str]:
    return {"mark": mark, "op": "equals", "value": value}


def contains(mark: str, value: str) -> dict[str, str]:
    return {"mark": mark, "op": "contains", "value": value}


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (None, []),
        ([], []),
        ([{"utm_source": "yandex"}], [[equals("utm_source", "yandex")]]),
        (
            [{"utm_source": "yandex", "utm_medium": "cpc"}, {"utm_source": "ya"}],
            [[equals("utm_source", "yandex"), equals("utm_medium", "cpc")], [equals("utm_source", "ya")]],
        ),
        ([{"utm_campaign": {"contains": "шторы"}}], [[contains("utm_campaign", "шторы")]]),
        ([{"utm_campaign": {"equals": "шторы"}}], [[equals("utm_campaign", "шторы")]]),
        (
            [{"utm_campaign": [{"contains": "a"}, {"contains": "b"}, "c"]}],
            [[contains("utm_campaign", "a"), contains("utm_campaign", "b"), equals("utm_campaign", "c")]],
        ),
        ([{"utm_term": 42}], [[equals("utm_term", "42")]]),
        ([{"gclid": {"present": True}}], [[condition("gclid", "present")]]),
        (
            [{"referrer_host": {"domain": "google.*"}, "landing_path": {"not_starts_with": "/blog"}}],
            [[condition("referrer_host", "domain", "google.*"), condition("landing_path", "not_starts_with", "/blog")]],
        ),
        (
            [{"utm_campaign": [{"matches": "a*"}, {"not_contains": 7}], "click_id": {"absent": True}}],
            [
                [
                    condition("utm_campaign", "matches", "a*"),
                    condition("utm_campaign", "not_contains", "7"),
                    condition("click_id", "absent"),
                ]
            ],
        ),
    ],
)
def test_each_spelling_is_stored_as_conditions(written, stored):
    assert rules_from_config(written) == stored


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"utm_source": "x"}, ()),
        (["utm_source"], (0,)),
        ([{}], (0,)),
        ([{"source": "x"}], (0, "source")),
        ([{"utm_source": ""}], (0, "utm_source")),
        ([{"utm_source": " "}], (0, "utm_source")),
        ([{"utm_source": None}], (0, "utm_source")),
        ([{"utm_source": True}], (0, "utm_source")),
        ([{"utm_source": []}], (0, "utm_source")),
        ([{"utm_source": ["a", [1]]}], (0, "utm_source", 1)),
        ([{"utm_source": {"like": "x"}}], (0, "utm_source")),
        ([{"utm_source": {"equals": "x", "contains": "y"}}], (0, "utm_source")),
        ([{"utm_source": {"contains": {}}}], (0, "utm_source", "contains")),
        ([{"utm_source": "x" * 256}], (0, "utm_source")),
        ([{"utm_source": "a\nb"}], (0, "utm_source")),
        ([{"gclid": {"present": "yes"}}], (0, "gclid", "present")),
        ([{"gclid": {"absent": False}}], (0, "gclid", "absent")),
        ([{"utm_source": {"domain": "google.com"}}], (0, "utm_source", "domain")),
        ([{"referrer_host": {"not_domain": "/a b"}}], (0, "referrer_host", "not_domain")),
        ([{"landing_host": "a b"}], (0, "landing_host")),
    ],
)
def test_what_cannot_be_used_is_named_by_its_path(written, path):
    with pytest.raises(RulesMistake) as refused:
        rules_from_config(written)
    assert [place for place, _text in refused.value.mistakes] == [path]


def test_all_mistakes_are_told_at_once():
    with pytest.raises(RulesMistake) as refused:
        rules_from_config([{"a": "b"}, {"utm_source": ""}, {}])
    assert len(refused.value.mistakes) == 3


TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20).filter(str.strip)
ANYWHERE = [name for name in Operator if name.takes_value and name.positive is not Operator.DOMAIN]
CONDITIONS = st.lists(
    st.builds(condition, st.sampled_from(sorted({*MARKS} - HOST_MARKS)), st.sampled_from(ANYWHERE).map(str), TEXT)
    | st.builds(condition, st.sampled_from(MARKS), st.sampled_from(["present", "absent"]))
    | st.builds(
        condition,
        st.sampled_from(sorted(HOST_MARKS)),
        st.sampled_from([name for name in Operator if name.takes_value]).map(str),
        st.sampled_from(["google.*", "vk.com", "https://ok.ru/x"]),
    ),
    min_size=1,
)


@given(st.lists(CONDITIONS))
def test_writing_loses_no_condition(stored):
    """Only the order of conditions on different marks may change, and it means nothing."""
    again = rules_from_config(rules_to_config(stored))
    by_name = [sorted(rule, key=lambda one: (one["mark"], one["op"], one["value"])) for rule in stored]
    assert [sorted(rule, key=lambda one: (one["mark"], one["op"], one["value"])) for rule in again] == by_name
    assert rules_to_config(again) == rules_to_config(stored)
