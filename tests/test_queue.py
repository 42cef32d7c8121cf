"""The job queue: its promises, kept on every database of the suite."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import scoped_session, sessionmaker

from tests.databases import KINDS, fresh_database
from webapp import queue
from webapp.database import engine_options, prepare_engine, reading_only


class Database:
    """A database with the engine's tables and a table of effects: one row a job that did its work."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = sa.create_engine(url, **engine_options(url))
        prepare_engine(self.engine)
        self.session = sessionmaker(self.engine).begin
        self.schema = "dbos." if url.startswith("postgresql") else ""
        queue.configure(url)
        queue.prepare()
        self.execute("CREATE TABLE effect (id INTEGER PRIMARY KEY)")

    def execute(self, statement: str, **values: object) -> list[sa.Row]:
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return list(result) if result.returns_rows else []

    def clear(self) -> None:
        for table in ("effect", *(f"{self.schema}workflow_{name}" for name in ("input", "output", "status"))):
            self.execute(f"DELETE FROM {table}")

    def enqueue(self, job: str, row_id: int, **options: object) -> None:
        with self.session() as session:
            queue.enqueue(session, job, row_id, **options)

    def change(self, key: str, assignments: str, **values: object) -> None:
        """Make a job look as if more had happened to it."""
        table = f"{self.schema}workflow_status"
        self.execute(f"UPDATE {table} SET {assignments} WHERE workflow_uuid = :key", key=key, **values)

    def effects(self) -> list[int]:
        return [row.id for row in self.execute("SELECT id FROM effect ORDER BY id")]

    def jobs(self) -> list[sa.Row]:
        """All but the queue's own."""
        query = f"SELECT workflow_uuid AS key, status, executor_id FROM {self.schema}workflow_status"
        return [job for job in self.execute(query) if not job.key.startswith(queue.PURGE_JOB)]

    def statuses(self) -> set[str]:
        return {job.status for job in self.jobs()}

    def backlog(self) -> queue.Backlog:
        with self.session() as session:
            return queue.backlog(session)


