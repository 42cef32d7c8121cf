"""One condition of a rule: a mark, how to compare it, and with what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from webapp.arrival import HOST_MARKS, fold_fact

#: What is known of an arrival, folded: a name that is missing or blank means it had no such thing, None that nobody
#: can tell whether it had.
Facts = Mapping[str, str | None]


class Operator(StrEnum):
    """How a condition compares. Case never matters: marks are typed by hand."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    NOT_STARTS_WITH = "not_starts_with"
    #: The whole value, where ``*`` stands for any letters or none.
    MATCHES = "matches"
    NOT_MATCHES = "not_matches"
    #: A host: the domain or what is under it. ``google.*`` is Google's domain in every country.
    DOMAIN = "domain"
    NOT_DOMAIN = "not_domain"
    PRESENT = "present"
    ABSENT = "absent"

    @cached_property
    def takes_value(self) -> bool:
        """False for those that only ask whether there is anything."""
        return self not in (Operator.PRESENT, Operator.ABSENT)

    @cached_property
    def negative(self) -> bool:
        """True for those that hold where the mark is missing."""
        return self is Operator.ABSENT or self.value.startswith("not_")

    @cached_property
    def positive(self) -> Operator:
        """What this one denies; itself, if it denies nothing."""
        return Operator.PRESENT if self is Operator.ABSENT else Operator(self.value.removeprefix("not_"))


@dataclass(frozen=True)
class Condition:
    """``mark`` is a name such as utm_source or referrer_host; ``value`` is folded when the catalogue is made."""

    mark: str
    operator: Operator
    value: str = ""

    def holds(self, facts: Facts) -> bool:
        """True when the folded facts satisfy it.

        A negation holds exactly where what it denies does not, so a missing mark satisfies it. A blank ``value``
        accepts nothing, and what nobody knows satisfies nothing.
        """
        value = facts.get(self.mark, "")
        if value is None or (self.operator.takes_value and not self.value):
            return False
        compare = _COMPARE[self.operator.positive]
        return bool(value and compare(value, self.value)) is not self.operator.negative

    def folded(self) -> Condition:
        """The condition with its value made ready to be compared with facts."""
        part_of_host = self.mark in HOST_MARKS and self.operator.positive not in (Operator.EQUALS, Operator.DOMAIN)
        value = self.value.casefold().strip() if part_of_host else fold_fact(self.mark, self.value)
        return Condition(self.mark, self.operator, value)


def domains_of(host: str) -> Iterator[str]:
    """The host and every domain it is under, each also with ``*`` for its ending: a.google.co.uk gives google.*."""
    stem = _ENDING.sub("", host)
    for rest, ending in ((host, ""), (stem if stem != host else "", ".*")):
        while rest:
            yield rest + ending
            rest = rest.partition(".")[2]


#: A country's or a general ending, and those of the countries that put a general one before their own.
_ENDING = re.compile(r"\.(?:(?:com?|net?|org?|gov|edu|ac)\.[a-z]{2}|[^.]+)$")


def _fits(value: str, pattern: str) -> bool:
    """Every piece between the stars in turn, each as early as it can be: no way to go back, so no slow pattern."""
    first, *pieces = pattern.split("*")
    if not pieces:
        return value == pattern
    if not value.startswith(first):
        return False
    place, last = len(first), pieces.pop()
    for piece in pieces:
        found = value.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return value.endswith(last) and len(value) - len(last) >= place


_COMPARE: dict[Operator, Callable[[str, str], bool]] = {
    Operator.EQUALS: lambda value, wanted: value == wanted,
    Operator.CONTAINS: lambda value, wanted: wanted in value,
    Operator.STARTS_WITH: lambda value, wanted: value.startswith(wanted),
    Operator.MATCHES: _fits,
    Operator.DOMAIN: lambda value, wanted: wanted in domains_of(value),
    Operator.PRESENT: lambda value, wanted: True,
}
