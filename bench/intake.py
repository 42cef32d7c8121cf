"""Intake: webhooks a second with attribution in the request, against doing nothing and against one durable row."""

from __future__ import annotations

import tempfile
from pathlib import Path

from flask_migrate import upgrade
from sqlalchemy import func, select

from bench.rounds import CAMPAIGNS, CLIENTS, ROUNDS, account_with_rules, against_limits
from bench.servers import chat
from webapp import create_app, queue
from webapp.extensions import db
from webapp.models import Communication, Employee, Integration, Source, WebhookEvent
from webapp.settings import load as load_settings


def measure() -> list[str]:
    """The lines of the report."""
    with tempfile.TemporaryDirectory() as directory:
        environment = {"DATA_DIR": directory, "BENCH_LIMIT_DATABASE": str(Path(directory) / "limit.db")}
        path = _prepare(environment)
        title = "intake of a new chat, attributed in the request"
        table = against_limits(environment, path, chat, title, "intake")
        events, stored = _stored(environment)
    return [
        "## Intake (SQLite, synchronous=FULL)",
        "",
        f"{CLIENTS} keep-alive clients, gunicorn 2 × 8 threads, {CAMPAIGNS} campaigns with rules; median of {ROUNDS}.",
        f"{events} webhooks were answered with 200 in all, the warm-up too; they are {stored} communications.",
        "",
        *table,
    ]


def _prepare(environment: dict[str, str]) -> str:
    """A fresh database with one integration; gives its webhook path."""
    app = create_app(load_settings(environment))
    with app.app_context():
        upgrade()
        queue.prepare()
        account = account_with_rules(db.session())
        source = Source(account_id=account.id, key="tg", name="Telegram")
        employee = Employee(account_id=account.id, key="anna", full_name="Анна", email="anna@shop.example")
        integration = Integration(account_id=account.id, vendor="jivo", key="jivo", name="Jivo", active=True)
        integration.set_secret()
        db.session.add_all([source, employee, integration])
        db.session.flush()
        integration.point_to("source", None, source.id, None)
        db.session.commit()
        path = integration.hook_path()
        db.engine.dispose()
    return path


def _stored(environment: dict[str, str]) -> tuple[int, int]:
    """How many webhooks and how many communications are in the database."""
    app = create_app(load_settings(environment))
    with app.app_context():
        return tuple(
            db.session.scalar(select(func.count()).select_from(table)) or 0 for table in (WebhookEvent, Communication)
        )
