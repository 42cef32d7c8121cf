"""Looks whether a paused cabinet takes something again."""

from __future__ import annotations

from webapp.cabinets.dataapi.probing import probe
from webapp.extensions import db

from .upload import decide


def handle(row_id: int) -> None:
    """Probe the pause of this number."""
    probe(db.session(), row_id, decide)
