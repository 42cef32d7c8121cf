"""The server behind the stand-in for amoCRM's button: what setMeta brought, and the leads it ends in (contract 4.2)."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .server import Clock, Refused

#: How long after the first data, or after the lead was made, setMeta is accepted.
ACCEPTED_SECONDS = 24 * 3600

FIRST_LEAD = 3001


@dataclass
class _Person:
    """A visitor of the button: the data that waits for a lead, since when, and the lead that is open."""

    since: float
    waiting: dict[str, Any]
    lead: dict[str, Any] | None = None


def _blank() -> dict[str, Any]:
    return {
        "name": "",
        "sale": None,
        "fields": {},
        "contact": {"name": "", "fields": {}},
        "notes": [],
        "bot_params": {},
    }


@dataclass
class AmoSide:
    """Leads of the button. ``on_lead(lead)`` is called with a copy after each change of one, ``on_message(lead, text,
    origin)`` after each message: a stand-in for amoCRM's account takes them from there.

    A lead is ``{"id", "origin", "created_at", "name", "sale", "fields": {field id: [values]}, "contact": {"name",
    "fields"}, "notes", "bot_params", "messages"}``; ids of fields are texts.
    """

    clock: Clock
    on_lead: Callable[[dict[str, Any]], None] | None = None
    on_message: Callable[[dict[str, Any], str, str], None] | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """No visitor, no lead; the hooks stay."""
        with self._lock:
            self._people: dict[str, _Person] = {}
            self.leads: list[dict[str, Any]] = []
            self._numbers = itertools.count(FIRST_LEAD)

    def meta(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """setMeta was called. Gives what came of each part: taken, filled (a value is there already), refused, late."""
        now = self.clock.now()
        with self._lock:
            person = self._people.setdefault(order["visitor"], _Person(now, _blank()))
            since = person.lead["created_at"] if person.lead else person.since
            if now - since > ACCEPTED_SECONDS:
                return {"outcomes": ["late"]}
            outcomes = list(_apply(person.lead or person.waiting, order["meta"], order["codes"] == "accepted"))
            lead = copy.deepcopy(person.lead)
        if lead and self.on_lead:
            self.on_lead(lead)
        return {"outcomes": outcomes}

    def message(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """The visitor wrote: into the open lead, or into a new one with what setMeta brought before."""
        with self._lock:
            person = self._people.setdefault(order["visitor"], _Person(self.clock.now(), _blank()))
            if person.lead is None:
                about = {"id": next(self._numbers), "origin": order["origin"], "created_at": self.clock.now()}
                person.lead = {**about, **person.waiting, "messages": []}
                self.leads.append(person.lead)
            person.lead["messages"].append(order["text"])
            lead = copy.deepcopy(person.lead)
        if self.on_lead:
            self.on_lead(lead)
        if self.on_message:
            self.on_message(lead, order["text"], order["origin"])
        return {"outcomes": [], "lead": lead["id"]}

    def close(self, lead: int) -> dict[str, Any]:
        """The lead is done with: the next message makes a new one. Raises Refused."""
        with self._lock:
            for person in self._people.values():
                if person.lead and person.lead["id"] == lead:
                    person.lead, person.waiting, person.since = None, _blank(), self.clock.now()
                    return {}
        raise Refused(f"no open lead {lead}")

    def told(self) -> dict[str, Any]:
        """Every lead, and the data of visitors who have not written."""
        with self._lock:
            waiting = {name: person.waiting for name, person in self._people.items() if person.lead is None}
            return copy.deepcopy({"leads": self.leads, "waiting": waiting})


def _apply(target: dict[str, Any], meta: Any, codes: bool) -> list[str]:
    """Put the parts of a setMeta where they belong; a filled place stays as it is."""
    if not isinstance(meta, dict) or meta.keys() - {"note", "contact", "lead", "bot_params"}:
        return ["refused"]
    outcomes: list[str] = []
    if "note" in meta:
        target["notes"].append(meta["note"])
        outcomes.append("taken")
    if "bot_params" in meta:
        target["bot_params"] |= meta["bot_params"]
        outcomes.append("taken")
    for part, owner in (("lead", target), ("contact", target["contact"])):
        told = meta.get(part) or {}
        for key in ("name", "sale"):
            if key in told and key in owner:
                outcomes.append("filled" if owner[key] else "taken")
                owner[key] = owner[key] or told[key]
        outcomes += [_fill(owner["fields"], one, codes) for one in told.get("custom_fields") or []]
    return outcomes


def _fill(fields: dict[str, list[Any]], one: Any, codes: bool) -> str:
    name = one.get("id") or (one.get("code") if codes else None)
    values = [row["value"] for row in one.get("values") or [] if row.get("value") not in (None, "")]
    # Ids are whole numbers by the contract; digits in quotes are not documented.
    if not name or isinstance(name, str) != ("id" not in one) or not values:
        return "refused"
    if fields.get(str(name)):
        return "filled"
    fields[str(name)] = values
    return "taken"
