"""From amoCRM into an outside cabinet: nothing goes before amoCRM was asked for its session (A3, A4, C3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.amocrm_stage import Stage
from tests.cabinets.outside import Outside, connected
from tests.doubles.amocrm import AmoDouble
from tests.factories import make_integration
from webapp.models import AuthorizationState, Campaign, DeliveryState, WebhookEvent, utc_now


@dataclass(frozen=True)
class Both:
    """One account between the two stand-ins."""

    stage: Stage
    outside: Outside

    @property
    def delivery(self) -> tuple[str, str | None]:
        """How the only one stands, and why."""
        found = self.outside.delivery()
        return found.state, found.reason

    def look(self) -> None:
        """Do every lookup that is open, a moment later: our own rate is counted by a clock that stands."""
        self.outside.wait(seconds=5)
        self.stage.look_up()

    def close(self, *messages: str) -> int:
        """A talk of these messages is closed."""
        talk = self.stage.talk()
        for message in messages:
            self.stage.amo.message(talk, message)
        self.stage.amo.close_talk(talk)
        return talk


@pytest.fixture
def both(app, session, server, monkeypatch) -> Iterator[Both]:
    with connected(app, session, monkeypatch) as outside, AmoDouble() as amo:
        settings = app.config["SETTINGS"]
        hosts = (*settings.EXTRA_VENDOR_HOSTS, amo.domain)
        changes = {"EXTRA_VENDOR_HOSTS": hosts, "AMOCRM_OAUTH_URL": amo.oauth_url, "PUBLIC_URL": server}
        monkeypatch.setitem(app.config, "SETTINGS", settings.model_copy(update=changes))
        # Its clock goes on while ours stands, so what we call one second is less there.
        amo.configure({"switches": {"rate_limit": 0}})
        amo.set_redirect_uri(f"{server}/oauth/amocrm/callback")
        integration = make_integration(session, outside.account, "amo", "amocrm", name="amoCRM")
        campaign = session.scalar(select(Campaign).where(Campaign.key == "268101"))
        integration.point_to("campaign", campaign.id, None, None)
        session.commit()
        stage = Stage(app, session, server, amo, integration)
        stage.connect()
        yield Both(stage, outside)


def a_session(outside: Outside) -> str:
    """A session that the cabinet knows."""
    order = {"site_id": 43501, "at": utc_now().timestamp() - 3600, "marks": {"utm_source": "yandex"}}
    return str(outside.double.add_session(**order)["id"])


def test_a_lead_goes_to_the_cabinet_with_its_session_or_not_yet(both: Both):
    field, visit = both.stage.choose_field(), a_session(both.outside)
    both.stage.subscribe(with_text=True)
    talk = both.stage.talk()
    both.stage.amo.message(talk, "Мой номер 8 900 000-12-34")
    both.stage.amo.set_field(both.stage.lead_of(talk), field, visit)
    both.stage.amo.close_talk(talk)
    both.outside.run(seconds=3600)
    assert both.outside.held_once("offline_messages") == 0, "amoCRM was not asked yet"
    assert both.delivery == (DeliveryState.PENDING, "asking")
    both.look()
    both.outside.run()
    stored = both.outside.stored("offline_messages")
    assert (str(stored["sent"]["visitor_session_id"]), stored["sent"]["phone"]) == (visit, "79000000101")
    assert both.delivery == (DeliveryState.DELIVERED, None)


def test_a_lead_whose_field_is_still_empty_waits_while_it_is_looked_at_again(both: Both):
    """A-04: 10 s, 60 s and 5 min; the last look lets it go as it is."""
    both.stage.choose_field()
    both.stage.subscribe()
    both.close()
    for _ in range(3):
        both.look()
        both.outside.run(seconds=60)
        assert both.delivery == (DeliveryState.PENDING, "asking")
    both.look()
    assert both.stage.lookup().done_at is not None
    both.outside.run(seconds=60)
    assert (both.delivery, both.outside.held_once("offline_messages")) == ((DeliveryState.DELIVERED, None), 1)


def test_a_lead_does_not_wait_for_a_contact_that_may_come_tomorrow(both: Both):
    """Contract 3.2: it is looked for a day long; the session is known by then, and the text has a phone."""
    both.stage.subscribe(with_text=True)
    contact = both.stage.amo.create_contact("Мария", ["8 900 000-01-01"], [])["id"]
    made = both.stage.amo.create_lead(contacts=[contact], unsorted=True)
    talk = both.stage.amo.create_talk(made["id"], contact=contact)["id"]
    both.stage.amo.message(talk, "Мой номер 8 900 000-12-34")
    both.stage.amo.close_talk(talk)
    for _ in range(4):
        both.look()
    assert both.stage.lookup().done_at is None
    both.outside.run(seconds=60)
    assert both.outside.stored("offline_messages")["sent"]["phone"] == "79000001234"


@pytest.mark.parametrize("fault", ["422", "404"])
def test_a_look_that_was_given_up_lets_the_lead_go(both: Both, fault: str):
    both.stage.subscribe(with_text=True)
    both.close("Мой номер 8 900 000-12-34")
    both.stage.amo.faults.add([{"on": "lead", "do": fault, "times": 9}, {"on": "contact", "do": fault, "times": 9}])
    both.outside.run(seconds=60)
    assert both.delivery == (DeliveryState.PENDING, "asking")
    for _ in range(5):
        both.look()
    both.outside.run(seconds=60)
    assert both.outside.stored("offline_messages")["sent"]["phone"] == "79000001234"


def test_a_lead_waits_a_day_for_an_amocrm_that_nobody_connects(both: Both):
    both.stage.subscribe(with_text=True)
    row = both.stage.authorization
    row.forget_tokens(AuthorizationState.BROKEN)
    both.stage.session.commit()
    both.close("Мой номер 8 900 000-12-34")
    both.look()
    both.outside.run(seconds=timedelta(hours=23).total_seconds())
    assert both.delivery == (DeliveryState.PENDING, "asking")
    both.outside.run()
    assert (both.delivery, both.outside.held_once("offline_messages")) == ((DeliveryState.DELIVERED, None), 1)


def test_a_replayed_event_and_a_button_leave_the_lead_waiting(both: Both, app):
    both.stage.subscribe()
    both.close()
    both.outside.run(seconds=60)
    [event] = both.stage.events()
    event_id = event.id
    both.stage.session.rollback()
    row = both.stage.session.get(WebhookEvent, event_id)
    row.state, row.error = "failed", "mended since"
    both.stage.session.commit()
    result = app.test_cli_runner().invoke(args=["events", "replay", "--failed"])
    assert result.exit_code == 0, result.output
    assert both.outside.resend() is False
    both.outside.run(seconds=60)
    assert both.outside.held_once("offline_messages") == 0
    assert both.delivery == (DeliveryState.PENDING, "asking")


def test_what_was_held_for_want_of_a_contact_waits_for_a_new_look_too(both: Both):
    """A rating comes after the look was given up: it is asked anew, and only then tried again."""
    both.stage.subscribe()
    talk = both.close()
    contact = both.stage.amo.state.tenant().talks[talk].contact_id
    both.stage.amo.delete_contact(contact)
    for _ in range(6):
        both.look()
    assert both.stage.lookup().done_at is not None
    both.outside.run(seconds=60)
    assert both.delivery == (DeliveryState.HELD, "no_contact")
    both.stage.amo.configure({"clock": {"advance": 60}})
    both.stage.amo.rate_talk(talk, 5)
    both.outside.run(seconds=60)
    assert both.delivery == (DeliveryState.PENDING, "asking")
