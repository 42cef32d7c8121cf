"""How hooks tell leads, contacts, talks and messages (contract, 2.2 to 2.5). Keys are in the order of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .amocrm_state import Contact, Lead, Talk, Tenant, Value


def talk_item(talk: Talk, shape: str) -> dict[str, Any]:
    """A talk; ``shape`` is the switch ``hook_talk``."""
    item: dict[str, Any] = {
        **{"talk_id": talk.talk_id, "created_at": talk.created_at, "updated_at": talk.updated_at, "rate": talk.rate},
        **{"contact_id": talk.contact_id, "chat_id": talk.chat_id},
        **{"entity_id": talk.entity_id, "entity_type": talk.entity_type},
        **{"is_in_work": talk.is_in_work, "is_read": talk.is_read, "origin": talk.origin},
    }
    if shape == "no entity":
        del item["entity_id"], item["entity_type"]
    elif shape == "status and source_id":
        item |= {"status": talk.status, "source_id": talk.source_id or 20826950}
    return item


def message_item(message: Mapping[str, Any], talk: Talk, shape: str) -> dict[str, Any]:
    """A message; ``shape`` is the switch ``hook_message``: old ones know no talk, those of the online chat no lead."""
    entity: dict[str, Any] = {}
    if talk.entity_id is not None and shape == "plain":
        element = "2" if talk.entity_type == "lead" else "1"
        number = talk.entity_id if element == "2" else talk.contact_id
        entity = {"element_type": element, "entity_type": talk.entity_type}
        entity |= {"element_id": number, "entity_id": talk.entity_id}
    about = {"talk_id": talk.talk_id} if shape != "old" else {}
    return {
        **{"id": message["id"], "chat_id": talk.chat_id, **about, "contact_id": talk.contact_id},
        **{"text": message["text"], "created_at": message["created_at"], **entity},
        **({"type": message["type"]} if shape != "old" else {}),
        **{"author": message["author"], "origin": talk.origin},
        **{key: message[key] for key in ("message_type", "attachment") if message.get(key)},
    }


def lead_item(lead: Lead, tenant: Tenant, shape: str, old_status: int | None = None) -> dict[str, Any]:
    """A lead; ``shape`` is the switch ``hook_values``."""
    return {
        **{"id": lead.id, "name": lead.name, "status_id": lead.status_id, "old_status_id": old_status},
        **{"price": lead.price, "responsible_user_id": tenant.admin.id, "last_modified": lead.updated_at},
        **{"modified_user_id": 0, "created_user_id": 0, "date_create": lead.created_at},
        **{"pipeline_id": lead.pipeline_id, "account_id": tenant.id},
        "custom_fields": _old_fields(lead.values, tenant.fields, shape),
        **{"created_at": lead.created_at, "updated_at": lead.updated_at},
    }


def contact_item(contact: Contact, tenant: Tenant, shape: str) -> dict[str, Any]:
    """A contact."""
    return {
        **{"id": contact.id, "name": contact.name, "responsible_user_id": tenant.admin.id},
        **{"date_create": contact.created_at, "last_modified": contact.updated_at, "created_user_id": 0},
        **{"modified_user_id": 0, "account_id": tenant.id},
        "custom_fields": _old_fields(contact.values, tenant.contact_fields, shape),
        **{"created_at": contact.created_at, "updated_at": contact.updated_at, "type": "contact"},
    }


def _old_fields(values: Mapping[int, Value], fields: Mapping[int, dict[str, Any]], shape: str) -> list[dict[str, Any]]:
    return [
        {"id": number, "name": fields[number]["name"], "values": _shaped(value.values, shape)}
        | ({"code": fields[number]["code"]} if fields[number]["code"] else {})
        for number, value in values.items()
        if number in fields
    ]


def _shaped(values: list[dict[str, Any]], shape: str) -> Any:
    told = [{"value": one["value"], "enum": one.get("enum_id")} for one in values]
    if shape == "list of scalars":
        return [one["value"] for one in told]
    if shape == "null string":
        return "null"
    return told[0] if shape == "single object" else told


def unsorted_item(entry: Mapping[str, Any], lead: Lead, tenant: Tenant) -> dict[str, Any]:
    """An incoming lead that waits."""
    origin = entry["metadata"]["origin"]
    data = {"date_create": lead.created_at, "name": lead.name, "pipeline_id": lead.pipeline_id}
    return {
        **{"uid": entry["uid"], "category": entry["category"]},
        "source_data": {"from": entry["source_name"], "origin": origin, "date": entry["created_at"]},
        "data": {"leads": [{**data, "visitor_uid": lead.visitor_uid, "gso_session_uid": "null"}]},
        **{"pipeline_id": lead.pipeline_id, "account_id": tenant.id, "request_id": 0, "lead_id": lead.id},
        "created_at": entry["created_at"],
    }
