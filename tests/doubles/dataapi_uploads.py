"""upload.chats, upload.offline_messages and the deleting of both, by every rule of the contract (Data API, 6 and 7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .dataapi_errors import ApiError, missed, not_found, wrong_value
from .dataapi_methods import Asked, Method
from .dataapi_shapes import DATETIME, NUMBER, STRING, Shape, one_of, rows
from .dataapi_world import Row

MOST_ITEMS = 50
SESSION_LIFE_SECONDS = 180 * 86_400
WHENCE = ("visitor_session_id", "campaign_id", "site_id")

_MESSAGE = {
    "date_time": DATETIME,
    "source": one_of("visitor", "operator", "system").needed,
    "employee_id": NUMBER,
    "message": STRING.needed,
}
_COMMON = {"name": STRING, "phone": STRING, "email": STRING, "ext_id": STRING, "source_id": NUMBER} | dict.fromkeys(
    WHENCE, NUMBER
)
_CHAT = _COMMON | {
    "start_date_time": DATETIME.needed,
    "initiator": one_of("operator", "visitor", "autoinvite"),
    "messages": rows(_MESSAGE),
}
_LEAD = _COMMON | {
    "date_time": DATETIME,
    "message": STRING,
    "form_name": STRING,
    "user_fields": Shape("list", inside={"ext_id": STRING.needed, "value": STRING.needed}),
}
_PHONES = {
    "digits": r"[1-9]\d{6,14}",
    "plus allowed": r"\+?[1-9]\d{6,14}",
    "russian": r"7\d{10}",
    "plus required": r"\+[1-9]\d{6,14}",
}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")

Prepare = Callable[[Asked, Mapping[str, Any], Callable[[str], str]], Row]


def _upload(kind: str, prepare: Prepare) -> Callable[[Asked], dict[str, Any]]:
    """A method that loads a list: all of it or what the switch list_failure says."""

    def run(asked: Asked) -> dict[str, Any]:
        items = asked.params[kind]
        if len(items) > MOST_ITEMS:
            raise ApiError("data_limit_exceeded", f"At most {MOST_ITEMS} items", field=kind, params={"max": MOST_ITEMS})
        if not items:
            raise wrong_value(kind, [], "the list is empty")
        prepared, failure = [], None
        for place, item in enumerate(items):
            try:
                prepared.append(_read(asked, kind, prepare, place, item))
            except ApiError as error:
                if asked.switches["list_failure"] == "all or nothing":
                    raise
                failure = failure or error
        told = [{"id": _load(asked, kind, row)} for row in prepared]
        if failure is not None and (asked.switches["list_failure"] == "good ones loaded" or not told):
            raise failure
        return {"data": told}

    return run


def _read(asked: Asked, kind: str, prepare: Prepare, place: int, item: Mapping[str, Any]) -> Row:
    def name(key: str) -> str:
        return asked.reader.name(kind, place, key)

    shapes = _CHAT | {"status": one_of("lost", asked.switches["status_word"], "refused").needed}
    found = asked.reader.read(item, shapes if kind == "chats" else _LEAD, kind, place)
    ext_id = found.get("ext_id")
    if ext_id is not None and asked.switches["repeated_ext_id"] == "duplicate_entity":
        known = next(asked.account.living(kind, ext_id), None)
        if known is not None:
            raise ApiError("duplicate_entity", field=name("ext_id"), value=ext_id)
    if "phone" not in found and "email" not in found:
        raise missed(asked.reader.name(kind), 'One of the parameters "phone", "email" is required')
    rule = asked.switches["phone_rule"]
    if "phone" in found and not re.fullmatch(_PHONES[rule], found["phone"]):
        raise wrong_value(name("phone"), found["phone"], f"E.164 is expected ({rule})")
    if "email" in found and not _EMAIL.fullmatch(found["email"]):
        raise wrong_value(name("email"), found["email"])
    return {**prepare(asked, found, name), "kind": kind, "ext_id": ext_id, "sent": found}


def _chat(asked: Asked, chat: Mapping[str, Any], name: Callable[[str], str]) -> Row:
    start = _past(asked, chat["start_date_time"], name("start_date_time"))
    messages = _messages(asked, chat["messages"], start, name("messages"))
    whence = _whence(asked, chat, start, name, "start_date_time", "chats")
    written = [one["source"] for one in messages]
    sides = ("visitor" in written) + ("operator" in written)
    first = "autoinvite" if written[:1] == ["system"] else next(iter(written), "visitor")
    initiator = chat.get("initiator", first)
    forced = initiator == "visitor" and sides < (1 if asked.switches["forced_lost"] == "neither side" else 2)
    status = "succeed" if chat["status"].startswith("succeed") else chat["status"]
    last = messages[-1]["at"] if messages else start
    operators = [one["employee_id"] for one in messages if one["source"] == "operator"]
    return {
        **whence,
        "at": start,
        "duration": int(last - start),
        "status": "lost" if forced else status,
        "initiator": initiator,
        "employee_id": operators[-1] if operators else None,
        "messages": messages,
    }


def _messages(asked: Asked, told: list[Row], start: float, path: str) -> list[Row]:
    """The messages with their times. Raises ApiError."""
    switches = asked.switches
    if not told and switches["empty_messages"] == "refused":
        raise wrong_value(path, [], "the list is empty")
    found: list[Row] = []
    for place, one in enumerate(told):

        def name(key: str, place: int = place) -> str:
            return asked.reader.name(*path.split("."), place, key)

        if "date_time" not in one and switches["message_time"] == "required":
            raise missed(name("date_time"))
        at = _past(asked, one["date_time"], name("date_time")) if "date_time" in one else asked.now
        if at < start or (at == start and switches["later_than"] == "strict"):
            raise _wrong_date(name("date_time"), one.get("date_time"), "must be later than start_date_time")
        if found and (at < found[-1]["at"] and switches["message_order"] != "free"):
            raise _wrong_date(name("date_time"), one.get("date_time"), "messages must be in the order of time")
        if found and at == found[-1]["at"] and switches["message_order"] == "equal times refused":
            raise _wrong_date(name("date_time"), one.get("date_time"), "messages must not have equal times")
        employee = one.get("employee_id")
        if one["source"] == "operator" and employee is None:
            raise missed(name("employee_id"))
        if employee is not None and employee not in asked.account.directory["employees"]:
            raise not_found(name("employee_id"), employee)
        text = _text(asked, one["message"], name("message"))
        found.append({"at": at, "source": one["source"], "employee_id": employee, "text": text})
    return found


def _text(asked: Asked, text: str, field: str) -> str:
    rule = asked.switches["message_limits"]
    if not text.strip() and asked.switches["empty_messages"] == "refused":
        raise wrong_value(field, text, "the text is empty")
    if rule == "1000" and len(text) > 1000:
        raise wrong_value(field, text, "longer than 1000 characters")
    if rule.startswith("4-byte"):
        kept = "".join(letter for letter in text if ord(letter) <= 0xFFFF)
        if rule == "4-byte refused" and kept != text:
            raise wrong_value(field, text, "characters of four bytes")
        return kept
    return text


def _lead(asked: Asked, lead: Mapping[str, Any], name: Callable[[str], str]) -> Row:
    at = _past(asked, lead["date_time"], name("date_time")) if "date_time" in lead else asked.now
    fields = asked.account.directory["user_fields"]
    for one in lead.get("user_fields", ()):
        if one["ext_id"] not in fields:
            raise not_found(asked.reader.name(*name("user_fields").split("."), "ext_id"), one["ext_id"])
        if fields[one["ext_id"]]["data_type"] == "numeric" and not re.fullmatch(r"-?\d+(\.\d+)?", one["value"]):
            raise wrong_value(asked.reader.name(*name("user_fields").split("."), "value"), one["value"])
    text = _text(asked, lead["message"], name("message")) if lead.get("message") else lead.get("message")
    return {**_whence(asked, lead, at, name, "date_time", "offline_messages"), "at": at, "text": text}


def _past(asked: Asked, text: str, field: str) -> float:
    at = asked.moment(text)
    if at > asked.now:
        raise _wrong_date(field, text, "must not be in the future")
    return at


def _wrong_date(field: str, value: Any, why: str) -> ApiError:
    return ApiError("invalid_date_time", f'Invalid "{field}": {why}', field=field, value=value)


def _whence(asked: Asked, item: Mapping[str, Any], at: float, name: Callable[[str], str], when: str, kind: str) -> Row:
    """Site, campaign, source and visitor of an item. Raises ApiError."""
    lists = asked.account.directory
    if not any(key in item for key in WHENCE):
        raise missed(asked.reader.name(kind), f"One of the parameters {', '.join(WHENCE)} is required")
    site_id, campaign_id, source_id = item.get("site_id"), item.get("campaign_id"), item.get("source_id")
    if site_id is not None and site_id not in lists["sites"]:
        raise not_found(name("site_id"), site_id)
    campaign = lists["campaigns"].get(campaign_id)
    if campaign_id == -1 and kind == "chats":
        raise wrong_value(name("campaign_id"), -1, "the system campaign is not allowed here")
    if campaign_id == -1 and site_id is None:
        message = "campaign_id -1 needs site_id"
        raise ApiError("invalid_parameters_combination", message, field=name("site_id"))
    if campaign_id is not None and campaign_id != -1:
        if campaign is None:
            raise not_found(name("campaign_id"), campaign_id)
        if campaign["status"] != "active":
            raise ApiError("campaign_is_inactive", field=name("campaign_id"), value=campaign_id)
    if source_id is not None:
        if source_id not in lists["sources"]:
            raise not_found(name("source_id"), source_id)
        state = lists["sources"][source_id]["state"]
        if state == "removed" or (state != "active" and asked.switches["source_rule"] == "active only"):
            raise wrong_value(name("source_id"), source_id, f"the source is {state}")
    session = _session(asked, item, at, name, when) if "visitor_session_id" in item else None
    home = campaign["site_id"] if campaign else site_id
    if campaign and site_id not in (None, home):
        raise _disagree(name("campaign_id"), campaign_id)
    if session and (home not in (None, session["site_id"]) or campaign_id not in (None, session["campaign_id"])):
        raise _disagree(name("visitor_session_id"), session["id"])
    return {
        "site_id": session["site_id"] if session else home,
        "campaign_id": session["campaign_id"] if session else (campaign_id if campaign else -1),
        "source_id": session["source_id"] if session else source_id,
        "visitor_session_id": session["id"] if session else None,
        "visitor_id": session["visitor_id"] if session else None,
    }


def _disagree(field: str, value: Any) -> ApiError:
    message = f"Parameters {', '.join(WHENCE)} are not consistent"
    return ApiError("invalid_parameters_combination", message, field=field, value=value)


def _session(asked: Asked, item: Mapping[str, Any], at: float, name: Callable[[str], str], when: str) -> Row | None:
    """The session of an item; None where an unknown one is accepted. Raises ApiError."""
    rule, number = asked.switches["unknown_session"], item["visitor_session_id"]
    session = asked.account.loaded["sessions"].get(number)
    too_old = session is not None and at - session["at"] > SESSION_LIFE_SECONDS
    if session is None or too_old:
        if rule == "accepted":
            return None
        if rule == "invalid_parameter_value":
            raise wrong_value(name("visitor_session_id"), number)
        if rule == "invalid_date_time for old ones" and too_old:
            raise _wrong_date(name("visitor_session_id"), number, "the session is older than 180 days")
        raise not_found(name("visitor_session_id"), number)
    if session["at"] > at or (session["at"] == at and asked.switches["later_than"] == "strict"):
        raise _wrong_date(name(when), item.get(when), "must be later than the start of the session")
    return session


def _load(asked: Asked, kind: str, row: Row) -> int:
    """Keep what was read; gives the id that the answer has."""
    account, world = asked.account, asked.world
    known = list(account.living(kind, row["ext_id"])) if row["ext_id"] is not None else []
    if known and asked.switches["repeated_ext_id"] in ("update", "ignored"):
        old = known[-1]
        changes = row if asked.switches["repeated_ext_id"] == "update" else {}
        if changes.get("visitor_id") is None:
            changes = {key: value for key, value in changes.items() if key != "visitor_id"}
        world.put(account, kind, {**old, **changes, "uploads": old["uploads"] + 1})
        return int(old["id"])
    number = world.next_id(kind)
    visitor = row["visitor_id"] or world.next_id("visitors")
    contacts = [text for text in (row["sent"].get("phone"), row["sent"].get("email"), f"visitor {visitor}") if text]
    person = next((account.people[one] for one in contacts if one in account.people), None) or world.next_id("people")
    entity = {
        **row,
        "id": number,
        "communication_id": number if asked.switches["id_space"] == "equal" else world.next_id("communications"),
        "visitor_id": visitor,
        "person_id": person,
        "contacts": contacts,
        "communication_number": account.contacts[person] + 1,
        "tags": [],
        "stored_at": asked.now,
        "visible_at": asked.visible_at(),
        "deleted_at": None,
        "uploads": 1,
    }
    world.put(account, kind, entity)
    return number


def _delete(kind: str) -> Callable[[Asked], dict[str, Any]]:
    def run(asked: Asked) -> dict[str, Any]:
        row = asked.account.loaded[kind].get(asked.params["id"])
        if row is None or row["deleted_at"] is not None:
            raise not_found("id", asked.params["id"])
        asked.world.put(asked.account, kind, {**row, "deleted_at": asked.now})
        return {"success": asked.switches["success_value"]}

    return run


_LIST = Shape("list", required=True)
METHODS = {
    "upload.chats": Method(_upload("chats", _chat), {"chats": _LIST}, any_of=("upload_chats",)),
    "upload.offline_messages": Method(
        _upload("offline_messages", _lead), {"offline_messages": _LIST}, any_of=("upload_offline_messages",)
    ),
    "delete.chats": Method(_delete("chats"), {"id": NUMBER.needed}, any_of=("consultant", "upload_chats")),
    "delete.offline_messages": Method(
        _delete("offline_messages"), {"id": NUMBER.needed}, any_of=("upload_offline_messages",)
    ),
}
