"""A stand-in for the customer's site and for the vendors' scripts on it.

Written from the contracts (Jivo 6, 7 and 11; amoCRM 4; Data API 12 and 13). Pages and vendors have host names of their
own: ``shop.localhost``, ``search.localhost``, ``jivo.localhost``…

    with SiteDouble() as site:
        site.jivo.hooks["*"] = webhook_address
        site.layout(head=[counter_line, "jivo", script_line])
        page.goto(site.address("/", utm_source="yandex"))

* ``GET /``, ``/blackout``, ``/contacts``, ``/app``: the shop. ``?_jivo_load=late`` turns a switch for one page and
  those it links to; ``_head`` and ``_body`` name its parts, by commas.
* ``GET /outside/search``, ``social``, ``ads`` (or ``search.localhost``…), ``/outside/frame?to=…``: the world outside.
* ``POST /_control/config``: ``{"switches", "head", "body", "hook" or "hooks", "own_script", "allowed", "clock"}``.
* ``POST /_control/reset``, ``/_control/finish {"chat"}``, ``/_control/close_lead {"lead"}``.
* ``GET /_control/calls`` of jivo_api, and ``/_control/`` ``chats``, ``deliveries``, ``leads``, ``opened``.

By itself: ``python -m tests.doubles.site --port 9200``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from . import site_pages, site_switches
from .jivo import JivoDouble
from .server import Call, Double, Refused, Route, serve_alone
from .site_amo import AmoSide
from .site_counter import CounterSide
from .site_jivo import JivoSide
from .site_serving import HOSTS, Dropped, Reply, handler, host_of, origin, role_of

_SCRIPT = "text/javascript; charset=utf-8"


class SiteDouble(Double):
    """The site, and the servers behind the scripts on it.

    ``jivo``, ``amo`` and ``counter`` are those servers; ``sender`` is the Jivo stand-in that sends the webhooks, one's
    own or a new one. ``switches`` are those of site_switches.
    """

    def __init__(self, port: int = 0, sender: JivoDouble | None = None) -> None:
        super().__init__(port)
        self._own_sender = None if sender else JivoDouble()
        self.jivo = JivoSide(sender or self._own_sender, self.clock)
        self.amo, self.counter = AmoSide(self.clock), CounterSide(self.clock)
        self._lock = threading.Lock()
        self._server.RequestHandlerClass = handler(self.answer)
        self._start_over()

    @property
    def port(self) -> int:
        """Where every host of it is served."""
        return self._server.server_port

    def origin(self, role: str = "shop") -> str:
        """``http://shop.localhost:…``; any of HOSTS."""
        return origin(role, "shop.localhost", self.port)

    def address(self, path: str = "/", role: str = "shop", **query: str) -> str:
        """A page's address. Marks as they are (``utm_source="yandex"``), switches as ``_jivo_load="late"``."""
        return self.origin(role) + path + (f"?{urlencode(query)}" if query else "")

    def layout(
        self, head: Sequence[str] | None = None, body: Sequence[str] | None = None, own_script: str = ""
    ) -> None:
        """What every page has from now on: parts by name, addresses or lines of HTML, in this order. Raises Refused."""
        for part in (*(head or ()), *(body or ())):
            site_pages.line(part, dict.fromkeys(HOSTS, ""), "")
        with self._lock:
            self.head, self.body, self.own_script = list(head or ()), list(body or ()), own_script

    def turn(self, **switches: Any) -> None:
        """Turn switches for every page from now on. Raises Refused."""
        with self._lock:
            self.switches = self.switches | site_switches.checked(switches)

    def calls(self, name: str | None = None) -> list[dict[str, Any]]:
        """Calls of jivo_api on any page, in the order of their arrival; ``name`` keeps those of one method."""
        return [dict(call) for call in list(self.jivo.calls) if name in (None, call["name"])]

    def tokens(self) -> list[str]:
        """Every token that the widget took, in the order in which the pages gave them: requests overtake each other."""
        calls = sorted(self.calls("setUserToken"), key=lambda call: (call["opened"], call["order"]))
        return [call["arguments"][0] for call in calls if call["accepted"]]

    def stop(self) -> None:
        """See Double."""
        super().stop()
        if self._own_sender:
            self._own_sender.stop()

    def routes(self) -> dict[tuple[str, str], Route]:
        """See Double."""
        vendors: dict[str, Callable[[dict[str, Any]], Any]] = {
            "/jivo/hello": lambda order: self.jivo.hello(order),
            "/jivo/call": lambda order: self.jivo.call(order),
            "/jivo/message": lambda order: self.jivo.message(order),
            "/jivo/introduce": lambda order: self.jivo.introduce(order),
            "/jivo/offline": lambda order: self.jivo.offline(order),
            "/jivo/end": lambda order: self.jivo.end(order),
            "/amo/meta": lambda order: self.amo.meta(order),
            "/amo/message": lambda order: self.amo.message(order),
            "/comagic/session": lambda order: self.counter.session(order),
            "/comagic/roll": lambda order: self.counter.roll(order),
            "/_control/finish": lambda order: self.jivo.finish(order.get("chat")),
            "/_control/close_lead": lambda order: self.amo.close(order.get("lead")),
        }
        return (
            super().routes()
            | {("POST", path): _ordered(work) for path, work in vendors.items()}
            | {
                ("GET", "/_control/calls"): lambda call: {"calls": self.calls(call.query.get("name"))},
                ("GET", "/_control/chats"): lambda _call: {"chats": self.jivo.told()},
                ("GET", "/_control/deliveries"): lambda _call: {
                    "deliveries": [delivery.told() for delivery in list(self.jivo.sender.deliveries)]
                },
                ("GET", "/_control/leads"): lambda _call: self.amo.told(),
                ("GET", "/_control/opened"): lambda _call: {"opened": list(self.opened)},
            }
        )

    def configure(self, order: dict[str, Any]) -> dict[str, Any]:
        """Parts, switches, webhook addresses, the site's own script, our further origins in its policy, the clock."""
        switches = site_switches.checked(order.pop("switches", {}))
        hooks = order.pop("hooks", {}) | ({"*": order.pop("hook")} if "hook" in order else {})
        head, body = order.pop("head", self.head), order.pop("body", self.body)
        own, allowed = order.pop("own_script", self.own_script), order.pop("allowed", self.allowed)
        told = super().configure(order)
        self.layout(head, body, own)
        self.turn(**switches)
        self.jivo.hooks |= hooks
        self.allowed = list(allowed)
        return {**told, "switches": self.switches, "head": self.head, "body": self.body, "hooks": self.jivo.hooks}

    def reset(self) -> dict[str, Any]:
        """A new site: nobody was here, only the widget on its pages, every switch at its default."""
        super().reset()
        self._start_over()
        return {}

    def _start_over(self) -> None:
        self.jivo.reset()
        self.amo.reset()
        self.counter.reset()
        with self._lock:
            self.head, self.body, self.own_script, self.allowed = ["jivo"], [], "", []
            self.switches = site_switches.defaults()
            self.opened: list[dict[str, str]] = []
        self.jivo.hooks = {}

    def answer(self, call: Call) -> tuple[int, Any]:
        """See Double; pages and scripts first."""
        try:
            reply = self._reply(call) if call.method == "GET" else None
        except Refused as error:
            return 400, {"error": str(error)}
        return super().answer(call) if reply is None else (200, reply)

    def _reply(self, call: Call) -> Reply | None:
        host, path = host_of(call), call.path
        switches = self.switches | site_switches.of_address(call.query)
        turned = urlencode({name: value for name, value in call.query.items() if name.startswith("_")})
        if path.startswith("/widget/"):
            told = {"widget": path.removeprefix("/widget/"), **self._settings(host, "jivo", switches)}
            return self._script(switches["jivo_load"], ("common.js", "jivo_box.js", "jivo.js"), told)
        if path == "/static/cs.min.js":
            told = {"key": call.query.get("k", ""), **self._settings(host, "comagic", switches)}
            return self._script(switches["counter"], ("common.js", "comagic.js"), told)
        if path == "/js/button.js":
            return self._script(
                switches["amo_load"], ("common.js", "amo_button.js"), self._settings(host, "amo", switches)
            )
        if path.startswith("/parts/"):
            told = {"button": site_pages.BUTTON, "query": f"?{turned}" if turned else ""}
            return self._part(path.removeprefix("/parts/"), {**told, **self._settings(host, "amo", switches)})
        return self._page(call, host, switches, turned)

    def _settings(self, host: str, role: str, switches: Mapping[str, Any]) -> dict[str, Any]:
        late = switches["late_ms"] if isinstance(switches["late_ms"], int) else 0
        return {"server": origin(role, host, self.port), "switches": switches, "late_ms": late}

    def _script(self, load: str, names: Sequence[str], settings: Mapping[str, Any]) -> Reply:
        if load == "blocked":
            raise Dropped
        return Reply("\n".join(site_pages.asset(name, settings) for name in names).encode(), _SCRIPT)

    def _part(self, name: str, settings: Mapping[str, Any]) -> Reply | None:
        if name == "shop.css":
            return Reply(site_pages.asset(name).encode(), "text/css; charset=utf-8")
        if name == "own.js":
            return Reply(self.own_script.encode(), _SCRIPT)
        files = {"watch.js": ("common.js", "watch.js"), "amo.js": ("amo_snippet.js",), "spa.js": ("spa.js",)}
        files |= {f"{one}.js": (f"{one}.js",) for one in site_pages.FOREIGN}
        return self._script("", files[name], settings) if name in files else None

    def _page(self, call: Call, host: str, switches: Mapping[str, Any], turned: str) -> Reply | None:
        role = role_of(host)
        shop = origin("shop", host, self.port)
        if call.path == "/outside/frame":
            page = site_pages.frame_page(call.query.get("to", shop + "/"), "plain" not in call.query)
            return Reply(page.encode())
        if call.path.startswith("/outside/") or (role != "shop" and call.path == "/"):
            role = call.path.removeprefix("/outside/") if call.path != "/" else role
            return Reply(site_pages.outside_page(role, shop, switches["referrer"], call.query.get("to")).encode())
        vendors = {one: origin(one, host, self.port) for one in HOSTS}
        watch = f'<script src="/parts/watch.js{f"?{turned}".replace("&", "&amp;") if turned else ""}"></script>'
        parts = [_named(call.query.get("_head"), self.head), _named(call.query.get("_body"), self.body)]
        head, body = ([site_pages.line(part, vendors, turned) for part in one] for one in parts)
        page = site_pages.shop_page(call.path, [watch, *head], body, turned)
        if page is None:
            return None
        with self._lock:
            self.opened.append({"url": call.path, "host": host, "referrer": call.headers.get("Referer", "")})
        rules = site_pages.policy(switches["csp"], [*head, *body], vendors, self.allowed)
        if switches["csp"] == "nonces":
            page = site_pages.with_nonces(page)
        return Reply(page.encode(), headers={"Content-Security-Policy": rules} if rules else {})


def _ordered(work: Callable[[dict[str, Any]], Any]) -> Route:
    return lambda call: work(call.order())


def _named(asked: str | None, usual: Sequence[str]) -> Sequence[str]:
    """The parts that a page's address names; never lines of HTML, which anybody could put into a link."""
    if asked is None:
        return usual
    parts = [part for part in asked.split(",") if part]
    if any(part.startswith("<") for part in parts):
        raise Refused("an address names parts and addresses of scripts")
    return parts


if __name__ == "__main__":
    serve_alone(SiteDouble, "Example shop", 9200)
