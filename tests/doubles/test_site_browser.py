"""The stand-in site in a real Chromium: origins, the widget and its callbacks, other people's scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from .jivo_switches import token
from .site_jivo import FIRST_CHAT, FIRST_VISITOR
from .site_pages import BUTTON
from .site_stage import Shop, a_browser, a_shop
from .site_walk import end_chat, introduce, open_chat, write, write_to_amo

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture
def shop(chromium: Browser) -> Iterator[Shop]:
    with a_shop(chromium) as shop:
        yield shop


# ---- a whole walk


def test_from_an_advertisement_over_a_second_page_to_a_chat(shop: Shop):
    page = shop.page
    ours = "window.jivo_onLoadCallback = function () { jivo_api.setUserToken('as1.41'); };"
    shop.site.layout(head=["own", "jivo"], own_script=ours)
    page.goto(shop.site.origin("search"))
    page.locator("#yandex").click()
    assert page.evaluate("document.referrer") == shop.site.origin("search") + "/"
    assert page.evaluate("location.origin") == shop.site.origin("shop")
    shop.ready("window.__jivo && __jivo.tokens.length")
    page.get_by_role("link", name="Блэкаут").click()
    shop.ready("window.__jivo && __jivo.tokens.length")
    introduce(page, name="Мария", phone="8 900 000-01-09")
    write(page, "Есть блэкаут 2 метра?")
    assert shop.receiver.names() == ["client_updated", "chat_accepted", "chat_finished"]
    finished = shop.receiver.bodies[-1]
    assert (finished["chat_id"], finished["user_token"]) == (FIRST_CHAT, "as1.41")
    assert finished["page"] == {"url": shop.site.address("/blackout"), "title": "Шторы блэкаут — Ромашка"}
    assert finished["session"]["utm_json"]["campaign"] == "шторы москва"
    assert {"name": "Мария", "phone": "8 900 000-01-09", "number": FIRST_VISITOR}.items() <= finished["visitor"].items()
    assert shop.site.tokens() == ["as1.41", "as1.41"]
    assert shop.site.opened[0]["referrer"] == shop.site.origin("search") + "/"
    assert shop.problems() == []


def test_the_outside_may_hide_where_it_is(shop: Shop):
    page = shop.page
    page.goto(shop.site.origin("social"))
    page.locator("#hidden").click()
    assert page.evaluate("document.referrer") == ""
    page.goto(shop.site.address("/", role="ads", _referrer="unsafe-url"))
    page.locator("#google").click()
    assert page.evaluate("document.referrer") == shop.site.address("/", role="ads", _referrer="unsafe-url")


def test_the_hosts_are_sites_of_their_own(shop: Shop):
    page = shop.page
    page.goto(shop.site.origin("shop"))
    page.evaluate("document.cookie = 'a=1; path=/'; localStorage.a = 1")
    page.goto(shop.site.origin("search"))
    assert page.evaluate("[document.cookie, localStorage.a || null]") == ["", None]
    page.goto(shop.site.origin("shop").replace("shop", "www.shop"))
    assert page.get_by_role("link", name="Блэкаут").is_visible()


# ---- the widget


def test_callbacks_fire_as_the_visitor_goes(shop: Shop):
    shop.visit(head=["callbacks", "jivo"], jivo_chat_ends="by hand")
    page = shop.ready()
    write(page, "Здравствуйте")
    expect(page.get_by_role("log").locator("[data-who=agent]")).to_have_count(1)
    introduce(page, email="maria@mail.example")
    write(page, "Ещё вопрос")
    end_chat(page)
    write(page, "И снова")
    expect(page.get_by_role("log").locator("[data-who=agent]")).to_have_count(2)
    first = ["jivo_onClientStartChat", "jivo_onMessageSent", "jivo_onAccept", "jivo_onMessageReceived"]
    again = ["jivo_onClientStartChat", "jivo_onAccept", "jivo_onMessageReceived"]
    begun = ["jivo_onLoadCallback", "jivo_onOpen", "jivo_onChangeState"]
    page.wait_for_function("count => __jivo.fired.length === count", arg=len([*begun, *first, "", *again]))
    assert shop.fired() == [*begun, *first, "jivo_onIntroduction", *again]
    called = page.evaluate("__site.called")
    assert ["jivo_" + one["name"] for one in called] == shop.fired()
    assert called[2]["given"] == ["chat"]
    assert shop.receiver.names() == ["chat_accepted", "chat_updated", "chat_finished", "chat_accepted"]
    page.reload()
    shop.ready()
    write(page, "Назавтра")
    assert "jivo_onMessageSent" not in shop.fired()


def test_after_an_invitation_the_start_of_a_chat_is_not_told(shop: Shop):
    shop.visit(jivo_invitation="shown", jivo_opens="by itself")
    page = shop.ready()
    assert "jivo_onOpen" in shop.fired()
    write(page, "Здравствуйте")
    assert "jivo_onClientStartChat" not in shop.fired()
    assert "jivo_onMessageSent" in shop.fired()


def test_a_widget_comes_late_or_never(shop: Shop):
    page = shop.visit(jivo_load="late", late_ms="by hand")
    assert page.evaluate("typeof window.jivo_api") == "undefined"
    page.wait_for_function("() => __site.release('jivo')")
    shop.ready()
    assert shop.fired() == ["jivo_onLoadCallback"]
    shop.visit(jivo_load="late", late_ms=10)
    shop.ready()
    for how in ("never", "blocked"):
        page = shop.visit(jivo_load=how)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("[typeof window.jivo_api, document.getElementById('jivo-double')]") == ["undefined", None]


def test_a_widget_may_forget_to_say_that_it_is_ready(shop: Shop):
    page = shop.visit(head=["callbacks", "jivo sync"], jivo_callbacks="load not called", jivo_contact_keys="name")
    assert page.evaluate("__site.called") == []
    assert page.evaluate("jivo_api.getContactInfo()") == dict.fromkeys(("email", "phone", "description", "name"))


def test_a_widget_is_there_before_everybody_else(shop: Shop):
    ours = "window.early = [__jivo.fired.slice(), typeof jivo_api.setUserToken];"
    page = shop.visit(head=["jivo sync", "own"], own_script=ours)
    assert page.evaluate("early") == [["jivo_onLoadCallback"], "function"]
    write(page, "Здравствуйте")
    assert shop.receiver.names() == ["chat_accepted", "chat_finished"]


@pytest.mark.parametrize(("how", "kept"), [("kept", ["early", "late"]), ("lost", ["late"]), ("throw", ["late"])])
def test_calls_before_the_widget_is_ready(shop: Shop, how: str, kept: list[str]):
    shop.visit(jivo_ready_ms="by hand", jivo_early_calls=how)
    page = shop.ready()
    thrown = page.evaluate("() => { try { jivo_api.setUserToken('early'); } catch (e) { return String(e); } }")
    assert bool(thrown) is (how == "throw")
    assert shop.fired() == []
    page.evaluate("__site.release('jivo ready')")
    page.evaluate("jivo_api.setUserToken('late')")
    assert shop.tokens() == kept
    assert [call["accepted"] for call in page.evaluate("__jivo.calls")] == [how == "kept", True]


@pytest.mark.parametrize(
    ("how", "answers"),
    [
        ("works", [[None, FIRST_VISITOR]]),
        ("late", [[None, FIRST_VISITOR]]),
        ("twice", [[None, FIRST_VISITOR]] * 2),
        ("error", [["no visitor", None]]),
        ("never", []),
        ("throws", "Error: getVisitorNumber: refused"),
        ("absent", "TypeError: jivo_api.getVisitorNumber is not a function"),
    ],
)
def test_the_number_of_the_visitor(shop: Shop, how: str, answers: Any):
    shop.visit(jivo_number=how, late_ms=20)
    page = shop.ready()
    asked = """() => {
        window.told = [];
        try { jivo_api.getVisitorNumber((error, number) => told.push([error, number === undefined ? null : number])); }
        catch (error) { window.told = String(error); }
    }"""
    page.evaluate(asked)
    if answers:
        page.wait_for_function("count => told.length >= count", arg=len(answers))
    else:
        page.wait_for_load_state("networkidle")
    assert page.evaluate("told") == answers


def test_in_jwt_mode_only_a_jwt_is_taken_and_only_before_the_dialog(shop: Shop):
    jwt = token("jwt", "41", 0)
    shop.visit(jivo_token="jwt ignores", jivo_chat_ends="by hand")
    page = shop.ready()
    page.evaluate("jwt => ['as1.41', 'a.b.c', jwt].forEach(one => jivo_api.setUserToken(one))", jwt)
    assert shop.tokens() == [jwt]
    write(page, "Здравствуйте")
    page.evaluate("jwt => jivo_api.setUserToken(jwt)", jwt)
    assert shop.tokens() == [jwt]
    assert shop.receiver.bodies[0]["user_token"] == jwt
    shop.visit(jivo_token="jwt throws")
    page = shop.ready()
    thrown = page.evaluate("() => { try { jivo_api.setUserToken('as1.41'); } catch (e) { return String(e); } }")
    assert "refused" in thrown
    shop.visit(jivo_token="absent")
    page = shop.ready()
    assert page.evaluate("typeof jivo_api.setUserToken") == "undefined"


@pytest.mark.parametrize(("life", "known"), [("visitor", "as1.41"), ("page", None)])
def test_how_long_a_token_lives(shop: Shop, life: str, known: str | None):
    shop.visit(jivo_token_life=life)
    page = shop.ready()
    with page.expect_request_finished(lambda request: request.url.endswith("/jivo/call")):
        page.evaluate("jivo_api.setUserToken('as1.41')")
    page.goto(shop.site.address("/contacts"))
    write(shop.ready(), "Здравствуйте")
    assert shop.receiver.bodies[-1].get("user_token") == known


def test_a_new_beginning_wants_the_token_again(shop: Shop):
    shop.visit()
    page = shop.ready()
    page.evaluate("jivo_api.setUserToken('as1.41'); jivo_destroy()")
    assert page.evaluate("typeof window.jivo_api") == "undefined"
    page.evaluate("jivo_init()")
    write(shop.ready(), "Здравствуйте")
    assert shop.fired()[:3] == ["jivo_onLoadCallback", "jivo_onWidgetDestroy", "jivo_onLoadCallback"]
    assert "user_token" not in shop.receiver.bodies[-1]


def test_what_the_page_tells_the_widget(shop: Shop):
    shop.visit(path="/app")
    page = shop.ready()
    page.evaluate("jivo_api.setContactInfo({name: 'Мария', email: 'maria@mail.example'})")
    assert page.evaluate("jivo_api.getContactInfo().client_name") == "Мария"
    page.evaluate("jivo_api.setCustomData([{title: 'Размер', content: '2 м'}])")
    page.evaluate("jivo_api.setCustomData(Array(11).fill({content: 'x'}))")
    assert [call["accepted"] for call in page.evaluate("__jivo.calls.slice(-2)")] == [True, False]
    page.get_by_role("link", name="В корзину").click()
    expect(page).to_have_title("Корзина — Ромашка")
    write(page, "Вопрос о заказе")
    assert shop.receiver.bodies[-1]["page"]["title"] == "Каталог — Ромашка"
    assert shop.receiver.bodies[-1]["visitor"]["name"] == "Мария"
    page.evaluate("jivo_api.sendPageTitle(document.title, true, location.href)")
    write(page, "Ещё вопрос")
    assert shop.receiver.bodies[-1]["page"] == {"url": page.url, "title": "Корзина — Ромашка"}


def test_when_nobody_works_there_is_a_form(shop: Shop):
    shop.visit(jivo_mode="offline")
    page = shop.ready()
    page.evaluate("jivo_api.sendOfflineMessage({phone: '+79000000103', message: 'Перезвоните'})")
    open_chat(page)
    page.get_by_role("button", name="Отправить", exact=True).click()
    expect(page.get_by_role("log").get_by_text("Сообщение отправлено")).to_be_visible()
    assert shop.receiver.names() == ["offline_message"]
    assert shop.fired()[-2:] == ["jivo_onOfflineFormSubmit", "jivo_onChangeState"]


# ---- other people's scripts


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (["own", "roistat", "jivo"], ["as1.41", "9021077"]),
        (["roistat", "own", "jivo"], ["9021077", "as1.41"]),
        (["own", "overwriter", "jivo"], []),
        (["overwriter", "own", "jivo"], ["as1.41"]),
        (["throwing_callbacks", "jivo"], []),
    ],
)
def test_the_order_of_the_scripts_decides_who_is_heard(shop: Shop, head: list[str], found: list[str]):
    ours = """(function (previous) {
        window.jivo_onLoadCallback = function () { if (previous) previous(); jivo_api.setUserToken("as1.41"); };
    })(window.jivo_onLoadCallback);"""
    page = shop.visit(head=head, own_script=ours)
    shop.ready("window.__jivo && __jivo.fired.length")
    assert shop.tokens() == found
    assert page.evaluate("__jivo.errors.length") == (1 if "throwing_callbacks" in head else 0)


def test_scripts_that_do_not_wait_for_a_callback(shop: Shop):
    page = shop.visit(head=["metrika", "insistent", "late_overwriter", "jivo"], jivo_load="late", late_ms="by hand")
    page.wait_for_load_state("load")
    page.wait_for_function("() => __site.release('jivo')")
    shop.ready("window.__jivo && __jivo.tokens.length >= 3")
    assert "1699999999123456789" in shop.tokens()
    assert {"insistent::1", "insistent::2"} & set(shop.tokens())
    assert page.evaluate("__site.overwriter") == 1


def test_a_bridge_packs_the_counters_credentials_into_the_token(shop: Shop):
    shop.visit(head=["packed", "counter", "jivo"], jivo_load="late", late_ms="by hand")
    shop.ready("window.Comagic && Comagic.getSessionId() > 0")
    shop.page.evaluate("__site.release('jivo')")
    [packed] = shop.tokens()
    assert "|||session_id---16000000001|||" in packed


# ---- amoCRM's button, CoMagic's counter


@pytest.mark.parametrize("names", ["amo", "kommo"])
def test_what_was_said_before_the_button_came_is_not_lost(shop: Shop, names: str):
    where, command = ("amo_social_button", "amoSocialButton") if names == "amo" else ("crm_plugin", "crmPlugin")
    say = f"value => {where}.setMeta({{lead: {{custom_fields: [{{id: 7, values: [{{value}}]}}]}}}})"
    page = shop.visit(head=["amo"], amo_names=names, amo_load="late", late_ms="by hand")
    page.evaluate(f"window.shown = 0; {command}('onChatShow', () => shown++); {command}('runChatShow')")
    page.evaluate(say, "1")
    assert page.evaluate(f"[{where}.id, {where}.params.length, {command}.q.length]") == [BUTTON, 1, 2]
    page.wait_for_function("() => __site.release('amo')")
    shop.ready("window.__amo && __amo.outcomes.length === 1")
    page.evaluate(say, "2")
    shop.ready("__amo.outcomes.length === 2")
    assert page.evaluate("[__amo.outcomes, shown]") == [["taken", "filled"], 1]
    write_to_amo(page, "Здравствуйте", "Написать в Telegram")
    [lead] = shop.site.amo.leads
    assert (lead["origin"], lead["fields"], lead["messages"]) == ("telegram", {"7": ["1"]}, ["Здравствуйте"])
    assert page.evaluate("document.cookie").startswith("amo-livechat-id=")


def test_a_button_that_never_comes_only_queues(shop: Shop):
    page = shop.visit(head=["amo"], amo_load="blocked")
    page.evaluate("amo_social_button.setMeta({note: {text: 'a', element_type: 2}})")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("amo_social_button.params.length") == 1
    page = shop.visit(head=["amo", "amo"])
    assert shop.problems() == ["the button's lines are on the page twice"]


@pytest.mark.parametrize(
    ("how", "session"),
    [
        ("works", 16000000001),
        ("null", "null"),
        ("NaN", "NaN"),
        ("zero", 0),
        ("throws", "Error: the counter is not ready"),
    ],
)
def test_what_the_counter_says(shop: Shop, how: str, session: Any):
    page = shop.visit(head=["counter"], counter=how)
    page.wait_for_load_state("networkidle")
    ask = "() => { try { const id = Comagic.getSessionId(); return id > -1 && id !== null ? id : String(id); } "
    assert page.evaluate(ask + "catch (error) { return String(error); } }") == session


def test_the_counter_comes_late_or_changes_its_mind(shop: Shop):
    page = shop.visit(head=["counter"], counter="late", late_ms="by hand")
    assert page.evaluate("typeof window.Comagic") == "undefined"
    page.wait_for_function("() => __site.release('counter')")
    shop.ready("window.Comagic && Comagic.getSessionId()")
    told = page.evaluate("Comagic.getCredentials()")
    assert {type(told[key]) for key in ("visitor_id", "hit_id", "session_id")} == {int}
    assert f".{told['session_id']}." in page.evaluate("document.cookie")
    page.evaluate("__comagic.roll()")
    shop.ready(f"Comagic.getSessionId() > {told['session_id']}")
    shop.visit(head=["counter"], counter="changes")
    shop.ready(f"window.Comagic && Comagic.getSessionId() === {told['session_id'] + 1}")
    page.wait_for_function("() => __site.release('counter')")
    shop.ready(f"Comagic.getSessionId() === {told['session_id'] + 2}")
    page = shop.visit(head=["counter"], counter="null then number")
    shop.ready("window.Comagic && Comagic.getSessionId() === null")
    page.wait_for_function("() => __site.release('counter')")
    shop.ready("Comagic.getSessionId() > 0")
    assert shop.site.counter.sessions == [16000000001, 16000000002, 16000000003]
    assert (
        page.evaluate("String((Comagic.addVisitorInfo({}, told => { window.back = told; }), back.success))") == "true"
    )
