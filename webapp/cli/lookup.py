"""Finding what a command line names, with an error a person understands."""

from __future__ import annotations

import click
from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models import Account, Integration
from webapp.settings import Settings


def account_by_slug(session: Session, slug: str) -> Account:
    """The account of this slug. Ends the command with an error when there is none."""
    account = session.scalar(select(Account).where(Account.slug == slug))
    if account is None:
        raise click.ClickException(f'no account has the slug "{slug}"')
    return account


def account_id(session: Session, slug: str | None) -> int | None:
    """The id of the account of this slug, None when none is named."""
    return None if slug is None else account_by_slug(session, slug).id


def integration_by_key(session: Session, slug: str, key: str) -> Integration:
    """The integration of this account and key, archived ones left out. Ends the command when there is none."""
    account = account_by_slug(session, slug)
    integration = session.scalar(
        select(Integration).where(
            Integration.account_id == account.id, Integration.key == key, Integration.archived_at.is_(None)
        )
    )
    if integration is None:
        raise click.ClickException(f'the account "{slug}" has no integration with the key "{key}"')
    return integration


def settings() -> Settings:
    """The settings of the running application."""
    return current_app.config["SETTINGS"]


def outside_url(path: str) -> str:
    """The address of a path as the outside sees it; on this machine alone while PUBLIC_URL is not set."""
    return (settings().PUBLIC_URL or f"http://localhost:{settings().PORT}") + path
