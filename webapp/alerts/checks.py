"""What may be wrong in an account. A check is a function here and a line in ``CHECKS``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp import events
from webapp.cabinets.dataapi import words
from webapp.models import (
    Account,
    Authorization,
    AuthorizationState,
    CabinetPause,
    Communication,
    EventState,
    Integration,
    WebhookEvent,
    Widget,
    integration_authorization,
)
from webapp.models.alert import USUAL_UNATTRIBUTED_LIMIT
from webapp.resolution import Rule

#: The name of the check whose findings stand on every page by themselves.
DELIVERY_PAUSED = "delivery_paused"


@dataclass(frozen=True)
class Look:
    """One look at an account: when, with which limit, and what is an open alert already, by subject.

    A check that knows a limit lets go a little below it, so that what stands at the limit does not come and go.
    """

    now: datetime
    unattributed_limit: int = USUAL_UNATTRIBUTED_LIMIT
    open: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Finding:
    """Something is wrong. ``subject`` tells it from the check's other findings; ``facts`` are JSON values."""

    subject: str
    facts: Mapping[str, Any]
    integration_id: int | None = None


@dataclass(frozen=True)
class Check:
    """``find`` looks, ``says`` puts a finding's facts into a sentence, ``title`` is for lists and subjects of mail."""

    name: str
    title: Any
    hint: Any
    find: Callable[[Session, Account, Look], Iterable[Finding]]
    says: Callable[[Mapping[str, Any]], str]


# No webhook for longer than is usual

#: Silence shorter than this is never unusual, and it is compared with so many of the weeks before.
SHORTEST_SILENCE, WEEKS = timedelta(hours=1), 4

#: So many communications must usually have begun in such a time; with fewer, silence may be chance.
FEWEST_USUAL = 5

#: How far back a longer silence is compared, and where counting ends.
LONGEST_COMPARED, LARGEST_COUNT = timedelta(days=7), 1000


def silence(session: Session, account: Account, look: Look) -> Iterable[Finding]:
    """Integrations of which nothing is heard, although in the same hours of the weeks before something always was.

    Nights, weekends and slow shops are usual: the same time of the same days is compared.
    """
    for integration in _running(session, account):
        heard = last_heard(session, integration)
        if heard is None or look.now - heard < SHORTEST_SILENCE:
            continue
        usual = _usual(session, integration, look.now, look.now - heard)
        subject = str(integration.id)
        if usual >= FEWEST_USUAL or subject in look.open:
            facts = {
                "integration": integration.name,
                "hours": int((look.now - heard) / timedelta(hours=1)),
                "usual": round(usual),
            }
            yield Finding(subject, facts, integration.id)


def last_heard(session: Session, integration: Integration) -> datetime | None:
    """When anything came from an integration's vendor. Events go by their age, so communications are looked at, too."""
    moments = [
        session.scalar(select(func.max(Communication.started_at)).where(Communication.of(integration))),
        session.scalar(select(func.max(Widget.last_seen_at)).where(Widget.integration_id == integration.id)),
        session.scalar(select(func.max(WebhookEvent.received_at)).where(WebhookEvent.of(integration))),
    ]
    return max((moment for moment in moments if moment is not None), default=None)


def _usual(session: Session, integration: Integration, now: datetime, silent: timedelta) -> float:
    """How many conversations began in the same time of the weeks before, on average; 0 when one of them had none."""
    length = min(silent, LONGEST_COMPARED)
    first = session.scalar(select(func.min(Communication.started_at)).where(Communication.of(integration)))
    counts = []
    for week in range(1, WEEKS + 1):
        end = now - timedelta(weeks=week)
        if first is None or first > end - length:
            break
        begun = select(Communication.id).where(
            Communication.of(integration),
            Communication.started_at.between(end - length, end),
        )
        counts.append(session.scalar(select(func.count()).select_from(begun.limit(LARGEST_COUNT).subquery())) or 0)
    return sum(counts) / len(counts) if counts and min(counts) else 0.0


def _silence_says(facts: Mapping[str, Any]) -> str:
    heard = ngettext(
        "«%(name)s» молчит %(num)s час.", "«%(name)s» молчит %(num)s часов.", facts["hours"], name=facts["integration"]
    )
    if not facts["usual"]:
        return heard
    return (
        heard
        + " "
        + ngettext(
            "Обычно за такое время приходит около %(num)s обращения.",
            "Обычно за такое время приходит около %(num)s обращений.",
            facts["usual"],
        )
    )


# Failed events


def failed_events(session: Session, account: Account, look: Look) -> Iterable[Finding]:
    """Integrations with webhooks whose processing failed."""
    for integration in _running(session, account):
        count = events.count(session, EventState.FAILED, WebhookEvent.of(integration), most=LARGEST_COUNT)
        if count:
            yield Finding(str(integration.id), {"integration": integration.name, "count": count}, integration.id)


def _failed_says(facts: Mapping[str, Any]) -> str:
    return ngettext(
        "«%(name)s»: %(num)s событие не обработано из-за ошибки.",
        "«%(name)s»: %(num)s событий не обработано из-за ошибки.",
        facts["count"],
        name=facts["integration"],
    )


# Communications without attribution

#: The share is of this time, and of at least so many; below the limit by so many points it is well again.
SHARE_OF, FEWEST_OF_SHARE, MARGIN = timedelta(days=1), 20, 5

