"""B3: an archive of raw bodies goes the way of webhooks, and its report says what was new, known and refused."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from tests.deletions import watched
from tests.factories import make_account, make_integration, make_task
from tests.locks import nobody_waits
from tests.views.acting import chat
from webapp import archive_files, tasks
from webapp.intake import accept
from webapp.jobs import handlers, import_archive
from webapp.models import LIVE, Communication, Task, TaskFile, TaskKind, TaskState, VendorClient, WebhookEvent


@pytest.fixture
def jivo(session):
    return make_integration(session, make_account(session))


@pytest.fixture
def load(app, session, jivo):
    """Loads files as the worker does, their bytes in parts of ten; gives the task."""

    def loaded(files: dict[str, bytes], rounds: int = 1, **params) -> Task:
        task = make_task(session, jivo.account, TaskKind.IMPORT, params={"integration": jivo.id, **params})
        pieces = [(name, content[at : at + 10]) for name, content in files.items() for at in range(0, len(content), 10)]
        session.add_all(
            TaskFile(task_id=task.id, number=number, name=name, data=data) for number, (name, data) in enumerate(pieces)
        )
        session.commit()
        number = task.id
        session.rollback()
        for _round in range(rounds):
            handlers(app)[TaskKind.IMPORT](number)
        return task

    return loaded


def body(number: int, **more) -> bytes:
    return json.dumps(chat(number, at=1795428000, **more)).encode()


def test_a_delivery_log_is_taken_with_its_times_and_channels(session, jivo, load):
    log = (
        b"2026-11-20 12:00:01\nPOST https://trail.example/hooks/jivo/secret/telegram\n"
        + body(1)
        + b"\nResponse code: 200\n\n2026-11-20 12:05:00\nPOST https://trail.example/hooks/jivo/secret\n"
        + b"\nResponse code: 500\n"
    )
    done = load({"delivery.log": log})
    assert (done.state, done.total, done.seen) == (TaskState.DONE, 2, 2)
    assert done.counts == {"new": 1, "refused": 1}
    assert done.problems == [{"file": "delivery.log", "line": 7, "problem": "no body"}]
    [event] = session.scalars(select(WebhookEvent))
    assert (event.channel, event.received_at.hour, event.state) == ("telegram", 9, "done")
    assert [one.vendor_id for one in session.scalars(select(Communication))] == ["1"]
    assert session.scalars(select(TaskFile)).all() == []


def test_what_is_known_is_counted_and_changes_nothing(session, jivo, load):
    accept(session, jivo, body(1))
    session.commit()
    done = load({"a.jsonl": body(1) + b"\n" + body(2) + b"\nnot json\n"})
    assert done.counts == {"known": 1, "new": 1, "refused": 1}
    assert len(session.scalars(select(Communication)).all()) == 2


def test_an_old_body_without_a_date_is_no_news(session, jivo, load):
    """A card that was changed since stays as it was told last."""
    old = {"event_name": "client_updated", "client_id": "1", "visitor": {"number": "1", "name": "Анна"}}
    new = {"event_name": "client_updated", "client_id": "1", "visitor": {"number": "1", "name": "Анна Петровна"}}
    accept(session, jivo, json.dumps(chat(1)).encode())
    for card in (old, new):
        accept(session, jivo, json.dumps(card).encode())
    session.commit()
    load({"cards.jsonl": json.dumps(old).encode() + b"\n" + json.dumps(old).encode()})
    assert session.scalars(select(VendorClient.name)).all() == ["Анна Петровна"]


def test_a_file_that_is_none_is_named(session, load):
    done = load({"1. photo.jpg": b"\xff\xd8\xff\xe0 not an archive at all", "2. a.json": body(3)})
    assert done.counts == {"refused": 1, "new": 1}
    assert done.problems[0]["file"] == "1. photo.jpg"
    assert done.problems[0]["line"] is None


def test_bodies_without_a_channel_get_the_chosen_one(session, load):
    load({"a.json": body(1)}, channel="avito")
    assert session.scalars(select(Communication.channel)).all() == ["avito"]


def test_it_goes_on_where_it_was_interrupted_and_counts_nothing_twice(session, load, monkeypatch):
    monkeypatch.setattr(import_archive, "BATCH", 2)
    monkeypatch.setattr("webapp.tasks.MOST_STEPS", 2)
    lines = b"\n".join(body(number) for number in range(1, 8))
    done = load({"1. a.jsonl": lines, "2. b.jsonl": body(8)}, rounds=4)
    assert (done.state, done.seen, done.counts) == (TaskState.DONE, 8, {"new": 8})
    assert session.scalars(select(WebhookEvent.repeats)).all() == [0] * 8


def test_an_integration_that_is_off_keeps_them_for_later(session, jivo, load):
    jivo.active = False
    session.commit()
    assert load({"a.json": body(1)}).counts == {"new": 1, "stored": 1}
    assert session.scalars(select(Communication)).all() == []


def test_files_are_unpacked_and_read_while_nobody_waits(session, load, monkeypatch, observing_engine):
    """A large zip takes its time: webhooks come meanwhile."""
    free = []

    def watched(working):
        def work(*arguments, **named):
            free.append(nobody_waits(observing_engine))
            return working(*arguments, **named)

        return work

    monkeypatch.setattr(import_archive, "read", watched(import_archive.read))
    monkeypatch.setattr(archive_files, "read", watched(archive_files.read))
    done = load({"1. a.jsonl": body(1) + b"\n" + body(2), "2. b.jsonl": body(3)})
    assert done.counts == {"new": 3}
    assert free == [True] * 7, "two files are counted, then read, and three bodies"


def test_the_files_go_part_by_part_when_all_is_read(app, session, load):
    """A large archive is written over by SQLite as it is deleted, and webhooks come meanwhile."""
    with watched(app, "task_file") as gone:
        done = load({"a.jsonl": body(1)})
    assert done.state == TaskState.DONE
    assert set(gone[:-1]) == {tasks.REMOVED_PARTS}
    assert 0 < gone[-1] <= tasks.REMOVED_PARTS
    assert session.scalars(select(TaskFile)).all() == []


@pytest.mark.parametrize("state", TaskState)
def test_files_that_a_stopped_process_left_go_with_the_next_purge(app, session, jivo, state):
    task = make_task(session, jivo.account, TaskKind.IMPORT, state=state)
    session.add(TaskFile(task_id=task.id, number=0, name="a.jsonl", data=b"{}"))
    session.commit()
    handlers(app)["purge_expired"](0)
    session.rollback()
    assert bool(session.scalars(select(TaskFile)).all()) == (state in LIVE)


def test_each_job_reads_what_is_left_and_no_more(session, load, monkeypatch):
    monkeypatch.setattr(import_archive, "BATCH", 2)
    monkeypatch.setattr("webapp.tasks.MOST_STEPS", 2)
    seen = []
    working = archive_files.read

    def counted(*arguments):
        for one in working(*arguments):
            seen.append(one.line)
            yield one

    monkeypatch.setattr(archive_files, "read", counted)
    lines = b"\n".join(body(number) for number in range(1, 10))
    done = load({"a.jsonl": lines}, rounds=3)
    assert (done.state, done.seen, done.counts) == (TaskState.DONE, 9, {"new": 9})
    assert seen == [*range(1, 10), *range(1, 10)], "once to count them, once to take them"
