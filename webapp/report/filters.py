"""What the list can be filtered by, and what one address asks for.

A filter of a value that the counters hold names its ``column``. What lies in other tables is added by ``FIELDS.append``
with a ``condition`` and, where few rows have the value, a ``candidates`` of their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Select, exists, select

from webapp.conversation import ConversationType
from webapp.models import Account, Communication, CommunicationCount, Delivery, DeliveryState
from webapp.resolution import Rule
from webapp.wording import CHANNEL_NAMES, DELIVERY_NAMES, RULE_NAMES, TYPE_NAMES

from . import periods
from .tokens import Asked, value_token
from .words import Part, parts_of

#: In an address: the ones that have no campaign, no source and so on.
NONE = "none"

LONGEST_QUERY = 200

#: Several rules that mean one thing to a marketer, as one choice.
RULE_GROUPS = {
    "sessions": (Rule.VISIT, Rule.BEACON, Rule.CONTACT),
    "marks": (Rule.UTM, Rule.CHANNEL),
    "rest": (Rule.DEFAULT, Rule.NONE),
}


@dataclass(frozen=True)
class Field:
    """One filter. ``read`` makes a value of an address's text (ValueError: none), ``write`` the text again.

    ``options`` are the values to choose from; ``kind`` is the list of the directory where they are chosen by typing.
    ``outside``: only of use to accounts with an outside cabinet.
    """

    key: str
    label: Any
    read: Callable[[str], Any]
    column: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: str | None = None
    write: Callable[[Any], str] = str
    condition: Callable[[Any], ColumnElement[bool]] | None = None
    candidates: Callable[[Any, int], Select[Any]] | None = None
    outside: bool = False

    def holds(self, value: Any) -> ColumnElement[bool]:
        """The condition on a communication."""
        if self.condition is not None:
            return self.condition(value)
        column = getattr(Communication, self.column or "")
        if isinstance(value, tuple):
            return column.in_(value)
        return column.is_(None) if value is None else column == value

    def counted(self, value: Any) -> ColumnElement[bool]:
        """The condition on a counter."""
        column = getattr(CommunicationCount, self.column or "")
        if isinstance(value, tuple):
            return column.in_(value)
        if value is None:
            value = "" if self.key == "channel" else 0
        return column == value

    def token(self, value: Any) -> str | None:
        """The word of the index, where it has one for this value."""
        if self.column is None or isinstance(value, tuple):
            return None
        return value_token(self.column, value)


def _one_of(*known: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in known:
            raise ValueError(text)
        return text

    return read


def _rule(text: str) -> Any:
    return RULE_GROUPS.get(text) or _one_of(*Rule)(text)


def _write_rule(value: Any) -> str:
    return next((name for name, rules in RULE_GROUPS.items() if rules == value), None) or str(value)


def _channel(text: str) -> str | None:
    if len(text) > 50 or "\0" in text:
        raise ValueError(text)
    return None if text == NONE else text


def _number(text: str) -> int | None:
    if text == NONE:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise ValueError(text)
    return int(text)


def _write_number(value: int | None) -> str:
    return NONE if value is None else str(value)


def _flag(yes: str, no: str) -> tuple[Callable[[str], bool], Callable[[bool], str]]:
    known = {yes: True, no: False}

    def read(text: str) -> bool:
        if text not in known:
            raise ValueError(text)
        return known[text]

    return read, lambda value: yes if value else no


def _with_visit(value: bool) -> ColumnElement[bool]:
    return Communication.visit_id.is_not(None) if value else Communication.visit_id.is_(None)


def _delivered(state: str) -> ColumnElement[bool]:
    return exists().where(Delivery.communication_id == Communication.id, Delivery.state == state)


def _with_delivery(state: str, account: int) -> Select[Any]:
    return select(Delivery.communication_id).where(Delivery.account_id == account, Delivery.state == state)


_read_visit, _write_visit = _flag("yes", "no")
_read_contact, _write_contact = _flag("repeat", "first")

RULE_CHOICES = {
    **RULE_NAMES,
    "sessions": _l("любая сессия"),
    "marks": _l("UTM или мессенджер"),
    "rest": _l("по умолчанию или без атрибуции"),
}

FIELDS: list[Field] = [
    Field("type", _l("Тип"), _one_of(*ConversationType), "type", TYPE_NAMES),
    Field("channel", _l("Канал"), _channel, "channel", CHANNEL_NAMES, write=lambda value: value or NONE),
    Field("rule", _l("Почему"), _rule, "rule", RULE_CHOICES, write=_write_rule),
    Field("site", _l("Сайт"), _number, "site_id", kind="sites", write=_write_number),
    Field("campaign", _l("Рекламная кампания"), _number, "campaign_id", kind="campaigns", write=_write_number),
    Field("source", _l("Источник"), _number, "source_id", kind="sources", write=_write_number),
    Field("employee", _l("Сотрудник"), _number, "employee_id", kind="employees", write=_write_number),
    Field("integration", _l("Интеграция"), _number, "integration_id", write=_write_number),
    Field(
        "visit", _l("Сессия"), _read_visit, "has_visit", {"yes": _l("есть"), "no": _l("нет")},
        write=_write_visit, condition=_with_visit,
    ),
    Field(
        "contact", _l("Контакт"), _read_contact, "is_repeat",
        {"first": _l("написал впервые"), "repeat": _l("писал раньше")}, write=_write_contact,
    ),
    Field(
        "delivery", _l("Передача"), _one_of(*DeliveryState), None, DELIVERY_NAMES,
        condition=_delivered, candidates=_with_delivery, outside=True,
    ),
]  # fmt: skip

#: Filters that an ordered index of the table serves, the most telling first.
INDEXED = ("rule", "type", "integration")


@dataclass(frozen=True)
class Filters:
    """What one address asks for. Everything unknown in it is left out.

    ``since`` and ``until`` are days of the account's zone; ``period`` is the preset they come from.
    """

    account: Account
    since: date | None = None
    until: date | None = None
    period: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""

    @classmethod
    def read(cls, account: Account, told: Mapping[str, str]) -> Filters:
        """The filters of an address's parameters."""
        since, until, period = (
            periods.read_day(told.get("since")),
            periods.read_day(told.get("until")),
            told.get("period") or None,
        )
        if since or until or period not in periods.PRESETS:
            period = None
        if period:
            since, until = periods.of_preset(period, periods.today(account.timezone))
        values = {}
        for one in FIELDS:
            text = told.get(one.key)
            if text:
                try:
                    values[one.key] = one.read(text)
                except ValueError:
                    continue
        query = (told.get("q") or "").replace("\0", "").strip()[:LONGEST_QUERY]
        return cls(account, since, until, period, values, query)

    @property
    def any(self) -> bool:
        """True when something is left out of the list."""
        return bool(self.since or self.until or self.values or self.query)

    def address(self) -> dict[str, str]:
        """The same as parameters of an address."""
        known: dict[str, Any] = {"period": self.period}
        if not self.period:
            known |= {"since": self.since, "until": self.until}
        known |= {one.key: one.write(self.values[one.key]) for one in FIELDS if one.key in self.values}
        known["q"] = self.query
        return {name: str(value) for name, value in known.items() if value}

    @property
    def can_be_counted(self) -> bool:
        """True when the counters know everything that is asked for."""
        return not self.query and all(one.column for one in FIELDS if one.key in self.values)

    def times(self) -> list[ColumnElement[bool]]:
        """The account and the period."""
        wanted = [Communication.account_id == self.account.id]
        zone = self.account.timezone
        if self.since:
            wanted.append(Communication.started_at >= periods.midnight(self.since, zone))
        if self.until:
            wanted.append(Communication.started_at < periods.midnight(self.until + timedelta(days=1), zone))
        return wanted

    def indexed(self) -> list[ColumnElement[bool]]:
        """As much as one index in the order of time serves."""
        return self.times() + [one.holds(self.values[one.key]) for one in self._by_index()]

    def _by_index(self) -> list[Field]:
        served = [one for key in INDEXED for one in FIELDS if one.key == key and key in self.values]
        # Several rules are several ranges of the index, each with an order of its own.
        return [one for one in served if not isinstance(self.values[one.key], tuple)][:1]

    @property
    def is_indexed(self) -> bool:
        """True when one index serves all of it."""
        return not self.query and set(self.values) <= {one.key for one in self._by_index()}

    def conditions(self) -> list[ColumnElement[bool]]:
        """All of it."""
        wanted = self.times() + [one.holds(self.values[one.key]) for one in FIELDS if one.key in self.values]
        return wanted + [part.condition() for part in self.parts]

    def counted(self) -> list[ColumnElement[bool]]:
        """The conditions on the counters, the period aside."""
        chosen = [one.counted(self.values[one.key]) for one in FIELDS if one.key in self.values]
        return [CommunicationCount.account_id == self.account.id, *chosen]

    @cached_property
    def parts(self) -> list[Part]:
        """What is typed, taken apart."""
        return parts_of(self.query, self.account.region)

    def contact(self) -> ColumnElement[bool] | None:
        """The condition of a whole phone or e-mail, which has an index of its own."""
        found = (part.contact() for part in self.parts)
        return next((condition for condition in found if condition is not None), None)

    def asked(self) -> Asked:
        """What of it the inverted index can be asked."""
        tokens = [one.token(self.values[one.key]) for one in FIELDS if one.key in self.values]
        return Asked([token for token in tokens if token], [part.sought() for part in self.parts])
