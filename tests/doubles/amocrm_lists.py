"""API v4 of the amoCRM stand-in: custom fields, webhooks, and what an account consists of (contract, 2.7, 3.1, 3.3)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from .amocrm_access import Access, Denied
from .amocrm_api import ApiPart, self_link
from .amocrm_faults import invalid, problem
from .amocrm_http import Reply
from .amocrm_state import Hook

FIELD_TYPES = frozenset(
    {
        *("text", "numeric", "checkbox", "select", "multiselect", "date", "url", "textarea", "radiobutton", "items"),
        *("streetaddress", "smart_address", "birthday", "legal_entity", "date_time", "price", "category", "multitext"),
        *("tracking_data", "linked_entity", "chained_list", "monetary", "file", "payer", "supplier"),
    }
)
FIELD_KEYS = frozenset(
    {
        *("name", "type", "code", "sort", "group_id", "is_api_only", "required_statuses", "hidden_statuses", "enums"),
        *("tracking_callback", "currency", "remind", "settings", "request_id"),
    }
)


#: What a subscription may hear of: the Russian list, Kommo's messages, and incoming leads (names unconfirmed).
_VERBS = {
    "lead": "add update delete restore status responsible note",
    "contact": "add update delete restore responsible note",
    "company": "add update delete restore responsible note",
    "customer": "add update delete responsible note",
    "task": "add update delete responsible",
    "talk": "add update",
    "unsorted": "add update delete",
}
EVENTS = frozenset(
    {f"{verb}_{entity}" for entity, verbs in _VERBS.items() for verb in verbs.split()}
    | {"add_chat_template_review", "add_message", "add_outgoing_message"}
)

MOST_HOOKS = 100

#: Events about talks that only Kommo's pages name.
TALK_EVENTS = frozenset({"talk_created", "talk_closed", "conversation_answered", "talk_missed_event"})
MOST_EVENTS_A_PAGE = 100

MOST_TRUSTED = 10


class ListPart(ApiPart):
    """See the module."""

    def fields(self, access: Access) -> Reply:
        """``GET /leads/custom_fields``."""
        return self._fields(access, access.tenant.fields)

    def contact_fields(self, access: Access) -> Reply:
        """``GET /contacts/custom_fields``."""
        return self._fields(access, access.tenant.contact_fields)

    def _fields(self, access: Access, fields: dict[int, dict[str, Any]]) -> Reply:
        access.known("page", "limit", "filter[type]", "order[sort]", "order[id]")
        wanted = access.request.many("filter[type]")
        found = [field for field in fields.values() if not wanted or field["type"] in wanted]
        for key in ("sort", "id"):
            order = access.request.one(f"order[{key}]")
            if order is not None:
                found.sort(key=lambda field: field[key], reverse=order == "desc")
        most = self.switches["fields_limit"]
        return self.paged(access, "custom_fields", found, lambda one: self._told_field(access, one), most, counted=True)

    def _told_field(self, access: Access, field: dict[str, Any]) -> dict[str, Any]:
        return {**field, "_links": self_link(access, f"{field['entity_type']}/custom_fields/{field['id']}")}

    def fields_post(self, access: Access) -> Reply:
        """``POST /leads/custom_fields``: all of them or none."""
        access.admin_only()
        orders = access.json()
        if not isinstance(orders, list) or not orders:
            raise Denied(invalid(("NotEmpty", "", "A list of fields."), shape=self.switches["errors_shape"]))
        codes = {field["code"] for field in access.tenant.fields.values() if field["code"]}
        for place, order in enumerate(orders):
            problem_of = self._problem(order, codes)
            if problem_of:
                shape = self.switches["errors_shape"]
                raise Denied(invalid(problem_of, shape=shape, request_id=str(place)))
            codes.add(order.get("code"))
        made = [self.state.make_field(access.tenant, order) for order in orders]
        told = [self._told_field(access, field) for field in made]
        return Reply(201, {"_total_items": len(told), "_embedded": {"custom_fields": told}})

    @staticmethod
    def _problem(order: Any, codes: set[Any]) -> tuple[str, str, str] | None:
        if not isinstance(order, dict):
            return ("InvalidType", "", "An object.")
        if order.keys() - FIELD_KEYS:
            return ("FieldNotExpected", sorted(order.keys() - FIELD_KEYS)[0], "This field was not expected.")
        if not isinstance(order.get("name"), str) or not order["name"].strip():
            return ("NotBlank", "name", "This value should not be blank.")
        if order.get("type") not in FIELD_TYPES:
            return ("NotSupportedChoice", "type", "The value you selected is not a valid choice.")
        if order["type"] in ("select", "multiselect", "radiobutton") and not order.get("enums"):
            return ("NotBlank", "enums", "This value should not be blank.")
        if "code" in order and (not isinstance(order["code"], str) or order["code"] in codes):
            return ("NotUnique", "code", "There is such a code.")
        if not isinstance(order.get("is_api_only", False), bool):
            return ("InvalidType", "is_api_only", "This value should be of type bool.")
        if not isinstance(order.get("group_id"), str | None):
            return ("InvalidType", "group_id", "This value should be of type string.")
        return None

    def webhooks(self, access: Access) -> Reply:
        """``GET /webhooks``."""
        self._may_hook(access)
        access.known("filter[destination]")
        wanted = access.request.many("filter[destination]")
        hooks = [one for one in access.tenant.hooks.values() if not wanted or one.destination in wanted]
        if not hooks:
            return self.absent()
        told = [self._told_hook(access, one) for one in hooks]
        return Reply(200, {"_total_items": len(told), "_embedded": {"webhooks": told}})

    def _may_hook(self, access: Access) -> None:
        access.admin_only()
        if access.tenant.plan not in ("advanced", "pro"):
            raise Denied(problem(402, "Payment Required", "Not in this plan"))

    @staticmethod
    def _told_hook(access: Access, hook: Hook) -> dict[str, Any]:
        return {
            **{"id": hook.id, "destination": hook.destination, "created_at": hook.created_at},
            **{"updated_at": hook.updated_at, "account_id": access.tenant.id, "created_by": hook.created_by},
            **{"sort": hook.sort, "disabled": hook.disabled, "settings": hook.settings},
        }

    def webhooks_post(self, access: Access) -> Reply:
        """``POST /webhooks``: the same destination is the same hook with new settings."""
        self._may_hook(access)
        order, shape = access.json(), self.switches["errors_shape"]
        if not isinstance(order, dict) or not {"destination", "settings"} <= order.keys() <= {
            *("destination", "settings", "sort"),
        }:
            raise Denied(invalid(("NotBlank", "destination", "destination, settings, sort"), shape=shape))
        if not good_destination(order["destination"]):
            raise Denied(invalid(("InvalidUrl", "destination", "Invalid URL"), shape=shape))
        settings = order["settings"]
        if not isinstance(settings, list) or not settings or not set(map(str, settings)) <= EVENTS:
            raise Denied(invalid(("NotSupportedChoice", "settings", "Unknown event."), shape=shape))
        if not isinstance(order.get("sort", 1), int):
            raise Denied(invalid(("InvalidType", "sort", "A number."), shape=shape))
        now, hooks = int(self.clock.now()), access.tenant.hooks
        hook = next((one for one in hooks.values() if one.destination == order["destination"]), None)
        if hook is None:
            if len(hooks) >= MOST_HOOKS:
                raise Denied(problem(422, "Unprocessable Entity", "Too many webhooks"))
            about = (order["destination"], settings, order.get("sort", 1), access.user.id, now, now)
            hook = Hook(self.state.next("hook"), *about, access.grant.integration)
            hooks[hook.id] = hook
        hook.settings, hook.sort, hook.updated_at = list(settings), order.get("sort", hook.sort), now
        if self.switches["post_enables"]:
            hook.disabled, hook.failures = False, []
        return Reply(201, self._told_hook(access, hook))

    def webhooks_delete(self, access: Access) -> Reply:
        """``DELETE /webhooks`` with a body."""
        self._may_hook(access)
        if not access.request.body:
            raise Denied(problem(400, "Bad Request", "The body is missing"))
        order = access.json()
        if not isinstance(order, dict) or order.keys() != {"destination"}:
            raise Denied(invalid(("NotBlank", "destination", "destination alone")))
        for number, hook in access.tenant.hooks.items():
            if hook.destination == order["destination"]:
                del access.tenant.hooks[number]
                return Reply(204, kind="")
        raise Denied(problem(404, "Not Found", "No such webhook"))

    def users(self, access: Access) -> Reply:
        """``GET /users``."""
        if access.kind == "external":
            raise Denied(problem(403, "Forbidden", "Not for external integrations"))
        access.admin_only()
        access.known("page", "limit", "with")
        access.extras("role", "group", "uuid", "amojo_id", "user_rank", "phone_number")
        all_of_it = {key: "A" for key in ("view", "edit", "add", "delete", "export")}

        def told(user: Any) -> dict[str, Any]:
            rights = {"leads": all_of_it, "contacts": all_of_it, "companies": all_of_it, "mail_access": False}
            rights |= {"is_admin": user.is_admin, "is_free": user.is_free, "is_active": user.is_active}
            about = {"id": user.id, "name": user.name, "email": user.email, "lang": "ru"}
            return {**about, "rights": rights | {"group_id": None}, "_links": self_link(access, f"users/{user.id}")}

        return self.paged(access, "users", list(access.tenant.users.values()), told, counted=True)

    def pipelines(self, access: Access) -> Reply:
        """``GET /leads/pipelines``: all at once."""
        access.known()
        told = []
        for place, one in enumerate(access.tenant.pipelines):
            about = {"id": one["id"], "name": one["name"], "sort": place + 1, "is_main": place == 0}
            about |= {"is_unsorted_on": True, "is_archive": False, "account_id": access.tenant.id}
            statuses = [
                {**status, "is_editable": status["id"] not in (142, 143), "pipeline_id": one["id"], "color": "#99ccff"}
                | {"account_id": access.tenant.id}
                for status in one["statuses"]
            ]
            links = self_link(access, f"leads/pipelines/{one['id']}")
            told.append({**about, "_links": links, "_embedded": {"statuses": statuses}})
        links = self_link(access, "leads/pipelines")
        return Reply(200, {"_total_items": len(told), "_links": links, "_embedded": {"pipelines": told}})

    def unsorted(self, access: Access) -> Reply:
        """``GET /leads/unsorted``."""
        access.known("page", "limit", "filter[uid]", "filter[category]", "filter[pipeline_id]", "order[created_at]")
        wanted, kinds = access.request.many("filter[uid]"), access.request.many("filter[category]")

        def told(entry: dict[str, Any]) -> dict[str, Any]:
            lead = access.tenant.leads[entry["lead"]]
            links = {"contacts": lead.contacts, "leads": [lead.id], "companies": []}
            return {
                **{key: part for key, part in entry.items() if key != "lead"},
                **{"pipeline_id": lead.pipeline_id, "account_id": access.tenant.id},
                "_links": self_link(access, f"leads/unsorted/{entry['uid']}"),
                "_embedded": {
                    kind: [{"id": one, "_links": self_link(access, f"{kind}/{one}")} for one in numbers]
                    for kind, numbers in links.items()
                },
            }

        entries = [
            one
            for one in access.tenant.unsorted.values()
            if (not wanted or one["uid"] in wanted) and (not kinds or one["category"] in kinds)
        ]
        return self.paged(access, "unsorted", entries, told)

    def sources(self, access: Access) -> Reply:
        """``GET /sources``: those of the calling integration."""
        if access.kind == "external":
            raise Denied(problem(403, "Forbidden", "Not for external integrations"))
        access.known("filter[external_id]")
        own = [one for one in access.tenant.sources if one["integration"] == access.grant.integration]
        if not own:
            return self.absent()
        told = [
            {key: part for key, part in one.items() if key != "integration"} | {"_links": self_link(access, "sources")}
            for one in own
        ]
        links = self_link(access, "sources")
        return Reply(200, {"_total_items": len(told), "_links": links, "_embedded": {"sources": told}})

    def events(self, access: Access) -> Reply:
        """``GET /events``: newest first; those about talks are asked for as of contacts, whatever they tell."""
        access.known("page", "limit", "filter[type]", "filter[entity]", "filter[created_at]", "filter[id]")
        kinds, entities = access.request.many("filter[type]"), access.request.many("filter[entity]")
        first, last = access.between("created_at")
        hidden = TALK_EVENTS if self.switches["events"] != "all" else frozenset()
        found = [
            one
            for one in reversed(access.tenant.events)
            if one["type"] not in hidden
            and (not kinds or one["type"] in kinds)
            and (not entities or "contact" in entities)
            and first <= one["created_at"] <= last
        ]

        def told(one: dict[str, Any]) -> dict[str, Any]:
            about = {key: part for key, part in one.items() if key != "contact_id"}
            entity: dict[str, Any] = {"id": one["entity_id"]}
            entity["_links"] = self_link(access, f"{one['entity_type']}s/{one['entity_id']}")
            if one["entity_type"] != "contact":
                entity["linked_talk_contact_id"] = one["contact_id"]
            links = self_link(access, f"events/{one['id']}")
            return {**about, "account_id": access.tenant.id, "_links": links, "_embedded": {"entity": entity}}

        return self.paged(access, "events", found, told, MOST_EVENTS_A_PAGE)

    def buttons(self, access: Access) -> Reply:
        """``GET /website_buttons``."""
        access.admin_only()
        access.known("page", "limit", "with")
        asked = access.extras("scripts", "deleted")
        told = [self._told_button(access, one, "scripts" in asked) for one in access.tenant.buttons.values()]
        return self.paged(access, "website_buttons", told, dict)

    @staticmethod
    def _told_button(access: Access, button: dict[str, Any], script: bool) -> dict[str, Any]:
        about = {"account_id": access.tenant.id, "is_duplication_control_enabled": False, "name": ""}
        kept = {key: button[key] for key in ("source_id", "button_id", "creation_status", "pipeline_id")}
        line = f'<script>/* the snippet: id:"{button["button_id"]}" */</script>'
        return {**about, **kept, **({"script": line} if script else {})}

    def buttons_post(self, access: Access) -> Reply:
        """``POST /website_buttons``."""
        access.admin_only()
        order = access.json()
        sites = order.get("trusted_websites", []) if isinstance(order, dict) else None
        pipelines = [one["id"] for one in access.tenant.pipelines]
        if not isinstance(sites, list) or order.keys() - {"pipeline_id", "trusted_websites", "is_used_in_app"}:
            raise Denied(invalid(("InvalidType", "", "pipeline_id, trusted_websites, is_used_in_app")))
        if order.get("pipeline_id") not in pipelines:
            raise Denied(invalid(("NotSupportedChoice", "pipeline_id", "No such pipeline.")))
        if not sites and not order.get("is_used_in_app", False):
            raise Denied(invalid(("NotBlank", "trusted_websites", "This value should not be blank.")))
        if len(sites) > MOST_TRUSTED or not all(isinstance(one, str) and good_site(one) for one in sites):
            raise Denied(invalid(("InvalidValue", "trusted_websites", "Up to ten domains.")))
        source = self.make_button(access.tenant, order["pipeline_id"], sites)
        return Reply(202, {"source_id": source, "trusted_websites": sites})

    def make_button(self, tenant: Any, pipeline: int, sites: list[str]) -> int:
        """A button of a site; gives the id of its source."""
        source = self.state.next("source")
        about = {"source_id": source, "button_id": self.state.next("button"), "creation_status": "created"}
        tenant.buttons[source] = {**about, "pipeline_id": pipeline, "sites": list(sites), "online_chat": False}
        return source

    def _button(self, access: Access, source: str) -> dict[str, Any]:
        access.admin_only()
        button = access.tenant.buttons.get(int(source))
        if button is None:
            raise Denied(problem(404, "Not Found", "No such button"))
        return button

    def buttons_chat(self, access: Access, source: str) -> Reply:
        """``POST /website_buttons/{source_id}/online_chat``."""
        self._button(access, source)["online_chat"] = True
        return Reply(202, kind="")

    def buttons_patch(self, access: Access, source: str) -> Reply:
        """``PATCH /website_buttons/{source_id}``: more domains where there is one."""
        button, order = self._button(access, source), access.json()
        try:
            added = order["trusted_websites"]["add"]
        except (KeyError, TypeError):
            added = None
        if not isinstance(added, list) or not button["sites"] or not all(map(good_site, map(str, added))):
            raise Denied(invalid(("InvalidValue", "trusted_websites.add", "Domains, beside one that is there.")))
        button["sites"] += added
        return Reply(200, self._told_button(access, button, True))


def good_destination(address: Any) -> bool:
    """Whether a hook may go there: an address with a path, its domain neither Cyrillic nor punycode."""
    if not isinstance(address, str) or not address.isascii():
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    host = parts.hostname or ""
    return parts.scheme in ("http", "https") and bool(host) and "xn--" not in host and parts.path.startswith("/")


def good_site(domain: str) -> bool:
    """Whether this is a domain, and nothing but a domain."""
    return re.fullmatch(r"(?:[\w-]+\.)+[\w-]{2,}|localhost", domain) is not None
