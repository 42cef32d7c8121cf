"""The server behind the stand-in for CoMagic's counter: ids of visitors and sessions above 32 bits (contract 12.3)."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from typing import Any

from .server import Clock

FIRST_SESSION, FIRST_VISITOR = 16_000_000_001, 11_000_000_001

#: A visitor who comes back later than this begins a new session.
IDLE_SECONDS = 1800


class CounterSide:
    """Gives out ids; ``sessions`` are those that were given, in order."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Nobody was here."""
        with self._lock:
            self.sessions: list[int] = []
            self._seen: dict[tuple[int, int], float] = {}
            self._visitors, self._hits = itertools.count(FIRST_VISITOR), itertools.count(1)

    def session(self, order: Mapping[str, Any]) -> dict[str, int]:
        """A page was opened: the session of the cookie while it lasts, else a new one."""
        return self._given(order, anew=False)

    def roll(self, order: Mapping[str, Any]) -> dict[str, int]:
        """The session ends and the next one begins."""
        return self._given(order, anew=True)

    def _given(self, order: Mapping[str, Any], anew: bool) -> dict[str, int]:
        now = self._clock.now()
        parts = [int(part) for part in str(order["known"]).split(".") if part.isdecimal()]
        with self._lock:
            visitor = parts[0] if len(parts) == 3 else next(self._visitors)
            known = (visitor, parts[1]) if len(parts) == 3 else None
            if anew or known is None or now - self._seen.get(known, 0) > IDLE_SECONDS:
                known = (visitor, FIRST_SESSION + len(self.sessions))
                self.sessions.append(known[1])
            self._seen[known] = now
            return {"visitor": visitor, "session": known[1], "at": int(now), "hit": next(self._hits)}
