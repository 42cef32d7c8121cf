"""What happens around an account of the amoCRM stand-in: accounts, people, integrations, tokens, moves, fields."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, fields
from typing import Any
from urllib.parse import urlencode

from .amocrm_core import action
from .amocrm_lists import ListPart
from .amocrm_oauth import jwt
from .amocrm_state import Grant, Integration, Tenant, User, found
from .server import Refused

Told = dict[str, Any]

WIDGET_SECONDS = 3
DISABLED_AGENT = "amoService-oAuth-Code-Sender/1.0"
DISPOSABLE_SECONDS = 30 * 60


class AdminPart(ListPart):
    """See the module."""

    @action
    def create_tenant(
        self,
        subdomain: str | None = None,
        tenant: int | None = None,
        link: str | None = None,
        name: str | None = None,
        port: int | None = None,
    ) -> Told:
        """An account on a port of its own. ``link`` is what it calls itself in hooks and answers (its real address
        unless said); ``port`` only for the first account, which lives on the first port."""
        with self.lock:
            place = port or self.open_port()
            number = len(self.state.tenants)
            made = self.state.make_tenant(place, subdomain or f"example{number or ''}", tenant, link, name)
            self.ports[place] = made.id
            return self.told_tenant(made)

    def told_tenant(self, tenant: Tenant) -> Told:
        """What a test must know of an account."""
        about = {"id": tenant.id, "domain": tenant.domain, "url": f"http://{tenant.domain}", "link": tenant.link}
        return {**about, "subdomain": tenant.subdomain, "admin": tenant.admin.id, "banned_until": self._ban(tenant)}

    def _ban(self, tenant: Tenant) -> float:
        return self.banned_until.get(tenant.id, 0)

    @action
    def update_tenant(self, values: Told, tenant: int | None = None) -> Told:
        """``paid``, ``ip_filter``, ``plan`` (base, advanced, pro), ``exists``, ``subdomain``, ``name``, ``link``,
        ``timezone``; ``banned`` lifts or sets a ban of an hour."""
        with self.lock:
            account = self.state.tenant(tenant)
            values = dict(values)
            if "banned" in values:
                self.banned_until[account.id] = self.clock.now() + 3600 if values.pop("banned") else 0
            if values.keys() - {"paid", "ip_filter", "plan", "exists", "subdomain", "name", "link", "timezone"}:
                raise Refused(f"an account has no {', '.join(values)}")
            for key, value in values.items():
                setattr(account, key, value)
            return self.told_tenant(account)

    @action
    def move_tenant(self, subdomain: str | None = None, tenant: int | None = None) -> Told:
        """An account gets another domain; the old one answers as the switch ``moved`` says."""
        with self.lock:
            account = self.state.tenant(tenant)
            old = account.port
            self.ports.pop(old)
            self.left[old] = account.id
            account.port = self.open_port()
            self.ports[account.port] = account.id
            account.subdomain = subdomain or f"{account.subdomain}-moved"
            if account.link == f"http://127.0.0.1:{old}":
                account.link = f"http://{account.domain}"
            return self.told_tenant(account)

    @action
    def create_user(
        self, name: str = "Олег Менеджер", is_admin: bool = False, is_free: bool = False, tenant: int | None = None
    ) -> Told:
        """One more user."""
        with self.lock:
            return asdict(self.state.make_user(self.state.tenant(tenant), name, is_admin=is_admin, is_free=is_free))

    @action
    def update_user(self, user: int, values: dict[str, bool], tenant: int | None = None) -> Told:
        """``is_admin``, ``is_active``, ``is_free``."""
        with self.lock:
            one: User = found(self.state.tenant(tenant).users, user, "user")
            for key, value in values.items():
                if key not in ("is_admin", "is_active", "is_free"):
                    raise Refused(f"no {key}")
                setattr(one, key, value)
            return asdict(one)

    @action
    def create_integration(
        self,
        redirect_uri: str = "",
        kind: str = "private",
        name: str = "Leadtrail",
        scopes: list[str] | None = None,
        disabled_hook_uri: str | None = None,
        tenant: int | None = None,
    ) -> Told:
        """An integration with its id and secret key. ``redirect_uri`` must be what the product sends, to the letter."""
        if kind not in ("private", "public", "external"):
            raise Refused(f"no kind {kind!r}")
        with self.lock:
            owner = self.state.tenant(tenant)
            number, secret = self.state.uuid("integration"), self.state.text("secret")
            about = (redirect_uri, kind, owner.id, name, scopes or ["crm", "notifications"], disabled_hook_uri)
            self.state.integrations[number] = Integration(number, secret, *about)
            return self.told_integration(self.state.integrations[number])

    @staticmethod
    def told_integration(integration: Integration) -> Told:
        """What a test must know of an integration."""
        told = {one.name: getattr(integration, one.name) for one in fields(integration) if one.name != "installed"}
        about = {"client_id": integration.id, "client_secret": integration.secret}
        return {**told, **about, "installed": sorted(integration.installed)}

    @action
    def update_integration(self, values: Told, integration: str | None = None) -> Told:
        """``redirect_uri``, ``secret`` (rotated), ``scopes``, ``disabled_hook_uri``, ``kind``."""
        with self.lock:
            one = self.state.integration(integration)
            for key, value in values.items():
                if key not in ("redirect_uri", "secret", "scopes", "disabled_hook_uri", "kind"):
                    raise Refused(f"an integration has no {key}")
                setattr(one, key, value)
            return self.told_integration(one)

    def _grants(self, tenant: Tenant, integration: Integration) -> list[Grant]:
        every = self.state.by_access.values()
        return [one for one in every if (one.tenant, one.integration) == (tenant.id, integration.id)]

    @staticmethod
    def told_grant(grant: Grant) -> Told:
        """Tokens as a test needs them."""
        about = {"access_token": grant.access, "refresh_token": grant.refresh, "number": grant.number}
        return {
            **about,
            "expires_at": int(grant.access_until),
            "expires_in": int(grant.access_until - grant.created_at),
        }

    @action
    def issue_tokens(
        self,
        user: int | None = None,
        long_lived_days: float = 0,
        tenant: int | None = None,
        integration: str | None = None,
    ) -> Told:
        """A pair without a consent, or a long-lived token as «Ключи» gives one."""
        with self.lock:
            account, one = self.state.tenant(tenant), self.state.integration(integration)
            one.installed.add(account.id)
            grant = self.issue_pair(account, one, user or account.admin.id, long_lived_days * 86_400)
            return self.told_grant(grant)

    @action
    def rotate_elsewhere(self, tenant: int | None = None, integration: str | None = None) -> Told:
        """Somebody else exchanges the newest refresh token: what the product holds is dead."""
        with self.lock:
            live = [
                one
                for one in self._grants(self.state.tenant(tenant), self.state.integration(integration))
                if one.refresh and not one.exchanged_for and not one.revoked
            ]
            if not live:
                raise Refused("no live pair")
            return self.told_grant(self.exchange(live[-1]))

    @action
    def expire_tokens(self, refresh: bool = False, tenant: int | None = None, integration: str | None = None) -> Told:
        """Access tokens end now; with ``refresh`` refresh tokens too."""
        with self.lock:
            grants = self._grants(self.state.tenant(tenant), self.state.integration(integration))
            for grant in grants:
                grant.access_until = min(grant.access_until, self.clock.now() - 1)
                if refresh:
                    grant.refresh_until = grant.access_until
            return {"expired": len(grants)}

    @action
    def revoke_token(self, access_token: str) -> Told:
        """One token is withdrawn under «Выданные доступы»."""
        with self.lock:
            found(self.state.by_access, access_token, "token").revoked = True
            return {}

    @action
    def disable(self, tenant: int | None = None, integration: str | None = None) -> Told:
        """The integration is switched off in an account: tokens die, hooks vanish (switch), and its URL is called."""
        with self.lock:
            account, one = self.state.tenant(tenant), self.state.integration(integration)
            for grant in self._grants(account, one):
                grant.revoked = True
            one.installed.discard(account.id)
            if self.switches["hooks_when_disabled"] == "vanish":
                account.hooks = {key: hook for key, hook in account.hooks.items() if hook.integration != one.id}
            address = one.disabled_hook_uri
        if not address:
            return {"calls": []}
        query = self.disabled_query(account.id, one.id)
        times = 2 if self.switches["disabled_hook"] == "replayed" else 1
        target = f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"
        headers = {"User-Agent": DISABLED_AGENT}
        return {"query": query, "calls": [self.request("GET", target, headers).told() for _ in range(times)]}

    @action
    def disabled_query(self, tenant: int | None = None, integration: str | None = None) -> Told:
        """The parameters of that call, signed with the client secret over ``client_id|account_id``."""
        with self.lock:
            number, one = self.state.tenant(tenant).id, self.state.integration(integration)
            switch = self.switches["disabled_hook"]
            if switch == "unknown account":
                number += 1_000_000
            signed = hmac.new(one.secret.encode(), f"{one.id}|{number}".encode(), hashlib.sha256).hexdigest()
            if switch == "wrong":
                signed = hmac.new(b"another secret", f"{one.id}|{number}".encode(), hashlib.sha256).hexdigest()
            key = "client_id" if switch == "client_id" else "client_uuid"
            return {"account_id": str(number), key: one.id, "signature": signed}

    @action
    def install_widget(self, tenant: int | None = None, integration: str | None = None) -> Told:
        """A widget is installed: our server calls the redirect URI once, without a state, and ignores the answer."""
        with self.lock:
            address = self.widget_address(self.state.tenant(tenant), self.state.integration(integration))
        return {"address": address, **self.request("GET", address, {}, timeout=WIDGET_SECONDS).told()}

    @action
    def install_external(
        self, redirect_uri: str, secrets_uri: str, state: str | None = None, tenant: int | None = None
    ) -> Told:
        """The site's button is clicked and allowed: new keys go to ``secrets_uri``, and the browser to ``redirect``.
        The switch ``secrets_hook`` says in which order; with "after" the browser is to come first, so call
        ``send_secrets`` when it has."""
        made = self.create_integration(redirect_uri, "external", tenant=tenant)
        with self.lock:
            account, one = self.state.tenant(tenant), self.state.integration(made["id"])
            back = self.callback_address(account, one, account.admin.id, state)
        switch = self.switches["secrets_hook"]
        sent = None if switch == "after" else self.send_secrets(secrets_uri, one.id, state)
        return {**made, "redirect": None if switch == "without the redirect" else back, "secrets": sent}

    @action
    def send_secrets(self, secrets_uri: str, integration: str, state: str | None = None) -> Told:
        """The keys of an external integration, as JSON."""
        with self.lock:
            one = self.state.integration(integration)
            said = f"{state}x" if self.switches["secrets_hook"] == "wrong state" else state
            body = json.dumps({"client_id": one.id, "client_secret": one.secret, "state": said}).encode()
        return self.request("POST", secrets_uri, {"Content-Type": "application/json"}, body).told()

    @action
    def disposable_token(
        self, user: int | None = None, tenant: int | None = None, integration: str | None = None
    ) -> Told:
        """The value of X-Auth-Token that a widget sends for half an hour."""
        with self.lock:
            account, one = self.state.tenant(tenant), self.state.integration(integration)
            now = int(self.clock.now())
            base = "/".join(one.redirect_uri.split("/")[:3])
            claims = {
                **{"iss": account.link, "aud": base, "jti": self.state.uuid("jti"), "iat": now, "nbf": now},
                **{"exp": now + DISPOSABLE_SECONDS, "account_id": account.id, "user_id": user or account.admin.id},
                **{"subdomain": account.subdomain, "client_uuid": one.id},
            }
            return {"token": jwt(claims, one.secret), "claims": claims}

    @action
    def create_field(
        self,
        name: str = "UIS session",
        type: str = "text",
        code: str | None = None,
        group_id: str | None = None,
        is_api_only: bool = False,
        contacts: bool = False,
        times: int = 1,
        tenant: int | None = None,
    ) -> Told:
        """A custom field of leads (or of contacts), or many that are numbered."""
        with self.lock:
            account = self.state.tenant(tenant)
            order = {"type": type, "code": code, "group_id": group_id, "is_api_only": is_api_only}
            made = [
                self.state.make_field(
                    account,
                    {**order, "name": name if times == 1 else f"{name} {place}"},
                    "contacts" if contacts else "leads",
                )
                for place in range(1, times + 1)
            ]
            return {"id": made[0]["id"], "ids": [one["id"] for one in made]}

    @action
    def delete_field(self, field: int | None = None, tenant: int | None = None) -> Told:
        """A field of leads is deleted with its values; all of them without ``field``."""
        with self.lock:
            account = self.state.tenant(tenant)
            gone = list(account.fields) if field is None else [found(account.fields, field, "field")["id"]]
            for number in gone:
                del account.fields[number]
                for lead in account.leads.values():
                    lead.values.pop(number, None)
            return {"deleted": gone}

    @action
    def create_source(
        self,
        name: str = "Лендинг",
        origin_code: str | None = None,
        tenant: int | None = None,
        integration: str | None = None,
    ) -> Told:
        """A source of an integration."""
        with self.lock:
            account, one = self.state.tenant(tenant), self.state.integration(integration)
            number = self.state.next("source")
            about = {"id": number, "name": name, "pipeline_id": account.pipelines[0]["id"], "external_id": str(number)}
            more = {"default": False, "origin_code": origin_code, "services": [], "integration": one.id}
            account.sources.append(about | more)
            return {"id": number}

    @action
    def create_button(self, sites: list[str] | None = None, tenant: int | None = None) -> Told:
        """A site button."""
        with self.lock:
            account = self.state.tenant(tenant)
            source = self.make_button(account, account.pipelines[0]["id"], sites or ["shop.example"])
            return {"source_id": source, "button_id": account.buttons[source]["button_id"]}
