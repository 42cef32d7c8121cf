"""Checks a configuration file against what is in the database: references, vendors, secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from webapp.models import PICKED, Account, Authorization, CabinetKind, Integration, Target, hash_secret
from webapp.vendors import registry

from .config_connections import check_authorization
from .config_reader import DIRECTORY, LATER, AccountPart, IntegrationPart, Placed, Reader
from .config_schema import IntegrationEntry

#: One entry of a list, for messages, and the list that a reference looks into.
ONE = {"sites": "site", "campaigns": "campaign", "sources": "source", "employees": "employee", "tags": "tag"}
LIST = {one: name for name, one in ONE.items()}

#: The ids of an outside cabinet: its numbers, and its one system campaign with the number of the site.
OUTSIDE_KEY = re.compile(r"-?[0-9]{1,19}|-1\.[0-9]{1,19}")

#: What a new entry cannot do without.
NEEDED = {"sites": "domain", "campaigns": "name", "sources": "name", "employees": "full_name"}


#: The lists of an account whose rows a file may name.
KNOWN = (*PICKED, "authorizations", "integrations")


@dataclass
class Stored:
    """What the database has of an account in the file: rows by key, archived ones too.

    ``outside``: once the file is applied, the directory is an outside cabinet's.
    """

    account: Account | None = None
    rows: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in KNOWN})
    outside: bool = False

    @classmethod
    def of(cls, session: Session, slug: str | None) -> Stored:
        """Read it. The account's row stays locked, so that two files are applied one after the other."""
        account = session.scalar(select(Account).where(Account.slug == slug).with_for_update()) if slug else None
        stored = cls(account)
        if account is not None:
            stored.outside = account.cabinet_kind == CabinetKind.DATAAPI
            others = (("authorizations", Authorization), ("integrations", Integration))
            for name, table in (*PICKED.items(), *others):
                rows = session.scalars(select(table).where(table.account_id == account.id).order_by(table.id))
                stored.rows[name] = {row.key: row for row in rows}
        return stored


def check(reader: Reader, session: Session, parts: Sequence[AccountPart]) -> list[Stored]:
    """What is stored of each account of the file. What does not fit is told to the reader."""
    found = [Stored.of(session, part.slug) for part in parts]
    for part, stored in zip(parts, found, strict=True):
        _Check(reader, part, stored).run()
    _secrets(reader, session, parts, found)
    return found


def read_options(
    vendor: str, given: Mapping[str, Any], stored: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The vendor's own options as its form makes them, and what is wrong with which of them."""
    form_class = registry()[vendor].OptionsForm
    plain = form_class()
    problems = {name: "unknown key" for name in given if name not in plain}
    # A marker, because a form takes no data at all for "not sent".
    data: MultiDict[str, str] = MultiDict([("", "")])
    for one in plain:
        value = given[one.name] if one.name in given else stored.get(one.name, one.data)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, list | dict):
                problems[one.name] = "must be a text, a number, true or false, or a list of these"
            elif item is not None and item is not False:
                data.add(one.name, "y" if item is True else str(item))
    form = form_class(data)
    if not problems and not form.validate():
        problems |= {name: "; ".join(map(str, errors)) for name, errors in form.errors.items() if name in given}
    return {name: form[name].data for name in given if name not in problems}, problems


