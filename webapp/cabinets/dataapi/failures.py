"""What a failed call means for whoever made it. Every failure is put into its class here and nowhere else."""

from __future__ import annotations

import dataclasses
import re
from enum import StrEnum
from typing import Any

import requests

from webapp.http import Refused, was_never_sent
from webapp.logs import redact

from . import assumptions


class Kind(StrEnum):
    """later: nothing happened, try again. limit: the points are used up. item: this one thing is refused. stop: nobody
    of the account, or nothing of this method, gets through. unknown: it may have happened. done: it had happened."""

    LATER = "later"
    LIMIT = "limit"
    ITEM = "item"
    STOP = "stop"
    UNKNOWN = "unknown"
    DONE = "done"


#: Stops that concern everything the account does.
ACCOUNT_WIDE = frozenset(
    {
        "access_token_expired",
        "access_token_blocked",
        "access_token_invalid",
        "auth_error",
        "ip_not_whitelisted",
        "account_inactive",
        "wrong_host",
        "http_401",
        "http_403",
    }
)

#: Stops that concern the method.
OF_METHOD = frozenset(
    {
        "forbidden",
        "method_not_found",
        "method_component_disabled",
        "parameter_component_disabled",
        "tariff_restrictions",
        "data_limit_exceeded",
    }
)

_BY_CODE = {
    -32001: Kind.STOP,
    -32003: Kind.STOP,
    -32004: Kind.STOP,
    -32007: Kind.STOP,
    -32008: Kind.STOP,
    -32009: Kind.STOP,
    -32029: Kind.LIMIT,
    -32603: Kind.LATER,
}

_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}\b", re.IGNORECASE)


@dataclasses.dataclass(eq=False, repr=False)
class Failure(Exception):
    """A call that did not go well. ``mnemonic`` is the server's word or our own, ``params`` the parts of its message,
    ``limits`` what it told of the points, ``answer`` the body as it came."""

    kind: Kind
    mnemonic: str
    message: str = ""
    field: str | None = None
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    limits: dict[str, int] = dataclasses.field(default_factory=dict)
    answer: str = ""

    def __str__(self) -> str:
        """The word alone: what was answered may repeat what was sent, and logs must not have that."""
        return self.mnemonic

    @property
    def account_wide(self) -> bool:
        """True for a stop of everything the account does."""
        return self.kind is Kind.STOP and self.mnemonic not in OF_METHOD

    @property
    def facts(self) -> dict[str, Any]:
        """What a sentence about it needs: our address as the cabinet sees it, the missing components, the field."""
        facts: dict[str, Any] = {"mnemonic": self.mnemonic}
        address = str(self.params.get("ip") or "") or next(iter(_ADDRESS.findall(self.message)), "")
        if self.mnemonic == "ip_not_whitelisted" and address:
            facts["ip"] = address[:50]
        if self.params.get("components"):
            facts["components"] = str(self.params["components"])[:300]
        if self.field:
            facts["field"] = str(self.field)[:100]
        return facts


def of_error(error: dict[str, Any], limits: dict[str, int], answer: str) -> Failure:
    """The failure that the server told."""
    data = error.get("data") if isinstance(error.get("data"), dict) else {}
    mnemonic = str(data.get("mnemonic") or f"code_{error.get('code')}")[:50]
    params = data.get("params") if isinstance(data.get("params"), dict) else {}
    told = data.get("field")
    return Failure(
        _kind(mnemonic, error.get("code")),
        mnemonic,
        redact(str(error.get("message") or ""))[:500],
        str(told) if told else None,
        params,
        limits,
        answer,
    )


def _kind(mnemonic: str, code: Any) -> Kind:
    if mnemonic in ACCOUNT_WIDE:
        return Kind.STOP
    if mnemonic in OF_METHOD:
        # The same word under -32602 speaks of one entity that may not be touched.
        return Kind.ITEM if mnemonic == "forbidden" and code == -32602 else Kind.STOP
    if mnemonic == assumptions.ALREADY_THERE:
        return Kind.DONE
    if mnemonic == "limit_exceeded":
        return Kind.LIMIT
    if mnemonic == "internal_error":
        return Kind.LATER
    return _BY_CODE.get(code, Kind.ITEM) if isinstance(code, int) else Kind.ITEM


def of_status(status: int, answer: str) -> Failure:
    """The failure of an answer that holds no reply to us (U-01: then the status decides)."""
    if status == 429:
        return Failure(Kind.LIMIT, "http_429", answer=answer)
    if status in (401, 403):
        return Failure(Kind.STOP, f"http_{status}", answer=answer)
    if 300 <= status < 400 or status in (404, 405, 410):
        return Failure(Kind.STOP, "wrong_host", answer=answer)
    if 400 <= status < 500:
        return Failure(Kind.LATER, f"http_{status}", answer=answer)
    return Failure(Kind.UNKNOWN, "unreadable" if status < 300 else f"http_{status}", answer=answer)


def of_exception(error: requests.RequestException) -> Failure:
    """The failure of a request that got no answer."""
    if isinstance(error, Refused):
        return Failure(Kind.STOP, "wrong_host")
    if was_never_sent(error) or isinstance(error, requests.exceptions.InvalidURL):
        return Failure(Kind.LATER, "unreachable", type(error).__name__)
    # From the request's first byte on it may have happened, also where the line or its encryption breaks afterwards.
    return Failure(Kind.UNKNOWN, "no_answer", type(error).__name__)
