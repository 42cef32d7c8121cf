"""Running the product: its tables, its worker, the first link, a directory read now."""

from __future__ import annotations

import signal
import socket
import threading
import time
from datetime import timedelta
from typing import Any

import click
import flask_migrate
import structlog
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from flask_babel import force_locale
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from webapp import jobs, queue
from webapp.cabinets.dataapi import syncing, words
from webapp.cabinets.dataapi.failures import Failure
from webapp.database import begin_as_reader, reading_only
from webapp.extensions import db
from webapp.models import CabinetKind, Invitation, Role, User, WorkerBeat, utc_now
from webapp.report import digest

from .lookup import account_by_slug, outside_url, settings

log = structlog.get_logger()

cabinet = AppGroup("cabinet", help="The cabinets that communications go to.")
database = AppGroup("database", help="The database's tables.")

#: Beats of workers that have been gone for longer are forgotten.
OLDEST_BEAT = timedelta(days=7)

#: Seconds between two looks at what has changed.
SHORTEST_PAUSE = 0.5


@cabinet.command("sync")
@click.option("--account", "slug", metavar="SLUG", required=True)
def sync(slug: str) -> None:
    """Read the directory of a Data API cabinet now. A success resumes a paused hand-over."""
    with reading_only():
        account = account_by_slug(db.session(), slug)
        number, kind = account.id, account.cabinet_kind
        db.session.rollback()
    if kind == CabinetKind.EMBEDDED:
        click.echo(f'the cabinet of "{slug}" is embedded: its directory is kept here, there is nothing to read')
        return
    try:
        with force_locale("en"):
            problems = syncing.sync(db.session(), number, lambda name, count: click.echo(f"{name}: {count}"))
    except Failure as failure:
        with force_locale("en"):
            advice = words.stop(failure.facts)
            raise click.ClickException(f"{failure.mnemonic}: {advice.what} {advice.repair}") from failure
    except syncing.Busy:
        raise click.ClickException("the directory is being read by somebody else at the moment, try again") from None
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    for name, problem in problems.items():
        click.echo(f"{name}: not read ({problem})", err=True)


@database.command("prepare")
def prepare() -> None:
    """Create or upgrade the tables: ours and the job engine's. Doing it again changes nothing."""
    flask_migrate.upgrade()
    queue.prepare()


@database.command("digest")
def digest_changes() -> None:
    """Bring the search index and the counters of «Обращения и цели» up to date now; the worker does so all the time."""
    digest.run_all(db.session())


@click.command("welcome-link")
@with_appcontext
def welcome_link() -> None:
    """Print a one-time link for the first user of a fresh installation; nothing once there is a user.

    A link printed before and not used is void from now on.
    """
    session = db.session()
    if session.scalar(select(User.id).limit(1)) is not None:
        return
    session.execute(delete(Invitation).where(Invitation.account_id.is_(None), Invitation.used_at.is_(None)))
    invitation, token = Invitation.make(None, None, Role.OWNER)
    session.add(invitation)
    session.commit()
    click.echo("There is no user yet. This link makes the first one, once:")
    click.echo(outside_url(f"/welcome/{token}"))


@click.command("worker")
@with_appcontext
def worker() -> None:
    """Run jobs until SIGTERM or SIGINT; those that are running may finish."""
    # Only on PostgreSQL may another machine have workers too, whose numbers begin at 1 as well.
    machine = "" if settings().is_sqlite else socket.gethostname()[:60]
    executor_id = queue.claim_executor_id(settings().DATA_DIR, machine=machine)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _forget_old_beats()
    threading.Thread(target=_digest, args=(current_app._get_current_object(), stop), daemon=True).start()
    try:
        queue.work(
            jobs.handlers(current_app._get_current_object()),
            executor_id=executor_id,
            schedules=jobs.SCHEDULES,
            on_beat=lambda: beat(executor_id),
            stop=stop,
        )
    finally:
        _forget(executor_id)


def _digest(app: Flask, stop: threading.Event) -> None:
    """Keep the search index and the counters up to date: within a second, in half of the time at most."""
    pause = SHORTEST_PAUSE
    while not stop.wait(pause):
        with app.app_context():
            begin_as_reader(False)
            started = time.monotonic()
            try:
                more = digest.run(db.session())
            except Exception:
                log.exception("digest_failed")
                more = False
            finally:
                db.session.remove()
        took = time.monotonic() - started
        pause = min(took, SHORTEST_PAUSE) if more else max(SHORTEST_PAUSE, took * 10)


def beat(name: str) -> None:
    """Write that this worker lives."""
    values: dict[str, Any] = {"beat_at": utc_now()}
    insert = sqlite_insert if db.engine.dialect.name == "sqlite" else postgresql_insert
    statement = insert(WorkerBeat).values(worker=name, **values)
    with db.engine.begin() as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=["worker"], set_=values))


def _forget(name: str) -> None:
    """A worker that has stopped is gone at once, not only when its last beat is old."""
    with db.engine.begin() as connection:
        connection.execute(delete(WorkerBeat).where(WorkerBeat.worker == name))


def _forget_old_beats() -> None:
    with db.engine.begin() as connection:
        connection.execute(delete(WorkerBeat).where(WorkerBeat.beat_at < utc_now() - OLDEST_BEAT))
