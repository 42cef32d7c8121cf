"""A stand-in for Jivo: it sends webhooks as Jivo would, and remembers how they were answered (contract, section 11).

Nobody calls Jivo in this integration, so the stand-in is a sender with a control surface:

* ``POST /_control/send``: one event; gives our answer. Its order is described by ``Order``.
* ``POST /_control/scenario``: ``{"name", "url"}`` of jivo_scenarios, or ``{"steps": [...]}`` of one's own.
* ``GET /_control/deliveries``: every attempt: request bytes, answer, time, number.
* ``POST /_control/config``: ``{"switches": {...}, "clock": {...}}``; ``POST /_control/reset``.

By itself: ``python -m tests.doubles.jivo --port 9100``.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlsplit

from . import jivo_switches
from .jivo_scenarios import SCENARIOS, Plan, Step
from .jivo_templates import Chat, template
from .server import Call, Double, Refused, Route, serve_alone

#: Nothing outside this machine is ever sent to.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

#: J-02: the pause between attempts, as in the vendor's Bot API. The switch time_factor makes it shorter.
RETRY_PAUSE_SECONDS = 3.0

FAULTS = ("none", "half body", "drop before answer")
MOST_DELIVERIES = 10_000
MOST_AT_ONCE = 64

_STEP = re.compile(r"[^.\[\]]+|\[(?:\d+|\+)\]")


@dataclass(frozen=True)
class Order:
    """One event to be sent.

    ``template`` names the body, ``body_base64`` is one of one's own. ``overrides`` are values by path
    (``visitor.name``, ``chat.messages[0].message``; ``[+]`` appends), ``remove`` are paths; ``switches`` go before
    those of the configuration. ``chat`` and ``visitor`` are Jivo's numbers, ``at`` the event's time in unix seconds;
    what is not given is the next number and the clock's time. ``session`` is what a token names.
    """

    url: str
    template: str = "chat_finished"
    body_base64: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    switches: Mapping[str, Any] = field(default_factory=dict)
    chat: int | None = None
    visitor: int | None = None
    at: int | None = None
    session: str = jivo_switches.SESSION
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = "none"
    delay_s: float = 0

    @classmethod
    def read(cls, order: Mapping[str, Any]) -> Order:
        """An order of the control surface. Raises Refused."""
        unknown = order.keys() - {one.name for one in fields(cls)}
        if unknown or "url" not in order:
            raise Refused(f"unknown: {', '.join(sorted(unknown))}" if unknown else "url is missing")
        if urlsplit(order["url"]).scheme != "http" or urlsplit(order["url"]).hostname not in LOOPBACK:
            raise Refused("url must be http and of this machine")
        if order.get("fault", "none") not in FAULTS:
            raise Refused(f"no fault {order['fault']!r}; there are {FAULTS}")
        return cls(**{**order, "switches": jivo_switches.checked(order.get("switches", {}))})


@dataclass(frozen=True)
class Delivery:
    """One attempt and how it ended. ``error`` says why there is no status."""

    number: int
    attempt: int
    at: float
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int | None = None
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    answer: bytes = b""
    latency_s: float = 0
    error: str | None = None

    def told(self) -> dict[str, Any]:
        """The same for the control surface."""
        bodies = {"body_base64": base64.b64encode(self.body).decode(), "answer": self.answer.decode("utf-8", "replace")}
        return {**{key: value for key, value in asdict(self).items() if key != "body"}, **bodies}


class JivoDouble(Double):
    """The sender."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self._lock = threading.Lock()
        self.reset()

    def routes(self) -> dict[tuple[str, str], Route]:
        """See Double."""
        return super().routes() | {
            ("POST", "/_control/send"): lambda call: self.send(call.order()),
            ("POST", "/_control/scenario"): lambda call: self.scenario(call.order()),
            ("GET", "/_control/deliveries"): self._told_deliveries,
        }

    def configure(self, order: dict[str, Any]) -> dict[str, Any]:
        """Switches for everything that is sent from now on, and the clock."""
        switches = jivo_switches.checked(order.pop("switches", {}))
        told = super().configure(order)
        self.switches |= switches
        return {**told, "switches": self.switches}

    def reset(self) -> dict[str, Any]:
        """Switches at their defaults, counters at their beginning, nothing delivered."""
        super().reset()
        self.switches = jivo_switches.defaults()
        self.deliveries: deque[Delivery] = deque(maxlen=MOST_DELIVERIES)
        self._chats, self._numbers = itertools.count(1), itertools.count(1)
        self._failures: dict[str, int] = {}
        return {}

    def send(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Send one event, as often as the switches say; gives the last attempt. Raises Refused."""
        wanted = Order.read(order)
        switches = self.switches | dict(wanted.switches)
        content, headers = self.content(wanted)
        for attempt in range(1, switches["retries"] + 2):
            if self._disabled(wanted.url, switches):
                return self._note(
                    Delivery(0, 0, self.clock.now(), wanted.method, wanted.url, headers, content, error="disabled")
                ).told()
            if attempt > 1:
                time.sleep(RETRY_PAUSE_SECONDS * switches["time_factor"])
            delivery = self._note(self._attempt(wanted, attempt, content, headers, switches["timeout_s"]))
            if not _is_repeated(delivery, switches["retry_on"]):
                break
        return delivery.told()

    def scenario(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Play a scenario; gives the last attempt of each send in the order of the steps. Raises Refused."""
        common = {key: value for key, value in order.items() if key not in ("name", "urls", "steps")}
        urls = list(order.get("urls") or [order["url"]]) if "url" in order or "urls" in order else []
        if not urls:
            raise Refused("url is missing")
        if ("name" in order) == ("steps" in order):
            raise Refused("either name or steps")
        if "name" in order and order["name"] not in SCENARIOS:
            raise Refused(f"no scenario {order['name']!r}; there are {', '.join(SCENARIOS)}")
        plan = Plan(int(self.clock.now()), urls, lambda: next(self._chats))
        steps = SCENARIOS[order["name"]](plan) if "name" in order else order["steps"]
        results: list[dict[str, Any]] = []
        for step in steps:
            results += self._step(step, common)
        return {"results": results}

    def _step(self, step: Step, common: dict[str, Any]) -> list[dict[str, Any]]:
        factor = (self.switches | common.get("switches", {}))["time_factor"]
        if "parallel" not in step:
            time.sleep(step.get("delay_s", 0) * factor)
            return [self.send(_merged(common, step))]
        orders = [_merged(common, one) for one in step["parallel"]]
        begun, pause = time.monotonic(), step.get("within_s", 0) / len(orders)

        def in_its_turn(place: int) -> dict[str, Any]:
            time.sleep(max(0.0, begun + place * pause - time.monotonic()))
            return self.send(orders[place])

        with ThreadPoolExecutor(min(MOST_AT_ONCE, len(orders))) as pool:
            return list(pool.map(in_its_turn, range(len(orders))))

    def content(self, order: Order) -> tuple[bytes, dict[str, str]]:
        """The bytes of the body and the headers that describe it."""
        switches = self.switches | dict(order.switches)
        number = order.chat if order.chat is not None else next(self._chats)
        at = order.at if order.at is not None else int(self.clock.now())
        chat = Chat(number, order.visitor if order.visitor is not None else 1000 + number, at)
        if order.body_base64 is not None:
            content: bytes = base64.b64decode(order.body_base64)
        else:
            body = template(order.template, chat)
            if isinstance(body, bytes):
                content = body
            else:
                body = jivo_switches.turned(body, switches, at=chat.at, session=order.session)
                for path, value in order.overrides.items():
                    inner, key = _place(body, path)
                    if key is None:
                        inner.append(value)
                    else:
                        inner[key] = value
                for path in order.remove:
                    inner, key = _place(body, path)
                    inner.pop(key)
                content = jivo_switches.encoded(body, switches)
        kind = switches["content_type"]
        return content, ({} if kind == "none" else {"Content-Type": kind}) | dict(order.headers)

    def _attempt(self, order: Order, attempt: int, content: bytes, headers: dict[str, str], timeout: float) -> Delivery:
        parts = urlsplit(order.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        begun, at = time.monotonic(), self.clock.now()
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout)
        ended: dict[str, Any] = {}
        try:
            connection.putrequest(order.method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(content)))
            fault = order.fault if attempt == 1 else "none"
            # A receiver may refuse a large body before it has read it, and close.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.endheaders(content[: len(content) // 2] if fault == "half body" else content)
            if fault != "none":
                ended = {"error": fault}
            else:
                answer = connection.getresponse()
                ended = {"status": answer.status, "answer_headers": dict(answer.getheaders()), "answer": answer.read()}
        except (OSError, http.client.HTTPException) as error:
            ended = {"error": "timeout" if isinstance(error, TimeoutError) else type(error).__name__}
        finally:
            connection.close()
        latency = time.monotonic() - begun
        return Delivery(0, attempt, at, order.method, order.url, headers, content, latency_s=latency, **ended)

    def _note(self, delivery: Delivery) -> Delivery:
        with self._lock:
            numbered = replace(delivery, number=next(self._numbers))
            self.deliveries.append(numbered)
            if delivery.error != "disabled":
                good = delivery.status is not None and delivery.status < 300
                self._failures[delivery.url] = 0 if good else self._failures.get(delivery.url, 0) + 1
            return numbered

    def _disabled(self, url: str, switches: Mapping[str, Any]) -> bool:
        most = switches["disable_after_failures"]
        return most != "off" and self._failures.get(url, 0) >= most

    def _told_deliveries(self, _call: Call) -> dict[str, Any]:
        with self._lock:
            return {"deliveries": [delivery.told() for delivery in self.deliveries]}


