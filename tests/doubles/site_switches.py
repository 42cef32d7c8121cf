"""The switches of the stand-in site: how the vendors' scripts behave, and what the customer's page does to ours.

The default first. Each may be turned for the whole site, or for one page by its address: ``?_jivo_load=late``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .server import Refused

#: ``late_ms`` and ``jivo_ready_ms`` take any whole number. ``by hand`` waits for ``__site.release(name)`` on the page.
SWITCHES: dict[str, tuple[Any, ...]] = {
    # When the widget's script has run: at once, after late_ms, never (it loads and does nothing), blocked (no answer).
    "jivo_load": ("at once", "late", "never", "blocked"),
    "late_ms": (800, "by hand"),
    # Between the appearance of jivo_api and jivo_onLoadCallback; calls in between are kept, lost, or throw.
    "jivo_ready_ms": (0, "by hand"),
    "jivo_early_calls": ("lost", "kept", "throw"),
    "jivo_callbacks": ("called", "load not called"),
    # J-07. In JWT mode a token that is no JWT with an id is ignored, or the call throws (contract, section 7.3).
    "jivo_token": ("works", "absent", "throws", "jwt ignores", "jwt throws"),
    "jivo_token_life": ("visitor", "page"),
    "jivo_number": ("works", "absent", "error", "late", "twice", "never", "throws"),
    "jivo_contact_keys": ("client_name", "name"),
    "jivo_mode": ("online", "offline"),
    "jivo_opens": ("by hand", "by itself"),
    "jivo_invitation": ("none", "shown"),
    "jivo_chat_ends": ("at once", "by hand"),
    "amo_load": ("at once", "late", "never", "blocked"),
    "amo_names": ("amo", "kommo"),
    # custom_fields named by code instead of id.
    "amo_codes": ("refused", "accepted"),
    "counter": (
        *("works", "late", "never", "blocked", "null", "null then number", "NaN", "zero", "throws", "changes"),
        "bad hit",
    ),
    # Policy of the host page. ``strict`` lets our origin in; the last two forget to.
    "csp": ("none", "strict", "trusted types", "nonces", "without our script", "without our collector"),
    "storage": ("works", "refused", "full", "no cookies", "missing"),
    "library": ("modern", "prototype", "old browser"),
    "document_write": ("works", "absent", "throws"),
    "page_errors": ("none", "thrown", "handler throws"),
    "history": ("works", "patched", "frozen"),
    "referrer": ("default", "no-referrer", "unsafe-url"),
}

_NUMBERS = ("late_ms", "jivo_ready_ms")


def defaults() -> dict[str, Any]:
    """Every switch at its default."""
    return {name: values[0] for name, values in SWITCHES.items()}


def checked(order: Any) -> dict[str, Any]:
    """The switches of an order. Raises Refused for an unknown name or value."""
    if not isinstance(order, Mapping):
        raise Refused("switches must be an object")
    for name, value in order.items():
        if name not in SWITCHES:
            raise Refused(f"no switch {name!r}; there are {', '.join(SWITCHES)}")
        is_number = name in _NUMBERS and isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if value not in SWITCHES[name] and not is_number:
            raise Refused(f"the switch {name} has no {value!r}; it has {SWITCHES[name]}")
    return dict(order)


def of_address(query: Mapping[str, str]) -> dict[str, Any]:
    """The switches that a page's address turns: parameters with an underscore before the name. Raises Refused."""
    told = {name[1:]: value for name, value in query.items() if name.startswith("_") and name[1:] in SWITCHES}
    return checked({name: int(value) if value.isdecimal() else value for name, value in told.items()})
