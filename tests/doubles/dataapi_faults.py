"""The faults of the Data API stand-in: "the next N calls of method M get fault F", and chance with a seed.

A fault comes ``before`` the call is done, so that nothing was stored, or ``after``, so that it was and only the answer
is lost: the unknown outcome.
"""

from __future__ import annotations

import fnmatch
import gzip
import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from .dataapi_errors import CODES, ApiError, component_disabled, ip_not_whitelisted, limit_exceeded
from .dataapi_wire import Reply
from .server import Refused

STAGES = ("before", "after")

#: Faults of the connection and of HTTP: what the caller gets instead of the answer.
WIRE = (
    *("http", "timeout", "slow", "slow_body", "reset", "close", "cut", "cut_reset", "empty", "not_json"),
    *("wrong_content_type", "gzip"),
)

#: Faults inside an answer that is JSON-RPC all the same.
ANSWERS = (
    *("extra_keys", "foreign_id", "null_id", "data_empty", "data_null", "no_id", "string_ids", "total_wrong"),
    *("page_repeated", "page_empty"),
)

#: Those that change a true answer, so that the call must have been done.
_OF_AN_ANSWER = frozenset({"slow", "slow_body", "cut", "cut_reset", "wrong_content_type", "gzip", *ANSWERS})

HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"

#: What a fault may be: one of the words above, or a mnemonic of an error.
FAULTS = (*WIRE, *ANSWERS, *CODES)

