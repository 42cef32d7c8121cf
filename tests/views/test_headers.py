"""Security headers on every answer (issue 2.1, DESIGN §9)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, text

from tests.factories import make_account, make_integration
from tests.views.acting import HTMX, chat
from webapp import create_app
from webapp.extensions import db

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}


@pytest.fixture
def hook(session) -> str:
    path = make_integration(session, make_account(session, "vasilek")).hook_path()
    session.rollback()
    return path


def check(answer: Any) -> None:
    headers = answer.headers
    assert set(headers["Content-Security-Policy"].split("; ")) == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/password", 200),
        ("/", 302),
        ("/a/romashka/integrations", 200),
        ("/a/romashka/options/sites", 200),
        ("/a/vasilek/integrations", 404),
        ("/no/such/page", 404),
        ("/sign-out", 405),
        ("/healthz", 200),
        ("/readyz", 503),
        ("/metrics", 200),
    ],
)
def test_pages_and_errors_carry_them(owner, hook, path, status):
    answer = owner.client.get(path)
    assert answer.status_code == status
    check(answer)
    assert answer.headers["Cache-Control"] == "no-store", "what an account holds is kept nowhere"


def test_refusals_of_forms_carry_them(owner):
    for answer in (
        owner.client.post("/a/romashka/directory/sites/new"),
        owner.client.post("/sign-in", data={"csrf_token": owner.token()}),
        owner.client.post("/sign-in", data={"email": "x" * 3_000_000}),
    ):
        assert answer.status_code >= 400
        check(answer)


def test_a_failure_of_ours_carries_them(app, owner, monkeypatch):
    monkeypatch.setitem(app.view_functions, "auth.home", lambda: 1 / 0)
    answer = owner.client.get("/")
    assert answer.status_code == 500
    check(answer)


def test_a_page_does_not_make_a_reader_of_what_its_thread_does_next(app, owner, database_kind):
    """Workers keep their threads: what is read before a request chooses its transaction would begin a wrong one."""
    begun: list[str] = []
    owner.get("/a/romashka/integrations")
    with app.app_context():

        def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            begun.append(statement)

        event.listen(db.engine, "before_cursor_execute", note)
        with db.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        event.remove(db.engine, "before_cursor_execute", note)
    assert begun == [*(["BEGIN IMMEDIATE"] if database_kind == "sqlite" else []), "SELECT 1"]


def test_webhooks_carry_them_and_never_a_cookie(app, hook):
    """DESIGN §4.1."""
    client = app.test_client()
    answers = [
        client.post(hook, json=chat()),
        client.post(hook, data=b"hello"),
        client.post("/hooks/jivo/wrong", json=chat()),
        client.post("/hooks/nobody/wrong", json=chat()),
        client.get(hook),
        client.post(hook, data=b"x" * (1024 * 1024 + 1)),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 404, 405, 413]
    for answer in answers:
        check(answer)
        assert "Set-Cookie" not in answer.headers


def test_webhooks_are_answered_alike_with_and_without_somebodys_session(owner, hook):
    answer = owner.client.post(hook, json=chat())
    assert (answer.status_code, answer.text) == (200, '{"result":"ok"}')
    assert "Set-Cookie" not in answer.headers


def test_static_files_may_be_kept_and_vendored_ones_for_ever(client):
    page = client.get("/sign-in")
    paths = [tag["href"] for tag in page.find_all("link", href=True)] + [tag["src"] for tag in page.find_all("script")]
    assert len(paths) >= 6
    for path in paths:
        answer = client.client.get(path)
        answer.close()
        assert answer.status_code == 200, path
        check(answer)
        assert "Set-Cookie" not in answer.headers
        kept = answer.headers["Cache-Control"]
        assert ("immutable" in kept) == ("/vendor/" in path), path
        assert "no-store" not in kept


def test_everything_a_page_asks_for_comes_from_here(owner):
    """CSP: nothing from outside hosts."""
    page = owner.get("/a/romashka/integrations/new")
    for tag in page.find_all(["link", "script", "img", "form"]):
        for name in ("src", "href", "action"):
            assert not tag.get(name, "").startswith(("http:", "https:", "//")), tag


def test_over_https_browsers_are_told_to_stay_there(client):
    assert "Strict-Transport-Security" not in client.client.get("/sign-in").headers
    secure = client.client.get("/sign-in", base_url="https://localhost").headers
    assert secure["Strict-Transport-Security"] == "max-age=31536000"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client):
    cookie = client.client.get("/sign-in").headers["Set-Cookie"]
    assert cookie.startswith("leadtrail=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Domain=" not in cookie


def test_behind_https_the_session_cookie_is_for_https_alone(app, tmp_path):
    settings = app.config["SETTINGS"]
    update = {"PUBLIC_URL": "https://lead.example", "DATABASE_URL": f"sqlite:///{tmp_path / 'other.db'}"}
    other = create_app(settings.model_copy(update=update))
    answer = other.test_client().get("/healthz")
    assert answer.status_code == 200
    assert other.config["SESSION_COOKIE_SECURE"] is True


def test_what_may_be_a_page_or_a_part_of_it_says_so(owner):
    """A cache must not give the one for the other."""
    for headers in ({}, HTMX):
        answer = owner.client.get("/a/romashka/directory/sites/new", headers=headers)
        assert {"HX-Request", "HX-Request-Type"} <= {
            name.strip() for name in ",".join(answer.headers.getlist("Vary")).split(",")
        }


def test_nobody_outside_may_read_answers(client):
    answer = client.client.get("/sign-in", headers={"Origin": "https://evil.example"})
    assert not [name for name, _value in answer.headers if name.startswith("Access-Control")]
