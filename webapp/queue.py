"""Jobs in the application's own database: enqueue inside the caller's transaction, run them in worker processes.

The only file that knows the engine (DBOS Transact); it imports nothing of the application. A job is a name and a row
id: "somebody should look at row N". It runs at least once, so a handler re-reads its row and stops if the work is done.
The web side only writes a row through `enqueue`; `work` is the worker process. Each worker renews a lease on the jobs
it is running; the janitor puts a job whose lease ran out back into the queue, and no other.
"""

from __future__ import annotations

import fcntl
import logging
import operator
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSClient, DBOSConfig, WorkflowSerializationFormat

log = structlog.get_logger(__name__)

#: The engine's schema on PostgreSQL. On SQLite its tables stand among the application's, without a prefix.
SCHEMA = "dbos"
TABLES = frozenset((
    "application_versions", "dbos_migrations", "event_dispatch_kv", "notifications", "operation_outputs", "queues",
    "streams", "workflow_events", "workflow_events_history", "workflow_input", "workflow_output", "workflow_schedules",
    "workflow_status",
))  # fmt: skip
STATUS_COLUMNS = ("workflow_uuid", "status", "executor_id", "queue_name", "owner_xid", "created_at", "updated_at",
                  "started_at_epoch_ms", "delay_until_epoch_ms")  # fmt: skip

APPLICATION = "leadtrail"
#: Constant, so that a job enqueued by one release runs on any other: the arguments never change their form.
VERSION = "1"
QUEUE = "jobs"
WORKFLOW = "job"
PURGE_JOB = "queue.purge"
FINISHED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
#: A job that took its worker down this often is left failed instead of taking down the next one.
LARGEST_ATTEMPTS = 20

_lock = threading.Lock()
_url: str | None = None
_engine_client: DBOSClient | None = None
#: Clients of a parent process: closing their sockets here would end the parent's connections.
_inherited: list[DBOSClient] = []
#: Locks of `claim_executor_id`, held until the process ends.
_slots: list[int] = []


class JobFailed(RuntimeError):
    """Nobody handles the job's name, or its handler raised. The error's own text stays out: it would be stored."""


# Otherwise the engine adds a console handler of its own. Its second report of a failure logged here is dropped.
_engine_log = logging.getLogger("dbos")
_engine_log.addHandler(logging.NullHandler())
_engine_log.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], JobFailed)))
_engine_log.setLevel(logging.WARNING)


def _after_fork() -> None:
    global _lock, _engine_client
    _lock = threading.Lock()
    if _engine_client is not None:
        _inherited.append(_engine_client)
        _engine_client = None


os.register_at_fork(after_in_child=_after_fork)


def configure(database_url: str) -> None:
    """Remember where the jobs live: the application's database, as a SQLAlchemy URL. Connects to nothing.

    May be called again with another database, outside `work`. Raises ValueError for a database that several processes
    cannot share.
    """
    global _url, _engine_client
    url = sa.make_url(database_url)
    in_memory = url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}
    if in_memory or url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ValueError(f"jobs need a SQLite file or PostgreSQL, not {url.render_as_string()}")
    with _lock:
        client, _engine_client = _engine_client, None
        _url = database_url
    if client is not None:
        client.destroy()


def prepare() -> None:
    """Create or upgrade the engine's tables. Repeating it does nothing; two processes may do it at once."""
    DBOS.migrate(_configured_url(), schema=SCHEMA)


def is_engine_table(name: str | None, schema: str | None = None) -> bool:
    """True for a table that is the engine's and none of alembic's business."""
    return schema == SCHEMA or (schema is None and name in TABLES)


def enqueue(session: Any, job: str, row_id: int, *, delay_seconds: float | None = None, key: str | None = None) -> None:
    """Let a worker run `job` for `row_id` once the session's transaction commits; a rollback takes the job with it.

    `session` is a SQLAlchemy session or scoped session on the configured database. `delay_seconds` counts from now and
    is kept to about a second. `key` is unique per job name: a second enqueue with a key that was ever used is ignored,
    also after the first one ran (finished jobs are forgotten after two weeks). Raises ValueError for a job name with a
    colon and TypeError for a row id that is no whole number.
    """
    options = _options(job, f"{job}:{key}" if key else f"{job}::{uuid.uuid4()}")
    if delay_seconds and delay_seconds > 0:
        options["delay_seconds"] = delay_seconds
    _client().enqueue_in_transaction(session.connection(), options, job, operator.index(row_id))


