"""What a person sees and does in a real Chromium. Here: a cabinet with something on every page, and their addresses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.factories import (
    make_account,
    make_alert,
    make_campaign,
    make_employee,
    make_integration,
    make_site,
    make_source,
    make_task,
    make_visit,
    map_channel,
    tie_visit,
)
from tests.views.acting import chat, make_person, send
from webapp.models import (
    Account,
    Authorization,
    Communication,
    Delivery,
    DeliveryAttempt,
    Integration,
    Invitation,
    Reconciliation,
    Role,
    TaskKind,
    TaskState,
    User,
    WebhookEvent,
    utc_now,
)

#: For tests of what no database has a part in.
ON_SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")

#: Longer than a narrow screen, and without a place to break it.
LONG_WORD = "sale-" * 30


@dataclass(frozen=True)
class Cabinet:
    """An account with an owner and a Jivo integration."""

    account: Account
    owner: User
    integration: Integration

    @property
    def path(self) -> str:
        """Where the account's pages begin."""
        return f"/a/{self.account.slug}"

    @property
    def jivo(self) -> str:
        """The page of the integration."""
        return f"{self.path}/integrations/{self.integration.key}"


def make_cabinet(session: Session, **values: object) -> Cabinet:
    """«Ромашка» with nothing in it but an active integration that was saved. ``values`` are the integration's."""
    account = make_account(session, name="Ромашка")
    owner = make_person(session, account, name="Ольга")
    integration = make_integration(session, account, **{"saved_at": utc_now(), **values})
    return Cabinet(account, owner, integration)


@dataclass(frozen=True)
class Furnished(Cabinet):
    """The same with something on every page: ``paths`` are all its pages, ``outside`` those before sign-in."""

    paths: tuple[str, ...]
    outside: tuple[str, ...]


