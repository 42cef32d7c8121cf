"""How the Data API stand-in answers on the wire: whole answers, and every way in which an answer can go wrong."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .server import Call

JSON = "application/json; charset=UTF-8"


@dataclass(frozen=True)
class Reply:
    """An answer, or what is left of it. ``status`` None sends nothing at all.

    ``wait_s`` goes before the first byte, ``drip_s`` is what the body takes. ``part`` is how much of the body is sent,
    of 1; ``end`` is what comes then: keep, close, or reset.
    """

    status: int | None = 200
    content: bytes = b""
    content_type: str | None = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0
    drip_s: float = 0
    part: float = 1
    end: str = "keep"


def of_json(value: Any, status: int = 200) -> Reply:
    """A whole answer."""
    return Reply(status, json.dumps(value, ensure_ascii=False).encode())


def handler(
    answer: Callable[[Call], Reply], done: Callable[[Call], None], stopping: Callable[[], threading.Event]
) -> type[BaseHTTPRequestHandler]:
    """A handler that sends what ``answer`` gives, and says ``done`` when it has. Waits end when ``stopping`` is set."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = Call(self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers.items()), body)
            reply = answer(call)
            try:
                self._send(reply)
            except OSError:
                self.close_connection = True
            finally:
                done(call)

        do_GET = do_POST = do_PUT = do_DELETE = handle_one

        def _send(self, reply: Reply) -> None:
            stop = stopping()
            if reply.wait_s:
                stop.wait(reply.wait_s)
            if reply.status is not None:
                self._send_what_there_is(reply, stop)
            if reply.end != "keep":
                self.close_connection = True
            if reply.end == "reset":
                self._reset()

        def _send_what_there_is(self, reply: Reply, stop: threading.Event) -> None:
            self.send_response(reply.status or 0)
            if reply.content_type is not None:
                self.send_header("Content-Type", reply.content_type)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            sent = reply.content[: int(len(reply.content) * reply.part)]
            steps = 4 if reply.drip_s else 1
            length = -(-len(sent) // steps) or 1
            for start in range(0, len(sent), length):
                if reply.drip_s:
                    self.wfile.flush()
                    stop.wait(reply.drip_s / steps)
                self.wfile.write(sent[start : start + length])
            self.wfile.flush()

        def _reset(self) -> None:
            """End the connection so that the caller sees a reset, not an end."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                os.close(self.connection.detach())

        def log_message(self, format: str, *arguments: Any) -> None:
            """Quiet: what was asked is there to be read through the control surface."""

    return Handler
