"""However many deliveries there are, SQLite finds those that are asked for by an index, in the order of the list."""

from __future__ import annotations

import pytest

from tests.browser import ON_SQLITE
from tests.factories import make_account, make_integration, make_task
from tests.views.acting import enter_as, make_communication
from tests.views.plans import asked, readings
from webapp.cabinets.dataapi import handing
from webapp.extensions import db
from webapp.jobs import retry_deliveries
from webapp.models import Account, CabinetKind, Delivery, DeliveryState, Role, TaskKind, utc_now

pytestmark = ON_SQLITE

#: The counts of the states, above the list.
COUNTED = "account_id_state_created_at_id (account_id=? AND state=?)"
BY_TIME, BY_STATE = "account_id_created_at_id (account_id=?", "account_id_state_created_at_id (account_id=? AND state=?"
BY_REASON = "account_id_reason_created_at_id (account_id=? AND reason=?"


@pytest.fixture
def number(session) -> int:
    """An account with deliveries in every state."""
    account = make_account(session)
    account.cabinet_kind = CabinetKind.DATAAPI
    jivo = make_integration(session, account, saved_at=utc_now())
    reasons = {"held": "nothing_to_attribute", "failed": "refused"}
    for place, state in enumerate([*DeliveryState] * 2):
        made = make_communication(session, jivo, str(place), started_at=utc_now())
        session.flush()
        session.add(
            Delivery(
                account_id=account.id, communication_id=made.id, type="chat", state=state, reason=reasons.get(state),
                ext_id=f"lt-{place}", updated_at=utc_now(),
            )
        )  # fmt: skip
    session.commit()
    found = account.id
    session.rollback()
    return found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", f"{BY_TIME})"),
        ("before=5", f"{BY_TIME} AND created_at<?)"),
        ("since=2026-01-01", f"{BY_TIME} AND created_at>?)"),
        ("state=delivered", f"{BY_STATE})"),
        ("state=pending", f"{BY_STATE})"),
        ("state=held&until=2036-01-01", f"{BY_STATE} AND created_at<?)"),
        ("state=failed&before=5", f"{BY_STATE} AND created_at<?)"),
        ("reason=refused", f"{BY_REASON})"),
        ("reason=refused&before=5", f"{BY_REASON} AND created_at<?)"),
        ("reason=refused&state=failed&since=2026-01-01", f"{BY_REASON} AND created_at>?)"),
        ("differs=1", "is_different (account_id=?)"),
    ],
)
def test_the_list_is_read_in_the_order_of_an_index(app, session, number, query, expected):
    viewer = enter_as(app, session, session.get(Account, number), Role.VIEWER)
    with asked(app) as questions:
        viewer.get(f"/a/romashka/deliveries?{query}")
    assert readings(app, questions, "delivery") == {COUNTED, expected}


def test_the_reconciliation_reads_what_is_at_work_and_what_settings_hold(app, number):
    with app.app_context(), asked(app) as questions:
        handing.reconcile(db.session(), number)
    read = readings(app, questions, "delivery")
    assert not [one for one in read if "sorted" in one or one.startswith(("SCAN", "account_id_created"))], read
    assert {"pending (account_id=? AND id>?)", "tag (account_id=? AND id>?)"} <= read
    assert [one for one in read if one.startswith(BY_REASON)], read


def test_trying_again_reads_batch_after_batch_in_the_order_of_an_index(app, session, number, monkeypatch):
    monkeypatch.setattr(retry_deliveries, "BATCH", 1)
    task = make_task(session, session.get(Account, number), TaskKind.RETRY, params={"last": 100}).id
    session.rollback()
    with app.app_context(), asked(app) as questions:
        retry_deliveries.handle(task)
    assert readings(app, questions, "delivery") == {f"{BY_STATE})", f"{BY_STATE} AND created_at>?)"}
