"""The integration's script and a Jivo widget in all its moods (J17, J6, B4, B6; contracts: Jivo §6, §7, §11)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route

from tests.browser.site.conftest import Shop
from tests.doubles.site_walk import end_chat, introduce, write
from tests.factories import make_site
from tests.waiting import until

pytestmark = pytest.mark.browser

Visitor = Callable[..., Page]

LANDING = {"utm_source": "yandex", "utm_medium": "cpc"}


def chat(page: Page) -> None:
    """A whole conversation."""
    write(page, "Есть шторы на кухню?")
    end_chat(page)


def land(shop: Shop, visitor: Visitor) -> Page:
    """Arrive from the advertisement; the visit has been counted when this returns."""
    page = visitor()
    page.goto(shop.site.address("/", **LANDING))
    shop.visits()
    return page


def gave_foreign(page: Page, times: int = 1) -> None:
    """The other product has given its token to the widget, so often."""
    taken = "(window.__jivo ? __jivo.tokens : [])"
    page.wait_for_function(f"times => {taken}.filter(one => !one.startsWith('as1.')).length >= times", arg=times)


def took_token(shop: Shop) -> str:
    """The token the widget took last, once it took one."""
    return until(lambda: (shop.site.tokens() or [None])[-1])


@pytest.mark.parametrize(
    "order",
    [
        ("counter", "jivo", "script"),
        ("script", "jivo", "counter"),
        ("jivo sync", "script", "counter"),
        ("script", "counter", "jivo"),
        ("jivo", "script"),
    ],
    ids=" ".join,
)
def test_the_lines_may_stand_in_any_order_and_the_counters_may_be_missing(
    shop: Shop, visitor: Visitor, order: tuple[str, ...]
) -> None:
    lines = {"counter": shop.counter, "script": shop.script}
    shop.site.layout(head=[lines.get(part, part) for part in order])
    page = land(shop, visitor)
    shop.ties()
    chat(page)

    assert (shop.only().rule, shop.only().campaign_id) == ("visit", shop.campaign.id)


def test_a_site_in_cyrillic_letters_gets_its_counter_by_the_one_line(shop: Shop, visitor: Visitor) -> None:
    """J17: the browser knows the site by its name in punycode only."""
    make_site(shop.session, shop.account, "шторы", "шторы.localhost")
    shop.session.commit()
    shop.site.layout(head=["jivo", shop.script])
    page = visitor()
    page.goto(shop.site.address("/", **LANDING).replace("shop.localhost", "шторы.localhost"))
    [visit] = shop.visits()
    shop.ties()
    chat(page)

    assert page.evaluate("location.hostname") == "xn--n1aeexs.localhost"
    assert (shop.only().rule, shop.only().visit_id) == ("visit", visit.id)


@pytest.mark.parametrize(
    "switches",
    [
        {"jivo_load": "late"},
        {"jivo_load": "late", "late_ms": 3000},
        {"jivo_ready_ms": 600},
        {"jivo_ready_ms": 600, "jivo_early_calls": "throw"},
        {"jivo_callbacks": "load not called"},
        {"jivo_number": "absent"},
        {"jivo_number": "error"},
        {"jivo_number": "throws"},
        {"jivo_number": "never"},
        {"library": "prototype"},
    ],
    ids=lambda switches: " ".join(map(str, switches.values())),
)
def test_a_widget_in_any_mood_gets_the_session(shop: Shop, visitor: Visitor, switches: dict[str, object]) -> None:
    shop.site.turn(**switches)
    page = land(shop, visitor)
    [visit] = shop.visits()
    assert took_token(shop) == f"as1.{visit.session_id}"
    page.wait_for_function("window.__site && document.querySelector('[aria-label],button')")
    chat(page)

    assert shop.only().rule == "visit"


@pytest.mark.parametrize("number", ["works", "late", "twice"])
def test_a_visitors_number_is_tied_once(shop: Shop, visitor: Visitor, number: str) -> None:
    shop.site.turn(jivo_number=number)
    page = land(shop, visitor)
    [tie] = shop.ties()
    [visit] = shop.visits()
    page.wait_for_timeout(500)

    assert [tie.visit_id] == [visit.id]
    assert len(shop.ties()) == 1


@pytest.mark.parametrize("foreign", ["roistat", "metrika", "insistent"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_another_products_token_stays_and_the_beacon_finds_the_visit(
    shop: Shop, visitor: Visitor, foreign: str, place: str
) -> None:
    """B6; never overwritten without the setting that allows it."""
    lines = [shop.counter, "jivo", shop.script]
    shop.site.layout(head=[foreign, *lines] if place == "before" else [*lines, foreign])
    page = land(shop, visitor)
    shop.ties()
    gave_foreign(page)
    chat(page)

    [visit] = shop.visits()
    assert not took_token(shop).startswith("as1.")
    assert shop.only().visit_id == visit.id
    assert shop.outcomes() == {"visit": "foreign", "beacon": "answered"}


@pytest.mark.parametrize("foreign", ["roistat", "metrika"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_with_the_setting_ours_comes_last(shop: Shop, visitor: Visitor, foreign: str, place: str) -> None:
    shop.integration.options = {"overwrite_foreign_token": True}
    shop.session.commit()
    lines = [shop.counter, "jivo", shop.script]
    shop.site.layout(head=[foreign, *lines] if place == "before" else [*lines, foreign])
    page = land(shop, visitor)
    gave_foreign(page)
    page.wait_for_function("() => __jivo.tokens.at(-1).startsWith('as1.')")
    chat(page)

    assert shop.only().rule == "visit"
    assert page.evaluate("window.__jivo.tokens").pop().startswith("as1.")


def test_two_scripts_do_not_chase_each_other_for_ever(shop: Shop, visitor: Visitor) -> None:
    shop.integration.options = {"overwrite_foreign_token": True}
    shop.session.commit()
    shop.site.layout(head=[shop.counter, "jivo", "insistent", shop.script])
    page = land(shop, visitor)
    page.wait_for_function(
        "() => (window.__jivo ? __jivo.tokens : []).filter(one => !one.startsWith('as1.')).length > 9"
    )

    assert 1 <= sum(token.startswith("as1.") for token in page.evaluate("__jivo.tokens")) <= 5


@pytest.mark.parametrize("overwriter", ["overwriter", "late_overwriter"])
def test_a_script_that_takes_our_callbacks_away_does_not_take_the_session(
    shop: Shop, visitor: Visitor, overwriter: str
) -> None:
    shop.site.layout(head=[shop.counter, "jivo", shop.script, overwriter])
    page = land(shop, visitor)
    took_token(shop)
    chat(page)

    assert shop.only().rule == "visit"


def test_the_sites_own_callbacks_are_called_as_before(shop: Shop, visitor: Visitor) -> None:
    shop.site.layout(head=["callbacks", shop.counter, "jivo", shop.script])
    page = land(shop, visitor)
    took_token(shop)
    introduce(page, name="Мария")
    chat(page)

    called = page.evaluate("window.__site.called")
    assert {"onLoadCallback", "onOpen", "onMessageSent", "onIntroduction"} <= {one["name"] for one in called}
    assert [one["given"] for one in called if one["name"] == "onLoadCallback"] == [[]]


def test_a_callback_of_the_site_that_throws_is_not_our_end(shop: Shop, visitor: Visitor) -> None:
    shop.site.layout(head=["throwing_callbacks", shop.counter, "jivo", shop.script])
    land(shop, visitor)

    assert took_token(shop).startswith("as1.")


@pytest.mark.parametrize("mode", ["jwt ignores", "jwt throws"])
def test_a_channel_with_signed_tokens_is_left_to_the_beacon(shop: Shop, visitor: Visitor, mode: str) -> None:
    shop.integration.options = {"jwt_channel": True}
    shop.session.commit()
    shop.site.turn(jivo_token=mode)
    page = land(shop, visitor)
    [tie] = shop.ties()
    chat(page)

    assert shop.site.calls("setUserToken") == []
    assert (shop.only().rule, shop.only().visit_id) == ("beacon", tie.visit_id)


def test_a_new_visit_on_the_same_page_is_handed_over_too(shop: Shop, visitor: Visitor) -> None:
    page = visitor()
    page.goto(shop.site.address("/app"))
    first = took_token(shop)
    page.evaluate("history.pushState({}, '', '/app/cart?utm_source=yandex&utm_medium=cpc')")
    until(lambda: took_token(shop) != first)
    shop.ties(2)
    chat(page)

    assert shop.only().campaign_id == shop.campaign.id


def test_a_widget_that_is_taken_down_and_made_again_gets_the_session_again(shop: Shop, visitor: Visitor) -> None:
    page = land(shop, visitor)
    token = took_token(shop)
    page.evaluate("jivo_destroy()")
    page.evaluate("jivo_init()")

    until(lambda: shop.site.tokens().count(token) >= 2)


def test_a_callback_that_the_page_holds_on_to_is_not_our_end(shop: Shop, visitor: Visitor) -> None:
    own = "Object.defineProperty(window, 'jivo_onOpen', {value: function () {}});"
    shop.site.layout(head=["own", shop.counter, "jivo", shop.script], own_script=own)
    land(shop, visitor)

    assert took_token(shop).startswith("as1.")


def test_a_token_that_cannot_be_read_is_passed_on_as_it_was(shop: Shop, visitor: Visitor) -> None:
    """The other product's call must not fail because of us."""
    page = land(shop, visitor)
    took_token(shop)
    page.evaluate("jivo_api.setUserToken({toString() { throw new Error('not readable') }})")

    until(lambda: len(shop.site.calls("setUserToken")) > 1)


