"""What is older than the account keeps is deleted (DESIGN §9)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, func, select, update

from tests.factories import make_account, make_integration, make_task, make_visit, tie_visit
from webapp.extensions import db
from webapp.jobs import handlers, purge_expired
from webapp.models import (
    Account,
    Communication,
    Integration,
    Task,
    TaskKind,
    VendorClient,
    Visit,
    VisitTie,
    WebhookEvent,
    event_communication,
    utc_now,
)


@pytest.fixture
def purge(app):
    return handlers(app)["purge_expired"]


def fill(session, account: Account, *ages: int) -> None:
    """An event, its communication and its person for each age in days."""
    integration = make_integration(session, account)
    for number, age in enumerate(ages):
        at = utc_now() - timedelta(days=age)
        common = {"account_id": account.id, "integration_id": integration.id}
        event = WebhookEvent(**common, received_at=at, body=b"{}", digest=f"{number:064}", state="done")
        event.communications.append(
            Communication(
                **common,
                type="chat",
                vendor_id=str(number),
                started_at=at,
                updated_at=at,
                rule="none",
                client=str(number),
            )
        )
        session.add_all([event, VendorClient(**common, client=str(number), updated_at=at)])
    session.commit()


def counts(session, account: Account) -> tuple[int, ...]:
    session.rollback()
    tables = (WebhookEvent, Communication, VendorClient)
    return tuple(len(session.scalars(select(table.id).where(table.account_id == account.id)).all()) for table in tables)


def test_events_and_communications_go_by_their_own_ages(session, purge):
    account = make_account(session, event_retention_days=10, communication_retention_days=100)
    fill(session, account, 5, 50, 500)
    purge(account.id)
    assert counts(session, account) == (1, 2, 2)


@pytest.mark.parametrize(
    ("events", "communications", "left"),
    [(10, None, [60]), (200, None, [60, 150]), (None, 30, []), (10, 100, [60]), (None, None, [60, 150, 900])],
)
def test_what_was_never_processed_waits_longer_but_not_for_ever(session, purge, events, communications, left):
    """It waits for its replay (nothing that a vendor sent is lost), but it is personal data as well (DESIGN §9)."""
    account = make_account(session)
    account.event_retention_days, account.communication_retention_days = events, communications
    for state in ("failed", "stored"):
        for age in (60, 150, 900):
            store(session, account, age, state=state)
    purge(account.id)
    assert ages_of_events(session) == sorted(left * 2)


def store(session, account: Account, age: int, state: str = "done", *, tells: tuple[Communication, ...] = ()) -> None:
    """An event of this age in days."""
    integration = session.scalars(select(Integration)).first() or make_integration(session, account)
    number = session.scalar(select(func.count()).select_from(WebhookEvent))
    event = WebhookEvent(
        account_id=account.id, integration_id=integration.id, received_at=utc_now() - timedelta(days=age),
        body=b"{}", digest=f"{number + 1000:064}", state=state,
    )  # fmt: skip
    event.communications.extend(tells)
    session.add(event)
    session.commit()


def ages_of_events(session) -> list[int]:
    session.rollback()
    return sorted((utc_now() - at).days for at in session.scalars(select(WebhookEvent.received_at)))


def test_late_bodies_go_with_their_communication(session, purge):
    """A card changed after the chat: its contact would outlive the chat."""
    account = make_account(session, communication_retention_days=30)
    fill(session, account, 31, 29)
    old, young = session.scalars(select(Communication).order_by(Communication.id))
    store(session, account, 10, tells=(old,))
    store(session, account, 9, tells=(old, young))
    store(session, account, 8, state="failed", tells=(old,))
    purge(account.id)
    assert ages_of_events(session) == [9, 29], "what tells of another conversation as well stays with it"


def test_a_body_goes_with_the_last_of_its_communications(session, purge, monkeypatch):
    monkeypatch.setattr(purge_expired, "BATCH", 1)
    account = make_account(session, communication_retention_days=30)
    fill(session, account, 33, 32, 31)
    store(session, account, 10, tells=tuple(session.scalars(select(Communication))))
    purge(account.id)
    assert counts(session, account)[:2] == (0, 0)


def test_bodies_of_no_communication_go_by_the_age_of_communications(session, purge):
    account = make_account(session, communication_retention_days=30)
    for age in (29, 31):
        store(session, account, age, state="ignored")
    purge(account.id)
    assert ages_of_events(session) == [29]


def test_looking_for_what_is_old_holds_up_nobody(app, session, purge):
    """On SQLite a writer would wait for half a minute, and fail."""
    account = make_account(session, event_retention_days=10, communication_retention_days=10, visit_retention_days=10)
    fill(session, account, 5)
    number = account.id
    session.execute(update(Account).values(name="Busy"))
    with app.app_context():
        purge_expired._purge(db.session(), number)
    session.rollback()
    assert counts(session, account) == (1, 1, 1)


def test_a_batch_begins_where_the_last_one_ended(session, purge, monkeypatch):
    """What stays, though it is old, is not gone through again by each batch."""
    monkeypatch.setattr(purge_expired, "BATCH", 2)
    account = make_account(session, event_retention_days=10)
    for age in range(31, 11, -1):
        store(session, account, age, state="done" if age % 2 else "failed")
    seen = []
    event.listen(Engine, "after_cursor_execute", told := lambda *call: seen.append(call[2]))
    try:
        purge(account.id)
    finally:
        event.remove(Engine, "after_cursor_execute", told)
    sought = [statement for statement in seen if "FROM webhook_event" in statement and "ORDER BY" in statement]
    assert len(sought) == 6
    assert [" > (" in statement for statement in sought] == [False] + [True] * 5
    assert ages_of_events(session) == list(range(12, 31, 2))


def test_the_numbers_of_what_was_erased_are_forgotten_with_time(session, purge):
    """They keep a look at the vendor's from reading it in again, which is over soon."""
    account = make_account(session)
    for days in (100, 5):
        done_at = utc_now() - timedelta(days=days)
        make_task(session, account, TaskKind.ERASE, state="done", finished_at=done_at, params={"erased": {"1": ["7"]}})
    purge(0)
    session.rollback()
    assert session.scalars(select(Task.params).order_by(Task.id)).all() == [{}, {"erased": {"1": ["7"]}}]


