"""Five hundred talks while everything goes wrong: exactly five hundred requests, and each of them whole (issue 4)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.doubles.amocrm import AmoDouble
from tests.factories import make_account, make_integration
from webapp import authorizations, jobs
from webapp.authorizations import OpenLink
from webapp.extensions import db
from webapp.models import Authorization, Communication, Integration, Lookup, Reconciliation, utc_now
from webapp.views import ROOT

TALKS, ACCOUNTS = 500, 10

#: Seconds in which everything must have been found out.
PATIENCE = 240

CHAOS = {
    "seed": 7,
    "seconds": 1,
    "retry_after": 1,
    "on": {
        "api": {"500": 0.03, "429 body": 0.02, "drop": 0.02, "reset": 0.02, "half json": 0.01, "late": 0.02},
        "hook": {"duplicate": 0.15, "delayed": 0.2, "half body": 0.03, "lost answer": 0.05},
    },
}


@pytest.fixture
def amo(app, server, monkeypatch) -> Iterator[AmoDouble]:
    """Ten accounts, known to the product."""
    with AmoDouble() as double:
        double.set_redirect_uri(f"{server}/oauth/amocrm/callback")
        for _ in range(ACCOUNTS - 1):
            double.create_tenant()
        hosts = tuple(tenant.domain for tenant in double.state.tenants.values())
        changes = {"EXTRA_VENDOR_HOSTS": hosts, "PUBLIC_URL": server}
        monkeypatch.setitem(app.config, "SETTINGS", app.config["SETTINGS"].model_copy(update=changes))
        yield double


def connect(app, session, server: str, amo: AmoDouble) -> dict[int, int]:
    """An integration for each account, connected and subscribed, with a field for the session; field by account."""
    account, fields, subscribing = make_account(session), {}, []
    for tenant in list(amo.state.tenants.values()):
        owner = amo.create_integration(redirect_uri=f"{server}/oauth/amocrm/callback", kind="public", tenant=tenant.id)
        told = amo.issue_tokens(tenant=tenant.id, integration=owner["client_id"])
        integration = make_integration(session, account, f"amo-{tenant.id}", "amocrm", name="amoCRM")
        fields[tenant.id] = amo.create_field("Сессия", "text", tenant=tenant.id)["id"]
        row = Authorization(
            account_id=account.id, vendor="amocrm", key=f"main-{tenant.id}", name="Основная",
            domain=f"http://{tenant.domain}", url=f"http://{tenant.domain}",
            token_url=f"http://{tenant.domain}/oauth2/access_token", client_id=owner["client_id"],
            client_secret=owner["client_secret"], access_token=told["access_token"],
            refresh_token=told["refresh_token"], expires_at=utc_now() + timedelta(hours=20), state="connected",
            redirect_uri=f"{server}/oauth/amocrm/callback", vendor_account_id=str(tenant.id),
        )  # fmt: skip
        session.add(row)
        session.flush()
        authorizations.tie(integration, row)
        integration.options = {**integration.options, "session_field": fields[tenant.id]}
        session.commit()
        subscribing.append((row.id, server + integration.hook_path()))
    session.rollback()
    with app.app_context():
        for number, address in subscribing:
            link = OpenLink(db.engine, app.config["SETTINGS"], number, "amocrm")
            assert link.connection.subscribe(link, address, False) == "ok"
    # Each integration looks for what it misses from now on.
    jobs.handlers(app)["reconcile"](0)
    return fields


def start_worker(app) -> subprocess.Popen:
    """A worker of its own process, as `make run` has one; it only waits less after a fault."""
    settings = app.config["SETTINGS"]
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "DATA_DIR": str(settings.DATA_DIR),
        "DATABASE_URL": settings.DATABASE_URL,
        "SECRET_KEY": settings.SECRET_KEY,
        "ENCRYPTION_KEYS": ",".join(settings.ENCRYPTION_KEYS),
        "EXTRA_VENDOR_HOSTS": ",".join(settings.EXTRA_VENDOR_HOSTS),
        "PUBLIC_URL": settings.PUBLIC_URL,
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "tests.hurried_amocrm_worker"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)


def close_them_all(amo: AmoDouble, fields: dict[int, int]) -> set[tuple[int, str]]:
    """Talks with a lead, a contact and a session each; closed from many threads, some of the hooks never sent."""

    def one(number: int) -> tuple[int, str]:
        tenant = list(fields)[number % ACCOUNTS]
        contact = amo.create_contact(f"Гость {number}", [f"8900{number:07}"], [], tenant=tenant)["id"]
        lead = amo.create_lead(contacts=[contact], fields={str(fields[tenant]): str(10_000 + number)}, tenant=tenant)
        talk = amo.create_talk(lead["id"], origin="onlinechat", tenant=tenant)["id"]
        amo.close_talk(talk, tenant=tenant)
        return tenant, str(talk)

    with ThreadPoolExecutor(6) as pool:
        closed = set(pool.map(one, range(TALKS - 20)))
        amo.configure({"switches": {"delivery": "lost"}})
        closed |= set(pool.map(one, range(TALKS - 20, TALKS)))
    return closed


@pytest.mark.processes
@pytest.mark.timeout(600)
def test_five_hundred_talks_under_faults_are_exactly_five_hundred_whole_requests(app, session, server, amo):
    """Timeouts, 429, 500, 401, repeated and reordered hooks, lost hooks, a worker killed with -9 in the middle."""
    fields = connect(app, session, server, amo)
    amo.configure(
        {
            "switches": {
                "hook_retries": "on", "time_factor": 0.001, "hook_timeout_s": 10, "hook_disabling": "off",
                # Somebody may die between the answer and the commit of a refresh.
                "old_refresh_token": "until the new pair is used",
            },
            "chaos": CHAOS,
        }
    )  # fmt: skip
    amo.faults.add([{"on": "lead", "do": "401", "skip": 8, "tenant": tenant} for tenant in fields])
    amo.faults.add([{"on": "contact", "do": "late", "seconds": 22, "skip": 60, "times": 2}])
    first = start_worker(app)
    second = None
    try:
        closed = close_them_all(amo, fields)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        second = start_worker(app)
        amo.settle(60)
        wait_for(session, lambda: recorded(session) == TALKS, lambda: reconcile(app, session))
        wait_for(session, lambda: unfinished(session) == 0)
    finally:
        for worker in filter(None, (first, second)):
            worker.kill()
            worker.wait()
    session.rollback()
    rows = session.execute(
        select(Communication, Integration.key).join(Integration, Integration.id == Communication.integration_id)
    ).all()
    assert {(int(key.removeprefix("amo-")), row.vendor_id) for row, key in rows} == closed
    assert len(rows) == TALKS
    for row, _key in rows:
        number = int(row.contact_name.removeprefix("Гость "))
        assert row.contact_phone == f"+7900{number:07}"
        assert row.clues["token"]["visit"] == str(10_000 + number)
        assert row.type == "offline_message"
    assert amo.recorder.counts["token.refresh"] >= ACCOUNTS
    assert {amo.recorder.most_at_once.get(f"token.refresh:{tenant}", 0) for tenant in fields} == {1}


def recorded(session) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(Communication))


def unfinished(session) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(Lookup).where(Lookup.complete.is_(False)))


def reconcile(app, session) -> None:
    """What the schedule does every ten minutes."""
    session.rollback()
    numbers = session.scalars(select(Reconciliation.id)).all()
    session.rollback()
    for number in numbers:
        jobs.handlers(app)["reconcile"](number)


def wait_for(session, done: Any, meanwhile: Any = None) -> None:
    """Until it is done; fails after PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, f"{recorded(session)} recorded, {unfinished(session)} not looked up"
        if meanwhile:
            meanwhile()
        time.sleep(0.5)
