"""Decides anew about the communications of a chosen time, by today's rules, and keeps what was before (B2)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from webapp import attribution
from webapp.attribution import write_decision
from webapp.cabinets import cabinet_of
from webapp.extensions import db
from webapp.lookback import Case, Decided, Ruling, cases, chosen, ruling
from webapp.models import Account, Communication, Integration, Redecision, Task, Visit
from webapp.tasks import carry_out

#: Communications of one transaction: few enough that a webhook waits for less than a second.
BATCH = 200

#: The columns of a communication that a decision writes, and those of a visit.
DECIDED = ("rule", "campaign_id", "source_id", "site_id", "visit_id", "session_named", "channel", "trail")
MEANT = ("campaign_id", "source_id")


def handle(row_id: int) -> None:
    """Carry out this task."""
    rules = Rules()
    carry_out(db.session(), row_id, partial(step, rules), count=count, ahead=rules.read)


class Rules:
    """The rules of an account, read once a job and again when they change: reading thousands takes its time."""

    def __init__(self) -> None:
        self._known: tuple[Any, Ruling] | None = None

    def read(self, session: Session, task: Task) -> None:
        """Have them at hand before a step needs them."""
        self.of(session, session.get(Account, task.account_id))

    def of(self, session: Session, account: Account) -> Ruling:
        """What they say now."""
        integrations = session.execute(
            select(Integration.id, Integration.revision).where(Integration.account_id == account.id)
        )
        revision = (account.revision, sorted(tuple(row) for row in integrations))
        if self._known is None or self._known[0] != revision:
            self._known = revision, ruling(session, account, attribution.catalogue(session, account))
        return self._known[1]


def count(session: Session, task: Task) -> int:
    """How many communications there are to decide about."""
    query = _asked_for(session.get(Account, task.account_id), task)
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def step(kept: Rules, session: Session, task: Task) -> bool:
    """The next batch, the oldest communications first."""
    account = session.get(Account, task.account_id)
    query = _asked_for(account, task)
    key = tuple_(Communication.started_at, Communication.id)
    if task.cursor:
        query = query.where(key > tuple_(_moment(task.cursor["started_at"]), task.cursor["id"]))
    rows = session.scalars(
        query.order_by(Communication.started_at, Communication.id).limit(BATCH).with_for_update()
    ).all()
    if not rows:
        return False
    cabinet, rules, changed, left = cabinet_of(account), kept.of(session, account), [], Counter()
    for case in cases(session, account, rows):
        for visit in case.visits:
            _move(session, task, visit, rules)
        if why := rules.kept(case):
            left[why] += 1
        elif _decide(session, task, case, rules):
            changed.append(case.communication.id)
    session.flush()
    for number in changed:
        cabinet.resend(session, number)
    task.cursor = {"started_at": rows[-1].started_at.astimezone(UTC).isoformat(), "id": rows[-1].id}
    task.seen += len(rows)
    task.count(changed=len(changed), **left)
    return len(rows) == BATCH


def columns(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The values of these columns, by name."""
    return {name: getattr(row, name) for name in names}


def _asked_for(account: Account, task: Task) -> Any:
    since, until = task.params.get("since"), task.params.get("until")
    return chosen(
        account,
        since=_moment(since) if since else None,
        # What comes from now on is decided by today's rules anyway.
        until=min(_moment(until), task.created_at) if until else task.created_at,
        integration_id=task.params.get("integration"),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _decide(session: Session, task: Task, case: Case, rules: Ruling) -> bool:
    """Write the decision, if it is another one; True then."""
    communication, decision, channel = case.communication, rules.decide(case), rules.channel(case)
    if (
        Decided.of(communication) == Decided.by(decision)
        and (communication.visit_id, communication.session_named) == (decision.visit, decision.session)
        and communication.channel == channel
    ):
        return False
    before = columns(communication, DECIDED)
    communication.channel = channel
    write_decision(communication, decision)
    session.add(
        Redecision(
            task_id=task.id,
            communication_id=communication.id,
            before=before,
            after=columns(communication, DECIDED),
        )
    )
    return True


def _move(session: Session, task: Task, visit: Visit, rules: Ruling) -> None:
    """Give a visit the campaign and source that its arrival means today."""
    campaign, source = rules.meaning(visit)
    if (visit.campaign_id, visit.source_id) == (campaign, source):
        return
    before = columns(visit, MEANT)
    visit.campaign_id, visit.source_id = campaign, source
    session.add(Redecision(task_id=task.id, visit_id=visit.id, before=before, after=columns(visit, MEANT)))
    task.count(visits=1)
