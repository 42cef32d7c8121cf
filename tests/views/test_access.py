"""Who may see what: every route, without a session, from another account, and in each role (B10, DESIGN §9)."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_integration
from tests.pages import LintingClient, lint
from tests.views.acting import enter_as, everything, part, path_of, said
from tests.views.worlds import Address, World, addresses, make_world, routes
from webapp.models import Account, ChannelMapping, Integration, Role
from webapp.views.access import declared

ROLES = [role.value for role in Role]


#: What belongs to one person: nobody else in the account sees it, whatever their role, and each may have their own.
PERSONAL = {
    "communications.save_view",
    "communications.delete_view",
    "communications.order_export",
    "communications.download",
    "communications.delete_export",
}


@pytest.fixture
def world(app: Flask, session) -> World:
    return make_world(app, session, "romashka")


@pytest.fixture
def other(app: Flask, session) -> World:
    return make_world(app, session, "vasilek")


def member_of(app: Flask, session, world: World, role: Role = Role.OWNER) -> LintingClient:
    account = session.scalar(select(Account).where(Account.slug == world.slug))
    return enter_as(app, session, account, role, email=f"{role}@{world.slug}.example")


def test_every_route_declares_its_access(app):
    """DESIGN §9: every route states its authentication."""
    undeclared = [rule.endpoint for rule in routes(app) if declared(app.view_functions[rule.endpoint]) is None]
    assert undeclared == []
    assert {declared(app.view_functions[rule.endpoint]) for rule in routes(app)} <= {"public", "signed_in", *ROLES}


def test_every_route_of_an_account_asks_for_a_role_in_it(app):
    for rule in routes(app):
        needs_role = declared(app.view_functions[rule.endpoint]) in ROLES
        assert needs_role == ("slug" in rule.arguments) == rule.rule.startswith("/a/<slug>"), rule.rule


def test_what_is_open_to_everybody_is_a_short_and_known_list(app):
    """A new public route has to be put here by somebody who means it."""
    public = {rule.endpoint for rule in routes(app) if declared(app.view_functions[rule.endpoint]) == "public"}
    assert public == {
        "hooks.receive",
        "counter.counter",
        "counter.collect",
        "counter.integration_script",
        "counter.hear_script",
        "health.healthz",
        "health.readyz",
        "health.show_metrics",
        "auth.sign_in",
        "auth.welcome",
        "auth.invitation",
        "auth.language",
        "oauth.callback",
        "oauth.disabled",
    }


def test_a_route_that_declares_nothing_is_closed(app, client, monkeypatch):
    monkeypatch.setitem(app.view_functions, "auth.sign_in", lambda: "wide open")
    page = lint(client.client.get("/sign-in").text)
    assert "wide open" not in page.get_text()


def closed(app: Flask, world: World) -> list[Address]:
    found = [address for address in addresses(app, world) if address.access != "public"]
    assert len({address.endpoint for address in found}) >= 25
    return found


def test_without_a_session_every_page_sends_to_sign_in_and_back(app, session, client, world):
    """Issue 2.2: a test walks every route with no session."""
    for address in closed(app, world):
        if address.method == "GET":
            answer = client.get(address.path, status=302)
            sent = urlsplit(path_of(answer))
            assert (sent.path, parse_qs(sent.query)["next"]) == ("/sign-in", [address.path]), address
            assert world.mark not in answer.text.replace(world.key, "").replace(world.connected_key, ""), address


def test_without_a_session_every_post_is_refused_and_changes_nothing(app, session, client, world):
    before = everything(session)
    for address in closed(app, world):
        if address.method != "GET":
            page = client.post(address.path, {"name": "new", "active": "0", "role": "owner"}, status=401)
            assert said(page.h1) == "Вы вышли из системы", address
    assert everything(session) == before


def test_another_account_does_not_exist_for_a_stranger(app, session, world, other):
    """B10, DESIGN §9: one account never sees a byte of another; nor does it learn that the other exists."""
    stranger = member_of(app, session, world)
    before = everything(session)
    nobody = lint(stranger.client.get("/a/no-such-account/events").text)
    walked = set()
    for address in addresses(app, other):
        if "slug" not in address.arguments:
            continue
        walked.add(address.endpoint)
        send = stranger.get if address.method == "GET" else stranger.post
        page = send(address.path, status=404)
        assert other.mark not in str(page), address
        assert said(page) == said(nobody), address
    assert len(walked) >= 22
    assert everything(session) == before


def test_objects_of_another_account_are_not_found_under_ones_own_address(app, session, world, other):
    """B10: site, campaign, source, employee, communication, event, membership, invitation, integration."""
    owner, walked = member_of(app, session, world), set()
    before = everything(session)
    for address in addresses(app, other, own=world):
        walked.add(address.endpoint)
        if address.method == "GET":
            page = owner.get(address.path, status=404)
        else:
            data = {"archived": "1", "active": "0", "role": "remove", "name": "new", "domain": "new.example"}
            page = owner.post(address.path, data | {"full_name": "new"}, status=404)
        assert other.mark not in str(page), address
    assert walked >= {
        "communications.show",
        "deliveries.resend",
        "deliveries.retry",
        "deliveries.show",
        "directory.entry",
        "directory.archive",
        "events.show",
        "events.replay",
        "integrations.show",
        "integrations.settings",
        "people.change_role",
        "people.revoke",
        "visits.show",
    }
    assert everything(session) == before


def test_ones_own_pages_show_nothing_of_another_account(app, session, world, other):
    """Not even where an address names the other's objects in its parameters."""
    owner = member_of(app, session, world)
    hostile = [
        f"/a/{world.slug}/communications?q=zz",
        f"/a/{world.slug}/communications?integration={integration_number(session, other)}",
        f"/a/{world.slug}/visits?q=zz",
        f"/a/{world.slug}/visits?site={other.entries['sites']}&campaign={other.entries['campaigns']}",
        f"/a/{world.slug}/events?integration={integration_number(session, other)}",
        f"/a/{world.slug}/settings/audit?before=999999",
        *(f"/a/{world.slug}/directory/{kind}?after={number}" for kind, number in other.entries.items()),
        *(f"/a/{world.slug}/options/{kind}?q=zz" for kind in other.entries),
    ]
    seen, export = 0, world.numbers["communications.download"]
    for path in [address.path for address in addresses(app, world) if address.method == "GET"] + hostile:
        answer = owner.client.get(path)
        seen += world.mark in answer.text
        assert other.mark not in answer.text, path
        assert other.secret not in answer.text, path
        assert answer.status_code in (200, 302, 403, 410, 503) or path.endswith(f"/exports/{export}"), path
    assert seen >= 15, "the walk sees its own account, so it could see the other"


