"""Speaking through an authorization: its tokens are refreshed by one process at a time, and never in a transaction.

Whoever is to refresh takes a lease (a column with an owner and an end) in one short statement, asks the vendor with no
transaction open, and commits the new pair before it is used. The others wait and find the new pair. A lease works the
same on both databases; a row lock would keep SQLite's only writer waiting for somebody else's server.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Engine, or_, select, update
from sqlalchemy.orm import Session

from webapp.database import reading_only
from webapp.http import Client
from webapp.models import Authorization, AuthorizationState, Integration, integration_authorization, utc_now
from webapp.settings import Settings
from webapp.vendors import registry
from webapp.vendors.connection import Access, Connection, ConnectionProblem, Tokens, VendorAccount

log = structlog.get_logger()

#: Tokens are refreshed so long before their end.
EARLY = timedelta(minutes=5)

#: Longer than one call may take (webapp.http: to connect, to the first byte, to the last), for it begins anew before
#: each; whoever dies meanwhile holds the others up so long.
LEASE = timedelta(seconds=90)

#: Tokens that are refused for so long, however vaguely, are good no more.
UNSURE_FOR = timedelta(hours=12)

#: Seconds that others wait for a refresh, and between their looks.
PATIENCE, PAUSE = 45.0, 0.1

#: The option by which a parser knows whose webhooks are expected.
ACCOUNT_OPTION = "vendor_account"

#: After these answers of the token endpoint the account may have moved.
MAYBE_MOVED = {"token_refused", "unreachable", "wrong_account"}


def connection_of(vendor: str) -> Connection:
    """The vendor's connection. Raises LookupError for a vendor that has none."""
    found = registry()[vendor].connection if vendor in registry() else None
    if found is None:
        raise LookupError(f"{vendor} has no connection")
    return found


def callback_path(vendor: str) -> str:
    """Where the vendor sends the user back to."""
    return f"/oauth/{vendor}/callback"


def base_of(settings: Settings, authorization: Authorization) -> str:
    """The address under which the vendor reaches this server: PUBLIC_URL, else as it was when the connection was set
    up."""
    known = authorization.redirect_uri.removesuffix(callback_path(authorization.vendor))
    return settings.PUBLIC_URL or known or f"http://127.0.0.1:{settings.PORT}"


class _Leased:
    """Sends for whoever holds the lease, and takes it anew before each call: several may follow one another."""

    def __init__(self, client: Client, renew_lease: Callable[[], None]) -> None:
        self._client, self._renew_lease = client, renew_lease

    def send(self, *arguments: Any, **options: Any) -> Any:
        """See webapp.http.Client.send."""
        self._renew_lease()
        return self._client.send(*arguments, **options)


