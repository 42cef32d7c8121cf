"""The work that is done outside of requests: a handler a module, found by the module's name."""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy.exc import OperationalError

from webapp.database import begin_as_reader
from webapp.extensions import db
from webapp.queue import Schedule

#: What comes back by itself. Times are UTC: the night of most of our users.
SCHEDULES = (
    Schedule("purge-expired", "purge_expired", daily_at="00:20"),
    Schedule("close-idle-chats", "close_idle_chats", every_seconds=3600, at_start=True),
    Schedule("reconcile", "reconcile", every_seconds=600, at_start=True),
    Schedule("resume-lookups", "resume_lookups", every_seconds=600, at_start=True),
    Schedule("check-authorizations", "check_authorization", every_seconds=3600, at_start=True),
    Schedule("resume-deliveries", "resume_deliveries", every_seconds=600, at_start=True),
    Schedule("sync-directories", "sync", every_seconds=6 * 3600),
)


#: Seconds to wait before a handler is tried again that the database did not let through.
PAUSES = (1, 5, 20)


def handlers(app: Flask) -> dict[str, Callable[[int], None]]:
    """Each job's name and what runs it: the module's ``handle``, in an application context of its own."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: _in_context(app, importlib.import_module(f"{__name__}.{name}").handle) for name in names}


def _in_context(app: Flask, handle: Callable[[int], Any]) -> Callable[[int], None]:
    def run(row_id: int) -> None:
        with app.app_context():
            begin_as_reader(False)
            for pause in (*PAUSES, None):
                try:
                    handle(row_id)
                    return
                except OperationalError:
                    # Somebody was in the way, or the database is away for a moment. Handlers look at their rows anew.
                    if pause is None:
                        raise
                finally:
                    db.session.remove()
                time.sleep(pause)

    return run
