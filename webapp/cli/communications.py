"""``communications export``: every communication with its attribution, a line of JSON each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
from flask import current_app, g
from flask.cli import AppGroup
from flask_babel import force_locale, refresh
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, defer

from webapp import wording
from webapp.conversation import UTM_KEYS
from webapp.database import reading_only
from webapp.extensions import db
from webapp.marks import known_utm
from webapp.models import Account, Campaign, Communication, Delivery, Employee, Integration, Site, Source, Visit

from .exports import batches, iso, write_lines
from .lookup import account_id

group = AppGroup("communications", help="The attributed communications.")

#: Nothing is handed over: the embedded cabinet is the cabinet, or it is only a test of ours.
NO_DELIVERY = {"state": "none", "reason": None, "external_id": None, "attempts": 0}


class Moment(click.ParamType):
    """An ISO 8601 moment; without a zone it is UTC."""

    name = "ISO"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """See click.ParamType."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a moment such as 2026-11-21 or 2026-11-21T09:30:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@group.command("export")
@click.option("--account", "slug", metavar="SLUG", help="Only this account.")
@click.option(
    "--since",
    type=Moment(),
    help="Only communications that started at this moment or later (ISO 8601; UTC without a zone).",
)
def export(slug: str | None, since: datetime | None) -> None:
    """Write the communications to standard output as JSON lines, the oldest record first."""
    with reading_only():
        session = db.session()
        write_lines(lines(session, account_id=account_id(session, slug), since=since))


def lines(
    session: Session, *, account_id: int | None = None, since: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Each communication in the exported form (DESIGN §8), by id. Needs an application context."""
    for rows in batches(session, _query(account_id, since), Communication.id):
        yield from _batch(session, rows)


def _query(number: int | None, since: datetime | None) -> Select[Any]:
    query = (
        select(
            Communication.id,
            Communication,
            Account,
            Integration.key,
            Integration.vendor,
            Employee.key,
            Site.key,
            Campaign.key,
            Source.key,
            func.coalesce(Visit.session_id, Communication.session_named),
            Visit.marks,
            Delivery,
        )
        .options(defer(Communication.search_text), defer(Communication.clues))
        .select_from(Communication)
        .join(Account, Account.id == Communication.account_id)
        .join(Integration, Integration.id == Communication.integration_id)
        .outerjoin(Employee, Employee.id == Communication.employee_id)
        .outerjoin(Site, Site.id == Communication.site_id)
        .outerjoin(Campaign, Campaign.id == Communication.campaign_id)
        .outerjoin(Source, Source.id == Communication.source_id)
        .outerjoin(Visit, Visit.id == Communication.visit_id)
        .outerjoin(Delivery, Delivery.communication_id == Communication.id)
    )
    if number is not None:
        query = query.where(Communication.account_id == number)
    if since is not None:
        query = query.where(Communication.started_at >= since)
    return query


def _batch(session: Session, rows: list[Any]) -> list[dict[str, Any]]:
    """The trail speaks Russian and the time of the account, as the account's own pages do."""
    names, exported = _names(session, [row[1] for row in rows]), []
    with current_app.test_request_context(), force_locale("ru"):
        for row in rows:
            if g.get("account") is not row[2]:
                g.account = row[2]
                refresh()
            exported.append(_line(row, names))
        g.pop("account", None)
        refresh()
    return exported


def _line(row: Any, names: wording.Names) -> dict[str, Any]:
    _id, found, account, integration, vendor, employee, site, campaign, source, visit, marks, delivery = row
    return {
        "id": str(found.id),
        "account": account.slug,
        "integration": integration,
        "vendor": vendor,
        "type": found.type,
        "vendor_id": found.vendor_id,
        "started_at": iso(found.started_at),
        "finished_at": iso(found.finished_at),
        "channel": found.channel,
        "contact": {"name": found.contact_name, "phone": found.contact_phone, "email": found.contact_email},
        "employee": employee,
        "site": site,
        "campaign": campaign,
        "source": source,
        "visit": visit,
        "utm": dict.fromkeys(UTM_KEYS) | known_utm(found.utm, marks),
        "rule": found.rule,
        "trail": [
            {"rule": step.rule, "outcome": step.outcome, "detail": step.text}
            for step in wording.trail(found.trail or [], names, found.channel, found.details)
        ],
        "messages": [
            {"at": message.get("at"), "from": message["from"], "author": message.get("author"), "text": message["text"]}
            for message in found.messages or []
        ],
        "text": found.text,
        "delivery": _delivery(delivery),
    }


def _delivery(found: Delivery | None) -> dict[str, Any]:
    if found is None:
        return dict(NO_DELIVERY)
    return {
        "state": str(found.state),
        "reason": found.reason,
        "external_id": found.external_id,
        "attempts": found.attempts,
    }


def _names(session: Session, communications: list[Communication]) -> wording.Names:
    """The names behind the ids in the trails of a batch. An id in a trail is always of the trail's own account."""
    wanted: dict[str, set[int]] = {"campaign": set(), "source": set(), "site": set()}
    for communication in communications:
        for step in communication.trail or []:
            facts = step.get("facts") or {}
            for kind, numbers in wanted.items():
                if isinstance(facts.get(kind), int):
                    numbers.add(facts[kind])
    columns = {
        "campaign": (Campaign.id, Campaign.name),
        "source": (Source.id, Source.name),
        "site": (Site.id, Site.domain),
    }
    return wording.Names(
        {
            kind: dict(session.execute(select(*columns[kind]).where(columns[kind][0].in_(numbers))).all())
            for kind, numbers in wanted.items()
            if numbers
        }
    )
