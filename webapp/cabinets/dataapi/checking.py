"""Checks a connection: who it is, what it may, what is missing. The result is data; sentences are made by words.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from webapp.conversation import ConversationType
from webapp.http import Client

from .client import Api
from .failures import Failure, Kind

#: What each upload needs to have been bought.
COMPONENTS = {
    ConversationType.CHAT: "upload_chats",
    ConversationType.OFFLINE_MESSAGE: "upload_offline_messages",
}

#: The reads that the product lives by, and what each is for. Optional ones cost a convenience, not a communication.
READS = (
    ("sites", "get.sites", {}),
    ("campaigns", "get.campaigns", {}),
    ("employees", "get.employees", {}),
    ("sources", "get.sources", {}),
    ("tags", "get.tags", {}),
    ("chats_report", "get.chats_report", {"dates": True}),
    ("requests_report", "get.offline_messages_report", {"dates": True}),
)


def check(url: str, token: str, client: Client, now: datetime | None = None) -> dict[str, Any]:
    """What a key opens, as JSON values. Never raises: ``failure`` tells why nothing could be read.

    ``needs`` are [name, state, facts], state being present, missing or unknown; ``points`` what is left.
    """
    api, points = Api(url, token, client), {}
    try:
        reply = api.call("get.account", {})
    except Failure as failure:
        return {"failure": failure.facts, "message": failure.message, "needs": [], "points": failure.limits}
    points |= reply.limits
    account = reply.first
    found: dict[str, Any] = {
        "account": {name: account.get(name) for name in ("app_id", "name", "timezone")},
        "needs": [],
        "components": None,
    }
    found["needs"] += _components(api, found, points)
    days = now or datetime.now(UTC)
    for name, method, wants in READS:
        params: dict[str, Any] = {"limit": 1}
        if wants:
            params["date_from"] = (days - timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S")
            params["date_till"] = days.strftime("%Y-%m-%d %H:%M:%S")
        found["needs"].append([name, *_state(api, method, params, points)])
    return found | {"points": points}


def missing_types(found: dict[str, Any]) -> frozenset[str]:
    """The types of communication whose uploads the check found not to be bought."""
    states = {name: state for name, state, *_facts in found.get("needs", [])}
    return frozenset(str(kind) for kind, name in COMPONENTS.items() if states.get(name) == "missing")


def _components(api: Api, found: dict[str, Any], points: dict[str, int]) -> list[list[Any]]:
    """The uploads. Only an account with «Data API для настройки» tells what it has bought."""
    try:
        reply = api.call("getobj.account", {})
    except Failure as failure:
        points |= failure.limits
        return [[component, "unknown", {}] for component in COMPONENTS.values()]
    points |= reply.limits
    told = reply.first.get("components")
    if not isinstance(told, list):
        return [[component, "unknown", {}] for component in COMPONENTS.values()]
    found["components"] = [str(one)[:60] for one in told][:200]
    found["state"] = str(reply.first.get("app_state") or "")[:30]
    return [[one, "present" if one in told else "missing", {}] for one in COMPONENTS.values()]


def _state(api: Api, method: str, params: dict[str, Any], points: dict[str, int]) -> tuple[str, dict[str, Any]]:
    try:
        reply = api.call(method, params)
    except Failure as failure:
        points |= failure.limits
        return ("missing" if failure.kind is Kind.STOP else "unknown"), failure.facts
    points |= reply.limits
    return "present", {}
