"""«Удаление данных человека»: a look first, then everything goes (DESIGN §9, issue 6.8)."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from tests.factories import make_integration, make_task
from tests.views.acting import beside, chat, everything, filled, path_of, said
from webapp.intake import accept
from webapp.jobs import handlers
from webapp.models import AuditRecord, Communication, Task, TaskKind

PAGE = "/a/romashka/settings/erasure"


@pytest.fixture
def jivo(session, account):
    made = make_integration(session, account)
    for number, phone in ((1, "8 (916) 123-45-67"), (2, "+79030000001")):
        body = chat(number)
        body["visitor"]["phone"] = phone
        accept(session, made, json.dumps(body).encode())
    session.commit()
    session.rollback()
    return made


def test_a_look_counts_and_deletes_nothing(session, owner, jivo):
    before = everything(session)
    page = owner.post(PAGE, {"who": "8 916 1234567"}, 200)
    told = said(page.select_one("#preview"))
    assert "Обращений 1" in told
    assert "Вебхуков с ними 1" in told
    assert "резервных копиях" in told
    assert everything(session) == before


def test_the_second_button_erases_and_leaves_no_trace_of_whom(app, session, owner, jivo):
    form = owner.post(PAGE, {"who": "8 916 1234567"}, 200).select_one("#preview form")
    address = path_of(owner.post(PAGE, filled(form)))
    number = session.scalars(select(Task.id)).one()
    session.rollback()
    handlers(app)[TaskKind.ERASE](number)
    page = owner.get(address)
    assert "Обращений удалено 1" in said(page.select_one(".facts"))
    assert [one.vendor_id for one in session.scalars(select(Communication))] == ["2"]
    [record] = session.scalars(select(AuditRecord))
    assert (record.action, record.subject, record.changes) == ("contact.erase", str(number), {})
    assert "9161234567" not in repr(everything(session))


def test_nobody_known_is_said(owner, jivo):
    told = said(owner.post(PAGE, {"who": "nobody@example.com"}, 200, partial=True).select_one("#preview"))
    assert "ничего не записано" in told


@pytest.mark.parametrize(("typed", "told"), [("", "Введите телефон"), ("Анна", "Это не телефон"), ("12", "Это не")])
def test_neither_phone_nor_mail_is_told(owner, jivo, typed, told):
    assert beside(owner.post(PAGE, {"who": typed}, 422), "who").startswith(told)


@pytest.mark.parametrize("kind", [TaskKind.ERASE, TaskKind.IMPORT])
def test_it_waits_for_what_is_going_on(session, owner, jivo, account, kind):
    task = make_task(session, account, kind)
    number = task.id
    session.rollback()
    answer = owner.post(PAGE, {"who": "8 916 1234567", "action": "erase"})
    assert path_of(answer) == f"/a/romashka/tasks/{number}"


def test_only_owners_stop_it(session, editor, owner, account):
    task = make_task(session, account, TaskKind.ERASE, subject="phone:+79161234567")
    path = f"/a/romashka/tasks/{task.id}"
    session.rollback()
    assert "9161234567" not in str(editor.get(path))
    editor.post(f"{path}/stop", status=403)
    owner.post(f"{path}/stop")
    session.rollback()
    assert task.subject is None
