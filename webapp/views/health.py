"""For machines: is the process up, can it work, how does it do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Response, jsonify
from sqlalchemy import text

from webapp import metrics
from webapp.database import begin_as_reader
from webapp.extensions import db
from webapp.models import WorkerBeat, utc_now

from . import ROOT
from .access import public

blueprint = Blueprint("health", __name__)

#: A worker beats every few seconds; one silent for longer is gone.
WORKER_SILENCE = timedelta(seconds=60)


@blueprint.get("/healthz")
@public
def healthz() -> Any:
    """The process is up."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
@public
def readyz() -> Any:
    """The database is writable, its migrations are at head, and a worker lives. 503 with the reason otherwise."""
    checks = {}
    for name, check in (("database", _writable), ("migrations", _at_head), ("worker", _worker_lives)):
        try:
            checks[name] = check()
        except Exception as error:
            db.session.rollback()
            checks[name] = type(error).__name__
    ready = all(state == "ok" for state in checks.values())
    return jsonify(status="ok" if ready else "not ready", checks=checks), 200 if ready else 503


@blueprint.get("/metrics")
@public
def show_metrics() -> Response:
    """Figures for Prometheus."""
    return Response(metrics.render(db.session), content_type=metrics.CONTENT_TYPE)


def _writable() -> str:
    begin_as_reader(False)
    db.session.execute(text("UPDATE worker_beat SET beat_at = beat_at WHERE worker = ''"))
    db.session.rollback()
    return "ok"


def _at_head() -> str:
    script = ScriptDirectory(str(ROOT / "migrations"))
    current = MigrationContext.configure(db.session.connection()).get_current_revision()
    return "ok" if current == script.get_current_head() else f"at {current}, code wants {script.get_current_head()}"


def _worker_lives() -> str:
    latest = db.session.query(WorkerBeat.beat_at).order_by(WorkerBeat.beat_at.desc()).limit(1).scalar()
    if latest is None or latest < utc_now() - WORKER_SILENCE:
        return "no worker has been heard of lately"
    return "ok"
