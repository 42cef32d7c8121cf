"""Gathers from the rows what an upload is made of."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.conversation import ConversationType
from webapp.models import Account, Communication, Delivery, Employee, Site, utc_now
from webapp.wording import channel_name

from .compose import Entry, Told


def told_of(session: Session, delivery: Delivery, communication: Communication, account: Account) -> Told:
    """Everything that a cabinet is told of a communication, as it stands now."""
    integration = communication.integration
    visit = communication.visit
    employees = {}
    if any(row.get("email") for row in communication.messages or []):
        employees = _employees(session, account)
    named = integration.employee or communication.employee
    return Told(
        type=ConversationType(communication.type),
        ext_id=delivery.ext_id,
        started_at=communication.started_at,
        now=utc_now(),
        zone=ZoneInfo(account.timezone),
        host=urlsplit(account.cabinet_url or "").hostname or "",
        name=communication.contact_name,
        phone=communication.contact_phone,
        email=communication.contact_email,
        text=communication.text or "",
        messages=communication.messages or [],
        channel=channel_name(communication.channel) if communication.channel not in (None, "site") else None,
        form=integration.name,
        session=_session(delivery, communication, visit),
        campaign=_entry(communication.campaign),
        source=_entry(communication.source),
        site=_entry(communication.site),
        only_site=None if communication.site_id else _only_site(session, account),
        employees=employees,
        employee=_number(named) if named is not None and named.archived_at is None else None,
        shorten=delivery.shortened,
    )


def wants_marks_session(delivery: Delivery, communication: Communication) -> bool:
    """True when the decision is that the cabinet judges the marks, and it has no session with them yet."""
    made = (delivery.marks_session or "").isdecimal()
    return _decided_by_marks(communication) and not made


def _decided_by_marks(communication: Communication) -> bool:
    step: dict[str, Any] = next(iter((communication.trail or [])[-1:]), {})
    return communication.rule == "utm" and bool((step.get("facts") or {}).get("unchecked"))


def _session(delivery: Delivery, communication: Communication, visit: Any) -> str | None:
    if communication.session_named:
        return communication.session_named
    if visit is not None:
        return str(visit.session_id)
    if _decided_by_marks(communication) and (delivery.marks_session or "").isdecimal():
        return delivery.marks_session
    return None


def _entry(row: Any) -> Entry | None:
    return None if row is None else Entry(row.key, row.archived_at is None)


def _number(employee: Employee) -> int | None:
    return int(employee.key) if employee.key.isdecimal() else None


def _employees(session: Session, account: Account) -> dict[str, int]:
    """Where two have the same e-mail, the one who was there first."""
    rows = session.execute(
        select(Employee.email, Employee.key)
        .where(Employee.account_id == account.id, Employee.archived_at.is_(None), Employee.email.is_not(None))
        .order_by(Employee.id.desc())
    )
    return {email.casefold(): int(key) for email, key in rows if key.isdecimal()}


def _only_site(session: Session, account: Account) -> Entry | None:
    """A source needs a site beside it; where there is only one it goes without saying."""
    keys = session.scalars(
        select(Site.key).where(Site.account_id == account.id, Site.archived_at.is_(None)).limit(2)
    ).all()
    return Entry(keys[0]) if len(keys) == 1 else None
