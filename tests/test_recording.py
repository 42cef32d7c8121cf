"""What a vendor's events make of conversations and people: channels, contacts, employees, sessions that come late."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.factories import (
    make_account,
    make_campaign,
    make_employee,
    make_integration,
    make_source,
    make_visit,
    map_channel,
    tie_visit,
)
from tests.vendors.jivo.bodies import finished
from webapp import attribution
from webapp.intake import accept
from webapp.models import Communication, Integration, WebhookEvent, Widget

RECEIVED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BEGAN = datetime.fromtimestamp(1700000200, UTC)


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Rows of one test have the numbers of another's, so what was kept for those is given up."""
    attribution._kept.clear()


@pytest.fixture
def integration(session: Session) -> Integration:
    """An active integration."""
    return make_integration(session, make_account(session))


def take(session: Session, integration: Integration, channel: str | None = None, /, **changes: Any) -> WebhookEvent:
    """A finished chat with these keys changed; a key that is None is left out. Gives the event."""
    told = {name: value for name, value in finished(**changes).items() if value is not None}
    accepted = accept(session, integration, json.dumps(told).encode(), channel=channel, received_at=RECEIVED)
    session.commit()
    return session.get_one(WebhookEvent, accepted.event_id)


def card(session: Session, integration: Integration, number: int = 412, **changes: Any) -> WebhookEvent:
    """An event that tells of a person outside any conversation."""
    body = {"event_name": "client_updated", "client_id": number, **changes}
    accepted = accept(session, integration, json.dumps(body).encode(), received_at=RECEIVED)
    session.commit()
    return session.get_one(WebhookEvent, accepted.event_id)


def only(session: Session) -> Communication:
    """The one communication."""
    session.expire_all()
    return session.scalars(select(Communication)).one()


class TestChannel:
    @staticmethod
    def label(session: Session, integration: Integration, channel: str) -> None:
        """What the customer says of a widget."""
        session.add(Widget(integration_id=integration.id, widget="AbCdEf1234", channel=channel, seen=0))
        session.commit()

    def test_the_addresss_goes_before_the_widgets(self, session: Session, integration: Integration) -> None:
        self.label(session, integration, "viber")
        take(session, integration, "telegram")

        assert only(session).channel == "telegram"

    def test_the_widgets_goes_before_the_pages(self, session: Session, integration: Integration) -> None:
        """J-03: no field names the messenger, so the customer labels the widget."""
        self.label(session, integration, "viber")
        take(session, integration)

        assert only(session).channel == "viber"

    def test_a_page_means_the_website_and_without_one_it_is_unknown(
        self, session: Session, integration: Integration
    ) -> None:
        """J-04: session and page come from the site's own widget only."""
        take(session, integration)
        take(session, integration, chat_id=432, page=None, session=None)

        found = session.scalars(select(Communication.channel).order_by(Communication.id)).all()
        assert found == ["site", None]

    def test_a_channel_that_is_known_is_not_forgotten(self, session: Session, integration: Integration) -> None:
        take(session, integration, "telegram", event_name="chat_accepted")
        take(session, integration)

        assert only(session).channel == "telegram"

    def test_each_request_of_a_widget_is_counted_once(self, session: Session, integration: Integration) -> None:
        for number in (431, 431, 432):
            take(session, integration, chat_id=number)

        widget = session.scalars(select(Widget)).one()
        assert (widget.widget, widget.seen, widget.channel, widget.last_seen_at) == ("AbCdEf1234", 2, None, RECEIVED)

    def test_a_channel_that_comes_later_attributes_anew(self, session: Session, integration: Integration) -> None:
        source = make_source(session, integration.account)
        map_channel(session, integration, "telegram", source=source)
        take(session, integration, event_name="chat_accepted", page=None)
        assert only(session).rule == "none"

        take(session, integration, "telegram", page=None)

        assert (only(session).rule, only(session).source_id) == ("channel", source.id)


class TestEmployee:
    def test_the_operator_is_found_by_mail_without_minding_the_case(
        self, session: Session, integration: Integration
    ) -> None:
        found = make_employee(session, integration.account, email="OP2@example.COM")
        integration.employee_id = make_employee(session, integration.account, "other", email=None).id
        take(session, integration)

        assert only(session).employee_id == found.id

    def test_else_it_is_the_integrations_employee(self, session: Session, integration: Integration) -> None:
        integration.employee_id = make_employee(session, integration.account).id
        take(session, integration)

        assert only(session).employee_id == integration.employee_id

    def test_an_archived_employee_and_another_accounts_are_not_found(
        self, session: Session, integration: Integration
    ) -> None:
        make_employee(session, integration.account, email="op@example.com", archived_at=RECEIVED)
        make_employee(session, make_account(session, "vasilek"), email="op@example.com")
        take(session, integration)

        assert only(session).employee_id is None

    def test_a_known_operator_is_not_lost_to_an_event_without_one(
        self, session: Session, integration: Integration
    ) -> None:
        found = make_employee(session, integration.account, email="op@example.com")
        take(session, integration)
        take(session, integration, event_name="chat_updated", agents=None)

        assert only(session).employee_id == found.id


