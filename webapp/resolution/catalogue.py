"""Campaigns' and sources' rules over marks, made ready to be asked often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter


class Operator(StrEnum):
    """How a condition compares. Case never matters: marks are typed by hand."""

    EQUALS = "equals"
    CONTAINS = "contains"


@dataclass(frozen=True)
class Condition:
    """``mark`` is a name such as utm_source; ``value`` is folded when the catalogue is made."""

    mark: str
    operator: Operator
    value: str

    def holds(self, marks: Mapping[str, str]) -> bool:
        """True when the folded marks satisfy it. A mark that is absent or blank satisfies nothing, nor does a blank
        ``value`` accept anything."""
        value = marks.get(self.mark)
        if not value or not self.value:
            return False
        return value == self.value if self.operator is Operator.EQUALS else self.value in value


@dataclass(frozen=True)
class Entry:
    """A campaign or a source with its rules: any rule, all conditions of a rule. The smallest ``priority`` is first."""

    id: int
    priority: int
    rules: tuple[tuple[Condition, ...], ...]
    site: int | None = None


@dataclass(frozen=True)
class Match:
    """The entry that won and the number (from 0) of the rule that matched."""

    entry: Entry
    rule: int


class _Ruled:
    """Entries found by the rarest "equals" of a rule, so that twenty thousand cost little more than twenty."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        ordered = sorted(entries, key=lambda entry: (entry.priority, entry.id))
        often = Counter(pair for entry in ordered for rule in entry.rules for pair in _equalities(rule))
        self._by_value: dict[tuple[str, str], list[tuple[int, int, Entry]]] = defaultdict(list)
        self._others: list[tuple[int, int, Entry]] = []
        for place, entry in enumerate(ordered):
            for number, rule in enumerate(entry.rules):
                rarest = min(_equalities(rule), key=lambda pair: often[pair], default=None)
                bucket = self._others if rarest is None else self._by_value[rarest]
                bucket.append((place, number, entry))

    def match(self, marks: Mapping[str, str]) -> Match | None:
        candidates = list(self._others)
        for pair in marks.items():
            candidates += self._by_value.get(pair, ())
        for _place, number, entry in sorted(candidates, key=itemgetter(0, 1)):
            rule = entry.rules[number]
            if rule and all(condition.holds(marks) for condition in rule):
                return Match(entry, number)
        return None


def _equalities(rule: tuple[Condition, ...]) -> list[tuple[str, str]]:
    return [(condition.mark, condition.value) for condition in rule if condition.operator is Operator.EQUALS]


class Catalogue:
    """The rules of an account's campaigns and sources."""

    def __init__(self, campaigns: Iterable[Entry], sources: Iterable[Entry]) -> None:
        self._campaigns = _Ruled(_folded(entry) for entry in campaigns)
        self._sources = _Ruled(_folded(entry) for entry in sources)

    def campaign(self, marks: Mapping[str, str]) -> Match | None:
        """The first campaign whose rules match these marks."""
        return self._campaigns.match(_fold(marks))

    def source(self, marks: Mapping[str, str]) -> Match | None:
        """The first source whose rules match these marks."""
        return self._sources.match(_fold(marks))


def _fold(marks: Mapping[str, str]) -> dict[str, str]:
    return {name: value.casefold().strip() for name, value in marks.items() if value}


def _folded(entry: Entry) -> Entry:
    rules = tuple(
        tuple(Condition(c.mark, c.operator, c.value.casefold().strip()) for c in rule) for rule in entry.rules
    )
    return Entry(entry.id, entry.priority, rules, entry.site)
