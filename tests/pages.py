"""Every page that a test fetches is linted, so that each test of a page is also one of its quality."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from bs4 import BeautifulSoup, Tag
from flask import Flask
from werkzeug.test import TestResponse

LABELLED = ("input", "select", "textarea")
NEEDS_NO_LABEL = {"hidden", "submit", "button"}


def lint(html: str) -> BeautifulSoup:
    """Check a whole page; gives it parsed. Raises AssertionError with what is wrong."""
    page = BeautifulSoup(html, "html.parser")
    headings = page.find_all("h1")
    assert len(headings) == 1, f"{len(headings)} h1 on the page"
    assert page.title is not None, "no title"
    title = page.title.get_text(" ", strip=True).removeprefix("Ошибка: ").removeprefix("Error: ")
    heading = headings[0].get_text(" ", strip=True)
    assert title == f"{heading} · Leadtrail", f"title {title!r} does not agree with h1 {heading!r}"
    assert page.html is not None
    assert page.html.get("lang") in ("ru", "en"), "no language"
    lint_part(page)
    return page


def lint_part(page: BeautifulSoup) -> None:
    """What holds for a part of a page as well."""
    tags = page.find_all(True)
    by_name: dict[str, list[Tag]] = {}
    for tag in tags:
        by_name.setdefault(tag.name, []).append(tag)
        bad = [name for name in tag.attrs if name == "style" or name.startswith(("on", "hx-on"))]
        assert not bad, f"<{tag.name}> has {bad}"
    ids = Counter(tag["id"] for tag in tags if tag.get("id"))
    doubled = [name for name, number in ids.items() if number > 1]
    assert not doubled, f"ids stand twice: {doubled}"
    for script in by_name.get("script", []):
        assert script.get("src"), "inline script"
        assert not script.get_text(strip=True), "inline script"
    assert "style" not in by_name, "inline style"
    labels = {label.get("for") for label in by_name.get("label", [])}
    for control in (tag for name in LABELLED for tag in by_name.get(name, [])):
        if control.get("type") in NEEDS_NO_LABEL:
            continue
        named = control.get("id") in labels or control.get("aria-label") or control.find_parent("label")
        assert named, f"no label for {control}"
    for name in labels - {None}:
        assert name in ids, f"a label points to #{name}, which is not there"
    for tag in [*by_name.get("button", []), *by_name.get("a", [])]:
        text = tag.get_text(strip=True) or tag.get("aria-label") or tag.find("img", alt=True)
        assert text, f"nameless {tag}"
    for form in by_name.get("form", []):
        if form.get("method", "").lower() == "post":
            assert form.find("input", attrs={"name": "csrf_token"}), f"no CSRF token in {form.get('action')}"
    for name in {name for tag in tags for name in tag.get("aria-describedby", "").split()}:
        assert name in ids, f"aria-describedby names #{name}, which is not there"
    assert "_l(" not in page.get_text()


class LintingClient:
    """Flask's test client, which lints what it gets, and fills in the CSRF token as a browser's form would."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()

    def get(self, path: str, status: int = 200, **options: Any) -> BeautifulSoup | TestResponse:
        """GET; the page parsed and linted when it is HTML."""
        response = self.client.get(path, **options)
        assert response.status_code == status, f"GET {path}: {response.status_code}, wanted {status}"
        self._headers(response)
        return lint(response.text) if response.mimetype == "text/html" and status != 302 else response

    def post(
        self, path: str, data: dict[str, Any] | None = None, status: int = 303, partial: bool = False, **options: Any
    ) -> Any:
        """POST a form with its CSRF token. Gives the page when the answer is one."""
        # As a browser with our script sends it after «Да»; confirmed="" is one without.
        data = {"csrf_token": self.token(), "confirmed": "yes", **(data or {})}
        headers = {"HX-Request": "true", "HX-Request-Type": "partial"} if partial else {}
        response = self.client.post(path, data=data, headers=headers, **options)
        assert response.status_code == status, (
            f"POST {path}: {response.status_code}, wanted {status}: {response.text[:500]}"
        )
        if response.mimetype == "text/html" and response.status_code not in (303, 204):
            if partial:
                part = BeautifulSoup(response.text, "html.parser")
                lint_part(part)
                return part
            return lint(response.text)
        return response

    def follow(self, path: str, data: dict[str, Any] | None = None) -> BeautifulSoup:
        """POST a form and go where it sends."""
        response = self.post(path, data)
        return self.get(response.headers["Location"])

    def token(self) -> str:
        """A CSRF token of this session."""
        path = "/sign-in"
        if (self.client.get(path)).status_code == 302:
            path = "/password"
        field = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.client.get(path).text)
        assert field is not None
        return field[1]

    def sign_in(self, email: str, password: str = "long enough password") -> None:
        """Sign in through the page."""
        self.post("/sign-in", {"email": email, "password": password})

    @staticmethod
    def _headers(response: TestResponse) -> None:
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