class TestPerson:
    """What is told of a person by their number, before their chat or after it."""

    CARD = {"visitor": {"number": 412, "name": "Анна Петрова", "phone": "8 912 345-67-89"}}
    EMPTY = {"visitor": {"number": 412}}

    @pytest.mark.parametrize("card_first", [True, False])
    def test_a_card_fills_what_the_chat_lacks(
        self, session: Session, integration: Integration, card_first: bool
    ) -> None:
        if card_first:
            card(session, integration, **self.CARD)
        take(session, integration, **self.EMPTY)
        if not card_first:
            event = card(session, integration, **self.CARD)
            assert event.communications == [only(session)]

        found = only(session)
        assert (found.contact_name, found.contact_phone) == ("Анна Петрова", "+79123456789")
        assert "анна петрова" in found.search_text

    @pytest.mark.parametrize("card_first", [True, False])
    def test_a_card_goes_before_a_phone_found_in_the_text(
        self, session: Session, integration: Integration, card_first: bool
    ) -> None:
        """B7: the text is looked through when the card is empty."""
        said = {"message": "мой номер 8 999 000-00-00", "timestamp": 1700000200, "type": "visitor"}
        if card_first:
            card(session, integration, **self.CARD)
        take(session, integration, **self.EMPTY, chat={"messages": [said]})
        if not card_first:
            assert only(session).contact_phone == "+79990000000"
            card(session, integration, **self.CARD)

        assert only(session).contact_phone == "+79123456789"

    def test_a_number_means_another_person_in_another_integration(
        self, session: Session, integration: Integration
    ) -> None:
        """J-13: client_id is used for matching only inside one endpoint."""
        card(session, make_integration(session, integration.account, "second"), **self.CARD)
        take(session, integration, **self.EMPTY)

        assert only(session).contact_phone is None

    @pytest.mark.parametrize("token_first", [True, False])
    def test_a_session_that_is_told_of_the_person_attributes_the_chat(
        self, session: Session, integration: Integration, token_first: bool
    ) -> None:
        campaign = make_campaign(session, integration.account)
        visit = make_visit(
            session, integration.account, "8f3c", started_at=BEGAN - timedelta(hours=1), campaign_id=campaign.id
        )
        if token_first:
            card(session, integration, user_token="as1.8f3c")
        take(session, integration)
        if not token_first:
            assert only(session).rule == "none"
            card(session, integration, user_token="as1.8f3c")

        found = only(session)
        assert (found.rule, found.visit_id, found.campaign_id) == ("visit", visit.id, campaign.id)

    def test_the_chats_own_session_goes_before_the_persons(self, session: Session, integration: Integration) -> None:
        for token in ("of-person", "of-chat"):
            make_visit(session, integration.account, token, started_at=BEGAN - timedelta(hours=1))
        card(session, integration, user_token="as1.of-person")
        take(session, integration, user_token="as1.of-chat")

        assert only(session).trail[0]["facts"]["session"] == "of-chat"

    def test_the_beacon_ties_a_chat_by_the_visitors_number(self, session: Session, integration: Integration) -> None:
        """B6."""
        visit = make_visit(session, integration.account, "8f3c", started_at=BEGAN - timedelta(hours=1))
        tie_visit(session, integration, visit)
        take(session, integration, user_token="GA1.2.345.678")

        assert (only(session).rule, only(session).visit_id) == ("beacon", visit.id)


def test_a_session_that_only_a_later_event_names_attributes_anew(session: Session, integration: Integration) -> None:
    """J-07: token missing in accepted, present in finished."""
    visit = make_visit(session, integration.account, "8f3c", started_at=BEGAN - timedelta(hours=1))
    take(session, integration, event_name="chat_accepted")
    assert only(session).rule == "none"

    take(session, integration, user_token="as1.8f3c")

    assert (only(session).rule, only(session).visit_id) == ("visit", visit.id)


@pytest.mark.parametrize("accepted_first", [True, False])
def test_of_two_sessions_the_one_of_the_earlier_stage_stays(
    session: Session, integration: Integration, accepted_first: bool
) -> None:
    """J-07: two different tokens, in either order of arrival."""
    events = [{"event_name": "chat_accepted", "user_token": "as1.first"}, {"user_token": "as1.second"}]
    for changes in events if accepted_first else events[::-1]:
        take(session, integration, **changes)

    assert only(session).trail[0]["facts"] == {"session": "first"}
