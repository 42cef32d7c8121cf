"""From rows to a decision and back: which visits are found, whose rules are asked, and how soon a change is seen."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from tests.attributed import BEGAN, DAY, EMAIL, HOUR, PHONE, chat, known_client, outcomes, visited
from tests.factories import (
    make_account,
    make_campaign,
    make_integration,
    make_site,
    make_source,
    map_channel,
    tie_visit,
)
from webapp import attribution
from webapp.attribution import attribute
from webapp.models import Account, Integration, TargetKind


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


class TestSessionThatIsGone:
    """What comes late to a conversation must not unmake what its expired visit had decided."""

    def test_the_decision_stays(self, session: Session, account: Account, integration: Integration) -> None:
        campaign, source = make_campaign(session, account), make_source(session, account)
        integration.point_to("source", None, source.id, None)
        visit = visited(session, account, campaign_id=campaign.id)
        found = chat(session, integration, "8f3c")
        session.delete(visit)
        session.commit()
        attribute(session, integration, found, None)
        assert (found.rule, found.campaign_id, found.source_id) == ("visit", campaign.id, None)
        assert outcomes(found) == {"visit": "answered"}

    def test_another_visit_that_is_found_decides(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        campaign = make_campaign(session, account)
        visit = visited(session, account)
        found = chat(session, integration, "8f3c", client="412")
        session.delete(visit)
        tie_visit(session, integration, visited(session, account, "91aa", campaign_id=campaign.id))
        session.commit()
        attribute(session, integration, found, known_client(session, found))
        assert (found.rule, found.campaign_id) == ("beacon", campaign.id)


class TestNamedVisit:
    def test_its_campaign_source_and_site_are_written(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        site, campaign, source = (
            make_site(session, account),
            make_campaign(session, account),
            make_source(session, account),
        )
        visit = visited(
            session, account, site_id=site.id, campaign_id=campaign.id, source_id=source.id, marks={"source": "yandex"}
        )

        found = chat(session, integration, "8f3c")

        assert (found.rule, found.visit_id) == ("visit", visit.id)
        assert (found.campaign_id, found.source_id, found.site_id) == (campaign.id, source.id, site.id)
        assert found.trail == [
            {
                "rule": "visit",
                "outcome": "answered",
                "facts": {
                    "session": "8f3c",
                    "started_at": "2026-11-23T11:00:00+00:00",
                    "marks": {"source": "yandex"},
                    "campaign": campaign.id,
                    "source": source.id,
                },
            }
        ]

    def test_without_a_site_of_its_own_it_has_its_campaigns(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        """The site is the visit's, else the campaign's."""
        site = make_site(session, account)
        campaign = make_campaign(session, account, site_id=site.id)
        visited(session, account, campaign_id=campaign.id)

        assert chat(session, integration, "8f3c").site_id == site.id

    def test_another_accounts_session_is_refused_and_nothing_of_it_is_seen(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        other = make_account(session, "vasilek")
        campaign = make_campaign(session, other, name="Чужая")
        visit = visited(session, other, "8f3c", campaign_id=campaign.id, marks={"source": "secret-mark"})

        found = chat(session, integration, "8f3c")

        assert outcomes(found)["visit"] == "other_account"
        assert (found.visit_id, found.campaign_id, found.source_id, found.site_id) == (None, None, None, None)
        assert found.trail[0]["facts"] == {"session": "8f3c"}
        told = json.dumps(found.trail)
        assert "secret-mark" not in told
        assert visit.started_at.isoformat() not in told

    def test_of_two_accounts_with_one_session_number_each_sees_its_own(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        other = make_account(session, "vasilek")
        theirs, ours = visited(session, other), visited(session, account)

        assert chat(session, integration, "8f3c").visit_id == ours.id
        assert chat(session, make_integration(session, other), "8f3c").visit_id == theirs.id

    @pytest.mark.parametrize(
        ("token", "outcome"),
        [
            ("unheard", "unknown"),
            ("old", "too_old"),
            ("oldest", "answered"),
            ("later", "later"),
            ("soon", "answered"),
            (None, "absent"),
        ],
    )
    def test_one_that_is_not_good_is_told_why(
        self, session: Session, account: Account, integration: Integration, token: str | None, outcome: str
    ) -> None:
        for name, ago in (("old", 180 * DAY + HOUR), ("oldest", 180 * DAY), ("later", -HOUR)):
            visited(session, account, name, ago)
        visited(session, account, "soon", -timedelta(seconds=30))

        found = chat(session, integration, token)

        assert outcomes(found)["visit"] == outcome
        assert (found.visit_id is not None) == (outcome == "answered")


class TestBeacon:
    """B6: the token slot may be taken by somebody else's script, so the page ties the visitor's number to the visit."""

    def test_a_chat_whose_token_is_taken_is_tied_by_the_visitors_number(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        campaign = make_campaign(session, account)
        visit = visited(session, account, campaign_id=campaign.id)
        tie_visit(session, integration, visit)

        found = chat(
            session, integration, client="412", clues={"token": {"raw": "GA1.2.3", "kind": "foreign", "visit": None}}
        )

        assert (found.rule, found.visit_id, found.campaign_id) == ("beacon", visit.id, campaign.id)
        assert outcomes(found) == {"visit": "foreign", "beacon": "answered"}

    def test_numbers_count_within_one_integration(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        tie_visit(session, make_integration(session, account, "second"), visited(session, account))

        assert outcomes(chat(session, integration, client="412"))["beacon"] == "absent"

    def test_a_tie_to_another_accounts_visit_is_not_used(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        tie_visit(session, integration, visited(session, make_account(session, "vasilek")))

        found = chat(session, integration, client="412")

        assert (outcomes(found)["beacon"], found.visit_id) == ("absent", None)

    def test_a_tie_without_a_visit_is_none(self, session: Session, account: Account, integration: Integration) -> None:
        visit = visited(session, account)
        tie_visit(session, integration, visit)
        session.delete(visit)
        session.commit()

        assert outcomes(chat(session, integration, client="412"))["beacon"] == "absent"


class TestContact:
    def test_it_is_off_until_the_account_sets_a_window(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        visited(session, account)
        chat(session, integration, "8f3c", contact_phone=PHONE)

        assert outcomes(chat(session, integration, contact_phone=PHONE))["contact"] == "off"

    @pytest.mark.parametrize("contact", [{"contact_phone": PHONE}, {"contact_email": EMAIL}])
    def test_within_the_window_the_latest_visit_of_the_same_person_is_used(
        self, session: Session, account: Account, integration: Integration, contact: dict[str, str]
    ) -> None:
        account.contact_window_days = 30
        for token, ago in (("older", 20 * DAY), ("newer", 10 * DAY), ("oldest", 25 * DAY)):
            visited(session, account, token, ago)
            chat(session, integration, token, contact_phone=PHONE, contact_email=EMAIL)

        found = chat(session, integration, **contact)

        assert found.rule == "contact"
        assert found.trail[-1]["facts"]["session"] == "newer"

    def test_what_is_out_of_the_window_is_not(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        account.contact_window_days = 30
        for token, ago in (("old", 30 * DAY + HOUR), ("after", -HOUR)):
            visited(session, account, token, ago)
            chat(session, integration, token, contact_phone=PHONE, started_at=BEGAN + 2 * HOUR)

        assert outcomes(chat(session, integration, contact_phone=PHONE))["contact"] == "absent"

    def test_nobody_elses_visits_are_used(self, session: Session, account: Account, integration: Integration) -> None:
        account.contact_window_days = 30
        other = make_account(session, "vasilek")
        visited(session, other, "theirs")
        chat(session, make_integration(session, other), "theirs", contact_phone=PHONE)
        visited(session, account, "stranger")
        chat(session, integration, "stranger", contact_phone="+79990000000")

        assert outcomes(chat(session, integration, contact_phone=PHONE, contact_email=EMAIL))["contact"] == "absent"

    def test_a_chat_is_no_evidence_for_itself(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        account.contact_window_days = 30
        visited(session, account)
        found = chat(session, integration, "8f3c", contact_phone=PHONE)
        found.clues = {}
        attribute(session, integration, found, known_client(session, found))

        assert (outcomes(found)["contact"], found.visit_id) == ("absent", None)


class TestTargets:
    def test_a_mapped_campaign_brings_its_own_site(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        site = make_site(session, account)
        campaign = make_campaign(session, account, site_id=site.id)
        map_channel(session, integration, "telegram", campaign)

        found = chat(session, integration, channel="telegram")

        assert (found.rule, found.campaign_id, found.source_id, found.site_id) == (
            "channel",
            campaign.id,
            None,
            site.id,
        )

    def test_a_mapped_source_has_the_site_beside_it(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        site, source = make_site(session, account), make_source(session, account)
        map_channel(session, integration, "telegram", source=source, site=site)

        found = chat(session, integration, channel="telegram")

        assert (found.campaign_id, found.source_id, found.site_id) == (None, source.id, site.id)

    def test_the_default_is_used_last_and_brings_its_site(
        self, session: Session, account: Account, integration: Integration
    ) -> None:
        site = make_site(session, account)
        campaign = make_campaign(session, account, site_id=site.id)
        integration.point_to(TargetKind.CAMPAIGN, campaign.id, None, None)
        session.commit()

        found = chat(session, integration, channel="telegram")

        assert (found.rule, found.campaign_id, found.site_id) == ("default", campaign.id, site.id)

    def test_without_anything_it_is_without_attribution(self, session: Session, integration: Integration) -> None:
        found = chat(session, integration)

        assert found.rule == "none"
        assert list(outcomes(found)) == ["visit", "beacon", "contact", "utm", "channel", "default"]
