"""A stand-in for amoCRM: consent, tokens, API v4, hooks, and the people who write and answer (contract, section 7).

    with AmoDouble() as amo:
        integration = amo.create_integration(redirect_uri="http://127.0.0.1:8000/...")
        lead = amo.create_lead(contacts=[amo.create_contact("Мария", ["+79000000101"])["id"]])
        talk = amo.create_talk(lead["id"], origin="onlinechat")["id"]
        amo.close_talk(talk)                  # subscribed hooks are sent; gives how they were answered

The first account lives on the first port, where ``/oauth`` and ``/_control`` are too; ``create_tenant`` opens a port
for each further one. ``amo.domain`` is ``127.0.0.1:<port>``: the account's host for EXTRA_VENDOR_HOSTS and ``referer``;
``amo.oauth_url`` is for AMOCRM_OAUTH_URL. After reset there is one account and one integration (``amo.client_id``,
``amo.client_secret``); ``amo.set_redirect_uri(...)`` says where its consent leads back to.

Every action below is a method, and ``POST /_control/<method>`` with its arguments as a JSON object:

* amocrm_admin: create_tenant, update_tenant, move_tenant, create_user, update_user, create_integration,
  update_integration, issue_tokens (also long-lived), rotate_elsewhere, expire_tokens, revoke_token, disable,
  disabled_query, install_widget, install_external, send_secrets, disposable_token, create_field, delete_field,
  create_source, create_button
* amocrm_crm: create_contact, create_lead (``unsorted``), accept_unsorted, decline_unsorted, set_field, delete_lead,
  delete_contact, create_talk, update_talk, answer_talk, miss_talk, close_talk, rate_talk, reopen_talk, message
* amocrm_meta: set_meta, visitor_writes; ``take_site_lead`` and ``take_site_message`` are hooks for the site's stand-in
* amocrm_hooks: send_hook (anything, anywhere on this machine), flush_hooks, enable_hook, settle (wait until sent)

and besides:

* ``GET /_control/calls`` (``?route=``, ``?since=``), ``DELETE`` forgets them; ``GET /_control/counts``: calls by route
  and by route and account (``token.refresh:17029541``), ``pairs:<account>`` given, ``over_rate:<account>``,
  ``most_at_once`` of each, ``peak`` per second, ``slowest_hook_s`` (how long our slowest answer to a hook took).
* ``GET /_control/deliveries``: every attempt of a hook. ``GET /_control/state``: accounts, their leads, talks, hooks.
* ``POST /_control/faults`` ``{"faults": […]}`` queues, ``GET`` tells, ``DELETE`` clears: see amocrm_faults.
* ``POST /_control/config``: ``{"switches": {…}, "clock": {…}, "chaos": {…}, "reached_at": {…}}``: see amocrm_switches.
* ``POST /_control/reset``.

In Python: ``amo.faults.add([…])``, ``amo.configure({…})``, ``amo.recorder.calls``, ``.counts``, ``.most_at_once``,
``.peak(route)``, ``amo.deliveries``, ``amo.state``. Routes: ``consent``, ``token.code``, ``token.refresh``,
``token.bad``, ``subdomain``, and those of ROUTES below.

Stricter than amoCRM may be, because a mistake that it forgives today is a mistake: unknown parameters, keys of bodies
and parts of ``with`` are 400, a client without a name of its own (User-Agent) is 403.

By itself: ``python -m tests.doubles.amocrm --port 9300``.
"""

from __future__ import annotations

import inspect
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from . import amocrm_switches
from .amocrm_access import Denied
from .amocrm_core import ACTIONS
from .amocrm_faults import AFTER, Fault, instead, problem, unauthorized
from .amocrm_http import JSON, Record, Reply, Request
from .amocrm_meta import MetaPart
from .amocrm_state import State, Tenant
from .server import Refused, serve_alone

#: Routes of /api/v4: name, method, path, and the method that answers.
ROUTES: tuple[tuple[str, str, str, str], ...] = (
    ("account", "GET", "account", "account"),
    ("talk", "GET", "talks/(\\d+)", "talk"),
    ("talks", "GET", "talks", "talks"),
    ("talk.close", "POST", "talks/(\\d+)/close", "talk_close"),
    ("talk.messages", "GET", "talks/(\\d+)/messages", "talk_messages"),
    ("lead", "GET", "leads/(\\d+)", "lead"),
    ("leads", "GET", "leads", "leads"),
    ("leads.patch", "PATCH", "leads", "leads_patch"),
    ("leads.patch", "PATCH", "leads/(\\d+)", "leads_patch"),
    ("notes", "POST", "leads/(\\d+)/notes", "notes_post"),
    ("contact", "GET", "contacts/(\\d+)", "contact"),
    ("fields", "GET", "leads/custom_fields", "fields"),
    ("fields.post", "POST", "leads/custom_fields", "fields_post"),
    ("contact_fields", "GET", "contacts/custom_fields", "contact_fields"),
    ("webhooks", "GET", "webhooks", "webhooks"),
    ("webhooks.post", "POST", "webhooks", "webhooks_post"),
    ("webhooks.delete", "DELETE", "webhooks", "webhooks_delete"),
    ("users", "GET", "users", "users"),
    ("pipelines", "GET", "leads/pipelines", "pipelines"),
    ("unsorted", "GET", "leads/unsorted", "unsorted"),
    ("sources", "GET", "sources", "sources"),
    ("events", "GET", "events", "events"),
    ("buttons", "GET", "website_buttons", "buttons"),
    ("buttons.post", "POST", "website_buttons", "buttons_post"),
    ("buttons.chat", "POST", "website_buttons/(\\d+)/online_chat", "buttons_chat"),
    ("buttons.patch", "PATCH", "website_buttons/(\\d+)", "buttons_patch"),
)
_ROUTES = tuple((name, method, re.compile(f"/api/v4/{path}"), call) for name, method, path, call in ROUTES)

