"""Faults of the amoCRM stand-in: the next N calls of X do Y, or any call with a probability.

An order is ``{"on", "do", "times": 1, "skip": 0, "tenant", "seconds": 1, "hint"}``. ``on`` is the name of a route
(``lead``, ``token.refresh``…), its beginning (``token``), ``api`` for all of /api/v4, or ``any``; ``skip`` lets so
many calls pass first. Chaos is ``{"seed": 1, "seconds": 1, "retry_after": 1, "on": {"api": {"500": 0.1}}}``.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from .amocrm_http import HTML, JSON, PROBLEM, Reply
from .server import Refused

#: Hints of the token endpoint (contract, 1.5), by a name for each.
HINTS = {
    "code expired": "Authorization code has expired",
    "code used": "Authorization code has been revoked",
    "code garbled": "Cannot decrypt the authorization code",
    "client_id": "Check the `client_id` parameter",
    "client_secret": "Check the `client_secret` parameter",
    "redirect_uri": "Redirect URI is not associated with client",
    "account": "Invalid account",
    "token revoked": "Token has been revoked",
    "token invalid": "Invalid refresh token",
}

#: Codes of the vendor's page of errors that a 401 or 403 may carry.
CODED = {"401 110": 110, "401 111": 111, "401 112": 112, "401 101": 101, "403 113": 113, "403 rights": 202}

#: The call is done, and its answer goes wrong. "slow" waits before it is done, "late" after.
AFTER = ("lost answer", "late", "half json", "reset", "slow body", "slow")

#: The call is not done.
INSTEAD = (
    *("204", "204 typed", "401", *CODED, "402", "403", "403 ban", "403 scope", "404", "405", "422"),
    *("429", "429 body", "429 header", "429 neither", "400 list", "400 object", "400 not json"),
    *("500", "502 html", "503", "504", "200 empty", "200 html", "drop", *(f"hint {name}" for name in HINTS), "no hint"),
)

#: What may happen to a hook (only by chaos): sent twice, sent after the next ones, half of it, answer not read.
OF_HOOKS = ("duplicate", "delayed", "half body", "lost answer")


@dataclass
class Fault:
    """See the module."""

    on: str
    do: str
    times: int = 1
    skip: int = 0
    tenant: int | None = None
    seconds: float = 1
    retry_after: int | None = None

    @classmethod
    def read(cls, order: Any) -> Fault:
        """A fault of a control order. Raises Refused."""
        if not isinstance(order, Mapping) or not {"on", "do"} <= order.keys():
            raise Refused("a fault is an object with on and do")
        unknown = order.keys() - {one.name for one in fields(cls)}
        if unknown:
            raise Refused(f"unknown: {', '.join(sorted(unknown))}")
        if order["do"] not in AFTER + INSTEAD:
            raise Refused(f"no fault {order['do']!r}; there are {', '.join(AFTER + INSTEAD)}")
        return cls(**order)

    def meets(self, route: str, tenant: int | None) -> bool:
        """Whether a call is one of those that are meant."""
        return _meets(self.on, route) and self.tenant in (None, tenant)


class Faults:
    """The queue, and the chaos."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Everything goes well."""
        with self._lock:
            self._queue: list[Fault] = []
            self._chaos: dict[str, Any] = {}
            self._random = random.Random(0)

    def add(self, orders: Any) -> dict[str, Any]:
        """Queue faults. Raises Refused."""
        if not isinstance(orders, list):
            raise Refused("faults must be a list")
        wanted = [Fault.read(order) for order in orders]
        with self._lock:
            self._queue += wanted
        return self.told()

    def told(self) -> dict[str, Any]:
        """What is still to come."""
        with self._lock:
            return {"faults": [asdict(fault) for fault in self._queue], "chaos": self._chaos}

    def play(self, order: Any) -> None:
        """Take an order of chaos, None ends it. Raises Refused."""
        order = dict(order or {})
        known = {"seed", "seconds", "retry_after", "on"}
        if order.keys() - known or not isinstance(order.get("on", {}), Mapping):
            raise Refused(f"chaos has {', '.join(sorted(known))}")
        for on, odds in order.get("on", {}).items():
            for do, chance in odds.items():
                if do not in (OF_HOOKS if on == "hook" else AFTER + INSTEAD) or not 0 <= chance <= 1:
                    raise Refused(f"no {do!r} of {on!r} with the chance {chance!r}")
        with self._lock:
            self._chaos, self._random = order, random.Random(order.get("seed", 0))

    def take(self, route: str, tenant: int | None) -> Fault | None:
        """What goes wrong with this call."""
        with self._lock:
            for fault in self._queue:
                if not fault.meets(route, tenant):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self._queue.remove(fault)
                return fault
            for on, odds in self._chaos.get("on", {}).items():
                do = self._drawn(odds) if on != "hook" and _meets(on, route) else None
                if do:
                    retry_after = self._chaos.get("retry_after", 1)
                    return Fault(on, do, seconds=self._chaos.get("seconds", 1), retry_after=retry_after)
        return None

    def of_hook(self) -> str | None:
        """What happens to the hook that is about to be sent."""
        with self._lock:
            return self._drawn(self._chaos.get("on", {}).get("hook", {}))

    def _drawn(self, odds: Mapping[str, float]) -> str | None:
        drawn = self._random.random()
        for do, chance in odds.items():
            if drawn < chance:
                return do
            drawn -= chance
        return None


