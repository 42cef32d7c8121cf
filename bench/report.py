"""«Обращения и цели» with ten thousand, a million and ten million communications, on SQLite and on PostgreSQL.

What counts is how a page's time grows with the table: the last column is the largest size by the smallest. Environment:
BENCH_SIZES (10000,1000000; give 10000000 too for the whole table, and an hour), BENCH_REPEATS (15), TEST_POSTGRES_URL.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from cryptography.fernet import Fernet
from flask import Flask, g
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import delete, func, select, text

from bench.report_rows import fill
from tests.databases import drop_database, fresh_database, postgresql_problem
from webapp import create_app, queue
from webapp.database import begin_as_reader
from webapp.extensions import db
from webapp.models import (
    Account,
    Campaign,
    Communication,
    CommunicationChange,
    CountedZone,
    Employee,
    Integration,
    Membership,
    Role,
    Site,
    Source,
    User,
    Visit,
    search_index,
    utc_now,
)
from webapp.report import charts, counting
from webapp.report.filters import Filters
from webapp.report.listing import total
from webapp.report.periods import day_of
from webapp.settings import load as load_settings

SIZES = tuple(int(size) for size in os.environ.get("BENCH_SIZES", "10000,1000000").split(","))
REPEATS = int(os.environ.get("BENCH_REPEATS", 15))
PASSWORD = "long enough password"
KEY = Fernet.generate_key().decode()

LIST = "/a/bench/communications"

#: The last of the days over which the communications are spread, and the day a month before.
PERIOD = "since=2026-10-17&until=2026-11-15"

PAGES = {
    "first page": "",
    "first page of the last 30 days": PERIOD,
    "second page": None,
    "a frequent filter: rule and type": "rule=utm&type=chat",
    "a filter without an index of its own: channel, 30 days": f"channel=telegram&{PERIOD}",
    "three filters at once": "channel=site&employee={employee}&contact=repeat",
    "a rare filter: 60 of all": "campaign={rare}",
    "search: a word of every chat": "q=шторы",
    "search: a word of every hundredth": "q=тюль",
    "search: a word of 60 of all": "q=аметист",
    "search: words and a filter": "q=аметист&rule=utm",
    "search: a whole phone": "q=%2B7 900 000-00-42",
    "search: a part of a phone": "q=000-00-42",
    "search: nothing is found": "q=несуществующее",
    "sorted by name, 60 of all": "campaign={rare}&sort=name",
    "an integration that has long been quiet": "integration={quiet}",
}

#: Pages beside the list, which read the same communications and as many events.
OTHER_PAGES = {
    "«События»: first page": "events",
    "«События»: up to half a year ago": "events?until=2026-05-15",
    "«События»: failed ones, 60 of all": "events?state=failed",
    "«События»: a state that no index knows": "events?state=ignored",
    "«События»: an integration that has long been quiet": "events?integration={quiet}",
    "«Интеграции»": "integrations",
    "the page of a Jivo integration": "integrations/jivo",
    "its test step, waiting": "integrations/jivo/test?since=1900000000",
}


def measure() -> list[str]:
    """The lines of the report."""
    lines = ["## «Обращения и цели» by size (one request at a time, median ms)", ""]
    lines += [
        "A page is the list of 50 with its charts, its count and its filters. Communications of 320 days. All sizes"
    ]
    lines += [
        "stand side by side and take turns, request by request, so that a busy moment of the machine meets each.",
        "",
    ]
    kinds = ["sqlite"] + ([] if postgresql_problem() else ["postgresql"])
    for kind in kinds:
        lines += [f"### {'SQLite' if kind == 'sqlite' else 'PostgreSQL'}", ""]
        lines.append("| | " + " | ".join(f"{size:,}" for size in SIZES) + " | ratio |")
        lines.append("|---|" + "--:|" * (len(SIZES) + 1))
        for name, row in _measure(kind).items():
            lines.append(f"| {name} | " + " | ".join(f"{one:.1f}" for one in row) + f" | {row[-1] / row[0]:.2f} |")
        lines.append("")
    return lines


@dataclass(frozen=True)
class Table:
    """One size: its application, a browser that is signed in, what the addresses name."""

    app: Flask
    client: FlaskClient
    names: dict[str, Any]


def _measure(kind: str) -> dict[str, list[float]]:
    """What was measured: its times, one of each size."""
    with ExitStack() as stack:
        tables = [stack.enter_context(_table(kind, size)) for size in SIZES]
        times = {}
        for name, query in {**PAGES, **OTHER_PAGES}.items():
            paths = [_path(table, query, name in OTHER_PAGES) for table in tables]
            pairs = zip(tables, paths, strict=True)
            times[name] = _times([partial(_get, table.client, path) for table, path in pairs])
            _told(f"  {kind} {name}: {times[name]}")
        month = dict(part.split("=") for part in PERIOD.split("&"))
        for name, told in (
            ("of all time", {}),
            ("of 30 days", month),
            ("of 30 days, filtered", month | {"channel": "site"}),
        ):
            for what, work in (("count", _count), ("charts", _charts)):
                times[f"{what} {name}"] = _times([partial(work, table.app, told) for table in tables])
                _told(f"  {kind} {what} {name}: {times[f'{what} {name}']}")
    return times


def _path(table: Table, query: str | None, is_other: bool) -> str:
    if query is None:
        return _second_page(table.client)
    return ("/a/bench/" if is_other else f"{LIST}?") + query.format(**table.names)


@contextmanager
def _table(kind: str, size: int) -> Iterator[Table]:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIRECTORY")) as directory:
        url = fresh_database(kind, f"bench_{size}_{os.getpid()}", Path(directory))
        app = create_app(
            load_settings(
                {
                    "DATA_DIR": directory,
                    "DATABASE_URL": url,
                    # The keys are the process's, so all sizes have the same.
                    "ENCRYPTION_KEYS": KEY,
                    "LOG_LEVEL": "ERROR",
                    "SIGN_IN_LIMIT": "1000 per minute",
                }
            )
        )
        try:
            started = time.perf_counter()
            names = _prepare(app, size)
            _told(f"{kind} {size:,}: filling took {time.perf_counter() - started:.0f} s")
            client = app.test_client()
            _sign_in(client)
            yield Table(app, client, names)
        finally:
            with app.app_context():
                db.engine.dispose()
            drop_database(url)


def _count(app: Flask, told: dict[str, str]) -> float:
    return _in_request(app, told, lambda filters: total(db.session(), filters))


def _charts(app: Flask, told: dict[str, str]) -> float:
    return _in_request(app, told, lambda filters: charts.overview(db.session(), filters, "campaign"))


def _in_request(app: Flask, told: dict[str, str], work: Callable[[Filters], Any]) -> float:
    """How many seconds the work alone takes within a request."""
    with app.test_request_context(), app.app_context():
        begin_as_reader(True)
        account = g.account = db.session.scalars(select(Account)).one()
        filters = Filters.read(account, told)
        started = time.perf_counter()
        work(filters)
        return time.perf_counter() - started


def _prepare(app: Flask, size: int) -> dict[str, Any]:
    """An account with so many communications, indexed and counted; gives what the addresses name."""
    with app.app_context():
        begin_as_reader(False)
        upgrade()
        queue.prepare()
        session = db.session()
        account, user = Account(slug="bench", name="Bench"), User(email="bench@example.com", name="")
        user.set_password(PASSWORD)
        user.memberships.append(Membership(account=account, role=Role.OWNER))
        session.add_all([account, user])
        session.flush()
        own = {"account_id": account.id}
        site = Site(**own, key="shop", domain="shop.example", name="Shop", search_text="shop")
        campaigns = [Campaign(**own, key=f"c{one}", name=f"Кампания {one}", search_text=f"c{one}") for one in range(21)]
        sources = [Source(**own, key=f"s{one}", name=f"Источник {one}", search_text=f"s{one}") for one in range(4)]
        employees = [
            Employee(**own, key=f"e{one}", full_name=f"Сотрудник {one}", search_text=f"e{one}") for one in range(5)
        ]
        integration = Integration(**own, vendor="jivo", key="jivo", name="Jivo", active=True)
        quiet = Integration(**own, vendor="jivo", key="quiet", name="Quiet", active=True)
        for one in (integration, quiet):
            one.set_secret()
        session.add_all([site, integration, quiet, *campaigns, *sources, *employees])
        session.flush()
        visit = Visit(**own, session_id="1", started_at=utc_now(), last_seen_at=utc_now(), marks={}, site_id=site.id)
        session.add(visit)
        session.commit()
        numbers = {
            "account": account.id, "integration": integration.id, "quiet": quiet.id, "site": site.id, "visit": visit.id,
            "campaign": campaigns[0].id, "source": sources[0].id, "employee": employees[0].id,
        }  # fmt: skip
        search_index.drop(session.connection())
        search_index.create(session.connection(), triggers=False)
        session.commit()
        fill(session, size, numbers)
        search_index.create(session.connection())
        session.execute(delete(CommunicationChange))
        session.add(CountedZone(account_id=account.id, timezone=account.timezone))
        session.commit()
        first, last = (session.scalar(select(end(Communication.started_at))) for end in (func.min, func.max))
        day, end = day_of(first, account.timezone), day_of(last, account.timezone)
        days = [day.fromordinal(number) for number in range(day.toordinal(), end.toordinal() + 1)]
        for place in range(0, len(days), 16):
            counting.recount(session, account, days[place : place + 16])
            session.commit()
        session.execute(text("ANALYZE"))
        session.commit()
        rare = campaigns[20].id
        db.session.remove()
        db.engine.dispose()
    return {"employee": numbers["employee"], "rare": rare, "quiet": numbers["quiet"]}


def _told(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _sign_in(client: FlaskClient) -> None:
    page = BeautifulSoup(client.get("/sign-in").text, "html.parser")
    token = page.find("input", attrs={"name": "csrf_token"})["value"]
    answer = client.post("/sign-in", data={"csrf_token": token, "email": "bench@example.com", "password": PASSWORD})
    if answer.status_code != 303:
        raise RuntimeError(f"sign-in answered {answer.status_code}")


def _second_page(client: FlaskClient) -> str:
    return BeautifulSoup(client.get(LIST).text, "html.parser").find("a", rel="next")["href"]


def _get(client: FlaskClient, path: str) -> float:
    """How many seconds a page takes."""
    started = time.perf_counter()
    answer = client.get(path)
    taken = time.perf_counter() - started
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answered {answer.status_code}")
    return taken


def _times(works: list[Callable[[], float]]) -> list[float]:
    """Median times in ms, the works taking turns; each one's first three do not count."""
    taken: list[list[float]] = [[] for _work in works]
    for _number in range(REPEATS + 3):
        for times, work in zip(taken, works, strict=True):
            times.append(work() * 1000)
    return [round(statistics.median(times[3:]), 1) for times in taken]


if __name__ == "__main__":
    sys.stdout.write("\n".join(measure()) + "\n")
