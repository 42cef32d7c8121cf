"""Somebody's own server that hears webhooks: it keeps them and answers as it is told."""

from __future__ import annotations

from typing import Any

from tests.doubles.server import Call, Double


class ReceiverDouble(Double):
    """``calls`` are the requests it got; ``status`` is what it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.status = 200

    def answer(self, call: Call) -> tuple[int, Any]:
        """Keep what comes to /hook."""
        if call.path != "/hook":
            return super().answer(call)
        self.calls.append(call)
        return self.status, {}

    @property
    def host(self) -> str:
        """host:port, for EXTRA_VENDOR_HOSTS."""
        return self.url.removeprefix("http://")
