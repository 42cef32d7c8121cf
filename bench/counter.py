"""The collecting endpoint of the visit counter: hits a second, against doing nothing and against one durable row."""

from __future__ import annotations

import tempfile
from pathlib import Path

from flask_migrate import upgrade
from sqlalchemy import func, select

from bench.servers import gunicorn, load
from webapp import create_app, queue
from webapp.extensions import db
from webapp.models import Account, Campaign, Site, Visit
from webapp.settings import load as load_settings

CLIENTS = 16
SECONDS = 6.0
ROUNDS = 3
CAMPAIGNS = 200

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
        rates: dict[str, list[tuple[float, float, float]]] = {"nothing": [], "row": [], "hits": []}
        for number in range(ROUNDS):
            with gunicorn("bench.limits:app", environment) as port:
                rates["nothing"].append(load(port, "/nothing", hit, CLIENTS, SECONDS / 2, HEADERS))
                rates["row"].append(load(port, "/row", hit, CLIENTS, SECONDS / 2, HEADERS))
            with gunicorn("wsgi:app", environment) as port:
                rates["hits"].append(load(port, "/c/shop", _Offset(number), CLIENTS, SECONDS, HEADERS))
        visits = _visits(environment)
    middle = {name: sorted(found)[len(found) // 2] for name, found in rates.items()}
    rows = [
        "| {} | {:.0f} | {:.1f} | {:.1f} | {:.2f} |".format(title, *middle[name], middle["hits"][0] / middle[name][0])
        for name, title in (
            ("nothing", "(a) an endpoint that does nothing"),
            ("row", "(b) one row by plain sqlite3, synchronous=FULL"),
            ("hits", "a hit of the counter, campaign and source by rules"),
        )
    ]
    return [
        "## Visit counter (SQLite, synchronous=FULL)",
        "",
        f"{CLIENTS} keep-alive clients, {PAGES} hits a visit, {CAMPAIGNS} campaigns with rules; median of {ROUNDS}. "
        f"{visits} visits were made.",
        "",
        "| endpoint | requests/s | median ms | 99 % ms | hits ÷ this |",
        "|---|--:|--:|--:|--:|",
        *rows,
        "",
    ]


class _Offset:
    """Hits that no earlier round has sent."""

    def __init__(self, number: int) -> None:
        self._first = number * 100_000_000

    def __call__(self, number: int) -> bytes:
        return hit(self._first + number)


def _prepare(environment: dict[str, str]) -> None:
    """A fresh database with one site and campaigns with rules."""
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
        db.session.add(Site(account_id=account.id, key="shop", domain="shop.example", name="Shop"))
        db.session.commit()
        db.engine.dispose()


def _visits(environment: dict[str, str]) -> int:
    app = create_app(load_settings(environment))
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Visit)) or 0
