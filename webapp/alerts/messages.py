"""Tells of alerts: by mail, and by a signed webhook to an address of the account's own."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import requests
from flask import current_app
from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy.orm import Session, scoped_session

from webapp import mail, queue
from webapp.http import ANYBODY, Client, PrivateAddress, Refused
from webapp.models import Account, Alert, AlertMessage, AlertSetting, utc_now
from webapp.settings import Settings

from .checks import BY_NAME

#: Seconds before each further attempt; after the last one a message is given up.
PAUSES = (60, 300, 1800, 7200, 21600)

#: A receiver need not read more than this says.
TIMEOUT = (3.05, 10)


class NotTold(RuntimeError):
    """A message was not taken. The text is a code, see ``webapp.views.alerts.ERRORS``; ``final``: trying is no use."""

    def __init__(self, code: str, *, final: bool = False) -> None:
        super().__init__(code)
        self.code, self.final = code, final


def settings() -> Settings:
    """The settings of the running application."""
    return current_app.config["SETTINGS"]


def sentence(alert: Alert) -> str:
    """What is wrong, in the current language."""
    check = BY_NAME.get(alert.name)
    return check.says(alert.facts) if check else alert.name


def tell(
    session: Session | scoped_session[Any],
    account: Account,
    setting: AlertSetting,
    event: str,
    alert: Alert | None = None,
) -> int:
    """Write a message for each way the account has chosen, and let a worker send them; gives how many. The caller
    commits. Without an alert it is a test."""
    body = _body(account, setting, event, alert)
    ways = [("email", bool(setting.emails)), ("webhook", bool(setting.webhook_url))]
    chosen = [way for way, wanted in ways if wanted]
    for way in chosen:
        message = AlertMessage(account_id=account.id, way=way, event=event, body=body)
        session.add(message)
        session.flush()
        queue.enqueue(session, "send_alert", message.id)
    return len(chosen)


def send(way: str, number: int, body: dict[str, Any], setting: AlertSetting) -> None:
    """Send a message now. Raises NotTold. Speaks to somebody else's server: no transaction may be open."""
    if way == "email":
        _mail(body, setting)
    else:
        _post(number, body, setting)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What a receiver compares: HMAC-SHA256 of "timestamp.body"."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _body(account: Account, setting: AlertSetting, event: str, alert: Alert | None) -> dict[str, Any]:
    with force_locale(setting.language):
        text = sentence(alert) if alert else _("Это проверка: оповещения доходят.")
        title = str(BY_NAME[alert.name].title) if alert else _("Проверка оповещений")
        if event == "closed":
            title = _("Уже в порядке: %(title)s", title=title)
    url = settings().PUBLIC_URL
    return {
        "event": f"alert.{event}",
        "account": account.slug,
        "check": alert.name if alert else None,
        "subject": alert.subject if alert else None,
        "title": title,
        "text": text,
        "at": utc_now().isoformat(timespec="seconds"),
        "url": f"{url}/a/{account.slug}/alerts" if url else None,
    }


def _mail(body: dict[str, Any], setting: AlertSetting) -> None:
    with force_locale(setting.language):
        lines = [
            body["text"],
            "",
            body["url"] or "",
            _("Оповещения выбирают в настройках кабинета %(slug)s.", slug=body["account"]),
        ]
    try:
        mail.send(settings(), setting.emails, f"Leadtrail: {body['title']}", "\n".join(lines))
    except mail.NotSent as error:
        raise NotTold(str(error), final=str(error) in ("no_server", "no_tls")) from error


def _post(number: int, body: dict[str, Any], setting: AlertSetting) -> None:
    data = json.dumps({"id": str(number), **body}, ensure_ascii=False).encode()
    # Of this attempt: a receiver may refuse what was signed long ago.
    timestamp = str(int(utc_now().timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Leadtrail",
        "X-Leadtrail-Timestamp": timestamp,
        "X-Leadtrail-Signature": signature(setting.webhook_secret or "", timestamp, data),
    }
    client = Client((ANYBODY,), settings().EXTRA_VENDOR_HOSTS)
    try:
        answer = client.send("POST", setting.webhook_url or "", data, headers, TIMEOUT)
    except (Refused, PrivateAddress) as error:
        raise NotTold("not_allowed", final=True) from error
    except requests.Timeout as error:
        raise NotTold("timeout") from error
    except requests.RequestException as error:
        raise NotTold("unreachable") from error
    if not 200 <= answer.status_code < 300:
        raise NotTold(f"status_{answer.status_code}")