def is_waiting(session: Any, job: str, key: str) -> bool:
    """True while the job of this key has yet to finish: delayed, in the queue, or running."""
    table = _status_table(session.connection())
    query = sa.select(table.c.status).where(table.c.workflow_uuid == f"{job}:{key}")
    return session.connection().execute(query).scalar() in {"DELAYED", "ENQUEUED", "PENDING"}


@dataclass(frozen=True)
class Backlog:
    """How much work there is. `oldest_due_seconds` is the age of the oldest unfinished job that is due, 0 if none."""

    waiting: int
    running: int
    delayed: int
    oldest_due_seconds: float


def backlog(session: Any) -> Backlog:
    """Count the unfinished jobs, for metrics and readiness. Its cost does not depend on the number of finished ones."""
    connection, now = session.connection(), int(time.time() * 1000)
    table = _status_table(connection)
    due_at = sa.func.coalesce(table.c.delay_until_epoch_ms, table.c.created_at)

    def tally(status: str, *conditions: Any) -> Any:
        # Literals, in the words of the engine's partial indexes: SQLite uses those for nothing else.
        query = sa.select(sa.func.count(), sa.func.min(due_at)).where(sa.text(status), *conditions)
        return connection.execute(query.select_from(table)).one()

    waiting = tally("status = 'ENQUEUED' AND status IN ('ENQUEUED', 'PENDING')")
    running = tally("status = 'PENDING'")
    overdue, delayed = tally("status = 'DELAYED'", due_at <= now), tally("status = 'DELAYED'", due_at > now)
    oldest = min((first for _number, first in (waiting, running, overdue) if first is not None), default=now)
    return Backlog(waiting[0] + overdue[0], running[0], delayed[0], max(0, now - oldest) / 1000)


