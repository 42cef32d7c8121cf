"""The switches of the Data API stand-in: everything that no document says about the server, as one knob each.

The table is the contract's (Data API, section 17), the default first; the last six are open points of its other
sections. ``report_delay_s`` takes any number of seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .server import Refused

SWITCHES: dict[str, tuple[Any, ...]] = {
    "error_http_status": (200, 400, "by kind", 500),
    "list_failure": ("all or nothing", "good ones loaded", "shorter reply"),
    "repeated_ext_id": ("second entity", "update", "duplicate_entity", "ignored"),
    "later_than": ("strict", "not strict"),
    "message_limits": ("none", "1000", "4-byte refused", "4-byte cut"),
    "unknown_session": ("entity_not_found", "invalid_parameter_value", "invalid_date_time for old ones", "accepted"),
    "phone_rule": ("digits", "plus allowed", "russian", "plus required"),
    "date_zone": ("account", "utc", "moscow"),
    "id_space": ("different", "equal"),
    "forced_lost": ("neither side", "one side missing"),
    "status_word": ("succeed", "succeeded"),
    "nulls": ("refused", "accepted"),
    "report_delay_s": (0, 30, 600, "never"),
    "message_order": ("free", "ascending", "equal times refused"),
    "metadata_key": ("metadata", "meta_data", "absent", "no limits"),
    "login_expiry_key": ("expire_at", "expire"),
    "success_value": ("true", True),
    "id_echo": ("same", "other type", "null", "foreign"),
    "deprecated_version": ("off", "on"),
    "sources_state": ("present", "absent"),
    "session_duplicates": ("dropped", "old id"),
    "message_time": ("required", "optional"),
    "empty_messages": ("refused", "accepted"),
    "source_rule": ("not removed", "active only"),
    "field_path": ("names", "indices", "last"),
    "filter_operators": ("all", "few"),
    "error_metadata": ("present", "absent"),
}


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
        seconds = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if not (name == "report_delay_s" and seconds) and not any(
            value == one and type(value) is type(one) for one in SWITCHES[name]
        ):
            raise Refused(f"the switch {name} has no {value!r}; it has {SWITCHES[name]}")
    return dict(order)
