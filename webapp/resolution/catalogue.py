"""Campaigns' and sources' rules over the facts of an arrival, made ready to be asked often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter

from .conditions import Condition, Facts, Operator, domains_of


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


#: What a fact must have for a condition to hold: (mark, kind, text). The kinds are how an index can find it.
_Key = tuple[str, str, str]
_WHOLE, _DOMAIN, _PIECE, _ANY = "=", ".", "~", "?"

#: Texts within a value are found by pieces of so many letters.
_PIECE_LENGTH = 3


class _Ruled:
    """Rules found by the rarest key of their conditions, so that twenty thousand cost little more than twenty."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.ordered = tuple(sorted(map(_folded, entries), key=lambda entry: (entry.priority, entry.id)))
        keys = {
            (place, number): {key for condition in rule for key in _keys_of(condition)}
            for place, entry in enumerate(self.ordered)
            for number, rule in enumerate(entry.rules)
            if rule
        }
        often = Counter(key for found in keys.values() for key in found)
        self._by_key: dict[_Key, list[tuple[int, int]]] = defaultdict(list)
        self._kinds: dict[str, set[str]] = defaultdict(set)
        self._others: list[tuple[int, int]] = []
        for rule, found in keys.items():
            if not found:
                self._others.append(rule)
                continue
            rarest = min(found, key=lambda key: (often[key], key))
            self._by_key[rarest].append(rule)
            self._kinds[rarest[0]].add(rarest[1])

    def match(self, facts: Facts) -> Match | None:
        candidates = list(self._others)
        for key in self._keys_in(facts):
            candidates += self._by_key.get(key, ())
        for place, number in sorted(candidates, key=itemgetter(0, 1)):
            entry = self.ordered[place]
            if all(condition.holds(facts) for condition in entry.rules[number]):
                return Match(entry, number)
        return None

    def _keys_in(self, facts: Facts) -> Iterator[_Key]:
        """The keys of these facts, of the kinds by which some rule is found."""
        for mark, value in facts.items():
            kinds = self._kinds.get(mark)
            if not kinds or not value:
                continue
            if _WHOLE in kinds:
                yield mark, _WHOLE, value
            if _DOMAIN in kinds:
                yield from ((mark, _DOMAIN, domain) for domain in domains_of(value))
            if _PIECE in kinds:
                yield from {(mark, _PIECE, piece) for piece in _pieces(value)}
            if _ANY in kinds:
                yield mark, _ANY, ""


def _keys_of(condition: Condition) -> Iterator[_Key]:
    """Keys of which a fact that satisfies the condition has every one; none where a missing mark may satisfy it."""
    operator, value = condition.operator, condition.value
    if operator.negative:
        return
    if operator is Operator.EQUALS:
        yield condition.mark, _WHOLE, value
    elif operator is Operator.DOMAIN:
        yield condition.mark, _DOMAIN, value
    else:
        yield condition.mark, _ANY, ""
        for part in value.split("*") if operator is Operator.MATCHES else (value,) if operator.takes_value else ():
            yield from ((condition.mark, _PIECE, piece) for piece in _pieces(part))


def _pieces(text: str) -> Iterator[str]:
    for start in range(len(text) - _PIECE_LENGTH + 1):
        yield text[start : start + _PIECE_LENGTH]


class Catalogue:
    """The rules of an account's campaigns and sources. ``campaigns`` and ``sources`` are in the order of asking."""

    def __init__(self, campaigns: Iterable[Entry], sources: Iterable[Entry]) -> None:
        self._campaigns, self._sources = _Ruled(campaigns), _Ruled(sources)
        self.campaigns, self.sources = self._campaigns.ordered, self._sources.ordered

    def campaign(self, facts: Facts) -> Match | None:
        """The first campaign whose rules match these facts (webapp.arrival)."""
        return self._campaigns.match(folded(facts))

    def source(self, facts: Facts) -> Match | None:
        """The first source whose rules match these facts (webapp.arrival)."""
        return self._sources.match(folded(facts))


def folded(facts: Facts) -> Facts:
    """Facts ready to be compared."""
    return {name: value and value.casefold().strip() for name, value in facts.items()}


def _folded(entry: Entry) -> Entry:
    rules = tuple(tuple(condition.folded() for condition in rule) for rule in entry.rules)
    return Entry(entry.id, entry.priority, rules, entry.site)