class OpenLink:
    """An authorization that is being spoken through (webapp.vendors.connection.Link). One for each job or request."""

    def __init__(self, engine: Engine, settings: Settings, authorization_id: int, vendor: str) -> None:
        self.engine = engine
        self.connection = connection_of(vendor)
        self.client = Client(self.connection.hosts, settings.EXTRA_VENDOR_HOSTS)
        self._settings, self._id = settings, authorization_id
        self._owner = secrets.token_hex(8)
        self._relocated = False
        self._known: Access | None = None

    def access(self) -> Access:
        """See Link.access. What was read once serves for the link's short life: a token that somebody has exchanged
        meanwhile is refused, and then read anew."""
        access = self._known
        if access is None:
            with reading_only(), Session(self.engine) as session, session.begin():
                access = self._access(session.get(Authorization, self._id))
        ends = access.tokens.expires_at
        if access.tokens.refresh_token and ends is not None and ends - utc_now() < EARLY:
            return self.renew(access.tokens.access_token)
        self._known = access
        return access

    def renew(self, used: str) -> Access:
        """See Link.renew. Exactly one of all that ask for the same token refreshes it."""
        self._known = self._renewed(used)
        return self._known

    def _renewed(self, used: str) -> Access:
        deadline = time.monotonic() + PATIENCE
        while True:
            access, is_mine = self._take_lease(used)
            if is_mine and access is not None:
                return self._refresh(access)
            if access is not None:
                return access
            if time.monotonic() > deadline:
                raise ConnectionProblem("busy", retry_after=20)
            time.sleep(PAUSE)

    def refused(self, problem: ConnectionProblem) -> None:
        """See Link.refused."""
        self._transaction(lambda _session, row: self._break(row, problem))

    def relocate(self) -> bool:
        """See Link.relocate. Asked once a link."""
        if self._relocated:
            return False
        self._relocated, self._known = True, None
        access = self._transaction(lambda _session, row: self._access(row))
        return self._move(access) is not None

    def _take_lease(self, used: str) -> tuple[Access | None, bool]:
        """(what to use, whether it is mine to refresh): nothing at all while somebody else is at it."""
        now = utc_now()
        free = or_(Authorization.lease_until.is_(None), Authorization.lease_until < now)

        def take(session: Session) -> tuple[Access | None, bool]:
            taken = session.execute(
                update(Authorization)
                .where(Authorization.id == self._id, free)
                .values(lease_owner=self._owner, lease_until=now + LEASE)
            ).rowcount
            # Read after the lease was taken: whoever had it before us has committed.
            row = session.get(Authorization, self._id, populate_existing=True)
            access = self._access(row)
            if access.tokens.access_token != used:
                if taken:
                    self._give_back(row)
                return access, False
            if not access.tokens.refresh_token:
                self._give_back(row)
                raise ConnectionProblem(
                    "long_lived_refused" if row is not None and row.long_lived else "token_refused", needs_consent=True
                )
            return (access, True) if taken else (None, False)

        try:
            with Session(self.engine) as session, session.begin():
                return take(session)
        except ConnectionProblem as problem:
            if problem.code in ("long_lived_refused", "token_refused"):
                self.refused(problem)
            raise

    def _hold_lease(self) -> None:
        """Begin the lease anew. Raises ConnectionProblem when somebody has taken it over: we were thought dead."""
        with Session(self.engine) as session, session.begin():
            held = session.execute(
                update(Authorization)
                .where(Authorization.id == self._id, Authorization.lease_owner == self._owner)
                .values(lease_until=utc_now() + LEASE)
            ).rowcount
        if not held:
            raise ConnectionProblem("busy", retry_after=20)

    def _refresh(self, access: Access) -> Access:
        """Ask for a new pair and keep it, with the lease in hand."""
        client: Any = _Leased(self.client, self._hold_lease)
        try:
            try:
                tokens = self.connection.refresh(client, access)
            except ConnectionProblem as problem:
                moved = self._move(access, client) if problem.code in MAYBE_MOVED else None
                if moved is None:
                    raise
                access = moved
                tokens = self.connection.refresh(client, access)
        except ConnectionProblem as problem:
            log.warning("refresh_failed", authorization=self._id, code=problem.code)
            return self._transaction(partial(self._not_refreshed, spent=access, problem=problem))
        log.info("refreshed", authorization=self._id)
        return self._transaction(partial(self._refreshed, spent=access, tokens=tokens))

    def _refreshed(self, _session: Session, row: Authorization, *, spent: Access, tokens: Tokens) -> Access:
        self._give_back(row)
        # Somebody who has connected anew meanwhile has the better pair.
        if row.refresh_token == spent.tokens.refresh_token:
            keep_tokens(row, tokens)
        return self._access(row)

    def _not_refreshed(
        self, _session: Session, row: Authorization, *, spent: Access, problem: ConnectionProblem
    ) -> Any:
        self._give_back(row)
        if row.connected and row.refresh_token != spent.tokens.refresh_token:
            return self._access(row)
        if problem.unsure:
            row.unsure_since = row.unsure_since or utc_now()
            row.say_problem(problem.code, problem.detail)
        if problem.needs_consent or (row.unsure_since and utc_now() - row.unsure_since > UNSURE_FOR):
            self._break(row, problem)
        # What was written is to stay, so the problem is raised by whoever has committed.
        return problem

    def _move(self, access: Access, client: Any = None) -> Access | None:
        """Look up where the account is now, and keep it; None when it is where it was, or nobody knows."""
        try:
            domain = self.connection.clean_domain(
                self.connection.locate(client or self.client, access) or "", self._settings.EXTRA_VENDOR_HOSTS
            )
        except ValueError:
            return None

        def move(_session: Session, row: Authorization) -> Access | None:
            if domain == row.domain:
                return None
            log.warning("account_moved", authorization=self._id)
            row.domain = domain
            row.url, row.token_url = self.connection.urls(domain)
            self._known = None
            return self._access(row)

        return self._transaction(move)

    def _break(self, row: Authorization, problem: ConnectionProblem) -> None:
        if row.connected:
            if problem.spent:
                row.forget_tokens(AuthorizationState.BROKEN)
            # Otherwise they may be good again once somebody has mended what is wrong.
            row.state = AuthorizationState.BROKEN
            row.say_problem(problem.code, problem.detail)
            log.error("connection_broken", authorization=self._id, code=problem.code)

    def _give_back(self, row: Authorization | None) -> None:
        if row is not None and row.lease_owner == self._owner:
            row.lease_owner = row.lease_until = None

    def _access(self, row: Authorization | None) -> Access:
        """The row as plain values. Raises ConnectionProblem when it is not connected."""
        if row is None or not row.connected or not row.access_token:
            raise ConnectionProblem("not_connected", needs_consent=True)
        return access_of(row, self._settings)

    def _transaction(self, work: Callable[[Session, Any], Any]) -> Any:
        """Work on the row in a short transaction of its own; what it gives back as a problem is raised afterwards."""
        with Session(self.engine) as session, session.begin():
            row = session.get(Authorization, self._id, with_for_update=True)
            found = work(session, row)
        if isinstance(found, ConnectionProblem):
            raise found
        return found


