"""The reports of the Data API stand-in: chats, their messages, requests, sessions, all communications (contract, 9.7 to
9.9 and 11.1). Columns that nothing of a double could fill are null."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import dataapi_example as example
from .dataapi_errors import ApiError
from .dataapi_methods import Asked, Method
from .dataapi_query import DATES, PAGING, Columns, Value, between, page
from .dataapi_reads import COUNTER, name_of
from .dataapi_sessions import MARKS, UTM
from .dataapi_shapes import BOOLEAN, NUMBER, Shape
from .dataapi_world import Row

#: Days of three months, of the reports' window; days of the messages' one.
MONTHS_3, DAYS_30 = 92, 30

_EVERYWHERE = (
    " person_id* source_id* source_name* source_new* channel_new* channel_code* channel* site_domain_name*"
    " campaign_name* visit_other_campaign visitor_first_campaign_id* visitor_first_campaign_name* visitor_type*"
    " visits_count* visitor_city* visitor_region* visitor_country* visitor_device* visitor_custom_properties* segments*"
    " attributes* gclid yclid ef_id* ymclid referrer referrer_domain search_query search_engine entrance_page*"
    " ua_client_id ym_client_id sale_date sale_cost* communication_number* communication_page_url communication_type"
    " openstat_ad* openstat_campaign* openstat_service* openstat_source* "
    + " ".join([*UTM, *(f"eq_{name}" for name in UTM)])
)
CHATS = Columns.of(
    "id* status* initiator* date_time duration answer_time communication_id* chat_ad_url is_group_chat is_transfer"
    " release_cause* employee_id* employee_raiting site_id* campaign_id* visitor_phone_number* visitor_id* visitor_ids",
    "ext_id* visitor_session_id* chat_channel_id* chat_channel_type* chat_channel_name chat_user_id* chat_username*"
    " messages_count employee_full_name* employee_messages_count tags* visitor_profile_url*" + _EVERYWHERE,
)
LEADS = Columns.of(
    "id* text communication_id* is_agree_to_process_personal_data is_agree_to_mailing status* form_type* properties"
    " employee_id* site_id* campaign_id* visitor_phone_number* visitor_email* visitor_name* visitor_id*"
    " visitor_session_id*",
    "date_time ext_id* form_name* process_time group_id* group_name* employee_full_name* employee_answer_message"
    " employee_comment tags*" + _EVERYWHERE,
)
SESSIONS = Columns.of(
    "campaign_id* site_id* person_id* visitor_id* visitor_device* ext_id*",
    "id date_time duration exit_page engine cm_id* integrated_campaign_data* visitor_ip_address visitor_provider"
    " visitor_browser_name* visitor_browser_version* visitor_os_name* visitor_os_version* visitor_screen*"
    " visitor_language* hits_count hits communications*"
    + _EVERYWHERE.replace(" person_id*", "").replace(" visitor_device*", ""),
)
COMMUNICATIONS = Columns.of(
    "id* communication_type* date_time site_id* campaign_id* visitor_id* visitor_session_id* tags*",
    "ext_id*" + _EVERYWHERE.replace(" communication_type", ""),
)
MESSAGES = Columns.of(
    "id chat_id date_time text source resource employee_id employee_full_name visitor_id is_group_chat",
    "channel_id channel_type",
)

_LISTS = frozenset(
    {"visitor_ids", "visitor_custom_properties", "segments", "attributes", "properties", "communications", "hits"}
)
_TYPES = {"chats": "chat", "offline_messages": "offline_message"}


def _values(asked: Asked) -> Value:
    """The value of a column of a loaded entity."""
    account = asked.account

    def marks(row: Row) -> Mapping[str, Any]:
        session = account.loaded["sessions"].get(row.get("visitor_session_id"))
        return (session or row).get("marks") or {}

    def sent(key: str) -> Callable[[Row], Any]:
        return lambda row: row.get("sent", {}).get(key)

    def phone(row: Row) -> int | None:
        digits = (row["sent"].get("phone") or "").lstrip("+")
        return int(digits) if digits else None

    def campaign(row: Row) -> Any:
        system = example.WITHOUT_CAMPAIGN if row["campaign_id"] == -1 else None
        return system or name_of(account, "campaigns", row["campaign_id"])

    def source(key: str) -> Callable[[Row], Any]:
        return lambda row: name_of(account, "sources", row["source_id"], key)

    def operators(row: Row) -> list[Row]:
        return [one for one in row["messages"] if one["source"] == "operator"]

    def answered(row: Row) -> int | None:
        return next((int(one["at"] - row["at"]) for one in operators(row)), None)

    getters: dict[str, Callable[[Row], Any]] = {
        "date_time": lambda row: asked.written(row["at"]),
        "duration": lambda row: str(row["duration"]),
        "answer_time": answered,
        "release_cause": lambda _row: "closed_by_operator",
        "visitor_phone_number": phone,
        "visitor_email": sent("email"),
        "visitor_name": sent("name"),
        "visitor_device": sent("visitor_device"),
        "visitor_ip_address": sent("visitor_ip_address"),
        "visitor_ids": lambda row: [row["visitor_id"]],
        "is_group_chat": lambda _row: False,
        "is_transfer": lambda _row: False,
        "chat_channel_type": lambda _row: "dataapi",
        "messages_count": lambda row: len(row["messages"]),
        "employee_messages_count": lambda row: len(operators(row)),
        "employee_full_name": lambda row: name_of(account, "employees", row.get("employee_id"), "full_name"),
        "site_domain_name": lambda row: name_of(account, "sites", row["site_id"], "domain_name"),
        "campaign_name": campaign,
        "source_name": source("name"),
        "source_new": source("group_name"),
        "channel_new": source("channel_name"),
        "channel_code": source("channel_mnemonic"),
        "entrance_page": lambda row: marks(row).get("entrance_page_url"),
        "communication_type": lambda row: _TYPES.get(row.get("kind", "")),
        "form_name": sent("form_name"),
        "form_type": lambda _row: "DataAPI",
        "properties": lambda row: row["sent"].get("user_fields", []),
        "tags": lambda row: [_tag(asked, one) for one in row["tags"]],
        "sale_date": lambda row: next((asked.written(one["at"]) for one in _sales(asked, row)), None),
        "sale_cost": lambda row: sum(one["value"] for one in _sales(asked, row)) or None,
        "communications": lambda row: _of_session(asked, row),
        **{name: (lambda row, name=name: marks(row).get(name)) for name in MARKS if name != "entrance_page_url"},
    }

    def value(row: Row, name: str) -> Any:
        if name in getters:
            return getters[name](row)
        if name == "status" and row.get("kind") == "offline_messages":
            return "not_processed"
        return row.get(name, [] if name in _LISTS else None)

    return value


def _tag(asked: Asked, one: Mapping[str, Any]) -> Row:
    name = name_of(asked.account, "tags", one["tag_id"])
    told = {
        "tag_id": one["tag_id"],
        "tag_name": name,
        "tag_type": "manual",
        "tag_change_time": asked.written(one["at"]),
    }
    nobody = ("tag_user_id", "tag_user_login", "tag_employee_id", "tag_employee_full_name")
    return told | dict.fromkeys(nobody)


def _sales(asked: Asked, row: Row) -> Iterator[Row]:
    number = row.get("communication_id")
    return (one for one in asked.account.living("sales") if number is not None and one["communication_id"] == number)


def _of_session(asked: Asked, session: Row) -> list[Row]:
    return [
        {
            "communication_type": _TYPES[row["kind"]],
            "communication_id": row["communication_id"],
            "communication_date_time": asked.written(row["at"]),
        }
        for row in asked.account.communications()
        if row["visitor_session_id"] == session["id"] and asked.shown(row)
    ]


def _report(kind: str, columns: Columns) -> Callable[[Asked], dict[str, Any]]:
    def run(asked: Asked) -> dict[str, Any]:
        begin, end = between(asked, MONTHS_3)
        rows = asked.account.living(kind, _wanted_ext_id(asked.params))
        shown = (row for row in rows if begin <= row["at"] <= end and asked.shown(row))
        return page(asked, columns, shown, _values(asked))

    return run


def _wanted_ext_id(params: Mapping[str, Any]) -> str | None:
    """The one ext_id that is asked for, so that a search by it does not walk through everything."""
    tree = params.get("filter") or {}
    wanted = tree.get("value") if (tree.get("field"), tree.get("operator")) == ("ext_id", "=") else None
    return wanted if isinstance(wanted, str) else None


def _communications(asked: Asked) -> dict[str, Any]:
    begin, end = between(asked, MONTHS_3)
    shown = (row for row in asked.account.communications() if begin <= row["at"] <= end and asked.shown(row))
    rows = [{**row, "id": row["communication_id"]} for row in shown]
    return page(asked, COMMUNICATIONS, rows, _values(asked))


def _messages(asked: Asked) -> dict[str, Any]:
    params = asked.params
    numbers = params.get("chat_ids") or [params["chat_id"]] if params.keys() & {"chat_id", "chat_ids"} else None
    begin, end = between(asked, DAYS_30) if numbers is None else (float("-inf"), float("inf"))
    if not {"chat_id", "chat_ids"} - params.keys():
        raise ApiError("invalid_parameters_combination", "Either chat_id or chat_ids", field="chat_ids")
    rows = []
    for chat in asked.account.living("chats"):
        if not asked.shown(chat) or (numbers is not None and chat["id"] not in numbers):
            continue
        for place, one in enumerate(chat["messages"]):
            if begin <= one["at"] <= end:
                own = {"id": chat["id"] * 1000 + place, "chat_id": chat["id"], "at": one["at"], "text": one["text"]}
                who = {"source": one["source"], "employee_id": one["employee_id"], "visitor_id": chat["visitor_id"]}
                rows.append({**own, **who, "channel_type": "dataapi", "sent": {}})
    return page(asked, MESSAGES, rows, _values(asked))


#: Not required by shape, so that what is missing is told by the report's own rule.
_WINDOW = PAGING | {name: Shape("datetime") for name in DATES}
METHODS = {
    "get.chats_report": Method(_report("chats", CHATS), any_of=COUNTER, common=_WINDOW),
    "get.offline_messages_report": Method(
        _report("offline_messages", LEADS),
        {"include_tech_offline_messages": BOOLEAN},
        any_of=("consultant", "lead", "upload_offline_messages"),
        common=_WINDOW,
    ),
    "get.visitor_sessions_report": Method(_report("sessions", SESSIONS), any_of=COUNTER, common=_WINDOW),
    "get.communications_report": Method(
        _communications, any_of=(*COUNTER, "sales_funnel", "upload_chats"), common=_WINDOW
    ),
    "get.chat_messages_report": Method(
        _messages,
        {"chat_id": NUMBER, "chat_ids": Shape("numbers")},
        any_of=("consultant", "upload_chats"),
        common=_WINDOW,
    ),
}
