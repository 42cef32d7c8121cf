"""The chat vendors. A folder here is a vendor; its ``vendor`` object is all the rest of the product ever sees of it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from wtforms import Form

from webapp.conversation import Reading
from webapp.models import Integration

from .connection import Connection


@dataclass(frozen=True)
class VendorRequest:
    """One request of a vendor, as received, with what the parser may need to know of our side.

    ``region`` is the account's default region for phone numbers (ISO 3166, two letters), ``options`` the vendor's own
    settings of the integration, as its ``OptionsForm`` made them.
    """

    body: bytes
    content_type: str | None
    received_at: datetime
    region: str = "RU"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What the vendor expects to hear."""

    body: str
    content_type: str = "application/json; charset=utf-8"
    status: int = 200


@dataclass(frozen=True)
class ScriptWords:
    """What the page says of the site script: what it does, where its line goes, and how to mend what is wrong.

    ``repairs`` is by webapp.sightings.verdict, ``faults`` by the codes that the script reports, ``notes`` by the word
    for a token that was not set although all is well. All texts are lazily translated.
    """

    does: Any
    steps: tuple[Any, ...]
    repairs: Mapping[str, Any]
    faults: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Guide:
    """The words of the integration page, in the order of the set-up guide. All texts are lazily translated.

    ``component`` is what the cabinet must be able to load; ``needs`` are the things the customer must have on the
    vendor's side, which we cannot check from here; ``steps`` tell where the webhook address goes; ``illustration`` is a
    template with a drawing; ``causes`` answer "nothing has come after five minutes", the likeliest first.
    """

    subtitle: Any
    values: tuple[Any, ...]
    passes: tuple[Any, ...]
    component: Any
    needs: tuple[Any, ...]
    steps: tuple[Any, ...]
    illustration: str
    channel_steps: tuple[Any, ...]
    channel_hint: Any
    test_steps: tuple[Any, ...]
    causes: tuple[Any, ...]
    script: ScriptWords


class Vendor(Protocol):
    """What a vendor's folder offers."""

    #: The URL segment and the word in the configuration file.
    name: str
    #: The name on the screen.
    title: str
    #: The heading of the integration page.
    heading: Any
    guide: Guide
    #: Settings that only this vendor has; stored in Integration.options.
    OptionsForm: type[Form]
    #: The content type of its webhooks, for the test button.
    content_type: str
    #: True when «Сотрудник» has a meaning: chats have operators, leads have none.
    assigns_employee: bool
    #: True when its channel ids can be labelled with the name of a messenger.
    labels_widgets: bool
    #: How its server is spoken to; None for a vendor that only sends.
    connection: Connection | None
    #: The template of the site script, below webapp/; it extends vendors/script.js.j2.
    script_template: str

    def script_settings(self, integration: Integration) -> dict[str, Any] | None:
        """The vendor's own settings of the site script (JSON values); None while a needed one is not set."""
        ...

    def read(self, request: VendorRequest) -> Reading:
        """Read one request. Never raises for bad input: what cannot be understood is said in the Reading."""
        ...

    def answer(self) -> Answer:
        """The answer to a request that is safely stored."""
        ...

    def sample_chat(self, now: datetime, mark: str) -> bytes:
        """The body of a realistic finished chat, for the test button. ``mark`` makes it unlike any other."""
        ...


@cache
def registry() -> dict[str, Vendor]:
    """Every vendor by name: each folder here that holds a ``vendor``."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg:
            vendor = importlib.import_module(f"{__name__}.{module.name}").vendor
            found[vendor.name] = vendor
    return found