def integration_number(session, world: World) -> int:
    number = session.scalar(select(Integration.id).where(Integration.key == world.key))
    session.rollback()
    return number


def test_settings_cannot_point_to_the_directory_of_another_account(app, session, world, other):
    """B10: what is sent by hand counts for nothing."""
    owner, entries, before = member_of(app, session, world), other.entries, everything(session)
    path = f"/a/{world.slug}/integrations/{world.key}/settings"
    foreign = {
        "employee": {"employee": entries["employees"], "employee_text": f"Сотрудник {other.mark}"},
        "campaign": {"campaign": entries["campaigns"], "campaign_text": f"Кампания {other.mark}"},
        "source": {"kind": "source", "source": entries["sources"], "source_text": f"Источник {other.mark}"},
        "map-0-campaign": {
            "map-0-channel": "viber",
            "map-0-kind": "campaign",
            "map-0-campaign": entries["campaigns"],
            "map-0-campaign_text": f"Кампания {other.mark}",
        },
    }
    for field, values in foreign.items():
        page = owner.post(path, {"name": "Jivo", **values}, status=422)
        assert page.select_one("[data-error-summary]").find("a", href=f"#{field}"), field
    assert everything(session) == before


def test_bare_numbers_of_another_accounts_directory_are_dropped(app, session, world, other):
    owner, entries = member_of(app, session, world), other.entries
    settings = {
        "name": "Jivo",
        "kind": "source",
        "employee": entries["employees"],
        "campaign": entries["campaigns"],
        "source": entries["sources"],
        "site": entries["sites"],
    }
    path = f"/a/{world.slug}/integrations/{world.key}/settings"
    owner.client.post(path, data={"csrf_token": owner.token(), **settings})
    owner.client.post(
        f"/a/{world.slug}/directory/campaigns/new",
        data={"csrf_token": owner.token(), "name": "Новая", "priority": "1", "site": entries["sites"]},
    )
    session.rollback()
    foreign = set(entries.values())
    integration = session.scalar(select(Integration).where(Integration.key == world.key))
    pointed = {integration.employee_id, integration.campaign_id, integration.source_id, integration.site_id}
    pointed |= {mapping.campaign_id for mapping in integration.mappings}
    own = set(world.entries.values()) | {None}
    assert pointed <= own or not pointed & (foreign - own)
    page = owner.get(f"/a/{world.slug}/directory/campaigns")
    assert other.mark not in str(page)


def test_widgets_of_another_account_cannot_be_labelled(app, session, world, other):
    owner = member_of(app, session, world)
    widget = session.scalar(select(Integration).where(Integration.key == other.key)).widgets[0]
    number = widget.id
    session.rollback()
    owner.post(f"/a/{world.slug}/integrations/{world.key}/settings", {"name": "Jivo", f"widget-{number}": "viber"})
    session.rollback()
    assert widget.channel is None
    assert session.scalars(select(ChannelMapping.channel)).all() == ["telegram"]


def account_posts(app: Flask, world: World) -> list[Address]:
    return [address for address in addresses(app, world) if address.method == "POST" and address.access in ROLES]


