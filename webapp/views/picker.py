"""A field in which one entry of the directory is chosen by typing (templates/macros/combobox.html)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from webapp.models import Account

from .directory_search import by_label, get
from .numbers import row_number


@dataclass
class Picker:
    """What a picker shows and what was chosen in it. ``text`` stays as typed when nothing fits."""

    kind: str
    name: str
    entry: Any = None
    text: str = ""
    error: str | None = None
    warning: str | None = None

    @property
    def id(self) -> int | None:
        """The number of the chosen entry."""
        return self.entry.id if self.entry else None

    @classmethod
    def of(cls, kind: str, name: str, entry: Any) -> Picker:
        """A picker that shows a stored choice, and warns of one that was archived since."""
        warning = None
        if entry is not None and entry.archived_at is not None:
            warning = _("В архиве. Новые чаты по-прежнему попадают сюда; выберите другое, если это не то, что нужно.")
            if entry.outside:
                warning = _("В кабинете этого больше нет: обращения задержатся, пока не выбрано другое.")
        return cls(kind, name, entry, entry.label if entry else "", warning=warning)

    @classmethod
    def read(
        cls, account: Account, kind: str, name: str, form: Mapping[str, str], required: str | None = None
    ) -> Picker:
        """What was sent. The written text decides; ``required`` is the error when it is empty."""
        text = form.get(f"{name}_text", "").replace("\0", "").strip()
        number = form.get(name, "")
        entry = get(account, kind, row_number(number))
        if f"{name}_text" not in form:
            text = entry.label if entry else ""
        if not text:
            return cls(kind, name, error=required)
        if entry is None or entry.label != text:
            named = by_label(account, kind, text)
            entry = named[0] if len(named) == 1 else None
            if len(named) > 1:
                several = _("«%(text)s» — так называется не одно. Допишите или выберите из списка.", text=text)
                return cls(kind, name, text=text, error=several)
        if entry is None:
            error = _("«%(text)s» в справочнике нет. Впишите название, как там, или выберите из списка.", text=text)
            return cls(kind, name, text=text, error=error)
        return cls.of(kind, name, entry)
