"""The columns of the list: what each shows, what it is called, what a file has of it.

A column that another part of the product adds is one more entry of COLUMNS; ``needs`` are the columns and
relationships that must be read for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import joinedload

from webapp import wording
from webapp.models import Communication, Delivery, Visit

_C = Communication
_VISIT = joinedload(_C.visit).load_only(
    Visit.session_id, Visit.started_at, Visit.landing_url, Visit.referrer, Visit.marks, Visit.page_count
)
_DELIVERIES = joinedload(_C.delivery).load_only(Delivery.state, Delivery.external_id, Delivery.confirmed)

#: Rules that may answer with a session of which only the outside cabinet knows the campaign.
BY_SESSION = ("visit", "beacon", "utm")

_EMPLOYEE = joinedload(_C.employee)

#: A heading of a file, and what stands below it: a text, a number, a moment, or None.
Cell = tuple[Any, Callable[[Communication], Any]]


@dataclass(frozen=True)
class Column:
    """One column. ``cells`` is what a file has of it; the page shows the first of them unless it knows better.

    ``sort`` is the order that its heading offers (webapp.report.listing); ``number`` aligns it to the right;
    ``outside``: only of use to accounts with an outside cabinet.
    """

    key: str
    label: Any
    cells: Sequence[Cell]
    sort: str | None = None
    needs: tuple[Any, ...] = ()
    number: bool = False
    outside: bool = False

    def value(self, row: Communication) -> Any:
        """What the page shows."""
        return self.cells[0][1](row)


def _plain(
    key: str,
    label: Any,
    value: Callable[[Communication], Any],
    *needs: Any,
    sort: str | None = None,
    number: bool = False,
) -> Column:
    return Column(key, label, [(label, value)], sort, needs, number)


def _utm(name: str) -> Column:
    return _plain(f"utm_{name}", f"utm_{name}", lambda row: row.known_utm.get(name), _VISIT)


def _of_visit(name: str) -> Callable[[Communication], Any]:
    return lambda row: getattr(row.visit, name) if row.visit else None


def _detail(name: str, label: Any) -> Column:
    return _plain(name, label, lambda row: (row.details or {}).get(name), _C.details)


def _duration(row: Communication) -> int | None:
    return max(0, round((row.finished_at - row.started_at).total_seconds())) if row.finished_at else None


def decided_elsewhere(row: Communication) -> str | None:
    """What stands for a campaign that the outside cabinet decides: the one it told, or that it does.

    None where the decision is ours, or there is no outside cabinet.
    """
    if row.campaign or row.source or row.rule not in BY_SESSION or row.delivery is None:
        return None
    told = row.delivery.confirmed or {}
    return str(told.get("campaign_name") or _l("определит кабинет"))


_NAME = (_l("Имя"), lambda row: row.contact_name)
_PHONE = (_l("Телефон"), lambda row: row.contact_phone)
_EMAIL = (_l("Почта"), lambda row: row.contact_email)
_CAMPAIGN = (_l("Рекламная кампания"), lambda row: row.campaign.name if row.campaign else None)
_SOURCE = (_l("Источник"), lambda row: row.source.name if row.source else None)
_SITE = (_l("Сайт"), lambda row: row.site.domain if row.site else None)
_CHANNEL = (_l("Канал"), lambda row: wording.channel_name(row.channel) if row.channel else None)
_RULE = (_l("Почему"), lambda row: wording.rule_name(row.rule))
_TYPE = (_l("Тип"), lambda row: wording.type_name(row.type))
_NUMBER = (_l("Номер в сервисе"), lambda row: row.vendor_id)
_MESSAGES = (_l("Сообщений"), lambda row: row.message_count)
_REPEATED = (_l("Контакт писал раньше"), lambda row: wording.yes_or_no(row.is_repeat))
_DELIVERY = (_l("Передача"), lambda row: str(wording.DELIVERY_NAMES[row.delivery.state]) if row.delivery else None)
_DELIVERED_AS = (_l("Номер во внешнем кабинете"), lambda row: row.delivery.external_id if row.delivery else None)
_TEST = (_l("Проверка"), lambda row: wording.yes_or_no(row.is_test))

COLUMNS: list[Column] = [
    _plain("time", _l("Время"), lambda row: row.started_at, sort="time"),
    Column("kind", _l("Обращение"), [_TYPE, _NUMBER], "type"),
    Column("contact", _l("Контакт"), [_NAME, _PHONE, _EMAIL], "name"),
    Column("channel", _l("Канал"), [_CHANNEL], "channel"),
    Column("target", _l("Кампания / источник"), [_CAMPAIGN, _SOURCE, _SITE], needs=(_DELIVERIES,)),
    Column("rule", _l("Почему"), [_RULE], "rule"),
    Column("name", _l("Имя"), [_NAME], "name"),
    Column("phone", _l("Телефон"), [_PHONE], "phone"),
    Column("email", _l("Почта"), [_EMAIL], "email"),
    Column("campaign", _l("Рекламная кампания"), [_CAMPAIGN], needs=(_DELIVERIES,)),
    Column("source", _l("Источник"), [_SOURCE]),
    Column("site", _l("Сайт"), [_SITE]),
    _plain("employee", _l("Сотрудник"), lambda row: row.employee.full_name if row.employee else None, _EMPLOYEE),
    _plain("integration", _l("Интеграция"), lambda row: row.integration.name),
    *(_utm(name) for name in ("source", "medium", "campaign", "content", "term")),
    _plain("visit", _l("Сессия"), _of_visit("session_id"), _VISIT),
    _plain("visit_at", _l("Начало сессии"), _of_visit("started_at"), _VISIT),
    _plain("visit_pages", _l("Страниц в сессии"), _of_visit("pages"), _VISIT, number=True),
    _plain("landing", _l("Страница входа"), _of_visit("landing_url"), _VISIT),
    _plain("referrer", _l("Откуда пришли"), _of_visit("referrer"), _VISIT),
    _plain("page", _l("Страница чата"), lambda row: (row.clues or {}).get("page_url"), _C.clues),
    _plain("page_title", _l("Заголовок страницы"), lambda row: (row.clues or {}).get("page_title"), _C.clues),
    _detail("city", _l("Город")),
    _detail("rate", _l("Оценка")),
    _detail("tags", _l("Теги")),
    Column("messages", _l("Сообщений"), [_MESSAGES], "messages", number=True),
    _plain("text", _l("Текст"), lambda row: row.text or None, _C.text),
    _plain("finished", _l("Завершено"), lambda row: row.finished_at, sort="finished"),
    _plain("duration", _l("Длительность, с"), _duration, number=True),
    Column("repeat", _l("Контакт писал раньше"), [_REPEATED]),
    Column("vendor_id", _l("Номер в сервисе"), [_NUMBER]),
    Column("test", _l("Проверка"), [_TEST]),
    Column("delivery", _l("Передача"), [_DELIVERY, _DELIVERED_AS], needs=(_DELIVERIES,), outside=True),
    _plain("id", _l("Номер обращения"), lambda row: row.id, number=True),
]

#: What is shown when nobody has chosen.
USUAL = ("time", "kind", "contact", "channel", "target", "rule")


def by_key() -> dict[str, Column]:
    """The columns by the word in the address."""
    return {column.key: column for column in COLUMNS}


def chosen(text: str | None) -> list[Column]:
    """The columns that an address names, in its order; the usual ones when it names none."""
    known = by_key()
    keys = [key for key in dict.fromkeys((text or "").split(",")) if key in known]
    return [known[key] for key in keys or USUAL]


def needs(columns: Iterable[Column]) -> tuple[Any, ...]:
    """What must be read for them, each once."""
    return tuple(dict.fromkeys(need for column in columns for need in column.needs))