@dataclass(frozen=True)
class Schedule:
    """A job that comes back: every so many seconds, or daily at a time of day in UTC ("03:15").

    Each slot (a multiple of `every_seconds` since 1970, or a day) is enqueued once, however many workers there are; a
    slot that passed while no worker ran is made up for once. `at_start` runs it at every start of a worker as well.
    """

    name: str
    job: str
    every_seconds: int | None = None
    daily_at: str | None = None
    row_id: int = 0
    at_start: bool = False

    def __post_init__(self) -> None:
        if (self.every_seconds is None) == (self.daily_at is None) or self.every_seconds == 0:
            raise ValueError(f"schedule {self.name} needs either every_seconds or daily_at")
        self.slot(0.0)

    def slot(self, now: float) -> str:
        """The slot that `now`, a Unix time, belongs to."""
        if self.daily_at is None:
            return str(int(now) // self.every_seconds * self.every_seconds)
        at = datetime.strptime(self.daily_at, "%H:%M").time()
        return (datetime.fromtimestamp(now, UTC) - timedelta(hours=at.hour, minutes=at.minute)).date().isoformat()


def claim_executor_id(directory: Path, *, machine: str = "") -> str:
    """The first free "worker-N" of a directory, held by a file lock until this process ends, however it ends.

    Two workers under one id would run each other's jobs twice. `machine` is added where several machines share the
    database but not the directory. Raises RuntimeError when 64 workers hold theirs.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(1, 65):
        descriptor = os.open(directory / f"worker-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        _slots.append(descriptor)
        return f"worker-{number}@{machine}" if machine else f"worker-{number}"
    raise RuntimeError(f"64 workers hold a lock in {directory} already")


def purge(older_than_days: float = 14) -> int:
    """Forget jobs that finished longer ago than this, with their keys; returns how many."""
    client = _client()
    before = (datetime.now(UTC) - timedelta(days=older_than_days)).isoformat()
    purged = 0
    while found := client.list_workflows(
        status=FINISHED, completed_before=before, limit=500, load_input=False, load_output=False
    ):
        client.delete_workflows([workflow.workflow_id for workflow in found])
        purged += len(found)
    log.info("jobs_purged", number=purged)
    return purged


def work(
    handlers: Mapping[str, Callable[[int], None]],
    *,
    executor_id: str,
    stop: threading.Event,
    schedules: Sequence[Schedule] = (),
    on_beat: Callable[[], None] = lambda: None,
    concurrency: int = 8,
    polling_seconds: float = 0.25,
    beat_seconds: float = 5,
    janitor_seconds: float = 30,
    stuck_after_seconds: float = 180,
    grace_seconds: int = 25,
) -> None:
    """Run jobs until `stop` is set, then let the running ones finish for up to `grace_seconds` and return.

    `handlers` maps a job's name to what it does with the row id; they run on up to `concurrency` threads. A job whose
    worker showed no sign of life for `stuck_after_seconds` goes back to the queue. Raises what the engine raises when
    the database is unreachable or `prepare` was not run. One `work` a process.
    """
    worker = _Worker({**handlers, PURGE_JOB: lambda _row_id: purge()}, executor_id, stuck_after_seconds)
    timetable = _Timetable([*schedules, Schedule("queue-purge", PURGE_JOB, daily_at="03:40")], executor_id)
    tasks = {
        on_beat: beat_seconds,
        worker.renew_leases: min(janitor_seconds, stuck_after_seconds / 4),
        worker.rescue_stuck_jobs: janitor_seconds,
        timetable.enqueue_due: 1,
    }
    due_at = dict.fromkeys(tasks, 0.0)
    config: DBOSConfig = {
        "name": APPLICATION,
        "system_database_url": _configured_url(),
        "dbos_system_schema": SCHEMA,
        "application_version": VERSION,
        "executor_id": executor_id,
        "run_migrations": False,
        "log_level": "WARNING",
        "sys_db_pool_size": concurrency + 6,
        "max_executor_threads": concurrency * 2 + 8,
        # Nobody waits for notifications here. The defaults wake a thread 100 times a second, and delay the end by one.
        "notification_coalesce_sec": 0.25,
        "notification_listener_polling_interval_sec": 0.25,
    }
    # Before the launch: the engine looks for queues once a second, and the first job would wait for that.
    _client().register_queue(QUEUE, worker_concurrency=concurrency, polling_interval_sec=polling_seconds)
    DBOS(config=config)
    try:
        register = DBOS.workflow(name=WORKFLOW, max_recovery_attempts=LARGEST_ATTEMPTS)
        register(lambda job, row_id: worker.run_job(job, row_id))
        DBOS.listen_queues([QUEUE])
        DBOS.launch()
        log.info("worker_started", executor=executor_id)
        # Sleeping rather than waiting on the event: a signal handler that sets it must not meet its lock held here.
        while not stop.is_set():
            for task in [task for task, at in due_at.items() if at <= time.monotonic()]:
                due_at[task] = time.monotonic() + tasks[task]
                try:
                    task()
                except Exception:
                    log.exception("worker_task_failed", task=getattr(task, "__name__", "beat"))
            time.sleep(0.2)
    finally:
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=grace_seconds)
    log.info("worker_stopped", executor=executor_id)


class _Worker:
    """The jobs running in this process."""

    def __init__(self, handlers: Mapping[str, Callable[[int], Any]], executor_id: str, stuck_after: float) -> None:
        self._handlers, self._executor_id, self._stuck_after_seconds = handlers, executor_id, stuck_after
        self._running: list[str] = []
        options = {"connect_args": {"timeout": 30}} if _configured_url().startswith("sqlite") else {}
        self._database = sa.create_engine(_configured_url(), poolclass=sa.NullPool, **options)
        self._table = _status_table(self._database)

    def run_job(self, job: str, row_id: int) -> None:
        """What the engine calls. An exception leaves the job failed; nobody but the application tries it again."""
        handler = self._handlers.get(job)
        if handler is None:
            log.error("job_unknown", job=job, row=row_id)
            raise JobFailed(f"job {job} (row {row_id}): no handler of that name")
        workflow_id = DBOS.workflow_id or ""
        self._running.append(workflow_id)
        started = time.monotonic()
        try:
            with structlog.contextvars.bound_contextvars(job=job, row=row_id):
                handler(row_id)
        except Exception as error:
            log.exception("job_failed", job=job, row=row_id, error=type(error).__name__)
            raise JobFailed(f"job {job} (row {row_id}): {type(error).__name__}") from None
        finally:
            self._running.remove(workflow_id)
        log.debug("job_done", job=job, row=row_id, seconds=round(time.monotonic() - started, 3))

    def renew_leases(self) -> None:
        """Say that the jobs running here are alive."""
        if self._running:
            columns = self._table.c
            self._touch(columns.workflow_uuid.in_(list(self._running)), columns.executor_id == self._executor_id)

    def rescue_stuck_jobs(self) -> None:
        """Put jobs whose lease ran out back into the queue, as the engine's "resume" does.

        But in one statement: between the engine's listing and resuming, another worker may have rescued and started the
        job already, and it would run twice. And the attempts still count, so that a job which kills its workers ends.
        """
        columns, before = self._table.c, _now(self._database) - int(self._stuck_after_seconds * 1000)
        again = {"status": "ENQUEUED", "owner_xid": None, "started_at_epoch_ms": None}
        rescued = self._touch(columns.queue_name == QUEUE, columns.updated_at < before, **again)
        if rescued:
            log.warning("jobs_rescued", number=len(rescued), keys=rescued[:20])

    def _touch(self, *conditions: Any, **values: Any) -> list[str]:
        update = sa.update(self._table).where(self._table.c.status == sa.literal_column("'PENDING'"), *conditions)
        update = update.values(updated_at=_now(self._database), **values).returning(self._table.c.workflow_uuid)
        with self._database.begin() as connection:
            return list(connection.execute(update).scalars())


class _Timetable:
    """Enqueues each schedule's slots. The key of a slot is the same for every worker, so one of them wins."""

    def __init__(self, schedules: Sequence[Schedule], executor_id: str) -> None:
        self._start = f"start-{executor_id}-{time.time_ns()}"
        self._schedules = schedules
        self._last: dict[str, str] = {}

    def enqueue_due(self) -> None:
        for schedule in self._schedules:
            slot = schedule.slot(time.time())
            if self._last.get(schedule.name) != slot:
                first = schedule.at_start and schedule.name not in self._last
                key = f"{schedule.job}:{schedule.name}:{self._start if first else slot}"
                _client().enqueue(_options(schedule.job, key), schedule.job, schedule.row_id)
                self._last[schedule.name] = slot


def _configured_url() -> str:
    if _url is None:
        raise RuntimeError("queue.configure was not called")
    return _url


def _client() -> DBOSClient:
    """This process's client. It holds no connection until something but `enqueue` is asked of it."""
    global _engine_client
    with _lock:
        if _engine_client is None:
            _engine_client = DBOSClient(
                system_database_url=_configured_url(),
                dbos_system_schema=SCHEMA,
                application_name=APPLICATION,
                lazy=True,
                retry_connection_errors=False,
            )
        return _engine_client


def _options(job: str, workflow_id: str) -> Any:
    if not job or ":" in job:
        raise ValueError(f"not a job name: {job!r}")
    return {
        "workflow_name": WORKFLOW,
        "queue_name": QUEUE,
        "workflow_id": workflow_id,
        "app_version": VERSION,
        "serialization_type": WorkflowSerializationFormat.PORTABLE,
    }


def _status_table(database: sa.Connection | sa.Engine) -> sa.TableClause:
    schema = SCHEMA if database.dialect.name == "postgresql" else None
    return sa.table("workflow_status", *(sa.column(name) for name in STATUS_COLUMNS), schema=schema)


def _now(database: sa.Engine) -> Any:
    """Milliseconds by the clock that the engine stamps rows with: the database's, for there may be many machines."""
    if database.dialect.name == "postgresql":
        return sa.cast(sa.func.extract("epoch", sa.func.now()) * 1000, sa.BigInteger)
    return int(time.time() * 1000)
