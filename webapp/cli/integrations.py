"""``hook-url`` and ``script-tag``: what is pasted into the vendor's settings and into a site."""

from __future__ import annotations

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from webapp.database import reading_only
from webapp.extensions import db
from webapp.intake import normalise_channel
from webapp.models import Site

from .lookup import account_by_slug, integration_by_key, outside_url


@click.command("hook-url")
@click.option("--account", "slug", metavar="SLUG", required=True)
@click.option("--integration", "key", metavar="KEY", required=True)
@click.option("--channel", help="With this channel as the address's last part.")
@with_appcontext
def hook_url(slug: str, key: str, channel: str | None) -> None:
    """Print the path of an integration's webhook address."""
    with reading_only():
        click.echo(integration_by_key(db.session(), slug, key).hook_path(normalise_channel(channel)))


@click.command("script-tag")
@click.option("--account", "slug", metavar="SLUG", required=True)
@click.option("--site", "site_key", metavar="KEY", help="The counter of this site.")
@click.option("--integration", "integration_key", metavar="KEY", help="The script of this integration.")
@with_appcontext
def script_tag(slug: str, site_key: str | None, integration_key: str | None) -> None:
    """Print the line to paste into a site's pages."""
    if (site_key is None) == (integration_key is None):
        raise click.UsageError("say which: --site KEY or --integration KEY")
    with reading_only():
        session = db.session()
        if integration_key is not None:
            path = f"/i/{integration_by_key(session, slug, integration_key).public_id}.js"
        else:
            account = account_by_slug(session, slug)
            known = select(Site.public_key).where(
                Site.account_id == account.id, Site.key == site_key, Site.archived_at.is_(None)
            )
            public_key = session.scalar(known)
            if public_key is None:
                raise click.ClickException(f'the account "{slug}" has no site with the key "{site_key}"')
            path = f"/c/{public_key}.js"
        click.echo(f'<script async src="{outside_url(path)}"></script>')
