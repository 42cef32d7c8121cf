"""The line to an account's cabinet: paced for all workers together, paused when nobody gets through.

What the cabinet tells of the points is kept in CabinetLink, a pause in CabinetPause. Both are the account's, whoever
calls. Callers hold no transaction open while they call.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp import pacing, queue
from webapp.http import Client
from webapp.models import Account, CabinetLink, CabinetPause, Lane, utc_now

from . import assumptions, hosts
from .client import Api, Reply
from .failures import Failure, Kind

log = structlog.get_logger()

#: How much of the limit of a minute is used: others spend of the same points.
USED_SHARE = 0.95

#: The scope of a pause of everything.
WHOLE = "all"

#: Seconds between two looks whether a paused cabinet takes something again.
PROBE_SECONDS = 60

_noise = random.SystemRandom()

#: Longer than this no job waits for its turn: it comes back, and its thread works for somebody else.
LONGEST_TURN = 5.0

#: Longest wait that a cabinet may ask for by its limits; a longer one is a mistake.
LONGEST_BLOCK = timedelta(hours=25)

#: Where the limits are used up and the cabinet does not say until when.
UNTOLD_BLOCK = timedelta(minutes=1)


def client() -> Client:
    """The outgoing client that knows the Data API's hosts and the stand-ins that are allowed."""
    return Client(hosts.HOSTS, current_app.config["SETTINGS"].EXTRA_VENDOR_HOSTS)


class Line:
    """Calls of one account, each in its turn. ``per_second`` is the rate that the limits allow."""

    def __init__(self, engine: Engine, account_id: int, url: str, token: str, per_second: float) -> None:
        self._engine, self._account_id, self._per_second = engine, account_id, per_second
        self._api = Api(url, token, client())

    @classmethod
    def of(cls, session: Session, account: Account) -> Line:
        """The line of an account as it is stored. Raises LookupError when no key is known."""
        if not account.cabinet_url or not account.cabinet_access_token:
            raise LookupError("the cabinet has no key")
        rate = rate_of(session.get(CabinetLink, account.id))
        return cls(session.get_bind(), account.id, account.cabinet_url, account.cabinet_access_token, rate)

    def call(self, method: str, params: Mapping[str, Any], not_after: datetime | None = None) -> Reply:
        """Wait for the turn, make the call, keep what is told of the points. Raises Failure, also for a turn that came
        too late."""
        wait = pacing.reserve(self._engine, lane_of(self._account_id), self._per_second)
        if wait:
            time.sleep(wait)
        if not_after is not None and utc_now() > not_after:
            raise Failure(Kind.LATER, "too_late")
        try:
            reply = self._api.call(method, params)
        except Failure as failure:
            self._keep(failure.limits)
            raise
        self._keep(reply.limits)
        return reply

    def _keep(self, limits: Mapping[str, int]) -> None:
        if limits:
            with Session(self._engine) as session:
                keep_limits(session, self._account_id, limits)
                session.commit()
            self._per_second = _rate(limits) or self._per_second


def turn_in(session: Session, account_id: int) -> float:
    """Seconds until a call of this account would have its turn."""
    lane = session.get(Lane, lane_of(account_id), populate_existing=True)
    return max(0.0, lane.free_at - time.time()) if lane else 0.0


def lane_of(account_id: int) -> str:
    """The name of the account's lane in webapp.pacing."""
    return f"cabinet:{account_id}"


def rate_of(link: CabinetLink | None) -> float:
    """Calls a second that the limits allow, as far as they are known (U-19)."""
    return (_rate(link.limits) if link and link.limits else None) or assumptions.UNKNOWN_RATE


def _rate(limits: Mapping[str, int]) -> float | None:
    a_minute = limits.get("minute_limit")
    return max(a_minute, 1) / 60 * USED_SHARE if a_minute else None


def link_of(session: Session, account_id: int) -> CabinetLink:
    """The account's link, made if there is none, locked for a change."""
    found = session.get(CabinetLink, account_id, with_for_update=True)
    if found is None:
        try:
            with session.begin_nested():
                session.add(CabinetLink(account_id=account_id, limits={}, sync={}))
        except IntegrityError:
            log.debug("cabinet_link_made_meanwhile", account=account_id)
        found = session.get_one(CabinetLink, account_id, with_for_update=True)
    return found


