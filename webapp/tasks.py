"""Tasks: work over many rows, done by jobs in steps of one short transaction each, told and stopped on a page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, scoped_session

from webapp import queue
from webapp.database import reading_only
from webapp.models import LIVE, Account, Task, TaskFile, TaskKind, TaskState, utc_now

log = structlog.get_logger()

#: After so many steps the rest is another job, so that a worker can be stopped.
MOST_STEPS = 50

#: So long what a re-attribution changed is kept to be given back, and what a report tells is kept to be read.
UNDO_LIFE = timedelta(days=90)

#: Files that are still arriving after this time never will.
LONGEST_ARRIVAL = timedelta(days=1)

#: Parts of files (a mebibyte at most, each) that one transaction deletes: SQLite writes over what is deleted
#: (secure_delete), and every webhook waits meanwhile.
REMOVED_PARTS = 4

#: Lines of a report that are kept; more are only counted.
MOST_PROBLEMS = 100

#: One step: does a part, moves the task's cursor and counts; True when there is more to do. The caller commits.
Step = Callable[[Session, Task], bool]

#: The number of rows that a task has to look at, and what else can be done as a reader.
Counting = Callable[[Session, Task], int]
Reading = Callable[[Session, Task], None]

#: States in which a worker goes on.
WORKING = (TaskState.WAITING, TaskState.RUNNING)


def start(session: Session | scoped_session[Any], kind: TaskKind, account_id: int, actor: str, **values: Any) -> Task:
    """Make a task; a worker begins with it once the caller commits. In state "arriving" it waits for its files."""
    task = Task(account_id=account_id, kind=kind, actor=actor, **values)
    session.add(task)
    session.flush()
    if task.state != TaskState.ARRIVING:
        queue.enqueue(session, task.kind, task.id)
    return task


def live(session: Session | scoped_session[Any], account_id: int, *kinds: TaskKind) -> Task | None:
    """An unfinished task of these kinds, if the account has one."""
    return session.scalar(
        select(Task).where(Task.account_id == account_id, Task.kind.in_(kinds), Task.state.in_(LIVE)).limit(1)
    )


def busy(session: Session | scoped_session[Any], account_id: int, *kinds: TaskKind) -> Task | None:
    """The same for whoever is about to start one: with none, nobody else starts any before the caller commits."""
    # Not the key: what refers to the account, such as a webhook, need not wait.
    session.execute(select(Account.id).where(Account.id == account_id).with_for_update(key_share=True))
    return live(session, account_id, *kinds)


def stop(session: Session | scoped_session[Any], task: Task) -> None:
    """End a task where it is; what it has done stays done. Its files go by ``forget_files``, once this is committed."""
    end(session, task, TaskState.STOPPED)


def carry_out(
    session: Session, task_id: int, step: Step, *, count: Counting | None = None, ahead: Reading | None = None
) -> None:
    """Do a task step by step until it is done or somebody stops it. Begins where an earlier job left off.

    ``count`` tells once how many rows there are to look at; ``ahead`` is called before each step. What takes its time
    and writes nothing belongs there: on SQLite every webhook waits while a step is at work. What the database does not
    let through is tried again by the job; any other error ends the task as failed.
    """
    for _number in range(MOST_STEPS):
        try:
            total = _look_ahead(session, task_id, count, ahead)
            task = session.scalar(
                select(Task).where(Task.id == task_id).with_for_update().execution_options(populate_existing=True)
            )
            if task is None or task.state not in WORKING:
                session.rollback()
                return
            task.state = TaskState.RUNNING
            if task.total is None:
                task.total = total
            more = step(session, task)
        except OperationalError:
            raise
        except Exception:
            log.exception("task_failed", task=task_id)
            session.rollback()
            _fail(session, task_id)
            return
        if not more:
            end(session, task, TaskState.DONE)
        session.commit()
        if not more:
            forget_files(session, task_id)
            return
    queue.enqueue(session, task.kind, task_id)
    session.commit()


def _look_ahead(session: Session, task_id: int, count: Counting | None, ahead: Reading | None) -> int | None:
    """What can be done as a reader; gives the number of rows, if it had to be counted."""
    total = None
    with reading_only():
        task = session.get(Task, task_id, populate_existing=True) if count or ahead else None
        if task is not None and task.state in WORKING:
            if count and task.total is None:
                total = count(session, task)
            if ahead:
                ahead(session, task)
        session.rollback()
    return total


def end(session: Session | scoped_session[Any], task: Task, state: TaskState) -> None:
    """The end of a task: nothing that says whose data it was about stays."""
    task.state, task.finished_at = state, utc_now()
    task.subject, task.cursor = None, {}


def forget_files(session: Session | scoped_session[Any], task_id: int | None = None) -> None:
    """Delete the files of a task that has ended, or of all such, in short transactions of its own."""
    query = select(TaskFile.id).join(Task, Task.id == TaskFile.task_id).where(Task.state.not_in(LIVE))
    query = query.order_by(TaskFile.id).limit(REMOVED_PARTS)
    if task_id is not None:
        query = query.where(TaskFile.task_id == task_id)
    while True:
        with reading_only():
            parts = session.scalars(query).all()
            session.rollback()
        if not parts:
            return
        session.execute(delete(TaskFile).where(TaskFile.id.in_(parts)))
        session.commit()


def tell(task: Task, **problem: Any) -> None:
    """Add a line to the report."""
    if len(task.problems) < MOST_PROBLEMS:
        task.problems = [*task.problems, problem]


def _fail(session: Session, task_id: int) -> None:
    task = session.get(Task, task_id, with_for_update=True, populate_existing=True)
    if task is not None and task.live:
        end(session, task, TaskState.FAILED)
    session.commit()
    forget_files(session, task_id)
