"""A real Chromium before the application: one for the folder, a fresh profile for each test.

Every test fails on what a person would find in the browser's console: an error of a script, something the content
security policy refused, a request that failed, an answer nobody expected, a call to another server.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)
from sqlalchemy.orm import Session

from tests.browser import Cabinet, Furnished, furnish, make_cabinet
from tests.databases import missing
from tests.views.acting import enter
from webapp.models import User

NAMES = ("chromium", "chromium-browser", "google-chrome")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: How long anything on a page may take.
PATIENCE_MS = 8000


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium.

    It is closed with the folder, not with the run: while it is open Playwright's event loop counts as running in this
    thread, which the tests of the worker could not do with.
    """
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        missing("Chromium", f"none of {', '.join(NAMES)} is installed")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


class Watch:
    """What went wrong in the browser. A test that wants an answer of 4xx or 5xx, or no answer, says so."""

    def __init__(self, server: str) -> None:
        self.servers = [server]
        self.problems: list[str] = []
        self._statuses: set[int] = set()
        self._unanswered = False

    def allow(self, *statuses: int) -> None:
        """These statuses are what the test is about."""
        self._statuses |= set(statuses)

    def allow_unanswered(self) -> None:
        """So is a request that fails."""
        self._unanswered = True

    def visit(self, server: str) -> None:
        """The test leaves for this server too."""
        self.servers.append(server)

    def follow(self, context: BrowserContext) -> None:
        """Watch every page of a context."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self.problems.append(f"script: {error.error}"))
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        # What could not be loaded is told by the events of the network, with its status.
        if message.type != "error" or message.text.startswith("Failed to load resource"):
            return
        if not (self._unanswered and "Failed to fetch" in message.text):
            self.problems.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((*(f"{server}/" for server in self.servers), "data:")):
            self.problems.append(f"another server: {request.url}")

    def _failed(self, request: Request) -> None:
        # Aborted: the page was left, or a newer search took the place of this one.
        if request.failure != "net::ERR_ABORTED" and not self._unanswered:
            self.problems.append(f"{request.failure}: {request.method} {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self._statuses:
            self.problems.append(f"{response.status}: {response.request.method} {response.url}")


@pytest.fixture
def watch(server: str) -> Watch:
    """What went wrong in the browser during this test."""
    return Watch(server)


@pytest.fixture
def open_page(app: Flask, server: str, browser: Browser, watch: Watch) -> Iterator[Callable[..., Page]]:
    """Opens a page in a fresh profile: ``open_page(user, **options of the context)``; None is nobody."""
    contexts = []

    def opened(user: User | None = None, **options: Any) -> Page:
        size = {"width": 1280, "height": 900}
        context = browser.new_context(**{"base_url": server, "locale": "ru-RU", "viewport": size, **options})
        context.set_default_timeout(PATIENCE_MS)
        watch.follow(context)
        contexts.append(context)
        if user is not None:
            sign_in(context, app, server, user)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()
    assert not watch.problems, "\n".join(["in the browser:", *watch.problems])


def sign_in(context: BrowserContext, app: Flask, server: str, user: User) -> None:
    """Give the context the session of a user. The sign-in page itself is tested with its forms."""
    cookie = enter(app, user).client.get_cookie("leadtrail")
    assert cookie is not None
    context.add_cookies([{"name": "leadtrail", "value": cookie.value, "url": server, "httpOnly": True}])


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """A page in a fresh profile; nobody has signed in."""
    return open_page()


@pytest.fixture
def cabinet(session: Session) -> Cabinet:
    """«Ромашка» with an owner and a Jivo integration, and nothing else."""
    made = make_cabinet(session)
    session.commit()
    return made


@pytest.fixture
def furnished(app: Flask, session: Session) -> Furnished:
    """«Ромашка» with something on every page."""
    return furnish(app, session)


@pytest.fixture
def known_outside(app: Flask, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PUBLIC_URL is where the server listens: it sends its test chat to itself."""
    settings = app.config["SETTINGS"]
    monkeypatch.setitem(app.config, "SETTINGS", settings.model_copy(update={"PUBLIC_URL": server}))
