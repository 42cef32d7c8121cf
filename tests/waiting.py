"""Waiting for what happens elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

Found = TypeVar("Found")


def until(
    look: Callable[[], Found | None], seconds: float = 10, rest: Callable[[], object] = lambda: time.sleep(0.05)
) -> Found:
    """What ``look`` finds, asked again and again; fails when it has found nothing for so long."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing after {seconds} seconds")
        rest()


def until_on(page: Any, look: Callable[[], Found | None]) -> Found:
    """The same for what a browser's page tells (requests, dialogs, routes): heard only while the page is asked."""
    return until(look, rest=lambda: page.wait_for_timeout(50))
