"""What amoCRM's server knows of a talk: talk, lead, contact, session field (issue 4.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from webapp.contacts import normalise_email, normalise_phone
from webapp.conversation import UTM_KEYS, Clues, Contact, Conversation, ConversationType, SessionToken, Stage
from webapp.marks import decode_mark
from webapp.vendors import VendorRequest
from webapp.vendors.connection import NO_RIGHTS, ConnectionProblem, Finding, Known

from . import assumptions
from .api import Api, items
from .payload import talk_conversation
from .values import line, moment, number

#: The option that holds the number of the field with the session.
FIELD_OPTION = "session_field"

#: Calls of one look: talk, lead, contact.
MOST_CALLS = 3

_LONGEST_PHONE = 100


def look(api: Api, url: str, known: Known, options: Mapping[str, Any], region: str, now: datetime) -> Finding:
    """Follow a talk to its lead and its contact. What is not there is said, never an error.

    The talk itself is asked for only where its webhook named no lead.
    """
    missing: list[str] = []

    def part(name: str, path: str | None) -> dict[str, Any] | None:
        """An object, or None and why there is none."""
        try:
            found = absent(api, path) if path else None
        except ConnectionProblem as problem:
            if problem.code != "no_rights":
                raise
            missing.append(name + NO_RIGHTS)
            return None
        if found is None and name != "talk":
            missing.append(name)
        return found

    if known.lead:
        talk: dict[str, Any] = {"entity_id": known.lead, "contact_id": known.contact}
    else:
        talk = part("talk", f"/api/v4/talks/{int(known.reference)}") or {"contact_id": known.contact}
    lead_id = number(talk.get("entity_id")) if talk.get("entity_type") != "customer" else None
    lead = part("lead", f"/api/v4/leads/{lead_id}?with=contacts") if lead_id else None
    if lead_id is None:
        missing.append("entity")
    contact, card = _who_wrote(part, missing, number(talk.get("contact_id")), _main_contact(lead))
    wanted = options.get(FIELD_OPTION)
    value = _field_value(lead, wanted) if wanted else None
    if lead is not None and wanted and value is None:
        missing.append("session")
    said = _conversation(talk, lead, contact, value, known.reference, region, now)
    began = moment(talk.get("created_at"), now) or known.started_at
    details = dict(said.details) | _lead_details(lead, lead_id, url, began, now)
    if card:
        details["contact_card"] = card
    return Finding(replace(said, details=details), tuple(missing), value, lead_id)


def _who_wrote(
    part: Any, missing: list[str], own: str | None, main: str | None
) -> tuple[dict[str, Any] | None, str | None]:
    """The card of the talk's contact, or where that is not to be had of the lead's main one; and whose it is."""
    before = len(missing)
    contact = part("contact", f"/api/v4/contacts/{own or main}" if own or main else None)
    if contact is not None:
        return contact, "talk" if own else "lead"
    if own and main and main != own:
        contact = part("contact", f"/api/v4/contacts/{main}")
        if contact is not None:
            del missing[before:]
            return contact, "lead"
        del missing[before + 1 :]
    return None, None


def absent(api: Api, path: str) -> dict[str, Any] | None:
    """The object of this path; None for one that is not there, or not for us."""
    try:
        return api.get(path)
    except ConnectionProblem as problem:
        if problem.code == "not_found":
            return None
        raise


def _conversation(
    talk: dict[str, Any], lead: Any, contact: Any, value: str | None, reference: str, region: str, now: datetime
) -> Conversation:
    told = talk_conversation({**talk, "talk_id": reference}, VendorRequest(b"", None, now, region))
    token = SessionToken(value[:200], "field", assumptions.session_of(value)) if value else None
    base = told or Conversation(ConversationType.OFFLINE_MESSAGE, assumptions.talk_key(reference), Stage.FINISHED)
    finished = base.finished_at if base.stage is Stage.FINISHED else None
    # The latest word on contacts, whatever time the talk itself has.
    return replace(
        base,
        stage=Stage.FINISHED,
        finished_at=finished,
        event_at=now,
        contact=_contact(contact, region),
        clues=Clues(token=token, client=base.clues.client, utm=_marks(lead)),
        asks=False,
        waits=False,
    )


def _contact(contact: Any, region: str) -> Contact:
    """Name, first valid phone and first valid e-mail of a contact's card."""
    if not isinstance(contact, dict):
        return Contact()
    phones = [line(value, _LONGEST_PHONE) for value in _values(contact, "PHONE")]
    emails = [normalise_email(line(value)) for value in _values(contact, "EMAIL")]
    known = [(phone, normalised) for phone in phones if phone and (normalised := normalise_phone(phone, region))]
    raw, phone = known[0] if known else (next((one for one in phones if one), None), None)
    return Contact(
        name=line(contact.get("name")), phone=phone, phone_raw=raw, email=next((one for one in emails if one), None)
    )


def _marks(lead: Any) -> dict[str, str]:
    """The UTM marks that amoCRM itself keeps in a lead."""
    marks = {}
    for key in UTM_KEYS:
        value = next(_values(lead, f"UTM_{key.upper()}"), None)
        mark = decode_mark(value) if isinstance(value, str) else ""
        if mark:
            marks[key] = mark
    return marks


def _field_value(lead: Any, field: Any) -> str | None:
    for row in _fields(lead):
        if number(row.get("field_id")) == number(field):
            return next((found for value in _row_values(row) if (found := line(value, 500))), None)
    return None


def _values(entity: Any, code: str) -> Iterator[Any]:
    for row in _fields(entity):
        if str(row.get("field_code") or "").upper() == code:
            yield from _row_values(row)


def _fields(entity: Any) -> Iterator[dict[str, Any]]:
    """``custom_fields_values`` is null or a list."""
    rows = entity.get("custom_fields_values") if isinstance(entity, dict) else None
    yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _row_values(row: dict[str, Any]) -> Iterator[Any]:
    values = row.get("values")
    for value in values if isinstance(values, list) else [values]:
        found = value.get("value") if isinstance(value, dict) else value
        if found is not None and not isinstance(found, bool | dict | list):
            yield found


def _main_contact(lead: Any) -> str | None:
    contacts = items(lead if isinstance(lead, dict) else None, "contacts")
    main = next((one for one in contacts if one.get("is_main")), contacts[0] if contacts else {})
    return number(main.get("id"))


def _lead_details(lead: Any, lead_id: str | None, url: str, began: datetime | None, now: datetime) -> dict[str, str]:
    if lead is None or lead_id is None:
        return {}
    details = {"lead_url": f"{url}/leads/detail/{lead_id}"}
    created = moment(lead.get("created_at"), now)
    if created and began and (began - created).days >= 1:
        # A filled field is never overwritten: the session may be as old as the lead (contract, 4.2).
        details["lead_age_days"] = str((began - created).days)
    return details