def test_a_viewer_changes_nothing(app, session, world):
    """Roles (issue 2.2): a viewer only looks. Views and files of one's own change nothing of the account's."""
    viewer = member_of(app, session, world, Role.VIEWER)
    before, walked = everything(session), set()
    for address in account_posts(app, world):
        if address.endpoint in PERSONAL:
            continue
        walked.add(address.endpoint)
        page = viewer.post(
            address.path,
            {"name": "new", "domain": "new.example", "full_name": "new", "priority": "1", "role": "owner"},
            status=403,
        )
        assert page.h1 is not None, address
    assert len(walked) >= 14
    assert everything(session) == before


OWNERS = {
    "account.settings",
    "erasure.erase",
    "cabinet.connect",
    "cabinet.disconnect",
    "integrations.archive",
    "integrations.restore",
    "people.index",
    "people.change_role",
    "people.revoke",
}


def test_an_editor_is_refused_what_only_owners_may_do(app, session, world):
    editor = member_of(app, session, world, Role.EDITOR)
    before, walked = everything(session), set()
    for address in account_posts(app, world):
        if address.endpoint in OWNERS or address.access == Role.OWNER:
            walked.add(address.endpoint)
            editor.post(address.path, {"name": "new", "role": "owner"}, status=403)
    assert walked == OWNERS
    for path in ("people", "settings/audit"):
        editor.get(f"/a/{world.slug}/{path}", status=403)
    assert everything(session) == before


def test_an_editor_does_the_daily_work(app, session, world):
    """The refusals above are not for everybody."""
    editor = member_of(app, session, world, Role.EDITOR)
    editor.post(f"/a/{world.slug}/directory/sites/new", {"domain": "new.example"})
    editor.post(f"/a/{world.slug}/integrations/{world.key}/active", {"active": "0"})
    editor.post(f"/a/{world.slug}/events/{world.numbers['events.show']}/replay")


@pytest.mark.parametrize("role", list(Role))
def test_views_and_files_of_another_person_do_not_exist(app, session, world, role):
    person = member_of(app, session, world, role)
    before = everything(session)
    for address in addresses(app, world):
        if address.endpoint in PERSONAL and "number" in address.arguments:
            send = person.get if address.method == "GET" else person.post
            send(address.path, status=404)
    assert world.mark not in str(person.get(f"/a/{world.slug}/communications").select_one(".page-side"))
    assert everything(session) == before


@pytest.mark.parametrize("role", list(Role))
def test_every_page_of_an_account_opens_for_the_roles_it_is_meant_for(app, session, world, role):
    """Each page is linted on the way, as this role sees it."""
    member = member_of(app, session, world, role)
    for address in addresses(app, world):
        if address.method != "GET" or address.access not in ROLES:
            continue
        if not role.covers(Role(address.access)):
            member.get(address.path, status=403)
        elif address.endpoint in PERSONAL:
            member.get(address.path, status=404)
        elif address.endpoint in (
            "options.index",
            "integrations.test_state",
            "connections.fields",
            "cabinet.sync_state",
            "tasks.card",
        ):
            part(member, address.path)
        else:
            member.get(address.path, status=302 if address.endpoint == "directory.index" else 200)


def test_the_menu_leads_to_pages_that_exist_and_mark_their_place(app, session, world):
    """DESIGN §6: Интеграции · Обращения и цели · События · Справочники · Настройки."""
    viewer = member_of(app, session, world, Role.VIEWER)
    menu = viewer.get(f"/a/{world.slug}/integrations").select(".nav-main a")
    assert [said(link.span) for link in menu] == [
        "Интеграции",
        "Обращения и цели",
        "События",
        "Справочники",
        "Настройки",
    ]
    for link in menu:
        answer = viewer.client.get(link["href"], follow_redirects=True)
        assert answer.status_code == 200, link["href"]
        here = lint(answer.text).select(".nav-main a[aria-current=page]")
        assert [said(place.span) for place in here] == [said(link.span)]


def test_a_member_of_two_accounts_sees_each_by_itself_and_both_in_the_switcher(app, session, world, other):
    """B10: an agency's clients."""
    member = member_of(app, session, world)
    accounts = [session.scalar(select(Account).where(Account.slug == one.slug)) for one in (world, other)]
    user = next(one.user for one in accounts[0].memberships if one.user.email == f"owner@{world.slug}.example")
    user.memberships.append(type(user.memberships[0])(account_id=accounts[1].id, role=Role.VIEWER))
    make_integration(session, accounts[1], "jivo-second", name="Второй Jivo")
    session.rollback()
    page = member.get(f"/a/{other.slug}/integrations")
    assert [link["href"] for link in page.select(".account-menu a")] == [
        f"/a/{world.slug}/integrations",
        f"/a/{other.slug}/integrations",
    ]
    assert "Второй Jivo" in said(page)
    assert world.key not in str(page.main)
    member.get(f"/a/{other.slug}/people", status=403)
    member.get(f"/a/{world.slug}/people")
