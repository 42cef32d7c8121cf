"""Rows for tests, with as little said as possible."""

from __future__ import annotations

from typing import Any

from webapp.models import (
    Account,
    Alert,
    Campaign,
    ChannelMapping,
    Employee,
    Integration,
    Membership,
    Role,
    Site,
    Source,
    TargetKind,
    Task,
    TaskKind,
    User,
    VendorClient,
    Visit,
    VisitTie,
    utc_now,
)

PASSWORD = "long enough password"


def _add(session: Any, row: Any) -> Any:
    session.add(row)
    session.commit()
    return row


def make_account(session: Any, slug: str = "romashka", **values: Any) -> Account:
    """An account."""
    return _add(session, Account(slug=slug, name=values.pop("name", slug.title()), **values))


def make_user(
    session: Any, email: str = "owner@romashka.example", account: Account | None = None, role: Role = Role.OWNER
) -> User:
    """A user, with a role in an account if one is given."""
    user = User(email=email, name="")
    user.set_password(PASSWORD)
    if account is not None:
        user.memberships.append(Membership(account_id=account.id, role=role))
    return _add(session, user)


def make_site(session: Any, account: Account, key: str = "shop", domain: str = "shop.example", **values: Any) -> Site:
    """A site."""
    return _directory(
        session, Site(account_id=account.id, key=key, domain=domain, name=values.pop("name", domain), **values)
    )


def make_campaign(
    session: Any, account: Account, key: str = "direct", name: str = "Яндекс.Директ", rules: Any = (), **values: Any
) -> Campaign:
    """A campaign; ``rules`` as the configuration file has them, equality only."""
    stored = [[{"mark": mark, "op": "equals", "value": value} for mark, value in rule.items()] for rule in rules]
    return _directory(session, Campaign(account_id=account.id, key=key, name=name, rules=stored, **values))


def make_source(
    session: Any, account: Account, key: str = "tg", name: str = "Telegram-канал", rules: Any = (), **values: Any
) -> Source:
    """A source; ``rules`` as for a campaign."""
    stored = [[{"mark": mark, "op": "equals", "value": value} for mark, value in rule.items()] for rule in rules]
    return _directory(session, Source(account_id=account.id, key=key, name=name, rules=stored, **values))


def make_employee(
    session: Any,
    account: Account,
    key: str = "ivanov",
    full_name: str = "Иванов Иван",
    email: str | None = "ivanov@shop.example",
    **values: Any,
) -> Employee:
    """An employee."""
    return _directory(session, Employee(account_id=account.id, key=key, full_name=full_name, email=email, **values))


def _directory(session: Any, entry: Any) -> Any:
    entry.refresh_search_text()
    return _add(session, entry)


def make_integration(
    session: Any, account: Account, key: str = "jivo", vendor: str = "jivo", active: bool = True, **values: Any
) -> Integration:
    """An integration."""
    integration = Integration(
        account_id=account.id, key=key, vendor=vendor, name=values.pop("name", "Jivo"), active=active, **values
    )
    integration.set_secret()
    return _add(session, integration)


def map_channel(
    session: Any,
    integration: Integration,
    channel: str,
    campaign: Campaign | None = None,
    source: Source | None = None,
    site: Site | None = None,
) -> ChannelMapping:
    """A row of «Соответствие мессенджеров и источников»."""
    row = ChannelMapping(integration_id=integration.id, channel=channel)
    row.point_to(
        TargetKind.CAMPAIGN if campaign else TargetKind.SOURCE,
        campaign and campaign.id,
        source and source.id,
        site and site.id,
    )
    return _add(session, row)


def make_visit(session: Any, account: Account, session_id: str = "8f3c2d7e", **values: Any) -> Visit:
    """A visit that begins now unless told otherwise."""
    started_at = values.pop("started_at", utc_now())
    return _add(
        session,
        Visit(account_id=account.id, session_id=session_id, started_at=started_at, last_seen_at=started_at, **values),
    )


def tie_visit(
    session: Any, integration: Integration, visit: Visit, client: str = "412", tied_at: Any = None
) -> VisitTie:
    """What the site script's beacon leaves behind, at the beginning of the visit unless told otherwise."""
    known = session.query(VendorClient).filter_by(integration_id=integration.id, client=client).first()
    person = known or VendorClient(
        account_id=integration.account_id, integration_id=integration.id, client=client, updated_at=utc_now()
    )
    person.visit_tied_at = utc_now()
    session.add(person)
    return _add(
        session,
        VisitTie(
            integration_id=integration.id,
            client=client,
            session_id=visit.session_id,
            visit_id=visit.id,
            tied_at=tied_at or visit.started_at,
        ),
    )


def make_task(session: Any, account: Account, kind: str = TaskKind.REATTRIBUTE, **values: Any) -> Task:
    """A task that nobody has begun with."""
    return _add(session, Task(account_id=account.id, kind=kind, actor=values.pop("actor", "owner@x.example"), **values))


def make_alert(session: Any, account: Account, name: str = "failed_events", subject: str = "1", **facts: Any) -> Alert:
    """An open alert."""
    return _add(
        session,
        Alert(
            account_id=account.id,
            name=name,
            subject=subject,
            facts={"count": 2, "integration": "Jivo", **facts},
            present=2,
            opened_at=utc_now(),
            told_at=utc_now(),
        ),
    )
