"""Hostile pages of the stand-in site in Chromium: each hazard is really there, and the stand-ins live with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from .site_jivo import FIRST_VISITOR
from .site_stage import Shop, a_browser, a_shop
from .site_walk import write, write_to_amo

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture
def shop(chromium: Browser) -> Iterator[Shop]:
    with a_shop(chromium) as shop:
        yield shop


def outcome(shop: Shop, expression: str) -> str:
    """What the page's JavaScript makes of it: the value, or the name of the error."""
    told = f"async () => {{ try {{ return String(await ({expression})); }} catch (error) {{ return error.name; }} }}"
    return shop.page.evaluate(told)


#: Switches, an expression, and what comes of it on such a page.
HAZARDS = [
    ({"storage": "refused"}, "localStorage", "SecurityError"),
    ({"storage": "refused"}, "document.cookie", "SecurityError"),
    ({"storage": "full"}, "localStorage.setItem('a', '1')", "QuotaExceededError"),
    ({"storage": "no cookies"}, "(document.cookie = 'a=1', document.cookie)", ""),
    ({"storage": "missing"}, "localStorage", "null"),
    ({"library": "prototype"}, "typeof JSON.parse(JSON.stringify({a: [1]})).a", "string"),
    ({"library": "prototype"}, "(() => { let last; for (last in []); return last; })()", "last"),
    (
        {"library": "old browser"},
        "[typeof fetch, typeof URL, typeof navigator.sendBeacon].join()",
        "undefined," * 2 + "undefined",
    ),
    ({"document_write": "absent"}, "document.write('a')", "TypeError"),
    ({"document_write": "throws"}, "document.write('a')", "Error"),
    ({"page_errors": "thrown"}, "__site.problems.length", "2"),
    ({"page_errors": "handler throws"}, "window.onerror()", "Error"),
    ({"history": "frozen"}, "Object.isFrozen(history)", "true"),
    ({"history": "patched"}, "(history.pushState({}, '', '/app'), __site.routes)", "1"),
    ({"csp": "trusted types"}, "document.body.innerHTML = '<b>a</b>'", "TypeError"),
]


@pytest.mark.parametrize(("switches", "expression", "told"), HAZARDS)
def test_a_page_is_as_hostile_as_it_says_and_its_widget_works(
    shop: Shop, switches: dict[str, str], expression: str, told: str
):
    shop.visit(head=["counter", "jivo"], **switches)
    assert outcome(shop, expression) == told
    shop.ready()
    shop.page.evaluate("jivo_api.setUserToken('as1.41')")
    write(shop.page, 'Шторы "блэкаут" \\ 2 м 🪟')
    finished = shop.receiver.bodies[-1]
    assert finished["chat"]["messages"][0]["message"] == 'Шторы "блэкаут" \\ 2 м 🪟'
    assert finished["user_token"] == "as1.41"
    if switches.get("library") != "old browser":
        shop.ready("Comagic.getSessionId() > 0")


@pytest.mark.parametrize("library", ["prototype", "old browser"])
def test_the_button_lives_with_old_libraries(shop: Shop, library: str):
    shop.visit(head=["amo"], library=library)
    shop.page.evaluate("amo_social_button.setMeta({lead: {custom_fields: [{id: 7, values: [{value: '41'}]}]}})")
    write_to_amo(shop.page, "Здравствуйте")
    assert shop.site.amo.leads[0]["fields"] == {"7": ["41"]}


@pytest.mark.parametrize(
    ("csp", "collected", "violated"),
    [("none", True, []), ("strict", True, []), ("without our collector", False, ["connect-src"])],
)
def test_the_policy_of_the_page_is_enforced(shop: Shop, csp: str, collected: bool, violated: list[str]):
    ours = shop.receiver.url
    shop.site.allowed = [ours]
    shop.visit(head=["callbacks", "counter", "amo", "jivo", "own"], own_script="window.own = 1;", csp=csp)
    shop.ready("window.own && window.jivo_api && window.Comagic && window.__amo")
    assert shop.problems() == []
    sent = outcome(shop, f"fetch('{ours}/hook', {{method: 'POST', body: '{{}}', mode: 'no-cors'}}).then(() => 'sent')")
    assert sent == ("sent" if collected else "TypeError")
    assert [problem.split()[1] for problem in shop.problems()] == violated


def test_a_policy_may_keep_our_script_out(shop: Shop):
    ours = shop.receiver.url
    page = shop.visit(head=["jivo", f'<script async src="{ours}/c/shop.js"></script>'], csp="without our script")
    shop.ready("__site.problems.length")
    assert shop.problems() == [f"policy: script-src-elem {ours}/c/shop.js"]
    expect(page.get_by_role("heading")).to_have_text("Шторы на заказ")


def test_where_nothing_is_stored_everybody_is_new_on_every_page(shop: Shop):
    shop.visit(storage="refused")
    ask = "() => new Promise(done => jivo_api.getVisitorNumber((_error, number) => done(number)))"
    assert shop.ready().evaluate(ask) == FIRST_VISITOR
    shop.page.reload()
    assert shop.ready().evaluate(ask) == FIRST_VISITOR + 1
    shop.visit(storage="works")
    known = shop.ready().evaluate(ask)
    shop.page.reload()
    assert shop.ready().evaluate(ask) == known


@pytest.mark.parametrize(("plain", "sandboxed"), [("", True), ("&plain=1", False)])
def test_a_shop_in_somebody_elses_frame(shop: Shop, plain: str, sandboxed: bool):
    """Whether a frame that is not sandboxed may store anything is the browser's own decision."""
    shop.page.goto(f"{shop.site.origin('social')}/outside/frame?to={shop.site.address('/blackout')}{plain}")
    frame = shop.page.frames[1]
    frame.wait_for_function("() => window.jivo_api")
    assert frame.evaluate("self.origin") == ("null" if sandboxed else shop.site.origin("shop"))
    ask = "() => { try { return localStorage.constructor.name; } catch (error) { return error.name; } }"
    assert frame.evaluate(ask) in (["SecurityError"] if sandboxed else ["Storage", "SecurityError"])
    assert frame.evaluate("[location.hostname, document.referrer]") == [
        "shop.localhost",
        shop.site.origin("social") + "/",
    ]
    frame.get_by_role("button", name="Написать в чат").click()
    frame.get_by_label("Ваше сообщение").fill("Из рамки")
    frame.get_by_role("button", name="Отправить", exact=True).click()
    expect(frame.get_by_text("Чат завершён")).to_be_visible()
    assert shop.receiver.names() == ["chat_accepted", "chat_finished"]


def test_the_single_page_shop_changes_its_address_without_loading(shop: Shop):
    page = shop.visit(path="/app")
    page.evaluate("window.still = 1")
    for link, path in (("В корзину", "/app/cart"), ("К оплате", "/app/pay")):
        page.get_by_role("link", name=link).click()
        expect(page).to_have_url(shop.site.address(path))
    page.go_back()
    expect(page).to_have_url(shop.site.address("/app"))
    expect(page.get_by_role("heading")).to_have_text("Каталог")
    assert page.evaluate("window.still") == 1
