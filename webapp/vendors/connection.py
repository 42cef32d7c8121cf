"""What a vendor offers whose server can be asked: consent, tokens, lead fields, webhooks, the facts of a conversation.

Plain values only. Rows, leases and transactions are webapp.authorizations' business: nothing here may hold one while a
request is on its way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Engine

from webapp.conversation import Conversation
from webapp.http import Client
from webapp.settings import Settings

#: What ends the name of a part that was missing because the connection may not see it.
NO_RIGHTS = "_rights"


class ConnectionProblem(Exception):
    """The vendor's server did not do what was asked. ``code`` is a word that ``Connection.explain`` puts into a
    sentence; ``detail`` is the vendor's own, without secrets.

    ``needs_consent``: nothing will work before somebody connects anew. ``retry_after``: seconds after which another try
    makes sense, None when none does. ``for_all``: the whole account is left alone for so long, and it says nothing of
    what was asked for. ``spent``: the tokens will never be good again. ``unsure``: a refusal that does not say why, so
    that the tokens may be good all the same.
    """

    def __init__(
        self,
        code: str,
        *,
        detail: str = "",
        retry_after: float | None = None,
        needs_consent: bool = False,
        for_all: bool = False,
        spent: bool = False,
        unsure: bool = False,
    ) -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code, self.detail = code, detail[:500]
        self.retry_after, self.needs_consent, self.for_all = retry_after, needs_consent, for_all
        self.spent, self.unsure = spent, unsure


@dataclass(frozen=True)
class Tokens:
    """What a consent or a refresh gives. Without ``refresh_token`` it is a long-lived token."""

    access_token: str
    refresh_token: str | None = None
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return "Tokens(***)"


@dataclass(frozen=True, repr=False)
class Access:
    """What an authorization speaks with, at one moment. ``url`` is the address of the account's API server."""

    authorization_id: int
    url: str
    token_url: str
    client_id: str
    client_secret: str
    redirect_uri: str
    tokens: Tokens


class Link(Protocol):
    """An authorization that is being spoken through."""

    client: Client
    engine: Engine

    def access(self) -> Access:
        """What to speak with now; refreshed when it is about to expire. Raises ConnectionProblem."""
        ...

    def renew(self, used: str) -> Access:
        """What to speak with after this access token was refused. Raises ConnectionProblem."""
        ...

    def refused(self, problem: ConnectionProblem) -> None:
        """Even a fresh token was refused: the connection is broken."""
        ...

    def relocate(self) -> bool:
        """The account's host does not answer: look up where it has moved to. True when it has moved."""
        ...


@dataclass(frozen=True)
class VendorAccount:
    """The account on the vendor's side."""

    id: str
    name: str


@dataclass(frozen=True)
class LeadField:
    """A field of a lead. ``problem`` says why it is not good for a session, as a code; None for one that is.
    ``usable``: it may be chosen all the same."""

    id: int
    name: str
    kind: str
    group: str | None = None
    problem: str | None = None
    usable: bool = True


@dataclass(frozen=True)
class Known:
    """What the webhooks have told of a conversation already, so that it need not be asked for: its lead and contact on
    the vendor's side, when it began."""

    reference: str
    lead: str | None = None
    contact: str | None = None
    started_at: datetime | None = None


@dataclass(frozen=True)
class Finding:
    """What the vendor's server said about a conversation.

    ``missing`` are the parts that were not there (entity, lead, contact, session), with ``NO_RIGHTS`` behind one that
    is there and not for us. ``field_value`` is what the session
    field holds, None when it is empty. ``lead`` is the lead's id.
    """

    conversation: Conversation
    missing: tuple[str, ...] = ()
    field_value: str | None = None
    lead: str | None = None


@dataclass(frozen=True)
class Ended:
    """Conversations that ended in some time: id, and a body that tells of each as a webhook would.

    ``cursor``: where to read on, because this is only a part; None at the end. ``problem``: why it is only a part, or
    what could not be read on the way.
    """

    conversations: Sequence[tuple[str, bytes]]
    cursor: str | None = None
    problem: ConnectionProblem | None = None


class Connection(Protocol):
    """How a vendor's server is spoken to. Everything here may raise ConnectionProblem."""

    #: Hosts that may be called (webapp.http.Client).
    hosts: Sequence[str]
    #: How many conversations can be asked about in a second, at the rate that the server allows.
    looks_per_second: float
    #: What the vendor's users call the address of their account, and a line about the subscription by one click.
    url_label: str
    hook_hint: Any
    #: The two addresses with their placeholder, before a domain is known.
    url_template: str
    token_url_template: str
    #: What to do in the vendor's settings to get keys, and a drawing of it.
    steps: Sequence[Any]
    illustration: str

    def clean_domain(self, written: str, extra: Iterable[str]) -> str:
        """The account's domain out of whatever was typed or pasted: a host, or scheme, host and port for one of the
        ``extra`` hosts. Raises ValueError for any other host."""
        ...

    def urls(self, domain: str) -> tuple[str, str]:
        """The addresses of API and tokens for a clean domain."""
        ...

    def check_url(self, url: str, extra: Iterable[str]) -> str:
        """An edited address, checked. Raises ValueError."""
        ...

    def consent_url(self, settings: Settings, client_id: str, state: str) -> str:
        """Where the user gives consent."""
        ...

    def exchange(self, client: Client, access: Access, code: str) -> Tokens:
        """Tokens for an authorization code."""
        ...

    def refresh(self, client: Client, access: Access) -> Tokens:
        """New tokens for the refresh token; the old one is spent afterwards."""
        ...

    def locate(self, client: Client, access: Access) -> str | None:
        """The account's host today, found by its id; None when it cannot be found out."""
        ...

    def signed(self, arguments: Mapping[str, str], client_id: str, client_secret: str) -> bool:
        """True when the call "the integration was disabled" is signed with this secret."""
        ...

    def client_of(self, arguments: Mapping[str, str]) -> tuple[str, str]:
        """The client id and the vendor's account id that such a call names; empty when it names none."""
        ...

    def account(self, link: Link) -> VendorAccount:
        """Whose connection this is. Asked through a pause, too; an answer ends it."""
        ...

    def fields(self, link: Link) -> list[LeadField]:
        """The account's lead fields."""
        ...

    def create_field(self, link: Link) -> LeadField:
        """Make a field for the session."""
        ...

    def clear_field(self, link: Link, lead: str, field: int) -> None:
        """Empty the session field of a lead."""
        ...

    def hook(self, link: Link, address: str) -> str:
        """How a webhook address stands there: ok, disabled, missing, or incomplete (not all events)."""
        ...

    def subscribe(self, link: Link, address: str, with_text: bool) -> str:
        """Subscribe a webhook address; gives how it stands then."""
        ...

    def look(self, link: Link, known: Known, options: Mapping[str, Any], region: str, now: datetime) -> Finding:
        """What the server knows of a conversation. ``options`` are the integration's, ``region`` the account's."""
        ...

    def closed_since(self, link: Link, since: datetime, until: datetime, cursor: str | None) -> Ended:
        """The conversations that ended in this time, or a part of them; ``cursor`` is that of the part before. Raises
        ConnectionProblem when there is nothing to tell."""
        ...

    def explain(self, code: str) -> Any:
        """A problem's code in the user's words, with what to do."""
        ...

    def field_problem(self, code: str) -> Any:
        """Why a field cannot keep a session, in words."""
        ...

    def field_group(self, group: str | None) -> Any:
        """A group of fields, in words; None for one that has only a code."""
        ...

    def field_kind(self, kind: str) -> Any:
        """A type of fields, in words."""
        ...