def test_a_tie_that_is_lost_is_told_again(shop: Shop, visitor: Visitor) -> None:
    """B6: on a single-page site there is no next page."""
    lost: list[str] = []

    def lose_the_first(route: Route) -> None:
        is_tie = "k=tie" in (route.request.post_data or "")
        if is_tie and not lost:
            lost.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page = visitor()
    page.context.route(f"**/i/{shop.integration.public_id}", lose_the_first)
    with page.expect_response(lambda answer: "k=tie" in (answer.request.post_data or "")):
        page.goto(shop.site.address("/app", **LANDING))

    assert [tie.visit_id for tie in shop.ties()] == [shop.visits()[0].id]
    assert lost


def test_a_policy_with_nonces_lets_the_counter_in_by_ours(shop: Shop, visitor: Visitor) -> None:
    """J17: the one line has the page's nonce; the counter that it brings has it too."""
    shop.site.layout(head=["jivo", shop.script])
    shop.site.turn(csp="nonces")
    land(shop, visitor)

    assert [visit.campaign_id for visit in shop.visits()] == [shop.campaign.id]


def test_a_page_that_is_only_prepared_says_nothing(shop: Shop, visitor: Visitor) -> None:
    page = visitor()
    said: list[str] = []
    own = f"{shop.server}/i/{shop.integration.public_id}"
    page.on("request", lambda request: said.append(request.url) if request.url == own else None)
    page.add_init_script("Object.defineProperty(document, 'prerendering', {get: () => !window.shown})")
    page.clock.install()
    page.goto(shop.site.address("/", **LANDING))
    page.clock.run_for(90_000)
    assert said == []
    page.evaluate("window.shown = true; document.dispatchEvent(new Event('prerenderingchange'))")
    page.clock.run_for(1000)

    [seen] = shop.sightings()
    assert (seen.counter, seen.token, seen.reports) == ("ok", "set", 1)


