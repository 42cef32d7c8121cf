"""Work on the same rows is done by one task at a time, whoever asks for another at the same moment."""

from __future__ import annotations

import io
import threading
import time

import pytest
from sqlalchemy import select, text

from tests.factories import make_integration, make_task
from tests.views.acting import filled, flash, path_of
from webapp import tasks
from webapp.models import Task, TaskKind, TaskState, utc_now

PLACES = {
    TaskKind.REATTRIBUTE: "reattribution",
    TaskKind.REPLAY: "events",
    TaskKind.ERASE: "settings/erasure",
    TaskKind.IMPORT: "import",
    TaskKind.UNDO: "tasks/1",
}


@pytest.fixture
def jivo(session, account):
    made = make_integration(session, account, saved_at=utc_now())
    session.rollback()
    return made


def asking(owner, kind: TaskKind, integration: int):
    """What sends the form that begins a task of this kind."""
    page = f"/a/romashka/{PLACES[kind]}"
    if kind in (TaskKind.REPLAY, TaskKind.UNDO):
        return lambda: owner.post(f"{page}/{'replay' if kind == TaskKind.REPLAY else 'undo'}")
    form = owner.get(page).select_one("main form[method=post]")
    data = filled(form)
    if kind == TaskKind.ERASE:
        data |= {"who": "+79161234567", "action": "erase"}
    if kind == TaskKind.IMPORT:
        data = {name: value for name, value in data.items() if name not in ("files", "folder")}
        data["files"] = [(io.BytesIO(b"{}"), "a.json")]
        return lambda: owner.post(page, data, content_type="multipart/form-data")
    return lambda: owner.post(page, data)


def until_it_waits(session, thread: threading.Thread) -> None:
    """Until the other one waits for us, or has not and is through. On SQLite whoever writes waits anyway."""
    if session.get_bind().dialect.name == "sqlite":
        return
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    while thread.is_alive() and not session.scalar(waiting):
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("running", "asked"),
    [
        (TaskKind.REATTRIBUTE, TaskKind.REATTRIBUTE),
        (TaskKind.UNDO, TaskKind.REATTRIBUTE),
        (TaskKind.REATTRIBUTE, TaskKind.UNDO),
        (TaskKind.REPLAY, TaskKind.REPLAY),
        (TaskKind.ERASE, TaskKind.ERASE),
        (TaskKind.IMPORT, TaskKind.ERASE),
        (TaskKind.ERASE, TaskKind.IMPORT),
    ],
)
def test_two_that_ask_at_the_same_moment_get_one_task(session, owner, account, jivo, running, asked):
    number, integration = account.id, jivo.id
    if asked == TaskKind.UNDO:
        ended = {"state": TaskState.DONE, "finished_at": utc_now(), "counts": {"changed": 1}}
        make_task(session, account, TaskKind.REATTRIBUTE, **ended)
        session.rollback()
    send = asking(owner, asked, integration)
    assert tasks.busy(session, number, running) is None
    session.add(Task(account_id=number, kind=running, actor="other@x.example"))
    session.flush()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(send()))
    thread.start()
    until_it_waits(session, thread)
    session.commit()
    thread.join()
    live = session.scalars(select(Task).where(Task.state.in_(("waiting", "arriving", "running")))).all()
    assert [one.kind for one in live] == [running]
    [answer] = answers
    assert path_of(answer) == f"/a/romashka/tasks/{live[0].id}"
    session.rollback()
    assert "уже идёт" in flash(owner.get(path_of(answer))).casefold()
