"""Writers that wait are written together; one that fails takes nobody along."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models import WorkerBeat, utc_now
from webapp.writing import write


@pytest.fixture
def names(session):
    """What has been written."""

    def read() -> Counter:
        session.rollback()
        return Counter(session.scalars(select(WorkerBeat.worker)))

    return read


def run(engine, works) -> list[Exception | None]:
    """Each work in a thread and a session of its own; how each ended."""
    ends: list[Exception | None] = [None] * len(works)

    def one(number: int) -> None:
        with Session(engine) as own:
            try:
                write(own, works[number])
            except Exception as error:
                ends[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def add(name: str):
    def work(session: Session) -> None:
        session.add(WorkerBeat(worker=name, beat_at=utc_now()))
        session.flush()

    return work


def fail(_session: Session) -> None:
    raise ValueError("of its own making")


def test_everything_is_written_once_however_many_wait(app, observing_engine, names):
    assert run(observing_engine, [add(f"w{number}") for number in range(60)]) == [None] * 60
    assert names() == Counter(f"w{number}" for number in range(60))


def test_one_that_fails_takes_nobody_along_and_learns_of_it(app, observing_engine, names):
    works = [fail if number % 5 == 0 else add(f"w{number}") for number in range(40)]
    ends = run(observing_engine, works)
    assert [isinstance(end, ValueError) for end in ends] == [number % 5 == 0 for number in range(40)]
    assert names() == Counter(f"w{number}" for number in range(40) if number % 5)


def test_two_that_clash_are_told_apart(app, observing_engine, names):
    ends = run(observing_engine, [add("same"), add("same"), add("other")])
    assert sorted(end is None for end in ends) == [False, True, True]
    assert names() == Counter({"same": 1, "other": 1})


def test_a_commit_that_never_came_looks_like_none_to_whoever_waited(app, observing_engine, names, monkeypatch):
    """DESIGN §9: no 2xx for what is not on disk, not even when taking back fails as well."""

    def broken(_session: Session) -> None:
        raise RuntimeError("the disk is gone")

    with monkeypatch.context() as broken_disk:
        broken_disk.setattr(Session, "commit", broken)
        broken_disk.setattr(Session, "rollback", broken)
        ends = run(observing_engine, [add(f"w{number}") for number in range(8)])
    assert all(isinstance(end, Exception) for end in ends)
    assert names() == Counter()
