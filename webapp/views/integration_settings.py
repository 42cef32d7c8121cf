"""The settings of an integration as a form: what was typed, what is wrong with it, what it changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from wtforms import Form

from webapp.cabinets import cabinet_of
from webapp.conversation import CHANNELS
from webapp.extensions import db
from webapp.intake import normalise_channel
from webapp.models import Account, ChannelMapping, Integration, TargetKind, utc_now
from webapp.vendors import registry
from webapp.wording import channel_name

from .connection_input import FieldInput
from .directory_search import by_key
from .picker import Picker

MOST_MAPPINGS = 60

_ROW = re.compile(r"map-(\d{1,3})-channel")
_REMOVE = re.compile(r"remove-map-(\d{1,3})")
_OFFERED = re.compile(r"map-seen-(.{1,50})")


@dataclass
class TargetInput:
    """A switch «Рекламная кампания/Источник» and its pickers. Both sides are kept until saved."""

    prefix: str
    kind: str
    campaign: Picker
    source: Picker
    site: Picker

    @classmethod
    def of(cls, prefix: str, row: Any) -> TargetInput:
        """The form of a stored target."""
        return cls(
            prefix,
            (row.kind if row else None) or TargetKind.CAMPAIGN,
            Picker.of("campaigns", f"{prefix}campaign", row.campaign if row else None),
            Picker.of("sources", f"{prefix}source", row.source if row else None),
            Picker.of("sites", f"{prefix}site", row.site if row else None),
        )

    @classmethod
    def read(cls, prefix: str, account: Account, form: Mapping[str, str], required: bool) -> TargetInput:
        """The target as typed. ``required``: a side that is chosen must name something."""
        kind = form.get(f"{prefix}kind")
        kind = kind if kind in list(TargetKind) else TargetKind.CAMPAIGN
        on_campaign = kind == TargetKind.CAMPAIGN
        campaign_needed = _("Выберите рекламную кампанию.") if required and on_campaign else None
        source_needed = (
            _("Выберите источник.") if not on_campaign and (required or form.get(f"{prefix}site_text")) else None
        )
        target = cls(
            prefix,
            kind,
            Picker.read(account, "campaigns", f"{prefix}campaign", form, campaign_needed),
            Picker.read(account, "sources", f"{prefix}source", form, source_needed),
            Picker.read(account, "sites", f"{prefix}site", form),
        )
        for hidden in target.hidden:
            hidden.error = None
        return target

    @property
    def shown(self) -> list[Picker]:
        """The pickers of the side that the switch is on."""
        return [self.campaign] if self.kind == TargetKind.CAMPAIGN else [self.source, self.site]

    @property
    def hidden(self) -> list[Picker]:
        """The pickers of the other side."""
        return [self.source, self.site] if self.kind == TargetKind.CAMPAIGN else [self.campaign]

    @property
    def errors(self) -> list[tuple[str, str]]:
        """(text, id of the field) of what is wrong on the shown side."""
        return [(picker.error, picker.name) for picker in self.shown if picker.error]

    def write(self, row: Any) -> None:
        """Into the row."""
        row.point_to(self.kind, self.campaign.id, self.source.id, self.site.id)


@dataclass
class MappingInput:
    """A row of «Соответствие мессенджеров и источников»."""

    channel: str
    target: TargetInput
    error: str | None = None


@dataclass
class SettingsInput:
    """The whole form."""

    integration: Integration
    name: str
    name_error: str | None
    employee: Picker
    fallback: TargetInput
    fill_without_campaign: bool
    options: Form
    session_field: FieldInput
    tag: Picker
    upload_sessions: bool
    mappings: list[MappingInput] = field(default_factory=list)
    widgets: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, integration: Integration) -> SettingsInput:
        """The form of what is stored."""
        return cls(
            integration,
            integration.name,
            None,
            Picker.of("employees", "employee", integration.employee),
            TargetInput.of("", integration),
            integration.fill_without_campaign,
            registry()[integration.vendor].OptionsForm(data=integration.options or {}, prefix="option-"),
            FieldInput.of(integration),
            Picker.of("tags", "tag", by_key(integration.account, "tags", (integration.handover or {}).get("tag"))),
            bool((integration.handover or {}).get("upload_sessions")),
            [
                MappingInput(row.channel, TargetInput.of(f"map-{number}-", row))
                for number, row in enumerate(integration.mappings)
            ],
            {widget.id: widget.channel or "" for widget in integration.widgets},
        )

    @classmethod
    def read(cls, integration: Integration, form: Any) -> SettingsInput:
        """The form as typed."""
        account, name = integration.account, form.get("name", "").replace("\0", "").strip()
        rows = []
        numbers = sorted(int(found[1]) for key in form if (found := _ROW.fullmatch(key)))
        for number in numbers[:MOST_MAPPINGS]:
            channel = normalise_channel(form.get(f"map-{number}-channel_other") or form[f"map-{number}-channel"]) or ""
            rows.append(MappingInput(channel, TargetInput.read(f"map-{number}-", account, form, required=True)))
        return cls(
            integration,
            name,
            None if 0 < len(name) <= 200 else _("Введите название интеграции, не длиннее 200 знаков."),
            Picker.read(account, "employees", "employee", form),
            TargetInput.read("", account, form, required=False),
            form.get("fill_without_campaign") == "y",
            registry()[integration.vendor].OptionsForm(form, prefix="option-"),
            FieldInput.read(integration, form) if _has_fields(integration) else FieldInput.of(integration),
            Picker.read(account, "tags", "tag", form),
            form.get("upload_sessions") == "y",
            rows,
            {
                widget.id: normalise_channel(form[f"widget-{widget.id}"]) or ""
                for widget in integration.widgets
                if f"widget-{widget.id}" in form
            },
        )

    def act(self, action: str) -> bool:
        """Add or remove a row as a button asks. False when the button was «Сохранить»."""
        removed, offered = _REMOVE.fullmatch(action), _OFFERED.fullmatch(action)
        if action == "add-map" or offered:
            channel = normalise_channel(offered[1]) if offered else self._free_channel()
            if len(self.mappings) < MOST_MAPPINGS:
                self.mappings.append(MappingInput(channel or "", TargetInput.of("new-", None)))
        elif removed:
            del self.mappings[int(removed[1]) : int(removed[1]) + 1]
        elif action != "preview":
            return False
        self._renumber()
        self._forget_errors()
        return True

    def validate(self) -> bool:
        """Find what is wrong. A messenger may stand in one row only; the error is at the later row."""
        seen: set[str] = set()
        for row in self.mappings:
            if not row.channel:
                row.error = _("Выберите мессенджер.")
            elif row.channel in seen:
                row.error = _("%(channel)s уже есть в таблице выше.", channel=channel_name(row.channel))
            seen.add(row.channel)
        return self.options.validate() and not self.errors

    @property
    def errors(self) -> list[tuple[str, str]]:
        """(text, id of the field), in the order of the page."""
        found = [(self.name_error, "name")] if self.name_error else []
        if self.employee.error:
            found.append((self.employee.error, "employee"))
        if self.session_field.error:
            found.append((self.session_field.error, "session_field"))
        found += self.fallback.errors
        if self.tag.error:
            found.append((self.tag.error, "tag"))
        for number, row in enumerate(self.mappings):
            if row.error:
                found.append((row.error, f"map-{number}-channel"))
            found += row.target.errors
        return found

    def save(self) -> dict[str, Any]:
        """Write it into the integration; gives what changed, for the record."""
        integration = self.integration
        before = state(integration)
        integration.name = self.name
        if registry()[integration.vendor].assigns_employee:
            integration.employee_id = self.employee.id
        self.fallback.write(integration)
        integration.fill_without_campaign = self.fill_without_campaign
        integration.options = {**(integration.options or {}), **self.options.data}
        if _has_fields(integration):
            integration.options = {**integration.options, "session_field": self.session_field.id}
        if not cabinet_of(integration.account).owns_directory:
            tag = self.tag.entry.key if self.tag.entry else None
            integration.handover = {"tag": tag, "upload_sessions": self.upload_sessions}
        kept = {row.channel: row for row in integration.mappings}
        for row in self.mappings:
            mapping = kept.pop(row.channel, None)
            if mapping is None:
                mapping = ChannelMapping(channel=row.channel)
                integration.mappings.append(mapping)
            row.target.write(mapping)
        for gone in kept.values():
            integration.mappings.remove(gone)
        for widget in integration.widgets:
            # One that appeared after the page was opened keeps its label.
            if widget.id in self.widgets:
                widget.channel = self.widgets[widget.id] or None
        integration.saved_at = integration.saved_at or utc_now()
        db.session.flush()
        after = state(integration)
        cabinet_of(integration.account).settings_changed(db.session(), integration.account)
        return {key: [before[key], value] for key, value in after.items() if before[key] != value}

    def _free_channel(self) -> str:
        taken = {row.channel for row in self.mappings}
        return next((channel for channel in CHANNELS[1:] if channel not in taken), "")

    def _renumber(self) -> None:
        for number, row in enumerate(self.mappings):
            target = row.target
            target.prefix = f"map-{number}-"
            target.campaign.name, target.source.name, target.site.name = (
                f"map-{number}-{part}" for part in ("campaign", "source", "site")
            )

    def _forget_errors(self) -> None:
        """Nothing was saved, so nothing that is still being filled in is wrong yet."""
        self.name_error = self.employee.error = None
        for target in (self.fallback, *(row.target for row in self.mappings)):
            for picker in (target.campaign, target.source, target.site):
                picker.error = picker.error if picker.text else None


def _has_fields(integration: Integration) -> bool:
    """True when the session is kept in a field on the vendor's side."""
    return registry()[integration.vendor].connection is not None


def state(integration: Integration) -> dict[str, Any]:
    """The settings by name, for the record of changes."""
    return {
        "name": integration.name,
        "employee": integration.employee_id,
        "default": _target(integration),
        "fill_without_campaign": integration.fill_without_campaign,
        "options": dict(integration.options or {}),
        "handover": dict(integration.handover or {}),
        "channels": {row.channel: _target(row) for row in integration.mappings},
        "widgets": {widget.widget: widget.channel for widget in integration.widgets if widget.channel},
    }


def _target(row: Any) -> dict[str, Any]:
    return {"kind": row.kind, "campaign": row.campaign_id, "source": row.source_id, "site": row.site_id}
