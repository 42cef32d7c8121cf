"""Page times: raw data with ten thousand and with a million communications, settings with 20,000 campaigns."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import insert

from webapp import create_app, queue
from webapp.extensions import db
from webapp.models import (
    Account,
    Campaign,
    Communication,
    Employee,
    Integration,
    Membership,
    Role,
    Site,
    Source,
    User,
    fold,
)
from webapp.settings import load as load_settings

SIZES = (10_000, 1_000_000)
CAMPAIGNS = 20_000
REPEATS = 30
PASSWORD = "long enough password"
RULES = ("utm", "channel", "default", "none", "visit")
CHANNELS = ("site", "telegram", "whatsapp", "vk", "avito")


def measure() -> list[str]:
    """The lines of the report."""
    lines = ["## Pages (SQLite, one request at a time, median ms)", ""]
    times: dict[int, dict[str, float]] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as directory:
            app, account, key = _prepare(directory, size, campaigns=CAMPAIGNS if size == SIZES[0] else 20)
            client = app.test_client()
            _sign_in(client)
            base = f"/a/{account}"
            paths = {
                "first page of «Обращения и цели»": f"{base}/communications",
                "its second page": _second_page(client, f"{base}/communications"),
                "filtered by rule and type": f"{base}/communications?rule=channel&type=chat",
                "filtered by 7 days": f"{base}/communications?since=2026-03-01&until=2026-03-07",
                "searched by phone": f"{base}/communications?q=%2B79000000042",
                "the Jivo page": f"{base}/integrations/{key}",
            }
            if size == SIZES[0]:
                paths["picker over 20,000 campaigns"] = f"{base}/options/campaigns?q=campaign+777"
                paths["list of 20,000 campaigns"] = f"{base}/directory/campaigns"
            times[size] = {name: _time(client, path) for name, path in paths.items()}
            bytes_sent = len(client.get(f"{base}/integrations/{key}").data)
            if size == SIZES[0]:
                kibibytes = bytes_sent / 1024
                settings_note = (
                    f"With {CAMPAIGNS:,} campaigns in the directory the Jivo page has {kibibytes:.0f} KiB of HTML."
                )
            with app.app_context():
                db.engine.dispose()
    small, large = (times[size] for size in SIZES)
    lines += [f"| page | {SIZES[0]:,} | {SIZES[1]:,} | ratio |", "|---|--:|--:|--:|"]
    for name, value in small.items():
        if name in large:
            lines.append(f"| {name} | {value:.1f} | {large[name]:.1f} | {large[name] / value:.2f} |")
        else:
            lines.append(f"| {name} | {value:.1f} | – | – |")
    return [*lines, "", settings_note, ""]


def _prepare(directory: str, size: int, campaigns: int) -> tuple[Flask, str, str]:
    """An account with so many communications over a year; gives the application and the names in addresses."""
    app = create_app(load_settings({"DATA_DIR": directory, "LOG_LEVEL": "ERROR", "SIGN_IN_LIMIT": "1000 per minute"}))
    with app.app_context():
        upgrade()
        queue.prepare()
        account, user = Account(slug="bench", name="Bench"), User(email="bench@example.com", name="")
        user.set_password(PASSWORD)
        user.memberships.append(Membership(account=account, role=Role.OWNER))
        db.session.add_all([account, user])
        db.session.flush()
        site = Site(account_id=account.id, key="shop", domain="shop.example", name="Shop", search_text="shop")
        source = Source(account_id=account.id, key="tg", name="Telegram", search_text="telegram")
        employee = Employee(account_id=account.id, key="anna", full_name="Анна", email="anna@shop.example")
        integration = Integration(account_id=account.id, vendor="jivo", key="jivo", name="Jivo", active=True)
        integration.set_secret()
        db.session.add_all([site, source, employee, integration])
        db.session.flush()
        names = [f"Campaign {number}" for number in range(campaigns)]
        rows = [
            {
                "account_id": account.id,
                "key": f"c{number}",
                "name": name,
                "search_text": fold(name, f"c{number}"),
                "rules": [[{"mark": "utm_campaign", "op": "equals", "value": name}]],
                "priority": 100,
                "site_id": site.id,
            }
            for number, name in enumerate(names)
        ]
        db.session.execute(insert(Campaign), rows)
        integration.point_to("campaign", db.session.query(Campaign.id).limit(1).scalar(), None, None)
        first, start = (
            db.session.query(Campaign.id).order_by(Campaign.id).limit(1).scalar(),
            datetime(2026, 1, 1, tzinfo=UTC),
        )
        for begin in range(0, size, 10_000):
            batch = [
                _row(number, size, account.id, integration.id, first, site.id, source.id, start)
                for number in range(begin, begin + 10_000)
            ]
            db.session.execute(insert(Communication), batch)
        db.session.commit()
        names_in_address = account.slug, integration.key
        db.session.execute(db.text("ANALYZE"))
        db.session.commit()
    return app, *names_in_address


def _row(
    number: int, size: int, account: int, integration: int, campaign: int, site: int, source: int, start: datetime
) -> dict[str, Any]:
    rule = RULES[number % len(RULES)]
    at = start + timedelta(seconds=number * 320 * 86_400 // size)
    text = f"Мария: Есть шторы на кухню? Заказ {number}\nАнна: Есть, какой размер нужен?"
    return {
        "account_id": account,
        "integration_id": integration,
        "type": "chat" if number % 4 else "offline_message",
        "vendor_id": str(number),
        "started_at": at,
        "finished_at": at,
        "updated_at": at,
        "created_at": at,
        "channel": CHANNELS[number % 7 % len(CHANNELS)],
        "client": str(number % 50_000),
        "contact_name": "Мария",
        "contact_phone": f"+7900{number % 1_000_000:07d}",
        "rule": rule,
        "message_count": 2,
        "campaign_id": campaign + number % 20 if rule != "none" else None,
        "site_id": site,
        "source_id": source if rule == "channel" else None,
        "trail": [{"rule": "visit", "outcome": "absent", "facts": {}}],
        "messages": [
            {"at": at.isoformat(), "from": "visitor", "author": "Мария", "text": "Есть шторы на кухню?"},
            {"at": at.isoformat(), "from": "operator", "author": "Анна", "text": "Есть, какой размер нужен?"},
        ],
        "text": text,
        "search_text": text.casefold(),
        "utm": {},
        "clues": {},
        "stages": {},
        "details": {},
        "is_test": False,
    }


def _sign_in(client: Any) -> None:
    from bs4 import BeautifulSoup

    page = BeautifulSoup(client.get("/sign-in").text, "html.parser")
    token = page.find("input", attrs={"name": "csrf_token"})["value"]
    answer = client.post("/sign-in", data={"csrf_token": token, "email": "bench@example.com", "password": PASSWORD})
    if answer.status_code != 303:
        raise RuntimeError(f"sign-in answered {answer.status_code}")


def _second_page(client: Any, path: str) -> str:
    from bs4 import BeautifulSoup

    return BeautifulSoup(client.get(path).text, "html.parser").find("a", rel="next")["href"]


def _time(client: Any, path: str) -> float:
    """Median time of a request in ms, after the first ones."""
    taken = []
    for _number in range(int(os.environ.get("BENCH_REPEATS", REPEATS)) + 3):
        started = time.perf_counter()
        answer = client.get(path)
        taken.append((time.perf_counter() - started) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
    return statistics.median(taken[3:])
