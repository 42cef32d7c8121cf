"""Two accounts with everything in them, and every address of the application, for the tests of who may see what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

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
)
from tests.views.acting import chat, make_person, send
from webapp.models import (
    KINDS,
    Account,
    Authorization,
    Communication,
    Delivery,
    DeliveryAttempt,
    Export,
    Integration,
    Invitation,
    Reconciliation,
    Role,
    SavedView,
    WebhookEvent,
    utc_now,
)
from webapp.views.access import declared


@dataclass
class World:
    """An account's slug, the word that stands in everything it has, and the numbers of its objects by endpoint."""

    slug: str
    mark: str
    key: str
    #: The integration of a vendor that is connected.
    connected_key: str
    secret: str
    public_id: str
    entries: dict[str, int]
    numbers: dict[str, int]

    def _key(self, endpoint: str) -> str:
        """Of the site, of the connected integration, or of the other one."""
        room = endpoint.partition(".")[0]
        return {"counter": f"site-{self.mark}", "connections": self.connected_key}.get(room, self.key)

    def values(self, endpoint: str, kind: str) -> dict[str, Any]:
        """What the addresses' variables stand for in this account."""
        number = self.numbers.get(endpoint) or (self.entries[kind] if endpoint.startswith("directory.") else None)
        return {
            "slug": self.slug,
            "key": self._key(endpoint),
            "public_id": self.public_id,
            "vendor": "amocrm",
            "kind": kind,
            "number": number,
            "token": f"no-such-token-{self.mark}",
            "name": "csv",
        }


def make_world(app: Flask, session: Session, slug: str) -> World:
    """An account with one of everything; ``mark`` is a word that stands nowhere else."""
    mark = f"zz{slug}zz"
    account = make_account(session, slug, name=f"Кабинет {mark}")
    member = make_person(session, account, Role.VIEWER, email=f"{mark}@member.example", name=f"Имя {mark}")
    site = make_site(session, account, f"site-{mark}", f"{mark}.example")
    campaign = make_campaign(
        session, account, f"campaign-{mark}", f"Кампания {mark}", [{"utm_source": mark}], site_id=site.id
    )
    source = make_source(session, account, f"source-{mark}", f"Источник {mark}")
    employee = make_employee(session, account, f"employee-{mark}", f"Сотрудник {mark}", f"{mark}@staff.example")
    integration = make_integration(session, account, f"jivo-{mark}", name=f"Jivo {mark}")
    map_channel(session, integration, "telegram", campaign=campaign)
    _connect(session, make_integration(session, account, f"amo-{mark}", "amocrm", name=f"amoCRM {mark}"), mark)
    integration.employee_id = employee.id
    integration.point_to("source", None, source.id, site.id)
    visit = make_visit(session, account, f"session-{mark}", landing_url=f"https://{mark}.example/", site_id=site.id)
    invitation, _token = Invitation.make(session.get(Account, account.id), f"{mark}@invited.example", Role.EDITOR)
    view = SavedView(account_id=account.id, user_id=member.id, name=f"Вид {mark}", query={"q": mark})
    export = Export(account_id=account.id, user_id=member.id, format="csv", language="ru", query={"q": mark})
    session.add_all([invitation, view, export])
    session.commit()
    path, key, secret = integration.hook_path("telegram"), integration.key, integration.webhook_secret
    public_id, visit_number = integration.public_id, visit.id
    session.rollback()
    send(app, path, chat(f"chat-{mark}", f"Текст {mark}", name=f"Посетитель {mark}", widget_id=f"widget-{mark}"))
    world = World(
        slug=slug,
        mark=mark,
        key=key,
        connected_key=f"amo-{mark}",
        secret=secret,
        public_id=public_id,
        entries={
            kind: session.scalar(select(table.id).where(table.key.contains(mark))) for kind, table in KINDS.items()
        },
        numbers={
            "communications.show": session.scalar(
                select(Communication.id).where(Communication.vendor_id == f"chat-{mark}")
            ),
            "visits.show": visit_number,
            "events.show": session.scalar(select(WebhookEvent.id).where(WebhookEvent.reference.contains(mark))),
            "people.change_role": member.memberships[0].id,
            "people.revoke": invitation.id,
            "alerts.hide": make_alert(session, account, integration=mark).id,
            "tasks.show": make_task(session, account, actor=f"{mark}@member.example").id,
            "communications.delete_view": view.id,
            "communications.download": export.id,
            "communications.delete_export": export.id,
        },
    )
    world.numbers["events.replay"] = world.numbers["events.show"]
    for endpoint in ("tasks.card", "tasks.stop", "tasks.undo"):
        world.numbers[endpoint] = world.numbers["tasks.show"]
    delivery = Delivery(
        account_id=account.id, communication_id=world.numbers["communications.show"], type="chat", state="held",
        reason="no_contact", ext_id=f"lt-{mark}", updated_at=utc_now(),
    )  # fmt: skip
    session.add(delivery)
    session.flush()
    session.add(DeliveryAttempt(account_id=account.id, delivery_id=delivery.id, method=f"upload.{mark}"))
    session.commit()
    for endpoint in ("show", "retry", "resend"):
        world.numbers[f"deliveries.{endpoint}"] = delivery.id
    assert None not in {*world.entries.values(), *world.numbers.values()}
    session.rollback()
    return world


def _connect(session: Session, integration: Integration, mark: str) -> None:
    """An authorization whose account on the vendor's side is full of the mark; nothing answers at its address."""
    row = Authorization(
        account_id=integration.account_id,
        vendor=integration.vendor,
        key=f"authorization-{mark}",
        name=f"Авторизация {mark}",
        domain="http://127.0.0.1:9",
        url="http://127.0.0.1:9",
        client_id=f"client-{mark}",
        client_secret=f"secret-{mark}",
        vendor_account_id="1",
        vendor_account_name=f"Аккаунт {mark}",
        lead_fields=[{"id": 1, "name": mark, "kind": "text", "group": None, "problem": None, "usable": True}],
    )
    integration.authorization = row
    session.add(Reconciliation(integration_id=integration.id, since=utc_now(), until=utc_now(), ordered_by=mark))
    session.commit()


@dataclass(frozen=True)
class Address:
    """One way to ask for a route."""

    method: str
    endpoint: str
    path: str
    access: str
    #: The names of the variables in it.
    arguments: frozenset[str]

    def __str__(self) -> str:
        return f"{self.method} {self.path} ({self.endpoint})"


def routes(app: Flask) -> list[Rule]:
    """Every route but the static files, which hold nothing of anybody."""
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]


def addresses(app: Flask, world: World, own: World | None = None) -> Iterator[Address]:
    """Every address of every route but the webhooks', with this account's objects in it.

    With ``own`` the slug is that account's, and only addresses that name an object are given.
    """
    for rule in routes(app):
        if rule.endpoint.startswith("hooks."):
            continue
        access = declared(app.view_functions[rule.endpoint])
        variables = frozenset(rule.arguments) - frozenset(rule.defaults or {})
        for kind in KINDS if "kind" in variables else ["sites"]:
            values = world.values(rule.endpoint, kind) | (rule.defaults or {})
            if own is not None:
                if "slug" not in variables or not variables & {"key", "number"}:
                    continue
                values["slug"] = own.slug
            missing = [name for name in variables if values.get(name) is None]
            assert not missing, f"{rule.endpoint}: give worlds.World a value for {missing}"
            path = rule.build(values, append_unknown=False)[1]
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield Address(method, rule.endpoint, path, access or "", variables)
