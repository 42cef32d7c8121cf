"""What a change of the rules would do to communications that are stored, without doing it (B2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session, load_only

from webapp.lookback import LOOKED_AT, Decided, Kept, Ruling, chosen, in_chunks
from webapp.models import Account, Communication

#: How far a forecast looks back, and at how many communications at most, the newest first.
FORECAST_DAYS, MOST_FORECAST = 30, 5000

#: Communications shown of each kind of change.
MOST_EXAMPLES = 3


@dataclass(frozen=True)
class Shift:
    """So many communications would go from one to the other; ``examples`` are the newest of them."""

    before: Decided
    after: Decided
    count: int = 0
    examples: tuple[Communication, ...] = ()


@dataclass(frozen=True)
class Forecast:
    """How stored communications would be attributed. ``cut``: there are more than were looked at.

    ``anyway`` of the ``changed`` would change by the saved rules alone: they were decided by older ones. ``kept``
    counts those that no rules of today decide about, by why.
    """

    seen: int
    cut: bool
    shifts: tuple[Shift, ...]
    anyway: int
    kept: Mapping[Kept, int]

    @property
    def changed(self) -> int:
        """How many would go elsewhere."""
        return sum(shift.count for shift in self.shifts)


def forecast(
    session: Session,
    account: Account,
    new: Ruling,
    saved: Ruling,
    *,
    since: datetime,
    until: datetime | None = None,
    integration_id: int | None = None,
    most: int = MOST_FORECAST,
) -> Forecast:
    """What ``new`` would make of the newest communications of this time, tests left out. Writes nothing."""
    shifts: dict[tuple[Decided, Decided], Shift] = {}
    anyway, kept = 0, Counter()
    newest = chosen(account, since=since, until=until, integration_id=integration_id)
    rows = session.scalars(
        newest.where(Communication.is_test.is_(False))
        .options(load_only(*LOOKED_AT))
        .order_by(Communication.started_at.desc(), Communication.id.desc())
        .limit(most + 1)
    ).all()
    for case in in_chunks(session, account, rows[:most]):
        if why := new.kept(case):
            kept[why] += 1
            continue
        before, after = Decided.of(case.communication), Decided.by(new.decide(case))
        if before == after:
            continue
        anyway += Decided.by(saved.decide(case)) == after
        shift = shifts.get((before, after), Shift(before, after))
        examples = shift.examples
        if len(examples) < MOST_EXAMPLES:
            examples = (*examples, case.communication)
        shifts[before, after] = replace(shift, count=shift.count + 1, examples=examples)
    ordered = sorted(shifts.values(), key=lambda shift: -shift.count)
    return Forecast(min(len(rows), most), len(rows) > most, tuple(ordered), anyway, kept)
