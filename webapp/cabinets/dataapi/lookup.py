"""Asks the cabinet's reports what it has of our communications."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from webapp.conversation import ConversationType

from .client import Reply
from .compose import window
from .failures import Failure, Kind
from .line import Line

REPORTS = {ConversationType.CHAT: "get.chats_report", ConversationType.OFFLINE_MESSAGE: "get.offline_messages_report"}

#: What is compared with our decision, and what is shown beside it.
READ_BACK = (
    "id", "communication_id", "ext_id", "communication_number", "site_id", "site_domain_name", "campaign_id",
    "campaign_name", "source_id", "source_name", "visitor_session_id", "utm_source", "utm_medium", "utm_campaign",
    "utm_content", "utm_term", "status",
)  # fmt: skip

#: As many as one question holds.
MOST_AT_ONCE = 50


def find(line: Line, kind: str, ext_id: str, started_at: datetime, zone: ZoneInfo) -> dict[str, Any] | None:
    """What the cabinet has under this ext_id. Raises Failure."""
    params = {
        **window(started_at, zone),
        "filter": {"field": "ext_id", "operator": "=", "value": ext_id},
        "fields": ["id", "communication_id", "ext_id"],
        "limit": 10,
    }
    rows = _all_rows(line.call(REPORTS[ConversationType(kind)], params))
    return next((row for row in rows if row.get("ext_id") == ext_id), None)


def find_session(line: Line, ext_id: str, started_at: datetime, zone: ZoneInfo) -> str | None:
    """The number of the session that was loaded under this ext_id (U-18). Raises Failure."""
    params = {
        **window(started_at, zone),
        "filter": {"field": "ext_id", "operator": "=", "value": ext_id},
        "fields": ["id", "ext_id"],
        "limit": 10,
    }
    rows = _all_rows(line.call("get.visitor_sessions_report", params))
    return next((str(row["id"]) for row in rows if row.get("ext_id") == ext_id and row.get("id")), None)


def _all_rows(reply: Reply) -> list[dict[str, Any]]:
    """The rows of an answer that is whole: what half an answer lacks may be there. Raises Failure."""
    whole = isinstance(reply.data, list) and len(reply.rows) == len(reply.data)
    if not whole or (reply.total or 0) > len(reply.rows):
        raise Failure(Kind.UNKNOWN, "half_an_answer", answer=reply.answer)
    return reply.rows


def read_back(
    line: Line, kind: str, ext_ids: Sequence[str], first: datetime, last: datetime, zone: ZoneInfo
) -> dict[str, dict[str, Any]]:
    """What the cabinet made of these, by ext_id. Raises Failure."""
    params = {
        "date_from": window(first, zone)["date_from"],
        "date_till": window(last, zone)["date_till"],
        "filter": {
            "condition": "or",
            "filters": [{"field": "ext_id", "operator": "=", "value": one} for one in ext_ids],
        },
        "fields": list(READ_BACK),
        "limit": MOST_AT_ONCE * 2,
    }
    return {
        str(row["ext_id"]): {name: row[name] for name in READ_BACK if row.get(name) not in (None, "", [])}
        for row in line.call(REPORTS[ConversationType(kind)], params).rows
        if row.get("ext_id") in ext_ids
    }


def external_id(row: dict[str, Any]) -> str | None:
    """The cabinet's number for it (U-09: the upload's own, not the communication's)."""
    value = row.get("id")
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) and str(value).strip() else None


def differences(target: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The fields that we gave and the cabinet has otherwise."""
    names = ("visitor_session_id", "campaign_id", "site_id", "source_id")
    return [name for name in names if name in target and str(found.get(name)) != str(target[name])]
