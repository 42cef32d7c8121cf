"""What the Data API stand-in keeps: accounts with their directories, keys, points and everything that was loaded.

A world may have a journal: a file of JSON lines from which all that was loaded or changed comes back after a restart.
Keys and accounts are made anew by whoever made them.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from . import dataapi_example as example
from .dataapi_errors import ApiError, limit_exceeded
from .server import Refused

#: What is loaded, counted by ``holdings``; everything else of an account is its directory.
LOADED = ("chats", "offline_messages", "sessions", "sales")

#: The first number of each kind. Those of sessions have more than 32 bits, as the vendor's have.
FIRST_IDS = {
    "chats": 70_000_001,
    "offline_messages": 80_000_001,
    "communications": 3_100_000_001,
    "sessions": 14_700_000_001,
    "visitors": 8_400_000_001,
    "people": 500_001,
    "sales": 900_001,
    "tags": 600_001,
}

KEY_STATES = ("valid", "expired", "blocked")

#: A row of a list, or a loaded entity. Times of the latter are unix seconds.
Row = dict[str, Any]


@dataclass
class Budget:
    """The points of an account: of a calendar day in its zone, of a clock minute; ``parallel`` is None or how many
    calls at once are taken. ``busiest`` is the most that was charged in one minute."""

    zone: ZoneInfo
    day: int = 50_000
    minute: int = 6_000
    parallel: int | None = None
    busiest: int = 0
    _day: tuple[str, int] = ("", 0)
    _minute: tuple[int, int] = (0, 0)

    def spend(self, now: float, running: int) -> None:
        """Charge one point. Raises ApiError when there is none, or when more than ``parallel`` calls run."""
        self._turn(now)
        if self._day[1] >= self.day:
            raise limit_exceeded("day", self.day)
        if self._minute[1] >= self.minute:
            raise limit_exceeded("minute", self.minute)
        if self.parallel is not None and running > self.parallel:
            raise limit_exceeded("simultaneous requests", self.parallel)
        self._day, self._minute = (self._day[0], self._day[1] + 1), (self._minute[0], self._minute[1] + 1)
        self.busiest = max(self.busiest, self._minute[1])

    def give_back(self, now: float) -> None:
        """A call that failed is not charged."""
        self._turn(now)
        self._day, self._minute = (
            (self._day[0], max(0, self._day[1] - 1)),
            (self._minute[0], max(0, self._minute[1] - 1)),
        )

    def told(self, now: float) -> dict[str, int]:
        """``metadata.limits``."""
        self._turn(now)
        moment = datetime.fromtimestamp(now, self.zone)
        return {
            "day_limit": self.day,
            "day_remaining": max(0, self.day - self._day[1]),
            "day_reset": 86_400 - (moment.hour * 3600 + moment.minute * 60 + moment.second),
            "minute_limit": self.minute,
            "minute_remaining": max(0, self.minute - self._minute[1]),
            "minute_reset": 60 - int(now) % 60,
        }

    def used(self, now: float) -> dict[str, int]:
        """Points charged in the day and the minute that run, and in the busiest minute."""
        self._turn(now)
        return {"day": self._day[1], "minute": self._minute[1], "busiest_minute": self.busiest}

    def _turn(self, now: float) -> None:
        day, minute = str(datetime.fromtimestamp(now, self.zone).date()), int(now // 60)
        if self._day[0] != day:
            self._day = (day, 0)
        if self._minute[0] != minute:
            self._minute = (minute, 0)


@dataclass
class Key:
    """A key or a login's token. ``customers`` (user_id: app_id) makes it an agent's; ``expires_at`` is unix seconds."""

    app_id: int
    state: str = "valid"
    expires_at: float | None = None
    customers: dict[int, int] = field(default_factory=dict)


class Account:
    """One client of the vendor. Its plain attributes may be changed at any time."""

    def __init__(self, app_id: int, name: str, timezone: str, project: str | None = None) -> None:
        self.app_id, self.name, self.timezone, self.project = app_id, name, timezone, project
        self.state = "active"
        self.ips = ["0.0.0.0/0"]
        self.components = set(example.COMPONENTS)
        self.rights = {unit: set(actions) for unit, actions in example.RIGHTS.items()}
        self.users: dict[str, str] = {}
        self.budget = Budget(self.zone)
        self.directory: dict[str, dict[Any, Row]] = {name: {} for name in example.LISTS}
        self.loaded: dict[str, dict[int, Row]] = {kind: {} for kind in LOADED}
        self.by_ext_id: dict[str, dict[str, list[int]]] = {kind: defaultdict(list) for kind in LOADED}
        self.people: dict[str, int] = {}
        self.contacts: dict[int, int] = defaultdict(int)

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone."""
        return ZoneInfo(self.timezone)

    def living(self, kind: str, ext_id: str | None = None) -> Iterator[Row]:
        """What is loaded and not deleted, all or under this ext_id, in the order of loading."""
        rows = self.loaded[kind]
        chosen = rows.values() if ext_id is None else [rows[one] for one in self.by_ext_id[kind].get(ext_id, ())]
        return (row for row in list(chosen) if row["deleted_at"] is None)

    def communications(self) -> Iterator[Row]:
        """Chats and requests that are not deleted."""
        yield from self.living("chats")
        yield from self.living("offline_messages")

    def put(self, kind: str, row: Row) -> None:
        """Keep a row of the directory or a loaded entity, new or changed."""
        if kind not in self.loaded:
            if kind not in self.directory:
                raise Refused(f"no list {kind!r}; there are {', '.join(self.directory)}")
            self.directory[kind][row["ext_id"] if kind == "user_fields" else row["id"]] = row
            return
        if row["id"] not in self.loaded[kind]:
            if row.get("ext_id") is not None:
                self.by_ext_id[kind][row["ext_id"]].append(row["id"])
            if row.get("communication_number"):
                self.contacts[row["person_id"]] = row["communication_number"]
            for contact in row.get("contacts", ()):
                self.people[contact] = row["person_id"]
        self.loaded[kind][row["id"]] = row


