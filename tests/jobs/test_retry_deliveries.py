"""C4: all that failed or is held is tried again, a batch a transaction, told on a page and stopped there."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select

from tests.factories import make_account, make_integration, make_task
from tests.views.acting import make_communication
from webapp import tasks
from webapp.extensions import db
from webapp.jobs import handlers, retry_deliveries
from webapp.models import Account, CabinetKind, Delivery, Task, TaskKind, TaskState, utc_now

STANDING = (
    *[("failed", "refused")] * 4, ("failed", None), *[("held", "no_contact")] * 4,
    ("held", "unverifiable"), ("held", "undeletable"),
    ("delivered", None), ("pending", "trying"),
)  # fmt: skip


@pytest.fixture
def account(session) -> int:
    """An account with deliveries that stand in every way."""
    account = make_account(session)
    account.cabinet_kind = CabinetKind.DATAAPI
    integration = make_integration(session, account, saved_at=utc_now())
    for place, (state, reason) in enumerate(STANDING):
        made = make_communication(session, integration, str(place), started_at=utc_now())
        session.flush()
        session.add(
            Delivery(
                account_id=account.id, communication_id=made.id, type="chat", state=state, reason=reason,
                ext_id=f"lt-{place}", tries=3, updated_at=utc_now(),
            )
        )  # fmt: skip
    session.commit()
    return account.id


def states(session) -> Counter:
    session.rollback()
    return Counter(session.scalars(select(Delivery.state)))


def order(session, account: int, **params) -> int:
    task = make_task(session, session.get(Account, account), TaskKind.RETRY, params={"last": 1000, **params}).id
    session.rollback()
    return task


def test_it_is_done_in_batches_and_counts_them(app, session, account, monkeypatch):
    monkeypatch.setattr(retry_deliveries, "BATCH", 2)
    number = order(session, account)
    handlers(app)["retry_deliveries"](number)
    assert states(session) == {"pending": 10, "held": 2, "delivered": 1}
    task = session.get_one(Task, number)
    assert (task.state, task.total, task.seen, task.counts) == (TaskState.DONE, 9, 9, {"sent": 9})
    tried = session.scalars(select(Delivery).where(Delivery.state == "pending", Delivery.reason != "trying")).all()
    assert {(row.tries, row.turn) for row in tried} == {(0, 1)}, "each has its job"


def test_only_what_the_filter_shows(app, session, account):
    handlers(app)["retry_deliveries"](order(session, account, reason="no_contact"))
    assert states(session) == {"failed": 5, "pending": 5, "held": 2, "delivered": 1}
    handlers(app)["retry_deliveries"](order(session, account, state="delivered"))
    assert states(session) == {"failed": 5, "pending": 5, "held": 2, "delivered": 1}
    handlers(app)["retry_deliveries"](order(session, account, state="failed"))
    assert states(session) == {"pending": 10, "held": 2, "delivered": 1}


def test_what_fails_again_meanwhile_is_not_tried_for_ever(app, session, account, monkeypatch):
    monkeypatch.setattr(retry_deliveries, "BATCH", 1)
    monkeypatch.setattr("webapp.cabinets.dataapi.handing.again", lambda _session, _row: None)
    number = order(session, account)
    handlers(app)["retry_deliveries"](number)
    session.rollback()
    assert session.get_one(Task, number).seen == 9


def test_it_ends_where_somebody_stops_it(app, session, account, monkeypatch):
    monkeypatch.setattr(retry_deliveries, "BATCH", 2)
    number, step = order(session, account), retry_deliveries.step

    def stopped(inner, task):
        more = step(inner, task)
        tasks.stop(inner, task)
        return more

    with app.app_context():
        tasks.carry_out(db.session(), number, stopped)
    assert states(session)["failed"] == 3
    assert session.get_one(Task, number).state == TaskState.STOPPED
