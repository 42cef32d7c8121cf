"""The talks that were closed in some time, for reconciliation (B3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from webapp.vendors.connection import ConnectionProblem, Ended

from . import assumptions
from .api import Api, items, next_path
from .looking import absent
from .payload import RECONCILED
from .values import number

#: Rows of a page of talks and of events.
PAGE_SIZE, EVENTS_A_PAGE = 250, 100

#: Pages of each that are read at a time: each event costs another call for its talk.
PAGES, PAGES_OF_EVENTS = 100, 5

TALKS, EVENTS = "/api/v4/talks", "/api/v4/events"

#: Events that name a talk, the best first: of closing (documented for Kommo alone), of messages.
EVENT_KINDS = ("talk_closed", "incoming_chat_message")


def closed_since(api: Api, since: datetime, until: datetime, cursor: str | None) -> Ended:
    """The talks that were closed in this time, each with a webhook's body that tells it. A cursor is a page's path."""
    if cursor is None or cursor.startswith(TALKS):
        try:
            return _of_list(api, since, until, cursor)
        except ConnectionProblem as problem:
            if problem.code != "not_found" or cursor:
                raise
    return _of_events(api, since, until, cursor)


class _Pages:
    """The pages of a list from one of them on. It stops at the end, after so many, or at what went wrong on a later
    one; then ``cursor`` and ``problem`` say so. ``here`` is the path of the page being read."""

    def __init__(self, api: Api, path: str, name: str, most: int) -> None:
        self._api, self._name, self._most = api, name, most
        self.here: str | None = path
        self.cursor: str | None = path
        self.problem: ConnectionProblem | None = None

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        for count in range(self._most):
            try:
                found = self._api.get(self.cursor or "")
            except ConnectionProblem as problem:
                if not count:
                    raise
                self.problem = problem
                return
            following = next_path(found)
            self.here, self.cursor = self.cursor, None if following == self.cursor else following
            yield items(found, self._name)
            if self.cursor is None:
                return


def _of_list(api: Api, since: datetime, until: datetime, cursor: str | None) -> Ended:
    """From the list of talks.

    It knows no order and no filter by time that is documented, so it is read to its end; a page that is older than
    ``since`` as a whole, after others that were not younger than the one before, ends it sooner.
    """
    found: list[tuple[str, bytes]] = []
    oldest_before: int | None = None
    pages = _Pages(api, cursor or f"{TALKS}?{urlencode({'limit': PAGE_SIZE, 'page': 1})}", "talks", PAGES)
    for page in pages:
        times = [int(number(talk.get("updated_at")) or 0) for talk in page]
        for talk, updated in zip(page, times, strict=True):
            reference = number(talk.get("talk_id"))
            if reference and assumptions.is_closed(talk) and since.timestamp() <= updated <= until.timestamp():
                found.append((assumptions.talk_key(reference), as_webhook(talk)))
        descending = times == sorted(times, reverse=True) and (
            oldest_before is None or max(times, default=0) <= oldest_before
        )
        if times and descending and max(times) < since.timestamp():
            return Ended(found)
        oldest_before = min(times, default=None) if descending else -1
    return Ended(found, pages.cursor, pages.problem)


def _of_events(api: Api, since: datetime, until: datetime, cursor: str | None) -> Ended:
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
            told = _of_kind(api, cursor or f"{EVENTS}?{urlencode(query)}")
        except ConnectionProblem as problem:
            # An account may not know this kind.
            if problem.code != "bad_request" or cursor:
                raise
            continue
        if told.conversations or told.cursor or told.problem or cursor:
            return told
    return Ended([])


def _of_kind(api: Api, path: str) -> Ended:
    """The talks that the events from this page on name."""
    found: dict[str, bytes] = {}
    refused: ConnectionProblem | None = None
    asked: set[str] = set()
    pages = _Pages(api, path, "events", PAGES_OF_EVENTS)
    try:
        for page in pages:
            for reference in sorted({one for row in page for one in _named(row)} - asked, key=int):
                asked.add(reference)
                try:
                    talk = absent(api, f"{TALKS}/{reference}")
                except ConnectionProblem as problem:
                    if problem.code != "no_rights":
                        raise
                    refused = problem
                    continue
                if talk and assumptions.is_closed(talk):
                    found[str(talk["talk_id"])] = as_webhook(talk)
    except ConnectionProblem as problem:
        if not asked:
            raise
        # The page is read again: it names talks that could not be asked for.
        return Ended(list(found.items()), pages.here, problem)
    return Ended(list(found.items()), pages.cursor, pages.problem or refused)


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
