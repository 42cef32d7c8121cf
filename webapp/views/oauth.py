"""Where a vendor sends the user back to after consent, and where it tells that an integration was switched off."""

from __future__ import annotations

import hmac
import secrets
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from flask import Blueprint, Response, abort, flash, redirect, request, session, url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp import audit, authorizations, queue
from webapp.authorizations import OpenLink, access_of
from webapp.database import begin_as_reader
from webapp.extensions import db
from webapp.http import Client
from webapp.jobs import ask_refused, check_authorization
from webapp.models import Authorization, Membership, Role, utc_now
from webapp.vendors.connection import Access, Connection, ConnectionProblem

from .access import public
from .addresses import settings
from .connections import hash_state

blueprint = Blueprint("oauth", __name__, url_prefix="/oauth/<vendor>")
log = structlog.get_logger()


@blueprint.get("/callback")
@public
def callback(vendor: str) -> Any:
    """The end of a consent. Only the browser that began it brings a state we know, and each state counts once.

    A vendor's server may call here by itself after an installation, without a state: that proves nothing and changes
    nothing, but is answered well.
    """
    begin_as_reader(False)
    connection = _connection(vendor)
    state = request.args.get("state", "")
    begun = dict(session.get("consents") or {})
    number, key = begun.pop(state, (None, None)) if state else (None, None)
    session["consents"] = begun
    row = _begun(vendor, number, state)
    if row is None:
        if not state and request.args.get("code"):
            return Response("ok\n", content_type="text/plain; charset=utf-8")
        return _refused()
    page = url_for("integrations.show", slug=row.account.slug, key=key, _anchor="authorization")
    row.consent_hash = None
    account_id, name = row.account_id, row.name
    try:
        access, domain = _access(connection, row)
        # The vendor is asked with no transaction open; the state is spent whatever comes.
        db.session.commit()
        _connect(connection, number, access, domain)
    except ConnectionProblem as problem:
        db.session.rollback()
        log.warning("consent_failed", authorization=number, code=problem.code)
        flash(str(connection.explain(problem.code)), "refused")
        return redirect(page)
    _read_fields(number, vendor)
    audit.record(db.session, account_id, user=current_user, action="authorization.connect", subject=name, changes={})
    db.session.commit()
    flash(_("Подключено. Дальше выберите поле для сессии и сохраните настройки."), "ok")
    return redirect(page)


@blueprint.get("/disabled")
@public
def disabled(vendor: str) -> Response:
    """The vendor says that an integration was switched off. The signature is checked, and the word itself is only a
    hint: whether it is so, the vendor's server is asked by a job."""
    begin_as_reader(False)
    connection = _connection(vendor)
    arguments = request.args.to_dict()
    client_id, account = connection.client_of(arguments)
    rows = db.session.scalars(
        select(Authorization).where(
            Authorization.vendor == vendor,
            Authorization.client_id == client_id,
            Authorization.vendor_account_id == account,
        )
    ).all()
    signed = [row for row in rows if client_id and connection.signed(arguments, client_id, row.client_secret or "")]
    for row in signed:
        queue.enqueue(db.session, check_authorization.NAME, row.id, key=f"{row.id}:{int(time.time()) // 10}")
    db.session.commit()
    if not signed:
        abort(403)
    return Response("ok\n", content_type="text/plain; charset=utf-8")


def _connection(vendor: str) -> Connection:
    try:
        return authorizations.connection_of(vendor)
    except LookupError:
        abort(404)


def _begun(vendor: str, number: int | None, state: str) -> Authorization | None:
    """The authorization whose consent this user began in this browser, if the state is still good."""
    if number is None or not current_user.is_authenticated:
        return None
    row = db.session.scalar(
        select(Authorization)
        .options(joinedload(Authorization.account))
        .where(Authorization.id == number, Authorization.vendor == vendor)
    )
    if row is None or not row.consent_hash or not hmac.compare_digest(row.consent_hash, hash_state(state)):
        return None
    role = db.session.scalar(
        select(Membership.role).where(Membership.account_id == row.account_id, Membership.user_id == current_user.id)
    )
    return row if role and Role(role).covers(Role.EDITOR) else None


def _access(connection: Connection, row: Authorization) -> tuple[Access, str]:
    """With what the code is exchanged, and the account's domain: the host that consented, which is checked before
    anything is sent there."""
    if request.args.get("error") or not request.args.get("code"):
        raise ConnectionProblem("denied")
    try:
        domain = connection.clean_domain(request.args.get("referer", ""), settings().EXTRA_VENDOR_HOSTS)
    except ValueError:
        raise ConnectionProblem("foreign_host") from None
    access = access_of(row, settings())
    if domain != row.domain:
        url, token_url = connection.urls(domain)
        access = replace(access, url=url, token_url=token_url)
    return access, domain


class _Trial:
    """A link with tokens that are not kept yet: whose they are is to be known first."""

    def __init__(self, client: Client, access: Access) -> None:
        self.client, self.engine, self._access = client, db.engine, access

    def access(self) -> Access:
        """See Link.access."""
        return self._access

    def renew(self, used: str) -> Access:
        """See Link.renew: tokens that were refused at once are no good."""
        raise ConnectionProblem("token_refused", needs_consent=True)

    def refused(self, problem: ConnectionProblem) -> None:
        """See Link.refused: nothing is connected yet."""

    def relocate(self) -> bool:
        """See Link.relocate: the account has just been at this host."""
        return False


def _connect(connection: Connection, number: int, access: Access, domain: str) -> None:
    """Exchange the code, make sure whose account it is, keep the tokens. Raises ConnectionProblem."""
    client = Client(connection.hosts, settings().EXTRA_VENDOR_HOSTS)
    tokens = connection.exchange(client, access, request.args["code"])
    account = None
    try:
        account = connection.account(_Trial(client, replace(access, tokens=tokens)))
    except ConnectionProblem as problem:
        # The code is spent, so a server that is merely busy must not cost the tokens.
        if problem.needs_consent:
            raise
    row = db.session.get(Authorization, number, with_for_update=True, populate_existing=True)
    if row is None:
        raise ConnectionProblem("not_connected")
    if account is not None:
        authorizations.keep_account(db.session(), row, account, utc_now())
    authorizations.keep_tokens(row, tokens)
    row.domain, row.url, row.token_url, row.long_lived = domain, access.url, access.token_url, False
    row.connected_by, row.connected_at = current_user.email, utc_now()
    for job in (check_authorization.NAME, ask_refused.NAME):
        queue.enqueue(db.session, job, number, key=f"{number}:{secrets.token_hex(4)}")
    db.session.commit()


def _read_fields(number: int, vendor: str) -> None:
    """The list to choose from, at once; should that fail, the job that checks the connection reads it."""
    with suppress(ConnectionProblem):
        authorizations.read_fields(OpenLink(db.engine, settings(), number, vendor), number)


def _refused() -> Any:
    flash(_("Ссылка от сервиса устарела или начата в другом окне. Нажмите «Подключить» ещё раз."), "refused")
    return redirect("/")