Control = Callable[[Request], Any]


class AmoDouble(MetaPart):
    """The whole of it."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.reset()

    @property
    def domain(self) -> str:
        """Host and port of the first account."""
        return self.state.tenant().domain

    @property
    def oauth_url(self) -> str:
        """The consent page."""
        return f"{self.url}/oauth"

    @property
    def client_id(self) -> str:
        """Of the first integration."""
        return self.state.integration().id

    @property
    def client_secret(self) -> str:
        """Of the first integration."""
        return self.state.integration().secret

    @property
    def tenant_id(self) -> int:
        """Of the first account."""
        return self.state.tenant().id

    def set_redirect_uri(self, address: str) -> None:
        """Where the first integration's consent leads back to."""
        self.update_integration({"redirect_uri": address})

    def reset(self) -> dict[str, Any]:
        """One account, one integration, defaults everywhere, nothing called; further ports are closed."""
        with self.lock:
            super().reset()
            self.state, self.switches = State(), amocrm_switches.defaults()
            self.ports, self.left, self.reached_at = {}, {}, {}
            self.faults.clear()
            self.recorder.clear()
            self.forget_rates()
            self._forget()
            gone, self._more = self._more, {}
            self.create_tenant(port=self.port)
            self.create_integration()
        for server in gone.values():
            threading.Thread(target=server.shutdown, daemon=True).start()
            server.server_close()
        return self._who()

    def _who(self) -> dict[str, Any]:
        tenants = [self.told_tenant(one) for one in self.state.tenants.values()]
        return {
            "tenants": tenants,
            "integrations": [self.told_integration(x) for x in self.state.integrations.values()],
        }

    def configure(self, order: dict[str, Any]) -> dict[str, Any]:
        """Switches, clock, chaos, and where the product's public addresses are. Raises Refused."""
        order = dict(order)
        switches = amocrm_switches.checked(order.pop("switches", {}))
        if "chaos" in order:
            self.faults.play(order.pop("chaos"))
        self.reached_at |= order.pop("reached_at", {})
        with self.lock:
            told = super().configure(order)
            self.switches |= switches
        return {**told, "switches": self.switches, **self.faults.told()}

    def handle(self, request: Request) -> Reply:
        """See Core."""
        if request.path.startswith("/_control/"):
            return self._control(request)
        tenant, name = self.tenant_at(request.port), self._name(request)
        number = tenant.id if tenant else self.left.get(request.port)
        record = self.recorder.begin(request, self.clock.now(), number)
        record.route = name
        keys = (name or "unknown", f"{name or 'unknown'}:{number}", "all")
        self.recorder.enter(*keys)
        try:
            reply = self._played(request, record, tenant, name)
        except Exception as error:
            reply = problem(500, "The stand-in is broken", f"{type(error).__name__}: {error}")
        finally:
            self.recorder.leave(*keys)
        record.ended, record.status, record.answer = time.monotonic(), reply.status, reply.bytes()
        if record.fault == "lost answer":
            reply.manner = "drop"
        return reply

    def _played(self, request: Request, record: Record, tenant: Tenant | None, name: str) -> Reply:
        fault: Fault | None = self.faults.take(name, tenant.id if tenant else None)
        record.fault = fault.do if fault else None
        if fault and fault.do not in AFTER:
            return instead(fault, self.switches["retry_after"], self.switches["retry_after_s"])
        if fault and fault.do == "slow":
            time.sleep(fault.seconds)
        with self.lock:
            reply = self._reply(request, tenant, name)
        if fault and fault.do == "late":
            time.sleep(fault.seconds)
        if fault and fault.do in ("half json", "reset", "slow body"):
            reply.manner, reply.seconds = fault.do.removesuffix(" json"), fault.seconds
        return reply

    def _reply(self, request: Request, tenant: Tenant | None, name: str) -> Reply:
        if name == "consent":
            return self.consent(request)
        if name == "subdomain":
            return self.subdomain(request)
        if request.port in self.left:
            gone = {"401": unauthorized(101), "404": problem(404, "Not Found", "No such account")}
            return gone.get(self.switches["moved"]) or Reply(500, manner="drop")
        if name.startswith("token"):
            return self.token(request, tenant)
        matching = [(one, match) for one in _ROUTES if (match := one[2].fullmatch(request.path))]
        if not matching:
            return problem(404, "Not Found", "No such page")
        for (_name, method, _path, call), match in matching:
            if method == request.method:
                try:
                    return getattr(self, call)(self.let_in(request, tenant), *match.groups())
                except Denied as denied:
                    return denied.reply
        return problem(405, "Method Not Allowed", f"No {request.method} here")

    def _name(self, request: Request) -> str:
        """The name of the route that a call is of."""
        if request.path == "/oauth" and request.method in ("GET", "POST"):
            return "consent"
        if request.path == "/oauth2/access_token" and request.method == "POST":
            try:
                grant = json.loads(request.body)["grant_type"]
            except (ValueError, KeyError, TypeError):
                grant = None
            return {"authorization_code": "token.code", "refresh_token": "token.refresh"}.get(str(grant), "token.bad")
        if request.path in ("/oauth2/account/current/subdomain", "/oauth2/account/subdomain"):
            return "subdomain"
        return next((one[0] for one in _ROUTES if one[1] == request.method and one[2].fullmatch(request.path)), "")

    def _control(self, request: Request) -> Reply:
        name = request.path.removeprefix("/_control/")
        table: dict[tuple[str, str], Control] = {
            ("POST", "config"): lambda one: self.configure(_order(one)),
            ("POST", "reset"): lambda _one: self.reset(),
            ("POST", "faults"): lambda one: self.faults.add(_order(one).get("faults")),
            ("GET", "faults"): lambda _one: self.faults.told(),
            ("DELETE", "faults"): lambda _one: self.faults.clear(),
            ("GET", "calls"): self._calls,
            ("DELETE", "calls"): lambda _one: self.recorder.clear(),
            ("GET", "counts"): lambda one: self._counts(one.one("route")),
            ("GET", "deliveries"): lambda _one: {"deliveries": [one.told() for one in list(self.deliveries)]},
            ("GET", "state"): lambda _one: self.told_state(),
        }
        try:
            if (request.method, name) in table:
                return Reply(200, table[request.method, name](request) or {}, JSON)
            if request.method == "POST" and name in ACTIONS:
                method, order = getattr(self, name), _order(request)
                try:
                    inspect.signature(method).bind(**order)
                except TypeError as error:
                    raise Refused(str(error)) from error
                return Reply(200, method(**order), JSON)
            return Reply(404, {"error": f"no {request.method} {request.path} here"}, JSON)
        except Refused as error:
            return Reply(400, {"error": str(error)}, JSON)
        except Exception as error:
            return Reply(500, {"error": f"{type(error).__name__}: {error}"}, JSON)

    def _calls(self, request: Request) -> dict[str, Any]:
        route, since = request.one("route"), int(request.one("since") or 0)
        calls = [one for one in list(self.recorder.calls) if one.number > since and route in (None, one.route)]
        return {"calls": [one.told() for one in calls]}

    def _counts(self, route: str | None) -> dict[str, Any]:
        counts = {"counts": dict(self.recorder.counts), "most_at_once": self.recorder.most_at_once}
        slowest = max((one.outcome.latency_s for one in list(self.deliveries)), default=0)
        return {**counts, "peak": self.recorder.peak(route), "slowest_hook_s": slowest}

    def told_state(self) -> dict[str, Any]:
        """Accounts and what is in them."""
        with self.lock:
            tenants = {
                str(one.id): {
                    **self.told_tenant(one),
                    "hooks": [asdict(hook) for hook in one.hooks.values()],
                    "leads": {str(key): asdict(lead) for key, lead in one.leads.items()},
                    "contacts": {str(key): asdict(contact) for key, contact in one.contacts.items()},
                    "talks": {str(key): asdict(talk) for key, talk in one.talks.items()},
                    "fields": {str(key): field for key, field in one.fields.items()},
                    **{"notes": dict(one.notes), "unsorted": one.unsorted, "messages": dict(one.messages)},
                }
                for one in self.state.tenants.values()
            }
        return {"tenants": tenants, "integrations": self._who()["integrations"], "clock": self.clock.now()}


def _order(request: Request) -> dict[str, Any]:
    try:
        order = json.loads(request.body or b"{}")
    except ValueError as error:
        raise Refused(f"the body is not JSON: {error}") from error
    if not isinstance(order, dict):
        raise Refused("the body must be a JSON object")
    return order


if __name__ == "__main__":
    serve_alone(AmoDouble, "amoCRM stand-in", 9300)
