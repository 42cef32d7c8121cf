"""The control surface of the Data API stand-in: what a test turns, adds, takes away and reads."""

from __future__ import annotations

import base64
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import dataapi_example as example
from . import dataapi_sessions, dataapi_switches
from .dataapi_faults import Faults
from .dataapi_world import KEY_STATES, LOADED, Account, Key, Row, World
from .server import Call, Double, Refused, Route

MOST_CALLS = 100_000

#: The address that callers seem to have, seconds that a timeout holds and that every answer takes, projects by host.
SETTINGS = ("seen_ip", "hold_s", "latency_s", "hosts")

_PLAIN = ("name", "timezone", "project", "state", "ips")
_POINTS = ("day", "minute", "parallel")


@dataclass
class Received:
    """One call. ``outcome`` is ok, a mnemonic, or "not done"; ``done`` says whether the method was carried out.

    Times are unix seconds of the clock; ``parallel`` counts the calls that ran when it came, itself too.
    """

    number: int
    at: float
    path: str
    headers: Mapping[str, str]
    body: bytes
    parallel: int
    method: str = ""
    app_id: int | None = None
    fault: str | None = None
    outcome: str = "not done"
    done: bool = False
    status: int | None = None
    answer: bytes = b""
    ended_at: float | None = None

    def told(self) -> dict[str, Any]:
        """For the control surface: bytes in base64."""
        own = {key: value for key, value in asdict(self).items() if key not in ("body", "answer")}
        return own | {f"{key}_base64": base64.b64encode(getattr(self, key)).decode() for key in ("body", "answer")}


