"""Brings the search index, the counters and "has written before" up to date with what has changed.

Triggers tell of every change (models.search_index). The worker calls ``run`` again and again; each call is one short
transaction. Whatever it has not come to yet is found all the same: the scope reads the latest communications
themselves, and the counters of days that are behind are counted anew where that is little work.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import delete, exists, func, insert, or_, select, text, tuple_, update
from sqlalchemy.orm import Session, aliased

from webapp.database import reading_only
from webapp.models import Account, Communication, CommunicationChange, CountedZone, DayToCount
from webapp.recording import INSERTS
from webapp.writing import write

from .counting import recount
from .periods import day_of
from .tokens import VALUES, document

#: Communications, and days, of one transaction: few enough that a webhook waits for a moment only.
BATCH, DAYS = 250, 4

#: How many later communications of the same contact are told that they are repeated, at once.
MOST_LATER = 200

#: Names our lock among those of the database: workers on several machines take turns.
_LOCK = 0x1EAD7261

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
        done.append(_index(session) or _count(session) or _new_zone(session))

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


def _index(session: Session) -> bool:
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
    for row in session.execute(_indexed().where(Communication.id.in_(numbers))).all():
        values = {name: getattr(row, name) for name in VALUES}
        values["is_repeat"] = _see_repeats(session, row)
        words = document(row.account_id, row.started_at, row.search_text, row.contact_phone, values)
        days.add((row.account_id, row.started_at))
        _write_words(session, row.id, words)
    _note_days(session, {(account, day_of(at, zones[account])) for account, at in days if account in zones})
    session.execute(delete(CommunicationChange).where(CommunicationChange.id.in_([change.id for change in changes])))
    return True


def _indexed() -> Any:
    columns = [getattr(Communication, name) for name in VALUES if name != "has_visit"]
    return select(
        Communication.id, Communication.account_id, Communication.started_at, Communication.search_text,
        Communication.contact_phone, Communication.contact_email, Communication.client,
        Communication.visit_id.is_not(None).label("has_visit"), *columns,
    )  # fmt: skip


def _write_words(session: Session, number: int, words: str) -> None:
    dialect = session.get_bind().dialect.name
    if dialect == "sqlite":
        session.execute(_FORGET, {"id": number})
    session.execute(_WRITE[dialect], {"id": number, "words": words})


def _see_repeats(session: Session, row: Any) -> bool:
    """Whether the contact had written before. What the same contact wrote later is looked at again."""
    other = aliased(Communication)
    same = []
    if row.contact_phone:
        same.append((other.account_id == row.account_id, other.contact_phone == row.contact_phone))
    if row.contact_email:
        same.append((other.account_id == row.account_id, other.contact_email == row.contact_email))
    if row.client:
        same.append((other.integration_id == row.integration_id, other.client == row.client))
    place = tuple_(other.started_at, other.id)
    here = tuple_(row.started_at, row.id)
    # One question an index each: an OR over them would use none.
    repeated = any(session.scalar(select(exists().where(*each, place < here))) for each in same)
    if repeated != row.is_repeat:
        session.execute(update(Communication).where(Communication.id == row.id).values(is_repeat=repeated))
    for each in same:
        later = session.execute(
            select(other.id, other.account_id, other.started_at)
            .where(*each, place > here, other.is_repeat.is_(False))
            .limit(MOST_LATER)
        ).all()
        for one in later:
            session.execute(insert(CommunicationChange).values(
                communication_id=one.id, account_id=one.account_id, started_at=one.started_at
            ))  # fmt: skip
    return repeated


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
