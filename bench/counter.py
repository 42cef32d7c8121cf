"""The collecting endpoint of the visit counter: hits a second, against doing nothing and against one durable row."""

from __future__ import annotations

import tempfile
from pathlib import Path

from flask_migrate import upgrade
from sqlalchemy import func, select

from bench.rounds import CAMPAIGNS, CLIENTS, ROUNDS, account_with_rules, against_limits
from webapp import create_app, queue
from webapp.extensions import db
from webapp.models import Site, Visit
from webapp.settings import load as load_settings

#: Pages of a visit: the first hit makes it, the others continue it.
PAGES = 4

HEADERS = {
    "Content-Type": "text/plain;charset=UTF-8",
    "Origin": "https://shop.example",
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0",
}


def hit(number: int) -> bytes:
    """One hit; four in a row are one visit."""
    visit = 1 + number // PAGES
    landing = (
        f"https%3A%2F%2Fshop.example%2Fcurtains%3Futm_source%3Dyandex%26utm_campaign%3Dcampaign-{visit % CAMPAIGNS}"
    )
    return (
        f"s={visit}&u={visit}&a={number % PAGES * 20}&n=1&l={landing}&r=https%3A%2F%2Fyandex.ru%2F"
        f"&p=https%3A%2F%2Fshop.example%2Fpage{number % PAGES}"
    ).encode()


def measure() -> list[str]:
    """The lines of the report."""
    with tempfile.TemporaryDirectory() as directory:
        environment = {
            "DATA_DIR": directory,
            "BENCH_LIMIT_DATABASE": str(Path(directory) / "limit.db"),
            "COUNTER_LIMIT": "100000000 per minute",
        }
        _prepare(environment)
        title = "a hit of the counter, campaign and source by rules"
        table = against_limits(environment, "/c/shop", hit, title, "hits", HEADERS)
        visits = _visits(environment)
    return [
        "## Visit counter (SQLite, synchronous=FULL)",
        "",
        f"{CLIENTS} keep-alive clients, {PAGES} hits a visit, {CAMPAIGNS} campaigns with rules; median of {ROUNDS}. "
        f"{visits} visits were made.",
        "",
        *table,
    ]


def _prepare(environment: dict[str, str]) -> None:
    """A fresh database with one site and campaigns with rules."""
    app = create_app(load_settings(environment))
    with app.app_context():
        upgrade()
        queue.prepare()
        account = account_with_rules(db.session())
        db.session.add(Site(account_id=account.id, key="shop", domain="shop.example", name="Shop"))
        db.session.commit()
        db.engine.dispose()


def _visits(environment: dict[str, str]) -> int:
    app = create_app(load_settings(environment))
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Visit)) or 0
