"""«Соответствие мессенджеров и источников»: rows added, removed, saved, and offered (J15, B5)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tests.factories import make_account, make_campaign, make_integration, make_site, make_source
from tests.views.acting import beside, chat, everything, filled, flash, make_communication, said, send
from webapp.models import AuditRecord, Communication, Integration

PAGE = "/a/romashka/integrations/jivo"
SETTINGS = f"{PAGE}/settings"

both_ways = pytest.mark.parametrize("partial", [False, True], ids=["plain", "htmx"])


@pytest.fixture
def ids(session, account) -> dict[str, int]:
    """An integration and a directory to choose from; gives their numbers."""
    make_integration(session, account)
    found = {
        "site": make_site(session, account, "shop", "shop.example").id,
        "campaign": make_campaign(session, account, "brand", "Бренд").id,
        "source": make_source(session, account, "tg", "Телеграм-канал").id,
    }
    session.rollback()
    return found


def stored(session: Any) -> Integration:
    session.rollback()
    return session.scalars(select(Integration)).one()


def mapped(session: Any) -> dict[str, tuple[str, int | None, int | None, int | None]]:
    rows = stored(session).mappings
    return {row.channel: (row.kind, row.campaign_id, row.source_id, row.site_id) for row in rows}


def form_of(page: Any) -> dict[str, Any]:
    return filled(page.find(id="settings-form"))


def row(number: int, channel: str, **target: str) -> dict[str, str]:
    """The fields of one row; a campaign unless told otherwise."""
    target = target or {"campaign_text": "Бренд"}
    kind = "campaign" if "campaign_text" in target else "source"
    values = {"channel": channel, "kind": kind} | target
    return {f"map-{number}-{name}": value for name, value in values.items()}


def press(editor: Any, typed: dict[str, Any], action: str, partial: bool = False) -> Any:
    return editor.post(SETTINGS, typed | {"action": action}, status=200, partial=partial)


@both_ways
def test_a_row_is_added_filled_and_saved(session, editor, ids, partial):
    """J15."""
    before = everything(session)
    page = press(editor, form_of(editor.get(PAGE)) | {"name": "Мой Jivo"}, "add-map", partial)
    typed = form_of(page)
    assert (typed["map-0-channel"], typed["map-0-kind"], typed["name"]) == ("telegram", "campaign", "Мой Jivo")
    page = press(editor, typed | {"map-0-campaign_text": "Бренд"}, "add-map", partial)
    typed = form_of(page)
    assert (typed["map-1-channel"], typed["map-0-campaign_text"]) == ("whatsapp", "Бренд")
    assert page.select_one("[data-error-summary]") is None, "what is still being filled in is not wrong yet"
    assert everything(session) == before
    typed |= row(1, "vk", source_text="Телеграм-канал", site_text="shop.example")
    page = editor.follow(SETTINGS, typed)
    assert flash(page) == "Настройки сохранены."
    assert mapped(session) == {
        "telegram": ("campaign", ids["campaign"], None, None),
        "vk": ("source", None, ids["source"], ids["site"]),
    }
    typed = form_of(page)
    assert (typed["map-0-channel"], typed["map-1-channel"]) == ("telegram", "vk")
    assert (typed["map-1-kind"], typed["map-1-source_text"]) == ("source", "Телеграм-канал")


@both_ways
def test_a_row_is_removed_and_the_others_keep_what_was_typed(session, editor, ids, partial):
    typed = form_of(editor.get(PAGE)) | row(0, "telegram") | row(1, "vk", source_text="Телеграм-канал")
    editor.post(SETTINGS, typed)
    page = press(editor, form_of(editor.get(PAGE)), "remove-map-0", partial)
    assert set(mapped(session)) == {"telegram", "vk"}, "removed with «Сохранить», not before"
    typed = form_of(page)
    assert (typed["map-0-channel"], typed["map-0-source_text"]) == ("vk", "Телеграм-канал")
    assert "map-1-channel" not in typed
    editor.post(SETTINGS, typed)
    assert set(mapped(session)) == {"vk"}


@both_ways
def test_a_row_has_a_switch_of_its_own(editor, ids, partial):
    """J15: campaign, or source and site, for each messenger."""
    typed = form_of(editor.get(PAGE)) | row(0, "telegram") | row(1, "vk")
    page = press(editor, typed | {"map-1-kind": "source"}, "preview", partial)
    assert page.find(id="map-0-campaign") is not None
    assert page.find(id="map-1-source") is not None
    assert page.find(id="map-1-campaign") is None
    assert form_of(page)["map-1-campaign_text"] == "Бренд", "the other side is kept"


def test_a_changed_row_stays_the_same_row(session, editor, ids):
    editor.post(SETTINGS, form_of(editor.get(PAGE)) | row(0, "telegram"))
    [before] = [mapping.id for mapping in stored(session).mappings]
    editor.post(SETTINGS, form_of(editor.get(PAGE)) | row(0, "telegram", source_text="Телеграм-канал"))
    assert [mapping.id for mapping in stored(session).mappings] == [before]
    assert mapped(session) == {"telegram": ("source", None, ids["source"], None)}
    *_first, changes = session.scalars(select(AuditRecord.changes).order_by(AuditRecord.id))
    assert list(changes) == ["channels"]
    assert [change["telegram"]["kind"] for change in changes["channels"]] == ["campaign", "source"]


@both_ways
def test_the_same_messenger_twice_is_an_error_at_the_later_row(session, editor, ids, partial):
    before = everything(session)
    typed = form_of(editor.get(PAGE)) | row(0, "telegram") | row(1, "vk") | row(2, "telegram")
    page = editor.post(SETTINGS, typed, status=422, partial=partial)
    assert beside(page, "map-2-channel") == "Telegram уже есть в таблице выше."
    assert page.find(id="map-0-channel").get("aria-invalid") is None
    assert form_of(page)["map-2-campaign_text"] == "Бренд"
    assert everything(session) == before


@both_ways
def test_a_row_that_leads_nowhere_is_an_error_at_the_row(session, editor, ids, partial):
    typed = form_of(editor.get(PAGE)) | row(0, "telegram", campaign_text="") | row(1, "vk", source_text="")
    page = editor.post(SETTINGS, typed, status=422, partial=partial)
    assert beside(page, "map-0-campaign") == "Выберите рекламную кампанию."
    assert beside(page, "map-1-source") == "Выберите источник."
    assert mapped(session) == {}


@both_ways
def test_an_unknown_name_in_a_row_stays_typed(session, editor, ids, partial):
    typed = form_of(editor.get(PAGE)) | row(0, "telegram") | row(1, "vk", campaign_text="Нет такой")
    page = editor.post(SETTINGS, typed, status=422, partial=partial)
    assert (
        beside(page, "map-1-campaign")
        == "«Нет такой» в справочнике нет. Впишите название, как там, или выберите из списка."
    )
    assert page.find(id="map-1-campaign")["value"] == "Нет такой"
    assert page.find(id="map-0-campaign").get("aria-invalid") is None
    assert mapped(session) == {}


def test_a_row_without_a_messenger_is_an_error(session, editor, ids):
    page = editor.post(SETTINGS, form_of(editor.get(PAGE)) | row(0, ""), status=422)
    assert beside(page, "map-0-channel") == "Выберите мессенджер."


def test_a_campaign_of_another_account_is_refused_in_a_row(session, editor, account, ids):
    """B10."""
    foreign = make_campaign(session, make_account(session, "vasilek"), "secret", "Чужая").id
    session.rollback()
    typed = form_of(editor.get(PAGE)) | row(0, "vk", campaign=str(foreign), campaign_text="Чужая")
    assert beside(editor.post(SETTINGS, typed, status=422), "map-0-campaign")
    del typed["map-0-campaign_text"]
    assert beside(editor.post(SETTINGS, typed, status=422), "map-0-campaign") == "Выберите рекламную кампанию."
    assert mapped(session) == {}


def test_unmapped_messengers_that_were_seen_are_offered_with_their_counts(app, session, editor, ids):
    """B5; the site's own widget is no messenger."""
    integration = stored(session)
    for number, channel in enumerate(["telegram"] * 3 + ["viber", "site", "my-chat"]):
        make_communication(session, integration, str(number), channel=channel)
    session.commit()
    session.rollback()
    page = editor.get(PAGE)
    offers = [said(offer.b) for offer in page.select(".mapping-offer")]
    assert offers[0] == "Telegram", "the most frequent first"
    assert sorted(offers) == ["Telegram", "Viber", "my-chat"]
    assert "3 чат" in said(page.select_one(".mapping-offer"))
    page = press(editor, form_of(page), page.select_one(".mapping-offer button")["value"])
    assert form_of(page)["map-0-channel"] == "telegram"
    assert "Telegram" not in [said(offer.b) for offer in page.select(".mapping-offer")]
    editor.post(SETTINGS, form_of(page) | {"map-0-campaign_text": "Бренд"})
    page = editor.get(PAGE)
    assert sorted(said(offer.b) for offer in page.select(".mapping-offer")) == ["Viber", "my-chat"]
    assert "3 чат" in said(page.select_one(".mapping-seen"))