def keep_limits(session: Session, account_id: int, limits: Mapping[str, int], *, exceeded: bool = False) -> None:
    """Keep what the cabinet told of the points; when they are used up, nothing goes out until they come back."""
    link = link_of(session, account_id)
    if limits:
        link.limits, link.limits_at = dict(limits), utc_now()
    until = _block(limits, exceeded)
    if until is not None:
        link.blocked_until = max(link.blocked_until or until, until)


def _block(limits: Mapping[str, int], exceeded: bool) -> datetime | None:
    """Until when nothing may be spent."""
    waits = []
    for span, margin in (("day", 0), ("minute", limits.get("minute_limit", 0) // 20)):
        remaining, reset = limits.get(f"{span}_remaining"), limits.get(f"{span}_reset")
        if remaining is not None and remaining <= margin:
            waits.append(timedelta(seconds=reset) if reset and reset > 0 else UNTOLD_BLOCK)
    if exceeded and not waits:
        waits.append(UNTOLD_BLOCK)
    return utc_now() + min(max(waits), LONGEST_BLOCK) if waits else None


def seconds_until(moment: datetime) -> float:
    """Until then and a little, not the same little for everybody."""
    return max(0.0, (moment - utc_now()).total_seconds()) + _noise.uniform(0.2, 3)


def pauses(session: Session, account_id: int) -> list[CabinetPause]:
    """What is paused, the whole account first."""
    query = select(CabinetPause).where(CabinetPause.account_id == account_id).order_by(CabinetPause.scope != WHOLE)
    return list(session.scalars(query))


def is_paused(session: Session, account_id: int, kind: str) -> bool:
    """True when communications of this type do not get through."""
    query = select(CabinetPause.id).where(CabinetPause.account_id == account_id, CabinetPause.scope.in_((WHOLE, kind)))
    return session.scalar(query.limit(1)) is not None


def pause(session: Session, account_id: int, failure: Failure, kind: str) -> None:
    """Let nothing more go out, of the account or of this type, until a probe succeeds. The caller commits."""
    scope = WHOLE if failure.account_wide else kind
    query = select(CabinetPause).where(CabinetPause.account_id == account_id, CabinetPause.scope == scope)
    found = session.scalar(query.with_for_update())
    if found is None:
        found = CabinetPause(
            account_id=account_id, scope=scope, reason=failure.mnemonic, facts=failure.facts, since=utc_now(),
            next_probe_at=utc_now(), probes=0,
        )  # fmt: skip
        try:
            with session.begin_nested():
                session.add(found)
        except IntegrityError:
            return
        log.warning("cabinet_paused", account=account_id, scope=scope, reason=failure.mnemonic)
        probe_later(session, found)
    else:
        found.reason, found.facts = failure.mnemonic, failure.facts


def probe_later(session: Session, paused: CabinetPause) -> None:
    """Look again in a minute whether it gets through."""
    session.flush()
    paused.probes += 1
    paused.next_probe_at = utc_now() + timedelta(seconds=PROBE_SECONDS)
    # The number of an ended pause comes back with the next one (SQLite), and a job's name counts once.
    key = f"{paused.id}:{paused.since.timestamp()}:{paused.probes}"
    queue.enqueue(session, "probe", paused.id, delay_seconds=PROBE_SECONDS, key=key)


def resume(session: Session, account_id: int, scope: str | None = None, *, but: frozenset[str] = frozenset()) -> bool:
    """End the pauses of the account, or one of them, and let what waited go out; ``but`` are scopes that stay paused.
    False when there was none.

    The caller commits.
    """
    ended = [one for one in pauses(session, account_id) if scope in (None, one.scope) and one.scope not in but]
    for one in ended:
        session.delete(one)
    session.flush()
    if ended:
        link = link_of(session, account_id)
        if (link.check or {}).get("failure"):
            # What was found while nobody got through is no longer so; the next reading looks again.
            link.check = link.checked_at = None
        log.info("cabinet_resumed", account=account_id, scopes=[one.scope for one in ended])
        queue.enqueue(session, "resume_deliveries", account_id)
    return bool(ended)
