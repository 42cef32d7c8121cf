"""The rules of a campaign or source as a form: groups of conditions, rows added and removed on the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from flask_babel import gettext as _

from webapp.arrival import MARKS
from webapp.cabinets.embedded.rules import fits_mark, names_host
from webapp.resolution import Operator

#: How many rows the buttons add. More from a file are shown and kept.
MOST_RULES, MOST_CONDITIONS, LONGEST_VALUE = 50, 10, 255

_FIELD = re.compile(r"rule-(\d{1,3})-(\d{1,3})-(mark|op|value)")
_ACTION = re.compile(r"(add-rule)|(add-condition)-(\d{1,3})|(remove)-(\d{1,3})-(\d{1,3})")


@dataclass
class Condition:
    """One row as typed."""

    mark: str = MARKS[0]
    op: str = Operator.EQUALS.value
    value: str = ""
    error: str | None = None

    @property
    def said(self) -> bool:
        """True when something was typed or chosen that would mean something."""
        return bool(self.value) or not self.takes_value

    @property
    def takes_value(self) -> bool:
        """False for comparisons that need no value."""
        return self.op not in list(Operator) or Operator(self.op).takes_value


@dataclass
class RulesInput:
    """All rows as typed: a list of rules, each a list of conditions."""

    rules: list[list[Condition]] = field(default_factory=list)

    @classmethod
    def of(cls, stored: list[list[dict[str, str]]] | None) -> RulesInput:
        """The form of stored rules; without any, one empty row to begin with."""
        rules = [[Condition(c["mark"], c["op"], c["value"]) for c in rule] for rule in stored or []]
        return cls(rules or [[Condition()]])

    @classmethod
    def read(cls, form: Mapping[str, str]) -> RulesInput:
        """The rows that were sent, in their order."""
        cells: dict[int, dict[int, dict[str, str]]] = {}
        for name, value in form.items():
            found = _FIELD.fullmatch(name)
            if found:
                rule, row, part = int(found[1]), int(found[2]), found[3]
                cells.setdefault(rule, {}).setdefault(row, {})[part] = value.replace("\0", "").strip()
        rules = []
        for _number, rows in sorted(cells.items()):
            rules.append(
                [
                    Condition(cell.get("mark", MARKS[0]), cell.get("op", Operator.EQUALS.value), cell.get("value", ""))
                    for _row, cell in sorted(rows.items())
                ]
            )
        return cls(rules)

    def act(self, action: str) -> bool:
        """Add or remove a row as a button asks. False when the button was another one."""
        found = _ACTION.fullmatch(action or "")
        if not found:
            return False
        if found[1] and len(self.rules) < MOST_RULES:
            self.rules.append([Condition()])
        elif found[2] and int(found[3]) < len(self.rules) and len(self.rules[int(found[3])]) < MOST_CONDITIONS:
            used = {condition.mark for condition in self.rules[int(found[3])]}
            self.rules[int(found[3])].append(Condition(next((mark for mark in MARKS if mark not in used), MARKS[0])))
        elif found[4] and int(found[5]) < len(self.rules):
            rule = self.rules[int(found[5])]
            del rule[int(found[6]) : int(found[6]) + 1]
            self.rules = [rule for rule in self.rules if rule]
        return True

    def validate(self) -> bool:
        """Set the error of each bad row. Rules whose rows are all empty are left out without a word."""
        self.rules = [rule for rule in self.rules if any(condition.said for condition in rule)]
        for rule in self.rules:
            for condition in rule:
                condition.error = _mistake(condition)
        return not self.errors

    @property
    def errors(self) -> list[tuple[str, str]]:
        """(text, id of the field) of every bad row."""
        return [
            (condition.error, f"rule-{number}-{row}-value")
            for number, rule in enumerate(self.rules)
            for row, condition in enumerate(rule)
            if condition.error
        ]

    def stored(self) -> list[list[dict[str, str]]]:
        """As the directory keeps them."""
        return [
            [{"mark": c.mark, "op": c.op, "value": c.value if c.takes_value else ""} for c in rule]
            for rule in self.rules
        ]


def _mistake(condition: Condition) -> str | None:
    """What is wrong with a row, in words."""
    mark, value = condition.mark, condition.value
    if mark not in MARKS:
        return _("Выберите метку из списка.")
    if condition.op not in list(Operator):
        return _("Выберите, как сравнивать.")
    operator = Operator(condition.op)
    if not operator.takes_value:
        return None
    if not value:
        return _("Введите значение метки или уберите условие.")
    if len(value) > LONGEST_VALUE:
        return _("Не длиннее %(max)d знаков.", max=LONGEST_VALUE)
    if not fits_mark(mark, operator):
        return _("«В домене» бывает только сайт: откуда пришли или куда вошли.")
    if not names_host(mark, operator, value):
        return _("Нужен домен: например, google.com, или google.* для всех стран сразу.")
    return None


def suggested_rules(address: Mapping[str, str]) -> list[list[dict[str, str]]] | None:
    """One rule of the marks in the address of a new entry's form, as suggestions link to it; None without any."""
    given = ((mark, address.get(mark, "").replace("\0", "").strip()[:LONGEST_VALUE]) for mark in MARKS)
    rule = [{"mark": mark, "op": str(Operator.EQUALS), "value": value} for mark, value in given if value]
    return [rule] if rule else None
