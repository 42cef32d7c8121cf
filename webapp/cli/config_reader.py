"""Reads a configuration file part by part, so that one reading finds all that is wrong, each with its path in the file.

What the file refers to outside itself is looked up where it is applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from webapp.cabinets.embedded.rules import Rules, RulesMistake, rules_from_config
from webapp.models import CabinetKind, TargetKind

from .config_schema import (
    AccountEntry,
    AuthorizationEntry,
    CampaignEntry,
    ChannelEntry,
    EmployeeEntry,
    IntegrationEntry,
    Part,
    SiteEntry,
    SourceEntry,
    TargetEntry,
)

LATER = "not available in this version"

#: What each check says, for the messages that pydantic would word for programmers.
_WORDS = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
    "string_type": "must be text",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
}

#: The lists of the directory and what stands in them, in the order in which they are applied.
DIRECTORY = {"sites": SiteEntry, "campaigns": CampaignEntry, "sources": SourceEntry, "employees": EmployeeEntry}

#: Every list whose entries have keys.
KEYED = (*DIRECTORY, "authorizations", "integrations")

#: What the switch campaign/source leaves empty.
OTHER_SIDE = {TargetKind.CAMPAIGN: ("source", "site"), TargetKind.SOURCE: ("campaign",)}

Entry = TypeVar("Entry", bound=Part)


@dataclass
class Placed(Generic[Entry]):
    """A part of the file and its path. ``rules`` in their stored form, where it has some."""

    path: str
    entry: Entry
    rules: Rules | None = None


@dataclass
class IntegrationPart:
    """An integration in the file; ``entry`` is None when it has no key. ``fallback``: None unless given."""

    path: str
    entry: IntegrationEntry | None
    fallback: Placed[TargetEntry] | None = None
    fallback_cleared: bool = False
    channels: list[Placed[ChannelEntry]] = field(default_factory=list)


@dataclass
class AccountPart:
    """An account in the file. ``keys`` are all the keys of its lists, also of entries that could not be read."""

    path: str
    slug: str | None = None
    entry: AccountEntry | None = None
    lists: dict[str, list[Placed[Any]]] = field(default_factory=lambda: {name: [] for name in DIRECTORY})
    keys: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in KEYED})
    authorizations: list[Placed[AuthorizationEntry]] = field(default_factory=list)
    integrations: list[IntegrationPart] = field(default_factory=list)


class Reader:
    """Reads a document part by part. ``mistakes`` collects everything that is wrong, a line each."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def say(self, path: str, text: str) -> None:
        """Note a mistake at a path of the file."""
        self.mistakes.append(f"{path}: {text}" if path else text)

    def file(self, document: Any) -> list[AccountPart]:
        """The accounts of the document."""
        if not isinstance(document, Mapping):
            self.say("", "the file must be a mapping with the key accounts")
            return []
        for name in document.keys() - {"accounts"}:
            self.say(str(name), "unknown key")
        if "accounts" not in document:
            self.say("accounts", "is missing")
        parts = [self._account(raw, path) for path, raw in self._items(document, "accounts", "")]
        self._once([(f"{part.path}.slug", part.slug) for part in parts if part.slug], "slug")
        return parts

    def _account(self, raw: Any, path: str) -> AccountPart:
        part = AccountPart(path)
        part.entry = self._read(AccountEntry, raw, path, without=KEYED)
        if not isinstance(raw, Mapping):
            return part
        part.slug = part.entry.slug if part.entry else _plain(raw.get("slug"))
        if part.entry and part.entry.cabinet and part.entry.cabinet.kind == CabinetKind.EMBEDDED:
            for name in part.entry.cabinet.given("url", "access_token"):
                self.say(f"{path}.cabinet.{name}", "belongs to another kind of cabinet")
        for name, model in DIRECTORY.items():
            for place, item in self._keyed(raw, name, part):
                entry = self._read(model, item, place)
                rules = self._rules(item, place) if issubclass(model, SourceEntry) else None
                if entry is not None:
                    part.lists[name].append(Placed(place, entry, rules))
        for place, item in self._keyed(raw, "authorizations", part):
            entry = self._read(AuthorizationEntry, item, place)
            if entry is not None:
                part.authorizations.append(Placed(place, entry))
        part.integrations = [self._integration(item, place) for place, item in self._keyed(raw, "integrations", part)]
        return part

    def _integration(self, raw: Any, path: str) -> IntegrationPart:
        part = IntegrationPart(path, self._read(IntegrationEntry, raw, path, without=("fallback", "channels")))
        if not isinstance(raw, Mapping):
            return part
        if raw.get("fallback") is not None:
            part.fallback = self._target(TargetEntry, raw["fallback"], f"{path}.fallback")
        part.fallback_cleared = "fallback" in raw and raw["fallback"] is None
        for place, item in self._items(raw, "channels", path):
            channel = self._target(ChannelEntry, item, place)
            if channel is not None:
                part.channels.append(channel)
        self._once([(f"{row.path}.channel", row.entry.channel) for row in part.channels], "channel")
        return part

    def _target(self, model: type[Entry], raw: Any, path: str) -> Placed[Entry] | None:
        entry = self._read(model, raw, path)
        if entry is None:
            return None
        if entry.kind not in entry.model_fields_set:
            self.say(f"{path}.{entry.kind}", "is missing")
        for name, value in entry.given(*OTHER_SIDE[entry.kind]).items():
            if value is not None:
                self.say(f"{path}.{name}", f"does not belong to kind: {entry.kind}")
        return Placed(path, entry)

    def _rules(self, raw: Any, path: str) -> Rules | None:
        if not isinstance(raw, Mapping) or "rules" not in raw:
            return None
        try:
            return rules_from_config(raw["rules"])
        except RulesMistake as error:
            for place, text in error.mistakes:
                self.say(_join(f"{path}.rules", place), text)
            return None

    def _keyed(self, raw: Mapping[str, Any], name: str, part: AccountPart) -> list[tuple[str, Any]]:
        items = self._items(raw, name, part.path)
        keys = [(f"{path}.key", _plain(item.get("key"))) for path, item in items if isinstance(item, Mapping)]
        self._once([(path, key) for path, key in keys if key], "key")
        part.keys[name] = {key for _path, key in keys if key}
        return items

    def _items(self, raw: Mapping[str, Any], name: str, path: str) -> list[tuple[str, Any]]:
        """The items of a list and their paths; nothing at all is an empty list."""
        value, place = raw.get(name), f"{path}.{name}" if path else name
        if value is not None and not isinstance(value, list):
            self.say(place, "must be a list")
            return []
        return [(f"{place}[{number}]", item) for number, item in enumerate(value or ())]

    def _once(self, names: list[tuple[str, str]], word: str) -> None:
        seen = set()
        for path, name in names:
            if name in seen:
                self.say(path, f'the {word} "{name}" stands in this list twice')
            seen.add(name)

    def _read(self, model: type[Entry], raw: Any, path: str, without: tuple[str, ...] = ()) -> Entry | None:
        """The part, or as much of it as is right: what it refers to can then still be checked. None if nothing is."""
        if not isinstance(raw, Mapping):
            self.say(path, "must be a mapping")
            return None
        values = {key: value for key, value in raw.items() if key not in without}
        try:
            return model.model_validate(values)
        except ValidationError as error:
            wrong = set()
            for one in error.errors(include_url=False, include_input=False):
                place = tuple(step for step in one["loc"] if step != "[key]")
                words = _WORDS.get(one["type"]) or one["msg"].replace("Input should be", "must be")
                self.say(_join(path, place), words)
                wrong.add(str(one["loc"][0]))
        try:
            entry = model.model_validate({key: value for key, value in values.items() if key not in wrong})
        except ValidationError:
            return None
        entry.model_fields_set.update(wrong)
        return entry


def _plain(value: Any) -> str | None:
    return str(value) if isinstance(value, str) else None


def _join(path: str, steps: tuple[str | int, ...]) -> str:
    return path + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
