"""What the triggers tell and the digest makes of it: the index, the counters, who has written before (B12)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text, update

from tests.report import AT, inside, make_integrations, scatter, truth, values
from tests.views.acting import make_communication
from webapp.jobs import purge_expired
from webapp.models import Account, Communication, CommunicationChange, CommunicationCount, DayToCount, Grain, utc_now
from webapp.report import digest
from webapp.report.counting import count
from webapp.report.filters import Filters
from webapp.report.periods import day_of, month_of


def indexed(session: Any, words: str) -> set[int]:
    """The communications in whose words this one is, in the index alone."""
    if session.get_bind().dialect.name == "sqlite":
        query = text("SELECT rowid FROM communication_search WHERE words LIKE :word")
    else:
        query = text("SELECT communication_id FROM communication_search WHERE words::text LIKE :word")
    return set(session.scalars(query, {"word": f"%{words}%"}))


def test_a_new_communication_is_indexed_and_counted_once(app, session):
    _account, integration = make_integrations(session)
    row = make_communication(
        session, integration, "1", started_at=AT, text="Римские шторы", contact_phone="+79161234567"
    )
    session.commit()
    number = row.id
    session.rollback()
    with inside(app) as own:
        assert own.scalar(select(func.count()).select_from(CommunicationChange)) == 1
        assert indexed(own, "wримские") == set()
        digest.run_all(own)
        assert indexed(own, "wримские") == indexed(own, "p1234567") == {number}
        assert own.scalar(select(func.count()).select_from(CommunicationChange)) == 0
        assert own.scalar(select(func.count()).select_from(DayToCount)) == 0
        kept = own.execute(select(CommunicationCount.grain, CommunicationCount.day, CommunicationCount.number)).all()
        day = day_of(AT, "Europe/Moscow")
        days = {(grain, day, 1) for grain in (Grain.DAY, Grain.SHORT_DAY)}
        assert set(map(tuple, kept)) == days | {(grain, month_of(day), 1) for grain in (Grain.MONTH, Grain.SHORT_MONTH)}
        assert digest.run(own) is False, "nothing is left to do"


def test_what_is_changed_is_indexed_anew_and_what_is_deleted_is_gone_at_once(app, session):
    """Erasure and purge need not know of the index: the database itself takes the words away."""
    account, integration = make_integrations(session)
    first = make_communication(session, integration, "1", started_at=AT, text="карниз")
    second = make_communication(session, integration, "2", started_at=AT, text="карниз")
    session.commit()
    numbers = first.id, second.id
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        own.execute(update(Communication).where(Communication.id == numbers[0]).values(search_text="тюль"))
        own.commit()
        digest.run_all(own)
        assert indexed(own, "wкарниз") == {numbers[1]}
        assert indexed(own, "wтюль") == {numbers[0]}
        own.execute(delete(Communication).where(Communication.id == numbers[0]))
        own.commit()
        assert indexed(own, "wтюль") == set(), "without waiting for the worker"
        digest.run_all(own)
        assert count(own, Filters.read(own.get_one(Account, account.id), {}), ("rule",)).total == 1


def test_a_change_of_what_is_neither_searched_nor_counted_is_not_told(app, session):
    _account, integration = make_integrations(session)
    row = make_communication(session, integration, "1", started_at=AT)
    session.commit()
    number = row.id
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        own.execute(
            update(Communication).where(Communication.id == number).values(updated_at=utc_now(), details={"a": "b"})
        )
        own.execute(update(Communication).where(Communication.id == number).values(rule="none"))
        own.commit()
        assert own.scalar(select(func.count()).select_from(CommunicationChange)) == 0


def test_retention_takes_the_words_and_the_numbers_along(app, session):
    account, integration = make_integrations(session)
    session.get(Account, account.id).communication_retention_days = 30
    make_communication(session, integration, "old", started_at=utc_now() - timedelta(days=40), text="старое")
    make_communication(session, integration, "new", started_at=utc_now(), text="новое")
    session.commit()
    number = account.id
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        purge_expired.handle(0)
        assert indexed(own, "wстарое") == set()
        assert len(indexed(own, "wновое")) == 1
        digest.run_all(own)
        assert count(own, Filters.read(own.get_one(Account, number), {}), ("rule",), by_month=True).total == 1


def test_the_counters_are_what_counting_gives(app, session):
    """Day by day and month by month, by every kind, in the account's own days."""
    account, integration = make_integrations(session)
    scatter(session, account, integration, 300)
    number = account.id
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        rows = truth(own, own.get_one(Account, number))
        kinds = ("rule", "type", "channel", "campaign_id", "source_id", "site_id", "integration_id", "is_repeat")
        for grain, start in ((Grain.DAY, lambda day: day), (Grain.MONTH, month_of)):
            expected = Counter(
                (start(day_of(row.started_at, "Europe/Moscow")), row.visit_id is not None,
                 *((getattr(row, kind) or ("" if kind == "channel" else 0)) for kind in kinds))
                for row in rows
            )  # fmt: skip
            columns = [getattr(CommunicationCount, kind) for kind in kinds]
            kept = own.execute(
                select(CommunicationCount.day, CommunicationCount.has_visit, *columns, CommunicationCount.number)
                .where(CommunicationCount.grain == grain)
            ).all()  # fmt: skip
            assert Counter({tuple(key): value for *key, value in kept}) == expected
        for told in ({}, {"rule": "utm"}, {"contact": "repeat"}, {"channel": "telegram", "site": "none"}):
            for period in ({}, {"since": "2025-12-05", "until": "2026-02-10"}):
                filters = Filters.read(own.get_one(Account, number), values(**told, **period))
                real = own.scalar(select(func.count()).select_from(Communication).where(*filters.conditions()))
                for by_month in (False, True):
                    assert count(own, filters, ("rule",), by_month).total == real, (told, period)


