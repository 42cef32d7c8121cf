"""How the stand-in site answers: pages, scripts and JSON to any origin, under as many host names as a test needs.

Browsers take every name under ``.localhost`` for this machine, so ``shop.localhost`` and ``search.localhost`` are hosts
of their own (and sites of their own, for cookies) on one port.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .server import Call

#: Whose pages and scripts there are, each on a host name of its own.
HOSTS = ("shop", "search", "social", "ads", "jivo", "amo", "comagic")


@dataclass(frozen=True)
class Reply:
    """What is sent as it stands, not as JSON."""

    content: bytes
    content_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class Dropped(Exception):
    """The connection is closed without an answer, as a blocker of advertisements would have it."""


def host_of(call: Call) -> str:
    """The host name that was asked for, without its port; 127.0.0.1 where none was told."""
    return urlsplit("//" + call.headers.get("Host", "127.0.0.1")).hostname or "127.0.0.1"


def role_of(host: str) -> str:
    """Which of HOSTS plays under this host name: ``www.shop.localhost`` is the shop, and so is 127.0.0.1."""
    name = host.removesuffix(".localhost").rpartition(".")[2]
    return name if host.endswith(".localhost") and name in HOSTS else "shop"


def origin(role: str, host: str, port: int) -> str:
    """The origin of a role as seen from a page of this host: apart under ``.localhost``, the same under a bare address,
    for browsers that do not resolve such names."""
    own = host if role == role_of(host) or not host.endswith(".localhost") else f"{role}.localhost"
    return f"http://{own}:{port}"


def handler(answer: Callable[[Call], tuple[int, Any]]) -> type[BaseHTTPRequestHandler]:
    """A handler that sends what ``answer`` gives: a Reply as it stands, anything else as JSON."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = Call(self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers.items()), body)
            try:
                status, value = answer(call)
            except Dropped:
                self.close_connection = True
                return
            reply = value if isinstance(value, Reply) else Reply(json.dumps(value).encode(), "application/json")
            self.send_response(status)
            # The vendors' servers are asked from the customer's pages, framed ones without an origin among them.
            shared = {} if call.path.startswith("/_control/") else {"Access-Control-Allow-Origin": "*"}
            sent = {"Cache-Control": "no-store", **shared, **reply.headers}
            for name, text in {"Content-Type": reply.content_type, **sent}.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        do_GET = do_POST = handle_one

        def log_message(self, format: str, *arguments: Any) -> None:
            """Quiet: what was asked is there to be read through the control surface."""

    return Handler
