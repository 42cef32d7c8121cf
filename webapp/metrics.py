"""Figures for Prometheus. Counters live in the process; what is a matter of rows is counted when asked for."""

from __future__ import annotations

import os
import time
from typing import Any

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client import REGISTRY as PROCESS_REGISTRY
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp import queue
from webapp.events import WAITING
from webapp.models import Account, CabinetPause, Delivery, DeliveryState, EventState, WebhookEvent, WorkerBeat, utc_now

CONTENT_TYPE = CONTENT_TYPE_LATEST

requests_seconds = Histogram(
    "leadtrail_request_seconds",
    "Time to answer a request",
    ("endpoint", "method", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
webhooks = Counter("leadtrail_webhooks_total", "Webhooks received, by what became of them", ("vendor", "state"))

hits = Counter("leadtrail_hits_total", "Messages of the visit counter, by what became of them", ("outcome",))


def init_app(app: Flask) -> None:
    """Measure every request."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def stop(response: Response) -> Response:
        started = g.pop("started", None)
        if started is not None and request.endpoint not in ("static", "health.show_metrics"):
            labels = (request.endpoint or "unknown", request.method, str(response.status_code))
            requests_seconds.labels(*labels).observe(time.perf_counter() - started)
        return response


def render(session: Session) -> bytes:
    """Everything as Prometheus text. With several processes their counters are summed (PROMETHEUS_MULTIPROC_DIR)."""
    registry: Any = PROCESS_REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry) + generate_latest(_rows(session))


def _rows(session: Session) -> CollectorRegistry:
    """What the database knows: failed events, waiting jobs, the silence of the worker."""
    registry = CollectorRegistry()

    def gauge(name: str, text: str, value: float) -> None:
        Gauge(name, text, registry=registry).set(value)

    counts = dict(
        session.execute(select(WebhookEvent.state, func.count()).where(WAITING).group_by(WebhookEvent.state)).all()
    )
    backlog = queue.backlog(session)
    beat = session.scalar(select(func.max(WorkerBeat.beat_at)))
    gauge("leadtrail_events_failed", "Webhooks whose processing failed", counts.get(EventState.FAILED, 0))
    gauge("leadtrail_events_stored", "Webhooks that wait for their integration", counts.get(EventState.STORED, 0))
    for state in (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.FAILED):
        gauge(f"leadtrail_deliveries_{state}", f"Hand-overs to outside cabinets: {state}", _deliveries(session, state))
    paused = session.scalar(select(func.count(CabinetPause.account_id.distinct())))
    gauge("leadtrail_deliveries_paused_accounts", "Accounts whose cabinet takes nothing for now", paused or 0)
    gauge("leadtrail_jobs_waiting", "Jobs that wait or run", backlog.waiting + backlog.running)
    gauge("leadtrail_jobs_oldest_seconds", "Age of the oldest due job", backlog.oldest_due_seconds)
    if beat is not None:
        gauge("leadtrail_worker_silence_seconds", "Since a worker was last heard", (utc_now() - beat).total_seconds())
    return registry


def _deliveries(session: Session, state: DeliveryState) -> int:
    """The hand-overs in a state. Account by account, as the index has them: the table itself may be very long."""
    here = select(func.count()).where(Delivery.account_id == Account.id, Delivery.state == state).scalar_subquery()
    return session.scalar(select(func.sum(here)).select_from(Account)) or 0
