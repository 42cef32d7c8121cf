"""Hooks of the amoCRM stand-in: who is told what, how often it is tried, when a hook is switched off (contract, 2)."""

from __future__ import annotations

import base64
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from .amocrm_core import Core, Outcome, action
from .amocrm_php import encoded, padding
from .amocrm_state import Hook, Tenant, found
from .server import Refused

#: After a failed attempt, and whether the next one is only made after 499 or 5xx.
SCHEDULE = ((5 * 60, False), (15 * 60, False), (15 * 60, True), (60 * 60, True))

#: More invalid answers than this in so many seconds switch a hook off.
MOST_FAILURES, FAILURE_SECONDS = 100, 2 * 3600

USER_AGENT = "amoCRM-Webhooks/3.0"
CONTENT_TYPE = "application/x-www-form-urlencoded"

Tree = dict[str, Any]


@dataclass(frozen=True)
class Parcel:
    """One request to be sent: ``hook`` is None for one that a test sends by itself."""

    tenant: int
    hook: int | None
    address: str
    event: str
    body: bytes
    request_id: str
    tree: Tree = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    attempt: int = 1


@dataclass(frozen=True)
class Delivery:
    """One attempt. ``at`` is the clock's time."""

    number: int
    at: float
    parcel: Parcel
    outcome: Outcome

    def told(self) -> dict[str, Any]:
        """For the control surface."""
        parcel = self.parcel
        about = {"tenant": parcel.tenant, "hook": parcel.hook, "event": parcel.event, "address": parcel.address}
        body = {"request_id": parcel.request_id, "body_base64": base64.b64encode(parcel.body).decode()}
        return {"number": self.number, "at": self.at, "attempt": parcel.attempt, **about, **body, **self.outcome.told()}