class TestHealth:
    def test_a_working_script_says_so_once(self, shop: Shop, visitor: Visitor) -> None:
        page = land(shop, visitor)
        [seen] = shop.sightings()
        page.goto(shop.site.address("/blackout"))
        page.wait_for_function("() => window.__jivo && __jivo.tokens.length")
        page.wait_for_timeout(500)

        assert (seen.host, seen.counter, seen.widget, seen.token) == ("shop.localhost", "ok", "ok", "set")
        [seen] = shop.sightings()
        assert seen.reports == 1

    def test_a_widget_that_never_comes_is_told(self, shop: Shop, visitor: Visitor) -> None:
        shop.site.turn(jivo_load="never")
        page = visitor()
        page.clock.install()
        page.goto(shop.site.address("/"))
        shop.visits()
        page.clock.run_for(70_000)

        [seen] = shop.sightings()
        assert (seen.counter, seen.widget, seen.token, seen.last_good_at) == ("ok", "missing", "none", None)

    def test_another_products_token_is_told(self, shop: Shop, visitor: Visitor) -> None:
        shop.site.layout(head=["roistat", shop.counter, "jivo", shop.script])
        land(shop, visitor)

        [seen] = shop.sightings()
        assert (seen.widget, seen.token) == ("ok", "foreign")

    def test_a_token_that_is_refused_is_told(self, shop: Shop, visitor: Visitor) -> None:
        shop.site.turn(jivo_token="throws")
        land(shop, visitor)

        [seen] = shop.sightings()
        assert (seen.token, list(seen.faults)) == ("failed", ["set_token"])

    def test_a_host_that_is_no_site_of_the_account_is_told_and_counts_nothing(
        self, shop: Shop, visitor: Visitor
    ) -> None:
        page = visitor()
        page.clock.install()
        page.goto(shop.site.address("/", "social"))
        page.evaluate(
            "src => document.head.appendChild(Object.assign(document.createElement('script'), {src}))",
            f"{shop.server}/i/{shop.integration.public_id}.js",
        )
        page.wait_for_function("name => window[name]", arg=f"leadtrail {shop.integration.public_id}")
        page.clock.run_for(70_000)

        [seen] = shop.sightings()
        assert (seen.host, seen.counter) == ("social.localhost", "missing")
