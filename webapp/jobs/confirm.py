"""Reads back what an outside cabinet made of an account's communications."""

from __future__ import annotations

from webapp.cabinets.dataapi.confirming import confirm
from webapp.extensions import db


def handle(row_id: int) -> None:
    """Read back all that is due in this account."""
    confirm(db.session(), row_id)
