"""How the pages call marks and comparisons."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from webapp.arrival import CLICK_IDS, LANDING_MARKS, OPENSTAT_MARKS, REFERRER_MARKS, UTM_MARKS
from webapp.resolution import Operator

#: The marks that have a name besides their code.
MARK_NAMES = {
    "click_id": _l("любая метка клика"),
    "referrer_host": _l("откуда: сайт"),
    "referrer": _l("откуда: адрес"),
    "landing_path": _l("вход: путь"),
    "landing_host": _l("вход: сайт"),
    "landing_url": _l("вход: адрес"),
}

MARK_GROUPS = {
    _l("Метки UTM"): UTM_MARKS,
    _l("Откуда пришли"): REFERRER_MARKS,
    _l("Страница входа"): LANDING_MARKS,
    _l("Метки клика"): ("click_id", *CLICK_IDS),
    "Openstat": OPENSTAT_MARKS,
}

OPERATOR_NAMES = {
    Operator.EQUALS: _l("равно"),
    Operator.NOT_EQUALS: _l("не равно"),
    Operator.CONTAINS: _l("содержит"),
    Operator.NOT_CONTAINS: _l("не содержит"),
    Operator.STARTS_WITH: _l("начинается с"),
    Operator.NOT_STARTS_WITH: _l("не начинается с"),
    Operator.MATCHES: _l("похоже на"),
    Operator.NOT_MATCHES: _l("не похоже на"),
    Operator.DOMAIN: _l("в домене"),
    Operator.NOT_DOMAIN: _l("не в домене"),
    Operator.PRESENT: _l("присутствует"),
    Operator.ABSENT: _l("отсутствует"),
}

#: Shorter ones for lists.
_SHORT = OPERATOR_NAMES | {
    Operator.EQUALS: "=",
    Operator.NOT_EQUALS: "≠",
    Operator.CONTAINS: "∋",
    Operator.NOT_CONTAINS: "∌",
}


def mark_name(mark: str) -> str:
    """A mark as the pages call it: its code, or words where the code is ours."""
    return str(MARK_NAMES.get(mark, mark))


def condition_text(condition: Mapping[str, str]) -> str:
    """A stored condition in one line, for a list."""
    return f"{mark_name(condition['mark'])} {_SHORT[Operator(condition['op'])]} {condition['value']}".strip()


def condition_sentence(condition: Mapping[str, str]) -> str:
    """A stored condition in words."""
    names = {"mark": mark_name(condition["mark"]), "compared": str(OPERATOR_NAMES[Operator(condition["op"])])}
    if not Operator(condition["op"]).takes_value:
        return _("%(mark)s: %(compared)s", **names)
    return _("%(mark)s %(compared)s «%(value)s»", value=condition["value"], **names)
