"""An account that wants to be told, and the servers that are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.doubles.mail import MailDouble
from tests.doubles.receiver import ReceiverDouble
from tests.factories import make_account, make_integration
from webapp.models import Account, AlertSetting, Integration


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def jivo(session: Session, account: Account) -> Integration:
    return make_integration(session, account)


@pytest.fixture
def receiver() -> Iterator[ReceiverDouble]:
    with ReceiverDouble() as double:
        yield double


@pytest.fixture
def post_office() -> Iterator[MailDouble]:
    with MailDouble() as double:
        yield double


@pytest.fixture
def setting(app: Flask, session, account, receiver, post_office, monkeypatch) -> AlertSetting:
    """Mail and webhooks lead to the doubles."""
    changed = {
        "SMTP_URL": post_office.url,
        "MAIL_FROM": "trail@leadtrail.example",
        "EXTRA_VENDOR_HOSTS": (receiver.host,),
        "PUBLIC_URL": "https://trail.example",
    }
    monkeypatch.setitem(app.config, "SETTINGS", app.config["SETTINGS"].model_copy(update=changed))
    made = AlertSetting(
        account_id=account.id,
        emails=["olga@romashka.example", "pavel@romashka.example"],
        webhook_url=f"{receiver.url}/hook",
        webhook_secret="s3cret",
    )
    session.add(made)
    session.commit()
    return made
