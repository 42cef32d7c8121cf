"""What the stand-ins for outside services share: a small HTTP server on loopback, a control surface, a clock.

Standard library only. A stand-in is a subclass that adds routes; `with Double() as double:` serves it on a free port.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


class Refused(ValueError):
    """A control request that makes no sense. Answered 400 with these words: a stand-in that forgives hides mistakes."""


class Clock:
    """The time of a stand-in: the real one until a test sets or moves it."""

    def __init__(self) -> None:
        self._fixed: float | None = None
        self._ahead = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return (time.time() if self._fixed is None else self._fixed) + self._ahead

    def move(self, order: Any) -> None:
        """``{"set": unix seconds}`` stops it there, ``{"advance": seconds}`` moves it, None is the real time again."""
        if order is None:
            self._fixed, self._ahead = None, 0.0
        elif isinstance(order, dict) and order.keys() == {"set"} and isinstance(order["set"], int | float):
            self._fixed, self._ahead = float(order["set"]), 0.0
        elif isinstance(order, dict) and order.keys() == {"advance"} and isinstance(order["advance"], int | float):
            self._ahead += order["advance"]
        else:
            raise Refused('clock: {"set": unix seconds}, {"advance": seconds} or null')


@dataclass(frozen=True)
class Call:
    """One request to the stand-in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def order(self) -> dict[str, Any]:
        """The body of a control request: a JSON object, nothing at all is an empty one. Raises Refused."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError as error:
            raise Refused(f"the body is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise Refused("the body must be a JSON object")
        return found


Route = Callable[[Call], Any]


class Double:
    """A stand-in: its server, its clock, and the two control endpoints that every one has.

    A subclass extends ``routes()``, ``configure()`` and ``reset()``. What a route returns is sent as JSON.
    """

    def __init__(self, port: int = 0) -> None:
        self.clock = Clock()
        self._routes = self.routes()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is reached, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def routes(self) -> dict[tuple[str, str], Route]:
        """What answers which method and path."""
        return {
            ("POST", "/_control/config"): lambda call: self.configure(call.order()),
            ("POST", "/_control/reset"): lambda _call: self.reset(),
        }

    def configure(self, order: dict[str, Any]) -> dict[str, Any]:
        """Take the parts of a configuration that all stand-ins know; gives how it stands. Raises Refused."""
        if "clock" in order:
            self.clock.move(order.pop("clock"))
        if order:
            raise Refused(f"unknown: {', '.join(sorted(order))}")
        return {"clock": self.clock.now()}

    def reset(self) -> dict[str, Any]:
        """Forget everything."""
        self.clock.move(None)
        return {}

    def start(self) -> Self:
        """Serve from a thread."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Serve no more, and free the port."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def answer(self, call: Call) -> tuple[int, Any]:
        """Status and JSON for a request. An unexpected error of a route is told, not hidden."""
        route = self._routes.get((call.method, call.path))
        if route is None:
            known = any(path == call.path for _method, path in self._routes)
            return (405 if known else 404), {"error": f"no {call.method} {call.path} here"}
        try:
            return 200, route(call)
        except Refused as error:
            return 400, {"error": str(error)}
        except Exception as error:
            return 500, {"error": f"{type(error).__name__}: {error}"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler(double: Double) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = Call(self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers.items()), body)
            status, value = double.answer(call)
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

        def log_message(self, format: str, *arguments: Any) -> None:
            """Quiet: what was asked is there to be read through the control surface."""

    return Handler


def serve_alone(make: Callable[[int], Double], title: str, port: int) -> None:
    """Run a stand-in by itself on ``--port`` until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--port", type=int, default=port, help=f"0 takes a free one (default {port})")
    port = parser.parse_args().port
    # Waited for, not handled: a handler may run while the main thread holds what it needs.
    ends = {signal.SIGINT, signal.SIGTERM}
    for number in ends:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with make(port) as double:
        print(f"{title}: {double.url}", flush=True)
        signal.sigwait(ends)
