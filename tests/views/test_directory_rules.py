"""The UTM rules of campaigns and sources as a form: rows added and removed on the server (issue 2.3)."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import Tag
from sqlalchemy import select

from tests.factories import make_campaign
from tests.views.acting import beside, everything, filled, rows, said
from webapp.arrival import MARKS
from webapp.models import Campaign
from webapp.resolution import Operator
from webapp.views.rules_words import MARK_GROUPS

NEW = "/a/romashka/directory/campaigns/new"

TYPED = {
    "name": "Директ",
    "priority": "5",
    "rule-0-0-mark": "utm_source",
    "rule-0-0-op": "equals",
    "rule-0-0-value": "yandex",
}

#: The marks in the order of the list.
GROUPED = [mark for marks in MARK_GROUPS.values() for mark in marks]

both_ways = pytest.mark.parametrize("partial", [False, True], ids=["plain", "htmx"])


def conditions(page: Tag) -> list[list[tuple[str, str, str]]]:
    """The rows as they stand in the form."""
    values = filled(page.find(id="entry-form"))
    found: dict[int, list[tuple[str, str, str]]] = {}
    for name in values:
        if name.startswith("rule-") and name.endswith("-mark"):
            _rule, rule, row, _mark = name.split("-")
            stem = f"rule-{rule}-{row}"
            found.setdefault(int(rule), []).append((values[name], values[f"{stem}-op"], values[f"{stem}-value"]))
    return [found[rule] for rule in sorted(found)]


def stored(session: Any) -> list[list[dict[str, str]]]:
    session.rollback()
    return session.scalars(select(Campaign)).one().rules


def test_a_new_campaign_begins_with_one_empty_row(editor):
    assert conditions(editor.get(NEW)) == [[("utm_source", "equals", "")]]


@both_ways
def test_a_rule_is_added_and_what_was_typed_stays(session, editor, partial):
    """DESIGN §6: the page whole without htmx, a block with it."""
    before = everything(session)
    page = editor.post(NEW, TYPED | {"action": "add-rule"}, status=200, partial=partial)
    assert (page.find("html") is None) == partial
    assert conditions(page) == [[("utm_source", "equals", "yandex")], [("utm_source", "equals", "")]]
    kept = filled(page.find(id="entry-form"))
    assert (kept["name"], kept["priority"]) == ("Директ", "5")
    assert page.select_one("[data-error-summary]") is None
    assert everything(session) == before, "nothing is saved by adding a row"


@both_ways
def test_a_condition_is_added_with_a_mark_that_the_rule_has_not_used(editor, partial):
    page = editor.post(NEW, TYPED | {"action": "add-condition-0"}, status=200, partial=partial)
    assert conditions(page) == [[("utm_source", "equals", "yandex"), ("utm_medium", "equals", "")]]


@both_ways
def test_a_condition_and_with_its_last_one_the_rule_is_removed(editor, partial):
    typed = TYPED | {
        "rule-0-1-mark": "utm_medium",
        "rule-0-1-op": "contains",
        "rule-0-1-value": "cpc",
        "rule-1-0-mark": "utm_source",
        "rule-1-0-op": "equals",
        "rule-1-0-value": "google",
    }
    page = editor.post(NEW, typed | {"action": "remove-0-0"}, status=200, partial=partial)
    assert conditions(page) == [[("utm_medium", "contains", "cpc")], [("utm_source", "equals", "google")]]
    page = editor.post(NEW, filled(page.find(id="entry-form")) | {"action": "remove-0-0"}, status=200, partial=partial)
    assert conditions(page) == [[("utm_source", "equals", "google")]]
    page = editor.post(NEW, filled(page.find(id="entry-form")) | {"action": "remove-0-0"}, status=200, partial=partial)
    assert conditions(page) == []
    page = editor.post(NEW, filled(page.find(id="entry-form")) | {"action": "add-rule"}, status=200, partial=partial)
    assert conditions(page) == [[("utm_source", "equals", "")]]


@pytest.mark.parametrize("action", ["remove-7-0", "remove-0-9", "add-condition-9", "add-condition-999"])
def test_a_row_that_is_not_there_is_no_failure(editor, action):
    page = editor.post(NEW, TYPED | {"action": action}, status=200)
    assert conditions(page) == [[("utm_source", "equals", "yandex")]]


def test_rules_are_saved_as_typed_and_shown_in_the_list(session, editor):
    typed = TYPED | {
        "rule-0-1-mark": "utm_medium",
        "rule-0-1-op": "contains",
        "rule-0-1-value": " Cpc ",
        "rule-1-0-mark": "utm_campaign",
        "rule-1-0-op": "equals",
        "rule-1-0-value": "шторы весна",
    }
    page = editor.follow(NEW, typed)
    assert stored(session) == [
        [
            {"mark": "utm_source", "op": "equals", "value": "yandex"},
            {"mark": "utm_medium", "op": "contains", "value": "Cpc"},
        ],
        [{"mark": "utm_campaign", "op": "equals", "value": "шторы весна"}],
    ]
    assert rows(page)[0][2] == "utm_source = yandex, utm_medium ∋ Cpc utm_campaign = шторы весна"


def test_every_mark_and_every_comparison_can_be_chosen(session, editor):
    page = editor.get(NEW)
    chosen = {name: page.find(id=f"rule-0-0-{name}").find_all("option") for name in ("mark", "op")}
    assert [option["value"] for option in chosen["mark"]] == sorted(MARKS, key=[*GROUPED].index)
    assert [option["value"] for option in chosen["op"]] == list(Operator)
    for place, operator in enumerate(Operator):
        mark = "landing_host" if operator.positive == "domain" else MARKS[place]
        typed = {"rule-0-0-mark": mark, "rule-0-0-op": str(operator), "rule-0-0-value": "shop.example"}
        editor.post(NEW, TYPED | typed | {"name": str(operator)})
    kept = session.execute(select(Campaign.name, Campaign.rules)).all()
    session.rollback()
    assert {name: rules[0][0]["op"] for name, rules in kept} == {str(one): str(one) for one in Operator}


def test_a_comparison_that_takes_no_value_needs_and_keeps_none(session, editor):
    typed = {"rule-0-0-mark": "gclid", "rule-0-0-op": "present", "rule-0-0-value": ""}
    typed |= {"rule-1-0-mark": "click_id", "rule-1-0-op": "absent", "rule-1-0-value": "left over"}
    page = editor.follow(NEW, TYPED | typed)
    assert stored(session) == [
        [{"mark": "gclid", "op": "present", "value": ""}],
        [{"mark": "click_id", "op": "absent", "value": ""}],
    ]
    assert rows(page)[0][2] == "gclid присутствует любая метка клика отсутствует"


def test_rules_about_where_people_came_from_are_listed_in_words(editor):
    typed = {"rule-0-0-mark": "referrer_host", "rule-0-0-op": "domain", "rule-0-0-value": "google.*"}
    typed |= {"rule-0-1-mark": "landing_path", "rule-0-1-op": "not_starts_with", "rule-0-1-value": "/blog"}
    page = editor.follow(NEW, TYPED | typed)
    assert rows(page)[0][2] == "откуда: сайт в домене google.*, вход: путь не начинается с /blog"


def test_saved_rules_come_back_into_the_form_and_can_all_be_removed(session, editor, account):
    number = make_campaign(session, account, rules=[{"utm_source": "yandex", "utm_medium": "cpc"}]).id
    session.rollback()
    path = NEW.replace("new", str(number))
    page = editor.get(path)
    assert conditions(page) == [[("utm_source", "equals", "yandex"), ("utm_medium", "equals", "cpc")]]
    for _row in range(2):
        page = editor.post(path, filled(page.find(id="entry-form")) | {"action": "remove-0-0"}, status=200)
    editor.post(path, filled(page.find(id="entry-form")))
    assert stored(session) == []


def test_rules_that_were_left_empty_are_left_out(session, editor):
    typed = TYPED | {"rule-1-0-mark": "utm_source", "rule-1-0-op": "equals", "rule-1-0-value": "  "}
    editor.post(NEW, typed)
    assert len(stored(session)) == 1


@both_ways
@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"mark": "utm_medium", "op": "equals", "value": ""}, "Введите значение метки или уберите условие."),
        ({"mark": "utm_medium", "op": "equals", "value": "я" * 256}, "Не длиннее 255 знаков."),
        ({"mark": "utm_evil", "op": "equals", "value": "x"}, "Выберите метку из списка."),
        ({"mark": "utm_medium", "op": "regex", "value": "x"}, "Выберите, как сравнивать."),
        (
            {"mark": "utm_medium", "op": "domain", "value": "x.ru"},
            "«В домене» бывает только сайт: откуда пришли или куда вошли.",
        ),
        (
            {"mark": "referrer_host", "op": "not_domain", "value": "где-то там"},
            "Нужен домен: например, google.com, или google.* для всех стран сразу.",
        ),
    ],
)
def test_a_mistake_in_a_row_is_said_beside_it_and_what_was_typed_stays(session, editor, row, error, partial):
    before = everything(session)
    typed = TYPED | {f"rule-0-1-{part}": value for part, value in row.items()}
    page = editor.post(NEW, typed, status=422, partial=partial)
    assert beside(page, "rule-0-1-value") == error
    kept = filled(page.find(id="entry-form"))
    assert kept["rule-0-0-value"] == "yandex"
    assert kept["rule-0-1-value"] == row["value"]
    assert everything(session) == before


def test_numbers_of_rows_have_gaps_and_any_order(session, editor):
    """A page from which htmx took rows away need not count anew."""
    editor.post(
        NEW,
        {"name": "Директ", "priority": "5"}
        | {"rule-12-3-value": "cpc", "rule-12-3-mark": "utm_medium", "rule-12-3-op": "equals"}
        | {"rule-4-9-value": "yandex", "rule-4-9-mark": "utm_source", "rule-4-9-op": "equals"},
    )
    assert [rule[0]["value"] for rule in stored(session)] == ["yandex", "cpc"]


def test_there_is_an_end_to_rows(session, editor):
    typed: dict[str, str] = {"name": "Директ", "priority": "5"}
    for number in range(60):
        stem = f"rule-{number}-0"
        typed |= {f"{stem}-mark": "utm_source", f"{stem}-op": "equals", f"{stem}-value": f"s{number}"}
    page = editor.post(NEW, typed | {"action": "add-rule"}, status=200)
    assert len(conditions(page)) == 60, "nothing typed is lost, and no row is added"
    page = editor.post(NEW, {"name": "Директ", "priority": "5", "action": "add-rule"}, status=200)
    assert said(page.find(attrs={"aria-label": "Правило 1"})).startswith("Метка")


def test_a_source_has_rules_and_a_site_has_none(editor):
    assert editor.get("/a/romashka/directory/sources/new").find(id="rule-0-0-value") is not None
    assert editor.get("/a/romashka/directory/sites/new").find(id="rule-0-0-value") is None
