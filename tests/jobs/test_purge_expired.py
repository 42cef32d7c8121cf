"""What is older than the account keeps is deleted (DESIGN §9)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.factories import make_account, make_integration, make_visit, tie_visit
from webapp.jobs import handlers, purge_expired
from webapp.models import (
    Account,
    Communication,
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


def test_what_was_never_processed_does_not_go_by_age(session, purge):
    """Nothing that a vendor sent is lost: it waits for its replay."""
    account = make_account(session, event_retention_days=10)
    fill(session, account, 500, 500)
    for event, state in zip(session.scalars(select(WebhookEvent)), ("failed", "stored"), strict=True):
        event.state = state
    session.commit()
    purge(account.id)
    assert counts(session, account)[0] == 2


def test_the_bodies_go_with_their_communications(session, purge):
    """Or a contact would outlive its retention in what the vendor sent."""
    account = make_account(session, event_retention_days=None, communication_retention_days=100)
    account.event_retention_days = None
    fill(session, account, 5, 500)
    purge(account.id)
    assert counts(session, account) == (1, 1, 1)


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
