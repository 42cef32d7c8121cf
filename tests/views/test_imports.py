"""«Загрузка архива» and the replay of what a filter shows (B3)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, select, update
from werkzeug.test import EnvironBuilder

from tests.factories import make_integration, make_task
from tests.views.acting import beside, chat, filled, path_of, rows, said, send
from webapp.database import begin_as_reader
from webapp.jobs import handlers
from webapp.models import (
    Account,
    AuditRecord,
    Communication,
    EventState,
    Task,
    TaskFile,
    TaskKind,
    TaskState,
    WebhookEvent,
)
from webapp.views import imports

PAGE = "/a/romashka/import"
EVENTS = "/a/romashka/events"


@pytest.fixture
def jivo(session, account):
    made = make_integration(session, account)
    session.rollback()
    return made


def upload(client, *files: tuple[str, bytes], status: int = 303, **fields):
    data = filled(client.get(PAGE).select_one("form[enctype]")) | fields
    data = {name: value for name, value in data.items() if name not in ("files", "folder")}
    data["files"] = [(io.BytesIO(content), name) for name, content in files]
    return client.post(PAGE, data, status, content_type="multipart/form-data")


def carry_out(app, session, address: str) -> None:
    session.rollback()
    number = int(address.rsplit("/", 1)[1])
    task = session.get(Task, number)
    kind = task.kind
    session.rollback()
    handlers(app)[kind](number)


def body(number: int) -> bytes:
    return json.dumps(chat(number)).encode()


def test_files_are_stored_read_and_reported(app, session, editor, jivo):
    files = [("a.jsonl", body(1) + b"\n" + body(2) + b"\nno json"), ("b.json", body(1))]
    address = path_of(upload(editor, *files))
    assert len(session.scalars(select(TaskFile)).all()) == 2
    carry_out(app, session, address)
    page = editor.get(address)
    told = said(page.select_one("#task-card"))
    assert "Новых 2" in told
    assert "Уже были здесь 1" in told
    assert "Не приняты 1" in told
    assert "1. a.jsonl, строка 3: это не объект JSON" in told
    assert len(session.scalars(select(Communication)).all()) == 2
    assert session.scalars(select(AuditRecord.action)).all() == ["task.import"]
    assert [row[1] for row in rows(editor.get(PAGE))] == ["Загрузка архива"]


def test_large_files_are_stored_part_by_part(session, editor, jivo, monkeypatch):
    monkeypatch.setattr(imports, "PART_BYTES", 1000)
    upload(editor, ("a.json", b"x" * 2500))
    parts = session.execute(select(TaskFile.number, TaskFile.name, TaskFile.data).order_by(TaskFile.number)).all()
    assert [(number, name, len(data)) for number, name, data in parts] == [
        (0, "a.json", 1000),
        (1, "a.json", 1000),
        (2, "a.json", 500),
    ]
    assert session.scalars(select(Task.state)).all() == [TaskState.WAITING]


def test_more_than_a_form_may_hold_is_taken_here_alone(session, editor, jivo):
    upload(editor, ("a.json", b"x" * 3 * 1024 * 1024))
    answer = editor.client.post("/a/romashka/directory/sites/new", data={"domain": "x" * 3 * 1024 * 1024})
    assert answer.status_code == 413


class Arriving(io.BytesIO):
    """A body during whose arrival somebody else writes to the database."""

    def __init__(self, body: bytes, happens: Callable[[], None]) -> None:
        super().__init__(body)
        self.happens: Callable[[], None] | None = happens

    def readinto(self, buffer: bytearray) -> int:
        """Read on, after what happens at the first part."""
        happens, self.happens = self.happens, None
        if happens:
            happens()
        return super().readinto(buffer)


@pytest.mark.parametrize("is_reading", [True, False], ids=["behind a page", "behind a form"])
def test_while_files_arrive_nobody_waits_and_nothing_that_is_written_stops_them(
    app, session, editor, jivo, settings, is_reading
):
    """Whatever the thread served before: its next request begins a transaction of its own."""
    data = {"csrf_token": editor.token(), "integration": jivo.key, "channel": ""}
    session.rollback()
    content = body(1)
    sent = EnvironBuilder(method="POST", data=data | {"files": [(io.BytesIO(content), "a.json")]}).get_environ()
    waiting = {"connect_args": {"timeout": 0.5}} if settings.DATABASE_URL.startswith("sqlite") else {}
    engine = create_engine(settings.DATABASE_URL, **waiting)

    def somebody_writes() -> None:
        with engine.begin() as connection:
            connection.execute(update(Account).values(name="Ромашка и сыновья"))

    begin_as_reader(is_reading)
    stream = Arriving(sent["wsgi.input"].read(), somebody_writes)
    answer = editor.client.post(
        PAGE, input_stream=stream, content_type=sent["CONTENT_TYPE"], content_length=int(sent["CONTENT_LENGTH"])
    )
    engine.dispose()
    assert answer.status_code == 303
    assert stream.happens is None
    assert session.scalars(select(TaskFile.data)).all() == [content]


def test_too_much_is_refused(session, editor, jivo, monkeypatch):
    monkeypatch.setattr(imports, "LARGEST_UPLOAD_BYTES", 10_000)
    page = upload(editor, ("a.json", b"x" * 20_000), status=413)
    assert said(page.h1) == "Слишком много данных"
    assert session.scalars(select(Task)).all() == []


def test_without_files_it_says_what_to_do(editor, jivo):
    page = upload(editor, status=422)
    assert beside(page, "files") == "Выберите файлы или папку."


def test_a_foreign_integration_is_no_choice(session, editor, jivo):
    assert upload(editor, ("a.json", body(1)), status=422, integration="no-such").select_one("[data-error-summary]")
    assert session.scalars(select(Task)).all() == []


def test_without_an_integration_the_page_leads_to_one(editor):
    assert editor.get(PAGE).select_one(".empty a")["href"] == "/a/romashka/integrations/new"


def test_a_viewer_uploads_nothing(viewer, jivo):
    viewer.get(PAGE, status=403)


def test_what_the_filter_shows_is_read_again(app, session, editor, jivo):
    path, key = jivo.hook_path(), jivo.id
    session.rollback()
    for number in (1, 2, 3):
        send(app, path, chat(number))
    send(app, path, b"not json")
    session.rollback()
    for event in session.scalars(select(WebhookEvent).order_by(WebhookEvent.id).limit(2)):
        event.state, event.error = EventState.FAILED, "ValueError"
    session.commit()
    session.rollback()
    assert editor.get(EVENTS).find("form", action=f"{EVENTS}/replay") is None, "only what was chosen"
    page = editor.get(f"{EVENTS}?state=failed&integration={key}&since=2026-01-01&until=2099-01-01")
    assert len(rows(page)) == 2
    form = page.find("form", action=f"{EVENTS}/replay")
    address = path_of(editor.post(f"{EVENTS}/replay", filled(form)))
    carry_out(app, session, address)
    assert "Обработано 2" in said(editor.get(address).select_one(".facts"))
    session.rollback()
    assert set(session.scalars(select(WebhookEvent.state))) == {"done", "ignored"}
    assert len(session.scalars(select(Communication)).all()) == 3


def test_days_narrow_the_list(app, session, editor, jivo):
    send(app, jivo.hook_path(), chat(1))
    session.rollback()
    assert len(rows(editor.get(f"{EVENTS}?since=2026-01-01"))) == 1
    assert said(editor.get(f"{EVENTS}?until=2001-01-01").select_one(".empty-row")).startswith("По этим условиям")
    assert len(rows(editor.get(f"{EVENTS}?since=yesterday&until=2026-02-30"))) == 1


def test_one_replay_at_a_time(session, editor, jivo, account):
    task = make_task(session, account, TaskKind.REPLAY)
    number = task.id
    session.rollback()
    assert path_of(editor.post(f"{EVENTS}/replay", {"state": "failed"})) == f"/a/romashka/tasks/{number}"
