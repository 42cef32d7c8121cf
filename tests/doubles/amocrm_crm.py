"""What people do in an account of the amoCRM stand-in: leads, contacts, talks, incoming leads. Each tells the hooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .amocrm_core import action
from .amocrm_hooks import HookPart, Parcel
from .amocrm_items import contact_item, lead_item, message_item, talk_item, unsorted_item
from .amocrm_state import Contact, Lead, Talk, Tenant, Value, found
from .server import Refused

Told = dict[str, Any]


class CrmPart(HookPart):
    """See the module. ``tenant`` is an account's id, the first by default; every action gives the id of what it made
    and the first attempts of the hooks."""

    @property
    def _now(self) -> int:
        return int(self.clock.now())

    def told_lead(self, tenant: Tenant, lead: Lead, verb: str, old_status: int | None = None) -> list[Parcel]:
        """Hooks about a lead."""
        item: Any = lead_item(lead, tenant, self.switches["hook_values"], old_status)
        if verb == "delete":
            bare = self.switches["hook_delete"] == "bare id"
            item = lead.id if bare else {key: item[key] for key in ("id", "status_id", "pipeline_id")}
        return self.emit(tenant, f"{verb}_lead", "leads", verb, item)

    def told_talk(self, tenant: Tenant, talk: Talk, verb: str = "update") -> list[Parcel]:
        """Hooks about a talk."""
        return self.emit(tenant, f"{verb}_talk", "talk", verb, talk_item(talk, self.switches["hook_talk"]))

    def happened(self, tenant: Tenant, kind: str, talk: Talk, value: Told) -> None:
        """What GET /events tells of a talk."""
        about = {"origin": talk.origin, "talk_id": talk.talk_id}
        entity = (talk.entity_id, talk.entity_type) if talk.entity_id else (talk.contact_id, "contact")
        event = {"type": kind, "entity_id": entity[0], "entity_type": entity[1], "created_by": 0}
        event |= {"created_at": self._now, "value_after": [{key: {**one, **about} for key, one in value.items()}]}
        number = f"{self.state.next('event'):026d}"
        tenant.events.append({"id": number, **event, "value_before": [], "contact_id": talk.contact_id})

    @action
    def create_contact(
        self,
        name: str = "Мария",
        phones: list[str] | None = None,
        emails: list[str] | None = None,
        contact: int | None = None,
        unsorted: str | None = None,
        denied: bool = False,
        tenant: int | None = None,
    ) -> Told:
        """A contact; ``denied`` is 403 to everyone, ``unsorted`` is absent until that incoming lead is accepted."""
        with self.lock:
            account = self.state.tenant(tenant)
            number = self.state.next("contact") if contact is None else contact
            made = Contact(number, name, self._now, self._now, unsorted=unsorted, denied=denied)
            for code, given in (("PHONE", phones), ("EMAIL", emails)):
                field = next(one for one in account.contact_fields.values() if one["code"] == code)
                if given:
                    enum = {"enum_id": field["enums"][0]["id"], "enum_code": "WORK"}
                    made.values[field["id"]] = Value([{"value": one, **enum} for one in given])
            account.contacts[number] = made
            item = contact_item(made, account, self.switches["hook_values"])
            parcels = [] if unsorted else self.emit(account, "add_contact", "contacts", "add", item)
        return {"id": number, "deliveries": self.send(parcels)}

    @action
    def create_lead(
        self,
        name: str = "Заявка из чата",
        contacts: list[int] | None = None,
        fields: Mapping[str, Any] | None = None,
        source: str | None = None,
        lead: int | None = None,
        price: int = 0,
        unsorted: bool = False,
        tenant: int | None = None,
    ) -> Told:
        """A lead with its contacts, the main one first; ``fields`` are values by field id. ``unsorted`` makes it
        wait in «Неразобранное» with its contacts; then ``uid`` is its incoming lead."""
        with self.lock:
            account = self.state.tenant(tenant)
            pipeline = account.pipelines[0]
            number = self.state.next("lead") if lead is None else lead
            status = pipeline["statuses"][0 if unsorted else 1]["id"]
            made = Lead(number, name, status, pipeline["id"], self._now, self._now, price)
            made.contacts = [found(account.contacts, one, "contact").id for one in contacts or []]
            made.source = {"id": self.state.next("source"), "name": source} if source else None
            for key, value in (fields or {}).items():
                made.values[found(account.fields, int(key), "field")["id"]] = Value([{"value": value}])
            account.leads[number] = made
            parcels = self._incoming(account, made) if unsorted else self.told_lead(account, made, "add")
        return {"id": number, "uid": made.unsorted, "deliveries": self.send(parcels)}

    def _incoming(self, tenant: Tenant, lead: Lead) -> list[Parcel]:
        uid = lead.unsorted = f"{self.state.next('unsorted'):060x}"
        lead.meta_since, lead.visitor_uid = self.clock.now(), self.state.uuid("visitor")
        for contact in lead.contacts:
            tenant.contacts[contact].unsorted = uid
        origin = {"chat_id": self.state.uuid("chat"), "ref": "", "visitor_uid": lead.visitor_uid}
        metadata = {"received_at": self._now, "service": "onlinechat", "origin": origin, "last_message_text": ""}
        entry = {"uid": uid, "source_uid": None, "source_name": "Онлайн-чат", "category": "chats", "lead": lead.id}
        tenant.unsorted[uid] = {**entry, "created_at": self._now, "metadata": metadata}
        return self.emit(tenant, "add_unsorted", "unsorted", "add", unsorted_item(tenant.unsorted[uid], lead, tenant))

    @action
    def accept_unsorted(self, uid: str, tenant: int | None = None) -> Told:
        """An incoming lead is accepted: its contacts are there from now on."""
        with self.lock:
            account = self.state.tenant(tenant)
            entry = found(account.unsorted, uid, "incoming lead")
            del account.unsorted[uid]
            lead = account.leads[entry["lead"]]
            lead.unsorted, lead.updated_at = None, self._now
            lead.status_id = account.pipelines[0]["statuses"][1]["id"]
            for contact in lead.contacts:
                account.contacts[contact].unsorted = None
            result = {"accept_result": {"leads": [lead.id], "contacts": lead.contacts}}
            about = {"uid": uid, "category": entry["category"], "created_at": entry["created_at"]}
            parcels = self.emit(
                account, "delete_unsorted", "unsorted", "delete", {"action": "accept", **about, **result}
            )
        return {"deliveries": self.send(parcels)}

    @action
    def decline_unsorted(self, uid: str, tenant: int | None = None) -> Told:
        """An incoming lead is refused: it and its contacts are gone."""
        with self.lock:
            account = self.state.tenant(tenant)
            entry = found(account.unsorted, uid, "incoming lead")
            del account.unsorted[uid]
            lead = account.leads[entry["lead"]]
            lead.is_deleted = True
            for contact in lead.contacts:
                account.contacts[contact].is_deleted = True
            about = {"uid": uid, "category": entry["category"], "created_at": entry["created_at"]}
            item = {"action": "decline", **about, "decline_result": {"leads": [lead.id]}}
            parcels = self.emit(account, "delete_unsorted", "unsorted", "delete", item)
        return {"deliveries": self.send(parcels)}

    @action
    def set_field(self, lead: int, field: int, value: Any, tenant: int | None = None) -> Told:
        """Somebody types a value into a lead, or clears it with null."""
        with self.lock:
            account = self.state.tenant(tenant)
            one = found(account.leads, lead, "lead")
            found(account.fields, field, "field")
            one.values.pop(field, None)
            if value is not None:
                one.values[field] = Value([{"value": value}])
            one.updated_at = self._now
            parcels = self.told_lead(account, one, "update")
        return {"deliveries": self.send(parcels)}

    @action
    def delete_lead(self, lead: int, tenant: int | None = None) -> Told:
        """A lead is deleted."""
        with self.lock:
            account = self.state.tenant(tenant)
            one = found(account.leads, lead, "lead")
            one.is_deleted = True
            parcels = self.told_lead(account, one, "delete")
        return {"deliveries": self.send(parcels)}

    @action
    def delete_contact(self, contact: int, tenant: int | None = None) -> Told:
        """A contact is deleted."""
        with self.lock:
            account = self.state.tenant(tenant)
            found(account.contacts, contact, "contact").is_deleted = True
            parcels = self.emit(account, "delete_contact", "contacts", "delete", {"id": contact, "type": "contact"})
        return {"deliveries": self.send(parcels)}

    @action
    def create_talk(
        self,
        lead: int | None = None,
        contact: int | None = None,
        customer: int | None = None,
        origin: str = "telegram",
        talk: int | None = None,
        chat_id: str | None = None,
        created_at: int | None = None,
        tenant: int | None = None,
    ) -> Told:
        """A talk begins: about a lead, a customer or nothing yet; the contact is the lead's unless said."""
        with self.lock:
            account = self.state.tenant(tenant)
            number = self.state.next("talk") if talk is None else talk
            if number in account.talks:
                raise Refused(f"there is a talk {number}")
            if lead is not None and contact is None:
                contact = next(iter(found(account.leads, lead, "lead").contacts), None)
            entity = (lead, "lead") if lead is not None else (customer, "customer" if customer else None)
            began = self._now if created_at is None else created_at
            chat = chat_id or self.state.uuid("chat")
            made = account.talks[number] = Talk(number, began, began, contact, chat, *entity, origin)
            self.happened(account, "talk_created", made, {"talk": {"id": number}})
            parcels = self.told_talk(account, made, "add")
        return {"id": number, "deliveries": self.send(parcels)}

    @action
    def update_talk(self, talk: int, values: Told, tenant: int | None = None, tell: bool = True) -> Told:
        """Set fields of a talk to anything (``updated_at`` is the clock's time unless said); hooks hear of it."""
        with self.lock:
            account = self.state.tenant(tenant)
            one = found(account.talks, talk, "talk")
            for key, value in ({"updated_at": self._now} | values).items():
                if key not in asdict(one):
                    raise Refused(f"a talk has no {key}")
                setattr(one, key, value)
            parcels = self.told_talk(account, one) if tell else []
        return {"deliveries": self.send(parcels)}

    @action
    def answer_talk(self, talk: int, tenant: int | None = None) -> Told:
        """A manager answered."""
        with self.lock:
            account = self.state.tenant(tenant)
            self.happened(account, "conversation_answered", found(account.talks, talk, "talk"), {"talk": {"id": talk}})
        return self.update_talk(talk, {"is_read": True}, tenant)

    @action
    def miss_talk(self, talk: int, tenant: int | None = None) -> Told:
        """Nobody answered in time."""
        with self.lock:
            account = self.state.tenant(tenant)
            self.happened(account, "talk_missed_event", found(account.talks, talk, "talk"), {"talk": {"id": talk}})
        return self.update_talk(talk, {"missed_at": self._now}, tenant)

    @action
    def close_talk(self, talk: int, force: bool = False, tenant: int | None = None) -> Told:
        """A talk is closed; with the NPS bot (switch ``nps``) only when the client rated it, or by ``force``."""
        with self.lock:
            parcels = self.closing(self.state.tenant(tenant), talk, force)
        return {"deliveries": self.send(parcels)}

    def closing(self, tenant: Tenant, talk: int, force: bool) -> list[Parcel]:
        """Close with the lock held."""
        one = found(tenant.talks, talk, "talk")
        switch = self.switches["nps"]
        one.updated_at, one.is_read = self._now, True
        one.status = "nps_in_progress" if switch != "off" and not force else "closed"
        one.is_in_work = one.status != "closed" and switch == "is_in_work 1"
        if not one.is_in_work:
            self._closed(tenant, one)
        return self.told_talk(tenant, one)

    def _closed(self, tenant: Tenant, talk: Talk) -> None:
        talk.closed_at = self.clock.now()
        self.happened(tenant, "talk_closed", talk, {"talk": {"id": talk.talk_id}})

    @action
    def rate_talk(self, talk: int, rate: int, tenant: int | None = None) -> Told:
        """The client's mark; ends the NPS bot."""
        with self.lock:
            account = self.state.tenant(tenant)
            one = found(account.talks, talk, "talk")
            was_open = one.is_in_work
            one.rate, one.updated_at, one.is_in_work, one.status = rate, self._now, False, "closed"
            if was_open:
                self._closed(account, one)
            told = was_open or self.switches["hook_on_rating"]
            parcels = self.told_talk(account, one) if told else []
        return {"deliveries": self.send(parcels)}

    @action
    def reopen_talk(self, talk: int, tenant: int | None = None) -> Told:
        """A closed talk goes on under the same id (A-02)."""
        return self.update_talk(talk, {"is_in_work": True, "is_read": False, "status": "in_work"}, tenant)

    @action
    def message(
        self,
        talk: int,
        text: str = "Здравствуйте!",
        outgoing: bool = False,
        author: Told | None = None,
        message_id: str | None = None,
        attachment: Told | None = None,
        created_at: int | None = None,
        tenant: int | None = None,
    ) -> Told:
        """A message of a talk."""
        with self.lock:
            account = self.state.tenant(tenant)
            one = found(account.talks, talk, "talk")
            kind = "outgoing" if outgoing else "incoming"
            name = (
                account.admin.name if outgoing else getattr(account.contacts.get(one.contact_id or 0), "name", "Гость")
            )
            said_by = {"id": self.state.uuid("author"), "type": "internal" if outgoing else "external", "name": name}
            number, at = message_id or self.state.uuid("message"), self._now if created_at is None else created_at
            written = {"id": number, "text": text, "created_at": at, "type": kind, "author": author or said_by}
            if attachment:
                written |= {"message_type": attachment["type"], "attachment": attachment}
            account.messages[talk].append(written)
            self.happened(account, f"{kind}_chat_message", one, {"message": {"id": number}})
            event = "add_outgoing_message" if outgoing else "add_message"
            item = message_item(written, one, self.switches["hook_message"])
            parcels = self.emit(account, event, "message", "add", item)
        return {"id": number, "deliveries": self.send(parcels)}
