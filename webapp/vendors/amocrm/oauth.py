"""The two token calls, through Authlib (contract, 1.4 to 1.11), and the "integration disabled" call's signature."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.common.urls import url_decode
from authlib.integrations.requests_client import OAuth2Session
from requests.adapters import BaseAdapter

from webapp.http import Client
from webapp.settings import Settings
from webapp.vendors.connection import Access, ConnectionProblem, Tokens

from . import assumptions
from .hosts import origin

#: Seconds to connect, and between two bytes of the answer. The lease that is held meanwhile is longer.
TIMEOUT = (3.05, 15)

#: The name under which Authlib is told how the secret is sent: inside a JSON body.
JSON_BODY = "json_body"

#: What the vendor hints at (contract, 1.5), as the codes that connection.py explains.
HINTS = (
    ("authorization code has expired", "code_expired"),
    ("authorization code has been revoked", "code_used"),
    ("decrypt the authorization code", "code_bad"),
    ("client_id", "client_id"),
    ("client_secret", "client_secret"),
    ("redirect uri", "redirect_uri"),
    ("invalid account", "wrong_account"),
    ("token has been revoked", "token_revoked"),
    ("invalid refresh token", "token_invalid"),
)


class _ThroughClient(BaseAdapter):
    """Sends Authlib's requests by the product's own client: allow-list, no redirects, an end to every answer."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def send(self, request: requests.PreparedRequest, timeout: Any = TIMEOUT, **_options: Any) -> requests.Response:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        return self._client.send(request.method or "POST", request.url or "", body, request.headers, timeout)

    def close(self) -> None:
        """Nothing is kept open."""


def exchange(client: Client, access: Access, code: str) -> Tokens:
    """Tokens for an authorization code. Raises ConnectionProblem."""
    session = _session(client, access)
    return _asked(
        lambda: session.fetch_token(
            access.token_url, grant_type="authorization_code", code=code, timeout=TIMEOUT, allow_redirects=False
        )
    )


def refresh(client: Client, access: Access) -> Tokens:
    """New tokens for the refresh token. A lost answer leaves it open whether the old token is spent, so it is tried
    once more (A-05); that it is dead is believed when it is said twice. Raises ConnectionProblem."""
    lost, dead = assumptions.TRIES_AFTER_LOST_ANSWER, assumptions.TRIES_AFTER_DEAD_TOKEN
    while True:
        try:
            return _refreshed(client, access)
        except ConnectionProblem as problem:
            if problem.code == "unreachable" and lost:
                lost -= 1
            elif problem.code in assumptions.DEAD_TOKEN and dead:
                dead -= 1
            elif problem.code in assumptions.DEAD_TOKEN:
                problem.spent = True
                raise
            elif problem.needs_consent and problem.code not in assumptions.WRONG_SETTINGS:
                again = assumptions.UNSURE_AGAIN
                raise ConnectionProblem(problem.code, detail=problem.detail, retry_after=again, unsure=True) from None
            else:
                raise


def _refreshed(client: Client, access: Access) -> Tokens:
    # A session anew: Authlib keeps what it has heard.
    session = _session(client, access)
    return _asked(
        lambda: session.refresh_token(
            access.token_url,
            refresh_token=access.tokens.refresh_token,
            timeout=TIMEOUT,
            allow_redirects=False,
        )
    )


def _session(client: Client, access: Access) -> OAuth2Session:
    def json_body(auth: Any, method: str, uri: str, headers: Any, body: str) -> tuple[str, Any, str]:
        form = dict(url_decode(body))
        form.update(client_id=auth.client_id, client_secret=auth.client_secret)
        form.setdefault("redirect_uri", access.redirect_uri)
        headers["Content-Type"] = "application/json"
        headers.pop("Content-Length", None)
        return uri, headers, json.dumps(form)

    session = OAuth2Session(
        access.client_id,
        access.client_secret,
        redirect_uri=access.redirect_uri,
        token_endpoint_auth_method=JSON_BODY,
    )
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _ThroughClient(client))
    session.register_client_auth_method((JSON_BODY, json_body))
    for hook in ("access_token_response", "refresh_token_response"):
        session.register_compliance_hook(hook, _refuse_errors)
    return session


