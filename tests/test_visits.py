"""What the counter and the site script say becomes visits and ties (issue 3.1, 3.3; J6, B6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.attributed import known_client, outcomes
from tests.factories import make_account, make_campaign, make_integration, make_site, make_source, make_visit
from webapp.attribution import LATE_TIE, attribute
from webapp.hits import Hit
from webapp.models import Account, CabinetKind, Communication, Integration, Site, VendorClient, Visit, VisitTie
from webapp.models.visit import LONGEST_VISIT_SEARCH_TEXT
from webapp.visits import LONGEST_USER_AGENT, MOST_TIES_OF_A_VISIT, Browser, network_of, record_hit, tie

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
COLUMNS = [column.name for column in Visit.__table__.columns]
CHROME = Browser("203.0.113.77", "Mozilla/5.0 Chrome/126")
LANDING = "https://shop.example/?utm_source=Yandex&utm_medium=cpc&yclid=99"


@pytest.fixture
def account(session) -> Account:
    return make_account(session)


@pytest.fixture
def site(session, account) -> Site:
    return make_site(session, account)


def hit(session_id: str = "6001", **values: Any) -> Hit:
    common = {"visitor_id": "7001", "age_seconds": 0, "is_page": True, "landing_url": LANDING, "referrer": None}
    return Hit(session_id=session_id, **{**common, "page_url": LANDING, **values})


def seen(session, account: Account) -> Visit:
    session.commit()
    return session.scalars(select(Visit).where(Visit.account_id == account.id)).one()


class TestHits:
    def test_the_first_hit_makes_the_visit_with_campaign_and_source(self, session, account, site) -> None:
        campaign = make_campaign(session, account, rules=[{"utm_source": "yandex"}])
        source = make_source(session, account, rules=[{"utm_medium": "cpc"}])
        number = record_hit(session, account, site, hit(age_seconds=30, referrer="https://ya.ru/"), CHROME, NOW)
        visit = seen(session, account)
        assert (visit.id, visit.site_id, visit.session_id, visit.visitor_id) == (number, site.id, "6001", "7001")
        assert (visit.campaign_id, visit.source_id) == (campaign.id, source.id)
        assert visit.marks == {"source": "Yandex", "medium": "cpc", "yclid": "99"}
        assert (visit.started_at, visit.last_seen_at, visit.page_count) == (NOW - timedelta(seconds=30), NOW, 1)
        assert (visit.landing_url, visit.referrer, visit.user_agent) == (LANDING, "https://ya.ru/", CHROME.user_agent)

    def test_a_later_hit_moves_the_end_and_nothing_else(self, session, account, site) -> None:
        """A visit's beginning, marks, campaign and source are what its first hit said."""
        make_campaign(session, account, rules=[{"utm_source": "yandex"}])
        record_hit(session, account, site, hit(referrer="https://ya.ru/"), CHROME, NOW)
        before = {name: getattr(seen(session, account), name) for name in COLUMNS}
        other = make_site(session, account, "other", "other.example")
        make_campaign(session, account, "second", rules=[{"utm_source": "google"}])
        told = hit(
            visitor_id="9", age_seconds=5000, referrer="https://evil.example/", page_url="https://shop.example/two",
            landing_url="https://evil.example/?utm_source=google",
        )  # fmt: skip
        record_hit(session, account, other, told, Browser("198.51.100.1", "Other"), NOW + MINUTE)
        session.expire_all()
        after = {name: getattr(seen(session, account), name) for name in before}
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"last_seen_at", "last_url", "page_count"}
        assert (after["last_seen_at"], after["last_url"]) == (NOW + MINUTE, "https://shop.example/two")
        assert after["page_count"] == 2

    def test_a_sign_of_life_is_no_page_and_a_late_hit_does_not_turn_time_back(self, session, account, site) -> None:
        record_hit(session, account, site, hit(), CHROME, NOW)
        record_hit(session, account, site, hit(is_page=False, page_url=None), CHROME, NOW + HOUR)
        record_hit(session, account, site, hit(), CHROME, NOW + MINUTE)
        visit = seen(session, account)
        assert (visit.page_count, visit.last_seen_at, visit.last_url) == (2, NOW + HOUR, LANDING)

    def test_a_page_whose_beacon_was_faster_than_its_hit_is_one_page(self, session, account, site) -> None:
        """B6: the beacon brings the visit along, so it may be the first that is heard of it."""
        record_hit(session, account, site, hit(is_page=False), CHROME, NOW)
        assert seen(session, account).pages == 1
        record_hit(session, account, site, hit(), CHROME, NOW + MINUTE)
        session.expire_all()
        assert seen(session, account).pages == 1
        record_hit(session, account, site, hit(), CHROME, NOW + HOUR)
        session.expire_all()
        assert seen(session, account).pages == 2

    def test_the_same_session_in_two_accounts_is_two_visits(self, session, account, site) -> None:
        """B10: a session of another account is nothing to this one."""
        stranger = make_account(session, "vasilek")
        foreign = make_visit(session, stranger, "6001", landing_url="https://vasilek.example/")
        record_hit(session, account, site, hit(), CHROME, NOW)
        assert seen(session, account).landing_url == LANDING
        session.refresh(foreign)
        assert (foreign.landing_url, foreign.page_count) == ("https://vasilek.example/", 1)

    def test_the_address_is_kept_whole_only_where_the_account_wants_it(self, session, account, site) -> None:
        record_hit(session, account, site, hit("6001"), CHROME, NOW)
        account.keeps_full_ip = True
        record_hit(session, account, site, hit("6002"), CHROME, NOW)
        session.commit()
        assert session.scalars(select(Visit.ip).order_by(Visit.id)).all() == ["203.0.113.0", "203.0.113.77"]

    def test_it_is_found_by_what_people_see_in_it(self, session, account, site) -> None:
        landing = "https://xn--80ak6aa92e.example/%D1%88%D1%82%D0%BE%D1%80%D1%8B?utm_campaign=%D0%9B%D0%B5%D1%82%D0%BE"
        record_hit(session, account, site, hit(landing_url=landing, referrer="https://www.Google.com/"), CHROME, NOW)
        text = seen(session, account).search_text
        assert all(part in text for part in ("6001", "7001", "лето", "google.com", "/шторы?"))

    def test_nothing_is_too_long_for_its_column(self, session, account, site) -> None:
        """PostgreSQL would refuse it."""
        long = f"https://shop.example/?utm_source={'ы' * 900}&x=" + "y" * 1500
        told = hit(landing_url=long[:2000], referrer=f"https://a.example/{'z' * 1980}"[:2000])
        record_hit(session, account, site, told, Browser("203.0.113.77", "x" * 5000), NOW)
        visit = seen(session, account)
        assert len(visit.user_agent or "") == LONGEST_USER_AGENT
        assert len(visit.search_text) == LONGEST_VISIT_SEARCH_TEXT

    def test_a_browser_that_says_nothing_of_itself_is_counted_too(self, session, account, site) -> None:
        told = hit(landing_url=None, page_url=None)
        record_hit(session, account, site, told, Browser(None, None), NOW)
        visit = seen(session, account)
        assert (visit.ip, visit.user_agent, visit.landing_url, visit.marks) == (None, None, None, {})


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("unix:", None),
        ("", None),
        (None, None),
    ],
)
def test_a_network_is_what_many_share(ip: str | None, network: str | None) -> None:
    assert network_of(ip) == network