def test_another_zone_is_another_set_of_days(app, session):
    account, integration = make_integrations(session)
    scatter(session, account, integration, 60)
    number = account.id
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        own.get_one(Account, number).timezone = "Asia/Vladivostok"
        own.commit()
        digest.run_all(own)
        expected = Counter(
            day_of(row.started_at, "Asia/Vladivostok") for row in truth(own, own.get_one(Account, number))
        )
        kept = own.execute(
            select(CommunicationCount.day, func.sum(CommunicationCount.number))
            .where(CommunicationCount.grain == Grain.DAY)
            .group_by(CommunicationCount.day)
        ).all()
        assert {day: int(found) for day, found in kept} == expected


@pytest.mark.parametrize(
    "contact", [{"contact_phone": "+79161234567"}, {"contact_email": "a@b.example"}, {"client": "83"}]
)
def test_the_first_of_a_contact_is_the_first_and_the_others_are_repeated(app, session, contact):
    """Also when the first comes last, out of an archive."""
    _account, integration = make_integrations(session)
    _other_account, elsewhere = make_integrations(session, "vasilek")
    for name, place, own in (("2", 2, integration), ("3", 3, integration), ("foreign", 1, elsewhere)):
        make_communication(session, own, name, started_at=AT + timedelta(hours=place), **contact)
    session.commit()

    def repeated(own: Any) -> dict[str, bool]:
        return dict(own.execute(select(Communication.vendor_id, Communication.is_repeat)).all())

    with inside(app) as own:
        digest.run_all(own)
        assert repeated(own) == {"2": False, "3": True, "foreign": False}
    make_communication(session, integration, "1", started_at=AT, **contact)
    session.commit()
    with inside(app) as own:
        digest.run_all(own)
        assert repeated(own) == {"1": False, "2": True, "3": True, "foreign": False}


@pytest.mark.parametrize(
    ("contact", "corrected"),
    [
        ({"contact_phone": "+79161234567"}, {"contact_phone": "+79167654321"}),
        ({"contact_email": "a@b.example"}, {"contact_email": "b@b.example"}),
        ({"contact_phone": "+79161234567"}, {"contact_phone": None}),
        ({"client": "83"}, {"client": "84"}),
        ({"contact_phone": "+79161234567"}, {"started_at": AT + timedelta(hours=9)}),
    ],
    ids=str,
)
def test_when_the_first_turns_out_to_be_anothers_the_next_is_the_first(app, session, contact, corrected):
    """A card corrects the contact, or the beginning, of what counted as the first until then."""
    _account, integration = make_integrations(session)
    _other_account, elsewhere = make_integrations(session, "vasilek")
    rows = {
        name: make_communication(session, own, name, started_at=AT + timedelta(hours=place), **contact)
        for name, place, own in (("1", 1, integration), ("2", 2, integration), ("3", 3, integration),
                                 ("foreign", 0, elsewhere))
    }  # fmt: skip
    session.commit()
    with inside(app) as own:
        digest.run_all(own)
    for name, value in corrected.items():
        setattr(rows["1"], name, value)
    session.commit()
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
        found = dict(own.execute(select(Communication.vendor_id, Communication.is_repeat)).all())
        is_last = "started_at" in corrected
        assert found == {"1": is_last, "2": False, "3": True, "foreign": False}


def test_what_is_behind_is_counted_at_once_where_it_is_little(app, session, monkeypatch):
    account, integration = make_integrations(session)
    make_communication(session, integration, "1", started_at=AT)
    session.commit()
    number = account.id
    session.rollback()
    with inside(app) as own:
        filters = Filters.read(own.get_one(Account, number), values(since="2026-03-01", until="2026-03-31"))
        for by_month in (False, True):
            found = count(own, filters, ("rule",), by_month)
            assert (found.total, found.behind) == (1, False)
        monkeypatch.setattr("webapp.report.counting.MOST_COUNTED_NOW", 0)
        found = count(own, filters, ("rule",))
        assert (found.total, found.behind) == (0, True), "and where it is much the page says so"
