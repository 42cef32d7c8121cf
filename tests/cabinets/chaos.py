"""Communications, a stand-in that fails at random, and workers that are killed: what is there in the end?"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from flask_migrate import upgrade
from sqlalchemy import func, select

from tests.databases import drop_database, fresh_database
from tests.doubles.dataapi import DataApiDouble
from tests.factories import make_account, make_integration
from webapp import create_app, queue
from webapp.cabinets import cabinet_of
from webapp.cabinets.dataapi import connecting, syncing
from webapp.extensions import db
from webapp.intake import accept
from webapp.models import Account, Campaign, Delivery, Employee, Integration
from webapp.settings import load
from webapp.views import ROOT

#: No run takes as long; beyond it what is missing is missing.
LONGEST_SECONDS = int(os.environ.get("OUTSIDE_SECONDS", "900"))

#: Requests among the chats.
EVERY_NTH_A_REQUEST = 4


@dataclass
class Result:
    """What was found. ``missing`` and ``twice`` are ext_ids; ``faults`` counts what the stand-in did wrong."""

    seconds: float = 0.0
    kills: int = 0
    calls: int = 0
    faults: int = 0
    beyond_limits: int = 0
    busiest_minute: int = 0
    missing: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)


class Chaos:
    """The stage: a database, a stand-in, and a worker process at a time."""

    def __init__(
        self, kind: str, directory: Path, *, chats: int, kills: int, seed: int = 5, probability: float = 0.3
    ) -> None:
        self._chats, self._kills, self._seed, self._probability = chats, kills, seed, probability
        self._random = random.Random(seed)
        self._before = queue._url
        self._double = DataApiDouble()
        self._url = fresh_database(kind, f"chaos_{os.getpid()}", directory)
        self._environment = {
            "DATA_DIR": str(directory),
            "DATABASE_URL": self._url,
            "SECRET_KEY": "chaos",
            "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "EXTRA_VENDOR_HOSTS": "",
            "LOG_LEVEL": "ERROR",
        }
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Chaos:
        self._double.__enter__()
        self._environment["EXTRA_VENDOR_HOSTS"] = self._double.url.removeprefix("http://")
        self._app = create_app(load(self._environment))
        with self._app.app_context():
            upgrade()
            queue.prepare()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop(signal.SIGKILL)
        with self._app.app_context():
            db.session.remove()
            db.engine.dispose()
        self._double.__exit__(None, None, None)
        drop_database(self._url)
        if self._before is not None:
            queue.configure(self._before)

    def run(self) -> Result:
        """Send everything, kill the worker again and again, wait for the end; what is there then."""
        self._double.set_account(minute=60_000, day=10_000_000)
        account_id = self._prepare()
        self._double.hold_s = 0.4
        self._double.chaos(seed=self._seed, probability=self._probability, seconds=0.3)
        started, result = time.monotonic(), Result()
        self._start()
        while time.monotonic() - started < LONGEST_SECONDS:
            if result.kills < self._kills:
                # A life is short, but long enough to begin with something.
                time.sleep(self._random.uniform(1.5, 4.0))
                self._stop(signal.SIGKILL)
                result.kills += 1
                self._start()
            elif self._is_done(account_id):
                break
            else:
                time.sleep(0.5)
        result.seconds = time.monotonic() - started
        self._stop(signal.SIGTERM)
        self._look(result, account_id)
        return result

    def _prepare(self) -> int:
        with self._app.app_context():
            session = db.session()
            account = make_account(session)
            connecting.connect(session, account, self._double.endpoint, self._double.key)
            session.commit()
            syncing.sync(session, account.id)
            integration = make_integration(session, account)
            campaign = session.scalars(select(Campaign.id).where(Campaign.key == "268101")).one()
            integration.point_to("campaign", campaign, None, None)
            integration.employee_id = session.scalars(select(Employee.id).where(Employee.key == "5505")).one()
            integration.handover = {"tag": "515101"}
            session.commit()
            number, account_id = integration.id, account.id
            assert not cabinet_of(account).counts_visits
            for place in range(self._chats):
                accept(session, session.get_one(Integration, number), _body(place))
                if place % 50 == 49:
                    session.commit()
            session.commit()
            return account_id

    def _start(self) -> None:
        environment = {**os.environ, **self._environment, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.cabinets.hurried_worker"]
        self._worker = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)

    def _stop(self, how: signal.Signals) -> None:
        if self._worker is not None:
            self._worker.send_signal(how)
            self._worker.wait(60)
            self._worker = None

    def _is_done(self, account_id: int) -> bool:
        with self._app.app_context():
            open_ones = db.session.scalar(
                select(func.count())
                .select_from(Delivery)
                .where(Delivery.account_id == account_id, (Delivery.state == "pending") | (Delivery.phase == "tag"))
            )
            db.session.rollback()
        return not open_ones

    def _look(self, result: Result, account_id: int) -> None:
        with self._app.app_context():
            rows = db.session.execute(
                select(Delivery.ext_id, Delivery.state, Delivery.external_id).where(Delivery.account_id == account_id)
            ).all()
            assert db.session.get_one(Account, account_id).cabinet_kind == "dataapi"
            db.session.rollback()
        held = {**self._double.holdings("chats"), **self._double.holdings("offline_messages")}
        result.states = dict(Counter(state for _ext_id, state, _number in rows))
        result.missing = [ext_id for ext_id, _state, _number in rows if ext_id not in held]
        result.twice = [ext_id for ext_id, row in held.items() if row["uploads"] != 1 or row["count"] != 1]
        metrics = self._double.metrics()
        result.calls, result.beyond_limits = metrics["calls"], metrics["beyond_limits"]
        result.busiest_minute = metrics["points"]["4101"]["busiest_minute"]
        result.faults = sum(1 for call in self._double.calls() if call.fault)


def _body(place: int) -> bytes:
    """A finished chat, or a request."""

    now = int(time.time()) - 3600
    visitor = {"name": f"Посетитель {place}", "phone": f"7912{place:07d}", "number": place}
    if place % EVERY_NTH_A_REQUEST == 0:
        body = {"event_name": "offline_message", "offline_message_id": str(place), "message": "Перезвоните"}
        return json.dumps({**body, "visitor": visitor}).encode()
    messages = [
        {"timestamp": now, "message": f"Вопрос {place}", "type": "visitor"},
        {"timestamp": now + 5, "message": "Ответ", "type": "agent", "agent_id": 1},
    ]
    agents = [{"id": 1, "name": "Анна", "email": "anna@romashka-shtory.example"}]
    body = {"event_name": "chat_finished", "chat_id": place, "visitor": visitor, "agents": agents}
    return json.dumps({**body, "chat": {"messages": messages}}).encode()
