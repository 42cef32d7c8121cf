"""``config``: the whole configuration of accounts from and into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy.exc import IntegrityError

from webapp.database import reading_only
from webapp.extensions import db

from . import config_apply, config_export, config_yaml
from .lookup import account_id

group = AppGroup("config", help="The configuration of accounts as a YAML file.")

#: More changes than that are counted instead of listed.
MOST_LISTED = 100


@group.command("apply")
@click.argument("file", type=click.File("rb"))
def apply(file: Any) -> None:
    """Add and update what FILE (- for standard input) names; leave alone what it does not mention.

    Nothing changes unless the whole file is valid. What is wrong is told line by line, by its path in the file.
    """
    content, name = file.read(), Path(getattr(file, "name", "") or "-").name
    try:
        changes = config_apply.apply(db.session(), content, subject="standard input" if name == "<stdin>" else name)
        db.session.commit()
    except config_yaml.NotReadable as error:
        raise click.ClickException(f"{name} {error}") from error
    except config_apply.NotApplied as error:
        for mistake in error.mistakes:
            click.echo(mistake, err=True)
        raise SystemExit(1) from error
    except IntegrityError as error:
        db.session.rollback()
        raise click.ClickException(
            "somebody changed the same entries meanwhile; nothing was applied, try again"
        ) from error
    for account in changes:
        for warning in account.warnings:
            click.echo(f"warning: {warning}", err=True)
        for line in _lines(account):
            click.echo(line)
    if not any(account.fields for account in changes):
        click.echo("nothing to change")


@group.command("export")
@click.option("--account", "slug", metavar="SLUG", help="Only this account.")
@click.option("--secrets", is_flag=True, help="With the webhook secrets: keep such a file as you keep passwords.")
def export(slug: str | None, secrets: bool) -> None:
    """Write the configuration to standard output, in the form that `config apply` takes."""
    with reading_only():
        session = db.session()
        document = config_export.export(session, account_id=account_id(session, slug), secrets=secrets)
    click.echo(config_yaml.write(document).encode(), nl=False)


def _lines(account: config_apply.Changes) -> list[str]:
    """A line for each change: + for what is new, ~ for what is different."""
    lines = [f"{account.slug}: {'+' if name in account.added else '~'} {name}" for name in account.fields]
    more = len(lines) - MOST_LISTED
    return [*lines[:MOST_LISTED], f"{account.slug}: and {more} more"] if more > 0 else lines