class _Check:
    """The checks of one account."""

    def __init__(self, reader: Reader, part: AccountPart, stored: Stored) -> None:
        self._say, self._part, self._stored = reader.say, part, stored

    def run(self) -> None:
        part = self._part
        if part.entry and self._stored.account is None and "name" not in part.entry.model_fields_set:
            self._say(f"{part.path}.name", "is needed for a new account")
        self._cabinet()
        for name in DIRECTORY:
            if self._stored.outside and part.lists[name]:
                self._say(f"{part.path}.{name}", "is read from the outside cabinet and cannot be in the file")
                continue
            for placed in part.lists[name]:
                row = self._stored.rows[name].get(placed.entry.key)
                if row is None and NEEDED[name] not in placed.entry.model_fields_set:
                    self._say(f"{placed.path}.{NEEDED[name]}", f"is needed for a new {ONE[name]}")
                if name == "campaigns":
                    self._refer("site", placed.entry.site, f"{placed.path}.site", row.site_id if row else None)
        for placed in part.authorizations:
            check_authorization(self._say, placed, self._stored.rows["authorizations"].get(placed.entry.key))
        for integration in part.integrations:
            self._integration(integration)

    def _cabinet(self) -> None:
        """An outside cabinet needs an address and a key, from the file or from before."""
        cabinet = self._part.entry.cabinet if self._part.entry else None
        if cabinet is None:
            return
        self._stored.outside = cabinet.kind == CabinetKind.DATAAPI
        if self._stored.outside:
            account = self._stored.account
            for name in ("url", "access_token"):
                known = getattr(account, f"cabinet_{name}") if account else None
                if not getattr(cabinet, name) and not known:
                    self._say(f"{self._part.path}.cabinet.{name}", "is needed for this kind of cabinet")

    def _integration(self, part: IntegrationPart) -> None:
        key = part.entry.key if part.entry else None
        row: Integration | None = self._stored.rows["integrations"].get(key) if key else None
        if part.entry:
            self._refer("employee", part.entry.employee, f"{part.path}.employee", row.employee_id if row else None)
            self._handover(part)
            self._vendor(part, row)
            self._connection(part.entry, part.path, row)
        if part.fallback:
            self._target(part.fallback, row)
        mappings = {mapping.channel: mapping for mapping in row.mappings} if row else {}
        for channel in part.channels:
            self._target(channel, mappings.get(channel.entry.channel))

    def _handover(self, part: IntegrationPart) -> None:
        given = part.entry.given("tag", "upload_sessions") if part.entry else {}
        if not self._stored.outside:
            for name in given:
                self._say(f"{part.path}.{name}", "belongs to an account with another kind of cabinet")
        elif given.get("tag"):
            self._refer("tag", given["tag"], f"{part.path}.tag", None)

    def _vendor(self, part: IntegrationPart, row: Integration | None) -> None:
        entry = part.entry
        if entry is None:
            return
        named = "vendor" in entry.model_fields_set
        if row is None and not named:
            self._say(f"{part.path}.vendor", "is needed for a new integration")
        elif entry.vendor and entry.vendor not in registry():
            self._say(f"{part.path}.vendor", f'the vendor "{entry.vendor}" is {LATER}')
        elif entry.vendor and row is not None and row.vendor != entry.vendor:
            self._say(f"{part.path}.vendor", f"is {row.vendor} and cannot be changed; use another key")
        elif entry.options and (vendor := row.vendor if row else entry.vendor) in registry():
            _values, problems = read_options(vendor, entry.options, row.options if row else {})
            for name, text in problems.items():
                self._say(f"{part.path}.options.{name}", text)

    def _connection(self, entry: IntegrationEntry, path: str, row: Integration | None) -> None:
        """Authorization and session field belong to vendors whose server is asked, and to one vendor each."""
        vendor = row.vendor if row else entry.vendor
        if vendor in registry() and registry()[vendor].connection is None:
            for name in entry.given("authorization", "session_field"):
                self._say(f"{path}.{name}", f"does not belong to the vendor {vendor}")
            return
        key = entry.authorization
        if key is None or self._part.slug is None:
            return
        named = [one.entry.vendor for one in self._part.authorizations if one.entry.key == key and one.entry.vendor]
        stored = self._stored.rows["authorizations"].get(key)
        known = named[0] if named else stored.vendor if stored else None
        if known is None and key not in self._part.keys["authorizations"]:
            self._say(f"{path}.authorization", f'no authorization has the key "{key}"')
        elif known is not None and vendor and known != vendor:
            self._say(f"{path}.authorization", f'the authorization "{key}" is one of {known}')

    def _target(self, placed: Placed[Any], row: Target | None) -> None:
        for one in ("campaign", "source", "site"):
            current = getattr(row, f"{one}_id") if row else None
            self._refer(one, getattr(placed.entry, one), f"{placed.path}.{one}", current)

    def _refer(self, one: str, key: str | None, path: str, current: int | None) -> None:
        """A reference is good when the file or the database has the entry. What is archived only stays where it is."""
        if key is None or self._part.slug is None or key in self._part.keys.get(LIST[one], ()):
            return
        row = self._stored.rows[LIST[one]].get(key)
        if self._stored.outside:
            # What was not read yet is taken on trust: a file can be applied while the cabinet does not answer.
            if not OUTSIDE_KEY.fullmatch(key):
                self._say(path, f'"{key}" is no id of the outside cabinet, such as "268176"')
        elif row is None:
            self._say(path, f'no {one} has the key "{key}"')
        elif row.archived_at is not None and row.id != current:
            self._say(path, f'the {one} "{key}" is archived; to bring it back, name it under {LIST[one]}')


def _secrets(reader: Reader, session: Session, parts: Sequence[AccountPart], found: Sequence[Stored]) -> None:
    """A webhook secret finds one integration, so no two may share it. Whose it is already stays unsaid."""
    wanted: dict[str, str] = {}
    for part, stored in zip(parts, found, strict=True):
        for integration in part.integrations:
            entry = integration.entry
            if entry is None or not entry.webhook_secret:
                continue
            path, digest = f"{integration.path}.webhook_secret", hash_secret(entry.webhook_secret)
            if digest in wanted:
                reader.say(path, f"is the same as {wanted[digest]}")
                continue
            wanted[digest] = path
            row = stored.rows["integrations"].get(entry.key)
            taken = session.scalar(
                select(Integration.id).where(
                    or_(Integration.webhook_secret_hash == digest, Integration.previous_secret_hash == digest),
                    Integration.id != (row.id if row else 0),
                )
            )
            if taken:
                reader.say(path, "another integration has this secret already")
