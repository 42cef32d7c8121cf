"""Applies a configuration file: everything or nothing, and the second time nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp import audit
from webapp.cabinets import cabinet_of
from webapp.cabinets.dataapi import connecting
from webapp.cabinets.embedded.rules import rules_to_config
from webapp.events import in_state
from webapp.logs import MASK
from webapp.models import (
    KINDS,
    Account,
    CabinetKind,
    ChannelMapping,
    EventState,
    Integration,
    Target,
    TargetKind,
    WebhookEvent,
    Widget,
    hash_secret,
    utc_now,
)
from webapp.vendors import registry

from .config_alerts import apply_alerts
from .config_changes import Changes, plain
from .config_check import LIST, Stored, check, read_options
from .config_connections import apply_authorization, apply_connection
from .config_reader import DIRECTORY, AccountPart, IntegrationPart, Reader
from .config_schema import IntegrationEntry, TargetEntry
from .config_yaml import read

#: A secret with less than that can be guessed by somebody with patience.
SHORTEST_GOOD_SECRET = 32

#: How many changed fields an audit record lists.
MOST_RECORDED = 200

ACCOUNT_FIELDS = (
    "name", "timezone", "region", "contact_window_days", "event_retention_days", "communication_retention_days",
)  # fmt: skip
#: The account's columns behind the names of its part ``visits``.
VISITS_COLUMNS = {
    "need_consent": "visits_need_consent",
    "respect_do_not_track": "respects_do_not_track",
    "keep_full_ip": "keeps_full_ip",
    "retention_days": "visit_retention_days",
}
FIELDS = {
    "sites": ("domain", "name"),
    "campaigns": ("name", "priority"),
    "sources": ("name", "priority"),
    "employees": ("full_name", "email"),
}


class NotApplied(ValueError):
    """The file is wrong and nothing was changed. ``mistakes``: a line each, beginning with the path in the file."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def apply(session: Session, content: bytes, *, subject: str) -> list[Changes]:
    """Apply the file's bytes; the caller commits. ``subject`` names the file in the audit record.

    Raises config_yaml.NotReadable, or NotApplied with everything that is wrong, and then has written nothing.
    """
    reader = Reader()
    parts = reader.file(read(content))
    stored = check(reader, session, parts)
    if reader.mistakes:
        raise NotApplied(reader.mistakes)
    return [_Applier(session, part, found).run(subject) for part, found in zip(parts, stored, strict=True)]


