"""Further facts of a conversation, named in a marketer's words."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

#: Further facts of a conversation; a vendor's own word is shown as it is.
DETAIL_NAMES = {
    "invitation": _l("Приглашение"),
    "rate": _l("Оценка"),
    "topic": _l("Тема"),
    "department": _l("Отдел"),
    "city": _l("Город"),
    "tags": _l("Теги"),
    "external_id": _l("Внешний номер"),
    "email_raw": _l("Почта, как введена"),
    "blacklisted": _l("В чёрном списке"),
    "ga": "Google Analytics",
    "ym": _l("Яндекс Метрика"),
    "invited_at": _l("Приглашение показано"),
    "description": _l("Описание"),
    "status": _l("Категория клиента"),
    "talk": _l("Беседа"),
    "origin": _l("Источник беседы"),
    "lead": _l("Сделка"),
    "customer": _l("Покупатель"),
    "lead_url": _l("Сделка в CRM"),
    "lead_age_days": _l("Сделке дней до беседы"),
    "contact_card": _l("Чей контакт"),
}

#: Facts that are a code.
DETAIL_VALUES = {"contact_card": {"talk": _l("того, кто писал"), "lead": _l("главный контакт сделки")}}


def detail_name(name: str) -> str:
    """A fact of a conversation as the screen calls it."""
    return str(DETAIL_NAMES.get(name, name))


def detail_value(value: str, name: str) -> str:
    """The value of a fact as the screen says it."""
    return str(DETAIL_VALUES.get(name, {}).get(value, value))
