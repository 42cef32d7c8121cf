"""How the amoCRM stand-in is spoken to: requests kept as bytes, answers that may come late, in halves or not at all."""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

JSON = "application/json"
HAL = "application/hal+json"
PROBLEM = "application/problem+json"
HTML = "text/html; charset=utf-8"

#: No request of the product is larger.
LARGEST_BODY = 8 * 1024 * 1024
MOST_CALLS = 50_000


@dataclass
class Request:
    """One request. Names of ``headers`` are in lower case; ``port`` is the one it came to."""

    method: str
    target: str
    port: int
    pairs: list[tuple[str, str]]
    body: bytes

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path, self.query = parts.path, parse_qsl(parts.query, keep_blank_values=True)
        self.headers = {name.lower(): value for name, value in self.pairs}

    def one(self, name: str, otherwise: str | None = None) -> str | None:
        """A parameter of the query that is given once."""
        return next((value for key, value in self.query if key == name), otherwise)

    def many(self, name: str) -> list[str]:
        """A parameter of the query as PHP reads a list: ``name[]``, ``name[0]`` or ``name`` alone."""
        return [value for key, value in self.query if key == name or key.startswith(f"{name}[")]


@dataclass
class Reply:
    """An answer. ``manner``: whole, drop (nothing is sent), reset (half of the body, then the connection breaks),
    half (half of the JSON, whole as HTTP), slow body (in pieces over ``seconds``)."""

    status: int
    value: Any = None
    kind: str = HAL
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    manner: str = "whole"
    seconds: float = 0

    def bytes(self) -> bytes:
        """The body."""
        if self.content is not None:
            return self.content
        return b"" if self.value is None else json.dumps(self.value, ensure_ascii=False).encode()


@dataclass
class Record:
    """One call: what came, when (the clock's time and a steady one), what was answered and how it went."""

    number: int
    at: float
    begun: float
    port: int
    tenant: int | None
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    route: str = ""
    status: int | None = None
    fault: str | None = None
    ended: float | None = None
    answer: bytes = b""

    def told(self) -> dict[str, Any]:
        """The same for the control surface."""
        bodies = {
            "body_base64": base64.b64encode(self.body).decode(),
            "answer": self.answer[:4096].decode("utf-8", "replace"),
        }
        return {key: value for key, value in asdict(self).items() if key not in ("body", "answer")} | bodies


class Recorder:
    """Every call, and how many there were and at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Nothing was called yet."""
        with self._lock:
            self.calls: deque[Record] = deque(maxlen=MOST_CALLS)
            self.counts: Counter[str] = Counter()
            self._at_once: Counter[str] = Counter()
            self.most_at_once: dict[str, int] = {}
            self._number = 0

    def begin(self, request: Request, at: float, tenant: int | None) -> Record:
        """Keep a request."""
        with self._lock:
            self._number += 1
            told = (request.method, request.target, request.pairs, request.body)
            record = Record(self._number, at, time.monotonic(), request.port, tenant, *told)
            self.calls.append(record)
            return record

    def enter(self, *keys: str) -> None:
        """A call of these names begins."""
        with self._lock:
            for key in keys:
                self.counts[key] += 1
                self._at_once[key] += 1
                self.most_at_once[key] = max(self.most_at_once.get(key, 0), self._at_once[key])

    def leave(self, *keys: str) -> None:
        """It ends."""
        with self._lock:
            self._at_once.subtract(keys)

    def note(self, *keys: str) -> None:
        """Something happened."""
        with self._lock:
            self.counts.update(keys)

    def peak(self, route: str | None = None) -> int:
        """The most calls of a route that began within one second."""
        with self._lock:
            begun = sorted(one.begun for one in self.calls if route in (None, one.route))
        most = first = 0
        for last, moment in enumerate(begun):
            while moment - begun[first] >= 1:
                first += 1
            most = max(most, last - first + 1)
        return most


def handler(answer: Callable[[Request], Reply]) -> type[BaseHTTPRequestHandler]:
    """A handler for http.server that sends what ``answer`` gives."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 60

        def handle_one(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > LARGEST_BODY:
                self.close_connection = True
                self._send(Reply(411 if "Transfer-Encoding" in self.headers else 413))
                return
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                self.close_connection = True
                return
            port = self.connection.getsockname()[1]
            self._send(answer(Request(self.command, self.path, port, self.headers.items(), body)))

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = handle_one

        def _send(self, reply: Reply) -> None:
            content = reply.bytes()
            if reply.manner == "half":
                content = content[: len(content) // 2]
            kind = {"Content-Type": reply.kind} if reply.kind and reply.status != 204 else {}
            length = {} if reply.status == 204 else {"Content-Length": str(len(content))}
            head = [f"HTTP/1.1 {reply.status} {_reason(reply.status)}", f"Date: {self.date_time_string()}"]
            head += [f"{name}: {value}" for name, value in {**kind, **length, **reply.headers}.items()]
            start = ("\r\n".join(head) + "\r\n\r\n").encode()
            if self.command == "HEAD":
                content = b""
            try:
                self._deliver(start, content, reply)
            except OSError:
                self.close_connection = True

        def _deliver(self, start: bytes, content: bytes, reply: Reply) -> None:
            if reply.manner == "drop":
                self._break()
            elif reply.manner == "reset":
                self.wfile.write(start + content[: len(content) // 2])
                # So that what was sent is read before the reset takes it away.
                time.sleep(0.05)
                self._break()
            elif reply.manner == "slow body":
                self.wfile.write(start)
                step = max(1, len(content) // 10)
                for place in range(0, len(content), step):
                    time.sleep(reply.seconds / 10)
                    self.wfile.write(content[place : place + step])
            else:
                self.wfile.write(start + content)

        def _break(self) -> None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RD)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Quiet: what was asked is there to be read through the control surface."""

    return Handler


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
