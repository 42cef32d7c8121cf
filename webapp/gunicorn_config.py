"""How gunicorn serves Leadtrail. Requests do no slow work, so a few threads are enough; see docs for the variables."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

bind = f"0.0.0.0:{os.environ.get('PORT') or 8000}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS") or 2)
threads = int(os.environ.get("WEB_THREADS") or 8)
timeout = 30
#: An address that is pasted into «Проверка правил» stands in the page's own, with percent signs.
limit_request_line = 8190
graceful_timeout = 30
#: Longer than the proxies in front keep an idle connection, or they would meet one that was just closed.
keepalive = 75
max_requests = 20_000
max_requests_jitter = 2_000
#: Every process makes its own database connections after the fork.
preload_app = False
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS") or "127.0.0.1"
accesslog = None
#: How long a thread may keep the interpreter while others want it.
SWITCH_SECONDS = 0.05
#: Its socket would stand in the home directory, one for all instances of a user.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Read one sample of each vendor, so that the first real webhook does not wait for what is loaded when needed."""
    from datetime import UTC, datetime

    from sqlalchemy.orm import configure_mappers

    from webapp.vendors import VendorRequest, registry

    configure_mappers()
    # Requests are short and most of their time stands in a queue: a thread that works is left to work, and what was
    # loaded for good is not looked through for garbage again and again. Measured in bench/results.md.
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    # gunicorn's own lines go where ours go, and lose secrets and personal data on the way.
    worker.log.error_log.handlers = []
    worker.log.error_log.propagate = True
    now = datetime.now(UTC)
    for vendor in registry().values():
        vendor.read(VendorRequest(vendor.sample_chat(now, "start"), None, now))


if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):

    def child_exit(_server: Any, worker: Any) -> None:
        """Take a worker's gauges out of the sums when it ends."""
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)
