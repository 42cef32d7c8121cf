"""The stand-in site over sockets: pages, policies, and the servers behind the vendors' scripts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from bs4 import BeautifulSoup

from .jivo import JivoDouble
from .server import Refused
from .site import SiteDouble
from .site_amo import ACCEPTED_SECONDS
from .site_counter import FIRST_SESSION, IDLE_SECONDS
from .site_jivo import FIRST_CHAT, FIRST_VISITOR
from .site_pages import WIDGET
from .site_stage import Receiver, with_hook

ROOT = Path(__file__).parents[2]

PAGE = {"url": "http://shop.localhost/blackout?utm_source=vk", "title": "Шторы блэкаут"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def site(receiver: Receiver) -> Iterator[SiteDouble]:
    with with_hook(receiver) as site:
        yield site


def get(site: SiteDouble, path: str, host: str = "shop.localhost") -> requests.Response:
    return requests.get(site.url + path, headers={"Host": f"{host}:{site.port}"}, timeout=10)


def post(site: SiteDouble, path: str, **order: Any) -> dict[str, Any]:
    answer = requests.post(site.url + path, data=json.dumps(order), timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def scripts(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [str(tag["src"]) for tag in BeautifulSoup(answer.text, "html.parser").select("script[src]")]


class Visitor:
    """A widget that speaks to its server as site/jivo.js does."""

    def __init__(self, site: SiteDouble, url: str = PAGE["url"], number: int | None = None) -> None:
        self.site, self.token, self.order = site, None, 0
        self.hello = post(site, "/jivo/hello", widget=WIDGET, number=number, url=url)
        self.number = self.hello["number"]

    def call(self, name: str, *arguments: Any, order: int | None = None, opened: int = 1) -> None:
        self.order = order or self.order + 1
        told = {"name": name, "arguments": arguments, "accepted": True, "order": self.order, "opened": opened}
        post(self.site, "/jivo/call", widget=WIDGET, number=self.number, **told)

    def say(self, what: str, **more: Any) -> dict[str, Any]:
        told = {"page": PAGE, "token": self.token, "life": "visitor", "user_agent": "Test", "ends": "by hand"}
        return post(self.site, f"/jivo/{what}", widget=WIDGET, number=self.number, **{**told, **more})


# ---- pages


@pytest.mark.parametrize("path", ["/", "/blackout", "/contacts", "/app", "/app/cart"])
def test_the_shop_has_pages_with_the_parts_in_their_order(site: SiteDouble, path: str):
    line = '<script async src="http://127.0.0.1:8000/c/shop.js" data-consent="manual"></script>'
    site.layout(head=["roistat", "jivo", line], body=["http://127.0.0.1:8000/i/x.js"])
    answer = get(site, path)
    found = scripts(answer)
    assert found[0] == "/parts/watch.js"
    assert [one for one in found if one not in ("/parts/watch.js", "/parts/spa.js")] == [
        "/parts/roistat.js",
        f"http://jivo.localhost:{site.port}/widget/{WIDGET}",
        "http://127.0.0.1:8000/c/shop.js",
        "http://127.0.0.1:8000/i/x.js",
    ]
    assert line in answer.text


def test_a_page_that_is_not_there_is_not_found(site: SiteDouble):
    assert get(site, "/nothing").status_code == 404
    assert get(site, "/parts/nothing.js").status_code == 404
    assert get(site, "/parts/../site.py").status_code == 404


def test_an_address_names_parts_and_switches_which_its_links_keep(site: SiteDouble):
    answer = get(site, "/?_head=jivo,http://127.0.0.1:8000/i/x.js&_jivo_load=late&utm_source=vk")
    assert len(scripts(answer)) == 3
    link = str(BeautifulSoup(answer.text, "html.parser").find("a", string="Блэкаут")["href"])
    assert "_jivo_load=late" in link
    assert "utm_source" not in link
    widget = requests.get(site.url + scripts(answer)[1].split(str(site.port))[1], timeout=10)
    assert '"jivo_load": "late"' in widget.text


@pytest.mark.parametrize("query", ["_head=<script>alert(1)</script>", "_head=unknown", "_jivo_load=sometimes"])
def test_an_address_that_makes_no_sense_is_refused(site: SiteDouble, query: str):
    assert get(site, f"/?{query}").status_code == 400


def test_the_world_outside_links_to_the_shop_under_other_names(site: SiteDouble):
    page = BeautifulSoup(get(site, "/?_referrer=no-referrer", "search.localhost").text, "html.parser")
    assert page.find(id="yandex")["href"].startswith(
        f"http://shop.localhost:{site.port}/?utm_source=yandex&utm_medium=cpc"
    )
    assert page.find("meta", attrs={"name": "referrer"})["content"] == "no-referrer"
    bare = BeautifulSoup(get(site, "/outside/social?to=http://x.example/", "127.0.0.1").text, "html.parser")
    assert bare.find(id="plain")["href"] == f"http://127.0.0.1:{site.port}/"
    assert bare.find(id="to")["href"] == "http://x.example/"


@pytest.mark.parametrize(
    ("switch", "script", "connect"),
    [
        ("strict", True, True),
        ("trusted types", True, True),
        ("without our script", False, False),
        ("without our collector", True, False),
    ],
)
def test_the_policy_of_the_page_lets_our_origin_in_or_forgets_to(
    site: SiteDouble, switch: str, script: bool, connect: bool
):
    site.layout(head=["jivo", '<script async src="http://127.0.0.1:8000/c/shop.js"></script>'])
    assert "Content-Security-Policy" not in get(site, "/").headers
    site.turn(csp=switch)
    rules = dict(rule.split(" ", 1) for rule in get(site, "/").headers["Content-Security-Policy"].split("; "))
    assert ("http://127.0.0.1:8000" in rules["script-src"].split()) is script
    assert ("http://127.0.0.1:8000" in rules["connect-src"].split()) is connect
    assert f"http://jivo.localhost:{site.port}" in rules["script-src"].split()
    assert "'unsafe-inline'" not in rules["script-src"]


@pytest.mark.parametrize(
    ("switch", "path"),
    [("jivo_load", f"/widget/{WIDGET}"), ("amo_load", "/js/button.js"), ("counter", "/static/cs.min.js?k=x")],
)
def test_a_blocked_script_is_not_answered(site: SiteDouble, switch: str, path: str):
    assert "__site" in requests.get(site.url + path, timeout=10).text
    site.turn(**{switch: "blocked"})
    with pytest.raises(requests.ConnectionError):
        requests.get(site.url + path, timeout=10)


def test_the_control_surface_sets_everything_and_forgets_everything(site: SiteDouble):
    told = post(
        site,
        "/_control/config",
        switches={"jivo_load": "late", "late_ms": 5},
        head=["counter", "jivo"],
        hook="http://127.0.0.1:1/hook",
        own_script="window.own = 1;",
    )
    assert (told["switches"]["late_ms"], told["head"]) == (5, ["counter", "jivo"])
    assert told["hooks"] == {"*": "http://127.0.0.1:1/hook"}
    assert get(site, "/parts/own.js").text == "window.own = 1;"
    post(site, "/_control/reset")
    assert (site.head, site.switches["jivo_load"], site.jivo.hooks) == (["jivo"], "at once", {})
    answer = requests.get(f"{site.url}/_control/leads", timeout=10)
    assert "Access-Control-Allow-Origin" not in answer.headers
    for order in ({"switches": {"no": 1}}, {"switches": {"late_ms": -1}}, {"head": ["no"]}, {"nonsense": 1}):
        assert requests.post(f"{site.url}/_control/config", json=order, timeout=10).status_code == 400
    assert site.head == ["jivo"]


# ---- the server behind the widget


def test_a_dialog_causes_the_webhooks_of_its_beginning_and_end(site: SiteDouble, receiver: Receiver):
    visitor = Visitor(site)
    visitor.call("setUserToken", "as1.41")
    assert visitor.say("message", text="Есть блэкаут?")["accepted"] is True
    assert visitor.say("message", text="Ау")["accepted"] is False
    visitor.say("introduce", contact={"phone": "8 900 000-01-09", "name": ""})
    post(site, "/_control/finish", chat=FIRST_CHAT)
    assert receiver.names() == ["chat_accepted", "chat_updated", "chat_finished"]
    for body in receiver.bodies:
        assert (body["chat_id"], body["user_token"], body["page"]) == (FIRST_CHAT, "as1.41", PAGE)
        assert (body["widget_id"], body["visitor"]["number"]) == (WIDGET, FIRST_VISITOR)
        assert body["session"]["utm_json"] == {"source": "vk"}
    assert receiver.bodies[0]["visitor"] == {"number": FIRST_VISITOR, "chats_count": 1}
    assert receiver.bodies[2]["visitor"]["phone"] == "8 900 000-01-09"
    assert [row["type"] for row in receiver.bodies[2]["chat"]["messages"]] == ["visitor", "agent", "visitor"]
    [dialog] = requests.get(f"{site.url}/_control/chats", timeout=10).json()["chats"]
    assert (dialog["chat"], dialog["finished"]) == (FIRST_CHAT, True)
    deliveries = requests.get(f"{site.url}/_control/deliveries", timeout=10).json()["deliveries"]
    assert [delivery["status"] for delivery in deliveries] == [200, 200, 200]
    assert requests.post(f"{site.url}/_control/finish", json={"chat": FIRST_CHAT}, timeout=10).status_code == 400


def test_without_a_token_the_key_is_null_and_in_the_end_absent(site: SiteDouble, receiver: Receiver):
    Visitor(site).say("message", text="Здравствуйте", ends="at once")
    assert receiver.bodies[0]["user_token"] is None
    assert "user_token" not in receiver.bodies[1]


def test_the_last_token_counts_however_the_requests_arrive(site: SiteDouble, receiver: Receiver):
    visitor = Visitor(site)
    visitor.call("setUserToken", "second", order=2)
    visitor.call("setUserToken", "first", order=1)
    visitor.say("message", text="1", ends="at once")
    visitor.call("setUserToken", "on the next page", order=1, opened=2)
    visitor.say("message", text="2", ends="at once")
    visitor.say("message", text="3", ends="at once", life="page")
    found = [body.get("user_token") for body in receiver.bodies if body["event_name"] == "chat_finished"]
    assert found == ["second", "on the next page", None]
    assert [body["chat_id"] for body in receiver.bodies[1::2]] == [FIRST_CHAT, FIRST_CHAT + 1, FIRST_CHAT + 2]
    assert site.tokens() == ["first", "second", "on the next page"]


def test_a_visitor_who_comes_back_is_known_with_the_first_marks(site: SiteDouble):
    first = Visitor(site, "http://shop.localhost/?utm_source=vk&utm_term=%D1%88")
    again = Visitor(site, "http://shop.localhost/?utm_source=yandex", first.number)
    assert (again.number, again.hello["utm"]) == (first.number, {"source": "vk", "term": "ш"})
    stranger = Visitor(site, "http://shop.localhost/", 999)
    assert stranger.number != 999
    assert stranger.hello["utm"] == {"source": "(direct)", "campaign": "(direct)"}


def test_contacts_outside_of_a_dialog_and_the_offline_form(site: SiteDouble, receiver: Receiver):
    visitor = Visitor(site)
    visitor.token = "as1.7"
    visitor.say("introduce", contact={"email": "maria@mail.example"})
    visitor.say("offline", contact={"phone": "+79000000103"}, text="Перезвоните")
    updated, offline = receiver.bodies
    assert (updated["event_name"], updated["client_id"]) == ("client_updated", str(FIRST_VISITOR))
    assert "chat_id" not in updated
    assert (offline["event_name"], offline["message"], offline["user_token"]) == (
        "offline_message",
        "Перезвоните",
        "as1.7",
    )
    assert offline["visitor"]["email"] == "maria@mail.example"


def test_each_widget_may_have_an_address_of_its_own_and_another_sender(receiver: Receiver):
    sender = JivoDouble()
    with SiteDouble(sender=sender) as site:
        site.jivo.hooks = {"Another001": f"{receiver.url}/hook"}
        Visitor(site).say("message", text="никому")
    sender.stop()
    assert receiver.bodies == []
    assert list(sender.deliveries) == []


# ---- the server behind the button


def meta(site: SiteDouble, value: str, visitor: str = "v1", **field: Any) -> list[str]:
    told = {"lead": {"custom_fields": [{**(field or {"id": 316923}), "values": [{"value": value}]}]}}
    return post(site, "/amo/meta", visitor=visitor, codes=site.switches["amo_codes"], meta=told)["outcomes"]


def amo_message(site: SiteDouble, text: str) -> dict[str, Any]:
    return post(site, "/amo/message", visitor="v1", text=text, origin="onlinechat")


def test_the_first_value_of_a_field_stays_until_the_lead_is_closed(site: SiteDouble):
    seen: list[dict[str, Any]] = []
    said: list[tuple[str, str]] = []
    site.amo.on_lead = seen.append
    site.amo.on_message = lambda _lead, text, origin: said.append((text, origin))
    assert (meta(site, "1"), meta(site, "2")) == (["taken"], ["filled"])
    assert seen == []
    lead = amo_message(site, "Здравствуйте")["lead"]
    assert (meta(site, "3"), meta(site, "4", id=5)) == (["filled"], ["taken"])
    assert seen[-1]["fields"] == {"316923": ["1"], "5": ["4"]}
    assert said == [("Здравствуйте", "onlinechat")]
    post(site, "/_control/close_lead", lead=lead)
    assert meta(site, "9") == ["taken"]
    assert amo_message(site, "Снова я")["lead"] == lead + 1
    told = requests.get(f"{site.url}/_control/leads", timeout=10).json()
    assert [one["fields"]["316923"] for one in told["leads"]] == [["1"], ["9"]]


def test_set_meta_is_accepted_for_a_day(site: SiteDouble):
    site.configure({"clock": {"set": 1_790_000_000}})
    meta(site, "1")
    site.configure({"clock": {"advance": ACCEPTED_SECONDS}})
    assert meta(site, "2", id=5) == ["taken"]
    site.configure({"clock": {"advance": 1}})
    assert meta(site, "3", id=6) == ["late"]
    amo_message(site, "Пишу")
    assert meta(site, "4", id=7) == ["taken"]


def test_fields_are_named_by_number_and_by_code_only_where_that_is_switched_on(site: SiteDouble):
    assert meta(site, "1", code="SESSION") == meta(site, "1", id="316923") == meta(site, "") == ["refused"]
    site.turn(amo_codes="accepted")
    assert meta(site, "1", code="SESSION") == ["taken"]
    order = {"visitor": "v2", "codes": "refused", "meta": {"note": {"text": "a"}, "contact": {"name": "Мария"}}}
    assert post(site, "/amo/meta", **order)["outcomes"] == ["taken", "taken"]
    assert post(site, "/amo/meta", **order)["outcomes"] == ["taken", "filled"]
    assert post(site, "/amo/meta", **{**order, "meta": {"leed": {}}})["outcomes"] == ["refused"]
    assert len(site.amo.told()["waiting"]["v2"]["notes"]) == 2


# ---- the server behind the counter


def test_a_session_lasts_while_the_visitor_is_there(site: SiteDouble):
    site.configure({"clock": {"set": 1_790_000_000}})
    first = post(site, "/comagic/session", known="")
    cookie = f"{first['visitor']}.{first['session']}.{first['at']}"
    site.configure({"clock": {"advance": IDLE_SECONDS}})
    assert post(site, "/comagic/session", known=cookie)["session"] == FIRST_SESSION
    site.configure({"clock": {"advance": IDLE_SECONDS + 1}})
    later = post(site, "/comagic/session", known=cookie)
    assert (later["visitor"], later["session"]) == (first["visitor"], FIRST_SESSION + 1)
    assert post(site, "/comagic/session", known="")["visitor"] == first["visitor"] + 1
    assert FIRST_SESSION > 2**32


# ---- by itself


def test_a_layout_with_an_unknown_part_is_refused(site: SiteDouble):
    with pytest.raises(Refused, match="no part 'jivvo'"):
        site.layout(head=["jivvo"])


@pytest.mark.processes
def test_it_runs_by_itself():
    command = [sys.executable, "-m", "tests.doubles.site", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        [url] = re.findall(r"http://\S+", process.stdout.readline())
        assert "Ромашка" in requests.get(url, timeout=10).text
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()
