"""What the pages ask of the two long tables, SQLite answers by an index made for it, however long they are."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.browser import ON_SQLITE
from tests.factories import make_integration, make_task
from tests.views.acting import make_communication, part
from tests.views.plans import asked, readings
from tests.views.test_events import add
from webapp.alerts import checks
from webapp.extensions import db
from webapp.jobs import process_stored, replay_events, replay_failed
from webapp.metrics import render
from webapp.models import Account, EventState, TaskKind, utc_now
from webapp.report import listing
from webapp.report.filters import Filters
from webapp.report.listing import Order, Total

pytestmark = ON_SQLITE

#: The failed events of the account, counted beside the menu of every page.
FAILED = "account_id_state_received_at_id (account_id=? AND state=?)"
#: Those of an integration, in one state.
OF_STATE = "account_id_integration_id_state_received_at_id (account_id=? AND integration_id=? AND state=?)"
BY_TIME, OF_ONE = "account_id_received_at_id_state", "account_id_integration_id_received_at_id_state"


@pytest.fixture
def jivo(session, account):
    made = make_integration(session, account, saved_at=utc_now())
    for state in EventState:
        add(session, made, 3, state)
    for number in range(3):
        make_communication(session, made, str(number), started_at=utc_now() - timedelta(hours=number))
    session.commit()
    session.refresh(made)
    session.expunge(made)
    session.rollback()
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", f"{BY_TIME} (account_id=?)"),
        ("before=5", f"{BY_TIME} (account_id=? AND received_at<?)"),
        ("until=2026-01-01", f"{BY_TIME} (account_id=? AND received_at<?)"),
        ("since=2026-01-01", f"{BY_TIME} (account_id=? AND received_at>?)"),
        ("state=ignored", f"{BY_TIME} (account_id=?)"),
        ("state=stored", FAILED),
        ("integration={0}", f"{OF_ONE} (account_id=? AND integration_id=?)"),
        ("integration={0}&until=2026-01-01", f"{OF_ONE} (account_id=? AND integration_id=? AND received_at<?)"),
        ("integration={0}&state=done", f"{OF_ONE} (account_id=? AND integration_id=?)"),
        ("integration={0}&state=failed", OF_STATE),
    ],
)
def test_the_list_of_events_is_read_in_the_order_of_an_index(app, viewer, jivo, query, expected):
    with asked(app) as questions:
        viewer.get(f"/a/romashka/events?{query.format(jivo.id)}")
    assert readings(app, questions, "webhook_event") == {FAILED, expected}


@pytest.mark.parametrize("page", ["communications", "directory/sites", "integrations", "integrations/jivo"])
def test_waiting_events_are_counted_by_the_index_of_those_that_wait(app, viewer, jivo, page):
    with asked(app) as questions:
        viewer.get(f"/a/romashka/{page}")
    expected = {FAILED, OF_STATE} if page.startswith("integrations") else {FAILED}
    assert readings(app, questions, "webhook_event") == expected


def test_alerts_and_metrics_ask_the_indexes_too(app, jivo):
    with app.app_context(), asked(app) as questions:
        account = db.session.get(Account, jivo.account_id)
        look = checks.Look(utc_now())
        assert [one.facts["count"] for one in checks.failed_events(db.session(), account, look)] == [3]
        checks.last_heard(db.session(), jivo)
        render(db.session())
        db.session.rollback()
    assert readings(app, questions, "webhook_event") == {
        OF_STATE,
        f"{OF_ONE} (account_id=? AND integration_id=?)",
        "account_id_integration_id_state_received_at_id",
    }


def test_jobs_read_waiting_events_in_the_order_of_an_index(app, session, jivo):
    task = make_task(session, session.get(Account, jivo.account_id), TaskKind.REPLAY, params={"integration": jivo.id})
    number = task.id
    session.rollback()
    with app.app_context(), asked(app) as questions:
        replay_failed.handle(jivo.account_id)
        process_stored.handle(jivo.id)
        replay_events.handle(number)
    assert readings(app, questions, "webhook_event") == {
        FAILED,
        FAILED.replace(")", " AND received_at>?)"),
        OF_STATE,
        OF_STATE.replace(")", " AND received_at>?)"),
        f"{OF_ONE} (account_id=? AND integration_id=?)",
    }


#: An integration's communications, those since a moment, and those of days that are counted while one waits.
ALL = "of_integration (account_id=? AND integration_id=?)"
RECENT = "of_integration (account_id=? AND integration_id=? AND started_at>?)"
LATE_DAYS = "account_id_started_at_id (account_id=? AND started_at>? AND started_at<?)"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("integrations", {ALL}),
        ("integrations/jivo", {ALL, RECENT, LATE_DAYS}),
        ("suggestions", {RECENT, LATE_DAYS, "account_id_started_at_id (account_id=? AND started_at>?)"}),
    ],
)
def test_an_integrations_communications_are_read_by_their_index(app, viewer, jivo, page, expected):
    with asked(app) as questions:
        viewer.get(f"/a/romashka/{page}")
    assert readings(app, questions, "communication") == expected


def test_the_filter_of_one_integration_is_served_by_its_index(app, jivo):
    with app.app_context(), asked(app) as questions:
        account = db.session.get(Account, jivo.account_id)
        filters = Filters.read(account, {"integration": str(jivo.id)})
        found = listing.page(db.session(), filters, Order(), None, None, listing.listed(), Total(3))
        assert len(found.rows) == 3
    assert readings(app, questions, "communication") == {ALL}


def test_the_waiting_test_card_looks_at_what_came_since_alone(app, viewer, jivo):
    since = int(utc_now().timestamp()) + 60
    with asked(app) as questions:
        part(viewer, f"/a/romashka/integrations/jivo/test?since={since}")
    assert readings(app, questions, "communication") == set()
    assert readings(app, questions, "webhook_event") == {
        FAILED,
        f"{OF_ONE} (account_id=? AND integration_id=? AND received_at>?)",
    }
