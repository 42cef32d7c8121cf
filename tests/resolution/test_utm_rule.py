"""What the rule utm makes of a payload that is no visit: marks, its page's address, and what it cannot know (B9)."""

from __future__ import annotations

from typing import Any

import pytest

from webapp.resolution import Attribution, Catalogue, Condition, Entry, Operator

from . import decide, entry, facts_of, question, trail_of

SHOP = "https://shop.example/curtains"


def decided(*conditions: tuple[str, str, str], **clues: Any) -> Attribution:
    """The decision on these clues where one campaign has one rule."""
    rule = tuple(Condition(mark, Operator(operator), value) for mark, operator, value in conditions)
    return decide(question(**clues), catalogue=Catalogue([Entry(1, 100, (rule,))], []))


@pytest.mark.parametrize(
    ("condition", "page"),
    [
        (("yclid", "present", ""), "?yclid=123"),
        (("click_id", "contains", "gclid"), "?gclid=Ab"),
        (("openstat_campaign", "equals", "12"), "?_openstat=direct.yandex.ru;12;3;4"),
        (("utm_source", "equals", "yandex"), "?utm_source=yandex"),
        (("landing_path", "starts_with", "/curtains"), "?utm_source=x"),
        (("landing_host", "domain", "shop.example"), "?yclid=1"),
        (("gclid", "absent", ""), "?yclid=1"),
        (("referrer_host", "domain", "yandex.*"), "?yclid=1&utm_referrer=https%3A%2F%2Fyandex.ru%2F"),
    ],
)
def test_marks_in_the_pages_address_tell_of_the_arrival(condition, page):
    decision = decided(condition, page_url=SHOP + page)
    assert (decision.rule, decision.campaign) == ("utm", 1)


def test_the_trail_keeps_marks_as_they_were_written():
    decision = decided(("yclid", "present", ""), page_url=SHOP + "?yclid=AbC", utm={"source": "Yandex"})
    assert facts_of(decision, "utm")["marks"] == {"yclid": "AbC", "utm_source": "Yandex"}


@pytest.mark.parametrize(
    ("condition", "clues"),
    [
        (("landing_path", "starts_with", "/curtains"), {"page_url": SHOP, "utm": {"source": "x"}}),
        (("landing_path", "not_starts_with", "/blog"), {"page_url": SHOP, "utm": {"source": "x"}}),
        (("gclid", "absent", ""), {"page_url": SHOP, "utm": {"source": "x"}}),
        (("gclid", "absent", ""), {"utm": {"source": "x"}}),
        (("referrer_host", "absent", ""), {"page_url": SHOP + "?utm_source=x"}),
        (("referrer_host", "not_domain", "google.*"), {"page_url": SHOP + "?utm_source=x"}),
    ],
)
def test_what_a_payload_cannot_tell_satisfies_nothing(condition, clues):
    """A page without marks need not be the one that was landed on, and the referrer is never told."""
    decision = decided(condition, **clues)
    assert trail_of(decision)[3] == ("utm", "no_match")


def test_a_page_without_marks_is_not_asked_about():
    decision = decided(("utm_source", "absent", ""), page_url=SHOP + "?id=7")
    assert trail_of(decision)[3] == ("utm", "absent")


def test_the_payloads_own_utm_marks_stand_where_the_page_has_others():
    """They were put together when the payload was read; the page's click id comes to them."""
    clues = {"page_url": SHOP + "?utm_source=page&utm_medium=page&yclid=1", "utm": {"source": "told"}}
    assert decided(("utm_source", "equals", "told"), ("yclid", "present", ""), **clues).campaign == 1
    assert decided(("utm_medium", "present", ""), **clues).campaign is None
    assert facts_of(decided(("gclid", "present", ""), **clues), "utm")["marks"] == {"yclid": "1", "utm_source": "told"}


def test_a_source_is_found_by_a_click_id_too():
    rule = ((Condition("yclid", Operator.PRESENT),),)
    catalogue = Catalogue([entry(1, {"utm_source": "google"})], [Entry(7, 100, rule)])
    decision = decide(question(page_url=SHOP + "?yclid=1"), catalogue=catalogue)
    assert (decision.campaign, decision.source) == (None, 7)
