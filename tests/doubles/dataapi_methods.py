"""What a method of the Data API stand-in is, and what it is given when it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from .dataapi_errors import ApiError, component_disabled
from .dataapi_shapes import DATE_TIME, NUMBER, STRING, Reader, Shape
from .dataapi_world import Account, World

#: Parameters that every method with a key takes.
COMMON: Mapping[str, Shape] = {"access_token": STRING.needed, "user_id": NUMBER}


@dataclass(frozen=True)
class Asked:
    """One call that is allowed. ``params`` are read by the method's shapes, ``now`` is in unix seconds."""

    world: World
    account: Account
    params: Mapping[str, Any]
    switches: Mapping[str, Any]
    now: float
    size: int
    token: str

    @property
    def reader(self) -> Reader:
        """Reads what is nested."""
        return Reader(self.switches)

    def moment(self, text: str) -> float:
        """Unix seconds of a date, in the zone that dates of uploads have."""
        zones = {"account": self.account.zone, "utc": UTC, "moscow": ZoneInfo("Europe/Moscow")}
        return datetime.strptime(text, DATE_TIME).replace(tzinfo=zones[self.switches["date_zone"]]).timestamp()

    def local(self, text: str) -> float:
        """Unix seconds of a date in the account's zone, which is that of reports."""
        return datetime.strptime(text, DATE_TIME).replace(tzinfo=self.account.zone).timestamp()

    def written(self, at: float | None) -> str | None:
        """A moment as reports write it: in the account's zone."""
        return None if at is None else datetime.fromtimestamp(at, self.account.zone).strftime(DATE_TIME)

    def visible_at(self) -> float | None:
        """From when on reports show what is loaded now; None is never."""
        delay = self.switches["report_delay_s"]
        return None if delay == "never" else self.now + delay

    def shown(self, row: Mapping[str, Any]) -> bool:
        """True when reports show this loaded entity."""
        return row["visible_at"] is not None and row["visible_at"] <= self.now


@dataclass(frozen=True)
class Method:
    """``run`` gives the result. One of ``any_of`` and all of ``all_of`` must have been bought; one of ``rights``
    (``unit:action``) must be the user's."""

    run: Callable[[Asked], dict[str, Any]]
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    rights: tuple[str, ...] = ()
    clients_only: bool = False
    common: Mapping[str, Shape] = field(default_factory=lambda: COMMON)

    def check(self, account: Account) -> None:
        """Raises ApiError when a component or the right is missing."""
        bought = account.components
        if self.any_of and not bought & set(self.any_of):
            raise component_disabled(", ".join(self.any_of))
        for name in self.all_of:
            if name not in bought:
                raise component_disabled(name)
        rights = [right.split(":") for right in self.rights]
        if rights and not any(action in account.rights.get(unit, ()) for unit, action in rights):
            raise ApiError("forbidden", params={"permissions": ", ".join(self.rights)})