def _merged(common: Mapping[str, Any], step: Mapping[str, Any]) -> dict[str, Any]:
    """A step with what the scenario's order says for all of them; the step's own word counts for more."""
    both = {key: {**common[key], **step.get(key, {})} for key in ("switches", "overrides", "headers") if key in common}
    return {**common, **step, **both}


def _is_repeated(delivery: Delivery, policy: str) -> bool:
    """J-02: what makes the sender try again."""
    if policy == "nothing":
        return False
    if delivery.status is None or delivery.status >= 500:
        return True
    if delivery.status >= 400:
        return policy in ("also 4xx", "also not ok")
    return policy == "also not ok" and not _says_ok(delivery.answer)


def _says_ok(answer: bytes) -> bool:
    try:
        return json.loads(answer)["result"] == "ok"
    except (ValueError, TypeError, KeyError):
        return False


def _place(body: Any, path: str) -> tuple[Any, Any]:
    """The object or list that a path leads into, and the key or index there; None as the index appends.

    Raises Refused.
    """
    *way, last = [part.strip("[]") for part in _STEP.findall(path)] or [""]
    try:
        for part in way:
            body = body[int(part) if isinstance(body, list) else part]
        if isinstance(body, list):
            return body, None if last == "+" else range(len(body))[int(last)]
        if isinstance(body, dict):
            return body, last
    except (KeyError, IndexError, TypeError, ValueError):
        pass
    raise Refused(f"nothing at {path}")


if __name__ == "__main__":
    serve_alone(JivoDouble, "Jivo stand-in", 9100)
