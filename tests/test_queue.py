"""The job queue: its promises, kept on SQLite always and on PostgreSQL when TEST_POSTGRES_URL names a database."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from webapp import queue
from webapp.database import engine_options, prepare_engine

ROOT = Path(__file__).parent.parent
POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "")
FORK = multiprocessing.get_context("fork")
BACKENDS = ["sqlite", "postgresql"] if POSTGRES_URL or os.environ.get("REQUIRE_ALL") else ["sqlite"]


class Database:
    """A database with the engine's tables and a table of effects: one row a job that did its work."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = sa.create_engine(url, **engine_options(url))
        prepare_engine(self.engine)
        queue.configure(url)
        self.schema = "dbos." if url.startswith("postgresql") else ""

    def create(self) -> None:
        queue.prepare()
        self.execute("CREATE TABLE effect (id INTEGER PRIMARY KEY, at FLOAT)")

    def execute(self, statement: str, **values: object) -> list[sa.Row]:
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return list(result) if result.returns_rows else []

    @contextmanager
    def session(self) -> Iterator[Session]:
        with Session(self.engine) as session, session.begin():
            yield session

    def enqueue(self, job: str, row_id: int, **options: object) -> None:
        with self.session() as session:
            queue.enqueue(session, job, row_id, **options)

    def effect(self, row_id: int) -> None:
        """A handler: does its work unless it is done. Two of the same at once would break the primary key."""
        if not self.execute("SELECT 1 FROM effect WHERE id = :id", id=row_id):
            self.execute("INSERT INTO effect VALUES (:id, :at)", id=row_id, at=time.time())

    def effects(self) -> list[int]:
        return [row.id for row in self.execute("SELECT id FROM effect ORDER BY id")]

    def jobs(self, columns: str = "workflow_uuid, status, executor_id") -> list[sa.Row]:
        return self.execute(f"SELECT {columns} FROM {self.schema}workflow_status ORDER BY created_at, workflow_uuid")

    def statuses(self) -> set[str]:
        return {row.status for row in self.jobs() if not row.workflow_uuid.startswith(queue.PURGE_JOB)}

    def errors(self) -> str:
        return " ".join(row.error or "" for row in self.execute(f"SELECT error FROM {self.schema}workflow_output"))

    def backlog(self) -> queue.Backlog:
        with self.session() as session:
            return queue.backlog(session)


