"""Files of «Обращения и цели»: small ones at once, large ones by a job with progress, one's own only (B12)."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import event, select, text

from tests.deletions import watched
from tests.factories import make_integration
from tests.report import inside
from tests.views.acting import enter_as, filled, flash, jobs, make_communication, part, path_of, said
from webapp import queue
from webapp.extensions import db
from webapp.jobs import make_export
from webapp.models import Export, ExportPart, ExportState, Integration, Role
from webapp.report import exports, listing
from webapp.views import communications_export

LIST = "/a/romashka/communications"
AT = datetime(2026, 3, 9, 11, 5, tzinfo=UTC)


@pytest.fixture
def integration(session, account) -> Integration:
    found = make_integration(session, account)
    for place in range(25):
        kind = "chat" if place % 5 else "offline_message"
        values = {"started_at": AT - timedelta(minutes=place), "contact_name": f"Имя {place}", "type": kind}
        make_communication(session, found, str(place), **values)
    session.commit()
    session.rollback()
    return found


@pytest.fixture
def in_batches(monkeypatch):
    """Several batches and parts, although there are few rows."""
    monkeypatch.setattr(listing, "BATCH", 7)
    monkeypatch.setattr(exports, "PART", 200)


def table(body: bytes, sign: str = ";") -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig")), delimiter=sign))


def test_a_small_file_comes_at_once_with_the_lists_filters_and_columns(viewer, integration, in_batches):
    answer = viewer.get(f"{LIST}/file.csv?type=offline_message&columns=name,kind")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="romashka-')
    assert table(answer.data) == [
        ["Имя", "Тип", "Номер в сервисе"],
        *([f"Имя {place}", "Заявка", str(place)] for place in (0, 5, 10, 15, 20)),
    ]
    whole = table(viewer.get(f"{LIST}/file.csv?columns=name").data)
    assert [line[0] for line in whole[1:]] == [f"Имя {place}" for place in range(25)]


def test_a_file_that_is_being_sent_keeps_no_webhook_waiting(app, viewer, integration, in_batches):
    """SQLite has one writer: a download must never be it. It is sent when the request that chose so is over."""
    begun: list[str] = []
    with app.app_context():
        engine = db.engine

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        begun.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        assert len(table(viewer.get(f"{LIST}/file.csv?columns=name").data)) == 26
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert begun
    assert "BEGIN IMMEDIATE" not in begun


def test_a_small_workbook_comes_at_once(viewer, integration, in_batches):
    answer = viewer.get(f"{LIST}/file.xlsx?columns=name")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as book:
        assert b"\xd0\x98\xd0\xbc\xd1\x8f 24" in book.read("xl/worksheets/sheet1.xml")
    viewer.get(f"{LIST}/file.pdf", status=404)


def test_a_large_file_is_ordered_made_by_the_job_and_fetched(
    app, session, viewer, integration, in_batches, monkeypatch
):
    monkeypatch.setattr(communications_export, "MOST_AT_ONCE", 5)
    answer = viewer.get(f"{LIST}/file.csv?columns=name", status=302)
    page = viewer.get(path_of(answer))
    assert "Строк в нём: 25" in said(page)
    assert "файл соберётся в фоне" in flash(page)
    query = page.select_one("input[name=query]")["value"]
    waiting = viewer.follow(f"{LIST}/exports", {"query": query, "format": "csv"})
    assert jobs(session) == 1
    assert said(waiting.select_one("#files tbody tr td:nth-of-type(3)")) == "в очереди"
    assert waiting.select_one("#files")["hx-trigger"] == "every 2s"
    number = session.scalar(select(Export.id))
    session.rollback()
    viewer.get(f"{LIST}/exports/{number}", status=404)
    with inside(app):
        make_export.handle(number)
    done = part(viewer, f"{LIST}/exports")
    assert "готов 25 строк" in said(done)
    assert "hx-trigger" not in done.select_one("#files").attrs
    body = viewer.get(done.select_one("a.btn")["href"]).data
    assert [line[0] for line in table(body)[1:]] == [f"Имя {place}" for place in range(25)]
    assert len(session.scalars(select(ExportPart)).all()) > 1
    session.rollback()
    viewer.post(f"{LIST}/exports/{number}/delete")
    assert session.scalars(select(ExportPart)).all() == []


def test_progress_is_told_while_the_file_is_made(app, session, viewer, integration, in_batches, monkeypatch):
    seen: list[tuple[int, int | None]] = []
    tell = exports._tell

    def listening(own: Any, number: int, **values: Any) -> None:
        tell(own, number, **values)
        seen.append(own.execute(select(Export.done, Export.total).where(Export.id == number)).one())
        own.rollback()

    monkeypatch.setattr(exports, "_tell", listening)
    viewer.post(f"{LIST}/exports", {"query": "columns=name", "format": "xlsx"})
    with inside(app) as own:
        make_export.handle(own.scalar(select(Export.id)))
    assert seen[:5] == [(0, 25), (7, 25), (14, 25), (21, 25), (25, 25)]


def test_a_job_that_is_done_again_makes_the_file_once(app, session, viewer, integration, in_batches):
    viewer.post(f"{LIST}/exports", {"query": "columns=name", "format": "csv"})
    number = session.scalar(select(Export.id))
    session.add(ExportPart(export_id=number, number=0, body=b"left by a worker that was killed"))
    session.commit()
    session.rollback()
    with inside(app) as own:
        own.get_one(Export, number).state = ExportState.RUNNING
        own.commit()
        make_export.handle(number)
        make_export.handle(number)
    assert len(table(viewer.get(f"{LIST}/exports/{number}").data)) == 26


def test_a_file_that_cannot_be_made_says_so(app, session, viewer, integration, monkeypatch):
    viewer.post(f"{LIST}/exports", {"query": "", "format": "csv"})
    number = session.scalar(select(Export.id))
    session.rollback()

    def broken(*_told: Any) -> None:
        raise ValueError("no")

    monkeypatch.setattr(exports, "csv_lines", broken)
    with inside(app), pytest.raises(ValueError, match="no"):
        make_export.handle(number)
    assert "не получилось" in said(viewer.get(f"{LIST}/exports").select_one("#files"))


def test_a_file_deleted_while_it_is_made_is_given_up(app, session, viewer, integration, in_batches, monkeypatch):
    viewer.post(f"{LIST}/exports", {"query": "", "format": "csv"})
    number = session.scalar(select(Export.id))
    session.rollback()
    tell = exports._tell

    def deleting(own: Any, number: int, **values: Any) -> None:
        if values.get("done"):
            own.delete(own.get_one(Export, number))
            own.commit()
        tell(own, number, **values)

    monkeypatch.setattr(exports, "_tell", deleting)
    with inside(app):
        make_export.handle(number)
    assert session.scalars(select(Export)).all() == []


def test_the_view_stays_while_one_orders_and_deletes_files(app, session, viewer, integration):
    """The next file is of the same view, too."""
    state = {"type": "offline_message", "columns": "name", "sort": "name"}
    page = viewer.get(f"{LIST}/exports", query_string=state)
    assert "Строки в файле идут по времени" in said(page)
    for _each in range(exports.WAITING_LIMIT + 1):
        page = viewer.follow(f"{LIST}/exports", filled(page.select_one("form.buttons")) | {"format": "csv"})
        assert "Строк в нём: 5" in said(page)
    assert "ещё собираются" in flash(page), "also where no file is ordered"
    number = session.scalar(select(Export.id))
    page = viewer.follow(f"{LIST}/exports/{number}/delete", filled(page.select_one("#files form")))
    assert "Строк в нём: 5" in said(page)
    assert dict(parse_qsl(page.select_one("form.buttons input[name=query]")["value"])) == state
    session.rollback()
    assert [one.query for one in session.scalars(select(Export))] == [state] * 2


def test_a_file_whose_job_is_gone_has_failed_and_stands_in_nobodys_way(app, session, viewer, integration):
    """The database was away at each attempt, or the worker died again and again: nobody will make the file."""
    for _each in range(exports.WAITING_LIMIT):
        viewer.post(f"{LIST}/exports", {"query": "", "format": "csv"})
    with inside(app) as own:
        for export in own.scalars(select(Export)):
            export.state = ExportState.RUNNING
        own.commit()
        schema = f"{queue.SCHEMA}." if own.get_bind().dialect.name == "postgresql" else ""
        lost = text(f"UPDATE {schema}workflow_status SET status = 'ERROR' WHERE workflow_uuid LIKE 'make_export:%'")
        assert own.execute(lost).rowcount == exports.WAITING_LIMIT
        own.commit()
    page = viewer.get(f"{LIST}/exports")
    assert said(page.select_one("#files")).count("не получилось") == exports.WAITING_LIMIT
    assert not page.select_one("#files").has_attr("hx-trigger"), "nothing is waited for"
    assert "Файл собирается" in flash(viewer.follow(f"{LIST}/exports", {"query": "", "format": "csv"}))


def test_a_number_that_is_given_again_gets_a_job_of_its_own(session, viewer, integration):
    """SQLite numbers a row like the last one that was deleted."""
    for expected in (1, 2):
        viewer.post(f"{LIST}/exports", {"query": "", "format": "csv"})
        assert jobs(session) == expected
        viewer.post(f"{LIST}/exports/{session.scalar(select(Export.id))}/delete")
        session.rollback()


def test_old_files_are_forgotten(app, session, viewer, integration):
    viewer.post(f"{LIST}/exports", {"query": "", "format": "csv"})
    export = session.scalars(select(Export)).one()
    number = export.id
    with inside(app):
        make_export.handle(number)
    session.rollback()
    export.finished_at -= timedelta(hours=25)
    session.commit()
    viewer.get(f"{LIST}/exports/{number}", status=404)
    export.created_at -= timedelta(hours=49)
    session.commit()
    session.rollback()
    with inside(app) as own:
        assert exports.forget_old(own) == 1
    assert session.scalars(select(Export)).all() == []


@pytest.mark.parametrize("occasion", ["it is old", "it is deleted", "it is made again"])
def test_a_large_file_goes_part_by_part(app, session, viewer, integration, occasion):
    """While SQLite writes over hundreds of mebibytes no webhook could be stored."""
    viewer.post(f"{LIST}/exports", {"query": "", "format": "csv"})
    export = session.scalars(select(Export)).one()
    number, most = export.id, exports.REMOVED
    session.add_all(ExportPart(export_id=number, number=place, body=b"...") for place in range(2 * most + 1))
    if occasion == "it is old":
        export.created_at -= timedelta(hours=49)
    session.commit()
    with watched(app, "export_part") as gone:
        if occasion == "it is deleted":
            viewer.post(f"{LIST}/exports/{number}/delete")
        else:
            with inside(app) as own:
                exports.forget_old(own) if occasion == "it is old" else exports.make(own, number)
    assert gone == [most, most, 1]
    session.rollback()
    assert len(session.scalars(select(ExportPart)).all()) == (1 if occasion == "it is made again" else 0)


def test_headings_are_in_the_language_of_who_ordered(app, session, viewer, integration):
    viewer.post("/language", {"language": "en", "next": LIST})
    viewer.post(f"{LIST}/exports", {"query": "columns=name,kind", "format": "csv"})
    number = session.scalar(select(Export.id))
    session.rollback()
    with inside(app):
        make_export.handle(number)
    head, first, *_rest = table(viewer.get(f"{LIST}/exports/{number}").data, ",")
    assert head == ["Name", "Type", "ID in the service"]
    assert first[1] == "Request"


def test_nobody_orders_without_end(viewer, integration):
    for _each in range(exports.WAITING_LIMIT + 1):
        page = viewer.follow(f"{LIST}/exports", {"query": "", "format": "csv"})
    assert "Предыдущие файлы ещё собираются" in flash(page)
    assert len(page.select("#files tbody tr")) == exports.WAITING_LIMIT


def test_files_of_another_person_are_not_listed(app, session, viewer, account, integration):
    viewer.post(f"{LIST}/exports", {"query": "", "format": "csv"})
    other = enter_as(app, session, account, Role.OWNER)
    assert "Здесь появятся заказанные файлы." in said(other.get(f"{LIST}/exports"))
