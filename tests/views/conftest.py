"""An account and the people in it, for the tests of the pages."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.factories import make_account
from tests.pages import LintingClient
from tests.views.acting import enter_as
from webapp.models import Account, Role


@pytest.fixture
def account(session: Session) -> Account:
    """«Ромашка», slug romashka."""
    return make_account(session, name="Ромашка")


@pytest.fixture
def owner(app: Flask, session: Session, account: Account) -> LintingClient:
    """An owner of the account, signed in."""
    return enter_as(app, session, account, Role.OWNER)


@pytest.fixture
def editor(app: Flask, session: Session, account: Account) -> LintingClient:
    """An editor of the account, signed in."""
    return enter_as(app, session, account, Role.EDITOR)


@pytest.fixture
def viewer(app: Flask, session: Session, account: Account) -> LintingClient:
    """A viewer of the account, signed in."""
    return enter_as(app, session, account, Role.VIEWER)
