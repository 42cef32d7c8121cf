"""The pages of the stand-in site: a shop's, and those of the world outside that links to it.

What stands in a page's head and at the end of its body is a list of parts, in order: a name of PARTS, the address of a
script, or a line of HTML as the product gives it to be pasted.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from .server import Refused

ASSETS = Path(__file__).parent / "site"

WIDGET, COUNTER_KEY, BUTTON = "SiteWdgt01", "SiteKeyOfTheStandInCounter000001", 390001

#: Scripts of others that a page may have, by name; each is a file of ASSETS.
FOREIGN = (
    *("roistat", "metrika", "packed", "overwriter", "late_overwriter", "insistent", "callbacks"),
    "throwing_callbacks",
)

#: Vendors' scripts, foreign ones, and the site's own (``own_script``).
PARTS = ("jivo", "jivo sync", "amo", "counter", "own", *FOREIGN)

MARKED = {
    "yandex": {
        "utm_source": "yandex",
        "utm_medium": "cpc",
        "utm_campaign": "шторы москва",
        "utm_term": "шторы блэкаут",
    },
    "vk": {"utm_source": "vk", "utm_medium": "social", "utm_campaign": "осень"},
    "google": {"utm_source": "google", "utm_medium": "cpc", "gclid": "Cj0KCQexample"},
    "yclid": {"yclid": "15551234567890"},
}

#: Path, title, and what is written there.
SHOP = {
    "/": ("Шторы на заказ", "Ткани из Иванова, пошив за неделю, замер бесплатно."),
    "/blackout": ("Шторы блэкаут", "Плотная ткань не пропускает свет: для спальни и детской. От 4 900 ₽ за окно."),
    "/contacts": ("Контакты", "Салон на Садовой, 10. Ежедневно с 10 до 20. Или напишите нам в чат."),
}

_SCRIPT = re.compile(r"""\bsrc\s*=\s*["']([^"']+)["']""")


def asset(name: str, settings: Mapping[str, Any] | None = None) -> str:
    """A script with its settings written in."""
    text = (ASSETS / name).read_text(encoding="utf-8")
    # In a script a line separator or the end of a tag would be more than data.
    told = json.dumps(settings or {}).replace("<", "\\u003c")
    return text.replace("__SETTINGS__", told)


#: A real site makes another one for each page.
NONCE = "f00dcafe"


def line(part: str, vendors: Mapping[str, str], query: str) -> str:
    """The HTML of one part. ``vendors`` are their origins by role, ``query`` turns switches. Raises Refused."""
    if part.startswith("<"):
        return part
    if part.startswith(("http://", "https://", "/")):
        return f'<script async src="{html.escape(part)}"></script>'
    sources = {
        "jivo": f"{vendors['jivo']}/widget/{WIDGET}",
        "jivo sync": f"{vendors['jivo']}/widget/{WIDGET}",
        "counter": f"{vendors['comagic']}/static/cs.min.js?k={COUNTER_KEY}",
    }
    source = sources.get(part, f"/parts/{part}.js")
    if part not in PARTS:
        raise Refused(f"no part {part!r}; there are {', '.join(PARTS)}, addresses of scripts and lines of HTML")
    address = source + (("&" if "?" in source else "?") + query if query else "")
    return f'<script {"async " if part in ("jivo", "counter") else ""}src="{html.escape(address)}"></script>'


def with_nonces(page: str) -> str:
    """The page with the word that its policy wants of each script."""
    return page.replace("<script ", f'<script nonce="{NONCE}" ')


def policy(switch: str, lines: Sequence[str], vendors: Mapping[str, str], allowed: Sequence[str]) -> str | None:
    """The Content-Security-Policy of the page, None without one. ``allowed`` are further origins of ours."""
    if switch == "none":
        return None
    ours = {
        f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, _SCRIPT.findall(" ".join(lines))) if parts.netloc
    }
    own = set(vendors.values())
    ours = (ours | set(allowed)) - own
    scripts = own if switch == "without our script" else own | ours
    connect = own | ours if switch in ("strict", "trusted types", "nonces") else own
    rules = {
        "default-src": ["'none'"],
        "script-src": [f"'nonce-{NONCE}'"] if switch == "nonces" else ["'self'", *sorted(scripts)],
        "connect-src": ["'self'", *sorted(connect)],
        "img-src": ["'self'", "data:"],
        "style-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
    }
    if switch == "trusted types":
        rules["require-trusted-types-for"] = ["'script'"]
    return "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items())


def shop_page(path: str, head: Sequence[str], body: Sequence[str], query: str) -> str | None:
    """A page of the shop, None where there is none. ``query`` is carried by its own links."""
    kept = f"?{query}" if query else ""
    if path == "/app" or path.startswith("/app/"):
        title, content = "Каталог", _spa()
        head = [*head, '<script src="/parts/spa.js"></script>']
    elif path in SHOP:
        title, words = SHOP[path]
        content = f"<h1>{title}</h1><p>{words}</p>"
        if path == "/contacts":
            content += '<p><a href="tel:+74950000000">+7 495 000-00-00</a></p>'
            content += '<p><a href="mailto:hello@shop.example">hello@shop.example</a></p>'
    else:
        return None
    links = {"/": "Главная", "/blackout": "Блэкаут", "/contacts": "Контакты", "/app": "Каталог"}
    menu = "".join(f'<a href="{address}{html.escape(kept)}">{name}</a>' for address, name in links.items())
    return _page(f"{title} — Ромашка", f"<header><b>Ромашка</b>{menu}</header><main>{content}</main>", head, body)


def outside_page(role: str, shop: str, referrer: str, to: str | None) -> str:
    """A page of somebody else with links to the shop, plain and marked; ``to`` is one more, of id ``to``."""
    titles = {"search": "Поиск: шторы на заказ", "social": "Лента: подруга советует", "ads": "Объявления"}
    links = [f'<li><a id="plain" href="{shop}/">Ромашка — шторы на заказ</a></li>']
    links += [
        f'<li><a id="{name}" href="{html.escape(f"{shop}/?{urlencode(marks)}")}">Реклама · {name}</a></li>'
        for name, marks in MARKED.items()
    ]
    links.append(f'<li><a id="deep" href="{shop}/blackout">Шторы блэкаут</a></li>')
    links.append(f'<li><a id="hidden" rel="noreferrer" href="{shop}/">Ромашка, без указания откуда</a></li>')
    if to is not None:
        links.append(f'<li><a id="to" href="{html.escape(to)}">{html.escape(to)}</a></li>')
    meta = "" if referrer == "default" else f'<meta name="referrer" content="{referrer}">'
    title = titles.get(role, titles["search"])
    return _page(title, f"<main><h1>{title}</h1><ul>{''.join(links)}</ul></main>", [meta], [])


def frame_page(to: str, sandboxed: bool) -> str:
    """A page of somebody else that shows the shop in a frame; a sandboxed one has no origin and no storage."""
    sandbox = ' sandbox="allow-scripts allow-forms"' if sandboxed else ""
    return _page("В рамке", f'<main><iframe title="Магазин"{sandbox} src="{html.escape(to)}"></iframe></main>', [], [])


def _spa() -> str:
    links = (
        ("pushState", "/app", "Каталог"),
        ("pushState", "/app/cart", "В корзину"),
        ("replaceState", "/app/pay", "К оплате"),
    )
    made = "".join(f'<li><a data-route="{how}" href="{path}">{name}</a></li>' for how, path, name in links)
    return f'<h1 id="view">Каталог</h1><ul>{made}</ul>'


def _page(title: str, content: str, head: Sequence[str], body: Sequence[str]) -> str:
    return "\n".join(
        (
            '<!DOCTYPE html><html lang="ru"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>",
            '<link rel="icon" href="data:,"><link rel="stylesheet" href="/parts/shop.css">',
            *head,
            f"</head><body>{content}",
            *body,
            "</body></html>",
        )
    )
