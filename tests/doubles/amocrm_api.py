"""API v4 of the amoCRM stand-in: the account, talks, leads and contacts (contract, 3.1 and 3.2)."""

from __future__ import annotations

from typing import Any

from .amocrm_access import Access, AccessPart, Denied
from .amocrm_crm import CrmPart
from .amocrm_faults import invalid, problem
from .amocrm_http import Reply
from .amocrm_state import Contact, Lead, Talk, Tenant, Value

ACCOUNT_WITH = (
    *("amojo_id", "amojo_rights", "users_groups", "task_types", "version", "entity_names", "datetime_settings"),
    *("drive_url", "is_api_filter_enabled", "invoices_settings"),
)
LEAD_WITH = (
    *("contacts", "source", "source_id", "loss_reason", "catalog_elements", "is_price_modified_by_robot"),
    "only_deleted",
)

#: What PATCH /leads may change.
WRITABLE = frozenset(
    {"id", "name", "price", "status_id", "pipeline_id", "closed_at", "loss_reason_id", "responsible_user_id"}
    | {"updated_by", "updated_at", "custom_fields_values", "tags_to_add", "tags_to_delete", "_embedded"}
)

#: The scope that texts of conversations need; its name is ours.
SCOPE_OF_TEXTS = "chats"


class ApiPart(AccessPart, CrmPart):
    """See the module."""

    def account(self, access: Access) -> Reply:
        """``GET /account``."""
        access.known("with")
        tenant, asked = access.tenant, access.extras(*ACCOUNT_WITH)
        zone, offset = tenant.timezone
        times = {"date_pattern": "d.m.Y H:i", "short_date_pattern": "d.m.Y", "short_time_pattern": "H:i"}
        embedded = {
            "amojo_rights": {"can_direct": True, "can_create_groups": True},
            "users_groups": [{"id": 0, "name": "Отдел продаж", "uuid": None}],
            "task_types": [{"id": 1, "name": "Связаться", "color": None, "icon_id": None, "code": "FOLLOW_UP"}],
            "datetime_settings": {**times, "timezone": zone, "timezone_offset": offset},
        }
        optional = {
            **{"amojo_id": "f3c6340d-410e-4ad1-9f7e-c5e663599909", "drive_url": "https://drive-b.amocrm.ru"},
            **{"version": 16, "is_api_filter_enabled": tenant.ip_filter, "entity_names": {}, "invoices_settings": None},
        }
        told = {
            **{"id": tenant.id, "name": tenant.name, "subdomain": tenant.subdomain, "current_user_id": access.user.id},
            **{"country": "RU", "customers_mode": "segments", "is_unsorted_on": True, "is_loss_reason_enabled": True},
            **{"is_helpbot_enabled": False, "is_technical_account": False, "contact_name_display_order": 1},
            **{key: value for key, value in optional.items() if key in asked},
            "_links": self_link(access, "account"),
            "_embedded": {key: value for key, value in embedded.items() if key in asked},
        }
        return Reply(200, told)

    def told_talk_of_api(self, access: Access, talk: Talk) -> dict[str, Any]:
        """A talk as the API tells it."""
        linked = {
            "contacts": talk.contact_id,
            "leads": talk.entity_id if talk.entity_type == "lead" else None,
            "customers": talk.entity_id if talk.entity_type == "customer" else None,
        }
        more = {"status": talk.status, "source_id": talk.source_id} if self.switches["talk_extra"] == "present" else {}
        return {
            **{"talk_id": talk.talk_id, "created_at": talk.created_at, "updated_at": talk.updated_at},
            **{"rate": talk.rate, "contact_id": talk.contact_id, "chat_id": talk.chat_id},
            **{"entity_id": talk.entity_id, "entity_type": talk.entity_type, "is_in_work": talk.is_in_work},
            **{"is_read": talk.is_read, "origin": talk.origin, "missed_at": talk.missed_at},
            **{"account_id": access.tenant.id, **more, "_links": self_link(access, f"talks/{talk.talk_id}")},
            "_embedded": {
                kind: [{"id": number, "_links": self_link(access, f"{kind}/{number}")}] if number else []
                for kind, number in linked.items()
            },
        }

    def talk(self, access: Access, number: str) -> Reply:
        """``GET /talks/{id}``."""
        access.known()
        return Reply(200, self.told_talk_of_api(access, self._talk(access, number)))

    def _talk(self, access: Access, number: str) -> Talk:
        talk = access.tenant.talks.get(int(number))
        if talk is None:
            raise Denied(problem(404, "Not Found", "Talk not found"))
        contact = access.tenant.contacts.get(talk.contact_id or 0)
        if contact and contact.denied:
            raise Denied(problem(403, "Forbidden", "No rights on the contact", code=202))
        return talk

    def talk_close(self, access: Access, number: str) -> Reply:
        """``POST /talks/{id}/close``."""
        talk, order = self._talk(access, number), access.json() if access.request.body else {}
        if not isinstance(order, dict) or order.keys() - {"force_close"}:
            raise Denied(invalid(("FieldNotExpected", "", "Only force_close.")))
        if talk.status != "in_work":
            raise Denied(problem(422, "Unprocessable Entity", "The talk is closed or being closed"))
        self.send_later(self.closing(access.tenant, talk.talk_id, bool(order.get("force_close"))))
        return Reply(202, kind="")

    def talks(self, access: Access) -> Reply:
        """``GET /talks``."""
        if self.switches["talks_list"] == "404":
            raise Denied(problem(404, "Not Found", "Not found"))
        names = ("talk_id", "contact_id", "entity_id", "entity_type")
        # is_in_work is taken and not looked at, as one author reports.
        ignored = ("filter[only_in_work]", "filter[is_in_work]")
        access.known("page", "limit", *ignored, *(f"filter[{name}]" for name in names))
        talks = sorted(access.tenant.talks.values(), key=lambda one: (one.created_at, one.talk_id))
        for name in names:
            wanted = access.request.many(f"filter[{name}]")
            talks = [one for one in talks if not wanted or str(getattr(one, name)) in wanted]
        if access.request.one("filter[only_in_work]") in ("1", "true"):
            talks = [one for one in talks if one.is_in_work]
        if self.switches["talks_order"] == "newest first":
            talks.reverse()
        return self.paged(access, "talks", talks, lambda one: self.told_talk_of_api(access, one))

    def talk_messages(self, access: Access, number: str) -> Reply:
        """``GET /talks/{id}/messages``: needs a scope that few integrations have."""
        if SCOPE_OF_TEXTS not in access.grant.scopes:
            raise Denied(problem(403, "Forbidden", "Invalid scope"))
        access.known("page", "limit")
        talk = self._talk(access, number)
        return self.paged(access, "messages", access.tenant.messages[talk.talk_id], dict)

    def lead(self, access: Access, number: str) -> Reply:
        """``GET /leads/{id}``."""
        access.known("with")
        asked, lead = access.extras(*LEAD_WITH), access.tenant.leads.get(int(number))
        if lead is None or lead.is_deleted != ("only_deleted" in asked):
            return self.absent()
        return Reply(200, self._told_lead(access, lead, asked))

    def _told_lead(self, access: Access, lead: Lead, asked: set[str]) -> dict[str, Any]:
        embedded: dict[str, Any] = {"tags": lead.tags, "companies": []}
        if "contacts" in asked:
            embedded["contacts"] = [
                {"id": number, "is_main": place == 0, "_links": self_link(access, f"contacts/{number}")}
                for place, number in enumerate(lead.contacts)
            ]
        if "source" in asked and lead.source:
            embedded["source"] = lead.source
        if "loss_reason" in asked:
            embedded["loss_reason"] = [lead.loss_reason] if lead.loss_reason else []
        if "catalog_elements" in asked:
            embedded["catalog_elements"] = []
        optional = {"source_id": (lead.source or {}).get("id"), "is_price_modified_by_robot": False}
        return {
            **{"id": lead.id, "name": lead.name, "price": lead.price, "responsible_user_id": access.tenant.admin.id},
            **{"group_id": 0, "status_id": lead.status_id, "pipeline_id": lead.pipeline_id},
            **{"loss_reason_id": (lead.loss_reason or {}).get("id"), "created_by": 0, "updated_by": 0},
            **{"created_at": lead.created_at, "updated_at": lead.updated_at, "closed_at": lead.closed_at},
            **{"closest_task_at": None, "is_deleted": lead.is_deleted, "score": None},
            **{key: value for key, value in optional.items() if key in asked},
            "custom_fields_values": self._values(access.tenant, lead, access.tenant.fields),
            "account_id": access.tenant.id,
            "_links": self_link(access, f"leads/{lead.id}"),
            **({"_embedded": embedded} if self.switches["lead_embedded"] == "present" else {}),
        }

    def _values(self, tenant: Tenant, owner: Lead | Contact, fields: dict[int, dict[str, Any]]) -> Any:
        """Only filled fields; null where there is none."""
        told = []
        for number, value in owner.values.items():
            if number not in fields or not self._seen(tenant, value):
                continue
            field = fields[number]
            values = [
                {self.switches["enum_key"] if key == "enum_code" else key: part for key, part in one.items()}
                for one in value.values
            ]
            if field["type"] == "numeric":
                values = [{**one, "value": str(one["value"])} for one in values]
            about = {"field_id": number, "field_name": field["name"], "field_code": field["code"]}
            told.append({**about, "field_type": field["type"], "values": values})
        return told or None

    def _seen(self, tenant: Tenant, value: Value) -> bool:
        if value.after_talk is None or not self.switches["meta_delay_s"]:
            return True
        closed = [
            one.closed_at
            for one in tenant.talks.values()
            if (one.entity_id, one.entity_type) == (value.after_talk, "lead") and one.closed_at is not None
        ]
        return bool(closed) and self.clock.now() - max(closed) >= self.switches["meta_delay_s"]

    def leads(self, access: Access) -> Reply:
        """``GET /leads``."""
        access.known("with", "page", "limit", "query", "filter[id]", "filter[updated_at]", "order[updated_at]")
        asked, (first, last) = access.extras(*LEAD_WITH), access.between("updated_at")
        wanted, query = access.request.many("filter[id]"), (access.request.one("query") or "").casefold()
        leads = [
            one
            for one in access.tenant.leads.values()
            if one.is_deleted == ("only_deleted" in asked)
            and (not wanted or str(one.id) in wanted)
            and first <= one.updated_at <= last
            and query in one.name.casefold()
        ]
        order = access.request.one("order[updated_at]")
        if order is not None:
            leads.sort(key=lambda one: one.updated_at, reverse=order == "desc")
        return self.paged(access, "leads", leads, lambda one: self._told_lead(access, one, asked))

    def leads_patch(self, access: Access, number: str | None = None) -> Reply:
        """``PATCH /leads`` with a list, ``PATCH /leads/{id}`` with one."""
        told = access.json()
        orders = [{**told, "id": int(number)}] if number is not None and isinstance(told, dict) else told
        if not isinstance(orders, list) or not orders:
            raise Denied(invalid(("NotEmpty", "", "A list of leads.")))
        for place, order in enumerate(orders):
            self._check_lead(access, place, order)
        done = []
        for order in orders:
            lead = access.tenant.leads[order["id"]]
            old_status = lead.status_id
            self._write_lead(access.tenant, lead, order)
            self.send_later(self.told_lead(access.tenant, lead, "update"))
            if lead.status_id != old_status:
                self.send_later(self.told_lead(access.tenant, lead, "status", old_status))
            done.append({"id": lead.id, "updated_at": lead.updated_at, "_links": self_link(access, f"leads/{lead.id}")})
        if number is not None:
            return Reply(200, done[0])
        return Reply(200, {"_links": self_link(access, "leads"), "_embedded": {"leads": done}})

    def _check_lead(self, access: Access, place: int, order: Any) -> None:
        def no(code: str, path: str, words: str) -> Denied:
            return Denied(invalid((code, path, words), shape=self.switches["errors_shape"], request_id=str(place)))

        if not isinstance(order, dict) or not isinstance(order.get("id"), int):
            raise no("InvalidType", "id", "A number.")
        lead = access.tenant.leads.get(order["id"])
        if lead is None or lead.is_deleted:
            raise no("EntityNotFound", "id", "No such lead.")
        if order.keys() - WRITABLE:
            raise no("FieldNotExpected", sorted(order.keys() - WRITABLE)[0], "Unknown.")
        written = order.get("custom_fields_values")
        if not isinstance(written, list | None):
            raise no("InvalidType", "custom_fields_values", "A list.")
        for number, one in enumerate(written or []):
            path = f"custom_fields_values.{number}"
            if not isinstance(one, dict) or self._field_of(access.tenant, one) is None:
                raise no("NotSupportedChoice", f"{path}.field_id", "The value you selected is not a valid choice.")
            if not one.get("values") and self.switches["clear_field"] == "refused":
                raise no("NotBlank", f"{path}.values", "This value should not be blank.")
            for value in one.get("values") or []:
                if not isinstance(value, dict) or "value" not in value:
                    raise no("InvalidType", f"{path}.values", "Objects with value.")

    @staticmethod
    def _field_of(tenant: Tenant, order: dict[str, Any]) -> int | None:
        if "field_id" in order:
            return order["field_id"] if order["field_id"] in tenant.fields else None
        codes = {field["code"]: number for number, field in tenant.fields.items() if field["code"]}
        return codes.get(order.get("field_code"))

    def _write_lead(self, tenant: Tenant, lead: Lead, order: dict[str, Any]) -> None:
        for key in ("name", "price", "status_id", "pipeline_id", "closed_at"):
            if key in order:
                setattr(lead, key, order[key])
        lead.updated_at = int(self.clock.now())
        for one in order.get("custom_fields_values") or []:
            number = self._field_of(tenant, one)
            assert number is not None
            values = [value for value in one.get("values") or [] if value["value"] not in (None, "")]
            if values:
                lead.values[number] = Value(values)
            elif self.switches["clear_field"] != "ignored":
                lead.values.pop(number, None)
        gone = {tag.get("name") for tag in order.get("tags_to_delete") or []}
        lead.tags = [tag for tag in lead.tags if tag["name"] not in gone]
        for tag in order.get("tags_to_add") or []:
            lead.tags.append({"id": self.state.next("tag"), "name": tag["name"], "color": None})

    def notes_post(self, access: Access, number: str) -> Reply:
        """``POST /leads/{id}/notes``."""
        orders, lead = access.json(), access.tenant.leads.get(int(number))
        if lead is None:
            raise Denied(problem(404, "Not Found", "No such lead"))
        if not isinstance(orders, list) or not all(
            isinstance(one, dict) and one.keys() == {"note_type", "params"} and one["params"].get("text")
            for one in orders
        ):
            raise Denied(invalid(("NotBlank", "0.params.text", "A text.")))
        notes = [{"id": self.state.next("note"), "entity_id": lead.id, **one} for one in orders]
        access.tenant.notes[lead.id] += notes
        links = [{"id": one["id"], "entity_id": lead.id, "request_id": str(at)} for at, one in enumerate(notes)]
        return Reply(200, {"_links": self_link(access, f"leads/{lead.id}/notes"), "_embedded": {"notes": links}})

    def contact(self, access: Access, number: str) -> Reply:
        """``GET /contacts/{id}``: absent until its incoming lead is accepted."""
        access.known("with")
        asked = access.extras("leads", "customers", "catalog_elements")
        contact = access.tenant.contacts.get(int(number))
        if contact is None or contact.is_deleted or contact.unsorted:
            return self.absent()
        if contact.denied:
            raise Denied(problem(403, "Forbidden", "No rights on the contact", code=202))
        leads = [one.id for one in access.tenant.leads.values() if contact.id in one.contacts and not one.is_deleted]
        embedded: dict[str, Any] = {"tags": [], "companies": []} | {key: [] for key in asked}
        if "leads" in asked:
            embedded["leads"] = [{"id": one, "_links": self_link(access, f"leads/{one}")} for one in leads]
        first, _, rest = contact.name.partition(" ")
        told = {
            **{"id": contact.id, "name": contact.name, "first_name": first, "last_name": rest},
            **{"responsible_user_id": access.tenant.admin.id, "group_id": 0, "created_by": 0, "updated_by": 0},
            **{"created_at": contact.created_at, "updated_at": contact.updated_at, "closest_task_at": None},
            "custom_fields_values": self._values(access.tenant, contact, access.tenant.contact_fields),
            **{"account_id": access.tenant.id, "_links": self_link(access, f"contacts/{contact.id}")},
            "_embedded": embedded,
        }
        return Reply(200, told)


def self_link(access: Access, path: str) -> dict[str, Any]:
    """The address of a thing as answers carry it."""
    return {"self": {"href": f"{access.link}/api/v4/{path}"}}