@pytest.fixture(scope="module", params=KINDS)
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Other tests share the process, so they find the database configured that they left."""
    before = queue._url
    name = f"queue_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    database = Database(fresh_database(request.param, name, tmp_path_factory.mktemp(name)))
    yield database
    database.engine.dispose()
    if before is not None:
        queue.configure(before)


@pytest.fixture
def database(prepared: Database) -> Database:
    queue.configure(prepared.url)
    prepared.clear()
    return prepared


@contextmanager
def working(handlers: dict[str, Callable[[int], None]], **options: object) -> Iterator[threading.Event]:
    """A worker in this process, stopped at the end."""
    stop = threading.Event()
    options = {"executor_id": "worker-1", "polling_seconds": 0.2, "grace_seconds": 0, **options}
    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(queue.work, handlers, stop=stop, **options)
        try:
            yield stop
        finally:
            stop.set()
            worker.result(20)


def wait_until(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_job_belongs_to_the_transaction_of_its_caller(database: Database) -> None:
    with database.session() as session:
        queue.enqueue(session, "look", 1)
        session.rollback()
    assert database.jobs() == []
    with database.session() as session:
        queue.enqueue(session, "look", 1)
        savepoint = session.begin_nested()
        queue.enqueue(session, "look", 2)
        savepoint.rollback()
    assert [job.status for job in database.jobs()] == ["ENQUEUED"]


def test_it_takes_a_scoped_session_and_only_a_row_id(database: Database) -> None:
    session = scoped_session(sessionmaker(database.engine))
    queue.enqueue(session, "look", 7)
    for job, row_id, error in (("look", {"phone": "+79990000000"}, TypeError), ("look:there", 7, ValueError)):
        with pytest.raises(error):
            queue.enqueue(session, job, row_id)
    session.commit()
    session.remove()
    [stored] = database.execute(f"SELECT inputs FROM {database.schema}workflow_input")
    assert json.loads(stored.inputs) == {"positionalArgs": ["look", 7], "namedArgs": {}}


def test_a_key_runs_once_however_often_it_is_enqueued(database: Database) -> None:
    ran: list[int] = []
    with database.session() as session:
        for job, row_id in (("look", 1), ("look", 1), ("other", 2)):
            queue.enqueue(session, job, row_id, key="1:1")
    database.enqueue("look", 1, key="1:1")
    with database.session() as session:
        assert [queue.is_waiting(session, "look", key) for key in ("1:1", "1:2")] == [True, False]
    with working({"look": ran.append, "other": ran.append}):
        wait_until(lambda: database.statuses() == {"SUCCESS"})
        database.enqueue("look", 1, key="1:1")
        database.enqueue("look", 3)
        wait_until(lambda: 3 in ran)
    assert sorted(ran) == [1, 2, 3]


def test_a_job_starts_within_a_second_of_its_commit_and_waits_for_its_delay(database: Database) -> None:
    committed: dict[int, float] = {}
    waited: dict[int, float] = {}

    def look(row_id: int) -> None:
        waited[row_id] = time.monotonic() - committed.get(row_id, 0)

    with working({"look": look}, polling_seconds=0.25):
        for row_id, delay_seconds in ((0, None), (100, 1), (1, None), (2, None), (3, None)):
            database.enqueue("look", row_id, delay_seconds=delay_seconds)
            committed[row_id] = time.monotonic()
            wait_until(lambda row_id=row_id: row_id in waited or row_id == 100)
        wait_until(lambda: 100 in waited)
    assert max(waited[row_id] for row_id in (1, 2, 3)) < 1
    assert 0.9 < waited[100] < 3


def test_a_job_nobody_knows_and_a_job_that_raises_are_left_failed(database: Database) -> None:
    """What the engine stores of an error names its type; its text may hold what must not be stored."""
    ran: list[int] = []

    def burn(_row_id: int) -> None:
        raise ValueError("https://hooks.example/?token=very-secret")

    for row_id, job in enumerate(("no_such_job", "burn", "look")):
        database.enqueue(job, row_id)
    with working({"burn": burn, "look": ran.append}):
        wait_until(lambda: database.statuses() == {"SUCCESS", "ERROR"})
    assert ran == [2]
    errors = str(database.execute(f"SELECT error FROM {database.schema}workflow_output"))
    assert "job no_such_job (row 0): no handler of that name" in errors
    assert "job burn (row 1): ValueError" in errors
    assert "very-secret" not in errors


def test_the_backlog_counts_what_is_unfinished_and_how_long_it_is_due(database: Database) -> None:
    assert database.backlog() == queue.Backlog(0, 0, 0, 0)
    database.enqueue("look", 1)
    database.enqueue("look", 2, delay_seconds=600)
    for key in ("late", "running", "done"):
        database.enqueue("look", 3, delay_seconds=600, key=key)
    database.change("look:late", "delay_until_epoch_ms = :ago", ago=int((time.time() - 90) * 1000))
    database.change("look:running", "status = 'PENDING'")
    database.change("look:done", "status = 'SUCCESS', delay_until_epoch_ms = 1")
    backlog = database.backlog()
    assert (backlog.waiting, backlog.running, backlog.delayed) == (2, 1, 1)
    assert 89 < backlog.oldest_due_seconds < 100


def test_jobs_of_a_dead_worker_are_rescued_and_those_of_a_living_one_are_not(database: Database) -> None:
    ran: list[int] = []
    for row_id, (key, seconds) in enumerate({"stuck": 200, "alive": 100}.items()):
        database.enqueue("look", row_id, key=key)
        at = int((time.time() - seconds) * 1000)
        database.change(f"look:{key}", "status = 'PENDING', executor_id = 'gone', updated_at = :at", at=at)
    with working({"look": ran.append}, janitor_seconds=0.2):
        wait_until(lambda: ran)
        time.sleep(0.5)
    assert ran == [0]
    assert database.backlog().running == 1


def test_a_long_job_keeps_its_lease_and_a_beat_that_fails_ends_nothing(database: Database) -> None:
    ran: list[int] = []
    beats: list[float] = []

    def dawdle(row_id: int) -> None:
        ran.append(row_id)
        time.sleep(2.8)

    def beat() -> None:
        beats.append(time.monotonic())
        raise RuntimeError("the database is away")

    database.enqueue("dawdle", 1)
    with working({"dawdle": dawdle}, on_beat=beat, beat_seconds=0.5, janitor_seconds=0.3, stuck_after_seconds=2):
        wait_until(lambda: database.statuses() == {"SUCCESS"})
    assert ran == [1]
    assert len(beats) > 3


def test_stopping_lets_running_jobs_finish_and_starts_no_more(database: Database) -> None:
    started = threading.Event()
    finished: list[int] = []

    def dawdle(row_id: int) -> None:
        started.set()
        time.sleep(1)
        finished.append(row_id)

    for row_id in range(2):
        database.enqueue("dawdle", row_id)
    with working({"dawdle": dawdle}, concurrency=1, grace_seconds=10) as stop:
        assert started.wait(10)
        stop.set()
    assert len(finished) == 1
    assert sorted(job.status for job in database.jobs()) == ["ENQUEUED", "SUCCESS"]


def test_a_schedule_is_enqueued_once_a_slot_for_all_workers(database: Database) -> None:
    hourly = queue.Schedule("hourly", "look", every_seconds=3600, row_id=3)
    starting = queue.Schedule("starting", "look", daily_at="00:00", at_start=True)
    for executor_id in ("worker-1", "worker-2"):
        timetable = queue._Timetable([hourly, starting], executor_id)
        timetable.enqueue_due()
        timetable.enqueue_due()
    keys = [job.key.rsplit("-", 1)[0] for job in database.jobs()]
    assert len(keys) == 3
    assert {"look:starting:start-worker-1", "look:starting:start-worker-2"} < set(keys)


def test_slots_of_schedules() -> None:
    daily = queue.Schedule("nightly", "look", daily_at="03:15")
    assert daily.slot(datetime(2026, 3, 1, 3, 14, 59, tzinfo=UTC).timestamp()) == "2026-02-28"
    assert daily.slot(datetime(2026, 3, 1, 3, 15, tzinfo=UTC).timestamp()) == "2026-03-01"
    assert queue.Schedule("often", "look", every_seconds=60).slot(179.9) == "120"
    for wrong in ({}, {"every_seconds": 0}, {"every_seconds": 5, "daily_at": "03:15"}, {"daily_at": "25:00"}):
        with pytest.raises(ValueError, match=r"schedule|25:00"):
            queue.Schedule("wrong", "look", **wrong)


def test_finished_jobs_are_forgotten_after_a_while(database: Database) -> None:
    for key, days in {"old": 15, "failed": 15, "recent": 13, "unfinished": None}.items():
        database.enqueue("look", 1, key=key)
        if days:
            status = "ERROR" if key == "failed" else "SUCCESS"
            at = int((time.time() - days * 86400) * 1000)
            database.change(f"look:{key}", f"status = '{status}', completed_at = :at", at=at)
    assert queue.purge() == 2
    assert {job.key for job in database.jobs()} == {"look:recent", "look:unfinished"}
    assert len(database.execute(f"SELECT 1 FROM {database.schema}workflow_input")) == 2


def test_the_engines_tables_are_the_ones_alembic_leaves_alone(database: Database) -> None:
    only_on_postgresql = set() if database.schema else {"event_dispatch_kv"}
    tables = sa.inspect(database.engine).get_table_names("dbos" if database.schema else None)
    assert set(tables) - {"effect"} == queue.TABLES - only_on_postgresql
    ours = [queue.is_engine_table(*table) for table in (("workflow_status",), ("anything", "dbos"), ("effect",))]
    assert ours == [True, True, False]


def test_configure_again_moves_to_another_database(database: Database, tmp_path: Path) -> None:
    database.enqueue("look", 1)
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    other.enqueue("look", 2)
    assert len(other.jobs()) == len(database.jobs()) == 1
    other.engine.dispose()
    for url in ("sqlite://", "sqlite:///:memory:", "mysql://localhost/jobs"):
        with pytest.raises(ValueError, match="jobs need"):
            queue.configure(url)


def in_forked_processes(database: Database, run: Callable[[], object]) -> list[int | None]:
    """The exit codes. A child that collects a connection of its parent as garbage would close it for both."""
    database.engine.dispose()
    gc.collect()
    processes = [multiprocessing.get_context("fork").Process(target=run) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def test_several_processes_may_prepare_at_once(tmp_path: Path, database: Database) -> None:
    if database.schema:
        database.execute("DROP SCHEMA dbos CASCADE")
    queue.configure(database.url if database.schema else f"sqlite:///{tmp_path / 'fresh.db'}")
    assert in_forked_processes(database, queue.prepare) == [0, 0]


def test_a_forked_process_gets_a_client_of_its_own(database: Database) -> None:
    database.enqueue("look", 1)
    queue.purge()
    assert in_forked_processes(database, lambda: database.enqueue("look", 2)) == [0, 0]
    queue.purge()
    assert len(database.jobs()) == 3


def test_every_worker_gets_an_executor_id_of_its_own(database: Database, tmp_path: Path) -> None:
    assert in_forked_processes(database, lambda: queue.claim_executor_id(tmp_path)) == [0, 0]
    assert queue.claim_executor_id(tmp_path) == "worker-1"
    assert queue.claim_executor_id(tmp_path) == "worker-2"
    assert queue.claim_executor_id(tmp_path, machine="crane") == "worker-3@crane"


#: A worker process. It loads the one file, which shows that it needs nothing of the application.
WORKER = """
import importlib.util, signal, sys, threading, time
import sqlalchemy as sa

