"""What the vendor's server was asked about a communication, in a marketer's words."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from webapp.extensions import db
from webapp.models import Communication, Lookup, utc_now
from webapp.vendors import registry

from .locale import exact_time

#: The parts that an answer may lack.
MISSING = {
    "entity": _l("беседа не привязана к сделке"),
    "lead": _l("сделки нет или она удалена"),
    "contact": _l("контакта нет, или входящая заявка ещё не принята"),
    "talk_rights": _l("нет права видеть беседу"),
    "lead_rights": _l("нет права видеть сделку"),
    "contact_rights": _l("нет права видеть контакт"),
    "session": _l("поле сессии в сделке пустое"),
}


def looked(communication: Communication) -> str | None:
    """What was found and what was missing, and whether somebody looks again; None when nothing is asked."""
    row = db.session.get(Lookup, communication.id)
    vendor = registry().get(communication.integration.vendor)
    if row is None or vendor is None or vendor.connection is None:
        return None
    said = []
    if row.problem:
        said.append(str(vendor.connection.explain(row.problem)))
    if row.looked_at is None and not row.problem:
        said.append(_("Ещё не спросили: вот-вот узнаем."))
    elif row.looked_at is not None and not row.missing:
        said.append(_("Сделка и контакт прочитаны."))
    elif row.missing:
        parts = "; ".join(str(MISSING.get(part, part)) for part in row.missing)
        said.append(_("Чего не хватило: %(parts)s.", parts=parts))
    if row.done_at is None and row.next_at is not None and row.next_at > utc_now():
        said.append(_("Посмотрим ещё раз %(when)s.", when=exact_time(row.next_at)))
    return " ".join(said)
