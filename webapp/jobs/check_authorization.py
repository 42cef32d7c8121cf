"""Looks whether connections still work: the account answers, the fields are there, our webhooks are heard (B8)."""

from __future__ import annotations

import time

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp import authorizations, queue
from webapp.authorizations import OpenLink
from webapp.extensions import db
from webapp.models import Authorization, AuthorizationState, Integration, utc_now
from webapp.vendors.connection import ConnectionProblem

from . import ask_refused

#: The job's name is the module's.
NAME = __name__.rpartition(".")[2]

#: Takes up what waited for the connection. Named, not imported: it is another job.
RESUME = "resume_lookups"


def handle(row_id: int) -> None:
    """Check one authorization, or enqueue the checks of all that are connected when ``row_id`` is 0.

    Asking for the account also keeps the tokens alive: they end when nobody uses them for months.
    """
    session = db.session()
    if not row_id:
        slot = int(time.time()) // 600
        connected = select(Authorization.id).where(Authorization.state == AuthorizationState.CONNECTED)
        for number in session.scalars(connected).all():
            queue.enqueue(session, NAME, number, key=f"{number}:{slot}")
        session.commit()
        return
    row = session.get(Authorization, row_id)
    if row is None or not row.connected:
        session.rollback()
        return
    vendor = row.vendor
    session.commit()
    link = OpenLink(db.engine, current_app.config["SETTINGS"], row_id, vendor)
    try:
        check(session, link, row_id)
        _check_hooks(session, link, row_id)
    except ConnectionProblem as problem:
        if not problem.needs_consent:
            authorizations.say_problem(db.engine, row_id, problem.code, problem.detail)
        elif problem.code == "other_account":
            link.refused(problem)


def check(session: Session, link: OpenLink, row_id: int) -> None:
    """Ask whose account it is and which fields it has, and keep both. Raises ConnectionProblem.

    The caller has no transaction open.
    """
    account = link.connection.account(link)
    row = session.get(Authorization, row_id, with_for_update=True, populate_existing=True)
    if row is None:
        session.rollback()
        return
    try:
        authorizations.keep_account(session, row, account, utc_now())
    except ConnectionProblem:
        # Whoever hears of it writes it into the same row: it must not be held.
        session.rollback()
        raise
    # One of those that ended for want of rights stands for all: they follow when it is let in.
    ask_refused.reopen(session, row_id, 1)
    queue.enqueue(session, RESUME, row_id, key=f"{row_id}:{int(time.time()) // 10}")
    session.commit()
    authorizations.read_fields(link, row_id)


def _check_hooks(session: Session, link: OpenLink, row_id: int) -> None:
    """Look after the webhooks that we subscribed; one that has gone is subscribed anew (A-07)."""
    for number, address, with_text in ours(session, row_id):
        state = link.connection.hook(link, address)
        if state != "ok":
            state = link.connection.subscribe(link, address, with_text)
        keep_hook(session, number, state)


def ours(session: Session, row_id: int) -> list[tuple[int, str, bool]]:
    """The integrations of an authorization whose webhook we subscribed: number, address, whether with the text."""
    row = session.get(Authorization, row_id)
    found = []
    if row is not None:
        base = authorizations.base_of(current_app.config["SETTINGS"], row)
        for integration in authorizations.integrations_of(session, row):
            if integration.hook_state is not None:
                found.append(
                    (integration.id, base + integration.hook_path(), bool((integration.options or {}).get("with_text")))
                )
    session.rollback()
    return found


def keep_hook(session: Session, integration_id: int, state: str | None) -> None:
    """Write how an integration's webhook stands."""
    integration = session.get(Integration, integration_id, with_for_update=True, populate_existing=True)
    if integration is not None:
        integration.hook_state, integration.hook_checked_at = state, utc_now()
    session.commit()
