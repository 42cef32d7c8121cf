"""B5: what traffic brings and nobody has set up is offered, each with the form that mends it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.factories import make_campaign, make_integration, make_source, make_visit, map_channel
from tests.views.acting import make_communication, rows, said
from webapp.models import Widget, utc_now

PAGE = "/a/romashka/suggestions"


@pytest.fixture
def jivo(session, account):
    made = make_integration(session, account, saved_at=utc_now())
    session.rollback()
    return made


def tell(session, jivo, *many, ago=1, **values) -> None:
    for place, one in enumerate(many):
        name = f"{ago}{place}{sorted(values)}{one}"
        make_communication(session, jivo, name, started_at=utc_now() - timedelta(days=ago), **values | one)
    session.commit()
    session.rollback()


def test_without_any_it_says_so(owner, jivo):
    assert said(owner.get(PAGE).select_one(".empty h2")) == "Подсказок нет"


def test_messengers_without_a_row_lead_to_the_begun_row(session, owner, jivo, account):
    map_channel(session, jivo, "viber", source=make_source(session, account))
    tell(session, jivo, *[{"channel": channel} for channel in ("telegram", "telegram", "viber", "site", "avito")])
    tell(session, jivo, {"channel": "max"}, ago=40)
    page = owner.get(PAGE)
    assert [row[:3] for row in rows(page)] == [["Telegram", "Jivo", "2"], ["Avito", "Jivo", "1"]]
    form = owner.get(page.select_one("tbody tr a")["href"])
    assert form.select_one("#map-1-channel option[selected]")["value"] == "telegram"
    assert form.select_one("#settings-form")["data-guard"] == "changed"
    assert form.select_one("[data-error-summary]") is None
    again = owner.get("/a/romashka/integrations/jivo?offer=viber")
    assert len(again.select(".mapping-row")) == 1


def test_channel_ids_without_a_label_are_counted_by_their_chats(session, owner, jivo):
    session.add(Widget(integration_id=jivo.id, widget="known", channel="viber"))
    tell(session, jivo, *[{"clues": {"widget": widget}} for widget in ("w1", "w1", "known")])
    tell(session, jivo, {"clues": {"widget": "w2"}, "channel": "telegram"})
    page = owner.get(PAGE)
    assert ["w1", "Jivo", "2", "Подписать"] in rows(page)
    assert "w2" not in said(page.main)
    [link] = [link for link in page.select("tbody a") if said(link) == "Подписать"]
    assert link["href"].endswith("/integrations/jivo#widgets")


def test_marks_that_no_campaign_knows_lead_to_a_filled_form(session, owner, jivo, account):
    make_campaign(session, account, rules=[{"utm_source": "yandex", "utm_medium": "cpc"}])
    make_source(session, account, "mail", "Почта", rules=[{"utm_medium": "email"}])
    known, pair = {"source": "yandex", "medium": "cpc"}, {"source": "VK", "medium": "social"}
    tell(
        session,
        jivo,
        *[
            {"utm": utm}
            for utm in (known, pair, {**pair, "source": "vk"}, {"medium": "email"}, {}, {"source": "(direct)"})
        ],
    )
    url = "https://shop.example/?utm_source=vk&utm_medium=social"
    for number in range(3):
        make_visit(session, account, f"v{number}", landing_url=url)
    make_visit(session, account, "known", landing_url="https://shop.example/?utm_source=yandex&utm_medium=cpc")
    session.rollback()
    page = owner.get(PAGE)
    listed = rows(page)
    assert [row[1:3] for row in listed] == [["2", "3"], ["1", "0"]]
    assert listed[0][0].casefold() == "vk / social"
    assert listed[1][0] == "email подходит источнику «Почта»"
    form = owner.get(page.select_one("tbody a")["href"])
    assert said(form.h1) == "Новая кампания"
    typed = [control["value"].casefold() for control in form.select("#name, .rule-row input")]
    assert typed == ["vk / social", "vk", "social"]
    marks = [one.get_text() for one in form.select(".rule-row select[id$=mark] option[selected]")]
    assert marks == ["utm_source", "utm_medium"]


def test_a_viewer_sees_them_and_gets_no_buttons(session, viewer, jivo):
    tell(session, jivo, {"channel": "telegram"}, {"utm": {"source": "vk"}})
    page = viewer.get(PAGE)
    assert len(rows(page)) == 2
    assert page.select("tbody a") == []
    assert len(viewer.get("/a/romashka/integrations/jivo?offer=telegram").select(".mapping-row")) == 0


def test_the_directory_leads_here(owner, jivo):
    assert owner.get("/a/romashka/directory/campaigns").find("a", href=PAGE)
