"""What the tests of the pages share: people who act, chats that come in, and forms filled in as a browser would."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

from tests.factories import PASSWORD
from tests.pages import LintingClient, lint_part
from webapp import queue
from webapp.enrichment import dialogue, refresh_search_text
from webapp.models import Account, Base, Communication, Integration, Membership, Role, User, utc_now

#: What htmx sends when it wants a part of a page.
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@cache
def _password_hash() -> str:
    return generate_password_hash(PASSWORD)


def make_person(
    session: Session, account: Account | None = None, role: Role = Role.OWNER, email: str | None = None, **values: Any
) -> User:
    """A user whose password is PASSWORD; hashing it once makes the suite much faster."""
    email = email or f"{role}@{account.slug if account else 'nowhere'}.example"
    user = User(email=email, password_hash=_password_hash(), session_version=1, **values)
    if account is not None:
        user.memberships.append(Membership(account_id=account.id, role=role))
    session.add(user)
    session.commit()
    return user


def enter(app: Flask, user: User) -> LintingClient:
    """A client in which this person has signed in. The sign-in page itself is tested in test_auth."""
    client = LintingClient(app)
    with client.client.session_transaction() as kept:
        kept["_user_id"], kept["_fresh"] = user.get_id(), True
    return client


def enter_as(app: Flask, session: Session, account: Account, role: Role = Role.OWNER, **values: Any) -> LintingClient:
    """A client of a new person with this role."""
    user = make_person(session, account, role, **values)
    client = enter(app, user)
    session.rollback()
    return client


def send(app: Flask, path: str, body: Any, **options: Any) -> None:
    """Send a webhook as a vendor would: without a session."""
    kind = {"data": body} if isinstance(body, bytes) else {"json": body}
    answer = app.test_client().post(path, **kind, **options)
    assert answer.status_code == 200, answer.text


def chat(number: Any = 84, *texts: str, name: str = "Мария", at: int | None = None, **more: Any) -> dict[str, Any]:
    """The body of a finished chat. ``texts`` are said in turn by the visitor and by the operator, from ``at`` on."""
    at = at if at is not None else int(utc_now().timestamp()) - 600
    return {
        "event_name": "chat_finished",
        "chat_id": number,
        "visitor": {"name": name, "number": number, "chats_count": 1},
        "agents": [{"id": 1, "name": "Анна", "email": "anna@shop.example"}],
        "chat": {
            "messages": [
                {"timestamp": at + place, "message": said, "type": "agent" if place % 2 else "visitor", "agent_id": 1}
                for place, said in enumerate(texts or ("Есть шторы?", "Есть."))
            ]
        },
        **more,
    }


def make_communication(session: Session, integration: Integration, vendor_id: str, **values: Any) -> Communication:
    """A communication as intake would have left it; commit is the caller's."""
    at = values.pop("started_at", utc_now())
    row = Communication(
        account_id=integration.account_id,
        integration_id=integration.id,
        vendor_id=vendor_id,
        started_at=at,
        updated_at=at,
        **{"type": "chat", "rule": "none", "finished_at": at, **values},
    )
    row.text = row.text or dialogue(row.messages or [])
    refresh_search_text(row)
    session.add(row)
    return row


def part(client: LintingClient, path: str) -> BeautifulSoup:
    """GET a part of a page, as htmx does."""
    response = client.client.get(path, headers=HTMX)
    assert response.status_code == 200, f"GET {path}: {response.status_code}"
    found = BeautifulSoup(response.text, "html.parser")
    assert found.find("html") is None, "a whole page instead of a part"
    lint_part(found)
    return found


def said(page: Tag) -> str:
    """The text of a page, with single blanks."""
    return re.sub(r"\s+", " ", page.get_text(" ")).strip()


def flash(page: Tag) -> str:
    """The short message on a page."""
    return said(page.select_one("#flash"))


def filled(form: Tag) -> dict[str, Any]:
    """What a browser would send of this form without touching it, the buttons left out."""
    values: dict[str, Any] = {}
    for control in form.find_all(["input", "select", "textarea"]):
        name, kind = control.get("name"), control.get("type")
        if not name or control.has_attr("disabled") or name == "csrf_token":
            continue
        if control.name == "select":
            options = control.find_all("option")
            chosen = next((option for option in options if option.has_attr("selected")), options[0])
            values[name] = chosen.get("value", chosen.get_text())
        elif kind in ("radio", "checkbox"):
            if control.has_attr("checked"):
                values[name] = control.get("value", "on")
        elif kind != "submit":
            values[name] = control.get("value", "")
    return values


def beside(page: Tag, name: str) -> str:
    """The error beside the field of this id, which the field must point to and the summary must link to."""
    field = page.find(id=name)
    assert field is not None, f"no #{name}"
    assert field.get("aria-invalid") == "true", f"#{name} is not marked as wrong"
    assert f"{name}-error" in field["aria-describedby"].split()
    summary = page.select_one("[data-error-summary]")
    assert summary is not None, "no error summary"
    assert summary.find("a", href=f"#{name}"), f"the summary does not lead to #{name}"
    return said(page.find(id=f"{name}-error")).removeprefix("Ошибка: ")


def rows(page: Tag) -> list[list[str]]:
    """The cells of the page's list; tables beside it are none."""
    lines = page.select(".card-table tbody tr") or page.select("tbody tr")
    return [[said(cell) for cell in row.find_all("td")] for row in lines]


def walk(client: LintingClient, path: str, way: str = "next") -> Iterable[BeautifulSoup]:
    """The page of this path and those that its pager leads to."""
    for _page in range(20):
        page = client.get(path)
        yield page
        link = page.select_one(f".pager a[rel={way}]")
        if link is None:
            return
        path = link["href"]
    raise AssertionError("the pager never ends")


def path_of(response: Any) -> str:
    """Where an answer sends, as a path with its query."""
    parts = urlsplit(response.headers["Location"])
    assert not parts.netloc, f"{response.headers['Location']} leaves the site"
    return parts.path + (f"?{parts.query}" if parts.query else "")


def everything(session: Session) -> dict[str, Any]:
    """All rows of all tables, to see that nothing has changed. The number of jobs is one of them."""
    session.rollback()
    found: dict[str, Any] = {
        table.name: sorted(repr(tuple(row)) for row in session.execute(select(table)))
        for table in Base.metadata.sorted_tables
    }
    found["jobs"] = jobs(session)
    session.rollback()
    return found


def jobs(session: Session) -> int:
    """How many jobs were ever enqueued."""
    session.rollback()
    schema = f"{queue.SCHEMA}." if session.get_bind().dialect.name == "postgresql" else ""
    return session.scalar(select(func.count()).select_from(text(f"{schema}workflow_status"))) or 0
