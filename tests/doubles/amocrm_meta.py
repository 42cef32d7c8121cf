"""People who write through the site button of the amoCRM stand-in, and what setMeta brings along (contract, 4.2)."""

from __future__ import annotations

from typing import Any

from .amocrm_admin import AdminPart
from .amocrm_core import action
from .amocrm_state import Contact, Lead, Tenant, Value, found
from .server import Refused

Told = dict[str, Any]

#: For how long data is taken: from the first of it, or from the incoming lead.
ACCEPTED_SECONDS = 24 * 3600

#: Channels that a site button opens.
BUTTON_ORIGINS = frozenset({"telegram", "facebook", "viber", "vk", "onlinechat", "waba", "instagram_business"})


class MetaPart(AdminPart):
    """See the module. A ``visitor`` is any text that names one browser."""

    @action
    def set_meta(self, visitor: str, meta: Told, tenant: int | None = None) -> Told:
        """setMeta is called on the page. Gives what came of each part: taken, filled, refused, late; "waiting" for all
        of it where the visitor has not written yet."""
        with self.lock:
            account = self.state.tenant(tenant)
            now = self.clock.now()
            person = account.visitors.setdefault(visitor, {"since": now, "waiting": [], "lead": None})
            lead = account.leads.get(person["lead"] or 0)
            since = lead.meta_since if lead and lead.meta_since is not None else person["since"]
            if now - since > ACCEPTED_SECONDS:
                return {"outcomes": ["late"]}
            if not isinstance(meta, dict) or meta.keys() - {"note", "contact", "lead", "bot_params"}:
                return {"outcomes": ["refused"]}
            if lead is None:
                person["waiting"].append(meta)
                return {"outcomes": ["waiting"]}
            outcomes = self._apply(account, lead, meta)
            parcels = self.told_lead(account, lead, "update") if "taken" in outcomes else []
        return {"outcomes": outcomes, "deliveries": self.send(parcels)}

    def _apply(self, tenant: Tenant, lead: Lead, meta: Told) -> list[str]:
        contact = tenant.contacts[lead.contacts[0]] if lead.contacts else None
        outcomes = ["taken" for key in ("note", "bot_params") if key in meta]
        if "note" in meta:
            note = {"id": self.state.next("note"), "entity_id": lead.id, "params": {"text": meta["note"].get("text")}}
            tenant.notes[lead.id].append({**note, "note_type": "common"})
        about = meta.get("lead") or {}
        if about.get("sale") is not None:
            outcomes.append("filled" if lead.price else "taken")
            lead.price = lead.price or about["sale"]
        outcomes += [self._fill(lead, tenant.fields, one, lead.id) for one in about.get("custom_fields") or []]
        fields = (meta.get("contact") or {}).get("custom_fields") or []
        if contact:
            outcomes += [self._fill(contact, tenant.contact_fields, one, None) for one in fields]
        return outcomes

    def _fill(self, owner: Lead | Contact, fields: dict[int, Told], one: Told, lead: int | None) -> str:
        number = one.get("id")
        if number is None and one.get("code") and self.switches["meta_code"] == "accepted":
            number = next((key for key, field in fields.items() if field["code"] == one["code"]), None)
        values = [row["value"] for row in one.get("values") or [] if row.get("value") not in (None, "")]
        # Ids are whole numbers by the contract; digits in quotes are not documented.
        if not isinstance(number, int) or isinstance(number, bool) or number not in fields or not values:
            return "refused"
        field = fields[number]
        if self.switches["meta_api_only"] == "refused" and (field["is_api_only"] or field["type"] == "tracking_data"):
            return "refused"
        if number in owner.values:
            return "filled"
        owner.values[number] = Value([{"value": value} for value in values], after_talk=lead)
        return "taken"

    @action
    def visitor_writes(
        self,
        visitor: str,
        text: str = "Здравствуйте!",
        origin: str = "onlinechat",
        unsorted: bool = False,
        name: str = "Гость",
        phones: list[str] | None = None,
        lead: int | None = None,
        tenant: int | None = None,
    ) -> Told:
        """A visitor of the button writes: into the open talk, into a new talk of the same lead, or into a new lead that
        takes what setMeta brought. Gives ``lead``, ``contact``, ``talk``, ``message``."""
        with self.lock:
            account = self.state.tenant(tenant)
            now = self.clock.now()
            person = account.visitors.setdefault(visitor, {"since": now, "waiting": [], "lead": None})
            known = account.leads.get(person["lead"] or 0)
            waiting, person["waiting"] = person["waiting"], []
        if known is None or known.is_deleted:
            contact = self.create_contact(name, phones, tenant=account.id)["id"]
            number = self.create_lead("Заявка из чата", [contact], lead=lead, unsorted=unsorted, tenant=account.id)[
                "id"
            ]
            with self.lock:
                known, person["lead"] = account.leads[number], number
                known.meta_since = now
                if origin in BUTTON_ORIGINS and now - person["since"] <= ACCEPTED_SECONDS:
                    for meta in waiting:
                        self._apply(account, known, meta)
        with self.lock:
            open_talks = [
                one.talk_id
                for one in account.talks.values()
                if (one.entity_id, one.entity_type, one.origin) == (known.id, "lead", origin) and one.is_in_work
            ]
        talk = open_talks[-1] if open_talks else self.create_talk(known.id, origin=origin, tenant=account.id)["id"]
        message = self.message(talk, text, tenant=account.id)["id"]
        return {"lead": known.id, "uid": known.unsorted, "contact": known.contacts[0], "talk": talk, "message": message}

    def take_site_lead(self, lead: Told, tenant: int | None = None) -> None:
        """A lead as the stand-in of the customer's site tells one (``site.amo.on_lead``): made, or filled further."""
        number, account = lead["id"], self.state.tenant(tenant)
        if number not in account.leads:
            contact = self.create_contact(lead["contact"]["name"] or "Гость", tenant=account.id)["id"]
            self.create_lead(lead["name"] or "Заявка из чата", [contact], lead=number, tenant=account.id)
        with self.lock:
            one = account.leads[number]
            for key, values in lead["fields"].items():
                order = {"id": int(key)} if key.isdecimal() else {"code": key}
                self._fill(one, account.fields, {**order, "values": [{"value": value} for value in values]}, one.id)

    def take_site_message(self, lead: Told, text: str, origin: str, tenant: int | None = None) -> None:
        """A message as the stand-in of the customer's site tells one (``site.amo.on_message``)."""
        account = self.state.tenant(tenant)
        found(account.leads, lead["id"], "lead")
        with self.lock:
            talks = [one for one in account.talks.values() if one.entity_id == lead["id"] and one.is_in_work]
        if len(talks) > 1:
            raise Refused("two open talks of one lead")
        talk = talks[0].talk_id if talks else self.create_talk(lead["id"], origin=origin, tenant=account.id)["id"]
        self.message(talk, text, tenant=account.id)
