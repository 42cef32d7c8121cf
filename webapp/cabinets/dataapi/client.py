"""One call to the Data API: JSON-RPC over the one outgoing client."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from webapp.http import Client

from . import assumptions, failures
from .failures import Failure, Kind

LIMIT_NAMES = ("day_limit", "day_remaining", "day_reset", "minute_limit", "minute_remaining", "minute_reset")

HEADERS = {"Content-Type": "application/json; charset=UTF-8"}


@dataclass(frozen=True)
class Reply:
    """A call that went well. ``data`` is the result's, or the whole result where it has none; ``total`` is None where
    the server does not count; ``answer`` is the body as it came."""

    data: Any
    limits: dict[str, int]
    total: int | None
    answer: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The data as a list of objects; whatever else it is counts as none."""
        return [row for row in self.data if isinstance(row, dict)] if isinstance(self.data, list) else []

    @property
    def first(self) -> dict[str, Any]:
        """The data as one object."""
        return self.data if isinstance(self.data, dict) else next(iter(self.rows), {})


class Api:
    """The Data API of one account."""

    def __init__(self, url: str, token: str, client: Client) -> None:
        self._url, self._token, self._client = url, token, client

    def call(self, method: str, params: Mapping[str, Any]) -> Reply:
        """Make one call, once. Raises Failure."""
        number = uuid.uuid4().hex
        body = {
            "jsonrpc": "2.0",
            "id": number,
            "method": method,
            "params": {"access_token": self._token, **params},
        }
        try:
            # Halves of characters are no UTF-8, and no vendor's emoji is worth an endless retry.
            content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
            answer = self._client.post(self._url, content, HEADERS)
        except requests.RequestException as error:
            raise failures.of_exception(error) from error
        return _read(answer.status_code, answer.content, number)


def _read(status: int, content: bytes, number: str) -> Reply:
    """The reply in an answer. Raises Failure."""
    text = content.decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise failures.of_status(status, text) from None
    error = body.get("error") if isinstance(body, dict) else None
    result = body.get("result") if isinstance(body, dict) else None
    if isinstance(error, dict) and (body.get("id") is None or assumptions.is_our_id(body["id"], number)):
        data = error.get("data")
        raise failures.of_error(error, _limits(data if isinstance(data, dict) else {}), text)
    if isinstance(result, dict) and assumptions.is_our_id(body.get("id"), number):
        told = _metadata(result)
        total = told.get("total_items")
        return Reply(
            result.get("data", result),
            _limits(result),
            total if isinstance(total, int) and not isinstance(total, bool) else None,
            text,
        )
    if isinstance(error, dict) or isinstance(result, dict):
        raise Failure(Kind.UNKNOWN, "foreign_answer", answer=text)
    raise failures.of_status(status, text)


def _metadata(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    """The samples spell it in two ways."""
    for name in ("metadata", "meta_data"):
        if isinstance(holder.get(name), dict):
            return holder[name]
    return {}


def _limits(holder: Mapping[str, Any]) -> dict[str, int]:
    """The points, where they are told (U-19)."""
    told = _metadata(holder).get("limits")
    if not isinstance(told, dict):
        return {}
    return {
        name: told[name] for name in LIMIT_NAMES if isinstance(told.get(name), int) and not isinstance(told[name], bool)
    }
