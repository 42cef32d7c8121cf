"""A view of «Обращения и цели» as a file: at once where it is small, by a job where it is large."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response, abort, current_app, flash, g, redirect, request, stream_with_context, url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import select

from webapp.database import begin_as_reader
from webapp.extensions import db
from webapp.models import Export, ExportPart, ExportState, Role, utc_now
from webapp.report import listing
from webapp.report.columns import needs
from webapp.report.exports import KEPT, MOST_ROWS, UNFINISHED, WAITING_LIMIT, enqueue, is_over, remove, state_of
from webapp.report.files import FORMATS, csv_lines, write_xlsx
from webapp.report.periods import today
from webapp.report.view import View

from .access import member
from .communications import blueprint
from .locale import choose_locale
from .partial import done, page_or_block

#: More rows are not made while somebody waits.
MOST_AT_ONCE = 5000

#: Bytes of an answer that are sent together.
PIECE = 1 << 16


@blueprint.get("/file.<name>")
@member(Role.VIEWER)
def export_now(name: str) -> Any:
    """The file of a small view. A larger one leads to the page where it can be ordered."""
    if name not in FORMATS:
        abort(404)
    view = View.read(g.account, request.args)
    total = listing.total(db.session(), view.filters)
    if total.more or total.number > MOST_AT_ONCE:
        flash(_("Строк много: файл соберётся в фоне. Нажмите «Собрать файл»."), "attention")
        return redirect(_here(view))
    batches = listing.everything(db.session(), view.filters, listing.listed(needs(view.columns)), MOST_AT_ONCE)
    if name == "csv":
        pieces: Iterator[bytes] = csv_lines(view.columns, batches, g.account.timezone)
    else:
        pieces = _workbook(view, batches)
    return _file(pieces, name)


@blueprint.get("/exports")
@member(Role.VIEWER)
def exports() -> Any:
    """The files this user has ordered here; the part with their progress is asked for again while one is made."""
    view = View.read(g.account, request.args)
    own = _own()
    return page_or_block(
        "communications/exports.html",
        "files",
        view=view,
        query=view.address(),
        total=listing.total(db.session(), view.filters),
        exports=own,
        states=_states(own),
        most_at_once=MOST_AT_ONCE,
        most_rows=MOST_ROWS,
        kept_hours=int(KEPT.total_seconds() // 3600),
        title=_("Выгрузки"),
    )


@blueprint.post("/exports")
@member(Role.VIEWER)
def order_export() -> Any:
    """Have a file of the view made."""
    name = request.form.get("format", "")
    if name not in FORMATS:
        abort(404)
    view = View.parse(g.account, request.form.get("query", ""))
    if sum(state in UNFINISHED for state in _states(_own()).values()) >= WAITING_LIMIT:
        flash(_("Предыдущие файлы ещё собираются. Дождитесь их."), "attention")
        return done(_here(view))
    export = Export(
        account_id=g.account.id,
        user_id=current_user.id,
        format=name,
        # The days of a preset are those of the day on which the file was ordered.
        query=view.address(period=None, since=view.filters.since, until=view.filters.until),
        language=choose_locale(),
    )
    db.session.add(export)
    db.session.flush()
    enqueue(db.session(), export)
    db.session.commit()
    flash(_("Файл собирается. Страницу можно закрыть: он останется здесь."), "ok")
    return done(_here(view))


@blueprint.get("/exports/<int:number>")
@member(Role.VIEWER)
def download(number: int) -> Any:
    """The bytes of a file that is done."""
    export = _one(number)
    if export.state != ExportState.DONE or is_over(export, utc_now()):
        abort(404)
    query = select(ExportPart.body).where(ExportPart.export_id == export.id)
    last = db.session.scalar(
        select(ExportPart.number).where(ExportPart.export_id == export.id).order_by(ExportPart.number.desc()).limit(1)
    )

    def parts() -> Iterator[bytes]:
        for number in range((last or 0) + 1):
            yield db.session.scalar(query.where(ExportPart.number == number)) or b""
            db.session.rollback()

    return _file(parts(), export.format)


@blueprint.post("/exports/<int:number>/delete")
@member(Role.VIEWER)
def delete_export(number: int) -> Any:
    """Forget a file; one that is being made is given up."""
    one = _one(number).id
    db.session.rollback()
    remove(db.session(), one)
    return done(_here(View.parse(g.account, request.form.get("query", ""))))


def _here(view: View) -> str:
    """The page of files for this view."""
    return url_for("communications.exports", slug=g.account.slug, **view.address())


def _own() -> list[Export]:
    query = select(Export).where(Export.account_id == g.account.id, Export.user_id == current_user.id)
    return list(db.session.scalars(query.order_by(Export.id.desc()).limit(50)))


def _states(exports: list[Export]) -> dict[int, ExportState]:
    """How each of them stands."""
    return {one.id: state_of(db.session(), one) for one in exports}


def _one(number: int) -> Export:
    query = select(Export).where(
        Export.id == number, Export.account_id == g.account.id, Export.user_id == current_user.id
    )
    return db.session.scalar(query) or abort(404)


def _workbook(view: View, batches: Any) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as file:
        write_xlsx(file, view.columns, batches, g.account.timezone)
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece


def _file(pieces: Iterable[bytes], name: str) -> Response:
    day = today(g.account.timezone).isoformat()
    answer = current_app.response_class(stream_with_context(_reading(pieces)), mimetype=FORMATS[name])
    answer.headers["Content-Disposition"] = f'attachment; filename="{g.account.slug}-{day}.{name}"'
    return answer


def _reading(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same, read as a reader: the request, which had chosen that, is over when its body is sent."""
    begin_as_reader(True)
    try:
        yield from pieces
    finally:
        begin_as_reader(False)
