"""upload.sessions of the Data API stand-in, and the sessions that its counter would have made (Data API, 8 and 11)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .dataapi_errors import ApiError, not_found, wrong_value
from .dataapi_methods import Asked, Method
from .dataapi_shapes import BOOLEAN, DATETIME, NUMBER, STRING, Shape, one_of
from .dataapi_world import Account, Row, World
from .server import Refused

MOST_SESSIONS = 50
LARGEST_BODY = 512 * 1024
EARLIEST = datetime(2011, 1, 1, tzinfo=UTC).timestamp()

UTM = tuple(f"utm_{part}" for part in ("source", "medium", "term", "content", "campaign", "referrer", "expid"))
OPENSTAT = tuple(f"openstat_{part}" for part in ("ad", "campaign", "service", "source"))
MARKS = (
    *(*UTM, *OPENSTAT, "gclid", "yclid", "ymclid", "ef_id", "tag_from", "cm_id", "referrer", "search_engine"),
    *("search_query", "ua_client_id", "ym_client_id", "entrance_page_url", "entrance_page_title"),
)
VISITOR = ("browser_name", "browser_version", "os_name", "os_version", "screen", "language")

_SESSION: Mapping[str, Shape] = {
    "ext_id": STRING.needed,
    "site_id": NUMBER.needed,
    "date_time": DATETIME.needed,
    "is_visitor_new": BOOLEAN.needed,
    "visitor_ip_address": STRING.needed,
    "visitor_id": NUMBER,
    "duration": NUMBER,
    "campaign_id": NUMBER,
    "visitor_device": one_of("desktop", "mobile", "tablet", "other"),
    "adv_system": NUMBER,
    **dict.fromkeys(MARKS, STRING),
    **{f"visitor_{part}": STRING for part in VISITOR},
}


def add(world: World, account: Account, asked_at: float, **values: Any) -> Row:
    """A session as the counter makes it: ``id``, ``site_id``, ``at`` (unix seconds), ``campaign_id``, ``source_id``,
    ``visitor_id``, ``marks`` (utm_source…), ``ext_id``; what is not given is invented. Gives it. Raises Refused."""
    known = {"id", "site_id", "at", "campaign_id", "source_id", "visitor_id", "marks", "ext_id"}
    if values.keys() - known:
        raise Refused(f"unknown: {', '.join(sorted(values.keys() - known))}")
    site_id = values.get("site_id") or next(iter(account.directory["sites"]), None)
    if site_id not in account.directory["sites"]:
        raise Refused(f"no site {site_id!r}")
    marks = dict(values.get("marks") or {})
    campaign_id = values.get("campaign_id")
    visitor = values.get("visitor_id") or world.next_id("visitors")
    person = account.people.get(f"visitor {visitor}") or world.next_id("people")
    row = {
        "id": values.get("id") or world.next_id("sessions"),
        "ext_id": values.get("ext_id"),
        "site_id": site_id,
        "campaign_id": found_campaign(account, site_id, marks) if campaign_id is None else campaign_id,
        "source_id": values.get("source_id"),
        "visitor_id": visitor,
        "person_id": person,
        "contacts": [f"visitor {visitor}"],
        "at": float(values.get("at") or asked_at - 600),
        "duration": 300,
        "marks": marks,
        "stored_at": asked_at,
        "visible_at": asked_at,
        "deleted_at": None,
        "uploads": 0,
    }
    world.put(account, "sessions", row)
    return row


def found_campaign(account: Account, site_id: int, marks: Mapping[str, Any]) -> int:
    """The active campaign of the site whose conditions these marks meet best, else -1."""
    best, campaign_id = 0, -1
    for row in account.directory["campaigns"].values():
        conditions = row.get("marks") or {}
        met = conditions and all(value in (marks.get(key) or "") for key, value in conditions.items())
        if met and row["site_id"] == site_id and row["status"] == "active" and len(conditions) > best:
            best, campaign_id = len(conditions), row["id"]
    return campaign_id


def upload(asked: Asked) -> dict[str, Any]:
    """upload.sessions."""
    items = asked.params["sessions"]
    if len(items) > MOST_SESSIONS or asked.size > LARGEST_BODY:
        raise ApiError("data_limit_exceeded", "At most 50 sessions and 512 KB", field="sessions")
    if not items:
        raise wrong_value("sessions", [], "the list is empty")
    prepared = [_read(asked, place, item) for place, item in enumerate(items)]
    told = []
    for values, sent in prepared:
        known = next(asked.account.living("sessions", values["ext_id"]), None)
        if known is not None:
            asked.world.put(asked.account, "sessions", {**known, "uploads": known["uploads"] + 1})
            if asked.switches["session_duplicates"] == "old id":
                told.append({"ext_id": known["ext_id"], "session_id": known["id"]})
            continue
        row = add(asked.world, asked.account, asked.now, **values)
        more = {"duration": sent.get("duration", 0), "sent": sent, "visible_at": asked.visible_at(), "uploads": 1}
        asked.world.put(asked.account, "sessions", {**row, **more})
        told.append({"ext_id": row["ext_id"], "session_id": row["id"]})
    return {"data": told}


def _read(asked: Asked, place: int, item: Mapping[str, Any]) -> tuple[Row, Row]:
    """What makes the session, and what was sent. Raises ApiError."""

    def name(key: str) -> str:
        return asked.reader.name("sessions", place, key)

    found = asked.reader.read(item, _SESSION, "sessions", place)
    lists = asked.account.directory
    if found["site_id"] not in lists["sites"]:
        raise not_found(name("site_id"), found["site_id"])
    at = asked.moment(found["date_time"])
    if not EARLIEST <= at <= asked.now:
        raise ApiError("invalid_date_time", field=name("date_time"), value=found["date_time"])
    try:
        ipaddress.ip_address(found["visitor_ip_address"])
    except ValueError as error:
        raise wrong_value(name("visitor_ip_address"), found["visitor_ip_address"]) from error
    seconds = found.get("duration", 0)
    days = {datetime.fromtimestamp(moment, asked.account.zone).date() for moment in (at, at + max(0, seconds))}
    if seconds < 0 or len(days) > 1:
        raise wrong_value(name("duration"), seconds, "the session must end within its day")
    if not 1 <= found.get("adv_system", 1) <= 8:
        raise wrong_value(name("adv_system"), found["adv_system"])
    campaign = found.get("campaign_id")
    if campaign not in (None, -1):
        if campaign not in lists["campaigns"]:
            raise not_found(name("campaign_id"), campaign)
        if lists["campaigns"][campaign]["site_id"] != found["site_id"]:
            raise ApiError("invalid_parameters_combination", field=name("campaign_id"), value=campaign)
    visitor = found.get("visitor_id")
    if visitor is not None and not any(
        row["visitor_id"] == visitor and row["site_id"] == found["site_id"]
        for row in asked.account.loaded["sessions"].values()
    ):
        raise not_found(name("visitor_id"), visitor)
    values = {key: found.get(key) for key in ("ext_id", "site_id", "campaign_id", "visitor_id")}
    return {**values, "at": at, "marks": {key: found[key] for key in MARKS if key in found}}, found


METHODS = {
    "upload.sessions": Method(
        upload, {"sessions": Shape("list", required=True)}, all_of=("data_api_settings", "upload_sessions")
    )
}
