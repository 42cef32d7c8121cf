"""Tools of the stand-in's own tests: a careful client, and a receiver of hooks that answers as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import requests

from .amocrm import AmoDouble
from .amocrm_http import Reply, Request, handler

REDIRECT = "http://127.0.0.1:8000/oauth/amocrm"


class Caller:
    """Speaks to a stand-in as the contract asks."""

    def __init__(self, double: AmoDouble) -> None:
        self.double = double
        double.set_redirect_uri(REDIRECT)
        self.access = ""

    def consent(self, **query: str) -> dict[str, str]:
        """What the redirect brings back; the code in it opens the door."""
        asked = {"client_id": self.double.client_id, "state": "s-1", "mode": "popup"} | query
        answer = requests.get(self.double.oauth_url, params=asked, allow_redirects=False, timeout=5)
        assert answer.status_code == 302, answer.text
        where = urlsplit(answer.headers["Location"])
        assert f"{where.scheme}://{where.netloc}{where.path}" == REDIRECT
        return dict(parse_qsl(where.query))

    def body(self, **more: str) -> dict[str, str]:
        """The body of a token call: of a refresh where it has a refresh_token."""
        grant = "refresh_token" if "refresh_token" in more else "authorization_code"
        about = {"client_id": self.double.client_id, "client_secret": self.double.client_secret}
        return {**about, "grant_type": grant, "redirect_uri": REDIRECT, **more}

    def token(self, **more: str) -> requests.Response:
        """A token call."""
        return requests.post(f"{self.double.url}/oauth2/access_token", json=self.body(**more), timeout=5)

    def sign_in(self, **query: str) -> dict[str, Any]:
        """Consent and exchange; gives the pair and uses it from now on."""
        answer = self.token(code=self.consent(**query)["code"])
        assert answer.status_code == 200, answer.text
        self.access = answer.json()["access_token"]
        return answer.json()

    def call(self, method: str, path: str, json: Any = None, url: str | None = None, **headers: str) -> Any:
        """A call to /api/v4."""
        about = {"Authorization": f"Bearer {self.access}", "User-Agent": "Leadtrail/1.0", **headers}
        address = f"{url or self.double.url}/api/v4/{path}"
        return requests.request(method, address, json=json, headers=about, timeout=5, allow_redirects=False)

    def get(self, path: str) -> Any:
        """The JSON of a call that must go well."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return answer.json()


class Receiver:
    """Receives hooks. ``answers`` are given in turn, then 200; a callable decides by the request."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[int | Callable[[Request], Reply]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self._answer))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/secret"

    def _answer(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            answer = self.answers.pop(0) if self.answers else 200
        return answer(request) if callable(answer) else Reply(answer)

    @property
    def bodies(self) -> list[bytes]:
        """What came."""
        return [one.body for one in self.requests]

    def wait(self, number: int) -> None:
        """Until so many have come."""
        deadline = time.monotonic() + 10
        while len(self.requests) < number:
            assert time.monotonic() < deadline, f"only {len(self.requests)} of {number} came"
            time.sleep(0.01)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