def furnish(app: Flask, session: Session) -> Furnished:
    """A cabinet with long names, a failed event, an offered messenger, an archived choice and an invitation."""
    cabinet = make_cabinet(session)
    account, integration = cabinet.account, cabinet.integration
    site = make_site(session, account, domain="shop.example", name="Магазин штор")
    campaign = make_campaign(
        session, account, rules=[{"utm_source": "yandex", "utm_medium": "cpc"}], site_id=site.id, name="Директ: шторы"
    )
    make_campaign(session, account, "long", f"Распродажа {LONG_WORD}", [{"utm_campaign": LONG_WORD}])
    source = make_source(session, account)
    employee = make_employee(session, account)
    archived = make_source(session, account, "card", "Визитка", archived_at=utc_now())
    map_channel(session, integration, "telegram", source=source, site=site)
    map_channel(session, integration, "viber", source=archived)
    integration.employee_id = employee.id
    integration.point_to("campaign", campaign.id, None, None)
    integration.previous_secret_hash, integration.previous_secret_until = "0" * 64, utc_now() + timedelta(hours=20)
    connected = make_integration(session, account, "amo", "amocrm", name="amoCRM")
    connected.hook_state, connected.options = "disabled", {"session_field": 7}
    connected.authorization = Authorization(
        account_id=account.id, vendor="amocrm", key="main", name="Отдел продаж", domain="romashka.amocrm.ru",
        url="https://romashka.amocrm.ru", token_url="https://romashka.amocrm.ru/oauth2/access_token",
        client_id=LONG_WORD, state="connected", access_token="token", problem="unpaid", problem_detail=LONG_WORD,
        vendor_account_id="1", vendor_account_name="Romashka", connected_by="owner@romashka.example",
        connected_at=utc_now(), expires_at=utc_now(), lead_fields=[], fields_read_at=utc_now(),
    )  # fmt: skip
    session.add(
        Reconciliation(integration_id=connected.id, since=utc_now(), until=utc_now(), ordered_by=LONG_WORD[:90])
    )
    make_person(session, account, Role.EDITOR, name="Павел")
    invitation, _token = Invitation.make(account, "new@romashka.example", Role.VIEWER)
    joining, token = Invitation.make(account, "soon@romashka.example", Role.VIEWER)
    session.add_all([invitation, joining])
    session.commit()
    hook = integration.hook_path()
    session.rollback()
    marks = {"source": "yandex", "medium": "cpc", "campaign": LONG_WORD}
    address = f"https://shop.example/?utm_campaign={LONG_WORD}"
    send(app, hook, chat(1, session={"utm_json": marks}, page={"url": address}))
    send(app, f"{hook}/telegram", chat(2, "Мой номер 8 900 000-12-34", "Спасибо", LONG_WORD, name="Олег"))
    send(app, f"{hook}/avito", chat(3, "Торг?", name="Пётр", widget_id="w3"))
    send(app, hook, b"this is no JSON")
    first = session.scalar(select(Communication.id).where(Communication.vendor_id == "1"))
    garbage = session.scalar(select(WebhookEvent.id).where(WebhookEvent.event_name.is_(None)))
    event = session.scalar(select(WebhookEvent.id).where(WebhookEvent.reference == "1"))
    assert None not in (first, garbage, event)
    task = make_task(
        session,
        account,
        TaskKind.IMPORT,
        state=TaskState.DONE,
        total=9,
        seen=9,
        counts={"new": 8, "refused": 1},
        problems=[{"file": f"{LONG_WORD}.log", "line": 4, "problem": "no body"}],
        finished_at=utc_now(),
    )
    make_alert(session, account, integration=LONG_WORD)
    visit = make_visit(
        session, account, "6000000000000001", site_id=site.id, visitor_id=LONG_WORD[:60], landing_url=address,
        last_url=address, referrer=address, marks=marks, user_agent=LONG_WORD, campaign_id=campaign.id,
    )  # fmt: skip
    make_visit(session, account, "6000000000000002", visitor_id=LONG_WORD[:60], landing_url=address)
    session.get_one(Communication, first).visit_id = visit.id
    tie_visit(session, integration, visit)
    delivery = Delivery(
        account_id=account.id, communication_id=first, type="chat", state="delivered", ext_id=f"lt-{LONG_WORD[:90]}-1",
        external_id="70000001", confirmed={"campaign_name": LONG_WORD, "campaign_id": 7}, confirmed_at=utc_now(),
        differs=["campaign_id"], is_different=True, changed_after=True, updated_at=utc_now(),
    )  # fmt: skip
    session.add(delivery)
    session.flush()
    told = {"account_id": account.id, "delivery_id": delivery.id, "method": "upload.chats", "outcome": "ok"}
    session.add(DeliveryAttempt(**told, request=f'{{"ext_id": "{LONG_WORD}"}}', answer="{}"))
    session.commit()
    handed_over = delivery.id
    inside = [
        "/integrations",
        "/integrations/new",
        "/integrations/jivo",
        "/integrations/amo",
        "/communications",
        f"/communications/{first}",
        "/visits",
        "/visits?q=nothing&site_text=nowhere",
        f"/visits/{visit.id}",
        "/events",
        f"/events/{event}",
        f"/events/{garbage}",
        "/directory/sites",
        "/directory/campaigns",
        "/directory/sources",
        "/directory/employees",
        f"/directory/sites/{site.id}",
        f"/directory/campaigns/{campaign.id}",
        "/directory/campaigns/new",
        f"/directory/check?url=https://shop.example/?utm_source=yandex%26utm_campaign={LONG_WORD}&referrer=https://vk.com",
        f"/directory/sources/{archived.id}",
        f"/directory/employees/{employee.id}",
        "/suggestions",
        "/reattribution",
        "/import",
        "/alerts",
        "/tasks",
        f"/tasks/{task.id}",
        "/people",
        "/settings",
        "/settings/erasure",
        "/settings/audit",
        "/settings/cabinet",
        "/deliveries",
        f"/deliveries/{handed_over}",
    ]
    session.rollback()
    return Furnished(
        account,
        cabinet.owner,
        integration,
        (*(cabinet.path + path for path in inside), "/password", "/accounts/new"),
        ("/sign-in", f"/invitation/{token}", "/invitation/used-up", "/no-such-page"),
    )


def welcome_path(session: Session) -> str:
    """The page that makes the first user; there must be none yet."""
    invitation, token = Invitation.make(None, None, Role.OWNER)
    session.add(invitation)
    session.commit()
    return f"/welcome/{token}"


def combobox(page: Page, field: str) -> Locator:
    """The text field of the combobox with this id."""
    return page.locator(f"#{field}")


def offered(page: Page, field: str) -> Locator:
    """The entries that the combobox offers now."""
    return page.locator(f"#{field}-list [role=option][data-value]")


def pick(page: Page, field: str, typed: str, wanted: str) -> None:
    """Choose in a combobox by typing and clicking."""
    combobox(page, field).fill(typed)
    page.locator(f"#{field}-list").get_by_role("option", name=wanted).click()
    expect(page.locator(f"#{field}-list")).to_be_hidden()


def told(problems: Iterable[str]) -> None:
    """Fail with everything that is wrong, not only with the first of it."""
    found = list(problems)
    assert not found, "\n".join(["", *found])
