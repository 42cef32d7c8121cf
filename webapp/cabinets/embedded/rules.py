"""Campaigns' and sources' rules in the two forms they have: as people write them and as they are stored.

Written (the configuration file): a list of mappings, mark to text, or to ``{contains: text}`` and the like for each
Operator (``{present: true}`` for those that take no text), or to a list of these. Stored: a list of rules, each a list
of conditions ``{"mark", "op", "value"}``. In both, an entry matches when any of its rules does, and a rule when all its
conditions do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from webapp.arrival import HOST_MARKS, MARKS, host_of
from webapp.resolution import Operator

#: As long as the form's.
LONGEST_VALUE = 255

_UNSTORABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")

_FORMS = "must be a text, or one of " + ", ".join(
    f"{{{operator}: {'text' if operator.takes_value else 'true'}}}" for operator in Operator
)

Path = tuple[str | int, ...]
Rules = list[list[dict[str, str]]]


class RulesMistake(ValueError):
    """Rules that cannot be used. ``mistakes`` are pairs of a path within the rules and what is wrong there."""

    def __init__(self, mistakes: list[tuple[Path, str]]) -> None:
        super().__init__("; ".join(f"{path}: {text}" for path, text in mistakes))
        self.mistakes = mistakes


def rules_from_config(written: Any) -> Rules:
    """The stored form of written rules; None means no rules. Raises RulesMistake with everything that is wrong."""
    mistakes: list[tuple[Path, str]] = []
    if written is None:
        return []
    if not isinstance(written, list):
        raise RulesMistake([((), "must be a list of rules")])
    rules = [_rule(rule, (place,), mistakes) for place, rule in enumerate(written)]
    if mistakes:
        raise RulesMistake(mistakes)
    return rules


def rules_to_config(stored: Iterable[Iterable[Mapping[str, str]]]) -> list[dict[str, Any]]:
    """The written form of stored rules, in its shortest spelling."""
    written = []
    for rule in stored:
        by_mark: dict[str, list[Any]] = {}
        for condition in rule:
            operator, value = Operator(condition["op"]), condition["value"]
            written_value = value if operator.takes_value else True
            by_mark.setdefault(condition["mark"], []).append(
                value if operator is Operator.EQUALS else {str(operator): written_value}
            )
        written.append({mark: values[0] if len(values) == 1 else values for mark, values in by_mark.items()})
    return written


def _rule(rule: Any, path: Path, mistakes: list[tuple[Path, str]]) -> list[dict[str, str]]:
    if not isinstance(rule, Mapping):
        mistakes.append((path, "must be a mapping of marks, such as {utm_source: yandex}"))
        return []
    if not rule:
        mistakes.append((path, "a rule needs at least one mark"))
    conditions = []
    for mark, wanted in rule.items():
        if mark not in MARKS:
            mistakes.append(((*path, str(mark)), f"unknown mark, known are {', '.join(MARKS)}"))
        elif isinstance(wanted, list):
            if not wanted:
                mistakes.append(((*path, mark), "needs at least one text"))
            for place, one in enumerate(wanted):
                conditions += _condition(str(mark), one, (*path, mark, place), mistakes)
        else:
            conditions += _condition(str(mark), wanted, (*path, mark), mistakes)
    return conditions


def _condition(mark: str, wanted: Any, path: Path, mistakes: list[tuple[Path, str]]) -> list[dict[str, str]]:
    operator = Operator.EQUALS
    if isinstance(wanted, Mapping):
        if len(wanted) != 1 or next(iter(wanted)) not in list(Operator):
            mistakes.append((path, _FORMS))
            return []
        name, wanted = next(iter(wanted.items()))
        operator, path = Operator(name), (*path, str(name))
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        wanted = str(wanted)
    if not operator.takes_value and wanted is True:
        return [{"mark": mark, "op": str(operator), "value": ""}]
    if not operator.takes_value:
        mistakes.append((path, "must be true"))
    elif not isinstance(wanted, str):
        mistakes.append((path, _FORMS))
    elif not wanted.strip():
        mistakes.append((path, "must not be empty"))
    elif len(wanted) > LONGEST_VALUE:
        mistakes.append((path, f"must be at most {LONGEST_VALUE} characters long"))
    elif not storable(wanted):
        mistakes.append((path, "must be plain text without control characters"))
    elif not fits_mark(mark, operator):
        mistakes.append((path, f"compares domains, which only {' and '.join(sorted(HOST_MARKS))} are"))
    elif not names_host(mark, operator, wanted):
        mistakes.append((path, "must be a domain, such as google.com or google.*"))
    else:
        return [{"mark": mark, "op": str(operator), "value": str(wanted)}]
    return []


def fits_mark(mark: str, operator: Operator) -> bool:
    """False for a comparison of domains of what is no host."""
    return operator.positive is not Operator.DOMAIN or mark in HOST_MARKS


def names_host(mark: str, operator: Operator, value: str) -> bool:
    """False where a host is compared as a whole with what can be none."""
    whole = mark in HOST_MARKS and operator.positive in (Operator.EQUALS, Operator.DOMAIN)
    return not whole or bool(host_of(value))


def storable(text: str) -> bool:
    """True for text that every database keeps as it is: no control characters but the tab, no halves of a character."""
    return _UNSTORABLE.search(text) is None
