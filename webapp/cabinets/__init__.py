"""Where an account's communications go: one interface, a folder for each kind of cabinet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from sqlalchemy.orm import Session

from webapp.models import Account, CabinetKind, Communication, Integration
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

    def needs(self, session: Session, integration: Integration) -> Sequence[Need]:
        """What the integration page says is needed on the cabinet's side (J9, A8)."""
        ...

    def policy(self, session: Session, integration: Integration) -> Mapping[str, Any]:
        """What the cabinet adds to the rules' policy: fields of webapp.resolution.Policy."""
        ...

    def refused(self, session: Session, communication: Communication) -> Mapping[str, str]:
        """The sessions that the cabinet did not take for this communication, each with its word for why."""
        ...

    def record(self, session: Session, communication_id: int) -> None:
        """A communication was created or enriched: do what the cabinet wants, in the caller's transaction."""
        ...

    def resend(self, session: Session, communication_id: int) -> bool:
        """A communication was decided anew, or somebody asks for it: let the cabinet have it as it is now, in the
        caller's transaction. What the cabinet has of it is taken back first. False when there is nothing to do."""
        ...

    def settings_changed(self, session: Session, account: Account) -> None:
        """Settings, mapping or directory changed: what was held because of them is looked at again."""
        ...


def cabinet_of(account: Account) -> Cabinet:
    """The cabinet of an account. Raises LookupError for a kind this version does not know."""
    try:
        return _cabinets()[account.cabinet_kind]
    except KeyError:
        raise LookupError(f"unknown kind of cabinet: {account.cabinet_kind}") from None


@cache
def _cabinets() -> dict[str, Cabinet]:
    """Every kind of cabinet. They import this module, so they are fetched when first asked for."""
    from .dataapi import DataApiCabinet
    from .embedded import EmbeddedCabinet

    return {CabinetKind.EMBEDDED: EmbeddedCabinet(), CabinetKind.DATAAPI: DataApiCabinet()}
