"""What the tests of the stand-in site stand on: a receiver of its webhooks, a browser, a page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, NAMES, PATIENCE_MS
from tests.databases import missing

from .server import Call, Double, Route
from .site import SiteDouble


class Receiver(Double):
    """Takes webhooks as the product does."""

    def routes(self) -> dict[tuple[str, str], Route]:
        """See Double."""
        self.bodies: list[dict[str, Any]] = []
        return {("POST", "/hook"): self._take}

    def _take(self, call: Call) -> dict[str, str]:
        self.bodies.append(json.loads(call.body))
        return {"result": "ok"}

    def names(self) -> list[str]:
        """Names of the events that came."""
        return [body["event_name"] for body in self.bodies]


@contextmanager
def with_hook(receiver: Receiver) -> Iterator[SiteDouble]:
    """A site whose chats go to the receiver."""
    with SiteDouble() as site:
        site.jivo.hooks["*"] = f"{receiver.url}/hook"
        yield site


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Headless Chromium; the test is left out where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        missing("Chromium", f"none of {', '.join(NAMES)} is installed")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Shop:
    """The site, a browser's page in a fresh profile, and what the webhooks brought."""

    site: SiteDouble
    page: Page
    receiver: Receiver

    def visit(self, head: Sequence[str] = ("jivo",), own_script: str = "", path: str = "/", **switches: Any) -> Page:
        """Open a page of the shop that has these parts, with these switches turned."""
        self.site.turn(**switches)
        self.site.layout(head=head, own_script=own_script)
        self.page.goto(self.site.address(path))
        return self.page

    def ready(self, what: str = "window.jivo_api") -> Page:
        """Wait until this is true on the page; the widget's methods by default."""
        self.page.wait_for_function(f"() => {what}")
        return self.page

    def problems(self) -> list[str]:
        """What went wrong on the page."""
        return self.page.evaluate("__site.problems")

    def fired(self) -> list[str]:
        """Callbacks that the widget called or would have called."""
        return self.page.evaluate("__jivo.fired")

    def tokens(self) -> list[str]:
        """Tokens that the widget took on this page."""
        return self.page.evaluate("__jivo.tokens")


@contextmanager
def a_shop(browser: Browser) -> Iterator[Shop]:
    """A site with its receiver and a fresh profile."""
    with Receiver() as receiver, with_hook(receiver) as site:
        context = browser.new_context(locale="ru-RU")
        context.set_default_timeout(PATIENCE_MS)
        yield Shop(site, context.new_page(), receiver)
        context.close()
