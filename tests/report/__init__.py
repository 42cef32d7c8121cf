"""The report without its pages. Here: communications of all kinds, and the truth about them by plain reading."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy.orm import Session

from tests.factories import make_account, make_campaign, make_integration, make_site, make_source, make_visit
from tests.views.acting import make_communication
from webapp.database import begin_as_reader
from webapp.extensions import db
from webapp.models import Account, Communication, Integration

AT = datetime(2026, 3, 9, 11, 5, tzinfo=UTC)

RULES = ("visit", "beacon", "contact", "utm", "channel", "default", "none")
CHANNELS = ("site", "telegram", "whatsapp", None)
WORDS = ("шторы", "карниз", "тюль", "замер", "блэкаут", "доставка", "римские")


@contextmanager
def inside(app: Flask) -> Iterator[Session]:
    """The application's own session, as a job has it."""
    with app.app_context():
        begin_as_reader(False)
        yield db.session()
        db.session.remove()


def make_integrations(session: Session, slug: str = "romashka") -> tuple[Account, Integration]:
    """An account in Moscow's time with an integration."""
    account = make_account(session, slug, timezone="Europe/Moscow")
    integration = make_integration(session, account, f"jivo-{slug}")
    return account, integration


def scatter(session: Session, account: Account, integration: Integration, number: int, seed: int = 1) -> None:
    """So many communications of all kinds over half a year; commits."""
    chance = random.Random(seed)
    campaigns = [make_campaign(session, account, f"c{place}", f"Кампания {place}").id for place in range(3)]
    sources = [make_source(session, account, f"s{place}", f"Источник {place}").id for place in range(2)]
    site = make_site(session, account, f"site-{account.slug}", f"{account.slug}.example").id
    visits = [make_visit(session, account, f"{account.slug}-{place}").id for place in range(3)]
    for place in range(number):
        rule = chance.choice(RULES)
        phone = f"+7916{chance.randrange(number):07d}" if chance.random() < 0.7 else None
        make_communication(
            session,
            integration,
            f"{seed}-{place}",
            started_at=AT - timedelta(minutes=chance.randrange(180 * 1440)),
            type=chance.choice(("chat", "chat", "offline_message")),
            rule=rule,
            channel=chance.choice(CHANNELS),
            contact_name=chance.choice(("Мария", "Пётр", None)),
            contact_phone=phone,
            contact_email=f"m{chance.randrange(number)}@shop.example" if chance.random() < 0.3 else None,
            campaign_id=chance.choice([*campaigns, None]) if rule != "none" else None,
            source_id=chance.choice([*sources, None]),
            site_id=chance.choice((site, None)),
            visit_id=chance.choice(visits) if rule == "visit" else None,
            text=" ".join(chance.choices(WORDS, k=3)) + f" заказ{place % 17}",
        )
    session.commit()


def truth(session: Session, account: Account) -> list[Communication]:
    """Every communication of the account, the latest first."""
    query = db.select(Communication).where(Communication.account_id == account.id)
    return list(session.scalars(query.order_by(Communication.started_at.desc(), Communication.id.desc())))


def values(**told: Any) -> dict[str, str]:
    """Parameters of an address."""
    return {name: str(value) for name, value in told.items()}
