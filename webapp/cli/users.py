"""``user create``: a person and their role in an account."""

from __future__ import annotations

import getpass
import sys

import click
from email_validator import EmailNotValidError, validate_email
from flask.cli import AppGroup
from sqlalchemy import select

from webapp import audit
from webapp.extensions import db
from webapp.models import Membership, Role, User

from .lookup import account_by_slug

group = AppGroup("user", help="The people who sign in.")

SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 200


@group.command("create")
@click.argument("email")
@click.option("--account", "slug", metavar="SLUG", required=True, help="The account that the role is for.")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
def create(email: str, slug: str, role: str) -> None:
    """Let EMAIL into an account.

    The password is asked for, or is the first line of standard input; at least 10 characters. Somebody who is known
    already gets the role, and another password only if one is given.
    """
    session = db.session()
    account, email = account_by_slug(session, slug), _checked(email)
    user = session.scalar(select(User).where(User.email == email))
    password = _password(email, known=user is not None)
    if user is None:
        user = User(email=email)
        user.set_password(password)
        session.add(user)
        said = "created"
    elif password:
        user.set_password(password)
        said = "was there already; the password is changed, older sessions are ended"
    else:
        said = "was there already; the password stays as it is"
    session.flush()
    membership = session.scalar(
        select(Membership).where(Membership.account_id == account.id, Membership.user_id == user.id)
    )
    before = membership.role if membership else None
    if membership is None:
        session.add(Membership(account_id=account.id, user_id=user.id, role=role))
    else:
        membership.role = role
    if before != role:
        audit.record(
            session,
            account.id,
            actor="user create",
            action="people.role",
            subject=email,
            changes={"role": [before, role]},
        )
    session.commit()
    click.echo(f"{email}: {said}")
    click.echo(f"{email}: {role} of {slug}" + (f" (was {before})" if before not in (None, role) else ""))


def _checked(email: str) -> str:
    """The address in the one spelling that sign-in looks for."""
    try:
        checked = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise click.ClickException(f"{email!r} is not an e-mail address: {error}") from error
    return checked.normalized.casefold()


def _password(email: str, *, known: bool) -> str:
    """The password as typed or piped in. Empty only for somebody who has one already."""
    if sys.stdin is not None and sys.stdin.isatty():
        hint = " (empty: leave the present one)" if known else ""
        password = getpass.getpass(f"Password for {email}{hint}: ")
        if password and getpass.getpass("The same again: ") != password:
            raise click.ClickException("the two passwords differ")
    else:
        password = sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""
    if not password and known:
        return ""
    if not password:
        raise click.ClickException("a new user needs a password on the first line of standard input")
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise click.ClickException(f"the password must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return password
