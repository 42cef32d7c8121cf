"""The integration's script and amoCRM's button: from an advertisement to a closed talk (A1, A2, A6, A18)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.amocrm_stage import Stage, on_stage
from tests.doubles.site import SiteDouble
from tests.doubles.site_walk import write_to_amo
from tests.factories import make_campaign, make_site
from tests.waiting import until
from webapp.models import Account, ScriptSighting, Visit, utc_now

pytestmark = pytest.mark.browser

Visitor = Callable[..., Page]

MARKS = {"utm_source": "yandex", "utm_medium": "cpc"}


@pytest.fixture
def stage(
    app: Flask, session: Session, server: str, site: SiteDouble, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """A connected account whose session field is chosen; its site has the button and our one line."""
    with on_stage(app, session, server, monkeypatch) as stage:
        stage.connect()
        stage.choose_field()
        stage.subscribe()
        account = session.get(Account, stage.account_id)
        ours = make_site(session, account, "shop", "shop.localhost")
        make_campaign(session, account, rules=[MARKS], site_id=ours.id)
        integration = stage.integration
        integration.saved_at = utc_now()
        session.commit()
        site.layout(head=["amo", f'<script async src="{server}/i/{integration.public_id}.js"></script>'])
        site.amo.on_lead, site.amo.on_message = stage.amo.take_site_lead, stage.amo.take_site_message
        session.rollback()
        yield stage


def visits(stage: Stage, count: int = 1) -> list[Visit]:
    """The visits, once there are so many."""

    def look() -> list[Visit] | None:
        stage.session.rollback()
        found = list(stage.session.scalars(select(Visit).order_by(Visit.id)))
        return found if len(found) >= count else None

    return until(look)


def field_of_lead(stage: Stage, site: SiteDouble) -> str | None:
    """What the only lead has in the session field."""
    [lead] = site.amo.told()["leads"]
    values = lead["fields"].get(str(stage.integration.options["session_field"]))
    return values[0] if values else None


@pytest.mark.parametrize(
    "switches",
    [{}, {"amo_load": "late"}, {"amo_names": "kommo"}, {"library": "prototype"}],
    ids=lambda switches: " ".join(switches.values()) or "plain",
)
def test_a_closed_talk_has_the_campaign_of_its_visit(
    stage: Stage, site: SiteDouble, visitor: Visitor, switches: dict[str, str]
) -> None:
    site.turn(**switches)
    page = visitor()
    page.goto(site.address("/", **MARKS))
    [visit] = visits(stage)
    page.goto(site.address("/blackout"))
    until(lambda: page.evaluate("window.__amo && __amo.metas.length"))
    write_to_amo(page, "Есть шторы на кухню?")
    assert field_of_lead(stage, site) == visit.session_id
    [talk] = stage.amo.state.tenant().talks
    stage.amo.close_talk(talk)
    stage.amo.settle()
    stage.look_up()

    found = stage.communication()
    assert (found.type, found.rule, found.visit_id) == ("offline_message", "visit", visit.id)
    assert found.campaign_id == visit.campaign_id is not None


def test_a_new_visit_is_handed_over_and_a_filled_field_stays(stage: Stage, site: SiteDouble, visitor: Visitor) -> None:
    """Contract 4.2: the first session of an open lead sticks; the next lead has the later one."""
    page = visitor()
    page.goto(site.address("/app", **MARKS))
    [first] = visits(stage)
    until(lambda: page.evaluate("window.__amo && __amo.metas.length"))
    write_to_amo(page, "Есть шторы?")
    page.evaluate("history.pushState({}, '', '/app/cart?utm_source=vk')")
    until(lambda: page.evaluate("__amo.metas.length") >= 2)

    assert len(visits(stage, 2)) == 2
    assert field_of_lead(stage, site) == first.session_id


def test_a_page_without_the_button_is_told(stage: Stage, site: SiteDouble, visitor: Visitor) -> None:
    [line] = [part for part in site.head if part.startswith("<")]
    site.layout(head=[line])
    page = visitor()
    page.clock.install()
    page.goto(site.address("/"))
    visits(stage)
    page.clock.run_for(70_000)

    def look() -> ScriptSighting | None:
        stage.session.rollback()
        return stage.session.scalars(select(ScriptSighting)).first()

    seen = until(look)
    assert (seen.counter, seen.widget, seen.token) == ("ok", "missing", "none")


def test_without_a_chosen_field_there_is_no_line_and_an_old_one_breaks_nothing(
    stage: Stage, site: SiteDouble, visitor: Visitor
) -> None:
    integration = stage.integration
    integration.options = {**integration.options, "session_field": None}
    stage.session.commit()
    page = visitor()
    page.goto(site.address("/"))
    page.wait_for_load_state("networkidle")

    assert page.evaluate("__amo.metas") == []
