"""Consent, codes and tokens of the amoCRM stand-in (contract, section 1)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

from .amocrm_core import Core
from .amocrm_faults import problem, refused_token, unauthorized
from .amocrm_http import HTML, JSON, Reply, Request
from .amocrm_state import ACCESS_SECONDS, CODE_SECONDS, REFRESH_SECONDS, Code, Grant, Integration, Tenant

#: What a code exchange and a refresh say, and nothing else.
COMMON = frozenset({"client_id", "client_secret", "grant_type", "redirect_uri"})
GRANTS = {"authorization_code": COMMON | {"code"}, "refresh_token": COMMON | {"refresh_token"}}

#: What generic clients add to the address of the consent page; not looked at.
IGNORED = frozenset({"response_type", "redirect_uri", "approval_prompt", "scope"})

PAGE = """<!doctype html><html lang="ru"><meta charset="utf-8"><title>amoCRM: доступ</title>
<body style="font-family: sans-serif; max-width: 30rem; margin: 3rem auto">{0}</body></html>"""

CHOICE = """<h1>Доступ к аккаунту</h1><p>Интеграция <b>{name}</b> просит доступ: {scopes}</p>
<form method="post" action="/oauth">{hidden}
<p><label>Аккаунт <select name="account">{accounts}</select></label></p>
<p><label>Пользователь <select name="user">{users}</select></label></p>
<p><button name="decision" value="approve">Разрешить</button> <button name="decision" value="deny">Отказать</button>
</p></form>"""

BACK = """<p><a id="back" href="{href}">Вернуться</a></p><script>
const back = document.getElementById("back").href;
if (window.opener) {{ window.opener.location = back; window.close(); }} else {{ location.replace(back); }}
</script>"""


class OAuthPart(Core):
    """See the module."""

    def consent(self, request: Request) -> Reply:
        """``GET /oauth`` shows or decides, ``POST /oauth`` is the click on its page."""
        clicked = request.method == "POST"
        asked = dict(parse_qsl(request.body.decode(), keep_blank_values=True) if clicked else request.query)
        unknown = asked.keys() - {"client_id", "state", "mode", "account", "user", "decision"} - IGNORED
        integration = self.state.integrations.get(asked.get("client_id", ""))
        if integration is None or unknown or asked.get("mode", "popup") not in ("popup", "post_message"):
            return _page(400, f"<h1>Некорректный запрос</h1><p>{html.escape(', '.join(sorted(unknown)))}</p>")
        tenants = [
            tenant
            for tenant in self.state.tenants.values()
            if tenant.exists and (integration.kind != "private" or tenant.id == integration.owner)
        ]
        if self.switches["consent"] == "click" and not clicked:
            return _page(200, _choice(integration, tenants, asked))
        wanted = int(asked.get("account") or self.switches["consent_tenant"])
        tenant = next((one for one in tenants if wanted in (0, one.id)), None)
        if tenant is None:
            return _page(403, "<h1>Этот аккаунт не может установить интеграцию</h1>")
        user = tenant.users.get(int(asked.get("user") or 0), tenant.admin)
        if tenant.id not in integration.installed and not user.is_admin:
            return _page(403, "<h1>Первая установка — администратором</h1>")
        denied = (asked.get("decision") or self.switches["consent"]) == "deny"
        back = self.denied_address(integration, asked) if denied else ""
        back = back or self.callback_address(tenant, integration, user.id, asked.get("state"))
        if clicked and asked.get("mode", "popup") == "popup":
            return _page(200, BACK.format(href=html.escape(back)))
        return Reply(302, headers={"Location": back}, kind="")

    def denied_address(self, integration: Integration, asked: dict[str, str]) -> str:
        """Back after a refusal: the error and the state alone."""
        return with_query(integration.redirect_uri, {"error": "access_denied", **self._state(asked.get("state"))})

    def callback_address(self, tenant: Tenant, integration: Integration, user: int, state: str | None) -> str:
        """Back after a consent, with a code of twenty minutes."""
        code = self.issue_code(tenant, integration, user)
        told = {"code": code, **self._referer(tenant), **self._state(state)}
        return with_query(integration.redirect_uri, {**told, **self._about(integration)})

    def widget_address(self, tenant: Tenant, integration: Integration) -> str:
        """What our server calls after a widget was installed: no state."""
        told = {"code": self.issue_code(tenant, integration, tenant.admin.id), **self._referer(tenant)}
        return with_query(integration.redirect_uri, {**told, **self._about(integration), "from_widget": "1"})

    def _about(self, integration: Integration) -> dict[str, str]:
        return {"platform": self.switches["platform"], "client_id": integration.id}

    def _state(self, state: str | None) -> dict[str, str]:
        if state is None or self.switches["callback_state"] == "missing":
            return {}
        return {"state": f"{state}x" if self.switches["callback_state"] == "changed" else state}

    def _referer(self, tenant: Tenant) -> dict[str, str]:
        switch = self.switches["callback_referer"]
        others = {
            "foreign": "amocrm.ru.evil.example",
            "port": f"{tenant.subdomain}.amocrm.ru:8443",
            "path": f"{tenant.domain}/@evil.example",
            "upper": f"{tenant.subdomain}.amocrm.ru".upper(),
            "idn": "пример.amocrm.ru",
        }
        if switch == "absent":
            return {}
        return {"referer": switch[1:] if switch.startswith("=") else others.get(switch, tenant.domain)}

    def issue_code(self, tenant: Tenant, integration: Integration, user: int) -> str:
        """A code; the switch ``code`` makes it one that will not be taken."""
        switch = self.switches["code"]
        others = [one for one in self.state.tenants.values() if one.id != tenant.id]
        owner = others[0].id if switch == "other account" and others else tenant.id
        age = CODE_SECONDS + 1 if switch == "expired" else 0
        text = "def502" + self.state.text("code", 600)
        code = Code(text, owner, integration.id, user, self.clock.now() - age, used=switch == "used")
        self.state.codes[text] = code
        integration.installed.add(tenant.id)
        return text[:-9] if switch == "garbled" else text

    def token(self, request: Request, tenant: Tenant | None) -> Reply:
        """``POST /oauth2/access_token``. The order of checks is ours."""
        order = self._token_order(request)
        if isinstance(order, Reply):
            return order
        integration = self.state.integrations.get(order["client_id"])
        if integration is None:
            return self._no("client_id")
        if not hmac.compare_digest(order["client_secret"].encode(), integration.secret.encode()):
            return self._no("client_secret")
        if order["redirect_uri"] != integration.redirect_uri:
            return self._no("redirect_uri")
        if tenant is None or not tenant.exists:
            return self._no("account")
        grant = (self._by_code if "code" in order else self._by_refresh)(order, integration, tenant)
        if isinstance(grant, str):
            return self._no(grant)
        self.recorder.note(f"pairs:{tenant.id}")
        return self._told(grant)

    def _token_order(self, request: Request) -> dict[str, str] | Reply:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        switch = self.switches["token_body"]
        if "authorization" in request.headers:
            return self._no("")
        if kind == "application/x-www-form-urlencoded" and switch == "form accepted":
            order: Any = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        elif kind != JSON:
            return refused_token("", 401 if switch == "form is 401" else 400)
        else:
            try:
                order = json.loads(request.body)
            except ValueError:
                return self._no("")
        grant = order.get("grant_type") if isinstance(order, dict) else None
        if GRANTS.get(str(grant)) != set(order or {}) or not all(isinstance(part, str) for part in order.values()):
            return self._no("")
        return order

    def _no(self, name: str) -> Reply:
        with_hint = self.switches["token_error_hint"] == "present"
        return refused_token(name, self.switches["token_error_status"], with_hint)

    def _by_code(self, order: dict[str, str], integration: Integration, tenant: Tenant) -> Grant | str:
        code = self.state.codes.get(order["code"])
        if code is None or code.integration != integration.id:
            return "code garbled"
        if code.tenant != tenant.id:
            return "account"
        if code.used:
            return "code used"
        if self.clock.now() - code.created_at > CODE_SECONDS:
            return "code expired"
        code.used = True
        return self.issue_pair(tenant, integration, code.user)

    def _by_refresh(self, order: dict[str, str], integration: Integration, tenant: Tenant) -> Grant | str:
        old = self.state.by_refresh.get(order["refresh_token"])
        if old is None or (old.integration, old.tenant) != (integration.id, tenant.id):
            return "token invalid"
        if old.revoked or self.clock.now() > old.refresh_until:
            return "token revoked"
        if old.exchanged_for is not None:
            if self.switches["old_refresh_token"] == "dead" or old.exchanged_for.used:
                return "token revoked"
            old.exchanged_for.revoked = True
        return self.exchange(old)

    def exchange(self, old: Grant) -> Grant:
        """A new pair for an old one."""
        old.used = True
        new = self.issue_pair(self.state.tenants[old.tenant], self.state.integrations[old.integration], old.user)
        new.as_admin, new.scopes, old.exchanged_for = old.as_admin, old.scopes, new
        old.access_revoked = self.switches["old_access_token"] == "dead"
        return new

    def issue_pair(self, tenant: Tenant, integration: Integration, user: int, seconds: float = 0) -> Grant:
        """Tokens; with ``seconds`` a long-lived one alone."""
        now, number = self.clock.now(), self.state.next("token")
        until = now + (seconds or ACCESS_SECONDS)
        admin = tenant.users[user].is_admin
        refresh = None if seconds else "def502" + self.state.text("refresh", 900)
        access = self._access_token(tenant, integration, user, now, until)
        about = (tenant.id, integration.id, user, admin, now, until, now + REFRESH_SECONDS, list(integration.scopes))
        grant = Grant(number, access, refresh, *about)
        self.state.by_access[access] = grant
        if refresh:
            self.state.by_refresh[refresh] = grant
        return grant

    def _access_token(self, tenant: Tenant, integration: Integration, user: int, now: float, until: float) -> str:
        if self.switches["token_reply"] == "opaque access token":
            return self.state.text("access", 80)
        domain = f"127.0.0.1:{self.port}" if self.switches["api_domain"] == "own" else "api.evil.example"
        claims = {
            **{"aud": integration.id, "jti": self.state.text("jti"), "iat": int(now), "nbf": int(now)},
            **{"exp": int(until), "sub": str(user), "grant_type": "", "account_id": tenant.id},
            **{"base_domain": "amocrm.ru", "version": 2, "scopes": integration.scopes},
            **{"hash_uuid": self.state.uuid("hash"), "api_domain": domain},
        }
        return jwt(claims, "the stand-in's own key", "RS256")

    def _told(self, grant: Grant) -> Reply:
        told: dict[str, Any] = {
            **{"token_type": "Bearer", "expires_in": ACCESS_SECONDS, "server_time": int(self.clock.now())},
            **{"access_token": grant.access, "refresh_token": grant.refresh},
        }
        switch = self.switches["token_reply"]
        if switch == "200 error":
            return Reply(200, refused_token("token revoked").value, JSON)
        if switch in ("no server_time", "no refresh_token"):
            del told[switch.removeprefix("no ")]
        if switch == "extra keys":
            told |= {"scope": "crm", "session": {"id": 1}, "base_domain": "amocrm.ru"}
        return Reply(200, told, JSON)

    def subdomain(self, request: Request) -> Reply:
        """Where an account lives now: by ``X-Refresh-Token``, or in the old way by an access token."""
        now, old_way = self.clock.now(), request.path.endswith("/account/subdomain")
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        token = bearer if old_way else request.headers.get("x-refresh-token", "")
        grant = (self.state.by_access if old_way else self.state.by_refresh).get(token)
        until = (grant.access_until if old_way else grant.refresh_until) if grant else 0
        if grant is None or grant.revoked or (not old_way and grant.exchanged_for) or now > until:
            return unauthorized()
        tenant = self.state.tenants[grant.tenant]
        if not tenant.exists:
            return problem(401, "Unauthorized", "Account not found", code=101)
        about = {"id": tenant.id, "subdomain": tenant.subdomain, "domain": tenant.domain, "top_level_domain": "ru"}
        return Reply(200, about, JSON)


def with_query(address: str, query: dict[str, str]) -> str:
    """An address with more parameters."""
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"


def jwt(claims: dict[str, Any], key: str, algorithm: str = "HS256") -> str:
    """A token; only HS256 is signed in truth."""
    head = {"typ": "JWT", "alg": algorithm}
    said = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
    return f"{said}.{_base64(hmac.digest(key.encode(), said.encode(), hashlib.sha256))}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _page(status: int, content: str) -> Reply:
    return Reply(status, content=PAGE.format(content).encode(), kind=HTML)


def _choice(integration: Integration, tenants: list[Tenant], asked: dict[str, str]) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(asked[name])}">'
        for name in ("client_id", "state", "mode")
        if name in asked
    )
    accounts = "".join(f'<option value="{one.id}">{html.escape(one.name)}</option>' for one in tenants)
    users = "".join(
        f'<option value="{user.id}">{html.escape(user.name)}</option>' for one in tenants for user in one.users.values()
    )
    about = {"name": html.escape(integration.name), "scopes": html.escape(", ".join(integration.scopes))}
    return CHOICE.format(hidden=hidden, accounts=accounts, users=users, **about)
