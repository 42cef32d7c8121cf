"""What all parts of the amoCRM stand-in stand on: its state, its ports, its way out, what a control order may do."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from . import amocrm_switches
from .amocrm_faults import Faults
from .amocrm_http import Recorder, Reply, Request, handler
from .amocrm_state import State, Tenant
from .server import Double, Refused

#: Nothing outside this machine is ever sent to.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Action = TypeVar("Action", bound=Callable[..., Any])

#: Names of the methods that the control surface may call.
ACTIONS: set[str] = set()


def action(function: Action) -> Action:
    """What ``POST /_control/<name>`` may do: the body's keys are the arguments, what is given back is JSON."""
    ACTIONS.add(function.__name__)
    return function


@dataclass
class Outcome:
    """How a request of ours ended. ``code`` is the answer's status, 499 where none came in time, 0 where none came."""

    code: int
    latency_s: float
    answer: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    error: str | None = None

    def told(self) -> dict[str, Any]:
        """For the control surface."""
        answer = self.answer.decode("utf-8", "replace")
        return {"code": self.code, "latency_s": self.latency_s, "answer": answer, "error": self.error}


class Core(Double):
    """See the module. ``lock`` guards the state; nobody sends or sleeps while holding it."""

    def __init__(self, port: int = 0) -> None:
        self.lock = threading.RLock()
        self.state, self.faults, self.recorder = State(), Faults(), Recorder()
        self.switches = amocrm_switches.defaults()
        #: Addresses that the product has in public, and where they are on this machine: ``{"https://x.example":
        #: "http://127.0.0.1:8000"}``.
        self.reached_at: dict[str, str] = {}
        #: Ports of accounts, and those that an account has left.
        self.ports: dict[int, int] = {}
        self.left: dict[int, int] = {}
        super().__init__(port)
        self._server.RequestHandlerClass = handler(self.handle)
        self._more: dict[int, Any] = {}

    @property
    def port(self) -> int:
        """The first port: the consent page, the control surface and the first account."""
        return self._server.server_port

    def open_port(self) -> int:
        """One more port that answers."""
        server = type(self._server)(("127.0.0.1", 0), handler(self.handle))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self._more[server.server_port] = server
        return server.server_port

    def stop(self) -> None:
        """See Double."""
        super().stop()
        for server in self._more.values():
            server.shutdown()
            server.server_close()
        self._more.clear()

    def handle(self, request: Request) -> Reply:
        """The answer to a request."""
        raise NotImplementedError

    def tenant_at(self, port: int) -> Tenant | None:
        """The account that lives on a port."""
        return self.state.tenants.get(self.ports.get(port, 0))

    def local(self, address: str) -> str:
        """Where an address of the product is on this machine. Raises Refused for one that is not here."""
        for public, here in self.reached_at.items():
            if address == public or address.startswith(public.rstrip("/") + "/"):
                address = here.rstrip("/") + address[len(public.rstrip("/")) :]
                break
        parts = urlsplit(address)
        if parts.scheme != "http" or parts.hostname not in LOOPBACK:
            raise Refused(f"{address} is not of this machine; say where it is by reached_at")
        return address

    def request(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 3,
        broken: str | None = None,
    ) -> Outcome:
        """Send a request to the product, following nothing. ``broken``: "half body" or "lost answer"."""
        begun = time.monotonic()
        try:
            parts = urlsplit(self.local(address))
        except Refused as error:
            return Outcome(0, 0, error=str(error))
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            # A receiver may refuse a large body before it has read it, and close.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.endheaders(body[: len(body) // 2] if body and broken == "half body" else body)
            if broken == "half body":
                return Outcome(0, time.monotonic() - begun, error=broken)
            answer = connection.getresponse()
            content = answer.read()
            latency = time.monotonic() - begun
            if latency > timeout:
                return Outcome(499, latency, content, error="timeout")
            if broken:
                return Outcome(0, latency, content, error=broken)
            return Outcome(answer.status, latency, content, dict(answer.getheaders()))
        except TimeoutError:
            return Outcome(499, time.monotonic() - begun, error="timeout")
        except (OSError, http.client.HTTPException) as error:
            return Outcome(0, time.monotonic() - begun, error=type(error).__name__)
        finally:
            connection.close()
