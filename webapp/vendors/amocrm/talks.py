"""The talks that were closed in some time, for reconciliation (B3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from webapp.vendors.connection import ConnectionProblem

from . import assumptions
from .api import Api
from .looking import absent
from .payload import RECONCILED
from .values import number

#: Rows of a page of talks and of events.
PAGE_SIZE, EVENTS_A_PAGE = 250, 100

#: Events that name a talk, the best first: of closing (documented for Kommo alone), of messages.
EVENT_KINDS = ("talk_closed", "incoming_chat_message")


def closed_since(api: Api, since: datetime, until: datetime) -> list[tuple[str, bytes]]:
    """The talks that were closed in this time, each with a webhook's body that tells it."""
    try:
        return _of_list(api, since, until)
    except ConnectionProblem as problem:
        if problem.code != "not_found":
            raise
    return _of_events(api, since, until)


def _of_list(api: Api, since: datetime, until: datetime) -> list[tuple[str, bytes]]:
    """From the list of talks.

    It knows no order and no filter by time that is documented, so it is read to its end; a page that is older than
    ``since`` as a whole, after others that were not younger than the one before, ends it sooner.
    """
    found: list[tuple[str, bytes]] = []
    oldest_before: int | None = None
    for page in api.pages("/api/v4/talks", "talks", {"limit": PAGE_SIZE, "page": 1}):
        times = [int(number(talk.get("updated_at")) or 0) for talk in page]
        for talk, updated in zip(page, times, strict=True):
            reference = number(talk.get("talk_id"))
            if reference and assumptions.is_closed(talk) and since.timestamp() <= updated <= until.timestamp():
                found.append((assumptions.talk_key(reference), as_webhook(talk)))
        descending = times == sorted(times, reverse=True) and (
            oldest_before is None or max(times, default=0) <= oldest_before
        )
        if times and descending and max(times) < since.timestamp():
            break
        oldest_before = min(times, default=None) if descending else -1
    return found


def _of_events(api: Api, since: datetime, until: datetime) -> list[tuple[str, bytes]]:
    """From the events, where an account has no list of talks: those about closed talks, else those about messages,
    which name their talk as well."""
    for kind in EVENT_KINDS:
        query = {
            "filter[type][]": kind,
            "filter[entity][]": "contact",
            "filter[created_at][from]": int(since.timestamp()),
            "filter[created_at][to]": int(until.timestamp()),
            "limit": EVENTS_A_PAGE,
        }
        try:
            named = {
                talk for page in api.pages("/api/v4/events", "events", query) for row in page for talk in _named(row)
            }
        except ConnectionProblem as problem:
            # An account may not know this kind.
            if problem.code != "bad_request":
                raise
            continue
        talks = [absent(api, f"/api/v4/talks/{talk}") for talk in sorted(named, key=int)]
        found = [(str(talk["talk_id"]), as_webhook(talk)) for talk in talks if talk and assumptions.is_closed(talk)]
        if found:
            return found
    return []


def _named(value: Any) -> Iterator[str]:
    """The numbers of talks that stand anywhere in an event."""
    if isinstance(value, dict):
        for key, item in value.items():
            named = (
                number(item)
                if key == "talk_id"
                else number(item.get("id"))
                if key == "talk" and isinstance(item, dict)
                else None
            )
            if named:
                yield named
            yield from _named(item)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item)


def as_webhook(talk: Mapping[str, Any]) -> bytes:
    """A talk of the API in the form in which a webhook tells one."""
    pairs = [(RECONCILED, "1")]
    account = number(talk.get("account_id"))
    if account:
        pairs.append(("account[id]", account))
    for key in ("talk_id", "created_at", "updated_at", "rate", "contact_id", "chat_id", "entity_id", "entity_type",
                "is_in_work", "is_read", "origin", "status"):  # fmt: skip
        value = talk.get(key)
        if value is not None:
            text = ("1" if value else "0") if isinstance(value, bool) else str(value)
            pairs.append((f"talk[update][0][{key}]", text))
    return urlencode(pairs).encode()