#: Of more than so many in that time the newest are counted.
MOST_OF_SHARE = 20_000


def unattributed(session: Session, account: Account, look: Look) -> Iterable[Finding]:
    """The share of a day's communications that no rule had an answer for is over the account's limit."""

    def until_now(since: datetime, *columns: Any) -> Any:
        return select(*columns).where(
            Communication.account_id == account.id, Communication.started_at.between(since, look.now)
        )

    day = look.now - SHARE_OF
    newest = until_now(day, Communication.started_at).order_by(Communication.started_at.desc())
    last = session.scalar(newest.offset(MOST_OF_SHARE - 1).limit(1))
    counted = until_now(last or day, func.count())
    total = session.scalar(counted) or 0
    limit = look.unattributed_limit - (MARGIN if "" in look.open else 0)
    if total < FEWEST_OF_SHARE:
        return
    lost = session.scalar(counted.where(Communication.rule == str(Rule.NONE))) or 0
    if lost * 100 >= max(limit, 1) * total:
        yield Finding("", {"percent": lost * 100 // total, "count": lost, "total": total, "cut": last is not None})


def _unattributed_says(facts: Mapping[str, Any]) -> str:
    numbers = {
        "percent": f"{facts['percent']}\N{NO-BREAK SPACE}%",
        "count": facts["count"],
        "total": facts["total"],
    }
    if facts.get("cut"):
        return _("Без атрибуции %(percent)s последних обращений: %(count)s из %(total)s.", **numbers)
    return _("Без атрибуции %(percent)s обращений за сутки: %(count)s из %(total)s.", **numbers)


def _running(session: Session, account: Account) -> list[Integration]:
    return list(
        session.scalars(
            select(Integration)
            .where(
                Integration.account_id == account.id, Integration.active.is_(True), Integration.archived_at.is_(None)
            )
            .order_by(Integration.id)
        )
    )


# Hand-over to an outside cabinet, and connections to vendors


def delivery_paused(session: Session, account: Account, look: Look) -> Iterable[Finding]:
    """The outside cabinet takes nothing at the moment."""
    for pause in session.scalars(select(CabinetPause).where(CabinetPause.account_id == account.id)):
        yield Finding(pause.scope, {**pause.facts, "mnemonic": pause.reason})


def _paused_says(facts: Mapping[str, Any]) -> str:
    advice = words.stop(facts)
    return f"{advice.what} {advice.repair}"


#: A token that nothing renews is told of so long before its end.
TOKEN_NOTICE = timedelta(days=14)


def connections(session: Session, account: Account, look: Look) -> Iterable[Finding]:
    """Authorizations that the vendor refuses, those made by hand that end soon, and those that were disconnected while
    an integration that is on goes by them."""
    used = set(
        session.scalars(
            select(integration_authorization.c.authorization_id)
            .join(Integration, Integration.id == integration_authorization.c.integration_id)
            .where(Integration.account_id == account.id, Integration.active, Integration.archived_at.is_(None))
        )
    )
    for one in session.scalars(select(Authorization).where(Authorization.account_id == account.id)):
        if one.state == AuthorizationState.BROKEN:
            yield Finding(str(one.id), {"name": one.name, "days": None})
        elif one.state == AuthorizationState.DISCONNECTED and one.id in used:
            yield Finding(str(one.id), {"name": one.name, "days": None, "off": True})
        elif one.connected and one.long_lived and one.expires_at and one.expires_at - look.now < TOKEN_NOTICE:
            yield Finding(str(one.id), {"name": one.name, "days": max(0, (one.expires_at - look.now).days)})


def _connection_says(facts: Mapping[str, Any]) -> str:
    if facts.get("off"):
        return _("Авторизация «%(name)s» отключена: контакты и сессии не читаются.", name=facts["name"])
    if facts["days"] is None:
        return _("Авторизация «%(name)s» не работает: подключите её заново.", name=facts["name"])
    return ngettext(
        "Токен авторизации «%(name)s» закончится через %(num)s день.",
        "Токен авторизации «%(name)s» закончится через %(num)s дней.",
        facts["days"],
        name=facts["name"],
    )


#: Every check, in the order of the page.
CHECKS = (
    Check(
        "silence",
        _l("Нет вебхуков дольше обычного"),
        _l("Сравниваем с теми же часами прошлых недель: ночи и выходные не в счёт."),
        silence,
        _silence_says,
    ),
    Check(
        "failed_events",
        _l("События с ошибкой"),
        _l("Вебхук сохранён, но обработать его не вышло."),
        failed_events,
        _failed_says,
    ),
    Check(
        "unattributed",
        _l("Много обращений без атрибуции"),
        _l("Доля за сутки выше предела, если обращений хотя бы двадцать."),
        unattributed,
        _unattributed_says,
    ),
    Check(
        DELIVERY_PAUSED,
        _l("Передача в кабинет стоит"),
        _l("Кабинет не принимает обращения, они ждут здесь."),
        delivery_paused,
        _paused_says,
    ),
    Check(
        "connections",
        _l("Авторизация кончается или не работает"),
        _l("О токене, который сам не продлевается, — за две недели."),
        connections,
        _connection_says,
    ),
)

BY_NAME = {check.name: check for check in CHECKS}
