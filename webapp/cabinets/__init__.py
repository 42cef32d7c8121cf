"""Where an account's communications go: one interface, a folder for each kind of cabinet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.orm import Session

from webapp.models import Account, CabinetKind
from webapp.resolution import Catalogue


@dataclass(frozen=True)
class Need:
    """One line of «Что понадобится» that concerns the cabinet. ``state``: present, missing or unknown."""

    state: str
    text: Any


class Cabinet(Protocol):
    """What the product asks of a cabinet."""

    #: True when sites, campaigns, sources and employees are kept and edited here.
    owns_directory: bool
    #: True when visits are counted here; otherwise the cabinet's own counter on the site names the session.
    counts_visits: bool

    def catalogue(self, session: Session, account: Account) -> Catalogue:
        """The rules of the account's campaigns and sources that are not archived."""
        ...

    def employees(self, session: Session, account: Account) -> Mapping[str, int]:
        """The account's employees that are not archived, by folded e-mail."""
        ...

    def needs(self, account: Account) -> Sequence[Need]:
        """What the integration page says is needed on the cabinet's side (J9)."""
        ...

    def record(self, session: Session, communication_id: int) -> None:
        """A communication was created or enriched: do what the cabinet wants, in the caller's transaction."""
        ...

    def reattributed(self, session: Session, communication_id: int) -> None:
        """A stored communication was given to another campaign or source: what was sent of it may have to be sent anew.

        In the caller's transaction.
        """
        ...


def cabinet_of(account: Account) -> Cabinet:
    """The cabinet of an account. Raises LookupError for a kind this version does not know."""
    from .embedded import EmbeddedCabinet

    cabinets: dict[str, Cabinet] = {CabinetKind.EMBEDDED: EmbeddedCabinet()}
    try:
        return cabinets[account.cabinet_kind]
    except KeyError:
        raise LookupError(f"unknown kind of cabinet: {account.cabinet_kind}") from None
