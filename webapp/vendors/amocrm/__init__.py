"""amoCRM (amocrm.ru, amocrm.com, Kommo): talks that were closed, as requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from webapp.conversation import Reading
from webapp.models import Integration
from webapp.vendors import Answer, Guide, VendorRequest

from . import payload, sample
from .connection import AmocrmConnection
from .form import OptionsForm
from .guide import GUIDE, HEADING
from .looking import FIELD_OPTION

__all__ = ["vendor"]


class Amocrm:
    """amoCRM, as the rest of the product sees it (webapp.vendors.Vendor)."""

    name = "amocrm"
    title = "amoCRM"
    heading = HEADING
    guide: Guide = GUIDE
    OptionsForm = OptionsForm
    content_type = "application/x-www-form-urlencoded"
    assigns_employee = False
    labels_widgets = False
    connection = AmocrmConnection()
    script_template = "vendors/amocrm/script.js.j2"

    def script_settings(self, integration: Integration) -> dict[str, Any] | None:
        """See Vendor.script_settings. Without a field there is nowhere to put the session."""
        field = (integration.options or {}).get(FIELD_OPTION)
        return {"field": int(field)} if field else None

    def read(self, request: VendorRequest) -> Reading:
        """Read one webhook. Never raises for any bytes."""
        return payload.read(request)

    def answer(self) -> Answer:
        """Any 2xx will do (contract, 2.6)."""
        return Answer('{"result":"ok"}')

    def sample_chat(self, now: datetime, mark: str) -> bytes:
        """A closed talk for the test button."""
        return sample.sample_talk(now, mark)


vendor = Amocrm()
