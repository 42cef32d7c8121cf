"""The product's worker with its long waits made short, for tests that kill it.

Only how long things wait is different. The environment is the product's own.
"""

from __future__ import annotations

from datetime import timedelta

from flask.cli import ScriptInfo

from webapp import create_app
from webapp.cabinets.dataapi import assumptions, attempt, handing, line, settling
from webapp.cli.operations import worker

#: Real seconds of what are minutes, hours and days.
LEASE, LOOK, CONFIRM, RETRY, PROBE = 3.0, (0.2, 0.3, 0.5), (2, 5, 10, 10, 10), (0.3, 0.6) + (1.0,) * 58, 1


def hurry() -> None:
    """Shorten what waits."""
    attempt.LEASE = timedelta(seconds=LEASE)
    attempt.EARLY = timedelta(seconds=0.5)
    assumptions.LOOK_AFTER, assumptions.CONFIRM_AFTER = LOOK, CONFIRM
    handing.RETRY_AFTER, handing.OVERDUE = RETRY, timedelta(seconds=5)
    line.PROBE_SECONDS, line.UNTOLD_BLOCK, line.LONGEST_BLOCK = PROBE, timedelta(seconds=1), timedelta(seconds=1)
    settling.MOST_TAG_TRIES = 50


if __name__ == "__main__":
    hurry()
    app = create_app()
    worker.main([], obj=ScriptInfo(create_app=lambda: app))
