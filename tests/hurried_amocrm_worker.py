"""The product's worker with the pauses between its tries at amoCRM made short, for the test that kills it.

Only how long a look-up waits after a failure is different. The rate, the leases and the environment are the product's.
"""

from __future__ import annotations

from flask.cli import ScriptInfo

from webapp import create_app
from webapp.cli.operations import worker
from webapp.jobs import look_up

#: Real seconds of what doubles up to an hour. One that meets fault after fault decides how long the test takes.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 4

if __name__ == "__main__":
    look_up.FIRST_PAUSE, look_up.LONGEST_PAUSE = FIRST_PAUSE, LONGEST_PAUSE
    app = create_app()
    worker.main([], obj=ScriptInfo(create_app=lambda: app))
