"""A connected account for the tests of the outside cabinet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.cabinets.outside import Outside, connected


@pytest.fixture
def outside(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """The account, its stand-in and its worker."""
    with connected(app, session, monkeypatch) as outside:
        yield outside
