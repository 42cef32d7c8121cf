"""``events``: export, replay, and the import of archives of raw bodies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp import archive
from webapp.database import reading_only
from webapp.events import in_state
from webapp.extensions import db
from webapp.intake import accept
from webapp.jobs.replay_failed import Replayed, replay
from webapp.models import Account, EventState, Integration, WebhookEvent, event_communication

from .exports import batches, iso, write_lines
from .lookup import account_id, integration_by_key

group = AppGroup("events", help="The vendors' requests as received.")

#: Bodies imported in one transaction.
IMPORT_BATCH = 100

#: Problems of an archive that are listed one by one.
MOST_LISTED = 20


@group.command("export")
@click.option("--account", "slug", metavar="SLUG", help="Only this account.")
def export(slug: str | None) -> None:
    """Write the events to standard output as JSON lines, the oldest first. Their bodies stay here."""
    with reading_only():
        session = db.session()
        write_lines(lines(session, account_id=account_id(session, slug)))


def lines(session: Session, *, account_id: int | None = None) -> Iterator[dict[str, Any]]:
    """Each event in the exported form (DESIGN §8), by id."""
    query = (
        select(
            WebhookEvent.id, Account.slug, Integration.key, WebhookEvent.received_at, WebhookEvent.channel,
            WebhookEvent.state, WebhookEvent.error, WebhookEvent.repeats,
        )
        .join(Account, Account.id == WebhookEvent.account_id)
        .join(Integration, Integration.id == WebhookEvent.integration_id)
    )  # fmt: skip
    if account_id is not None:
        query = query.where(WebhookEvent.account_id == account_id)
    for rows in batches(session, query, WebhookEvent.id):
        link = event_communication.c
        told = defaultdict(list)
        for event, communication in session.execute(
            select(link.event_id, link.communication_id)
            .where(link.event_id.in_([row[0] for row in rows]))
            .order_by(link.event_id, link.communication_id)
        ):
            told[event].append(str(communication))
        for number, account, integration, received_at, channel, state, error, repeats in rows:
            yield {
                "id": str(number),
                "account": account,
                "integration": integration,
                "received_at": iso(received_at),
                "channel": channel,
                "state": state,
                "error": error,
                "repeats": repeats,
                "communications": told.get(number, []),
            }


@group.command("replay")
@click.option("--failed", is_flag=True, help="All events whose processing failed.")
@click.option("--stored", is_flag=True, help="All events that came while their integration was off.")
@click.option("--id", "ids", type=int, multiple=True, metavar="ID…", help="These events, whatever their state.")
@click.argument("more_ids", nargs=-1, type=int, metavar="")
@click.option("--account", "slug", metavar="SLUG", help="Only events of this account.")
def replay_events(
    failed: bool, stored: bool, ids: tuple[int, ...], more_ids: tuple[int, ...], slug: str | None
) -> None:
    """Process events again. Doing it twice changes nothing."""
    wanted = {*ids, *more_ids}
    if (failed or stored) == bool(ids) or (more_ids and not ids):
        raise click.UsageError("say which events: --failed, --stored, or --id ID…")
    session = db.session()
    number = account_id(session, slug)
    where = [] if number is None else [WebhookEvent.account_id == number]
    unknown = set()
    if wanted:
        known = _known(session, wanted, where)
        unknown = wanted - known
        for one in sorted(unknown):
            click.echo(f"no event has the id {one}", err=True)
        result = _replay_ids(session, sorted(known), where)
    else:
        states = [state for state, chosen in ((EventState.FAILED, failed), (EventState.STORED, stored)) if chosen]
        result = _replay_waiting(session, states, number)
    for key, count in result.skipped.items():
        click.echo(f'the integration "{key}" is off: {count} skipped', err=True)
    click.echo(f"{result.done} done, {result.failed} still failed, {sum(result.skipped.values())} skipped")
    if unknown:
        raise SystemExit(1)


def _known(session: Session, wanted: set[int], where: list[Any]) -> set[int]:
    known: set[int] = set()
    for part in _parts(sorted(wanted)):
        known |= set(session.scalars(select(WebhookEvent.id).where(WebhookEvent.id.in_(part), *where)))
    return known


def _replay_waiting(session: Session, states: list[EventState], number: int | None) -> Replayed:
    """Account by account and state by state, as the index has them."""
    accounts = [number] if number is not None else session.scalars(select(Account.id).order_by(Account.id)).all()
    session.commit()
    total = Replayed()
    for account, state in product(accounts, states):
        total.add(replay(session, WebhookEvent.account_id == account, in_state(state)))
    return total


def _replay_ids(session: Session, ids: list[int], where: list[Any]) -> Replayed:
    total = Replayed()
    for part in _parts(ids):
        total.add(replay(session, WebhookEvent.id.in_(part), *where))
    return total


def _parts(numbers: list[int]) -> Iterator[list[int]]:
    return (numbers[start : start + 500] for start in range(0, len(numbers), 500))


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--account", "slug", metavar="SLUG", required=True)
@click.option("--integration", "key", metavar="KEY", required=True)
@click.option("--channel", help="The channel of bodies whose address in a log names none.")
def import_events(file: Path, slug: str, key: str, channel: str | None) -> None:
    """Feed an archive of raw bodies through intake: what is known already stays as it is.

    FILE is one JSON body, JSON lines (each line a body), or a vendor's delivery log: blocks of a date, POST and the
    address, the body, "Response code:". Dates of a log that name no zone are in the account's.
    """
    session = db.session()
    integration = integration_by_key(session, slug, key)
    zone = ZoneInfo(integration.account.timezone)
    with file.open("rb") as opened:
        try:
            counts = _import(session, integration, archive.read(opened, zone), channel)
        except archive.NotAnArchive as error:
            raise click.ClickException(f"{file.name} {error}") from error
    if not integration.active:
        click.echo(f'the integration "{key}" is off: the bodies are stored and wait for it', err=True)
    click.echo(f"{counts['new']} new, {counts['known']} known, {counts['refused']} refused")
    if counts["failed"]:
        click.echo(
            f"{counts['failed']} of them failed in processing; mend the cause, then: events replay --failed", err=True
        )


def _import(
    session: Session, integration: Integration, deliveries: Iterator[archive.Delivery], channel: str | None
) -> dict[str, int]:
    counts = dict.fromkeys(("new", "known", "refused", "failed"), 0)
    for place, delivery in enumerate(deliveries, 1):
        if delivery.problem:
            counts["refused"] += 1
            if counts["refused"] <= MOST_LISTED:
                click.echo(f"line {delivery.line}: {delivery.problem}", err=True)
            continue
        accepted = accept(
            session,
            integration,
            delivery.body,
            channel=delivery.channel or channel,
            received_at=delivery.received_at,
            dated=delivery.received_at is not None,
        )
        counts["known" if accepted.repeat else "new"] += 1
        counts["failed"] += accepted.state == EventState.FAILED
        if place % IMPORT_BATCH == 0:
            session.commit()
    session.commit()
    return counts