def _refuse_errors(answer: requests.Response) -> requests.Response:
    """Their errors have no ``error`` key: without this Authlib would take one for a token. And it would keep the spent
    refresh token where an answer brings no new one."""
    if answer.status_code == 200:
        told = answer.json()
        if not isinstance(told, dict) or not all(_is_token(told.get(key)) for key in ("access_token", "refresh_token")):
            raise ConnectionProblem("token_incomplete", needs_consent=True)
        return answer
    hint = _hint(answer)
    if assumptions.needs_consent(answer.status_code):
        code = next((code for piece, code in HINTS if piece in hint.lower()), "token_refused")
        raise ConnectionProblem(code, detail=hint, needs_consent=True)
    seconds = answer.headers.get("Retry-After", "")
    wait = float(seconds) if seconds.isdecimal() else 30.0
    raise ConnectionProblem("busy" if answer.status_code == 429 else "server_error", retry_after=wait)


def _hint(answer: requests.Response) -> str:
    try:
        found = answer.json()
    except ValueError:
        return ""
    hint = found.get("hint") if isinstance(found, dict) else None
    return hint if isinstance(hint, str) else ""


def _asked(ask: Any) -> Tokens:
    """Ask for tokens."""
    try:
        told = ask()
    except (requests.RequestException, ValueError, TypeError, KeyError, AuthlibBaseError) as error:
        # No answer, half of one, or one that is no JSON: whether the vendor did it is unknown.
        raise ConnectionProblem("unreachable", detail=type(error).__name__, retry_after=30) from None
    expires_at = told.get("expires_at")
    moment = datetime.fromtimestamp(expires_at, UTC) if isinstance(expires_at, int | float) else None
    return Tokens(told["access_token"], told["refresh_token"], moment)


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def locate(client: Client, access: Access) -> str | None:
    """The account's host today, by its id in the token (contract, 1.11); None when that cannot be found out."""
    host, refresh_token = assumptions.claimed_host(claims(access.tokens.access_token)), access.tokens.refresh_token
    if host is None or refresh_token is None:
        return None
    scheme = "http" if access.url.startswith("http://") and ":" in host else "https"
    base = f"{scheme}://{host}" if scheme == "http" else origin(host)
    try:
        answer = client.send(
            "GET", base + "/oauth2/account/current/subdomain", headers={"X-Refresh-Token": refresh_token}
        )
        found = answer.json() if answer.status_code == 200 else {}
    except (requests.RequestException, ValueError):
        return None
    domain = found.get("domain") if isinstance(found, dict) else None
    return domain if isinstance(domain, str) else None


def claims(token: str) -> dict[str, Any]:
    """What is written in a token, unverified; empty for one that is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def consent_url(settings: Settings, client_id: str, state: str) -> str:
    """The consent page. ``post_message`` lets amoCRM redirect in the window that was opened: ours."""
    arguments = urlencode({"client_id": client_id, "state": state, "mode": "post_message"})
    page = settings.AMOCRM_OAUTH_URL
    return f"{page}{'&' if '?' in page else '?'}{arguments}"


def client_of(arguments: Mapping[str, str]) -> tuple[str, str]:
    """The integration's id and the account's that a call "disabled" names."""
    return arguments.get("client_uuid") or arguments.get("client_id") or "", arguments.get("account_id") or ""


def signed(arguments: Mapping[str, str], client_id: str, client_secret: str) -> bool:
    """True when the call is signed with this integration's secret (contract, 1.10)."""
    account = arguments.get("account_id", "")
    if not account.isascii() or not account.isdecimal() or not client_secret:
        return False
    message = f"{client_id}|{int(account)}".encode()
    wanted = hmac.new(client_secret.encode(), message, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted.encode(), arguments.get("signature", "").lower().encode())