@given(st.ip_addresses().map(str))
def test_any_address_has_a_network_that_is_its_own_network(ip: str) -> None:
    found = network_of(ip)
    assert found is not None
    assert len(found) <= 45
    assert network_of(found) == found


class TestTies:
    @pytest.fixture
    def integration(self, session, account) -> Integration:
        return make_integration(session, account)

    @pytest.fixture
    def visit(self, session, account, site) -> Visit:
        return make_visit(session, account, "6001", started_at=NOW - HOUR, site_id=site.id)

    @staticmethod
    def chat(session, integration: Integration, client: str = "412", **values: Any) -> Communication:
        made = Communication(
            account_id=integration.account_id, integration_id=integration.id, type="chat", client=client,
            **{"vendor_id": "1", "started_at": NOW, "updated_at": NOW, "rule": "none", **values},
        )  # fmt: skip
        session.add(made)
        session.commit()
        return made

    def test_a_tie_explains_the_chats_that_named_no_visit(self, session, integration, visit) -> None:
        """B6: another product's token was in the chat, and the beacon came after it."""
        chat = self.chat(session, integration)
        other = self.chat(session, integration, "413", vendor_id="2")
        assert tie(session, integration, "412", "6001", NOW)
        session.commit()
        assert (chat.rule, chat.visit_id, outcomes(chat)["beacon"]) == ("beacon", visit.id, "answered")
        assert (other.rule, other.visit_id) == ("none", None)
        assert session.scalars(select(VisitTie)).one().visit_id == visit.id

    def test_a_chat_that_named_its_visit_stays_with_it(self, session, account, integration, visit) -> None:
        named = make_visit(session, account, "6002", started_at=NOW - HOUR)
        chat = self.chat(session, integration, rule="visit", visit_id=named.id)
        tie(session, integration, "412", "6001", NOW)
        session.commit()
        assert (chat.rule, chat.visit_id) == ("visit", named.id)

    def test_a_chat_belongs_to_the_latest_visit_that_began_before_it(self, session, account, integration) -> None:
        visits = [
            make_visit(session, account, f"600{number}", started_at=NOW + HOUR * number - 2 * HOUR)
            for number in range(1, 4)
        ]
        chat = self.chat(session, integration)
        for place in (2, 0, 1):
            tie(session, integration, "412", visits[place].session_id, NOW)
        session.commit()
        assert (chat.rule, chat.visit_id) == ("beacon", visits[1].id)

    def test_a_tie_to_a_visit_that_begins_after_the_chat_is_refused_with_its_reason(
        self, session, account, integration
    ) -> None:
        make_visit(session, account, "6001", started_at=NOW + HOUR)
        chat = self.chat(session, integration)
        tie(session, integration, "412", "6001", NOW + HOUR)
        session.commit()
        assert (chat.rule, chat.visit_id, outcomes(chat)["beacon"]) == ("none", None, "later")

    def test_a_late_tie_moves_a_chat_to_the_visit_it_was_written_in(self, session, account, integration, visit) -> None:
        """The visit before was tied in time, and the word of the visit itself comes when the chat has ended."""
        own = make_visit(session, account, "6002", started_at=NOW - MINUTE)
        chat = self.chat(session, integration, finished_at=NOW + MINUTE)
        tie(session, integration, "412", "6001", NOW - HOUR)
        session.commit()
        assert chat.visit_id == visit.id
        tie(session, integration, "412", "6002", NOW + HOUR)
        session.commit()
        assert (chat.rule, chat.visit_id) == ("beacon", own.id)

    @pytest.mark.parametrize("known", [True, False], ids=["with a visit", "without one"])
    def test_a_chat_that_ended_long_before_a_tie_stays_as_it_was(
        self, session, account, integration, visit, known
    ) -> None:
        """A browser may say of a visit that it began days ago; a tie that comes so late says nothing of the chat."""
        make_visit(session, account, "6002", started_at=NOW - MINUTE)
        chat = self.chat(session, integration, finished_at=NOW + MINUTE)
        if known:
            tie(session, integration, "412", "6001", NOW)
            session.commit()
        before = (chat.rule, chat.visit_id, chat.trail, chat.updated_at)
        assert before[:2] == (("beacon", visit.id) if known else ("none", None))
        tie(session, integration, "412", "6002", NOW + LATE_TIE + HOUR)
        session.commit()
        assert (chat.rule, chat.visit_id, chat.trail, chat.updated_at) == before

    def test_nor_does_it_reach_the_chat_by_a_later_event(self, session, account, integration, visit) -> None:
        chat = self.chat(session, integration, finished_at=NOW + MINUTE)
        tie(session, integration, "412", "6001", NOW + LATE_TIE + HOUR)
        attribute(session, integration, chat, known_client(session, chat))
        session.commit()
        assert (chat.rule, chat.visit_id, outcomes(chat)["beacon"]) == ("none", None, "absent")

    def test_a_tie_that_says_nothing_of_a_chat_does_not_let_todays_settings_decide_it(
        self, session, account, integration
    ) -> None:
        """B2: what is changed for past chats is changed on demand only."""
        first, second = make_source(session, account), make_source(session, account, "second")
        integration.point_to("source", None, first.id, None)
        chat = self.chat(session, integration, finished_at=NOW + MINUTE)
        attribute(session, integration, chat, None)
        integration.point_to("source", None, second.id, None)
        make_visit(session, account, "6001", started_at=NOW + HOUR)
        session.commit()
        tie(session, integration, "412", "6001", NOW + HOUR)
        session.commit()
        assert (chat.rule, chat.source_id) == ("default", first.id)

    @pytest.mark.parametrize(("after", "session_id"), [(10 * MINUTE, "6001"), (40 * MINUTE, None)])
    def test_a_session_of_another_cabinet_is_of_the_chat_only_soon_after_it(self, session, after, session_id) -> None:
        """C2: nobody here knows when it began, and the same person comes again."""
        outside = make_integration(session, make_account(session, "outside", cabinet_kind=CabinetKind.DATAAPI))
        chat = self.chat(session, outside, finished_at=NOW + MINUTE)
        tie(session, outside, "412", "6001", NOW + MINUTE + after)
        session.commit()
        assert chat.session_named == session_id
        attribute(session, outside, chat, known_client(session, chat))
        assert chat.session_named == session_id

    def test_the_same_tie_twice_is_one(self, session, integration, visit) -> None:
        assert tie(session, integration, "412", "6001", NOW)
        session.commit()
        assert tie(session, integration, "412", "6001", NOW + HOUR)
        session.commit()
        assert session.scalars(select(VisitTie)).one().tied_at == NOW
        assert session.scalar(select(func.count()).select_from(VendorClient)) == 1

    def test_one_browser_is_no_crowd(self, session, integration, visit) -> None:
        """Somebody who guesses numbers does not draw other people's chats to a visit of theirs."""
        chats = [self.chat(session, integration, str(number), vendor_id=str(number)) for number in range(8)]
        told = [tie(session, integration, str(number), "6001", NOW) for number in range(8)]
        session.commit()
        assert told == [True] * MOST_TIES_OF_A_VISIT + [False] * (8 - MOST_TIES_OF_A_VISIT)
        assert [chat.rule for chat in chats] == ["beacon"] * MOST_TIES_OF_A_VISIT + ["none"] * 3
        assert tie(session, integration, "0", "6001", NOW), "a number that is known is no new one"

    def test_a_visit_of_another_account_ties_nothing(self, session, integration) -> None:
        """B10."""
        make_visit(session, make_account(session, "vasilek"), "6001", started_at=NOW - HOUR)
        chat = self.chat(session, integration)
        tie(session, integration, "412", "6001", NOW)
        session.commit()
        assert (chat.rule, chat.visit_id) == ("none", None)
        assert session.scalars(select(VisitTie)).one().visit_id is None

    def test_the_same_number_of_two_integrations_is_two_people(self, session, account, integration, visit) -> None:
        second = make_integration(session, account, "second")
        mine, theirs = self.chat(session, integration), self.chat(session, second)
        tie(session, integration, "412", "6001", NOW)
        session.commit()
        assert (mine.rule, theirs.rule) == ("beacon", "none")