def access_of(row: Authorization, settings: Settings) -> Access:
    """An authorization as plain values, whatever its state."""
    return Access(
        row.id,
        row.url,
        row.token_url,
        row.client_id,
        row.client_secret or "",
        row.redirect_uri or base_of(settings, row) + callback_path(row.vendor),
        Tokens(row.access_token or "", None if row.long_lived else row.refresh_token, row.expires_at),
    )


def keep_tokens(row: Authorization, tokens: Tokens) -> None:
    """Write a pair that the vendor has just given."""
    row.access_token, row.refresh_token, row.expires_at = tokens.access_token, tokens.refresh_token, tokens.expires_at
    row.refreshed_at = utc_now()
    row.try_again()
    row.say_problem(None)


def keep_account(session: Session, row: Authorization, account: VendorAccount, now: datetime) -> None:
    """Write whose connection it is, and let the parsers of its integrations know. Raises ConnectionProblem when it was
    another account's before: what is known of one must not become another's."""
    if row.vendor_account_id and row.vendor_account_id != account.id:
        raise ConnectionProblem("other_account", detail=account.id, needs_consent=True, spent=True)
    row.vendor_account_id, row.vendor_account_name, row.checked_at = account.id, account.name, now
    row.say_problem(None)
    for integration in integrations_of(session, row):
        expect_account(integration, row)


def integrations_of(session: Session, row: Authorization) -> list[Integration]:
    """The integrations that use an authorization, archived ones left out."""
    return list(
        session.scalars(
            select(Integration)
            .join(integration_authorization, integration_authorization.c.integration_id == Integration.id)
            .where(integration_authorization.c.authorization_id == row.id, Integration.archived_at.is_(None))
            .order_by(Integration.id)
        )
    )


def tie(integration: Integration, row: Authorization | None) -> None:
    """Let an integration use an authorization, or none. What we subscribed through another one is not ours any more."""
    if integration.authorization is not row:
        integration.authorization = row
        integration.hook_state = integration.hook_checked_at = None
    expect_account(integration, row)


def expect_account(integration: Integration, row: Authorization | None) -> None:
    """Tell the parser whose webhooks are expected."""
    wanted = row.vendor_account_id if row else None
    options = dict(integration.options or {})
    if options.get(ACCOUNT_OPTION) != wanted:
        integration.options = options | {ACCOUNT_OPTION: wanted}


def read_fields(link: OpenLink, authorization_id: int) -> None:
    """Read the lead fields from the vendor and keep the list. Raises ConnectionProblem."""
    fields = [
        {
            "id": one.id,
            "name": one.name,
            "kind": one.kind,
            "group": one.group,
            "problem": one.problem,
            "usable": one.usable,
        }
        for one in link.connection.fields(link)
    ]
    with Session(link.engine) as session, session.begin():
        row = session.get(Authorization, authorization_id, with_for_update=True)
        if row is not None:
            row.lead_fields, row.fields_read_at = fields, utc_now()


def say_problem(engine: Engine, authorization_id: int, code: str | None, detail: str = "") -> None:
    """Keep what a call ran into, for the page; None when all is well. Writes only what has changed."""
    with Session(engine) as session, session.begin():
        row = session.get(Authorization, authorization_id, with_for_update=True)
        if row is not None and row.connected and row.problem != code:
            row.say_problem(code, detail)
