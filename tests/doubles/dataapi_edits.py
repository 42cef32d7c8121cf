"""Tags, sales, fields of requests and logins of the Data API stand-in (contract, 2, 7 and 10)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from .dataapi_errors import ApiError, missed, not_found, wrong_value
from .dataapi_methods import Asked, Method
from .dataapi_reads import SETTINGS
from .dataapi_shapes import AMOUNT, DATETIME, NUMBER, STRING, Shape, one_of, rows
from .dataapi_world import Key, Row

LOGIN_SECONDS = 3600
LONGEST_COMMENT = 255

_KINDS = {"chat": "chats", "offline_message": "offline_messages"}
_TYPE = one_of("chat", "call", "goal", "offline_message")
_TYPES_AND_EMAIL = one_of("chat", "call", "goal", "offline_message", "email")


def _communication(asked: Asked, params: Mapping[str, Any]) -> Row:
    """By its id, or by its ext_id where no id is told. Raises ApiError."""
    kind = _KINDS.get(params["communication_type"])
    number, ext_id = params.get("communication_id"), params.get("communication_ext_id")
    if number is None and ext_id is None:
        raise missed("communication_id", 'One of the parameters "communication_id", "communication_ext_id" is required')
    found = asked.account.living(kind, ext_id if number is None else None) if kind else iter(())
    field, value = ("communication_ext_id", ext_id) if number is None else ("communication_id", number)
    row = next((one for one in found if number is None or one["communication_id"] == number), None)
    if row is None:
        raise not_found(field, value)
    return row


def _known_tag(asked: Asked, number: int, field: str = "tag_id") -> int:
    if number not in asked.account.directory["tags"]:
        raise not_found(field, number)
    return number


def _tagged(asked: Asked, row: Row, numbers: list[int]) -> None:
    """Keep a communication with exactly these tags, the old ones with their time."""
    times = {one["tag_id"]: one["at"] for one in row["tags"]}
    tags = [{"tag_id": number, "at": times.get(number, asked.now)} for number in dict.fromkeys(numbers)]
    asked.world.put(asked.account, row["kind"], {**row, "tags": tags})


def _numbers(row: Row) -> list[int]:
    return [one["tag_id"] for one in row["tags"]]


def _set_tag(asked: Asked) -> dict[str, Any]:
    row, tag = _communication(asked, asked.params), _known_tag(asked, asked.params["tag_id"])
    _tagged(asked, row, [*_numbers(row), tag])
    return {}


def _unset_tag(asked: Asked) -> dict[str, Any]:
    row, tag = _communication(asked, asked.params), _known_tag(asked, asked.params["tag_id"])
    _tagged(asked, row, [one for one in _numbers(row) if one != tag])
    return {}


def _set_tags(asked: Asked) -> dict[str, Any]:
    items = asked.params["items"]
    for one in items:
        _communication(asked, one)
        _known_tag(asked, one["tag_id"], "items.tag_id")
    for one in items:
        row = _communication(asked, one)
        _tagged(asked, row, [*_numbers(row), one["tag_id"]])
    return {"success": asked.switches["success_value"]}


def _update_tags(asked: Asked) -> dict[str, Any]:
    params = asked.params
    row = _communication(asked, params)
    _tagged(asked, row, [_known_tag(asked, number, "tag_ids") for number in params["tag_ids"]])
    items = [{"id": one, "name": asked.account.directory["tags"][one]["name"]} for one in params["tag_ids"]]
    own = {key: params[key] for key in ("communication_id", "communication_type")}
    return {**own, "items": items}


def _create_tag(asked: Asked) -> dict[str, Any]:
    name = asked.params["name"]
    if any(row["name"] == name for row in asked.account.directory["tags"].values()):
        raise ApiError("duplicate_entity", field="name", value=name)
    number = asked.world.next_id("tags")
    asked.world.put(asked.account, "tags", {"id": number, "name": name, "is_system": False})
    return {"id": number}


def _set_sale(asked: Asked) -> dict[str, Any]:
    params, row = asked.params, _communication(asked, asked.params)
    if not asked.account.directory["sites"].get(row["site_id"], {}).get("sales_enabled"):
        raise ApiError("error", "Sales are not enabled for the site")
    at = asked.moment(params["date_time"])
    if at < row["at"] or at > asked.now:
        raise ApiError("invalid_date_time", field="date_time", value=params["date_time"])
    if len(params.get("comment", "")) > LONGEST_COMMENT:
        raise wrong_value("comment", params["comment"], f"longer than {LONGEST_COMMENT}")
    sale = {"id": asked.world.next_id("sales"), "ext_id": None, "communication_id": row["communication_id"], "at": at}
    more = {"value": params["transaction_value"], "comment": params.get("comment"), "deleted_at": None, "uploads": 1}
    asked.world.put(asked.account, "sales", sale | more | {"stored_at": asked.now, "visible_at": asked.visible_at()})
    return {"id": sale["id"]}


def _create_field(asked: Asked) -> dict[str, Any]:
    field = {key: asked.params[key] for key in ("ext_id", "name", "data_type")}
    if field["ext_id"] in asked.account.directory["user_fields"]:
        raise ApiError("duplicate_entity", field="ext_id", value=field["ext_id"])
    asked.world.put(asked.account, "user_fields", field)
    return {"data": {"ext_id": field["ext_id"]}}


def _known_field(asked: Asked) -> Row:
    found = asked.account.directory["user_fields"].get(asked.params["ext_id"])
    if found is None:
        raise not_found("ext_id", asked.params["ext_id"])
    return found


def _update_field(asked: Asked) -> dict[str, Any]:
    asked.world.put(asked.account, "user_fields", {**_known_field(asked), "name": asked.params["name"]})
    return {"data": {"ext_id": asked.params["ext_id"]}}


def _delete_field(asked: Asked) -> dict[str, Any]:
    asked.world.remove(asked.account, "user_fields", _known_field(asked)["ext_id"])
    return {"success": asked.switches["success_value"]}


def login(asked: Asked) -> dict[str, Any]:
    """login.user: a token that lives one hour."""
    account = asked.account
    if account.users.get(asked.params["login"]) != asked.params["password"]:
        raise ApiError("auth_error")
    token = secrets.token_hex(16)
    expires_at = int(asked.now + LOGIN_SECONDS)
    asked.world.keys[token] = Key(account.app_id, expires_at=expires_at)
    key = asked.switches["login_expiry_key"]
    return {"data": {"access_token": token, key: expires_at, "app_id": account.app_id}}


def _logout(asked: Asked) -> dict[str, Any]:
    asked.world.keys.pop(asked.token, None)
    return {"data": {"success": True}}


_ONE_TAG = {
    "communication_id": NUMBER,
    "communication_ext_id": STRING,
    "communication_type": _TYPE.needed,
    "tag_id": NUMBER.needed,
}
_ITEM = {
    "tag_id": NUMBER.needed,
    "communication_id": NUMBER.needed,
    "communication_type": _TYPES_AND_EMAIL.needed,
}
_UPDATE_TAGS = Method(
    _update_tags,
    {
        "communication_id": NUMBER.needed,
        "communication_type": _TYPES_AND_EMAIL.needed,
        "tag_ids": Shape("numbers", required=True),
    },
    all_of=SETTINGS,
)
_MAY_TAG = ("tag_management:update",)
METHODS = {
    "login.user": Method(login, {"login": STRING.needed, "password": STRING.needed}, common={}),
    "logout.user": Method(_logout),
    "set.tag_communications": Method(_set_tag, _ONE_TAG, rights=_MAY_TAG),
    "unset.tag_communications": Method(_unset_tag, _ONE_TAG, rights=_MAY_TAG),
    "set.communications_tags": Method(_set_tags, {"items": rows(_ITEM)}, all_of=SETTINGS),
    "update.tags_communication": _UPDATE_TAGS,
    "update.tags_communications": _UPDATE_TAGS,
    "create.tags": Method(_create_tag, {"name": STRING.needed}, rights=("tag_management:insert",)),
    "set.tag_sales": Method(
        _set_sale,
        {
            "communication_id": NUMBER.needed,
            "communication_type": _TYPE.needed,
            "date_time": DATETIME.needed,
            "transaction_value": AMOUNT.needed,
            "comment": STRING,
        },
        rights=_MAY_TAG,
    ),
    "create.offline_message_user_field": Method(
        _create_field,
        {"ext_id": STRING.needed, "name": STRING.needed, "data_type": one_of("numeric", "string").needed},
    ),
    "update.offline_message_user_field": Method(_update_field, {"ext_id": STRING.needed, "name": STRING.needed}),
    "delete.offline_message_user_field": Method(_delete_field, {"ext_id": STRING.needed}),
}
