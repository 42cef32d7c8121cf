"""Reads the lists of a cabinet, page by page. No database here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import compose
from .failures import Failure, Kind
from .line import Line

PAGE = 1000

#: The largest offset that is answered.
LARGEST_OFFSET = 100_000

#: Columns that only come when named, beside those that are needed.
SOURCE_FIELDS = ("id", "name", "is_custom", "state", "channel_name", "group_id", "group_name", "channel_id")

#: How often a page is asked for again when the network or the server failed.
PATIENCE = 3


@dataclass
class Listing:
    """One list of the directory. ``entries`` are values by key; ``whole`` is False when some may be missing, and then
    nothing counts as vanished. ``problem``: the server's word for why it gave none."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    whole: bool = True
    problem: str | None = None


@dataclass(frozen=True)
class Found:
    """All that was read. Lists by the words of webapp.models.PICKED."""

    timezone: str | None
    name: str | None
    lists: Mapping[str, Listing]


def read(line: Line, say: Callable[[str, int], None]) -> Found:
    """Read everything; ``say`` is told of each list and how many entries it has. Raises Failure where the account
    itself cannot be read; a list that is refused has a problem instead."""
    account = line.call("get.account", {}).first
    say("account", 1)
    lists = {}
    for name, method, make in (
        ("sites", "get.sites", _sites),
        ("campaigns", "get.campaigns", _campaigns),
        ("sources", "get.sources", _sources),
        ("employees", "get.employees", _employees),
        ("tags", "get.tags", _tags),
    ):
        params = {"fields": list(SOURCE_FIELDS)} if name == "sources" else {}
        rows, whole, problem = _pages(line, method, params)
        lists[name] = Listing(make(rows), whole, problem)
        if name == "campaigns":
            _one_system_campaign_a_site(lists)
        say(name, len(lists[name].entries))
    zone = account.get("timezone")
    return Found(str(zone) if zone else None, account.get("name"), lists)


def _pages(line: Line, method: str, params: dict[str, Any]) -> tuple[list[dict[str, Any]], bool, str | None]:
    """Every row of a list by id, whether that is all, and why it was refused."""
    rows: dict[Any, dict[str, Any]] = {}
    offset, total = 0, None
    while offset <= LARGEST_OFFSET:
        try:
            reply = _patiently(line, method, {**params, "limit": PAGE, "offset": offset})
        except Failure as failure:
            if failure.account_wide or failure.kind is not Kind.STOP:
                raise
            return [], False, failure.mnemonic
        before = len(rows)
        rows |= {(row.get("id"), row.get("site_id")): row for row in reply.rows if row.get("id") is not None}
        total = reply.total if reply.total is not None else total
        offset += PAGE
        # A page with nothing new ends it; so does one that is not full, unless more was promised.
        if len(rows) == before or (len(reply.rows) < PAGE and (total is None or len(rows) >= total)):
            break
    return list(rows.values()), total is None or len(rows) >= total, None


def _patiently(line: Line, method: str, params: dict[str, Any]) -> Any:
    """A read may be repeated as it is."""
    for last in (False,) * (PATIENCE - 1) + (True,):
        try:
            return line.call(method, params)
        except Failure as failure:
            if last or failure.kind not in (Kind.LATER, Kind.UNKNOWN):
                raise
    raise AssertionError


def _key(value: Any) -> str:
    return str(value)[:100]


def _word(value: Any, limit: int = 255) -> str:
    return str(value or "").replace("\0", "").strip()[:limit]


def _sites(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        _key(row["id"]): {
            "domain": _word(row.get("domain_name"), 253) or _key(row["id"]),
            "name": _word(row.get("name")) or _word(row.get("domain_name")) or _key(row["id"]),
            "outside": {"state": _word(row.get("state"), 20)} if row.get("state") else {"known": True},
        }
        for row in rows
    }


def _campaigns(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The active ones. The system one is made for each site, for its id is the same on all of them."""
    return {
        _key(row["id"]): {
            "name": _word(row.get("name")) or _key(row["id"]),
            "site": _key(row["site_id"]) if row.get("site_id") is not None else None,
            "outside": {"type": _word(row.get("type"), 20) or "basic"},
        }
        for row in rows
        if row.get("status") in (None, "active") and row.get("type") != "system" and _key(row["id"]) != "-1"
    }


def _one_system_campaign_a_site(lists: dict[str, Listing]) -> None:
    """And every campaign knows its site's domain."""
    for site in lists["sites"].entries:
        lists["campaigns"].entries[f"{compose.NO_CAMPAIGN}.{site}"] = {
            "name": None,
            "site": site,
            "outside": {"type": "system"},
        }
    for campaign in lists["campaigns"].entries.values():
        # Pickers search by the site as well.
        site = lists["sites"].entries.get(campaign["site"] or "")
        campaign["outside"] = {**campaign["outside"], **({"domain": site["domain"]} if site else {})}
    lists["campaigns"].whole = lists["campaigns"].whole and lists["sites"].whole


def _sources(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is removed or off does not count; a state may be missing."""
    return {
        _key(row["id"]): {
            "name": _word(row.get("name")) or _key(row["id"]),
            "outside": {
                "group": _word(row.get("group_name")),
                "channel": _word(row.get("channel_name")),
                "custom": bool(row.get("is_custom")),
            },
        }
        for row in rows
        if row.get("state") in (None, "active")
    }


def _employees(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {}
    for row in rows:
        parts = (row.get("last_name"), row.get("first_name"), row.get("patronymic"))
        name = _word(row.get("full_name")) or _word(" ".join(str(part) for part in parts if part))
        email = _word(row.get("email"), 254).casefold()
        found[_key(row["id"])] = {
            "full_name": name or _word(row.get("login")) or _key(row["id"]),
            "email": email or None,
            "outside": {"known": True},
        }
    return found


def _tags(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        _key(row["id"]): {
            "name": _word(row.get("name")) or _key(row["id"]),
            "outside": {"system": bool(row.get("is_system"))},
        }
        for row in rows
    }