def test_none_keeps_for_ever(session, purge):
    account = make_account(session)
    account.event_retention_days = account.communication_retention_days = None
    fill(session, account, 5, 5000)
    purge(0)
    assert counts(session, account) == (2, 2, 2)


def test_zero_means_every_account_each_by_its_own_settings(session, purge):
    first = make_account(session, event_retention_days=10, communication_retention_days=10)
    second = make_account(session, "second", event_retention_days=100, communication_retention_days=100)
    fill(session, first, 5, 50)
    fill(session, second, 5, 50)
    purge(0)
    assert (counts(session, first), counts(session, second)) == ((1, 1, 1), (2, 2, 2))


def test_one_account_is_purged_without_the_others(session, purge):
    first = make_account(session, event_retention_days=10)
    second = make_account(session, "second", event_retention_days=10)
    fill(session, first, 50)
    fill(session, second, 50)
    purge(first.id)
    assert (counts(session, first)[0], counts(session, second)[0]) == (0, 1)


def test_a_person_stays_while_a_conversation_of_theirs_does(session, purge):
    account = make_account(session, communication_retention_days=10)
    fill(session, account, 50)
    session.scalars(select(Communication)).one().started_at = utc_now()
    session.commit()
    purge(account.id)
    assert counts(session, account)[1:] == (1, 1)


def test_large_numbers_go_in_batches(session, purge, monkeypatch):
    monkeypatch.setattr(purge_expired, "BATCH", 3)
    account = make_account(session, event_retention_days=10, communication_retention_days=10)
    fill(session, account, *[50] * 8, 1)
    purge(0)
    assert counts(session, account) == (1, 1, 1)
    assert len(session.execute(select(event_communication)).all()) == 1


def test_an_account_that_is_gone_is_no_error(purge):
    purge(4711)


def test_visits_go_by_their_own_age_and_their_communications_stay(session, purge):
    account = make_account(session, visit_retention_days=30)
    integration = make_integration(session, account)
    old = make_visit(session, account, "1", started_at=utc_now() - timedelta(days=31))
    lasting = make_visit(session, account, "2", started_at=utc_now() - timedelta(days=31))
    lasting.last_seen_at = utc_now()
    make_visit(session, account, "3", started_at=utc_now() - timedelta(days=29))
    for visit in (old, lasting):
        tie_visit(session, integration, visit)
    session.add(
        Communication(
            account_id=account.id, integration_id=integration.id, type="chat", vendor_id="1", rule="visit",
            started_at=old.started_at, updated_at=old.started_at, visit_id=old.id, trail=[{"rule": "visit"}],
        )
    )  # fmt: skip
    session.commit()
    purge(account.id)
    session.rollback()
    assert session.scalars(select(Visit.session_id).order_by(Visit.id)).all() == ["2", "3"]
    assert session.scalars(select(VisitTie.session_id)).all() == ["2"]
    kept = session.scalars(select(Communication)).one()
    assert (kept.visit_id, kept.rule, kept.trail) == (None, "visit", [{"rule": "visit"}]), (
        "what it was decided by stays"
    )


def test_ties_to_visits_that_are_known_elsewhere_go_by_age_too(session, purge):
    first = make_account(session, visit_retention_days=30)
    second = make_account(session, "second")
    second.visit_retention_days = None
    for account in (first, second):
        integration = make_integration(session, account)
        for client, age in (("1", 31), ("2", 29)):
            at = utc_now() - timedelta(days=age)
            session.add(VisitTie(integration_id=integration.id, client=client, session_id=client, tied_at=at))
    session.commit()
    purge(0)
    session.rollback()
    assert session.scalars(select(VisitTie.client).order_by(VisitTie.id)).all() == ["2", "1", "2"]


def test_visits_are_kept_for_ever_where_the_account_wants_it(session, purge):
    account = make_account(session)
    account.visit_retention_days = None
    make_visit(session, account, started_at=utc_now() - timedelta(days=5000))
    session.commit()
    purge(0)
    session.rollback()
    assert len(session.scalars(select(Visit)).all()) == 1
