"""What is assumed about amoCRM because no document says it: one constant or function for each open point.

The ids are those of the amoCRM contract's table of assumptions. Nothing else in this folder may repeat one of them:
when a real account shows the truth, its line here is the only one to change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: A-03: a script's setMeta surely fills a plain text field that people may edit too; named by its numeric id.
NEW_FIELD: Mapping[str, Any] = {
    "name": "Leadtrail session",
    "type": "text",
    "code": "LEADTRAIL_SESSION",
    "is_api_only": False,
}
GOOD_FIELD_TYPES = ("text", "textarea", "tracking_data")

#: A-03: amoCRM may write these in a form of its own, so a session may come back as another text.
DOUBTFUL_FIELD_TYPES = ("numeric", "url")

#: A-05: after a lost answer the old refresh token is tried so often again.
TRIES_AFTER_LOST_ANSWER = 1

#: A-05, A-15: and so often after it was said to be dead: what is thrown away cannot be had again without a person.
TRIES_AFTER_DEAD_TOKEN = 1

#: A-06: codes of VK, Avito, MAX and others in real hooks are unknown; these pieces of a code tell the messenger.
ORIGIN_PIECES: tuple[tuple[str, str], ...] = (
    ("whatsapp", "whatsapp"),
    ("insta", "instagram"),
    ("telegram", "telegram"),
    ("avito", "avito"),
    ("viber", "viber"),
    ("facebook", "facebook"),
    ("odnoklassniki", "ok"),
    ("vkontakte", "vk"),
)
#: The same for short ones, which must stand alone between the signs of a code.
ORIGIN_WORDS: Mapping[str, str] = {
    "wa": "whatsapp",
    "tg": "telegram",
    "vk": "vk",
    "fbm": "facebook",
    "max": "max",
    "ok": "ok",
    "ig": "instagram",
}

#: A-07: whether a POST switches a disabled hook on again is unknown, so the state is read after it.
READ_HOOK_AFTER_POST = True

#: A-08: no official number but Kommo's, 7 requests a second for an integration. One less, because requests that leave
#: at even distances do not arrive so.
REQUESTS_PER_SECOND = 6.0

#: A-09: whether x-amocrm-requestid repeats on a redelivery is unknown: it is no key and not read.

#: A-11: how a field is emptied is not documented; the vendor's own library sends null for the values.
EMPTY_VALUES = None

#: Section 4.2, A-03: what our script writes into the field; the prefix is what it writes elsewhere.
_SESSION = re.compile(r"(?:as1\.)?([0-9]{1,20})")
_LARGEST_SESSION = 2**63 - 1

#: A-13: a tracking_callback of ours is not used.


def is_closed(talk: Mapping[str, Any]) -> bool:
    """A-01: a talk is closed when ``is_in_work`` is 0, whatever the NPS bot does; later hooks only tell the rate.

    Without the flag the newer ``status`` decides, and without both nothing says that it is over.
    """
    flag = talk.get("is_in_work")
    if flag is None or flag == "":
        return talk.get("status") == "closed"
    return str(flag).lower() in ("0", "false")


def talk_key(talk_id: str) -> str:
    """A-02, A-10, A-12: a talk is one communication however often it is closed, and each item of a request counts by
    itself; the same state told again changes nothing."""
    return talk_id


def needs_consent(status: int) -> bool:
    """A-15: any 4xx of the token endpoint but 429 is a refusal, whatever its number."""
    return 400 <= status < 500 and status != 429


#: A-15: refusals that say that a refresh token is dead, and those that say that our settings are wrong. Any other may
#: come from a server before the token endpoint: it costs no tokens.
DEAD_TOKEN = frozenset({"token_revoked", "token_invalid"})
WRONG_SETTINGS = frozenset({"client_id", "client_secret", "redirect_uri", "wrong_account"})

#: A-15: seconds until a refusal without a reason is asked for again.
UNSURE_AGAIN = 120.0


def session_of(value: str | None) -> str | None:
    """The session in a lead's field, None when it is none of ours. It came through a browser: a hint, never a proof."""
    found = _SESSION.fullmatch((value or "").strip())
    number = int(found[1]) if found else 0
    return str(number) if 0 < number <= _LARGEST_SESSION else None


def claimed_host(claims: Mapping[str, Any]) -> str | None:
    """A-14: where the token says that its account's API is. A hint: GET /account is the authority."""
    host = claims.get("api_domain")
    return host if isinstance(host, str) else None