class HookPart(Core):
    """The sender. Control orders send in their own thread and give back how it went; what the API causes is sent by the
    pool."""

    def __init__(self, port: int = 0) -> None:
        self._pool = ThreadPoolExecutor(32, thread_name_prefix="amocrm-hooks")
        self._sending = threading.Condition()
        self._busy, self._ended = 0, False
        self._forget()
        super().__init__(port)
        self._clerk = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> Any:
        """See Double."""
        self._clerk.start()
        return super().start()

    def stop(self) -> None:
        """See Double."""
        self._ended = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        super().stop()

    def _forget(self) -> None:
        self.deliveries: deque[Delivery] = deque(maxlen=50_000)
        self.held: list[Parcel] = []
        self._again: list[tuple[float, Parcel]] = []
        self._delayed: list[Parcel] = []

    def emit(self, tenant: Tenant, event: str, entity: str, verb: str, item: Any) -> list[Parcel]:
        """What the hooks that hear of an event are to be told. Call with the lock held, send after it."""
        tree = {entity: {verb: [item] if isinstance(item, dict) else item}}
        return [
            self._parcel(tenant, hook.id, hook.destination, event, tree)
            for hook in tenant.hooks.values()
            if event in hook.settings and not hook.disabled
        ]

    def _parcel(self, tenant: Tenant, hook: int | None, address: str, event: str, tree: Tree) -> Parcel:
        body = self.written(tenant, tree)
        return Parcel(tenant.id, hook, address, event, body, self.state.uuid("request"), tree)

    def written(self, tenant: Tenant, tree: Tree) -> bytes:
        """The bytes of a hook: the account first."""
        switches = self.switches
        whole = {**self._account(tenant), **padding(switches["hook_padding"]), **tree}
        return encoded(whole, switches["hook_brackets"], switches["hook_space"])

    def _account(self, tenant: Tenant) -> Tree:
        block: Tree = {"subdomain": tenant.subdomain, "id": tenant.id, "_links": {"self": tenant.link}}
        switch = self.switches["hook_account"]
        if switch == "subdomain only":
            block = {"subdomain": tenant.subdomain}
        elif switch == "other tenant":
            block["id"] = next((one for one in self.state.tenants if one != tenant.id), 1)
        return {} if switch == "absent" else {"account": block}

    def send(self, parcels: Iterable[Parcel]) -> list[dict[str, Any]]:
        """Send now, hold or lose, as the switch says; gives every first attempt."""
        parcels = list(parcels)
        if self.switches["delivery"] == "lost":
            return []
        if self.switches["delivery"] == "hold":
            with self.lock:
                self.held += parcels
            return []
        return [delivery.told() for parcel in parcels for delivery in self._send_first(parcel)]

    def send_later(self, parcels: Iterable[Parcel]) -> None:
        """Send from the pool."""
        for parcel in parcels:
            self._begin()
            self._pool.submit(self._run, lambda one=parcel: self.send([one]))

    def _run(self, work: Any) -> None:
        try:
            work()
        finally:
            self._end()

    def _begin(self) -> None:
        with self._sending:
            self._busy += 1

    def _end(self) -> None:
        with self._sending:
            self._busy -= 1
            self._sending.notify_all()

    def _send_first(self, parcel: Parcel) -> list[Delivery]:
        fate = self.faults.of_hook()
        if fate == "delayed":
            with self.lock:
                self._delayed.append(parcel)
            return []
        twin = parcel if self.switches["hook_request_id"] == "same" else self._renamed(parcel)
        if self.switches["hook_duplicates"] == "parallel":
            futures = [self._pool.submit(self._attempt, one) for one in (parcel, twin)]
            return [future.result() for future in futures]
        done = [self._attempt(parcel, fate if fate in ("half body", "lost answer") else None)]
        if self.switches["hook_duplicates"] == "twice" or fate == "duplicate":
            done.append(self._attempt(twin))
        with self.lock:
            overtaken, self._delayed = self._delayed, []
        return done + [self._attempt(one) for one in overtaken]

    def _renamed(self, parcel: Parcel) -> Parcel:
        with self.lock:
            return replace(parcel, request_id=self.state.uuid("request"))

    def _attempt(self, parcel: Parcel, broken: str | None = None) -> Delivery:
        kind = {"content-type": CONTENT_TYPE, "user-agent": USER_AGENT, "accept-encoding": "gzip"}
        headers = {**kind, "x-amocrm-requestid": parcel.request_id, **parcel.headers}
        at = self.clock.now()
        outcome = self.request("POST", parcel.address, headers, parcel.body, self.switches["hook_timeout_s"], broken)
        with self.lock:
            delivery = Delivery(len(self.deliveries) + 1, at, parcel, outcome)
            self.deliveries.append(delivery)
            hook = self._hook_of(parcel)
            if not 100 <= outcome.code <= 299:
                if hook is not None:
                    self._count_failure(hook, at)
                self._try_again(parcel, outcome.code)
        return delivery

    def _hook_of(self, parcel: Parcel) -> Hook | None:
        tenant = self.state.tenants.get(parcel.tenant)
        return tenant.hooks.get(parcel.hook or 0) if tenant else None

    def _count_failure(self, hook: Hook, at: float) -> None:
        hook.failures = [when for when in hook.failures if at - when <= FAILURE_SECONDS] + [at]
        if len(hook.failures) > MOST_FAILURES and self.switches["hook_disabling"] == "on":
            hook.disabled = True

    def _try_again(self, parcel: Parcel, code: int) -> None:
        if self.switches["hook_retries"] == "off" or parcel.attempt > len(SCHEDULE):
            return
        pause, only_server_errors = SCHEDULE[parcel.attempt - 1]
        if only_server_errors and not (code == 499 or 500 <= code <= 599):
            return
        again = replace(parcel, attempt=parcel.attempt + 1)
        if self.switches["hook_request_id"] == "new":
            again = replace(again, request_id=self.state.uuid("request"))
        self._again.append((self.clock.now() + pause * self.switches["time_factor"], again))

    def _watch(self) -> None:
        """Make the further attempts when the clock says so."""
        while not self._ended:
            time.sleep(0.02)
            with self.lock:
                due = sorted((one for one in self._again if one[0] <= self.clock.now()), key=lambda one: one[0])
                self._again = [one for one in self._again if one not in due]
                parcels = [parcel for _when, parcel in due if self._still_wanted(parcel)]
                for _ in parcels:
                    self._begin()
            for parcel in parcels:
                try:
                    self._pool.submit(self._run, lambda one=parcel: self._attempt(one))
                except RuntimeError:
                    self._end()

    def _still_wanted(self, parcel: Parcel) -> bool:
        hook = self._hook_of(parcel)
        return parcel.hook is None or (hook is not None and not hook.disabled)

    @action
    def settle(self, seconds: float = 30, retries: bool = True) -> dict[str, Any]:
        """Wait until nothing is being sent, and no further attempt is due at any time unless ``retries`` is false.
        Raises Refused when that takes longer."""
        deadline = time.monotonic() + seconds
        while True:
            with self.lock:
                delayed, self._delayed = self._delayed, []
            for parcel in delayed:
                self._attempt(parcel)
            with self.lock, self._sending:
                if not self._busy and not self._delayed and not (retries and self._again):
                    return {"deliveries": len(self.deliveries)}
            if time.monotonic() > deadline:
                raise Refused(f"{self._busy} being sent, {len(self._again)} to be sent again")
            time.sleep(0.01)

    @action
    def flush_hooks(self, order: str = "as is", seed: int = 0, joined: bool = False) -> dict[str, Any]:
        """Send what is held: ``order`` "as is", "reversed" or "shuffled"; ``joined`` makes one request of all that go
        to one address, entities and items together."""
        with self.lock:
            parcels, self.held = self.held, []
            if joined:
                parcels = self._joined(parcels)
        if order == "shuffled":
            random.Random(seed).shuffle(parcels)
        elif order == "reversed":
            parcels.reverse()
        elif order != "as is":
            raise Refused(f"no order {order!r}")
        return {"deliveries": [delivery.told() for parcel in parcels for delivery in self._send_first(parcel)]}

    def _joined(self, parcels: list[Parcel]) -> list[Parcel]:
        trees: dict[tuple[int, int | None, str], Tree] = {}
        for parcel in parcels:
            tree = trees.setdefault((parcel.tenant, parcel.hook, parcel.address), {})
            for entity, verbs in parcel.tree.items():
                for verb, items in verbs.items():
                    tree.setdefault(entity, {}).setdefault(verb, []).extend(items)
        return [
            self._parcel(self.state.tenants[tenant], hook, address, "joined", tree)
            for (tenant, hook, address), tree in trees.items()
        ]

    @action
    def send_hook(
        self,
        url: str | None = None,
        tree: Tree | None = None,
        body: str | None = None,
        tenant: int | None = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
        parallel: bool = False,
    ) -> dict[str, Any]:
        """Send a hook of one's own: a ``tree`` beside the account, or a ``body`` as text. Without ``url`` to the
        account's first hook. Gives every first attempt."""
        with self.lock:
            account = self.state.tenant(tenant)
            hook = None if url else next(iter(account.hooks.values()), None)
            if hook is None and url is None:
                raise Refused("the account has no hook, so say url")
            address = hook.destination if hook else str(url)
            parcel = self._parcel(account, hook.id if hook else None, address, "sent", tree or {})
            if body is not None:
                parcel = replace(parcel, body=body.encode("utf-8", "surrogateescape"))
            parcels = [replace(self._renamed(parcel), headers=headers or {}) for _ in range(times)]
        if parallel:
            done = [future.result() for future in [self._pool.submit(self._attempt, one) for one in parcels]]
        else:
            done = [self._attempt(one) for one in parcels]
        return {"deliveries": [delivery.told() for delivery in done]}

    @action
    def enable_hook(self, hook: int, tenant: int | None = None) -> dict[str, Any]:
        """Somebody switches a hook on again by hand."""
        with self.lock:
            one = found(self.state.tenant(tenant).hooks, hook, "hook")
            one.disabled, one.failures = False, []
        return {}