def _meets(on: str, route: str) -> bool:
    api = on == "api" and route not in ("consent", "subdomain", "") and not route.startswith("token")
    return on in ("any", route) or route.startswith(f"{on}.") or api


def problem(status: int, title: str, detail: str, **more: Any) -> Reply:
    """An error of the API as it tells one (contract, 3.4)."""
    about = {"title": title, "type": f"https://httpstatus.es/{status}", "status": status, "detail": detail}
    return Reply(status, {**more, **about}, PROBLEM)


def invalid(*errors: tuple[str, str, str], shape: str = "list", request_id: str = "0") -> Reply:
    """A request that does not hold: ``(code, path, words)`` of each error."""
    told: Any = [{"code": code, "path": path, "detail": words} for code, path, words in errors]
    if shape == "object":
        told = {str(place): one for place, one in enumerate(told)}
    about = [{"request_id": request_id, "errors": told}]
    return problem(400, "Bad Request", "Request validation failed", **{"validation-errors": about})


def unauthorized(code: int = 110) -> Reply:
    """No entry: 110 general, 111 captcha, 112 user switched off, 101 no such account."""
    return problem(401, "Unauthorized", "Not authorized", code=code)


def refused_token(name: str, status: int = 400, with_hint: bool = True) -> Reply:
    """An error of the token endpoint, without RFC 6749's key ``error`` (contract, 1.5)."""
    hint = {"hint": HINTS[name]} if with_hint and name in HINTS else {}
    about = {
        **{"title": "Некорректный запрос", "type": "https://developers.amocrm.ru/v3/errors/OAuthProblemJson"},
        **{"status": status, "detail": "Проверьте параметры запроса"},
    }
    return Reply(status, {**hint, **about}, PROBLEM)


def too_many(shape: str, seconds: float) -> Reply:
    """Over the rate; ``shape`` says where the pause is told."""
    more = {"retry_after": int(seconds)} if shape == "body" else {}
    reply = problem(429, "Too Many Requests", "Request limit exceeded", **more)
    return Reply(429, reply.value, PROBLEM, {"Retry-After": str(int(seconds))} if shape == "header" else {})


def instead(fault: Fault, retry_shape: str, retry_seconds: float) -> Reply:
    """The answer of a fault that keeps the call from being done."""
    do, number = fault.do, int(fault.do[:3]) if fault.do[:3].isdecimal() else 0
    if do in ("429", "429 body", "429 header", "429 neither"):
        pause = retry_seconds if fault.retry_after is None else fault.retry_after
        return too_many(do[4:] or retry_shape, pause)
    special = {
        "204": Reply(204, kind=""),
        "204 typed": Reply(204, headers={"Content-Type": "application/hal+json"}),
        "400 list": invalid(("NotSupportedChoice", "custom_fields_values.0.field_id", "Not a valid choice.")),
        "400 object": invalid(("NotSupportedChoice", "0.field_id", "Not a valid choice."), shape="object"),
        "400 not json": Reply(400, content=b"Bad Request: <b>broken", kind=HTML),
        "403 ban": problem(403, "Forbidden", "Аккаунт заблокирован, за неоднократное превышение количества запросов"),
        "403 scope": problem(403, "Forbidden", "Invalid scope"),
        "502 html": Reply(502, content=b"<html><h1>502 Bad Gateway</h1></html>", kind=HTML),
        "200 empty": Reply(200, content=b"", kind=JSON),
        "200 html": Reply(200, content=b"<html><title>amoCRM</title></html>", kind=HTML),
        "drop": Reply(500, manner="drop"),
        "no hint": refused_token(""),
    }
    if do in special:
        return special[do]
    if do in CODED:
        return problem(number, "Unauthorized" if number == 401 else "Forbidden", "Refused", code=CODED[do])
    if do.startswith("hint "):
        return refused_token(do[5:])
    return problem(number, f"Error {number}", "A fault of the stand-in")