@contextmanager
def postgres_database(template: str = "template1") -> Iterator[str]:
    """The URL of a database that exists only here."""
    name = f"leadtrail_queue_{uuid.uuid4().hex[:12]}"
    server = sa.create_engine(POSTGRES_URL, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield sa.make_url(POSTGRES_URL).set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        server.dispose()


@pytest.fixture(scope="module", params=BACKENDS)
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a prepared database that every test gets a copy of."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('template') / 'app.db'}"
        else:
            url = stack.enter_context(postgres_database())
        database = Database(url)
        database.create()
        database.engine.dispose()
        yield url


@pytest.fixture
def database(template: str, tmp_path: Path) -> Iterator[Database]:
    source = sa.make_url(template).database
    with ExitStack() as stack:
        if template.startswith("sqlite"):
            shutil.copy(source, tmp_path / "app.db")
            database = Database(f"sqlite:///{tmp_path / 'app.db'}")
        else:
            database = Database(stack.enter_context(postgres_database(source)))
        yield database
        database.engine.dispose()


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
    assert [(row.status, row.executor_id) for row in database.jobs()] == [("ENQUEUED", None)]


def test_it_takes_a_scoped_session_and_only_a_row_id(database: Database) -> None:
    session = scoped_session(sessionmaker(database.engine))
    queue.enqueue(session, "look", 7)
    with pytest.raises(TypeError):
        queue.enqueue(session, "look", {"phone": "+79990000000"})
    with pytest.raises(ValueError, match="job name"):
        queue.enqueue(session, "look:there", 7)
    session.commit()
    session.remove()
    [stored] = database.execute(f"SELECT inputs FROM {database.schema}workflow_input")
    assert json.loads(stored.inputs) == {"positionalArgs": ["look", 7], "namedArgs": {}}


def test_a_key_runs_once_however_often_it_is_enqueued(database: Database) -> None:
    ran: list[int] = []
    with database.session() as session:
        queue.enqueue(session, "look", 1, key="1:1")
        queue.enqueue(session, "look", 1, key="1:1")
        queue.enqueue(session, "other", 2, key="1:1")
    database.enqueue("look", 1, key="1:1")
    with database.session() as session:
        assert queue.is_waiting(session, "look", "1:1")
        assert not queue.is_waiting(session, "look", "1:2")
    with working({"look": ran.append, "other": ran.append}):
        wait_until(lambda: database.statuses() == {"SUCCESS"})
        database.enqueue("look", 1, key="1:1")
        database.enqueue("look", 3)
        wait_until(lambda: 3 in ran)
    assert sorted(ran) == [1, 2, 3]
    with database.session() as session:
        assert not queue.is_waiting(session, "look", "1:1")


def test_a_job_starts_within_a_second_of_its_commit_and_waits_for_its_delay(database: Database) -> None:
    ran: dict[int, float] = {}
    committed: dict[int, float] = {}
    with working({"look": lambda row_id: ran.setdefault(row_id, time.monotonic())}, polling_seconds=0.25):
        database.enqueue("look", 0)
        wait_until(lambda: 0 in ran)
        database.enqueue("look", 100, delay_seconds=2)
        committed[100] = time.monotonic()
        for row_id in range(1, 4):
            database.enqueue("look", row_id)
            committed[row_id] = time.monotonic()
            wait_until(lambda row_id=row_id: row_id in ran)
        backlog = database.backlog()
        assert (backlog.waiting, backlog.delayed) == (0, 1)
        wait_until(lambda: 100 in ran)
    waited = {row_id: ran[row_id] - committed[row_id] for row_id in committed}
    print("seconds from commit to start:", {row_id: round(seconds, 2) for row_id, seconds in waited.items()})
    assert max(waited[row_id] for row_id in range(1, 4)) < 1
    assert 1.9 < waited[100] < 4


def test_a_job_nobody_knows_and_a_job_that_raises_are_left_failed(database: Database) -> None:
    """What the engine stores of an error names its type; its text may hold what must not be stored."""
    ran: list[int] = []

    def burn(_row_id: int) -> None:
        raise ValueError("https://hooks.example/?token=very-secret")

    database.enqueue("no_such_job", 5)
    database.enqueue("burn", 6)
    database.enqueue("look", 7)
    with working({"burn": burn, "look": ran.append}):
        wait_until(lambda: database.statuses() == {"SUCCESS", "ERROR"})
    assert ran == [7]
    errors = database.errors()
    assert "job no_such_job (row 5): no handler of that name" in errors
    assert "job burn (row 6): ValueError" in errors
    assert "very-secret" not in errors


def test_the_backlog_counts_what_is_unfinished_and_how_long_it_is_due(database: Database) -> None:
    assert database.backlog() == queue.Backlog(0, 0, 0, 0)
    database.enqueue("look", 1)
    database.enqueue("look", 2)
    database.enqueue("look", 3, delay_seconds=600)
    database.enqueue("look", 4, delay_seconds=600, key="late")
    ago = int((time.time() - 90) * 1000)
    database.execute(
        f"UPDATE {database.schema}workflow_status SET delay_until_epoch_ms = :ago WHERE workflow_uuid = 'look:late'",
        ago=ago,
    )
    backlog = database.backlog()
    assert (backlog.waiting, backlog.running, backlog.delayed) == (3, 0, 1)
    assert 89 < backlog.oldest_due_seconds < 100


def test_jobs_of_a_dead_worker_are_rescued_and_those_of_a_living_one_are_not(database: Database) -> None:
    ran: list[int] = []
    database.enqueue("look", 1, key="stuck")
    database.enqueue("look", 2, key="alive")
    for key, seconds in (("stuck", 200), ("alive", 100)):
        database.execute(
            f"UPDATE {database.schema}workflow_status SET status = 'PENDING', executor_id = 'gone', updated_at = :at "
            "WHERE workflow_uuid = :id",
            id=f"look:{key}",
            at=int((time.time() - seconds) * 1000),
        )
    with working({"look": ran.append}, janitor_seconds=0.2):
        wait_until(lambda: ran)
        time.sleep(1)
    assert ran == [1]
    assert database.backlog().running == 1


def test_a_long_job_keeps_its_lease(database: Database) -> None:
    ran: list[int] = []

    def dawdle(row_id: int) -> None:
        ran.append(row_id)
        time.sleep(3)
        database.effect(row_id)

    database.enqueue("dawdle", 1)
    with working({"dawdle": dawdle}, janitor_seconds=0.3, stuck_after_seconds=2):
        wait_until(lambda: database.statuses() == {"SUCCESS"})
    assert ran == [1]
    assert database.effects() == [1]


def test_stopping_lets_running_jobs_finish_and_starts_no_more(database: Database) -> None:
    started = threading.Event()

    def dawdle(row_id: int) -> None:
        started.set()
        time.sleep(1)
        database.effect(row_id)

    database.enqueue("dawdle", 1)
    database.enqueue("dawdle", 2)
    with working({"dawdle": dawdle}, concurrency=1, grace_seconds=10) as stop:
        assert started.wait(10)
        stop.set()
    assert len(database.effects()) == 1
    assert sorted(row.status for row in database.jobs() if "dawdle" in row.workflow_uuid) == ["ENQUEUED", "SUCCESS"]


def test_a_schedule_is_enqueued_once_a_slot_for_all_workers(database: Database) -> None:
    hourly = queue.Schedule("hourly", "look", every_seconds=3600, row_id=3)
    starting = queue.Schedule("starting", "look", daily_at="00:00", at_start=True)
    for executor_id in ("worker-1", "worker-2"):
        timetable = queue._Timetable([hourly, starting], executor_id)
        timetable.enqueue_due()
        timetable.enqueue_due()
    keys = [row.workflow_uuid.rsplit("-", 1)[0] for row in database.jobs()]
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


def test_the_worker_beats_and_survives_a_beat_that_fails(database: Database) -> None:
    beats: list[float] = []

    def beat() -> None:
        beats.append(time.monotonic())
        raise RuntimeError("the database is away")

    with working({}, on_beat=beat, beat_seconds=0.3):
        wait_until(lambda: len(beats) > 2)


def test_finished_jobs_are_forgotten_after_a_while(database: Database) -> None:
    for row_id in range(3):
        database.enqueue("look", row_id, key=str(row_id))
    database.enqueue("look", 9, delay_seconds=600, key="later")
    with working({"look": lambda _row_id: None}):
        wait_until(lambda: database.statuses() == {"SUCCESS", "DELAYED"})
    weeks_ago = int((time.time() - 15 * 86400) * 1000)
    database.execute(
        f"UPDATE {database.schema}workflow_status SET completed_at = :at WHERE workflow_uuid IN ('look:0', 'look:1')",
        at=weeks_ago,
    )
    assert queue.purge() == 2
    left = {row.workflow_uuid for row in database.jobs() if row.workflow_uuid.startswith("look")}
    assert left == {"look:2", "look:later"}
    inputs = database.execute(f"SELECT workflow_uuid FROM {database.schema}workflow_input")
    assert {row.workflow_uuid for row in inputs if row.workflow_uuid.startswith("look")} == left


def test_the_engines_tables_are_the_ones_alembic_leaves_alone(database: Database) -> None:
    only_on_postgresql = set() if database.schema else {"event_dispatch_kv"}
    tables = sa.inspect(database.engine).get_table_names("dbos" if database.schema else None)
    assert set(tables) - {"effect"} == queue.TABLES - only_on_postgresql
    assert queue.is_engine_table("workflow_status")
    assert queue.is_engine_table("anything", "dbos")
    assert not queue.is_engine_table("effect")


def test_configure_again_moves_to_another_database(database: Database, tmp_path: Path) -> None:
    database.enqueue("look", 1)
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    other.create()
    other.enqueue("look", 2)
    assert len(other.jobs()) == len(database.jobs()) == 1
    other.engine.dispose()
    for url in ("sqlite://", "sqlite:///:memory:", "mysql://localhost/jobs"):
        with pytest.raises(ValueError, match="jobs need"):
            queue.configure(url)


def _prepare_in_process(url: str) -> None:
    queue.configure(url)
    queue.prepare()


def _enqueue_in_process(url: str) -> None:
    engine = sa.create_engine(url)
    with Session(engine) as session, session.begin():
        queue.enqueue(session, "look", 2)


def test_two_processes_may_prepare_at_once(tmp_path: Path, database: Database) -> None:
    if database.schema:
        database.execute("DROP SCHEMA dbos CASCADE")
    url = database.url if database.schema else f"sqlite:///{tmp_path / 'fresh.db'}"
    processes = [FORK.Process(target=_prepare_in_process, args=(url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]


def test_a_forked_process_gets_a_client_of_its_own(database: Database) -> None:
    database.enqueue("look", 1)
    queue.purge()
    process = FORK.Process(target=_enqueue_in_process, args=(database.url,))
    process.start()
    process.join(30)
    assert process.exitcode == 0
    queue.purge()
    assert len(database.jobs()) == 2


def test_every_worker_gets_an_executor_id_of_its_own(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from webapp import queue; "
        f"print(queue.claim_executor_id(pathlib.Path({str(tmp_path)!r})), flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout.readline().strip() == "worker-1"
        assert queue.claim_executor_id(tmp_path) == "worker-2"
        assert queue.claim_executor_id(tmp_path, machine="crane") == "worker-3@crane"
    finally:
        other.kill()
        other.communicate()
    assert queue.claim_executor_id(tmp_path) == "worker-1"


def run_worker(url: str, executor_id: str) -> None:
    """A worker process for the test below."""
    database = Database(url)

    def effect(row_id: int) -> None:
        time.sleep(0.15)
        database.effect(row_id)

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    queue.work(
        {"effect": effect},
        executor_id=executor_id,
        stop=stop,
        concurrency=4,
        polling_seconds=0.2,
        janitor_seconds=0.5,
        stuck_after_seconds=3,
    )


@pytest.mark.processes
def test_killed_workers_lose_no_job_and_double_none(database: Database) -> None:
    """Workers die by kill -9 in the middle of jobs and come back under the same and under another executor id."""
    number = 40
    with database.session() as session:
        for row_id in range(number):
            queue.enqueue(session, "effect", row_id)

    def running(executor_id: str) -> list[str]:
        return [
            row.workflow_uuid for row in database.jobs() if (row.status, row.executor_id) == ("PENDING", executor_id)
        ]

    for executor_id, until in (("worker-1", 4), ("worker-1", 12), ("worker-2", 20), ("worker-1", number)):
        worker = FORK.Process(target=run_worker, args=(database.url, executor_id))
        worker.start()
        try:
            wait_until(lambda until=until: len(database.effects()) >= until, seconds=40)
            if until < number:
                wait_until(lambda executor_id=executor_id: len(running(executor_id)) > 1)
                worker.kill()
                worker.join()
                assert worker.exitcode == -signal.SIGKILL
                assert running(executor_id)
            else:
                wait_until(lambda: database.statuses() == {"SUCCESS"})
                worker.terminate()
                worker.join(20)
                assert worker.exitcode == 0
        finally:
            worker.kill()
            worker.join()
    assert database.effects() == list(range(number))
    assert database.errors().strip() == ""
