"""A shop that has our lines on its pages, and a visitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.doubles.site import SiteDouble
from tests.factories import make_account, make_campaign, make_integration, make_site, make_source
from tests.waiting import until
from webapp.models import Account, Campaign, Communication, Integration, ScriptSighting, Visit, VisitTie, utc_now


@dataclass(frozen=True)
class Shop:
    """The site «shop.localhost» of «Ромашка», with a Jivo widget and what its visitors leave with us."""

    site: SiteDouble
    session: Session
    server: str
    account: Account
    campaign: Campaign
    integration: Integration

    @property
    def counter(self) -> str:
        """The line of the counter."""
        return f'<script async src="{self.server}/c/shop.js"></script>'

    @property
    def script(self) -> str:
        """The line of the integration's script."""
        return f'<script async src="{self.server}/i/{self.integration.public_id}.js"></script>'

    def visits(self, count: int = 1) -> list[Visit]:
        """The visits, once there are so many."""
        return self._all(select(Visit).order_by(Visit.started_at, Visit.id), count)

    def ties(self, count: int = 1) -> list[VisitTie]:
        """The ties of numbers to visits, once there are so many."""
        return self._all(select(VisitTie).order_by(VisitTie.id), count)

    def sightings(self, count: int = 1) -> list[ScriptSighting]:
        """What the script said of itself, once it has."""
        return self._all(select(ScriptSighting).order_by(ScriptSighting.id), count)

    def only(self) -> Communication:
        """The one communication, once it is there."""
        [found] = self._all(select(Communication), 1)
        return found

    def outcomes(self) -> dict[str, str]:
        """How each rule ended for the one communication."""
        return {step["rule"]: step["outcome"] for step in self.only().trail}

    def _all(self, query: Any, count: int) -> list[Any]:
        def look() -> list[Any] | None:
            self.session.rollback()
            found = self.session.scalars(query).all()
            return list(found) if len(found) >= count else None

        return until(look)


@pytest.fixture
def site() -> Iterator[SiteDouble]:
    """The stand-in site, with nothing of ours on it yet."""
    with SiteDouble() as site:
        yield site


@pytest.fixture
def shop(session: Session, server: str, site: SiteDouble) -> Shop:
    """The counter, the widget and the integration's script on every page; its chats go to our webhook."""
    account = make_account(session, name="Ромашка")
    ours = make_site(session, account, "shop", "shop.localhost", name="Магазин штор")
    rules = [{"utm_source": "yandex", "utm_medium": "cpc"}]
    campaign = make_campaign(session, account, rules=rules, site_id=ours.id)
    make_source(session, account, "search", "Поиск", rules=[{"referrer_host": "search.localhost"}])
    integration = make_integration(session, account, saved_at=utc_now())
    shop = Shop(site, session, server, account, campaign, integration)
    site.jivo.hooks["*"] = server + integration.hook_path()
    site.layout(head=[shop.counter, "jivo", shop.script])
    session.rollback()
    return shop


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a tab of a new person: ``visitor(**options of the context)``. Nothing of ours may raise on the page."""
    contexts: list[BrowserContext] = []
    raised: list[str] = []

    def come(**options: Any) -> Page:
        context = browser.new_context(locale="ru-RU", **options)
        context.set_default_timeout(8000)
        # Where an error came from stands in its stack, not in its message.
        context.on("weberror", lambda error: raised.append(f"{error.error} {error.error.stack}"))
        contexts.append(context)
        return context.new_page()

    yield come
    for context in contexts:
        context.close()
    ours = [error for error in raised if "/c/" in error or "/i/" in error]
    assert ours == []
