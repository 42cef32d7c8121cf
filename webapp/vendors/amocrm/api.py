"""amoCRM's API v4: one call, its errors by class, its rate (contract, section 3)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests

from webapp import pacing
from webapp.vendors.connection import Access, ConnectionProblem, Link

from . import assumptions

USER_AGENT = "Leadtrail/1.0"
TIMEOUT = (3.05, 20)

#: Longer waits for a place in the lane are another try later, not a sleeping worker.
LONGEST_WAIT = 20.0

#: Seconds after which a call that got no good answer may be tried again; whoever repeats it makes them longer.
AGAIN = 2.0

#: Seconds to leave an account alone by what it answered, where it does not say itself.
PAUSES = {402: 6 * 3600.0, 403: 15 * 60.0, 429: 2.0}

#: What every token may read.
ACCOUNT = "/api/v4/account"

#: Pages of a list that are followed at most.
MOST_PAGES = 200


class Api:
    """Calls of one authorization. ``knocks``: they are made in a pause, too, and the first good answer ends it."""

    def __init__(self, link: Link, *, knocks: bool = False) -> None:
        self._link, self._knocks, self._in_pause = link, knocks, False

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """The answer as an object, None where nothing was found (204). Raises ConnectionProblem."""
        return self.call("GET", path + (f"?{urlencode(query)}" if query else ""))

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any] | None:
        """One call; a refused token is refreshed and a moved account looked up, each once. Raises ConnectionProblem:
        what may be tried again says after how many seconds."""
        access, moved = self._link.access(), False
        for renewed in (False, True):
            try:
                answer = self._send(access, method, path, body)
            except requests.RequestException as error:
                if moved or not isinstance(error, requests.ConnectionError) or not self._link.relocate():
                    raise ConnectionProblem("unreachable", detail=type(error).__name__, retry_after=AGAIN) from None
                moved, access = True, self._link.access()
                answer = self._again(access, method, path, body)
            if answer.status_code == 404 and not moved and self._link.relocate():
                # Not what was asked for is missing, but the whole account: it has moved.
                moved, access = True, self._link.access()
                answer = self._again(access, method, path, body)
            if answer.status_code != 401 or renewed:
                break
            access = self._link.renew(access.tokens.access_token)
        return self._understood(answer, access, path)

    def pages(self, path: str, name: str, query: Mapping[str, Any] | None = None) -> Iterator[list[dict[str, Any]]]:
        """The pages of a list, as its ``next`` links lead from one to the other."""
        found = self.get(path, query)
        for _page in range(MOST_PAGES):
            yield items(found, name)
            following = next_path(found)
            if following is None:
                return
            found = self.get(following)

    def _again(self, access: Access, method: str, path: str, body: Any) -> requests.Response:
        try:
            return self._send(access, method, path, body)
        except requests.RequestException as error:
            raise ConnectionProblem("unreachable", detail=type(error).__name__, retry_after=AGAIN) from None

    def _send(self, access: Access, method: str, path: str, body: Any) -> requests.Response:
        asked_at = time.time()
        wait = pacing.reserve(
            self._link.engine,
            self._lane(access),
            assumptions.REQUESTS_PER_SECOND,
            now=asked_at,
            patience=LONGEST_WAIT,
        )
        if wait > LONGEST_WAIT:
            if not self._knocks:
                raise ConnectionProblem("paused", retry_after=wait, for_all=True)
            wait, self._in_pause = 0.0, True
        # The place counts from when it was asked for, however long the database took to give it.
        time.sleep(max(0.0, asked_at + wait - time.time()))
        headers = {
            "Authorization": f"Bearer {access.tokens.access_token}",
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
        }
        data = None
        if body is not None:
            data = json.dumps(body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
        return self._link.client.send(method, access.url + path, data, headers, TIMEOUT)

    def _is_let_in(self, access: Access) -> bool:
        """True when the account itself answers: then a 403 was about what was asked for, and about nothing else."""
        try:
            return self._send(access, "GET", ACCOUNT, None).status_code == 200
        except requests.RequestException as error:
            raise ConnectionProblem("unreachable", detail=type(error).__name__, retry_after=AGAIN) from None

    @staticmethod
    def _lane(access: Access) -> str:
        return f"authorization:{access.authorization_id}"

    def _understood(self, answer: requests.Response, access: Access, path: str) -> dict[str, Any] | None:
        status = answer.status_code
        if 200 <= status < 300 and self._in_pause:
            pacing.resume(self._link.engine, self._lane(access))
            self._in_pause = False
        if status == 204 or (200 <= status < 300 and not answer.content.strip()):
            return None
        told = _object(answer)
        if 200 <= status < 300:
            if told is None:
                raise ConnectionProblem("unreadable", retry_after=30)
            return told
        raise self._problem(status, told or {}, answer, access, path)

    def _problem(
        self, status: int, told: dict[str, Any], answer: requests.Response, access: Access, path: str
    ) -> ConnectionProblem:
        detail = " ".join(str(told.get(key) or "") for key in ("title", "detail")).strip()
        if status == 401:
            problem = ConnectionProblem("token_refused", detail=detail, needs_consent=True)
            self._link.refused(problem)
            return problem
        if status in PAUSES:
            seconds = _seconds(told.get("retry_after")) or _seconds(answer.headers.get("Retry-After"))
            code = {402: "unpaid", 429: "busy"}.get(status, "forbidden")
            if status == 403 and (str(told.get("code")) == "113" or "113" in str(told.get("error_code", ""))):
                code = "ip_filter"
            if status == 403 and "scope" in detail.lower():
                return ConnectionProblem("scope", detail=detail)
            if code == "forbidden" and path != ACCOUNT and self._is_let_in(access):
                return ConnectionProblem("no_rights", detail=detail)
            seconds = seconds or PAUSES[status]
            pacing.pause(self._link.engine, self._lane(access), seconds)
            return ConnectionProblem(code, detail=detail, retry_after=seconds, for_all=True)
        if status == 404:
            return ConnectionProblem("not_found", detail=detail)
        if status >= 500:
            return ConnectionProblem("server_error", detail=detail, retry_after=AGAIN)
        if 300 <= status < 400:
            return ConnectionProblem("redirected", retry_after=300)
        return ConnectionProblem("bad_request", detail=f"{status} {detail}".strip())


def items(found: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """The rows of a list's answer; none where there is no answer."""
    embedded = (found or {}).get("_embedded")
    rows = embedded.get(name) if isinstance(embedded, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def next_path(found: dict[str, Any] | None) -> str | None:
    """The path of the next page. Only the path counts: whatever host the link names, ours is called."""
    links = (found or {}).get("_links")
    following = links.get("next") if isinstance(links, dict) else None
    href = following.get("href") if isinstance(following, dict) else following
    if not isinstance(href, str):
        return None
    parts = urlsplit(href)
    at = parts.path.find("/api/v4/")
    return None if at < 0 else parts.path[at:] + (f"?{parts.query}" if parts.query else "")


def _object(answer: requests.Response) -> dict[str, Any] | None:
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _seconds(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return min(found, 24 * 3600.0) if found > 0 else None
