"""The amoCRM stand-in and the product on one stage: an account, an integration, and what became of a talk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests.doubles.amocrm import AmoDouble
from tests.factories import make_account, make_integration
from webapp import authorizations, jobs
from webapp.authorizations import OpenLink
from webapp.extensions import db
from webapp.models import (
    Authorization,
    AuthorizationState,
    Communication,
    Integration,
    Lookup,
    Reconciliation,
    WebhookEvent,
    utc_now,
)


@contextmanager
def on_stage(app: Flask, session: Session, server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stand-in that the product may call, and an active integration that nobody has connected yet."""
    with AmoDouble() as amo:
        settings = app.config["SETTINGS"]
        changes = {"EXTRA_VENDOR_HOSTS": (amo.domain,), "AMOCRM_OAUTH_URL": amo.oauth_url, "PUBLIC_URL": server}
        monkeypatch.setitem(app.config, "SETTINGS", settings.model_copy(update=changes))
        amo.set_redirect_uri(f"{server}/oauth/amocrm/callback")
        integration = make_integration(session, make_account(session), "amo", "amocrm", name="amoCRM")
        yield Stage(app, session, server, amo, integration)


class Stage:
    """Drives both sides; every look at the database is a new one."""

    def __init__(self, app: Flask, session: Session, server: str, amo: AmoDouble, integration: Integration) -> None:
        self.app, self.session, self.server, self.amo = app, session, server, amo
        self.integration_id, self.account_id = integration.id, integration.account_id
        self.hook = server + integration.hook_path()
        session.rollback()

    @property
    def integration(self) -> Integration:
        """As it is now."""
        self.session.rollback()
        return self.session.get(Integration, self.integration_id, populate_existing=True)

    @property
    def authorization(self) -> Authorization:
        """As it is now."""
        return self.integration.authorization

    def connect(self, **values: Any) -> Authorization:
        """An authorization with a fresh pair of tokens, as after a consent, and the webhook subscribed."""
        told = self.amo.issue_tokens()
        row = Authorization(
            account_id=self.account_id,
            vendor="amocrm",
            key="main",
            name="Основная",
            domain=f"http://{self.amo.domain}",
            url=self.amo.url,
            token_url=f"{self.amo.url}/oauth2/access_token",
            client_id=self.amo.client_id,
            client_secret=self.amo.client_secret,
            access_token=told["access_token"],
            refresh_token=told["refresh_token"],
            expires_at=utc_now() + timedelta(hours=23),
            redirect_uri=f"{self.server}/oauth/amocrm/callback",
            state=AuthorizationState.CONNECTED,
            vendor_account_id=str(self.amo.tenant_id),
            **values,
        )
        self.session.add(row)
        self.session.flush()
        authorizations.tie(self.integration, row)
        self.session.commit()
        return row

    def choose_field(self, **options: Any) -> int:
        """A text field for the session in the stand-in, chosen in the integration."""
        field = self.amo.create_field("Сессия", "text")["id"]
        integration = self.integration
        integration.options = {**(integration.options or {}), "session_field": field, **options}
        self.session.commit()
        return field

    def subscribe(self, with_text: bool = False) -> None:
        """Our webhook, subscribed the way the button does."""
        with self.app.app_context():
            link = self.link()
            assert link.connection.subscribe(link, self.hook, with_text) == "ok"

    def link(self) -> OpenLink:
        """The authorization, to be spoken through within an application context."""
        number = self.authorization.id
        self.session.rollback()
        return OpenLink(db.engine, self.app.config["SETTINGS"], number, "amocrm")

    def talk(self, origin: str = "onlinechat", **lead: Any) -> int:
        """A talk with a lead and a contact behind it, still open."""
        contact = self.amo.create_contact("Мария Петрова", ["8 900 000-01-01"], ["Maria@Mail.example"])["id"]
        made = self.amo.create_lead(contacts=[contact], **lead)["id"]
        return self.amo.create_talk(made, origin=origin)["id"]

    def lead_of(self, talk: int) -> int:
        """The lead behind a talk."""
        return self.amo.state.tenant().talks[talk].entity_id

    def run(self, job: str, row_id: int) -> None:
        """Do a job now."""
        jobs.handlers(self.app)[job](row_id)

    def look_up(self) -> None:
        """Do every lookup that is open, once, as if its time had come."""
        self.session.rollback()
        self.session.execute(update(Lookup).where(Lookup.next_at.is_not(None)).values(next_at=utc_now()))
        self.session.commit()
        open_ones = self.session.scalars(select(Lookup.communication_id).where(Lookup.done_at.is_(None))).all()
        self.session.rollback()
        for number in open_ones:
            self.run("look_up", number)

    def lookup(self) -> Lookup:
        """The only one."""
        self.session.rollback()
        return self.session.scalars(select(Lookup)).one()

    def communications(self) -> list[Communication]:
        """What was recorded, in the order of recording."""
        self.session.rollback()
        return list(self.session.scalars(select(Communication).order_by(Communication.id)))

    def communication(self) -> Communication:
        """The only one."""
        [found] = self.communications()
        return found

    def events(self) -> list[WebhookEvent]:
        """What was stored, in the order of arrival."""
        self.session.rollback()
        return list(self.session.scalars(select(WebhookEvent).order_by(WebhookEvent.id)))

    def reconciliations(self) -> list[Reconciliation]:
        """All looks for what was missed."""
        self.session.rollback()
        return list(self.session.scalars(select(Reconciliation).order_by(Reconciliation.id)))
