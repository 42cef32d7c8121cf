"""Tasks in words: what they are called, how they stand, what they counted."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from webapp.models import TaskKind, TaskState

KIND_NAMES = {
    TaskKind.REATTRIBUTE: _l("Пересчёт атрибуции"),
    TaskKind.UNDO: _l("Отмена пересчёта"),
    TaskKind.REPLAY: _l("Повторная обработка событий"),
    TaskKind.IMPORT: _l("Загрузка архива"),
    TaskKind.ERASE: _l("Удаление данных человека"),
}

STATE_NAMES = {
    TaskState.ARRIVING: _l("файлы принимаются"),
    TaskState.WAITING: _l("в очереди"),
    TaskState.RUNNING: _l("идёт"),
    TaskState.DONE: _l("готово"),
    TaskState.STOPPED: _l("остановлено"),
    TaskState.FAILED: _l("ошибка"),
}

STATE_PILLS = {TaskState.DONE: "ok", TaskState.FAILED: "refused", TaskState.STOPPED: "quiet"}

#: What each kind counts, in the order of its report.
COUNT_NAMES: dict[str, dict[str, Any]] = {
    TaskKind.REATTRIBUTE: {
        "changed": _l("Обращений отнесено иначе"),
        "visits": _l("Сессий с другой кампанией или источником"),
    },
    TaskKind.UNDO: {
        "restored": _l("Обращений возвращено"),
        "kept": _l("Оставлено: с тех пор решено заново"),
    },
    TaskKind.REPLAY: {
        "done": _l("Обработано"),
        "failed": _l("Снова с ошибкой"),
        "skipped": _l("Пропущено: интеграция выключена"),
    },
    TaskKind.IMPORT: {
        "new": _l("Новых"),
        "known": _l("Уже были здесь"),
        "refused": _l("Не приняты"),
        "failed": _l("Приняты, но обработаны с ошибкой"),
    },
    TaskKind.ERASE: {
        "communications": _l("Обращений удалено"),
        "events": _l("Вебхуков удалено"),
        "clients": _l("Карточек посетителей удалено"),
        "visits": _l("Сессий удалено"),
        "masked": _l("Чужих записей, где контакт закрыт звёздочками"),
    },
}


def report(task: Any) -> list[tuple[Any, int]]:
    """(what, how many) of a task."""
    names = COUNT_NAMES.get(task.kind, {})
    return [(text, task.counts.get(name, 0)) for name, text in names.items()]
