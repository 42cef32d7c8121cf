"""A browser on somebody's site, as far as our server sees one, for the tests of the counter."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import requests

SHOP = "https://shop.example"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)

#: What the counter says of the first page.
HIT = {
    "s": "6000000000000001",
    "u": "7000000000000002",
    "a": "0",
    "n": "1",
    "l": f"{SHOP}/?utm_source=yandex",
    "r": "https://yandex.ru/",
    "p": f"{SHOP}/?utm_source=yandex",
}
REPORT = {"k": "report", "counter": "ok", "widget": "ok", "token": "set", "faults": ""}
TIE = {"k": "tie", "c": "412", "s": HIT["s"], "m": urlencode(HIT | {"n": "0"})}


def post(address: str, fields: Any = None, origin: str | None = SHOP, agent: str = CHROME, **headers: str) -> Any:
    """POST a message as a page's script does; ``fields`` may be bytes."""
    headers = {"User-Agent": agent, "Content-Type": "text/plain;charset=UTF-8", **headers}
    if origin is not None:
        headers["Origin"] = origin
    body = fields if isinstance(fields, bytes) else urlencode(HIT if fields is None else fields).encode()
    return requests.post(address, data=body, headers=headers, timeout=10)


def ask(address: str, origin: str | None = SHOP) -> Any:
    """What a browser asks before a message that is no simple one."""
    headers = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    return requests.options(address, headers=headers | ({"Origin": origin} if origin else {}), timeout=10)
