"""A visit in words: how the person came, where they landed, for how long they stayed, what they came with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from flask_babel import gettext as _
from ua_parser import parse

from webapp.arrival import AD_CLICK_IDS, host_of
from webapp.conversation import UTM_KEYS
from webapp.marks import storable


def came_from(marks: Mapping[str, Any], referrer: str | None) -> tuple[str, str]:
    """What brought the visitor, and what kind of evidence that is: marks, an advertisement's click, a page, nothing."""
    utm = [str(marks[key]) for key in ("source", "medium", "campaign") if marks.get(key)]
    clicks = [name for name in AD_CLICK_IDS if marks.get(name)]
    host = host_of(referrer or "")
    if utm:
        return " / ".join(utm), _("метки UTM")
    if clicks:
        return ", ".join(clicks), _("переход по рекламе")
    if host:
        return host, _("переход с сайта")
    return _("Прямой заход"), _("без меток и ссылки")


def mark_name(name: str) -> str:
    """A mark as it stands in an address."""
    return f"utm_{name}" if name in UTM_KEYS else name


def page_of(url: str | None) -> str:
    """The path of an address with its letters, for a narrow column; empty where there is none."""
    try:
        path = urlsplit(url or "").path
    except ValueError:
        return url or ""
    return storable(unquote(path, errors="replace")) or ("/" if url else "")


def duration(length: timedelta) -> str:
    """«меньше минуты», «25 мин», «1 ч 10 мин»."""
    minutes = int(length.total_seconds()) // 60
    if minutes < 1:
        return _("меньше минуты")
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return _("%(minutes)s мин", minutes=minutes)
    return _("%(hours)s ч %(minutes)s мин", hours=hours, minutes=minutes)


@lru_cache(maxsize=1024)
def device_of(user_agent: str | None) -> str | None:
    """«Chrome Mobile 126 · Android 13 · Samsung SM-S908B»: what the browser says of itself; None for what says
    nothing. Names of products are the same in every language."""
    found = parse(user_agent or "")
    parts = [
        _versioned(found.user_agent.family, found.user_agent.major) if found.user_agent else None,
        _versioned(found.os.family, found.os.major) if found.os else None,
        found.device.family if found.device else None,
    ]
    known = [part for part in parts if part and part != "Other"]
    return " · ".join(known) or None


def _versioned(family: str, version: str | None) -> str:
    return f"{family} {version}" if version else family
