"""Jivo (JivoSite): webhooks about chats and offline messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from webapp.conversation import Reading
from webapp.models import Integration
from webapp.vendors import Answer, Guide, VendorRequest

from . import payload, sample
from .form import OptionsForm
from .guide import GUIDE, HEADING
from .token import OWN_PREFIX

__all__ = ["vendor"]


class Jivo:
    """Jivo, as the rest of the product sees it (webapp.vendors.Vendor)."""

    name = "jivo"
    title = "Jivo"
    heading = HEADING
    guide: Guide = GUIDE
    OptionsForm = OptionsForm
    content_type = "application/json"
    assigns_employee = True
    labels_widgets = True
    connection = None
    script_template = "vendors/jivo/script.js.j2"

    def script_settings(self, integration: Integration) -> dict[str, Any]:
        """See Vendor.script_settings."""
        options = integration.options or {}
        return {
            "prefix": OWN_PREFIX,
            "overwrite": bool(options.get("overwrite_foreign_token")),
            "jwt": bool(options.get("jwt_channel")),
        }

    def read(self, request: VendorRequest) -> Reading:
        """Read one webhook. Never raises for any bytes."""
        return payload.read(request)

    def answer(self) -> Answer:
        """``result: ok`` and nothing else: more would change what Jivo's operators see (jivo.ru/docs/webhooks)."""
        return Answer('{"result":"ok"}')

    def sample_chat(self, now: datetime, mark: str) -> bytes:
        """A finished chat for the test button."""
        return sample.sample_chat(now, mark)


vendor = Jivo()
