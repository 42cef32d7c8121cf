"""amoCRM from the stand-in's sockets to the rows: hooks, lookups, the session in the lead (A1-A7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.amocrm_stage import Stage, on_stage
from tests.factories import make_campaign, make_site, make_visit
from webapp.models import Account, EventState, utc_now


@pytest.fixture
def stage(app, session, server, monkeypatch) -> Iterator[Stage]:
    with on_stage(app, session, server, monkeypatch) as stage:
        stage.connect()
        yield stage


def visit(stage: Stage, session_id: str = "4815162342", **values) -> None:
    account = stage.session.get(Account, stage.account_id)
    site = make_site(stage.session, account)
    campaign = make_campaign(stage.session, account, site_id=site.id)
    make_visit(
        stage.session, account, session_id, site_id=site.id, campaign_id=campaign.id,
        marks={"source": "yandex", "medium": "cpc"}, **{"started_at": utc_now() - timedelta(minutes=5), **values},
    )  # fmt: skip
    stage.session.rollback()


def test_a_closed_talk_becomes_a_request_with_contact_session_campaign_and_link(stage: Stage):
    """A1, A3-A6: from the hook to the attributed communication."""
    field = stage.choose_field()
    stage.subscribe()
    visit(stage)
    talk = stage.talk()
    stage.amo.set_field(stage.lead_of(talk), field, "4815162342")
    stage.amo.answer_talk(talk)
    assert stage.communications() == []

    stage.amo.close_talk(talk)
    told = stage.communication()
    assert (told.type, told.vendor_id, told.channel, told.contact_name) == ("offline_message", str(talk), "site", None)

    stage.look_up()
    told = stage.communication()
    assert (told.contact_name, told.contact_phone) == ("Мария Петрова", "+79000000101")
    assert told.contact_email == "maria@mail.example"
    assert told.rule == "visit"
    assert told.campaign.key == "direct"
    assert told.started_at == datetime.fromtimestamp(stage.amo.state.tenant().talks[talk].created_at, UTC)
    assert told.details["lead_url"] == f"{stage.amo.url}/leads/detail/{stage.lead_of(talk)}"
    assert stage.lookup().complete
    assert {event.state for event in stage.events()} == {EventState.IGNORED, EventState.DONE}
    assert {event.note for event in stage.events()} == {"talk_open", None}


def test_a_messenger_is_known_by_the_talks_origin(stage: Stage):
    """A2, A16."""
    stage.subscribe()
    talk = stage.talk(origin="com.wazzup24.wz")
    stage.amo.close_talk(talk)
    stage.look_up()
    assert stage.communication().channel == "whatsapp"