class Controlled(Double):
    """What can be done to the stand-in and asked of it, by Python and by HTTP."""

    def __init__(self, port: int = 0, journal: Path | str | None = None) -> None:
        super().__init__(port)
        self._journal = None if journal is None else Path(journal)
        self._lock, self._counting = threading.RLock(), threading.Lock()
        self._released = threading.Event()
        self._start_over()

    def _start_over(self) -> None:
        self._released.set()
        self._released = threading.Event()
        self.world = World(self._journal)
        self.switches = dataapi_switches.defaults()
        self.faults = Faults()
        self.received: deque[Received] = deque(maxlen=MOST_CALLS)
        self._running = self._most_running = self._number = 0
        self.seen_ip, self.hold_s, self.latency_s = "127.0.0.1", 15.0, 0.0
        self.hosts: dict[str, str] = {}

    def routes(self) -> dict[tuple[str, str], Route]:
        """See Double."""
        return super().routes() | {
            ("POST", "/_control/clock"): lambda call: self.configure({"clock": call.order() or None}),
            ("POST", "/_control/faults"): lambda call: self._order_faults(call.order()),
            ("GET", "/_control/faults"): lambda _call: self.told_faults(),
            ("GET", "/_control/calls"): self._told_calls,
            ("GET", "/_control/metrics"): lambda _call: self.metrics(),
            ("GET", "/_control/holdings"): lambda call: self.holdings(app_id=_app_id(call)),
            ("GET", "/_control/stored"): lambda call: {
                kind: self.stored(kind, app_id=_app_id(call)) for kind in LOADED
            },
            ("POST", "/_control/sessions"): lambda call: self.add_session(**call.order()),
            ("POST", "/_control/keys"): lambda call: self.set_key(**call.order()),
            ("POST", "/_control/accounts"): lambda call: self.set_account(**call.order()),
            ("POST", "/_control/directory"): lambda call: self.change_directory(**call.order()),
        }

    def configure(self, order: dict[str, Any]) -> dict[str, Any]:
        """``switches``, ``clock`` and SETTINGS; gives how they stand. Raises Refused."""
        with self._lock:
            switches = dataapi_switches.checked(order.pop("switches", {}))
            rest = {name: order.pop(name) for name in SETTINGS if name in order}
            told = super().configure(order)
            self.switches |= switches
            for name, value in rest.items():
                setattr(self, name, value)
            own = {name: getattr(self, name) for name in SETTINGS}
            return {**told, **own, "switches": dict(self.switches)}

    def reset(self) -> dict[str, Any]:
        """Everything as at the beginning, the journal empty, nobody held any longer."""
        with self._lock:
            super().reset()
            if self._journal is not None:
                self._journal.unlink(missing_ok=True)
            self._start_over()
            return {}

    @contextmanager
    def locked(self) -> Iterator[World]:
        """The world, while nobody else changes it."""
        with self._lock:
            yield self.world

    def switch(self, **switches: Any) -> None:
        """Turn switches from now on. Raises Refused."""
        self.configure({"switches": switches})

    def fault(self, fault: str, method: str = "*", times: int | None = 1, **details: Any) -> None:
        """Queue a fault; see dataapi_faults.Fault. Raises Refused."""
        with self._lock:
            self.faults.add({"fault": fault, "method": method, "times": times, **details})

    def chaos(self, **order: Any) -> None:
        """Faults by chance; see dataapi_faults.Faults.chaos. Without anything it ends. Raises Refused."""
        with self._lock:
            self.faults.chaos(order)

    def heal(self) -> None:
        """Take every fault away, and let go whoever is held."""
        with self._lock:
            self.faults.queue, self.faults.chances = [], []
            self._released.set()
            self._released = threading.Event()

    def told_faults(self) -> dict[str, Any]:
        """What waits, what may come, and how often each was dealt."""
        with self._lock:
            told = {name: [one.told() for one in getattr(self.faults, name)] for name in ("queue", "chances")}
            return told | {"dealt": dict(self.faults.dealt)}

    def _order_faults(self, order: dict[str, Any]) -> dict[str, Any]:
        unknown = order.keys() - {"faults", "chaos", "heal"}
        if unknown:
            raise Refused(f"unknown: {', '.join(sorted(unknown))}")
        with self._lock:
            if order.get("heal"):
                self.heal()
            self.faults.add(*order.get("faults", ()))
            if "chaos" in order:
                self.faults.chaos(order["chaos"] or {})
            return self.told_faults()

    def calls(self, method: str | None = None, since: int = 0) -> list[Received]:
        """The calls of this method, or all, whose number is above ``since``."""
        with self._counting:
            return [one for one in self.received if one.number > since and method in (None, one.method)]

    def _told_calls(self, call: Call) -> dict[str, Any]:
        found = self.calls(call.query.get("method"), int(call.query.get("since") or 0))
        return {"calls": [one.told() for one in found]}

    def metrics(self) -> dict[str, Any]:
        """Calls by method and outcome, points by account, calls at once, refusals for the limits."""
        with self._lock:
            now, received = self.clock.now(), self.calls()
            outcomes: dict[str, Counter[str]] = {}
            minutes: Counter[int] = Counter()
            for one in received:
                outcomes.setdefault(one.method, Counter())[one.outcome] += 1
                minutes[int(one.at // 60)] += 1
            beyond = sum(one.outcome == "limit_exceeded" and one.fault is None for one in received)
            return {
                "calls": self._number,
                "methods": {method: dict(found) for method, found in outcomes.items()},
                "points": {str(app_id): one.budget.used(now) for app_id, one in self.world.accounts.items()},
                "parallel": self._running,
                "most_parallel": self._most_running,
                "most_calls_a_minute": max(minutes.values(), default=0),
                "beyond_limits": beyond,
            }

    def holdings(self, kind: str | None = None, *, app_id: int | None = None) -> dict[str, Any]:
        """What is stored, by ext_id: ``{kind: {ext_id: {"count", "ids", "deleted", "uploads"}}}``, or of one kind.

        ``count`` is of what is there now, ``deleted`` of what is not any more, ``uploads`` how often it was accepted.
        """
        with self._lock:
            account = self.world.account(app_id)
            found = {each: _holdings(account, each) for each in LOADED}
            return found if kind is None else found[kind]

    def stored(self, kind: str, ext_id: str | None = None, *, app_id: int | None = None) -> list[Row]:
        """The living entities of a kind, whole: ``sent`` is the item as it came, times are unix seconds."""
        with self._lock:
            return list(self.world.account(app_id).living(kind, ext_id))

    def add_session(self, app_id: int | None = None, **values: Any) -> Row:
        """A visitor's session; see dataapi_sessions.add. Raises Refused."""
        with self._lock:
            return dataapi_sessions.add(self.world, self.world.account(app_id), self.clock.now(), **values)

    def set_key(
        self,
        key: str,
        *,
        app_id: int | None = None,
        state: str = "valid",
        expires_at: float | None = None,
        customers: Mapping[Any, int] | None = None,
    ) -> dict[str, Any]:
        """Make a key, or change it: ``state`` is valid, expired, blocked, or revoked (no such key). Raises Refused.

        ``customers`` ({user_id: app_id}) makes it an agent's.
        """
        if state not in (*KEY_STATES, "revoked"):
            raise Refused(f"state is one of {', '.join((*KEY_STATES, 'revoked'))}")
        with self._lock:
            if state == "revoked":
                self.world.keys.pop(key, None)
                return {}
            known = self.world.keys.get(key)
            owner = self.world.account(app_id if app_id is not None or known is None else known.app_id)
            numbers = {int(user): number for user, number in (customers or {}).items()}
            self.world.keys[key] = Key(owner.app_id, state, expires_at, numbers)
            return {"key": key, "app_id": owner.app_id, "state": state}

    def set_account(self, app_id: int | None = None, **changes: Any) -> dict[str, Any]:
        """Change an account, or make one where there is none of this number. Raises Refused.

        ``name``, ``timezone``, ``project``, ``state`` (active or another word), ``ips``; ``components`` (the whole
        list), ``lacking`` (components taken away) and ``bought``; ``rights`` ({unit: [actions]}); ``day``, ``minute``,
        ``parallel`` (limits); ``users`` ({login: password}); ``key``.
        """
        known = {*_PLAIN, *_POINTS, "components", "lacking", "bought", "rights", "users", "key"}
        if changes.keys() - known:
            raise Refused(f"unknown: {', '.join(sorted(changes.keys() - known))}")
        with self._lock:
            if app_id is not None and app_id not in self.world.accounts:
                name, timezone = changes.get("name", f"Account {app_id}"), changes.get("timezone", "Europe/Moscow")
                self.world.add_account(app_id, name, timezone, project=changes.get("project"))
            account = self.world.account(app_id)
            for name in _PLAIN:
                if name in changes:
                    setattr(account, name, changes[name])
            account.budget.zone = account.zone
            for name in _POINTS:
                if name in changes:
                    setattr(account.budget, name, changes[name])
            account.components = set(changes.get("components", account.components))
            account.components |= set(changes.get("bought", ()))
            account.components -= set(changes.get("lacking", ()))
            account.rights |= {unit: set(actions) for unit, actions in changes.get("rights", {}).items()}
            account.users |= changes.get("users", {})
            if "key" in changes:
                self.set_key(changes["key"], app_id=account.app_id)
            return {"app_id": account.app_id, "components": sorted(account.components), "state": account.state}

    def change_directory(
        self,
        app_id: int | None = None,
        put: Mapping[str, list[Row]] | None = None,
        remove: Mapping[str, list[Any]] | None = None,
        generate: Mapping[str, int] | None = None,
    ) -> dict[str, Any]:
        """Put rows, whole or the changed part of them; remove rows by id; ``generate`` ``{"campaigns": 25000}``.

        Gives how many rows each list has. Raises Refused.
        """
        with self._lock:
            account = self.world.account(app_id)
            for kind in {*(put or {}), *(remove or {})} - account.directory.keys():
                raise Refused(f"no list {kind!r}; there are {', '.join(account.directory)}")
            for kind, rows in (put or {}).items():
                for row in rows:
                    old = account.directory[kind].get(row.get("ext_id") if kind == "user_fields" else row.get("id"), {})
                    self.world.put(account, kind, _new_row(kind, row) if not old else {**old, **row})
            for kind, numbers in (remove or {}).items():
                for number in numbers:
                    self.world.remove(account, kind, number)
            for kind, number in (generate or {}).items():
                if kind != "campaigns":
                    raise Refused("only campaigns can be generated")
                site_id = next(iter(account.directory["sites"]))
                for place in range(number):
                    account.put(kind, example.campaign(1_000_001 + place, _long_name(place), site_id))
            return {kind: len(rows) for kind, rows in account.directory.items()}


def _app_id(call: Call) -> int | None:
    return int(call.query["app_id"]) if call.query.get("app_id") else None


def _holdings(account: Account, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in account.loaded[kind].values():
        if row.get("ext_id") is None:
            continue
        one = found.setdefault(row["ext_id"], {"count": 0, "ids": [], "deleted": 0, "uploads": 0})
        one["uploads"] += row["uploads"]
        if row["deleted_at"] is None:
            one["count"] += 1
            one["ids"].append(row["id"])
        else:
            one["deleted"] += 1
    return found


def _new_row(kind: str, row: Row) -> Row:
    """A new row, with what it leaves out. Raises Refused."""
    try:
        if kind == "sites":
            domain = row["domain_name"]
            return {**example.site(row["id"], domain, row.get("name", domain)), **row}
        if kind == "campaigns":
            return {**example.campaign(row["id"], row["name"], row["site_id"]), **row}
        if kind == "employees":
            names = row.get("last_name", ""), row.get("first_name", "")
            made = example.employee(row["id"], *names, row.get("email"))
            return {**made, "full_name": " ".join(filter(None, names)), **row}
        return {"state": "active", "is_custom": True, **row} if kind in ("sources", "groups", "channels") else dict(row)
    except KeyError as error:
        raise Refused(f"a row of {kind} needs {error.args[0]}") from error


def _long_name(place: int) -> str:
    """Every fifth name has an emoji, every seventh is 255 characters long."""
    name = f"Кампания {place + 1}" + (" 🪟" if place % 5 == 0 else "")
    return name.ljust(255, "ы") if place % 7 == 0 else name
