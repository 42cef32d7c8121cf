"""The switches of the amoCRM stand-in: what no document says, or several say differently (contract, sections 6 and 7).

Each switch's values, the default first; the defaults are the strictest reading. Those of ``NUMBERS`` take any number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .server import Refused

OAUTH: dict[str, tuple[Any, ...]] = {
    "token_body": ("json", "form accepted", "form is 401"),
    # whether the old one lives until the new pair is first used.
    "old_refresh_token": ("dead", "until the new pair is used"),
    # Whether an access token ends when its pair is exchanged.
    "old_access_token": ("dead", "alive"),
    "token_reply": (
        *("normal", "no server_time", "extra keys", "opaque access token", "no refresh_token", "200 error"),
    ),
    #
    "token_error_status": (400, 401),
    "token_error_hint": ("present", "missing"),
    "code": ("normal", "expired", "used", "garbled", "other account"),
    "consent": ("approve", "deny", "click"),
    "callback_state": ("ok", "changed", "missing"),
    # Any other text that begins with "=" is sent as the referer: "=evil.example".
    "callback_referer": ("ok", "foreign", "port", "path", "upper", "idn", "absent"),
    "platform": ("1", "2"),
    "secrets_hook": ("before", "after", "without the redirect", "wrong state"),
    "disabled_hook": ("right", "wrong", "client_id", "replayed", "unknown account"),
    #
    "hooks_when_disabled": ("vanish", "stay"),
    "moved": ("401", "drop", "404"),
    "api_domain": ("own", "foreign"),
    "user_agent": ("own", "any"),
}

HOOKS: dict[str, tuple[Any, ...]] = {
    # "hold" keeps hooks until flush_hooks, "lost" never sends them: what happened is to be found by the API.
    "delivery": ("now", "hold", "lost"),
    "hook_brackets": ("percent", "raw", "no index"),
    "hook_space": ("+", "%20"),
    "hook_padding": ("none", "3000 fields", "2 MB", "cyrillic and emoji"),
    "hook_account": ("full", "subdomain only", "absent", "other tenant"),
    "hook_talk": ("plain", "status and source_id", "no entity"),
    "hook_message": ("plain", "no entity", "old"),
    "hook_delete": ("object", "bare id"),
    "hook_values": ("list of objects", "list of scalars", "single object", "null string"),
    "hook_duplicates": ("none", "twice", "parallel"),
    # the request id of a repeated request.
    "hook_request_id": ("new", "same"),
    "hook_retries": ("on", "off"),
    "hook_disabling": ("on", "off"),
    # whether POST /webhooks switches a disabled hook on again.
    "post_enables": (False, True),
    #
    "nps": ("off", "is_in_work 1", "is_in_work 0"),
    "hook_on_rating": (True, False),
}

API: dict[str, tuple[Any, ...]] = {
    "absent": ("204", "204 with a content-type"),
    "retry_after": ("body", "header", "neither"),
    "enum_key": ("enum_code", "enum"),
    "lead_embedded": ("present", "absent"),
    "talk_extra": ("absent", "present"),
    "page_count": ("right", "wrong"),
    "last_page": ("normal", "empty"),
    "talks_list": ("on", "404"),
    "talks_order": ("newest first", "oldest first"),
    # Whether events about talks are there, as Kommo's pages say, or only those of the Russian list.
    "events": ("all", "russian list"),
    "errors_shape": ("list", "object"),
    # a field that is written null or an empty list.
    "clear_field": ("accepted", "refused", "ignored"),
    #
    "meta_code": ("refused", "accepted"),
    "meta_api_only": ("refused", "accepted"),
}

SWITCHES = OAUTH | HOOKS | API

#: Any number that is not negative; the default.
NUMBERS: dict[str, float] = {
    "consent_tenant": 0,  # Which account consents; 0 is the first it may be.
    "time_factor": 1,  # Pauses between attempts of a hook are multiplied by it.
    "hook_timeout_s": 2,
    "rate_limit": 7,  # Requests in a second of one integration in one account; 0 is no limit.
    "account_rate_limit": 50,
    "retry_after_s": 300,
    "ban_after": 100,  # So many 429 in a row of ten minutes end in 403 for an hour; 0 is never.
    "fields_limit": 50,  # The largest page of custom fields: the documents say 50 and 250.
    "timeout_above_limit": 0,  # Pages with a larger limit are 504; 0 is never.
    "meta_delay_s": 0,  # a field that setMeta fills is seen so long after its talk was closed.
}


def defaults() -> dict[str, Any]:
    """Every switch at its default."""
    return {name: values[0] for name, values in SWITCHES.items()} | NUMBERS


def checked(order: Any) -> dict[str, Any]:
    """The switches of an order. Raises Refused for an unknown name or value."""
    if not isinstance(order, Mapping):
        raise Refused("switches must be an object")
    for name, value in order.items():
        if name in NUMBERS:
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise Refused(f"the switch {name} is a number, not {value!r}")
        elif name not in SWITCHES:
            raise Refused(f"no switch {name!r}; there are {', '.join((*SWITCHES, *NUMBERS))}")
        elif value not in SWITCHES[name] and not (name == "callback_referer" and str(value).startswith("=")):
            raise Refused(f"the switch {name} has no {value!r}; it has {SWITCHES[name]}")
    return dict(order)
