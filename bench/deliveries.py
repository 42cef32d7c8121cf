"""Hands communications over through a stand-in that fails at random while the worker is killed with -9 (C3)."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tests.cabinets.chaos import Chaos

CHATS = int(os.environ.get("OUTSIDE_CHATS", "2000"))
KILLS = int(os.environ.get("OUTSIDE_KILLS", "30"))

#: What an upload with a tag costs when nothing goes wrong: the upload and the tag. Fifty are read back by one call.
LEAST_CALLS = 2 + 1 / 50


def measure() -> list[str]:
    """Run it on SQLite; gives lines of Markdown."""
    directory = Path(tempfile.mkdtemp())
    with Chaos("sqlite", directory, chats=CHATS, kills=KILLS) as chaos:
        result = chaos.run()
    shutil.rmtree(directory)
    return [
        "## Hand-over to an outside cabinet",
        "",
        "Every third call goes wrong in some way (lost answers, half answers, timeouts, 5xx, limits), reports and tags",
        "too. The waits of minutes and hours are seconds here; everything else is as it runs.",
        "",
        "| what | figure |",
        "|---|---|",
        f"| communications, worker killed with -9 | {CHATS}, {result.kills} times |",
        f"| missing in the cabinet, there twice | {len(result.missing)}, {len(result.twice)} |",
        f"| calls beyond the limits | {result.beyond_limits} |",
        f"| faults dealt | {result.faults} |",
        f"| calls, as a ratio to what they cost without faults | {result.calls / (CHATS * LEAST_CALLS):.2f} |",
        f"| seconds | {result.seconds:.0f} |",
        "",
    ]
