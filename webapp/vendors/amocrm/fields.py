"""The account's lead fields: which of them can keep a session (contract, 3.3)."""

from __future__ import annotations

from typing import Any

from webapp.vendors.connection import ConnectionProblem, LeadField

from . import assumptions
from .api import Api, items
from .values import line, number

PATH = "/api/v4/leads/custom_fields"

#: As many as both of the documents' two limits allow.
PAGE_SIZE = 50


def lead_fields(api: Api) -> list[LeadField]:
    """All of them, in the vendor's order."""
    found: dict[int, LeadField] = {}
    for page in api.pages(PATH, "custom_fields", {"limit": PAGE_SIZE, "page": 1}):
        for row in page:
            field = _field(row)
            if field is not None:
                found[field.id] = field
    return list(found.values())


def create_field(api: Api) -> LeadField:
    """A text field for the session; the one that was made before, if there is one. Raises ConnectionProblem."""
    wanted = assumptions.NEW_FIELD
    for page in api.pages(PATH, "custom_fields", {"limit": PAGE_SIZE, "page": 1}):
        for row in page:
            field = _field(row)
            if field is not None and field.problem is None and row.get("code") == wanted["code"]:
                return field
    made = items(api.call("POST", PATH, [dict(wanted)]), "custom_fields")
    field = _field(made[0]) if made else None
    if field is None:
        raise ConnectionProblem("unreadable", retry_after=30)
    return field


def clear_field(api: Api, lead: str, field: int) -> None:
    """Empty a field of a lead (A-11)."""
    body = {"custom_fields_values": [{"field_id": field, "values": assumptions.EMPTY_VALUES}]}
    api.call("PATCH", f"/api/v4/leads/{int(lead)}", body)


#: With these a field cannot keep a session; with others it may.
UNUSABLE = ("type", "computed")


def problem_of(row: dict[str, Any]) -> str | None:
    """Why a field is not good for a session: computed, only_api, its type, or doubtful; None for one that is."""
    if row.get("type") not in (*assumptions.GOOD_FIELD_TYPES, *assumptions.DOUBTFUL_FIELD_TYPES):
        return "type"
    if row.get("is_computed") is True:
        return "computed"
    if row.get("is_api_only") is True:
        return "only_api"
    return "doubtful" if row.get("type") in assumptions.DOUBTFUL_FIELD_TYPES else None


def _field(row: dict[str, Any]) -> LeadField | None:
    number_of = number(row.get("id"))
    if number_of is None:
        return None
    problem = problem_of(row)
    return LeadField(
        int(number_of),
        line(row.get("name")) or number_of,
        line(row.get("type"), 50) or "",
        line(row.get("group_id"), 100),
        problem,
        problem not in UNUSABLE,
    )
