"""A cabinet of CoMagic, UIS or CallGear behind its Data API (C2): the directory is read, communications uploaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp import queue
from webapp.arrival import host_of
from webapp.cabinets import Need
from webapp.cabinets.embedded import EmbeddedCabinet
from webapp.models import Account, CabinetLink, ChannelMapping, Communication, Delivery, Integration, Site
from webapp.resolution import Catalogue

from . import handing, words
from .checking import COMPONENTS

_TABLES = EmbeddedCabinet()


class DataApiCabinet:
    """Implements webapp.cabinets.Cabinet. Its directory is kept in the same tables as the embedded one's."""

    owns_directory = False
    counts_visits = False

    def catalogue(self, session: Session, account: Account) -> Catalogue:
        """See Cabinet.catalogue."""
        return _TABLES.catalogue(session, account)

    def employees(self, session: Session, account: Account) -> Mapping[str, int]:
        """See Cabinet.employees."""
        return _TABLES.employees(session, account)

    def needs(self, session: Session, integration: Integration) -> Sequence[Need]:
        """See Cabinet.needs: the connection, the upload components, and what the integration points to and is gone."""
        account = integration.account
        link = session.get(CabinetLink, account.id)
        if not account.cabinet_access_token:
            return (Need("missing", _("Ключ Data API не введён: «Настройки» → «Кабинет».")),)
        told = link.check if link and link.check else {}
        if told.get("failure"):
            advice = words.stop(told["failure"])
            return (Need("missing", f"{advice.what} {advice.repair}"), *_gone(session, integration))
        states = {name: state for name, state, *_facts in told.get("needs", [])}
        uploads = [Need(states.get(name, "unknown"), words.need(name)) for name in COMPONENTS.values()]
        return (*uploads, *_gone(session, integration))

    def policy(self, session: Session, integration: Integration) -> Mapping[str, Any]:
        """See Cabinet.policy."""
        told: dict[str, Any] = {"sessions_elsewhere": True}
        if (integration.handover or {}).get("upload_sessions"):
            sites = session.execute(
                select(Site.domain, Site.id).where(
                    Site.account_id == integration.account_id, Site.archived_at.is_(None)
                )
            )
            told |= {"marks_elsewhere": True, "sites": {host_of(domain): id for domain, id in sites}}
        return told

    def refused(self, session: Session, communication: Communication) -> Mapping[str, str]:
        """See Cabinet.refused."""
        if communication.id is None:
            return {}
        query = select(Delivery.refused).where(Delivery.communication_id == communication.id)
        return dict(session.scalar(query) or {})

    def record(self, session: Session, communication_id: int) -> None:
        """See Cabinet.record."""
        handing.record(session, communication_id)

    def resend(self, session: Session, communication_id: int) -> bool:
        """See Cabinet.resend."""
        return handing.resend(session, communication_id)

    def settings_changed(self, session: Session, account: Account) -> None:
        """See Cabinet.settings_changed."""
        queue.enqueue(session, "resume_deliveries", account.id)


def _gone(session: Session, integration: Integration) -> list[Need]:
    """What the integration's default and mapping name and the cabinet no longer has."""
    rows = session.scalars(select(ChannelMapping).where(ChannelMapping.integration_id == integration.id)).all()
    entries = [integration.employee]
    for row in (integration, *rows):
        entries += [row.campaign, row.source, row.site]
    names = dict.fromkeys(entry.label for entry in entries if entry is not None and entry.archived_at is not None)
    return [
        Need("missing", _("«%(name)s» в кабинете больше нет: выберите в настройках ниже другое.", name=name))
        for name in names
    ]
