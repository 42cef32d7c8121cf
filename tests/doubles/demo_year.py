"""A year of a curtain shop's chats for `make demo`, so that the report is worth looking at from the first minute.

The bodies are those that the stand-in for Jivo would send, and they go through the product's own intake, many in one
transaction instead of a request each: the attribution is what the product decides.
"""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp import create_app
from webapp.database import begin_as_reader
from webapp.extensions import db
from webapp.hits import Hit
from webapp.intake import accept
from webapp.models import Account, Integration, Site
from webapp.report import digest
from webapp.visits import Browser, record_hit

from .demo_chats import DAY, DemoChat, chat, past_moments
from .jivo import JivoDouble, Order

#: The days before these come through the webhook, one by one.
RECENT_DAYS, YEAR_DAYS = 30, 365

#: Chats of one transaction.
BATCH = 250

#: The share of chats on the site that name a session, a year ago and now: the script came onto page after page.
EARLY_SHARE, LATE_SHARE = 0.35, 0.75


def moments(number: int, now: int) -> list[int]:
    """So many moments of the year before the recent days, the earliest first.

    The shop grows, sells most in autumn and before summer, and is written to by day and less at weekends.
    """
    chance = random.Random(f"year {number}")
    found: list[int] = []
    while len(found) < number:
        days = chance.uniform(RECENT_DAYS, YEAR_DAYS)
        moment = int(now - days * DAY)
        at = datetime.fromtimestamp(moment, UTC) + timedelta(hours=3)
        growth = 1 - 0.5 * days / YEAR_DAYS
        season = 0.75 + 0.25 * math.cos((at.timetuple().tm_yday - 290) / 365 * 4 * math.pi)
        daytime = 0.04 if at.hour < 8 else 0.9 if at.hour < 21 else 0.3
        if chance.random() < growth * season * daytime * (0.55 if at.weekday() > 4 else 1):
            found.append(moment)
    return sorted(found)


def session_of(told: DemoChat, at: int, now: int) -> str | None:
    """The session that the counter has begun on the chat's page, for those that have one: the same whenever asked."""
    page = told.orders[-1]["overrides"].get("page") or {}
    if "url" not in page:
        return None
    chance = random.Random(f"visit {told.orders[0]['chat']}")
    passed = 1 - (now - at) / (YEAR_DAYS * DAY)
    if chance.random() > EARLY_SHARE + (LATE_SHARE - EARLY_SHARE) * passed:
        return None
    return str(chance.randrange(10**12, 2**53))


def with_session(told: DemoChat, number: str | None) -> DemoChat:
    """The chat as it comes from a page whose script has handed the session over."""
    if number is None:
        return told
    orders = [{**one, "overrides": one["overrides"] | {"user_token": f"as1.{number}"}} for one in told.orders]
    return DemoChat(told.channel, tuple(orders))


def fill(session: Session, account: Account, integration: Integration, number: int, recent: int, now: int) -> None:
    """Take in so many chats of the past, and bring the report up to date. Commits.

    Of the recent ones only the visits are made: the chats themselves come later, through the webhook.
    """
    sites = {site.domain: site for site in session.scalars(select(Site).where(Site.account_id == account.id))}
    past, later = moments(number, now), past_moments(recent, now)
    with JivoDouble() as double:
        for place, at in enumerate([*past, *later], 1):
            told = chat(place, at)
            visit = session_of(told, at, now)
            if visit is not None:
                _visit(session, account, sites, told, visit, at)
            if place <= number:
                for order in with_session(told, visit).orders:
                    _take_in(session, integration, double, order, told.channel)
            if place % BATCH == 0:
                session.commit()
    session.commit()
    digest.run_all(session)


def _visit(session: Session, account: Account, sites: dict[str, Site], told: DemoChat, number: str, at: int) -> None:
    chance = random.Random(f"browser {number}")
    url = told.orders[-1]["overrides"]["page"]["url"]
    referrer = chance.choice((None, None, "https://yandex.ru/", "https://www.google.com/"))
    hit = Hit(number, str(chance.randrange(10**12, 2**53)), 0, True, url, referrer, url)
    begun = datetime.fromtimestamp(at - chance.randrange(600, 2400), UTC)
    agent = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36"
    record_hit(session, account, sites[url.split("/")[2]], hit, Browser("192.0.2.7", agent), begun)


def _take_in(
    session: Session, integration: Integration, double: JivoDouble, order: dict[str, Any], channel: str | None
) -> None:
    body, headers = double.content(Order.read({**order, "url": "http://localhost/"}))
    accept(
        session,
        integration,
        body,
        content_type=headers.get("Content-Type"),
        channel=channel,
        received_at=datetime.fromtimestamp(order["at"], UTC),
    )


def main(slug: str, key: str, number: int, recent: int, now: int) -> None:
    """Fill the account's integration in the database that the environment names."""
    with create_app().app_context():
        begin_as_reader(False)
        session = db.session()
        account = session.scalars(select(Account).where(Account.slug == slug)).one()
        wanted = select(Integration).where(Integration.account_id == account.id, Integration.key == key)
        fill(session, account, session.scalars(wanted).one(), number, recent, now)
        db.session.remove()
        db.engine.dispose()