def test_a_vendors_own_word_for_a_messenger_can_be_mapped(app, session, editor, ids):
    integration = stored(session)
    path = integration.hook_path("my-chat")
    session.rollback()
    send(app, path, chat(1))
    page = press(editor, form_of(editor.get(PAGE)), "map-seen-my-chat")
    assert form_of(page)["map-0-channel"] == "my-chat"
    editor.post(SETTINGS, form_of(page) | {"map-0-campaign_text": "Бренд"})
    assert form_of(editor.get(PAGE))["map-0-channel"] == "my-chat"
    send(app, path, chat(2))
    session.rollback()
    found = session.scalars(select(Communication).order_by(Communication.id)).all()
    assert [one.rule for one in found] == ["none", "channel"]


def test_a_viewer_is_offered_nothing_to_press(session, viewer, ids):
    make_communication(session, stored(session), "1", channel="telegram")
    session.commit()
    session.rollback()
    page = viewer.get(PAGE)
    assert said(page.select_one(".mapping-offer b")) == "Telegram"
    assert page.select("#settings-form button:not(.combo-toggle):not(noscript button)") == []


@pytest.mark.parametrize(
    "action", ["remove-map-7", "remove-map-999", "map-seen-", "map-seen-<script>", "map-seen-" + "я" * 50, "preview"]
)
def test_a_button_that_is_not_there_breaks_nothing(session, editor, ids, action):
    before = everything(session)
    typed = form_of(editor.get(PAGE)) | row(0, "telegram") | {"action": action}
    answer = editor.client.post(SETTINGS, data=typed | {"csrf_token": editor.token()})
    assert answer.status_code in (200, 303)
    if answer.status_code == 200:
        assert everything(session) == before
    assert "<script>" not in answer.text.replace('<script defer src="', "")


@pytest.mark.parametrize("field", ["map-٣-channel", "map-007-channel", "map-999-channel", "map--1-channel"])
def test_row_numbers_that_no_page_sends_are_no_failure_of_ours(editor, ids, field):
    typed = form_of(editor.get(PAGE)) | {field: "vk"}
    answer = editor.client.post(SETTINGS, data=typed | {"csrf_token": editor.token()})
    assert answer.status_code < 500


def test_there_is_an_end_to_rows(session, editor, ids):
    typed = form_of(editor.get(PAGE))
    for number in range(80):
        typed |= row(number, f"channel-{number}")
    page = press(editor, typed, "add-map")
    assert len([name for name in form_of(page) if name.endswith("-channel")]) == 60