path, url, executor_id = sys.argv[1:]
spec = importlib.util.spec_from_file_location("jobs_alone", path)
queue = sys.modules["jobs_alone"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(queue)
connect_args = {"timeout": 30} if url.startswith("sqlite") else {}
engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", connect_args=connect_args)

def effect(row_id):
    time.sleep(0.15)
    with engine.connect() as connection:
        if not connection.execute(sa.text("SELECT 1 FROM effect WHERE id = :id"), {"id": row_id}).first():
            connection.execute(sa.text("INSERT INTO effect VALUES (:id)"), {"id": row_id})

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
queue.configure(url)
queue.work({"effect": effect}, executor_id=executor_id, stop=stop, concurrency=4, polling_seconds=0.2,
           janitor_seconds=0.5, stuck_after_seconds=3)
"""


@pytest.mark.processes
def test_killed_workers_lose_no_job_and_double_none(database: Database) -> None:
    """Workers die by kill -9 in the middle of jobs and come back under the same and under another executor id."""
    number = 40
    for row_id in range(number):
        database.enqueue("effect", row_id)

    def caught_working(worker: subprocess.Popen, executor_id: str) -> bool:
        """Halts it to look; what the database was still doing for it is done a moment later."""
        worker.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        with reading_only():
            caught = [1 for job in database.jobs() if (job.status, job.executor_id) == ("PENDING", executor_id)]
        if len(caught) < 2:
            worker.send_signal(signal.SIGCONT)
        return len(caught) > 1

    for executor_id, until in (("worker-1", 4), ("worker-1", 12), ("worker-2", 20), ("worker-1", number)):
        worker = subprocess.Popen([sys.executable, "-c", WORKER, queue.__file__, database.url, executor_id])
        try:
            wait_until(lambda until=until: len(database.effects()) >= until, seconds=40)
            if until < number:
                wait_until(lambda worker=worker, executor_id=executor_id: caught_working(worker, executor_id))
            else:
                wait_until(lambda: database.statuses() == {"SUCCESS"})
                worker.terminate()
                assert worker.wait(20) == 0
        finally:
            worker.kill()
            worker.wait()
    assert database.effects() == list(range(number))
