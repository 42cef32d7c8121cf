"""The words of the audit log."""

from __future__ import annotations

import json
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

#: What the audit log calls each change.
AUDIT_ACTIONS = {
    "account.create": _l("Кабинет создан"),
    "account.change": _l("Настройки кабинета"),
    "people.join": _l("Вошёл в кабинет"),
    "people.invite": _l("Приглашение"),
    "people.role": _l("Роль"),
    "people.revoke": _l("Приглашение отозвано"),
    "directory.add": _l("Добавлено в справочник"),
    "directory.change": _l("Изменено в справочнике"),
    "directory.builtin": _l("Добавлены встроенные источники"),
    "directory.archive": _l("Убрано в архив"),
    "directory.restore": _l("Возвращено из архива"),
    "integration.add": _l("Интеграция добавлена"),
    "integration.active": _l("Включение интеграции"),
    "integration.change": _l("Настройки интеграции"),
    "integration.rotate": _l("Новый адрес вебхука"),
    "integration.archive": _l("Интеграция удалена"),
    "integration.restore": _l("Интеграция возвращена"),
    "integration.hook": _l("Подписка вебхука"),
    "integration.reconcile": _l("Сверка"),
    "authorization.change": _l("Авторизация"),
    "authorization.use": _l("Выбор авторизации"),
    "authorization.connect": _l("Авторизация подключена"),
    "authorization.disconnect": _l("Авторизация отключена"),
    "integration.process_stored": _l("Обработка накопленного"),
    "events.replay": _l("Событие обработано заново"),
    "events.replay_failed": _l("Ошибочные события обработаны заново"),
    "task.reattribute": _l("Пересчёт атрибуции"),
    "task.undo": _l("Отмена пересчёта"),
    "task.stop": _l("Работа остановлена"),
    "task.replay": _l("События обработаны заново по фильтру"),
    "task.import": _l("Загружен архив"),
    "alerts.change": _l("Настройки оповещений"),
    "contact.erase": _l("Удаление данных человека"),
    "config.apply": _l("Применён файл настроек"),
    "cabinet.connect": _l("Подключён кабинет"),
    "cabinet.key": _l("Новый ключ Data API"),
    "cabinet.disconnect": _l("Кабинет отключён"),
    "cabinet.resume": _l("Передача возобновлена"),
    "cabinet.sync": _l("Чтение справочников"),
    "delivery.retry": _l("Передать ещё раз"),
    "delivery.resend": _l("Удалить в кабинете и передать заново"),
}


#: What the audit log calls the account's settings; other names are shown as they are.
AUDIT_FIELDS = {
    "timezone": _l("Часовой пояс"),
    "region": _l("Страна телефонов без кода"),
    "contact_window_days": _l("Искать прошлую сессию по телефону и почте, дней"),
    "event_retention_days": _l("Хранить полученные вебхуки, дней"),
    "communication_retention_days": _l("Хранить обращения, дней"),
    "visit_retention_days": _l("Хранить сессии, дней"),
    "visits_need_consent": _l("Считать визиты только с согласия посетителя"),
    "respects_do_not_track": _l("Не считать тех, кто просит не отслеживать"),
    "keeps_full_ip": _l("Хранить IP-адреса целиком"),
}


def audit_action(action: str) -> str:
    """A change of settings in words."""
    return str(AUDIT_ACTIONS.get(action, action))


def audit_field(name: str) -> str:
    """A setting in words, where it has some."""
    return str(AUDIT_FIELDS.get(name, name))


def audit_change(change: Any) -> str:
    """«было → стало», short."""
    if not isinstance(change, list) or len(change) != 2:
        return _short(change)
    return f"{_short(change[0])} → {_short(change[1])}"


def _short(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "—"
    if isinstance(value, bool):
        return _("да") if value else _("нет")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:199] + "…"
