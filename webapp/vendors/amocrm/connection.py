"""amoCRM's server, as the rest of the product sees it (webapp.vendors.connection.Connection)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from webapp.http import Client
from webapp.settings import Settings
from webapp.vendors.connection import (
    Access,
    ConnectionProblem,
    Ended,
    Finding,
    Known,
    LeadField,
    Link,
    Tokens,
    VendorAccount,
)

from . import assumptions, fields, looking, oauth, talks
from . import hosts as addresses
from .api import ACCOUNT, Api, items
from .values import line, number
from .words import CONNECT_STEPS, FIELD_GROUPS, FIELD_KINDS, FIELD_PROBLEMS, HOOK_HINT, PROBLEMS

#: What our own hook is subscribed to, and what brings the text of a talk (contract, 2.1).
EVENTS = ("update_talk",)
TEXT_EVENTS = ("add_message",)

_WEBHOOKS = "/api/v4/webhooks"


class AmocrmConnection:
    """Implements webapp.vendors.connection.Connection."""

    hosts = addresses.HOSTS
    looks_per_second = assumptions.REQUESTS_PER_SECOND / looking.MOST_CALLS
    url_template, token_url_template = addresses.urls("")
    url_label = "AmoCRM URL"
    hook_hint = HOOK_HINT
    steps = CONNECT_STEPS
    illustration = "vendors/amocrm_keys.svg.j2"

    def clean_domain(self, written: str, extra: Iterable[str]) -> str:
        """See Connection.clean_domain."""
        return addresses.clean_domain(written, extra)

    def urls(self, domain: str) -> tuple[str, str]:
        """See Connection.urls."""
        return addresses.urls(domain)

    def check_url(self, url: str, extra: Iterable[str]) -> str:
        """See Connection.check_url."""
        return addresses.check_url(url, extra)

    def consent_url(self, settings: Settings, client_id: str, state: str) -> str:
        """See Connection.consent_url."""
        return oauth.consent_url(settings, client_id, state)

    def exchange(self, client: Client, access: Access, code: str) -> Tokens:
        """See Connection.exchange."""
        return oauth.exchange(client, access, code)

    def refresh(self, client: Client, access: Access) -> Tokens:
        """See Connection.refresh."""
        return oauth.refresh(client, access)

    def locate(self, client: Client, access: Access) -> str | None:
        """See Connection.locate."""
        return oauth.locate(client, access)

    def signed(self, arguments: Mapping[str, str], client_id: str, client_secret: str) -> bool:
        """See Connection.signed."""
        return oauth.signed(arguments, client_id, client_secret)

    def client_of(self, arguments: Mapping[str, str]) -> tuple[str, str]:
        """See Connection.client_of."""
        return oauth.client_of(arguments)

    def account(self, link: Link) -> VendorAccount:
        """See Connection.account."""
        told = Api(link, knocks=True).get(ACCOUNT) or {}
        account_id = number(told.get("id"))
        if account_id is None:
            raise ConnectionProblem("unreadable", retry_after=30)
        name = line(told.get("name")) or line(told.get("subdomain")) or account_id
        return VendorAccount(account_id, name)

    def fields(self, link: Link) -> list[LeadField]:
        """See Connection.fields."""
        return fields.lead_fields(Api(link))

    def create_field(self, link: Link) -> LeadField:
        """See Connection.create_field."""
        return fields.create_field(Api(link))

    def clear_field(self, link: Link, lead: str, field: int) -> None:
        """See Connection.clear_field."""
        fields.clear_field(Api(link), lead, field)

    def hook(self, link: Link, address: str) -> str:
        """See Connection.hook."""
        found = Api(link).get(f"{_WEBHOOKS}?{urlencode({'filter[destination]': address})}")
        ours = next((row for row in items(found, "webhooks") if row.get("destination") == address), None)
        if ours is None:
            return "missing"
        if ours.get("disabled"):
            return "disabled"
        settings = ours.get("settings")
        return "ok" if isinstance(settings, list) and set(EVENTS) <= set(settings) else "incomplete"

    def subscribe(self, link: Link, address: str, with_text: bool) -> str:
        """See Connection.subscribe. The same address again only gets new events (contract, 2.7)."""
        settings = [*EVENTS, *(TEXT_EVENTS if with_text else ())]
        body = {"destination": address, "settings": settings, "sort": 10}
        try:
            Api(link).call("POST", _WEBHOOKS, body)
        except ConnectionProblem as problem:
            if not with_text or problem.code != "bad_request":
                raise
            # Events of messages are not in the vendor's Russian list: without them the talks still come.
            Api(link).call("POST", _WEBHOOKS, body | {"settings": [*EVENTS]})
        return self.hook(link, address) if assumptions.READ_HOOK_AFTER_POST else "ok"

    def look(self, link: Link, known: Known, options: Mapping[str, Any], region: str, now: datetime) -> Finding:
        """See Connection.look."""
        return looking.look(Api(link), link.access().url, known, options, region, now)

    def closed_since(self, link: Link, since: datetime, until: datetime, cursor: str | None) -> Ended:
        """See Connection.closed_since."""
        return talks.closed_since(Api(link), since, until, cursor)

    def explain(self, code: str) -> Any:
        """See Connection.explain."""
        return PROBLEMS.get(code, PROBLEMS["bad_request"])

    def field_problem(self, code: str) -> Any:
        """See Connection.field_problem."""
        return FIELD_PROBLEMS.get(code, code)

    def field_group(self, group: str | None) -> Any:
        """See Connection.field_group. Groups that users made are told by number only."""
        return FIELD_GROUPS.get(group or "")

    def field_kind(self, kind: str) -> Any:
        """See Connection.field_kind."""
        return FIELD_KINDS.get(kind, kind)
