"""Error pages: whole, linted, in plain words, and without a detail of ours (issue 2.1)."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.factories import make_integration
from tests.pages import lint
from tests.views.acting import HTMX, chat, enter, make_person, said
from webapp.extensions import db
from webapp.views import events

SECRET = "secret-detail +79161234567 postgresql://user:password@host/db"


@pytest.fixture
def failing(monkeypatch):
    """Makes the page of events fail in a way that nobody thought of."""

    def fail(*_arguments: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(events, "_failed", fail)


@pytest.fixture
def no_database(app):
    """A database that takes no connections any more."""
    with app.app_context():
        engine = db.engine

    def refuse(dialect: Any, _record: Any, _arguments: Any, _options: Any) -> None:
        raise dialect.dbapi.OperationalError(SECRET)

    engine.dispose()
    event.listen(engine, "do_connect", refuse)
    yield
    event.remove(engine, "do_connect", refuse)
    engine.dispose()


def check(page: BeautifulSoup, heading: str) -> None:
    assert said(page.h1) == heading
    assert page.select_one(".subtitle") is not None, "what to do now"
    assert page.main.find("a", href="/") is not None, "a way out"
    assert "secret-detail" not in str(page)
    assert "Traceback" not in str(page)


def test_a_page_that_is_not_there(client, owner):
    for visitor in (client, owner):
        for path in ("/no/such/page", "/a/romashka/no-such-page", "/a/", "/static/no-such.css", "/static/../wsgi.py"):
            check(visitor.get(path, status=404), "Такой страницы нет")


def test_a_page_for_another_role(viewer):
    check(viewer.get("/a/romashka/people", status=403), "Недостаточно прав")


def test_a_way_that_is_closed(client):
    check(client.get("/sign-out", status=405), "Так обратиться нельзя")
    check(lint(client.client.put("/sign-in", headers={"X-CSRFToken": client.token()}).text), "Так обратиться нельзя")


def test_a_request_that_makes_no_sense(owner):
    check(owner.post("/a/romashka/integrations/new", {"vendor": "nobody"}, status=400), "Запрос не понят")


def test_a_form_that_is_too_large(owner):
    answer = owner.client.post("/a/romashka/directory/sites/new", data={"domain": "x" * 3_000_000})
    assert answer.status_code == 413
    check(lint(answer.text), "Слишком много данных")


def test_a_failure_of_ours_hides_its_details(owner, failing):
    check(owner.get("/a/romashka/events", status=500), "Что-то сломалось у нас")


def test_a_failure_of_ours_is_logged(owner, failing, caplog):
    with caplog.at_level("ERROR"):
        owner.get("/a/romashka/events", status=500)
    assert "request_failed" in caplog.text


def test_after_a_failure_the_next_page_works(owner, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(events, "_failed", lambda *_arguments: 1 / 0)
        owner.get("/a/romashka/events", status=500)
    owner.get("/a/romashka/events")


@pytest.mark.parametrize(
    ("path", "status", "heading"),
    [("/no/such/page", 404, "Такой страницы нет."), ("/a/romashka/events", 500, "Что-то сломалось у нас.")],
)
def test_htmx_gets_an_error_as_a_part_of_the_page(owner, failing, path, status, heading):
    answer = owner.client.get(path, headers=HTMX)
    assert answer.status_code == status
    part = BeautifulSoup(answer.text, "html.parser")
    assert part.find("html") is None
    assert said(part.find(attrs={"role": "alert"})).startswith(heading)
    assert "secret-detail" not in answer.text


def test_an_error_page_speaks_the_users_language(app, session, account):
    """B11."""
    client = enter(app, make_person(session, account, language="en"))
    session.rollback()
    assert client.get("/no/such/page", status=404).html["lang"] == "en"


def test_a_database_that_fails_in_the_middle_is_said_in_words(owner, monkeypatch):
    def fail(*_arguments: Any) -> None:
        raise OperationalError("SELECT", {}, Exception(SECRET))

    monkeypatch.setattr(events, "_failed", fail)
    check(owner.get("/a/romashka/events", status=503), "База данных не отвечает")


def test_without_a_database_every_page_still_says_so(owner, client, request):
    """DESIGN §4.4: unavailable is 503, for people in words."""
    typed = {"csrf_token": client.token(), "email": "a@b.example", "password": "x"}
    request.getfixturevalue("no_database")
    check(owner.get("/a/romashka/events", status=503), "База данных не отвечает")
    answer = client.client.post("/sign-in", data=typed)
    assert answer.status_code == 503
    check(lint(answer.text), "База данных не отвечает")


def test_without_a_database_a_webhook_is_not_answered_as_stored(app, session, account, request):
    """DESIGN §9: no 2xx for a webhook that is not on disk."""
    path = make_integration(session, account).hook_path()
    session.rollback()
    request.getfixturevalue("no_database")
    answer = app.test_client().post(path, json=chat())
    assert (answer.status_code, answer.text) == (503, "503\n")


def test_vendors_get_errors_as_short_text(client):
    answer = client.client.post("/hooks/jivo/wrong")
    assert (answer.status_code, answer.mimetype, answer.text) == (404, "text/plain", "404\n")


@pytest.mark.parametrize(
    "path",
    [
        "/a/romashka%00/events",
        "/a/%00/integrations",
        "/%00",
        "/a/romashka/directory/sites?q=%00",
        "/a/romashka/events?state=%00&integration=%00&before=%00",
        "/sign-in?next=%00",
        "/a/" + "x" * 5000 + "/events",
        "/a/romashka/%ff%fe",
        "/a/romashka/communications?q=%ff",
    ],
)
def test_no_address_makes_us_fail(owner, client, path):
    for visitor in (owner, client):
        assert visitor.client.get(path).status_code < 500
