"""What the pages say of a cabinet of this kind: why nothing gets through, why one is held, and where to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from webapp.models import DeliveryState


@dataclass(frozen=True)
class Advice:
    """What is wrong and what to do, in words."""

    what: str
    repair: str


#: The cabinet's components as its own pages call them.
COMPONENT_NAMES = {
    "upload_chats": _l("Загрузка чатов из внешней системы"),
    "upload_offline_messages": _l("Загрузка заявок из внешней системы"),
    "upload_sessions": _l("Загрузка сессий из внешней системы"),
    "upload_calls": _l("Загрузка звонков из внешней системы"),
}

#: Why nothing gets through. %(ip)s is our address, %(components)s what is not bought.
_STOPS = {
    "access_token_expired": (
        _l("Срок действия ключа Data API истёк."),
        _l("Сделайте в кабинете новый ключ («Аккаунт» → «Управление пользователями») и введите его здесь."),
    ),
    "access_token_blocked": (
        _l("Ключ Data API заблокирован."),
        _l("Разблокируйте его в кабинете или сделайте новый («Аккаунт» → «Управление пользователями»)."),
    ),
    "access_token_invalid": (
        _l("Такого ключа Data API кабинет не знает."),
        _l("Проверьте, что ключ скопирован целиком и выбран свой сервер: ключ CoMagic не подходит к UIS и наоборот."),
    ),
    "auth_error": (
        _l("Кабинет не принял ключ."),
        _l("Сделайте в кабинете новый ключ («Аккаунт» → «Управление пользователями») и введите его здесь."),
    ),
    "ip_not_whitelisted": (
        _l("Адреса нашего сервера нет в белом списке кабинета."),
        _l("Добавьте адрес %(ip)s: «Администратор» → «Аккаунт» → «Правила и настройки безопасности» → вкладка «API»."),
    ),
    "account_inactive": (
        _l("Кабинет отключён у самого сервиса."),
        _l("Проверьте баланс и договор в кабинете; передача продолжится сама, когда он снова заработает."),
    ),
    "wrong_host": (
        _l("По этому адресу Data API не отвечает."),
        _l("Выберите другой сервер: он зависит от того, где заведён кабинет."),
    ),
    "http_401": (_l("Сервер кабинета не впустил запрос."), _l("Проверьте ключ и белый список адресов в кабинете.")),
    "http_403": (_l("Сервер кабинета не впустил запрос."), _l("Проверьте ключ и белый список адресов в кабинете.")),
    "forbidden": (
        _l("У владельца ключа нет права на это действие."),
        _l("Дайте ему права: «Аккаунт» → «Управление пользователями»."),
    ),
    "method_component_disabled": (
        _l("В кабинете не подключена нужная услуга: %(components)s."),
        _l("Подключите её: «Тарифы и опции» → «Загрузка коммуникаций из внешних систем» и пакет Data API."),
    ),
    "parameter_component_disabled": (
        _l("В кабинете не подключена услуга, без которой нельзя передать часть данных: %(components)s."),
        _l("Подключите её в разделе «Тарифы и опции»."),
    ),
    "tariff_restrictions": (
        _l("Тариф кабинета не разрешает загрузку."),
        _l("Смените тариф или обратитесь в поддержку."),
    ),
    "data_limit_exceeded": (
        _l("В кабинете кончилось место для таких данных."),
        _l("Увеличьте лимит в кабинете или удалите лишнее."),
    ),
    "method_not_found": (
        _l("Сервер кабинета не знает нужного метода."),
        _l("Проверьте, что выбран правильный сервер и версия v2.0."),
    ),
}

_OTHER_STOP = (_l("Кабинет не принимает запросы."), _l("Посмотрите ответ сервиса и проверьте настройки кабинета."))

#: Why one waits that is to go by itself.
_WAITS = frozenset({"unfinished", "asking", "limit_exceeded", "paused", "trying", "unknown_outcome"})

#: Why one communication waits, is held or failed.
_REASONS = {
    "unfinished": (_l("Чат ещё идёт."), _l("Передадим, когда он закончится, или через сутки молчания.")),
    "asking": (
        _l("Ещё узнаём сессию и контакт у сервиса, из которого пришло обращение."),
        _l("Передадим сразу после его ответа, самое позднее через сутки."),
    ),
    "limit_exceeded": (_l("Кончились баллы Data API."), _l("Передадим, как только кабинет разрешит.")),
    "paused": (_l("Передача кабинета приостановлена."), _l("Причина и что делать — вверху страницы.")),
    "trying": (_l("Не получилось с первого раза."), _l("Пробуем ещё: до десяти раз за трое суток.")),
    "unknown_outcome": (
        _l("Неизвестно, принял ли кабинет обращение."),
        _l("Ищем его в отчётах кабинета, чтобы не передать дважды."),
    ),
    "no_contact": (
        _l("Нет ни телефона, ни почты: без них кабинет не принимает."),
        _l("Передадим сами, как только контакт появится в чате или в карточке."),
    ),
    "nothing_to_attribute": (
        _l("Отнести не к чему."),
        _l("Задайте в интеграции кампанию или источник по умолчанию: передадим сразу после сохранения."),
    ),
    "no_site": (
        _l("У источника не указан сайт."),
        _l("Выберите сайт рядом с источником в настройках интеграции."),
    ),
    "no_employee": (
        _l("Неизвестно, от кого сообщения оператора."),
        _l("Выберите «Сотрудник» в настройках интеграции, или пусть почта оператора совпадает с почтой сотрудника."),
    ),
    "gone": (
        _l("Выбранной кампании, источника или сайта в кабинете больше нет."),
        _l("Выберите другое в настройках интеграции."),
    ),
    "not_in_cabinet": (
        _l("Выбранная кампания или источник не из этого кабинета."),
        _l("Выберите заново в настройках интеграции: справочники теперь читаются из кабинета."),
    ),
    "campaign_is_inactive": (
        _l("Рекламная кампания в кабинете остановлена."),
        _l("Включите её в кабинете и прочитайте справочники, или выберите другую."),
    ),
    "unknown_entity": (
        _l("Кабинет не знает того, на что мы ссылаемся: %(field)s."),
        _l("Прочитайте справочники заново и выберите в настройках интеграции другое."),
    ),
    "unverifiable": (
        _l("Неизвестно, принял ли кабинет обращение, а смотреть отчёты он не даёт."),
        _l("Найдите обращение в кабинете сами. Если его там нет, передайте ещё раз."),
    ),
    "undeletable": (
        _l("Прежнее обращение в кабинете удалить не получилось, или неизвестно, удалено ли оно."),
        _l("Найдите его в кабинете и удалите сами, затем передайте ещё раз."),
    ),
    "refused": (_l("Кабинет не принял: %(message)s"), _l("Исправьте причину и передайте ещё раз.")),
    "exhausted": (_l("Трое суток попыток ничего не дали."), _l("Передайте ещё раз, когда кабинет заработает.")),
}

#: What the check looked for, and where to mend its absence.
_NEEDS = {
    "upload_chats": _l("«Загрузка чатов из внешней системы»"),
    "upload_offline_messages": _l("«Загрузка заявок из внешней системы»"),
    "sites": _l("Чтение сайтов"),
    "campaigns": _l("Чтение рекламных кампаний"),
    "employees": _l("Чтение сотрудников"),
    "sources": _l("Чтение источников («Data API для настройки»)"),
    "tags": _l("Чтение тегов"),
    "chats_report": _l("Отчёт о чатах: по нему проверяем, что чат передан и передан один раз"),
    "requests_report": _l("Отчёт о заявках: по нему проверяем, что заявка передана и передана один раз"),
}


def stop(facts: Mapping[str, Any]) -> Advice:
    """Why nothing gets through, by the facts of a Failure."""
    what, repair = _STOPS.get(str(facts.get("mnemonic")), _OTHER_STOP)
    values = {
        "ip": facts.get("ip") or _("нашего сервера"),
        "components": _components(str(facts.get("components") or "")),
    }
    return Advice(str(what) % values, str(repair) % values)


def reason(code: str | None, facts: Mapping[str, Any] | None) -> Advice | None:
    """Why a delivery waits, is held or failed; None where there is nothing to say."""
    if code is None:
        return None
    what, repair = _REASONS.get(code, (code, ""))
    told = facts or {}
    values = {"field": told.get("field") or "?", "message": told.get("message") or told.get("mnemonic") or "?"}
    return Advice(str(what) % values, str(repair) % values)


def is_over(code: str | None, state: str) -> bool:
    """True for why something was held or refused that is being tried again: it holds no more, until it is told anew."""
    return state == DeliveryState.PENDING and code not in _WAITS


def reasons() -> dict[str, str]:
    """The reasons by code, for a filter."""
    plain = {"field": "…", "message": "…"}
    return {code: (str(what) % plain).rstrip(".:… ") for code, (what, _repair) in _REASONS.items()}


def need(name: str) -> str:
    """What the check looked for."""
    return str(_NEEDS.get(name, name))


def _components(listed: str) -> str:
    names = [one.strip() for one in listed.split(",") if one.strip()]
    return ", ".join(f"«{COMPONENT_NAMES[name]}»" if name in COMPONENT_NAMES else name for name in names) or "?"
