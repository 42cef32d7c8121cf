"""Why these facts lead to this campaign or source and to no other: every entry judged, the best ones first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .catalogue import Entry, folded
from .conditions import Facts


@dataclass(frozen=True)
class Verdict:
    """An entry's first rule that holds, or else the one that comes nearest; ``held`` has a word for each condition."""

    entry: Entry
    rule: int
    held: tuple[bool, ...]

    @property
    def matches(self) -> bool:
        """True when the rule holds."""
        return all(self.held)


@dataclass(frozen=True)
class Explanation:
    """The verdicts worth showing: what matches, in the order of asking (the first one wins), then what came near.

    ``others`` is how many entries with rules are not among them.
    """

    verdicts: tuple[Verdict, ...]
    others: int

    @property
    def winner(self) -> Verdict | None:
        """The entry that these facts are given to."""
        return self.verdicts[0] if self.verdicts and self.verdicts[0].matches else None


def explain(entries: Sequence[Entry], facts: Facts, most: int) -> Explanation:
    """Judge the entries of a catalogue (in its order), one by one and without its index; keep the ``most`` best."""
    facts = folded(facts)
    judged = [verdict for entry in entries if (verdict := _judge(entry, facts))]
    # What merely is not denied came no nearer than anything else.
    near = [verdict for verdict in judged if verdict.matches or _affirmed(verdict)]
    near.sort(key=_distance)
    return Explanation(tuple(near[:most]), len(judged) - len(near[:most]))


def _judge(entry: Entry, facts: Facts) -> Verdict | None:
    verdicts = (
        Verdict(entry, number, tuple(condition.holds(facts) for condition in rule))
        for number, rule in enumerate(entry.rules)
        if rule
    )
    return min(verdicts, key=_distance, default=None)


def _distance(verdict: Verdict) -> tuple[int, int]:
    """How far from holding. Those that hold are alike: the first of them counts, as when the catalogue is asked."""
    failed = verdict.held.count(False)
    return failed, -_affirmed(verdict) if failed else 0


def _affirmed(verdict: Verdict) -> int:
    """How many conditions hold because of something that is there."""
    rule = verdict.entry.rules[verdict.rule]
    return sum(held and not condition.operator.negative for held, condition in zip(verdict.held, rule, strict=True))
