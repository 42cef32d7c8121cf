"""Brings the search index, the counters and "has written before" up to date with what has changed.

Triggers tell of every change (models.search_index). The worker calls ``run`` again and again; each call is one short
transaction. Whatever it has not come to yet is found all the same: the scope reads the latest communications
themselves, and the counters of days that are behind are counted anew where that is little work.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, delete, exists, func, insert, or_, select, text, tuple_, union, update
from sqlalchemy.orm import Session

from webapp.database import reading_only
from webapp.models import Account, Communication, CommunicationChange, CountedZone, DayToCount
from webapp.recording import INSERTS
from webapp.writing import write

from .counting import recount
from .periods import day_of
from .tokens import VALUES, document

#: Communications, and days, of one transaction: few enough that a webhook waits for a moment only.
BATCH, DAYS = 250, 4

#: Names our lock among those of the database: workers on several machines take turns.
_LOCK = 0x1EAD7261

_OWN = Communication.__table__
_AGAIN = _OWN.alias("other")
_C, _OTHER = _OWN.c, _AGAIN.c

_FORGET = text("DELETE FROM communication_search WHERE rowid = :id")
_WRITE = {
    "sqlite": text("INSERT INTO communication_search (rowid, words) VALUES (:id, :words)"),
    "postgresql": text(
        "INSERT INTO communication_search (communication_id, words) "
        "VALUES (:id, array_to_tsvector(string_to_array(:words, ' '))) "
        "ON CONFLICT (communication_id) DO UPDATE SET words = excluded.words"
    ),
}


def run(session: Session) -> bool:
    """Do one portion of what is behind, and commit it. False when there is nothing, or another worker is at it."""
    done = []

    def work(session: Session) -> None:
        done.clear()
        on_postgresql = session.get_bind().dialect.name == "postgresql"
        if on_postgresql and not session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
            return
        done.append(index(session) or _count(session) or _new_zone(session))

    with reading_only():
        behind = _is_behind(session)
        session.rollback()
    if not behind:
        return False
    write(session, work)
    return any(done)


def run_all(session: Session) -> None:
    """Do everything that is behind."""
    while run(session):
        pass


def _is_behind(session: Session) -> bool:
    """Asked as a reader, which waits for nobody."""
    found = select(exists(select(CommunicationChange.id))), select(exists(select(DayToCount.day)))
    return any(session.scalar(query) for query in found) or session.scalar(_zones().limit(1)) is not None


def index(session: Session) -> bool:
    """Do one portion of the search index within the caller's transaction; False when there is nothing."""
    changes = session.execute(
        select(CommunicationChange.id, CommunicationChange.communication_id, CommunicationChange.account_id,
               CommunicationChange.started_at)
        .order_by(CommunicationChange.id).limit(BATCH)
    ).all()  # fmt: skip
    if not changes:
        return False
    numbers = sorted({change.communication_id for change in changes})
    zones = dict(session.execute(select(Account.id, Account.timezone)).all())
    days = {(change.account_id, change.started_at) for change in changes}
    _see_repeats(session, numbers)
    columns = [getattr(_C, name) for name in VALUES if name != "has_visit"]
    rows = session.execute(
        select(_C.id, _C.account_id, _C.started_at, _C.search_text, _C.contact_phone,
               _C.visit_id.is_not(None).label("has_visit"), *columns)
        .where(_C.id.in_(numbers))
    ).all()  # fmt: skip
    written = []
    for row in rows:
        days.add((row.account_id, row.started_at))
        values = {name: getattr(row, name) for name in VALUES}
        words = document(row.account_id, row.started_at, row.search_text, row.contact_phone, values)
        written.append({"id": row.id, "words": words})
    if written:
        dialect = session.get_bind().dialect.name
        if dialect == "sqlite":
            session.execute(_FORGET, written)
        session.execute(_WRITE[dialect], written)
    _note_days(session, {(account, day_of(at, zones[account])) for account, at in days if account in zones})
    session.execute(delete(CommunicationChange).where(CommunicationChange.id.in_([change.id for change in changes])))
    return True


def _see_repeats(session: Session, numbers: list[int]) -> None:
    """Mark those whose contact had written before. What the same contact wrote later is looked at again."""
    # Wrapped, so that no database goes through everything earlier by the index over time instead.
    here, there = (tuple_(func.coalesce(row.started_at, row.started_at), row.id) for row in (_C, _OTHER))
    by_contact = [
        (_OTHER.account_id == _C.account_id, _OTHER.contact_phone == _C.contact_phone),
        (_OTHER.account_id == _C.account_id, _OTHER.contact_email == _C.contact_email),
        (_OTHER.integration_id == _C.integration_id, _OTHER.client == _C.client),
    ]
    # One question an index each: an OR within it would use none.
    before = or_(*(exists().where(*same, there < here) for same in by_contact))
    told = session.execute(select(_C.id, _C.is_repeat, before).where(_C.id.in_(numbers))).all()
    for repeated in (True, False):
        changed = [number for number, known, found in told if known != found and bool(found) == repeated]
        if changed:
            # Not watched by the triggers: the change is being dealt with here.
            session.execute(update(Communication).where(Communication.id.in_(changed)).values(is_repeat=repeated))
    later = union(
        *(
            select(_OTHER.id, _OTHER.account_id, _OTHER.started_at)
            .select_from(_OWN.join(_AGAIN, and_(*same)))
            .where(_C.id.in_(numbers), there > here, _OTHER.is_repeat.is_(False))
            for same in by_contact
        )
    ).subquery()
    names = ["communication_id", "account_id", "started_at"]
    session.execute(insert(CommunicationChange).from_select(names, select(*later.c)))


def _note_days(session: Session, days: set[tuple[int, date]]) -> None:
    build = INSERTS[session.get_bind().dialect.name]
    rows = [{"account_id": account, "day": day} for account, day in sorted(days)]
    if rows:
        session.execute(build(DayToCount.__table__).on_conflict_do_nothing(), rows)


def _count(session: Session) -> bool:
    rows = session.execute(select(DayToCount.account_id, DayToCount.day).limit(DAYS)).all()
    for account in {row.account_id for row in rows}:
        days = [row.day for row in rows if row.account_id == account]
        recount(session, session.get_one(Account, account), days)
        session.execute(delete(DayToCount).where(DayToCount.account_id == account, DayToCount.day.in_(days)))
    return bool(rows)


def _zones() -> Any:
    """Accounts whose days are others than those that were counted."""
    counted = CountedZone.account_id == Account.id
    return (
        select(Account.id, Account.timezone)
        .outerjoin(CountedZone, counted)
        .where(or_(CountedZone.timezone.is_(None), CountedZone.timezone != Account.timezone))
    )


def _new_zone(session: Session) -> bool:
    """Have every day of an account counted anew that has moved to another zone."""
    found = session.execute(_zones().limit(1)).first()
    if found is None:
        return False
    number, zone = found
    kept = session.get(CountedZone, number)
    if kept is None:
        session.add(CountedZone(account_id=number, timezone=zone))
    else:
        kept.timezone = zone
        # Two questions: each is the end of an index, both at once would be the whole of it.
        ends = [
            session.scalar(select(end(Communication.started_at)).where(Communication.account_id == number))
            for end in (func.min, func.max)
        ]
        if ends[0] is not None:
            day, end = (day_of(at, zone) + timedelta(days=by) for at, by in zip(ends, (-1, 1), strict=True))
            _note_days(session, {(number, day + timedelta(days=place)) for place in range((end - day).days + 1)})
    session.flush()
    return True
