"""Reading the cabinet's directory (C2): what is there, what vanished, what is told to whom."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.cabinets.outside import Outside
from tests.factories import make_site
from webapp.cabinets import cabinet_of
from webapp.cabinets.dataapi import connecting, syncing
from webapp.cabinets.dataapi.failures import Failure
from webapp.extensions import db
from webapp.models import PICKED, Account, CabinetLink, Campaign, Integration, Source


def read(outside: Outside) -> dict[str, str]:
    """Read the directory; the lists that were refused."""
    with outside.app.app_context():
        return syncing.sync(db.session(), outside.account_id)


def keys(outside: Outside, name: str, *, archived: bool = False) -> set[str]:
    """The keys of a list."""
    outside.session.rollback()
    table = PICKED[name]
    there = table.archived_at.is_not(None) if archived else table.archived_at.is_(None)
    return set(outside.session.scalars(select(table.key).where(table.account_id == outside.account_id, there)))


def test_every_list_is_read_under_the_cabinets_own_ids(outside: Outside):
    """DESIGN §8: its keys are the cabinet's ids, written as strings."""
    assert keys(outside, "sites") == {"43501", "43502", "43503"}
    assert keys(outside, "sources") == {"-2", "-5", "811", "812", "815"}, "what is off or removed does not count"
    assert keys(outside, "employees") == {"5501", "5502", "5503", "5504", "5505"}
    assert keys(outside, "tags") == {"515101", "515102", "515103", "515001"}
    campaigns = keys(outside, "campaigns")
    assert "268106" not in campaigns, "an inactive one is not offered"
    assert {"-1.43501", "-1.43502", "-1.43503"} < campaigns, "the system one is on every site"
    assert len(campaigns) == 8 + 3


def test_campaigns_have_their_site_and_sources_their_channel(outside: Outside):
    find = outside.session.scalar
    campaign = find(select(Campaign).where(Campaign.key == "268201"))
    assert (campaign.site.domain, campaign.outside) == (
        "romashka-karniz.example",
        {"type": "basic", "domain": "romashka-karniz.example"},
    )
    source = find(select(Source).where(Source.key == "811"))
    assert source.outside == {"channel": "Мессенджеры", "group": "Мессенджеры", "custom": True}
    assert "мессенджеры" in source.search_text


def test_the_accounts_zone_becomes_the_cabinets(outside: Outside):
    outside.double.set_account(timezone="Asia/Yekaterinburg")
    read(outside)
    assert outside.account.timezone == "Asia/Yekaterinburg"


def test_what_vanished_is_archived_told_to_the_integration_and_comes_back(outside: Outside):
    outside.double.change_directory(put={"campaigns": [{"id": 268101, "status": "inactive"}]})
    read(outside)
    assert "268101" in keys(outside, "campaigns", archived=True)
    with outside.app.test_request_context():
        integration = db.session.get_one(Integration, outside.integration_id)
        needs = cabinet_of(integration.account).needs(db.session(), integration)
        told = [str(need.text) for need in needs if need.state == "missing"]
    assert any("Яндекс.Директ — бренд" in text for text in told), told
    outside.double.change_directory(put={"campaigns": [{"id": 268101, "status": "active"}]})
    read(outside)
    assert "268101" in keys(outside, "campaigns")


def test_reading_what_has_not_changed_writes_nothing(outside: Outside):
    """Every change would make kept rules be read anew."""
    before = outside.account.revision
    read(outside)
    assert outside.account.revision == before


def test_sources_may_be_refused_and_the_rest_is_read(outside: Outside):
    """§9.4: they need a component of their own. What was known of them stays."""
    outside.double.set_account(lacking=["data_api_settings"])
    assert read(outside) == {"sources": "method_component_disabled"}
    assert "811" in keys(outside, "sources")


@pytest.mark.parametrize("fault", ["page_empty", "total_wrong"])
def test_a_list_that_may_not_be_whole_archives_nothing(outside: Outside, fault: str):
    outside.double.fault(fault, "get.campaigns", times=3)
    before = keys(outside, "campaigns")
    read(outside)
    assert keys(outside, "campaigns") >= before


def test_long_lists_come_page_by_page(outside: Outside):
    """§17: large lists."""
    rows = [
        {"id": 400_000 + place, "name": f"Кампания {place} 🙂", "status": "active", "type": "basic", "site_id": 43501}
        for place in range(2_345)
    ]
    outside.double.change_directory(put={"campaigns": rows})
    read(outside)
    assert len(keys(outside, "campaigns")) == 2_345 + 8 + 3


@pytest.mark.parametrize(("fault", "word"), [("access_token_expired", "access_token_expired"), ("close", "no_answer")])
def test_a_reading_that_fails_is_told_and_can_be_repeated(outside: Outside, fault: str, word: str):
    outside.double.fault(fault, "get.campaigns", times=3)
    with pytest.raises(Failure):
        read(outside)
    outside.session.rollback()
    link = outside.session.get(CabinetLink, outside.account_id, populate_existing=True)
    assert (link.sync["state"], link.sync["failure"]["mnemonic"]) == ("failed", word)
    outside.double.heal()
    outside.session.rollback()
    assert read(outside) == {}


def test_two_do_not_read_at_once(outside: Outside):
    with outside.app.app_context():
        syncing._begin(db.session(), outside.account_id)
        with pytest.raises(syncing.Busy):
            syncing.sync(db.session(), outside.account_id)


def test_the_schedule_reads_every_connected_account(outside: Outside):
    before = len(outside.double.calls("get.sites"))
    outside.run_job("sync", 0)
    outside.run(seconds=60)
    assert len(outside.double.calls("get.sites")) == before + 1


def test_switching_back_brings_the_own_directory_back(outside: Outside, app):
    outside.session.rollback()
    with app.app_context():
        account = db.session.get_one(Account, outside.account_id)
        connecting.disconnect(db.session(), account)
        db.session.commit()
    make_site(outside.session, outside.account, "own", "own.example")
    outside.session.rollback()
    with app.app_context():
        account = db.session.get_one(Account, outside.account_id)
        connecting.connect(db.session(), account, outside.double.endpoint, outside.double.key)
        db.session.commit()
    outside.run(seconds=60)
    assert keys(outside, "sites") == {"43501", "43502", "43503"}
    assert keys(outside, "sites", archived=True) == {"own"}
    with app.app_context():
        connecting.disconnect(db.session(), db.session.get_one(Account, outside.account_id))
        db.session.commit()
    assert keys(outside, "sites") == {"own"}
    account = outside.account
    assert (account.cabinet_kind, account.cabinet_access_token) == ("embedded", None)
