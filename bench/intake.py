"""Intake: webhooks a second with attribution in the request, against doing nothing and against one durable row."""

from __future__ import annotations

import tempfile
from pathlib import Path

from flask_migrate import upgrade
from sqlalchemy import func, select

from bench.servers import chat, gunicorn, load
from webapp import create_app, queue
from webapp.extensions import db
from webapp.models import Account, Campaign, Communication, Employee, Integration, Source, WebhookEvent
from webapp.settings import load as load_settings

CLIENTS = 16
SECONDS = 8.0
ROUNDS = 3
CAMPAIGNS = 200


def measure() -> list[str]:
    """The lines of the report."""
    with tempfile.TemporaryDirectory() as directory:
        environment = {"DATA_DIR": directory, "BENCH_LIMIT_DATABASE": str(Path(directory) / "limit.db")}
        path = _prepare(environment)
        rates: dict[str, list[tuple[float, float, float]]] = {"nothing": [], "row": [], "intake": []}
        # Rounds are interleaved, so that a noisy minute of the machine falls on all three alike.
        for number in range(ROUNDS):
            with gunicorn("bench.limits:app", environment) as port:
                rates["nothing"].append(load(port, "/nothing", chat, CLIENTS, SECONDS / 2))
                rates["row"].append(load(port, "/row", chat, CLIENTS, SECONDS / 2))
            with gunicorn("wsgi:app", environment) as port:
                rates["intake"].append(load(port, path, _Offset(number), CLIENTS, SECONDS))
        events, stored = _stored(environment)
    best = {name: sorted(found)[len(found) // 2] for name, found in rates.items()}
    rows = [
        "| {} | {:.0f} | {:.1f} | {:.1f} | {:.2f} |".format(title, *best[name], best["intake"][0] / best[name][0])
        for name, title in (
            ("nothing", "(a) an endpoint that does nothing"),
            ("row", "(b) one row by plain sqlite3, synchronous=FULL"),
            ("intake", "intake of a new chat, attributed in the request"),
        )
    ]
    return [
        "## Intake (SQLite, synchronous=FULL)",
        "",
        f"{CLIENTS} keep-alive clients, gunicorn 2 × 8 threads, {CAMPAIGNS} campaigns with rules; median of {ROUNDS}.",
        f"{events} webhooks were answered with 200 in all, the warm-up too; they are {stored} communications.",
        "",
        "| endpoint | requests/s | median ms | 99 % ms | intake ÷ this |",
        "|---|--:|--:|--:|--:|",
        *rows,
        "",
    ]


class _Offset:
    """Bodies that no earlier round has sent."""

    def __init__(self, number: int) -> None:
        self._first = number * 100_000_000

    def __call__(self, number: int) -> bytes:
        return chat(self._first + number)


def _prepare(environment: dict[str, str]) -> str:
    """A fresh database with one integration; gives its webhook path."""
    app = create_app(load_settings(environment))
    with app.app_context():
        upgrade()
        queue.prepare()
        account = Account(slug="bench", name="Bench")
        db.session.add(account)
        db.session.flush()
        for number in range(CAMPAIGNS):
            rule = [
                {"mark": "utm_source", "op": "equals", "value": "yandex"},
                {"mark": "utm_campaign", "op": "equals", "value": f"campaign-{number}"},
            ]
            db.session.add(Campaign(account_id=account.id, key=f"c{number}", name=f"Campaign {number}", rules=[rule]))
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