class _Applier:
    """Applies one account of the file."""

    def __init__(self, session: Session, part: AccountPart, stored: Stored) -> None:
        self._session, self._part, self._rows = session, part, stored.rows
        self._account, self._outside = stored.account, stored.outside
        self._changes = Changes(part.slug or "")
        self._keys: dict[str, dict[int, str]] = {}

    def run(self, subject: str) -> Changes:
        account = self._apply_account()
        self._cabinet(account)
        for name in DIRECTORY:
            for placed in self._part.lists[name]:
                self._entry(account, name, placed.entry, placed.rules)
            # What comes next refers to what was just made.
            self._session.flush()
        for placed in self._part.authorizations:
            key = placed.entry.key
            row = self._rows["authorizations"].get(key)
            self._rows["authorizations"][key] = apply_authorization(
                self._session, account, row, placed.entry, self._changes
            )
        self._session.flush()
        for part in self._part.integrations:
            self._integration(account, part)
        self._session.flush()
        if self._changes.fields:
            cabinet_of(account).settings_changed(self._session, account)
            audit.record(
                self._session, account.id, actor="config apply", action="config.apply", subject=subject,
                changes=_shortened(self._changes.fields),
            )  # fmt: skip
        return self._changes

    def _apply_account(self) -> Account:
        entry = self._part.entry
        if entry is None:
            raise ValueError("the account was not read")
        account = self._account
        if account is None:
            account = Account(slug=entry.slug, **entry.given(*ACCOUNT_FIELDS))
            self._session.add(account)
            self._session.flush()
            self._account = account
            self._changes.add("account", entry.name)
        for name, value in entry.given(*ACCOUNT_FIELDS).items():
            self._changes.set(account, name, value, name)
        for name, value in (entry.visits.given(*VISITS_COLUMNS) if entry.visits else {}).items():
            self._changes.set(account, VISITS_COLUMNS[name], value, f"visits.{name}")
        if entry.alerts:
            apply_alerts(self._session, account, entry.alerts, self._changes)
        return account

    def _cabinet(self, account: Account) -> None:
        """Where communications go. A key or an address that is new ends a pause, and the directory is read."""
        cabinet = self._part.entry.cabinet if self._part.entry else None
        if cabinet is None:
            return
        before = (str(account.cabinet_kind), account.cabinet_url, account.cabinet_access_token)
        outside = cabinet.kind == CabinetKind.DATAAPI
        after = (cabinet.kind, cabinet.url or before[1], cabinet.access_token or before[2])
        if before == (after if outside else (cabinet.kind, None, None)):
            return
        if outside:
            connecting.connect(self._session, account, str(after[1]), str(after[2]))
            self._changes.warnings.append(
                f"{self._part.path}.cabinet: the worker reads the directory now; until then ids are taken on trust"
            )
        elif before[0] != cabinet.kind:
            connecting.disconnect(self._session, account)
        for name, old, new in zip(("kind", "url", "access_token"), before, after, strict=True):
            if old != new and (outside or name == "kind"):
                told = [MASK if old else None, MASK] if name == "access_token" else [old, new]
                self._changes.fields[f"cabinet.{name}"] = told

    def _entry(self, account: Account, name: str, entry: Any, rules: list[Any] | None) -> None:
        """A site, campaign, source or employee."""
        row, label, before = self._rows[name].get(entry.key), f"{name}.{entry.key}", len(self._changes.fields)
        values = entry.given(*FIELDS[name])
        if row is None:
            if name == "sites":
                values = {"name": entry.domain, **values}
            row = KINDS[name](account_id=account.id, key=entry.key, **values)
            if rules is not None:
                row.rules = rules
            self._session.add(row)
            self._rows[name][entry.key] = row
            self._changes.add(label, values.get("full_name") or values.get("name"))
        else:
            self._bring_back(row, label)
            for attribute, value in values.items():
                self._changes.set(row, attribute, value, f"{label}.{attribute}")
            if rules is not None and rules_to_config(row.rules or []) != rules_to_config(rules):
                self._changes.set(row, "rules", rules, f"{label}.rules")
        if name == "campaigns" and "site" in entry.model_fields_set:
            self._refer(row, "site", entry.site, f"{label}.site")
        if len(self._changes.fields) > before:
            row.refresh_search_text()

    def _integration(self, account: Account, part: IntegrationPart) -> None:
        entry = part.entry
        if entry is None:
            raise ValueError("the integration was not read")
        label, before = f"integrations.{entry.key}", len(self._changes.fields)
        row: Integration | None = self._rows["integrations"].get(entry.key)
        if row is None:
            row = Integration(
                account=account, key=entry.key, vendor=entry.vendor, name=str(registry()[entry.vendor].title),
                kind=TargetKind.CAMPAIGN, active=False, fill_without_campaign=False, options={},
            )  # fmt: skip
            row.set_secret(entry.webhook_secret or None)
            self._session.add(row)
            self._changes.add(label, entry.vendor)
        self._bring_back(row, label)
        self._secret(row, entry, part.path, label)
        was_active = row.active
        for name, value in entry.given("name", "active", "fill_without_campaign").items():
            self._changes.set(row, name, value, f"{label}.{name}")
        if "employee" in entry.model_fields_set:
            self._refer(row, "employee", entry.employee, f"{label}.employee")
        self._handover(row, entry, label)
        self._options(row, entry.options or {}, label)
        apply_connection(row, entry, self._rows["authorizations"], self._changes, label)
        if part.fallback or part.fallback_cleared:
            self._point(row, part.fallback.entry if part.fallback else None, f"{label}.fallback")
        self._channels(row, part, label)
        self._widgets(row, entry.widgets or {}, label)
        if len(self._changes.fields) > before:
            row.saved_at = row.saved_at or utc_now()
        if row.active and not was_active:
            self._say_what_waits(row, part.path)

    def _secret(self, row: Integration, entry: IntegrationEntry, path: str, label: str) -> None:
        """Another secret holds at once; an older one that was still heard is not any more."""
        secret = entry.webhook_secret
        if not secret:
            return
        if len(secret) < SHORTEST_GOOD_SECRET:
            self._changes.warnings.append(
                f"{path}.webhook_secret: is shorter than {SHORTEST_GOOD_SECRET} characters and could be guessed"
            )
        if row.webhook_secret_hash != hash_secret(secret):
            row.set_secret(secret)
            row.previous_secret_hash = row.previous_secret_until = None
            self._changes.fields[f"{label}.webhook_secret"] = [MASK, MASK]

    def _handover(self, row: Integration, entry: IntegrationEntry, label: str) -> None:
        known = dict(row.handover or {})
        given = entry.given("tag", "upload_sessions")
        for name, value in given.items():
            if name == "tag" and value is not None:
                self._id("tag", value)
            if known.get(name) != value and (value or known.get(name)):
                self._changes.fields[f"{label}.{name}"] = [known.get(name), plain(value)]
                row.handover = known = {**known, name: plain(value)}

    def _options(self, row: Integration, given: Mapping[str, Any], label: str) -> None:
        if not given:
            return
        options = dict(row.options or {})
        values, _problems = read_options(row.vendor, given, options)
        for name, value in values.items():
            if name not in options or options[name] != value:
                self._changes.fields[f"{label}.options.{name}"] = [options.get(name), value]
        if any(name not in options or options[name] != value for name, value in values.items()):
            row.options = options | values

    def _channels(self, row: Integration, part: IntegrationPart, label: str) -> None:
        kept = {mapping.channel: mapping for mapping in row.mappings}
        for placed in part.channels:
            channel = placed.entry.channel
            mapping = kept.get(channel)
            if mapping is None:
                mapping = ChannelMapping(channel=channel)
                row.mappings.append(mapping)
                self._changes.add(f"{label}.channels.{channel}", None)
            self._point(mapping, placed.entry, f"{label}.channels.{channel}")

    def _widgets(self, row: Integration, given: Mapping[str, str | None], label: str) -> None:
        kept = {widget.widget: widget for widget in row.widgets}
        for name, channel in given.items():
            widget = kept.get(name)
            if widget is None and channel is not None:
                widget = Widget(widget=name, channel=None, seen=0)
                row.widgets.append(widget)
            if widget is not None:
                self._changes.set(widget, "channel", channel, f"{label}.widgets.{name}")

    def _point(self, row: Target, entry: TargetEntry | None, label: str) -> None:
        """Set a target as a whole; without an entry it points nowhere."""
        before, wanted = _target(row), (str(TargetKind.CAMPAIGN), None, None, None)
        if entry is not None:
            numbers = (self._id(one, getattr(entry, one)) for one in ("campaign", "source", "site"))
            wanted = (str(entry.kind), *numbers)
        if wanted != before:
            row.point_to(*wanted)
            self._changes.fields[label] = [self._named(before), self._named(wanted)]

    def _refer(self, row: Any, one: str, key: str | None, label: str) -> None:
        """Let the row refer to the entry of this key."""
        attribute, number = f"{one}_id", self._id(one, key)
        before = getattr(row, attribute)
        if before != number:
            setattr(row, attribute, number)
            if label.rpartition(".")[0] not in self._changes.added:
                self._changes.fields[label] = [self._key(one, before), plain(key)]

    def _id(self, one: str, key: str | None) -> int | None:
        if key is None:
            return None
        rows = self._rows[LIST[one]]
        if key not in rows and self._outside:
            rows[key] = connecting.placeholder(self._account.id if self._account else 0, LIST[one], str(key))
            self._session.add(rows[key])
            self._session.flush()
        return rows[key].id

    def _key(self, one: str, number: int | None) -> str | None:
        if number is None:
            return None
        if one not in self._keys:
            self._keys[one] = {row.id: key for key, row in self._rows[LIST[one]].items()}
        return self._keys[one].get(number)

    def _named(self, target: tuple[Any, ...]) -> str | None:
        """A target in the file's words."""
        ones = zip(("campaign", "source", "site"), target[1:], strict=True)
        return ", ".join(f"{one} {self._key(one, number)}" for one, number in ones if number is not None) or None

    def _bring_back(self, row: Any, label: str) -> None:
        if row.archived_at is not None:
            row.archived_at = None
            self._changes.fields[f"{label}.archived"] = [True, False]

    def _say_what_waits(self, row: Integration, path: str) -> None:
        self._session.flush()
        count = self._session.scalar(
            select(func.count()).select_from(WebhookEvent).where(WebhookEvent.of(row), in_state(EventState.STORED))
        )
        if count:
            self._changes.warnings.append(
                f"{path}.active: {count} webhooks came while it was off; process them with: "
                f"events replay --stored --account {self._changes.slug}"
            )


def _target(row: Target) -> tuple[Any, ...]:
    return str(row.kind or TargetKind.CAMPAIGN), row.campaign_id, row.source_id, row.site_id


def _shortened(fields: dict[str, list[Any]]) -> dict[str, Any]:
    if len(fields) <= MOST_RECORDED:
        return fields
    first = dict(list(fields.items())[:MOST_RECORDED])
    return first | {"…": [None, f"+{len(fields) - MOST_RECORDED}"]}