class World:
    """All accounts and keys. Not locked: whoever calls holds the stand-in's lock."""

    def __init__(self, journal: Path | None = None) -> None:
        self._next = dict(FIRST_IDS)
        self.accounts: dict[int, Account] = {}
        self.keys: dict[str, Key] = {}
        self.example = self.add_account(example.APP_ID, example.NAME, example.TIMEZONE, key=example.KEY)
        self.example.users[example.LOGIN] = example.PASSWORD
        for kind, rows in example.directory().items():
            for row in rows:
                self.example.put(kind, row)
        self._journal = journal
        if journal is not None and journal.exists():
            self._read(journal)

    def add_account(
        self, app_id: int, name: str, timezone: str, *, key: str | None = None, project: str | None = None
    ) -> Account:
        """A new account with an empty directory. ``project`` None is at home on every host. Raises Refused."""
        if app_id in self.accounts:
            raise Refused(f"there is an account {app_id} already")
        account = self.accounts[app_id] = Account(app_id, name, timezone, project)
        if key is not None:
            self.keys[key] = Key(app_id)
        return account

    def account(self, app_id: Any = None) -> Account:
        """One of the accounts, the example's where none is named. Raises Refused."""
        if app_id is None:
            return self.example
        if app_id not in self.accounts:
            raise Refused(f"no account {app_id!r}; there are {', '.join(map(str, self.accounts))}")
        return self.accounts[app_id]

    def behind(self, token: str, now: float) -> Key:
        """What a key opens. Raises ApiError."""
        key = self.keys.get(token)
        if key is None:
            raise ApiError("access_token_invalid")
        if key.state == "expired" or (key.expires_at is not None and key.expires_at <= now):
            raise ApiError("access_token_expired")
        if key.state == "blocked":
            raise ApiError("access_token_blocked")
        return key

    def next_id(self, kind: str) -> int:
        """The next number of a kind."""
        number = self._next[kind]
        self._next[kind] += 1
        return number

    def put(self, account: Account, kind: str, row: Row) -> None:
        """Keep a row, in the journal too."""
        account.put(kind, row)
        self._write({"app_id": account.app_id, "kind": kind, "row": row})

    def remove(self, account: Account, kind: str, row_id: Any) -> None:
        """Take a row out of the directory, in the journal too. Nothing happens where there is none."""
        account.directory[kind].pop(row_id, None)
        self._write({"app_id": account.app_id, "kind": kind, "removed": row_id})

    def _write(self, line: dict[str, Any]) -> None:
        if self._journal is not None:
            with self._journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _read(self, journal: Path) -> None:
        content = journal.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            # The line that was being written when it was killed; nobody was told that it is stored.
            os.truncate(journal, len(whole))
        for text in whole.decode().split("\n")[:-1]:
            line = json.loads(text)
            if line["app_id"] not in self.accounts:
                continue
            account = self.accounts[line["app_id"]]
            if "removed" in line:
                account.directory[line["kind"]].pop(line["removed"], None)
                continue
            account.put(line["kind"], line["row"])
            self._count_on(line["kind"], line["row"])

    def _count_on(self, kind: str, row: Row) -> None:
        """No number is given twice after a restart."""
        used = {
            kind: row.get("id"),
            "communications": row.get("communication_id"),
            "visitors": row.get("visitor_id"),
            "people": row.get("person_id"),
        }
        for name, number in used.items():
            if name in self._next and number is not None:
                self._next[name] = max(self._next[name], number + 1)
