"""Long tasks: how far they are, what they did, and the buttons that stop them or take them back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, abort, flash, g, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import select

from webapp import audit, tasks
from webapp.extensions import db
from webapp.models import Role, Task, TaskKind, TaskState, utc_now
from webapp.tasks import UNDO_LIFE

from .access import member
from .numbers import number_argument
from .partial import done
from .task_words import KIND_NAMES, STATE_NAMES, STATE_PILLS, problems, report

blueprint = Blueprint("tasks", __name__, url_prefix="/a/<slug>/tasks")

PAGE_SIZE = 50

#: Which part of the menu a task belongs to.
PLACES = {
    TaskKind.REATTRIBUTE: "communications",
    TaskKind.UNDO: "communications",
    TaskKind.REPLAY: "events",
    TaskKind.IMPORT: "events",
    TaskKind.ERASE: "settings",
    TaskKind.RETRY: "communications",
}

#: Kinds that work on the same rows: one at a time.
REATTRIBUTIONS = (TaskKind.REATTRIBUTE, TaskKind.UNDO)


@blueprint.get("")
@member(Role.VIEWER)
def index() -> str:
    """All of them, the latest first."""
    before = number_argument("before")
    query = select(Task).where(Task.account_id == g.account.id)
    if before:
        query = query.where(Task.id < before)
    rows = list(db.session.scalars(query.order_by(Task.id.desc()).limit(PAGE_SIZE + 1)))
    older = rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else None
    return render_template("tasks/list.html", tasks=told(rows[:PAGE_SIZE]), older=older, newer=bool(before))


@blueprint.get("/<int:number>")
@member(Role.VIEWER)
def show(number: int) -> str:
    """One task."""
    return render_template("tasks/show.html", **_context(_task(number)))


@blueprint.get("/<int:number>/card")
@member(Role.VIEWER)
def card(number: int) -> str:
    """The same as a part of a page that asks for itself while the task goes on."""
    return render_template("tasks/card.html", **_context(_task(number)))


@blueprint.post("/<int:number>/stop")
@member(Role.EDITOR)
def stop(number: int) -> Any:
    """End it where it is."""
    task = _task(number)
    _needs(task)
    db.session.refresh(task, with_for_update=True)
    if task.live:
        tasks.stop(db.session, task)
        _record("task.stop", task)
        db.session.commit()
        tasks.forget_files(db.session, number)
        flash(_("Остановлено. Сделанное до этого осталось."), "ok")
    return done(url_for("tasks.show", slug=g.account.slug, number=number))


@blueprint.post("/<int:number>/undo")
@member(Role.EDITOR)
def undo(number: int) -> Any:
    """Give back what a re-attribution changed, by another task."""
    task = _task(number)
    running = tasks.busy(db.session, g.account.id, *REATTRIBUTIONS)
    if running is not None:
        flash(_("Сначала должен закончиться пересчёт, который уже идёт."), "attention")
        return done(url_for("tasks.show", slug=g.account.slug, number=running.id))
    if not undoable(task):
        abort(400)
    made = tasks.start(db.session, TaskKind.UNDO, g.account.id, current_user.email, params={"task": task.id})
    _record("task.undo", task)
    db.session.commit()
    return done(url_for("tasks.show", slug=g.account.slug, number=made.id))


def undoable(task: Task) -> bool:
    """True for a re-attribution that has ended, changed something, and whose changes are still kept."""
    return bool(
        task.kind == TaskKind.REATTRIBUTE
        and task.finished_at
        and (task.counts.get("changed") or task.counts.get("visits"))
        and task.finished_at > utc_now() - UNDO_LIFE
    )


def latest(*kinds: TaskKind, most: int = 5) -> list[dict[str, Any]]:
    """The last tasks of these kinds, for the page that starts them."""
    rows = db.session.scalars(
        select(Task).where(Task.account_id == g.account.id, Task.kind.in_(kinds)).order_by(Task.id.desc()).limit(most)
    )
    return told(rows)


def told(rows: Any) -> list[dict[str, Any]]:
    """Tasks with their words, for tasks/table.html."""
    return [
        {
            "task": row,
            "name": KIND_NAMES[row.kind],
            "state": STATE_NAMES[row.state],
            "pill": STATE_PILLS.get(row.state, "attention"),
            "report": [(text, count) for text, count in report(row) if count],
        }
        for row in rows
    ]


def _task(number: int) -> Task:
    found = db.session.scalar(select(Task).where(Task.id == number, Task.account_id == g.account.id))
    return found or abort(404)


def _needs(task: Task) -> None:
    """Whose data are being erased is the owners' business."""
    if task.kind == TaskKind.ERASE and not g.role.covers(Role.OWNER):
        abort(403)


def _context(task: Task) -> dict[str, Any]:
    undone = task.params.get("task") if task.kind == TaskKind.UNDO else None
    return {
        "task": task,
        "title": KIND_NAMES[task.kind],
        "active": PLACES[task.kind],
        "state": STATE_NAMES[task.state],
        "pill_state": STATE_PILLS.get(task.state, "attention"),
        "report": report(task),
        "undoable": undoable(task),
        "undo_until": task.finished_at + UNDO_LIFE if task.finished_at else None,
        "undone": undone,
        "problems": problems(task),
        "failed": task.state == TaskState.FAILED,
        "stoppable": task.live and (task.kind != TaskKind.ERASE or g.role.covers(Role.OWNER)),
        "waits_for_worker": task.state == TaskState.WAITING and utc_now() - task.created_at > timedelta(minutes=1),
    }


def _record(action: str, task: Task) -> None:
    audit.record(
        db.session, g.account.id, user=current_user, action=action, subject=f"{task.kind} {task.id}", changes={}
    )
