"""A connected account beside the Data API stand-in, and a worker whose clock is the test's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.doubles.dataapi import DataApiDouble
from tests.factories import make_account, make_integration
from webapp import jobs, queue
from webapp.cabinets import cabinet_of
from webapp.cabinets.dataapi import connecting, syncing
from webapp.extensions import db
from webapp.models import Account, Campaign, Communication, Delivery, Employee, Integration

#: Jobs of these names are run; what else the product enqueues is none of these tests' business.
NAMES = ("upload", "confirm", "probe", "sync", "resume_deliveries", "retry_deliveries")


class Outside:
    """The account, its stand-in and its worker. The worker runs in this thread, at whatever time a job is due."""

    def __init__(self, app: Flask, session: Session, double: DataApiDouble) -> None:
        self.app, self.session, self.double = app, session, double
        account = make_account(session)
        self.account_id = account.id
        session.rollback()
        with app.app_context():
            known = db.session.get_one(Account, self.account_id)
            connecting.connect(db.session(), known, double.endpoint, double.key)
            db.session.commit()
            syncing.sync(db.session(), self.account_id)
        integration = make_integration(session, account)
        self.integration_id = integration.id
        self.point_to("268101")
        self.employ("5505")
        self.jobs_done = 0

    @property
    def account(self) -> Account:
        """The account as it is now."""
        self.session.rollback()
        return self.session.get_one(Account, self.account_id)

    @property
    def integration(self) -> Integration:
        """Its integration as it is now."""
        self.session.rollback()
        return self.session.get_one(Integration, self.integration_id)

    def point_to(self, campaign: str | None) -> None:
        """Let chats without a session go to the campaign of this key."""
        integration = self.integration
        row = self.session.scalar(
            select(Campaign).where(Campaign.account_id == self.account_id, Campaign.key == campaign)
        )
        integration.point_to("campaign", row.id if row else None, None, None)
        self.session.commit()

    def employ(self, key: str | None) -> None:
        """Let the integration's «Сотрудник» be the one of this key."""
        integration = self.integration
        integration.employee_id = self.session.scalar(
            select(Employee.id).where(Employee.account_id == self.account_id, Employee.key == key)
        )
        self.session.commit()

    def send(self, *bodies: dict[str, Any]) -> None:
        """Let the vendor send these."""
        path = self.integration.hook_path()
        self.session.rollback()
        for body in bodies:
            answer = self.app.test_client().post(path, json=body)
            assert answer.status_code == 200, answer.text

    def hand_over(self, **values: Any) -> None:
        """Set what the integration asks of the cabinet."""
        self.integration.handover = values
        self.session.commit()

    def run_job(self, job: str, row_id: int) -> None:
        """Run one job now, as the schedule would."""
        with self.app.app_context():
            jobs.handlers(self.app)[job](row_id)

    def resend(self) -> bool:
        """Ask for the only communication to be sent anew; what the cabinet says to that."""
        number = self.communication().id
        self.session.rollback()
        with self.app.app_context():
            done = cabinet_of(db.session.get_one(Account, self.account_id)).resend(db.session(), number)
            db.session.commit()
        return done

    def run(self, until: Callable[[], bool] | None = None, seconds: float = 4 * 86_400, most: int = 100_000) -> None:
        """Run what is due, moving the clock from job to job, until nothing is left within so many seconds.

        Once ``until`` holds the rest is left alone.
        """
        handlers, end = jobs.handlers(self.app), time.time() + seconds
        for _ in range(most):
            if until is not None and until():
                return
            due = self._next()
            if due is None or due[1] > end:
                return
            key, at, job, row_id = due
            if at > time.time():
                self.go_to(at)
            self._finish(key)
            with self.app.app_context():
                handlers[job](row_id)
            self.jobs_done += 1
        raise AssertionError("the jobs never end")

    def go_to(self, moment: float) -> None:
        """Move the clock, the stand-in's too."""
        self.double.clock.move({"advance": max(0.0, moment - time.time())})
        self.traveller.move_to(datetime.fromtimestamp(moment, UTC))

    def wait(self, **delta: float) -> None:
        """Move the clock on."""
        self.go_to(time.time() + timedelta(**delta).total_seconds())

    def _next(self) -> tuple[str, float, str, int] | None:
        """The next job: its key, when it is due, its name and row."""
        with self.app.app_context():
            schema = f"{queue.SCHEMA}." if db.engine.dialect.name == "postgresql" else ""
            rows = db.session.execute(
                sa.text(
                    f"SELECT s.workflow_uuid, coalesce(s.delay_until_epoch_ms, s.created_at), i.inputs"
                    f" FROM {schema}workflow_status s JOIN {schema}workflow_input i"
                    f" ON i.workflow_uuid = s.workflow_uuid"
                    f" WHERE s.status IN ('ENQUEUED', 'DELAYED') ORDER BY 2, 1"
                )
            ).all()
            db.session.rollback()
        for key, due_at, inputs in rows:
            job, row_id = json.loads(inputs)["positionalArgs"][:2]
            if job in NAMES:
                return key, due_at / 1000, job, row_id
        return None

    def _finish(self, key: str) -> None:
        with self.app.app_context():
            schema = f"{queue.SCHEMA}." if db.engine.dialect.name == "postgresql" else ""
            db.session.execute(
                sa.text(f"UPDATE {schema}workflow_status SET status = 'SUCCESS' WHERE workflow_uuid = :key"),
                {"key": key},
            )
            db.session.commit()

    def deliveries(self) -> list[Delivery]:
        """All of them, as they are now."""
        self.session.rollback()
        return list(self.session.scalars(select(Delivery).order_by(Delivery.id)))

    def delivery(self) -> Delivery:
        """The only one."""
        [found] = self.deliveries()
        return found

    def communication(self) -> Communication:
        """The only one."""
        self.session.rollback()
        return self.session.scalars(select(Communication)).one()

    def held_once(self, kind: str = "chats") -> int:
        """How many the stand-in holds, each exactly once."""
        held = self.double.holdings(kind)
        assert {row["count"] for row in held.values()} <= {1}, held
        return len(held)

    def stored(self, kind: str = "chats") -> dict[str, Any]:
        """The only entity that the stand-in holds."""
        [found] = self.double.stored(kind)
        return found


@contextmanager
def connected(app: Flask, session: Session, monkeypatch: Any) -> Iterator[Outside]:
    """An account whose cabinet is a stand-in, its directory read. The clock stands still unless it is moved."""
    with DataApiDouble() as double:
        host = double.url.removeprefix("http://")
        settings = app.config["SETTINGS"].model_copy(update={"EXTRA_VENDOR_HOSTS": (host,)})
        monkeypatch.setitem(app.config, "SETTINGS", settings)
        monkeypatch.setattr("webapp.cabinets.dataapi.line.time.sleep", lambda _seconds: None)
        with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
            Outside.traveller = traveller
            outside = Outside(app, session, double)
            outside.run()
            yield outside
