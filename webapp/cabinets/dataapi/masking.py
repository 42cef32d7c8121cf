"""Requests and answers as they may be kept and shown: without keys and without personal data."""

from __future__ import annotations

import json
from typing import Any

from webapp.logs import MASK, redact

#: Whatever stands under these names.
_PERSONAL = frozenset(
    {
        "access_token", "name", "phone", "email", "message", "text", "value", "visitor_name", "visitor_phone_number",
        "visitor_email", "visitor_ip_address", "entrance_page_url", "contact_full_name", "contact_phone_number",
    }
)  # fmt: skip

LONGEST = 20_000


def masked(value: Any) -> Any:
    """The same with every personal text as the mask and its length."""
    if isinstance(value, dict):
        return {key: _hidden(one) if key in _PERSONAL else masked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [masked(one) for one in value]
    return redact(value) if isinstance(value, str) else value


def _hidden(value: Any) -> Any:
    if isinstance(value, dict | list):
        return masked(value)
    return None if value is None else f"{MASK} ({len(str(value))})"


def masked_request(method: str, params: dict[str, Any]) -> str:
    """A request as JSON."""
    return _text({"method": method, "params": {"access_token": MASK, **masked(params)}})


def masked_answer(answer: str) -> str | None:
    """An answer as JSON; of what is none only the length."""
    if not answer:
        return None
    try:
        body = json.loads(answer)
    except (ValueError, RecursionError):
        return f"{MASK} ({len(answer)})"
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        # The message of an error is for people and says what is wrong; what was sent may stand in its data.
        told = masked(error) | {"message": redact(str(error.get("message") or ""))}
        return _text({**masked({k: v for k, v in body.items() if k != "error"}), "error": told})
    return _text(masked(body))


def _text(value: Any) -> str:
    return (
        json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "replace").decode()[:LONGEST].replace("\0", "")
    )
