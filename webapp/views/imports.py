"""«Загрузка архива»: raw bodies from files, put through intake like webhooks (B3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from sqlalchemy import select
from werkzeug.datastructures import FileStorage
from wtforms import MultipleFileField, SelectField
from wtforms.fields import SelectChoice

from webapp import audit, queue, tasks
from webapp.conversation import CHANNELS
from webapp.database import reading_only
from webapp.extensions import db
from webapp.models import Integration, Role, Task, TaskFile, TaskKind, TaskState
from webapp.wording import channel_name

from .access import member
from .forms import PageForm
from .partial import done
from .tasks import latest

blueprint = Blueprint("imports", __name__, url_prefix="/a/<slug>/import")

#: All files of one upload, as they are sent.
LARGEST_UPLOAD_BYTES = 64 * 1024 * 1024

#: Files of one upload; thousands go into a zip.
MOST_FILES = 1000

#: So much of a file is a row, and a short transaction.
PART_BYTES = 1024 * 1024


class ImportForm(PageForm):
    """Which integration, and the files."""

    integration = SelectField(_l("Интеграция"))
    channel = SelectField(_l("Канал"))
    files = MultipleFileField(_l("Файлы"))
    folder = MultipleFileField(_l("Или папка целиком"))

    def uploads(self) -> list[FileStorage]:
        """The files there are; an empty choice is sent as a file without a name."""
        return [file for file in [*(self.files.data or []), *(self.folder.data or [])] if file and file.filename]


@blueprint.url_value_preprocessor
def allow_files(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Larger requests than a form's, for people who have signed in: before anything reads the request.

    No transaction is left open, for the files may be long in coming: SQLite has one writer, and what a reader has
    seen it cannot write behind.
    """
    if request.method != "POST":
        return
    with reading_only():
        is_known = current_user.is_authenticated
        db.session.rollback()
    if is_known:
        request.max_content_length = LARGEST_UPLOAD_BYTES
        request.max_form_parts = MOST_FILES + 20


@blueprint.get("")
@member(Role.EDITOR)
def index() -> Any:
    """The form, and what was uploaded before."""
    return _page(_form())


@blueprint.post("")
@member(Role.EDITOR)
def upload() -> Any:
    """Store the files and let a worker read them."""
    form = _form()
    uploads = form.uploads()
    if not form.validate() or not uploads:
        if not uploads:
            form.files.errors = [_("Выберите файлы или папку.")]
        return _page(form), 422
    running = tasks.busy(db.session, g.account.id, TaskKind.ERASE)
    if running is not None:
        flash(
            _("Уже идёт удаление данных. Когда оно закончится, загрузите файлы ещё раз."),
            "attention",
        )
        return done(url_for("tasks.show", slug=g.account.slug, number=running.id))
    integration = db.session.scalar(
        select(Integration).where(Integration.account_id == g.account.id, Integration.key == form.integration.data)
    )
    params = {
        "integration": integration.id,
        "channel": form.channel.data or None,
        "files": [_name(file) for file in uploads][:20],
    }
    task = tasks.start(
        db.session, TaskKind.IMPORT, g.account.id, current_user.email, state=TaskState.ARRIVING, params=params
    )
    audit.record(
        db.session,
        g.account.id,
        user=current_user,
        action="task.import",
        subject=integration.name,
        changes={"files": [None, len(uploads)]},
    )
    db.session.commit()
    for number, (name, part) in enumerate(_parts(uploads)):
        db.session.add(TaskFile(task_id=task.id, number=number, name=name, data=part))
        db.session.commit()
    _begin(task)
    if not integration.active:
        flash(_("Интеграция выключена: новое сохранится и дождётся включения."), "attention")
    return done(url_for("tasks.show", slug=g.account.slug, number=task.id))


def _begin(task: Task) -> None:
    """All parts are there: the worker may begin, unless somebody has stopped it meanwhile."""
    db.session.refresh(task, with_for_update=True)
    if task.state == TaskState.ARRIVING:
        task.state = TaskState.WAITING
        queue.enqueue(db.session, task.kind, task.id)
    db.session.commit()


def _parts(uploads: list[FileStorage]) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) part by part. Names are made unlike each other: two files of a folder may be called the same."""
    for place, file in enumerate(uploads, 1):
        name = _name(file) if len(uploads) == 1 else f"{place}. {_name(file)}"
        while part := file.stream.read(PART_BYTES):
            yield name[:255], part


def _name(file: FileStorage) -> str:
    return (file.filename or "").replace("\0", "")[:200]


def _form() -> ImportForm:
    form = ImportForm()
    found = db.session.scalars(
        select(Integration)
        .where(Integration.account_id == g.account.id, Integration.archived_at.is_(None))
        .order_by(Integration.id)
    )
    form.integration.choices = [SelectChoice(one.key, one.name) for one in found]
    form.channel.choices = [
        SelectChoice("", _("как в самом архиве")),
        *(SelectChoice(one, channel_name(one)) for one in CHANNELS),
    ]
    return form


def _page(form: ImportForm) -> str:
    return render_template(
        "imports/index.html",
        form=form,
        tasks=latest(TaskKind.IMPORT, TaskKind.REPLAY),
        megabytes=LARGEST_UPLOAD_BYTES // 1024 // 1024,
    )
