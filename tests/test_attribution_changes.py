"""Rules that were read once are kept, and every change of them is seen by the next chat."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from tests.attributed import BEGAN, PHONE, chat, visited
from tests.factories import make_account, make_campaign, make_integration, make_site, make_source, map_channel
from webapp import attribution
from webapp.models import Account, Campaign, Integration, TargetKind

RULE = [{"utm_source": "yandex"}]


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Rows of one test have the numbers of another's, so what was kept for those is given up."""
    attribution._kept.clear()


@pytest.fixture
def account(session: Session) -> Account:
    """An account that has nothing."""
    return make_account(session)


@pytest.fixture
def integration(session: Session, account: Account) -> Integration:
    """An integration without a default."""
    return make_integration(session, account)


@pytest.fixture(autouse=True)
def asked_once(session: Session, integration: Integration) -> None:
    """The account's rules are already kept when a test begins."""
    assert rule(session, integration) == "none"


def rule(session: Session, integration: Integration) -> str:
    """What decides a chat from Telegram with a mark."""
    return chat(session, integration, channel="telegram", utm={"source": "yandex"}).rule


def test_a_new_campaign_a_new_source_and_new_rules_match_at_once(
    session: Session, account: Account, integration: Integration
) -> None:
    source = make_source(session, account)
    assert rule(session, integration) == "none"
    source.rules = [[{"mark": "utm_source", "op": "contains", "value": "YAN"}]]
    session.commit()
    assert rule(session, integration) == "utm"
    campaign = make_campaign(session, account, rules=RULE)
    assert chat(session, integration, utm={"source": "yandex"}).campaign_id == campaign.id


def test_an_archived_campaign_does_not_match_until_it_is_restored(
    session: Session, account: Account, integration: Integration
) -> None:
    campaign = make_campaign(session, account, rules=RULE)
    assert rule(session, integration) == "utm"
    campaign.archived_at = BEGAN
    session.commit()
    assert rule(session, integration) == "none"
    campaign.archived_at = None
    session.commit()
    assert rule(session, integration) == "utm"


def test_the_priority_is_obeyed_as_soon_as_it_changes(
    session: Session, account: Account, integration: Integration
) -> None:
    first, second = (make_campaign(session, account, key, rules=RULE) for key in ("first", "second"))
    assert chat(session, integration, utm={"source": "yandex"}).campaign_id == first.id
    second.priority = 1
    session.commit()
    assert chat(session, integration, utm={"source": "yandex"}).campaign_id == second.id


def test_the_mapping_the_default_and_the_switch_are_read_anew(
    session: Session, account: Account, integration: Integration
) -> None:
    campaign = make_campaign(session, account)
    visited(session, account)
    row = map_channel(session, integration, "telegram", campaign)
    assert rule(session, integration) == "channel"
    assert chat(session, integration, "8f3c", channel="telegram").rule == "visit"
    integration.fill_without_campaign = True
    session.commit()
    assert chat(session, integration, "8f3c", channel="telegram").rule == "channel"
    session.refresh(integration)
    integration.mappings.remove(row)
    integration.point_to(TargetKind.CAMPAIGN, campaign.id, None, None)
    session.commit()
    assert rule(session, integration) == "default"


def test_the_accounts_window_is_read_anew(session: Session, account: Account, integration: Integration) -> None:
    visited(session, account)
    chat(session, integration, "8f3c", contact_phone=PHONE)
    assert chat(session, integration, contact_phone=PHONE).rule == "none"
    account.contact_window_days = 7
    session.commit()
    assert chat(session, integration, contact_phone=PHONE).rule == "contact"


def test_the_site_of_a_mapped_campaign_is_read_anew(
    session: Session, account: Account, integration: Integration
) -> None:
    campaign, site = make_campaign(session, account), make_site(session, account)
    map_channel(session, integration, "telegram", campaign)
    assert chat(session, integration, channel="telegram").site_id is None
    campaign.site_id = site.id
    session.commit()
    assert chat(session, integration, channel="telegram").site_id == site.id


def test_a_change_by_another_process_is_seen(
    session: Session, account: Account, integration: Integration, observing_engine: Engine
) -> None:
    with Session(observing_engine) as another:
        make_campaign(another, another.get_one(Account, account.id), rules=RULE)

    assert rule(session, integration) == "utm"


def test_two_people_who_change_the_directory_at_the_same_time_are_both_heard(
    session: Session, account: Account, integration: Integration, observing_engine: Engine
) -> None:
    number, seen = account.id, []
    session.commit()
    with Session(observing_engine) as first, Session(observing_engine) as second:
        if observing_engine.dialect.name == "postgresql":
            # Both have read the account before either writes. SQLite's writers take turns from their beginning.
            seen += [first.get_one(Account, number), second.get_one(Account, number)]
        first.add(Campaign(account_id=number, key="other", name="Другая", rules=[]))
        first.commit()
        assert rule(session, integration) == "none"
        stored = [[{"mark": "utm_source", "op": "equals", "value": "yandex"}]]
        second.add(Campaign(account_id=number, key="direct", name="Директ", rules=stored))
        second.commit()

    assert rule(session, integration) == "utm"


def test_as_long_as_nothing_changes_the_rules_are_not_read_again(
    session: Session, account: Account, integration: Integration, observing_engine: Engine
) -> None:
    make_campaign(session, account, rules=RULE)
    assert rule(session, integration) == "utm"
    read: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        read.append(statement)

    event.listen(observing_engine, "before_cursor_execute", listen)
    try:
        rule(session, integration)
    finally:
        event.remove(observing_engine, "before_cursor_execute", listen)

    assert read
    assert not [statement for statement in read if "FROM campaign" in statement or "FROM channel_mapping" in statement]
