"""The record of who changed which setting. No secret ever stands in it, and no contact of a visitor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session, scoped_session

from webapp.logs import MASK, SECRET_KEYS
from webapp.models import AuditRecord, User

_LONGEST_ACTOR, _LONGEST_SUBJECT = 254, 255


def record(
    session: Session | scoped_session[Any],
    account_id: int,
    *,
    user: User | None = None,
    actor: str | None = None,
    action: str,
    subject: str,
    changes: Mapping[str, Any],
) -> AuditRecord:
    """Write that ``user``, or the command ``actor``, did ``action`` to ``subject``; the caller commits.

    ``changes`` maps a field to [before, after]. The values of fields whose names speak of secrets or contacts are
    masked, at any depth; that there was none before, or is none now, can still be seen.
    """
    written = AuditRecord(
        account_id=account_id,
        user_id=user.id if user else None,
        actor=(actor or (user.email if user else "system"))[:_LONGEST_ACTOR],
        action=action,
        subject=subject[:_LONGEST_SUBJECT],
        changes={name: _masked(name, value) for name, value in changes.items()},
    )
    session.add(written)
    return written


def _masked(name: str, value: Any) -> Any:
    secret = bool(SECRET_KEYS.search(name))
    if isinstance(value, Mapping):
        return {key: _masked(f"{name}.{key}" if secret else str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(name, item) for item in value]
    # A number or a switch is a setting, such as the window of contacts; only text can be a secret.
    return MASK if secret and isinstance(value, str) and value else value
