"""What is a visit, and whose pages the counter leaves alone (C1, issue 3.1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site.conftest import Shop
from tests.doubles.site_walk import end_chat, write
from tests.waiting import until

pytestmark = pytest.mark.browser

Visitor = Callable[..., Page]


@pytest.fixture(autouse=True)
def only_the_counter(shop: Shop) -> None:
    """Pages without a chat, unless a test wants one."""
    shop.site.layout(head=[shop.counter])


def state(page: Page) -> str:
    """What the counter says of itself, once it has arrived."""
    page.wait_for_function("window.Leadtrail && window.Leadtrail.version")
    return page.evaluate("Leadtrail.state()")


def session_id(page: Page) -> str:
    """The session the page would name."""
    page.wait_for_function("window.Leadtrail && window.Leadtrail.version && Leadtrail.getSessionId()")
    return page.evaluate("Leadtrail.getSessionId()")


def walk(page: Page, *addresses: str) -> list[str]:
    """Open one page after the other, each once the one before was counted; the session on each."""
    sessions = []
    for address in addresses:
        with page.expect_response(lambda answer: "/c/" in answer.url and answer.request.method == "POST"):
            page.goto(address)
        sessions.append(session_id(page))
    return sessions


class TestNewVisit:
    def test_pages_of_one_walk_are_one_visit(self, shop: Shop, visitor: Visitor) -> None:
        sessions = walk(visitor(), *(shop.site.address(path) for path in ("/", "/blackout", "/contacts")))

        assert len(set(sessions)) == 1
        [visit] = shop.visits()
        assert visit.session_id == sessions[0]
        assert visit.site_id == shop.campaign.site_id

    def test_other_marks_begin_a_new_one_and_the_same_marks_do_not(self, shop: Shop, visitor: Visitor) -> None:
        address = shop.site.address
        first, again, other, plain = walk(
            visitor(),
            address("/", utm_source="yandex", utm_medium="cpc"),
            address("/blackout", utm_medium="cpc", utm_source="yandex"),
            address("/", utm_source="vk"),
            address("/blackout"),
        )

        assert first == again != other == plain
        assert [visit.marks.get("source") for visit in shop.visits(2)] == ["yandex", "vk"]

    def test_a_click_id_is_a_mark(self, shop: Shop, visitor: Visitor) -> None:
        first, second = walk(visitor(), shop.site.address("/"), shop.site.address("/", yclid="15551234567890"))

        assert first != second
        assert shop.visits(2)[1].marks == {"yclid": "15551234567890"}

    def test_an_outside_referrer_begins_a_new_one_with_its_source(self, shop: Shop, visitor: Visitor) -> None:
        page = visitor()
        [first] = walk(page, shop.site.address("/"))
        page.goto(shop.site.address("/", "search"))
        page.locator("#deep").click()
        second = session_id(page)
        page.reload()

        assert first != second == session_id(page)
        [found] = [visit for visit in shop.visits(2) if visit.session_id == second]
        assert found.referrer == shop.site.origin("search") + "/"
        assert found.source_id is not None

    def test_the_way_back_is_no_arrival(self, shop: Shop, visitor: Visitor) -> None:
        page = visitor()
        _, marked = walk(page, shop.site.address("/", utm_source="yandex"), shop.site.address("/", utm_source="vk"))
        page.go_back()

        assert session_id(page) == marked

    def test_half_an_hour_without_a_sign_of_life_ends_it_also_without_a_new_page(
        self, shop: Shop, visitor: Visitor
    ) -> None:
        page = visitor()
        page.clock.install()
        [first] = walk(page, shop.site.address("/", utm_source="yandex", utm_medium="cpc"))
        page.clock.fast_forward("29:00")
        page.mouse.wheel(0, 50)
        page.keyboard.press("Shift")
        assert session_id(page) == first
        page.clock.fast_forward("31:00")
        page.keyboard.press("Shift")
        second = session_id(page)

        assert second != first
        found = shop.visits(2)[1]
        assert (found.session_id, found.campaign_id) == (second, shop.campaign.id)
        assert found.visitor_id == shop.visits(2)[0].visitor_id

    def test_midnight_ends_nothing(self, shop: Shop, visitor: Visitor) -> None:
        page = visitor(timezone_id="Europe/Moscow")
        page.clock.install(time="2026-11-24T23:55:00+03:00")
        [before] = walk(page, shop.site.address("/"))
        page.clock.fast_forward("10:00")

        assert walk(page, shop.site.address("/blackout")) == [before]

    def test_subdomains_share_a_visit(self, shop: Shop, visitor: Visitor) -> None:
        """Chromium refuses cookies for localhost as a whole, so the storage that both know stands for the cookie."""
        page = visitor()
        walk(page, shop.site.address("/"))

        assert page.evaluate("document.cookie").startswith("_lt=")


class TestSinglePage:
    def test_a_route_is_a_page_of_the_same_visit(self, shop: Shop, visitor: Visitor) -> None:
        page = visitor()
        [session] = walk(page, shop.site.address("/app"))
        for count, (move, path) in enumerate((("pushState", "/app/cart"), ("replaceState", "/app/pay")), 2):
            page.evaluate("([move, path]) => history[move]({}, '', path)", [move, path])
            visit = until(lambda count=count: next((one for one in shop.visits() if one.page_count == count), None))
            assert visit.last_url == shop.site.address(path)
        assert session_id(page) == session

    def test_a_route_with_new_marks_is_a_new_visit(self, shop: Shop, visitor: Visitor) -> None:
        page = visitor()
        [first] = walk(page, shop.site.address("/app"))
        page.evaluate("history.pushState({}, '', '/app/cart?utm_source=vk')")

        page.wait_for_function("first => Leadtrail.getSessionId() !== first", arg=first)
        assert [visit.marks for visit in shop.visits(2)] == [{}, {"source": "vk"}]

    def test_marks_taken_out_of_the_address_bar_before_the_counter_came_are_known(
        self, shop: Shop, visitor: Visitor
    ) -> None:
        shop.site.layout(
            head=["own", shop.counter], own_script="history.replaceState({}, '', location.pathname + '?page=1');"
        )
        page = visitor()
        walk(page, shop.site.address("/", utm_source="yandex", utm_medium="cpc"))

        assert shop.visits()[0].campaign_id == shop.campaign.id


class TestConsent:
    def test_a_line_that_asks_for_consent_leaves_nothing_before_it(self, shop: Shop, visitor: Visitor) -> None:
        shop.site.layout(head=[shop.counter.replace("async", "async data-consent")])
        page = visitor()
        page.goto(shop.site.address("/", utm_source="yandex", utm_medium="cpc"))

        assert state(page) == "consent"
        assert page.evaluate("[document.cookie, localStorage.length, Leadtrail.getSessionId()]") == ["", 0, ""]
        page.evaluate("Leadtrail.push(['consent', true])")
        assert shop.visits()[0].campaign_id == shop.campaign.id

    def test_the_accounts_setting_asks_for_it_everywhere(self, shop: Shop, visitor: Visitor) -> None:
        shop.account.visits_need_consent = True
        shop.session.commit()
        page = visitor()
        page.goto(shop.site.address("/"))

        assert state(page) == "consent"

    def test_a_word_given_before_the_counter_arrived_counts(self, shop: Shop, visitor: Visitor) -> None:
        shop.site.layout(
            head=["own", shop.counter.replace("async", "async data-consent")],
            own_script="window.Leadtrail = [['consent', true]];",
        )
        page = visitor()
        page.goto(shop.site.address("/"))

        assert shop.visits()[0].session_id == session_id(page)

    def test_a_refusal_told_before_the_counter_arrived_leaves_nothing_even_for_a_moment(
        self, shop: Shop, visitor: Visitor
    ) -> None:
        shop.site.layout(head=["own", shop.counter], own_script="window.Leadtrail = [['consent', false]];")
        page = visitor()
        hits: list[str] = []
        page.on("request", lambda request: hits.append(request.url) if request.method == "POST" else None)
        page.goto(shop.site.address("/"))

        assert state(page) == "consent"
        assert page.evaluate("[document.cookie, localStorage.length]") == ["", 0]
        page.evaluate("Leadtrail.push(['consent', true])")
        shop.visits()
        assert len(hits) == 1, "and this one is the first"

    def test_taken_back_it_forgets_the_visitor(self, shop: Shop, visitor: Visitor) -> None:
        page = visitor()
        [session] = walk(page, shop.site.address("/"))
        page.evaluate("Leadtrail.push(['consent', false])")

        assert page.evaluate("[document.cookie, localStorage.length, Leadtrail.getSessionId()]") == ["", 0, ""]
        page.evaluate("Leadtrail.push(['consent', true])")
        assert session_id(page) != session


@pytest.mark.parametrize("asks", ["Navigator.prototype, 'doNotTrack'", "Navigator.prototype, 'globalPrivacyControl'"])
@pytest.mark.parametrize("respected", [True, False])
def test_who_asks_not_to_be_tracked_is_not_where_the_account_respects_it(
    shop: Shop, visitor: Visitor, asks: str, respected: bool
) -> None:
    shop.account.respects_do_not_track = respected
    shop.session.commit()
    value = "'1'" if "doNotTrack" in asks else "true"
    page = visitor()
    page.add_init_script(f"Object.defineProperty({asks}, {{get: () => {value}}})")
    page.goto(shop.site.address("/"))

    assert state(page) == ("refused" if respected else "ok")
    assert bool(page.evaluate("document.cookie")) is not respected


class TestHostileHost:
    """It must never break or slow the page it is on."""

    @pytest.mark.parametrize("storage", ["works", "refused", "full", "no cookies", "missing"])
    def test_a_chat_on_the_landing_page_has_its_visit_whatever_storage_there_is(
        self, shop: Shop, visitor: Visitor, storage: str
    ) -> None:
        shop.site.layout(head=[shop.counter, "jivo", shop.script])
        shop.site.turn(storage=storage)
        page = visitor()
        page.goto(shop.site.address("/", utm_source="yandex", utm_medium="cpc"))
        shop.visits()
        shop.ties()
        write(page, "Есть шторы?")
        end_chat(page)

        found = shop.only()
        assert (found.rule, found.campaign_id) == ("visit", shop.campaign.id)

    @pytest.mark.parametrize("storage", ["full", "no cookies"])
    def test_one_of_two_storages_is_enough_for_a_walk(self, shop: Shop, visitor: Visitor, storage: str) -> None:
        shop.site.turn(storage=storage)
        first, second = walk(visitor(), shop.site.address("/", utm_source="vk"), shop.site.address("/blackout"))

        assert first == second

    @pytest.mark.parametrize(
        "switches",
        [
            {"library": "prototype"},
            {"library": "old browser"},
            {"csp": "strict"},
            {"csp": "trusted types"},
            {"page_errors": "thrown"},
            {"page_errors": "handler throws"},
            {"history": "patched"},
            {"history": "frozen"},
            {"document_write": "absent"},
            {"referrer": "no-referrer"},
        ],
        ids=lambda switches: " ".join(switches.values()),
    )
    def test_the_visit_is_counted_all_the_same(self, shop: Shop, visitor: Visitor, switches: dict[str, str]) -> None:
        shop.site.turn(**switches)
        page = visitor()
        walk(page, shop.site.address("/", utm_source="yandex", utm_medium="cpc"))

        assert shop.visits()[0].campaign_id == shop.campaign.id

    @pytest.mark.parametrize("policy", ["without our script", "without our collector"])
    def test_a_page_that_does_not_let_us_in_is_left_in_peace(self, shop: Shop, visitor: Visitor, policy: str) -> None:
        shop.site.turn(csp=policy)
        page = visitor()
        page.goto(shop.site.address("/"))
        page.wait_for_load_state("networkidle")

        expect(page.get_by_role("heading", name="Шторы на заказ")).to_be_visible()

    @pytest.mark.parametrize("kept", ["1.2", "7.8.a.b.c", "7.8.1.NaN.0", "%", "{}"])
    def test_a_broken_cookie_is_made_anew(self, shop: Shop, visitor: Visitor, kept: str) -> None:
        page = visitor()
        page.context.add_cookies([{"name": "_lt", "value": kept, "url": shop.site.address("/")}])
        walk(page, shop.site.address("/"), shop.site.address("/blackout"))

        assert [visit.pages for visit in shop.visits()] == [2]

    def test_a_page_that_holds_on_to_our_name_is_left_in_peace(self, shop: Shop, visitor: Visitor) -> None:
        """Nothing is thrown into the page's own report of errors (the fixture looks)."""
        own = "Object.defineProperty(window, 'Leadtrail', {value: Object.freeze({})});"
        shop.site.layout(head=["own", shop.counter], own_script=own)
        page = visitor()
        page.goto(shop.site.address("/"))
        page.wait_for_load_state("load")

        assert page.evaluate("document.cookie") == ""

    def test_pasted_twice_it_counts_once(self, shop: Shop, visitor: Visitor) -> None:
        shop.site.layout(head=[shop.counter, shop.counter], body=[shop.counter])
        page = visitor()
        hits: list[str] = []
        page.on("request", lambda request: hits.append(request.url) if request.method == "POST" else None)
        walk(page, shop.site.address("/"))
        page.wait_for_load_state("load")

        [visit] = shop.visits()
        assert (visit.pages, len(hits)) == (1, 1)

    def test_a_first_hit_that_is_lost_is_made_up_for_by_the_next(self, shop: Shop, visitor: Visitor) -> None:
        page = visitor()
        page.context.route("**/c/shop", lambda route: route.abort())
        with page.expect_event("requestfailed"):
            page.goto(shop.site.address("/", utm_source="yandex", utm_medium="cpc"))
        session_id(page)
        page.context.unroute("**/c/shop")
        walk(page, shop.site.address("/blackout"))

        [visit] = shop.visits()
        assert (visit.campaign_id, visit.landing_url) == (
            shop.campaign.id,
            shop.site.address("/", utm_source="yandex", utm_medium="cpc"),
        )

    def test_a_hit_is_tried_again_while_the_page_is_open(self, shop: Shop, visitor: Visitor) -> None:
        page = visitor()
        lost: list[str] = []

        def lose_the_first(route):
            lost.append(route.request.url)
            route.abort() if len(lost) == 1 else route.continue_()

        page.context.route("**/c/shop", lose_the_first)
        page.clock.install()
        walk(page, shop.site.address("/"))
        page.clock.fast_forward("00:05")

        assert shop.visits()
        assert len(lost) == 2
