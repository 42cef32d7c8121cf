"""Tasks in words: what they are called, how they stand, what they counted."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from webapp import archive, archive_files
from webapp.lookback import Kept
from webapp.models import TaskKind, TaskState

KIND_NAMES = {
    TaskKind.REATTRIBUTE: _l("Пересчёт атрибуции"),
    TaskKind.UNDO: _l("Отмена пересчёта"),
    TaskKind.REPLAY: _l("Повторная обработка событий"),
    TaskKind.IMPORT: _l("Загрузка архива"),
    TaskKind.ERASE: _l("Удаление данных человека"),
    TaskKind.RETRY: _l("Повторная передача"),
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

#: Why a re-attribution leaves communications as they are.
KEPT_NAMES = {
    Kept.GONE: _l("Оставлено: их сессии здесь больше нет"),
    Kept.ARCHIVED: _l("Оставлено: кампания или источник в архиве"),
}

#: What each kind counts, in the order of its report.
COUNT_NAMES: dict[str, dict[str, Any]] = {
    TaskKind.REATTRIBUTE: {
        "changed": _l("Обращений отнесено иначе"),
        "visits": _l("Сессий с другой кампанией или источником"),
        **{str(why): text for why, text in KEPT_NAMES.items()},
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
        "stored": _l("Приняты и ждут включения интеграции"),
    },
    TaskKind.ERASE: {
        "communications": _l("Обращений удалено"),
        "events": _l("Вебхуков удалено"),
        "clients": _l("Карточек посетителей удалено"),
        "visits": _l("Сессий удалено"),
        "views": _l("Сохранённых видов списка удалено"),
        "masked": _l("Чужих записей, где контакт закрыт звёздочками"),
    },
    TaskKind.RETRY: {"sent": _l("Отправлено на передачу")},
}


#: What may be wrong with a line or a file, in words.
PROBLEMS = {
    archive.NO_BODY: _l("нет тела"),
    archive.TOO_LARGE: _l("тело больше 1 МиБ"),
    archive.NO_OBJECT: _l("это не объект JSON"),
    archive.HALF_JSON: _l("начинается как JSON, но это не один объект и не по объекту в строке"),
    archive.NO_LOG: _l("это не JSON и не журнал доставки со строками POST"),
    archive_files.BROKEN_ZIP: _l("архив zip повреждён"),
    archive_files.LOCKED_ZIP: _l("архив zip закрыт паролем"),
    archive_files.ZIP_TOO_LARGE: _l("в архиве zip слишком много файлов или данных"),
}


def report(task: Any) -> list[tuple[Any, int]]:
    """(what, how many) of a task."""
    names = COUNT_NAMES.get(task.kind, {})
    return [(text, task.counts.get(name, 0)) for name, text in names.items()]


def problems(task: Any) -> list[str]:
    """The lines of the report: where, and what is wrong there."""
    told = []
    for problem in task.problems:
        where = problem["file"]
        if problem.get("line"):
            where = _("%(file)s, строка %(line)s", file=where, line=problem["line"])
        told.append(f"{where}: {PROBLEMS.get(problem['problem'], problem['problem'])}")
    more = task.counts.get("refused", 0) - len(told)
    return [*told, _("и ещё %(count)s", count=more)] if more > 0 else told
