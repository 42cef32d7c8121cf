"""The example shop of `make demo`: a site with our counter, a chat widget and our script, to come to and write on."""

from __future__ import annotations

import os
import time
from urllib.parse import urlencode

from .jivo import JivoDouble
from .site import SiteDouble

#: As an advertisement of the example's campaign «Яндекс.Директ — блэкаут» would link.
MARKS = {"utm_source": "yandex", "utm_medium": "cpc", "utm_campaign": "blackout_msk"}


def open_site(sender: JivoDouble, hook: str, lines: tuple[str, str]) -> SiteDouble:
    """The shop on its usual port (DEMO_SITE_PORT, 9200) or a free one; its chats go to ``hook``.

    ``lines`` are those of the counter and of the integration's script.
    """
    try:
        site = SiteDouble(int(os.environ.get("DEMO_SITE_PORT") or 9200), sender=sender)
    except OSError:
        site = SiteDouble(sender=sender)
    counter, script = lines
    site.layout(head=[counter, "jivo", script])
    # Numbers that neither the demo's other chats have nor those of an earlier start, which the product still knows.
    site.jivo.first_chat = site.jivo.first_visitor = time.time_ns() // 1_000_000
    site.jivo.reset()
    site.jivo.hooks["*"] = hook
    return site


def advertised(site: SiteDouble) -> str:
    """The address that the example's advertisement links to."""
    return f"{site.origin()}/?{urlencode(MARKS)}"
