"""What the integration page tells: how it stands, what is needed, which messengers were seen, the latest test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import func, select

from webapp import events
from webapp.cabinets import Need, cabinet_of
from webapp.extensions import db
from webapp.models import (
    Account,
    AuthorizationState,
    Communication,
    EventState,
    Integration,
    WebhookEvent,
    event_communication,
)
from webapp.report import counting
from webapp.report.filters import Filters
from webapp.report.periods import today
from webapp.vendors import registry

#: How far the counts beside the messengers look back.
RECENT = timedelta(days=30)

#: When nothing has come for so long, the page says what may be wrong.
PATIENCE = timedelta(minutes=5)

#: A count is shown up to here.
LARGEST_COUNT = 10_000


@dataclass(frozen=True)
class Status:
    """The state of an integration in one pill."""

    state: str
    text: str


def status(integration: Integration) -> Status:
    """Not set up, waiting, works, off, or something wrong."""
    failed, stored = _events(integration, EventState.FAILED), _events(integration, EventState.STORED)
    if not integration.active:
        if stored:
            return Status(
                "attention", ngettext("Выключена · ждёт %(num)s событие", "Выключена · ждут %(num)s событий", stored)
            )
        return Status("quiet", _("Выключена") if integration.saved_at else _("Не настроена"))
    trouble = _trouble(integration)
    if trouble:
        return trouble
    if failed:
        return Status("refused", ngettext("%(num)s событие с ошибкой", "%(num)s событий с ошибкой", failed))
    today = today_count(integration)
    if today:
        return Status(
            "ok", ngettext("Работает · %(num)s обращение сегодня", "Работает · %(num)s обращений сегодня", today)
        )
    if not integration.saved_at:
        return Status("attention", _("Включена, но не настроена"))
    if latest(integration) is None:
        return Status("attention", _("Ждёт первый чат"))
    return Status("ok", _("Работает · сегодня обращений не было"))


def _trouble(integration: Integration) -> Status | None:
    """What keeps a connection from working, if it has one."""
    if registry()[integration.vendor].connection is None:
        return None
    authorization = integration.authorization
    if authorization is not None and authorization.state == AuthorizationState.BROKEN:
        return Status("refused", _("Авторизация не работает"))
    if not is_connected(integration) and integration.saved_at:
        return Status("attention", _("Авторизация не подключена: контакты и сессии не читаются"))
    if integration.hook_state in ("disabled", "missing"):
        return Status("refused", _("Вебхук не подписан"))
    return None


def is_connected(integration: Integration) -> bool:
    """True when the vendor's server may be asked, or need not be."""
    if registry()[integration.vendor].connection is None:
        return True
    return integration.authorization is not None and integration.authorization.connected


def today_count(integration: Integration) -> int:
    """Communications of this day in the account's zone, tests left out."""
    now = datetime.now(ZoneInfo(integration.account.timezone))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return _count(
        select(Communication.id).where(
            Communication.of(integration),
            Communication.started_at >= midnight,
            Communication.is_test.is_(False),
        )
    )


def needs(integration: Integration) -> list[Need]:
    """«Что понадобится»: the cabinet's side as far as it can be checked, the vendor's for the user to check (J9)."""
    cabinet = cabinet_of(integration.account)
    vendor = registry()[integration.vendor]
    return [*cabinet.needs(db.session(), integration), *(Need("unknown", text) for text in vendor.guide.needs)]


def steps(integration: Integration, found: Communication | None, script_state: str) -> list[dict[str, Any]]:
    """The five steps: what is done, what is next. ``script_state`` is that of ``site_script.SiteScript``."""
    saved = integration.saved_at is not None
    rows = [
        ("active", _("Активен"), integration.active),
        ("settings", _("Настройки"), saved and is_connected(integration)),
        ("save", _("Сохранить"), saved),
        ("script", _("Скрипт"), script_state == "done"),
        ("test", _("Проверка"), found is not None),
    ]
    current = next((key for key, _title, is_done in rows if not is_done and key != "script"), None)
    return [
        {
            "key": key,
            "title": title,
            "href": f"#{key}",
            "state": "done" if is_done else "current" if key == current else "todo",
        }
        | ({"state": "problem"} if key == "script" and script_state == "problem" else {})
        for key, title, is_done in rows
    ]


def seen_channels(account: Account) -> dict[int, dict[str, int]]:
    """Communications of the last 30 days by integration and channel, the most frequent first, as the counters know."""
    since = today(account.timezone) - RECENT
    counts = counting.count(db.session(), Filters(account, since=since), ("integration_id", "channel"))
    seen: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for (number, channel), count in counts.by("integration_id", "channel").most_common():
        if channel:
            seen[number][channel] = count
    return seen


def offered_channels(seen: dict[str, int], mapped: Sequence[str]) -> list[tuple[str, int]]:
    """Messengers seen in traffic that stand in no row of the table (B5). The site itself is no messenger."""
    return [(channel, count) for channel, count in seen.items() if channel not in mapped and channel != "site"]


def stored_count(integration: Integration) -> int:
    """Webhooks that came while the integration was off."""
    return _events(integration, EventState.STORED)


def latest(integration: Integration, since: datetime | None = None) -> Communication | None:
    """The communication that began last; with ``since`` of those recorded after it, found by the events since then."""
    query = select(Communication).where(Communication.of(integration))
    if since is None:
        return db.session.scalar(query.order_by(Communication.started_at.desc(), Communication.id.desc()).limit(1))
    links = event_communication.c
    return db.session.scalar(
        select(Communication)
        .join(event_communication, links.communication_id == Communication.id)
        .join(WebhookEvent, WebhookEvent.id == links.event_id)
        .where(
            WebhookEvent.of(integration),
            WebhookEvent.received_at >= since,
            Communication.created_at >= since,
        )
        .order_by(WebhookEvent.received_at.desc(), WebhookEvent.id.desc())
        .limit(1)
    )


def likely_causes(integration: Integration) -> list[str]:
    """Why nothing has come, the likeliest first: what we see from here, then what the vendor's guide knows."""
    causes = []
    if not integration.active:
        causes.append(_("Интеграция выключена: включите её в шаге 1."))
    if db.session.scalar(select(WebhookEvent.id).where(WebhookEvent.of(integration)).limit(1)):
        causes.append(_("Вебхуки приходят, но обращений в них нет. Посмотрите их на странице «События»."))
    return [*causes, *(str(cause) for cause in registry()[integration.vendor].guide.causes)]


def _events(integration: Integration, state: EventState) -> int:
    return events.count(db.session(), state, WebhookEvent.of(integration), most=LARGEST_COUNT)


def _count(query: Any) -> int:
    """How many rows, up to LARGEST_COUNT."""
    return db.session.scalar(select(func.count()).select_from(query.limit(LARGEST_COUNT).subquery())) or 0