#: Faults from which a good sender recovers by itself, as chance deals them.
RECOVERABLE: tuple[dict[str, Any], ...] = (
    *({"fault": fault, "stage": stage} for fault in ("timeout", "reset", "close") for stage in STAGES),
    *({"fault": fault, "stage": stage} for fault in ("empty", "not_json", "internal_error") for stage in STAGES),
    *({"fault": "http", "status": status, "stage": stage} for status in (500, 502, 503, 504) for stage in STAGES),
    {"fault": "http", "status": 429},
    {"fault": "limit_exceeded", "limit": "minute"},
    *({"fault": fault} for fault in ("slow", "slow_body", "cut", "cut_reset", "wrong_content_type", "gzip")),
    *({"fault": fault} for fault in ANSWERS if fault not in ("total_wrong", "page_repeated", "page_empty")),
)


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a call.

    ``method`` is a name or a pattern (``upload.*``), ``times`` how many calls (None: until it is taken away), ``after``
    how many go well first, ``containing`` a text that the body must have. ``stage`` is before or after, where it is
    open. ``seconds`` is how long a timeout or a slow answer takes; ``status`` and ``body`` (html, json, none) are of
    ``http``. An error may be dressed: ``field``, ``message``, ``code``, ``value``, ``limit`` (minute, day, simultaneous
    requests), ``components``, ``ip``, ``metadata`` (False leaves the limits out).
    """

    fault: str
    method: str = "*"
    times: int | None = 1
    after: int = 0
    containing: str = ""
    stage: str = "before"
    seconds: float | None = None
    status: int = 502
    body: str = "html"
    field: str | None = None
    message: str | None = None
    code: int | None = None
    value: Any = None
    limit: str = "minute"
    components: str = "upload_chats"
    ip: str = "203.0.113.7"
    metadata: bool = True
    probability: float = 0

    @classmethod
    def read(cls, order: Mapping[str, Any]) -> Fault:
        """A fault of the control surface. Raises Refused."""
        unknown = order.keys() - {one.name for one in fields(cls)}
        if unknown or "fault" not in order:
            raise Refused(f"unknown: {', '.join(sorted(unknown))}" if unknown else "fault is missing")
        if order["fault"] not in FAULTS:
            raise Refused(f"no fault {order['fault']!r}; there are {', '.join(FAULTS)}")
        if order.get("stage", "before") not in STAGES or order.get("body", "html") not in ("html", "json", "none"):
            raise Refused("stage is before or after; body is html, json or none")
        made = cls(**order)
        return replace(made, stage="after") if made.fault in _OF_AN_ANSWER else made

    @property
    def is_error(self) -> bool:
        """True for an error of JSON-RPC."""
        return self.fault in CODES

    def told(self) -> dict[str, Any]:
        """For the control surface."""
        return asdict(self)

    def error(self, limits: Mapping[str, int]) -> ApiError:
        """The refusal that it is, dressed as it says."""
        made = {
            "limit_exceeded": limit_exceeded(self.limit, limits.get(f"{self.limit}_limit", 0)),
            "ip_not_whitelisted": ip_not_whitelisted(self.ip),
            "method_component_disabled": component_disabled(self.components),
            "parameter_component_disabled": component_disabled(self.components, "parameter"),
        }.get(self.fault) or ApiError(self.fault)
        return ApiError(
            self.fault,
            self.message or made.message,
            field=self.field,
            value=self.value,
            params=made.params,
            code=self.code,
        )

    def params(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters as the server misreads them."""
        if self.fault != "page_repeated" or not isinstance(given.get("offset"), int):
            return given
        return {**given, "offset": max(0, given["offset"] - given.get("limit", 1000))}

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body of a true answer, spoiled."""
        changed: dict[str, Any] = {
            "extra_keys": {**body, "server": "n7", "debug": {"took": 3}},
            "foreign_id": {**body, "id": "00000000-0000-0000-0000-000000000000"},
            "null_id": {**body, "id": None},
        }
        if self.fault in changed:
            return dict(changed[self.fault])
        result = body.get("result")
        if not isinstance(result, dict):
            return body
        data, metadata = result.get("data"), result.get("metadata")
        if self.fault == "total_wrong" and isinstance(metadata, dict):
            result = {**result, "metadata": {**metadata, "total_items": metadata.get("total_items", 0) + 7}}
        elif "data" in result:
            spoiled = {"data_empty": [], "page_empty": [], "data_null": None}
            new = spoiled[self.fault] if self.fault in spoiled else _ids(data, self.fault)
            result = {**result, "data": new}
        return {**body, "result": result}

    def reply(self, true: Reply, hold_s: float) -> Reply:
        """What is sent instead of the true answer."""
        seconds = hold_s if self.seconds is None else self.seconds
        html = "text/html; charset=utf-8"
        if self.fault == "http":
            bodies = {
                "html": (HTML, html),
                "json": (b'{"message":"try again"}', true.content_type),
                "none": (b"", None),
            }
            content, content_type = bodies[self.body]
            return Reply(self.status, content, content_type)
        spoiled = {
            "timeout": Reply(None, wait_s=seconds, end="close"),
            "slow": replace(true, wait_s=1 if self.seconds is None else seconds),
            "slow_body": replace(true, drip_s=1 if self.seconds is None else seconds),
            "reset": Reply(None, end="reset"),
            "close": Reply(None, end="close"),
            "cut": replace(true, part=0.5, end="close"),
            "cut_reset": replace(true, part=0.5, end="reset"),
            "empty": Reply(200, b"", true.content_type),
            "not_json": Reply(200, b"<!DOCTYPE html><p>We are under maintenance", html),
            "wrong_content_type": replace(true, content_type="text/html"),
            "gzip": replace(true, content=gzip.compress(true.content), headers={"Content-Encoding": "gzip"}),
        }
        return spoiled.get(self.fault, true)


def _ids(data: Any, fault: str) -> Any:
    """The rows without their ids, or with ids as strings."""
    names = ("id", "session_id", "communication_id")
    if not isinstance(data, list) or fault not in ("no_id", "string_ids"):
        return data
    if fault == "no_id":
        return [{key: value for key, value in row.items() if key not in names} for row in data]
    return [{key: str(value) if key in names else value for key, value in row.items()} for row in data]


@dataclass
class Faults:
    """The queue, and chance. Whoever calls holds the stand-in's lock."""

    queue: list[Fault] = field(default_factory=list)
    chances: list[Fault] = field(default_factory=list)
    dealt: dict[str, int] = field(default_factory=dict)
    _random: random.Random = field(default_factory=random.Random)

    def add(self, *orders: Mapping[str, Any]) -> None:
        """Queue faults, behind those that wait. Raises Refused."""
        self.queue += [Fault.read(order) for order in orders]

    def chaos(self, order: Mapping[str, Any]) -> None:
        """``{"seed", "probability", "method", "seconds"}``: all RECOVERABLE ones together come to one call in so many;
        or ``{"seed", "faults": [{..., "probability"}]}``. An empty order ends it. Raises Refused."""
        known = {"seed", "probability", "method", "seconds", "faults"}
        if order.keys() - known or (order and ("faults" in order) == ("probability" in order)):
            raise Refused(f"chaos: {', '.join(sorted(known))}; either faults or probability")
        self._random = random.Random(order.get("seed", 0))
        common = {key: order[key] for key in ("method", "seconds") if key in order}
        share = order.get("probability", 0) / len(RECOVERABLE)
        told = order.get("faults", [{**one, **common, "probability": share} for one in RECOVERABLE] if order else [])
        self.chances = [Fault.read({"times": None, **one}) for one in told]

    def deal(self, method: str, body: bytes) -> Fault | None:
        """The fault of this call, if it has one."""
        found = self._queued(method, body) or self._by_chance(method)
        if found is not None:
            name = f"{found.fault} {found.status}" if found.fault == "http" else found.fault
            self.dealt[f"{name} {found.stage}"] = self.dealt.get(f"{name} {found.stage}", 0) + 1
        return found

    def _queued(self, method: str, body: bytes) -> Fault | None:
        for place, one in enumerate(self.queue):
            if not fnmatch.fnmatchcase(method, one.method):
                continue
            if one.containing and one.containing not in _readable(body):
                continue
            if one.after:
                self.queue[place] = replace(one, after=one.after - 1)
                continue
            if one.times is not None:
                self.queue[place] = replace(one, times=one.times - 1)
                if one.times <= 1:
                    del self.queue[place]
            return one
        return None

    def _by_chance(self, method: str) -> Fault | None:
        if not self.chances:
            return None
        drawn = self._random.random()
        for one in self.chances:
            if drawn < one.probability:
                return one if fnmatch.fnmatchcase(method, one.method) else None
            drawn -= one.probability
        return None


def _readable(body: bytes) -> str:
    """The text of a body whatever way its letters are escaped."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError:
        return body.decode("utf-8", "replace")
