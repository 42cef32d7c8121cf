"""«Сохранить» of the integration page: employee, default, mapping, widgets (J12, J13, J14, J15, J16, B5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.factories import make_account, make_campaign, make_employee, make_integration, make_site, make_source
from tests.views.acting import beside, chat, everything, filled, flash, make_communication, path_of, said, send
from webapp.models import AuditRecord, Communication, Integration, TargetKind, utc_now

PAGE = "/a/romashka/integrations/jivo"
SETTINGS = f"{PAGE}/settings"

both_ways = pytest.mark.parametrize("partial", [False, True], ids=["plain", "htmx"])


@pytest.fixture
def ids(session, account) -> dict[str, int]:
    """An integration and a directory to choose from; gives their numbers."""
    integration = make_integration(session, account)
    site = make_site(session, account, "shop", "shop.example", name="Магазин")
    found = {
        "integration": integration.id,
        "site": site.id,
        "campaign": make_campaign(session, account, "direct", "Яндекс.Директ", site_id=site.id).id,
        "brand": make_campaign(session, account, "brand", "Бренд").id,
        "source": make_source(session, account, "tg", "Телеграм-канал").id,
        "employee": make_employee(session, account, "ivanov", "Иванов Иван", "ivanov@shop.example").id,
    }
    session.rollback()
    return found


def stored(session: Any) -> Integration:
    session.rollback()
    return session.scalars(select(Integration)).one()


def target(row: Any) -> tuple[str, int | None, int | None, int | None]:
    return row.kind, row.campaign_id, row.source_id, row.site_id


def form_of(page: Any) -> dict[str, Any]:
    """What the settings form would send."""
    return filled(page.find(id="settings-form"))


def save(editor: Any, **typed: Any) -> Any:
    """Change what the page shows and save it, as a browser without JavaScript would."""
    changes = {name.replace("__", "-"): value for name, value in typed.items()}
    return editor.follow(SETTINGS, form_of(editor.get(PAGE)) | changes)


def test_the_first_save_even_of_nothing_is_a_save(session, editor, ids):
    """J16."""
    page = save(editor)
    assert flash(page) == "Настройки сохранены."
    saved = stored(session)
    assert saved.saved_at is not None
    assert target(saved) == (TargetKind.CAMPAIGN, None, None, None)
    assert flash(save(editor)) == "Изменений не было."


def test_the_employee_is_chosen_by_number_and_by_name(session, editor, ids):
    """J12."""
    save(editor, employee=ids["employee"], employee_text="Иванов Иван · ivanov@shop.example")
    assert stored(session).employee_id == ids["employee"]
    save(editor, employee="", employee_text="")
    assert stored(session).employee_id is None
    for typed in ("иванов иван", "IVANOV@shop.example", "ivanov"):
        save(editor, employee="", employee_text=typed)
        assert stored(session).employee_id == ids["employee"]
        save(editor, employee="", employee_text="")


def test_the_text_decides_when_it_names_another_than_the_number(session, editor, ids):
    """A browser without JavaScript sends the old number with the new text."""
    save(editor, campaign=ids["brand"], campaign_text="Яндекс.Директ")
    assert stored(session).campaign_id == ids["campaign"]


def test_a_campaign_is_the_default(session, editor, ids):
    """J13, J14."""
    page = save(editor, campaign=ids["campaign"], campaign_text="Яндекс.Директ — shop.example")
    assert target(stored(session)) == ("campaign", ids["campaign"], None, None)
    assert page.find(id="campaign")["value"] == "Яндекс.Директ — shop.example"
    assert (page.find(id="source"), page.find(id="site")) == (None, None), "one side is shown at a time"


def test_a_source_and_a_site_are_the_default(session, editor, ids):
    """J13, J14."""
    page = save(editor, kind="source", source_text="Телеграм-канал", site_text="shop.example")
    assert target(stored(session)) == ("source", None, ids["source"], ids["site"])
    assert page.find(id="source")["value"] == "Телеграм-канал"
    assert page.find(id="site")["value"] == "Магазин — shop.example"
    assert page.find(id="campaign") is None


def test_a_site_without_a_source_is_no_default(session, editor, ids):
    typed = form_of(editor.get(PAGE)) | {"kind": "source", "site_text": "shop.example"}
    page = editor.post(SETTINGS, typed, status=422)
    assert beside(page, "source") == "Выберите источник."
    assert page.find(id="site")["value"] == "Магазин — shop.example"


@both_ways
def test_the_switch_swaps_the_list_and_keeps_the_other_side_until_saved(session, editor, ids, partial):
    """J13: nothing is lost by looking at the other side."""
    save(editor, campaign_text="Бренд")
    before = everything(session)
    typed = form_of(editor.get(PAGE)) | {"kind": "source", "action": "preview"}
    page = editor.post(SETTINGS, typed, status=200, partial=partial)
    assert (page.find(id="source") is not None, page.find(id="campaign")) == (True, None)
    kept = form_of(page)
    assert (kept["kind"], kept["campaign"], kept["campaign_text"]) == ("source", str(ids["brand"]), "Бренд")
    assert everything(session) == before
    back = editor.post(SETTINGS, kept | {"kind": "campaign", "action": "preview"}, status=200, partial=partial)
    assert back.find(id="campaign")["value"] == "Бренд"
    editor.post(SETTINGS, kept | {"source_text": "Телеграм-канал"})
    assert target(stored(session)) == ("source", None, ids["source"], None)
    assert form_of(editor.get(PAGE))["campaign_text"] == "", "saved: the other side is empty"


def test_without_javascript_the_switch_has_a_button(editor, ids):
    typed = form_of(editor.get(PAGE)) | {"kind": "source", "show": "kind"}
    assert editor.get(PAGE).select_one("noscript button[name=show]")["value"] == "kind"
    assert editor.post(SETTINGS, typed, status=200).find(id="source") is not None


def test_what_is_wrong_on_the_hidden_side_is_no_mistake(session, editor, ids):
    save(editor, kind="source", source_text="Телеграм-канал", campaign="", campaign_text="нет такой")
    assert target(stored(session)) == ("source", None, ids["source"], None)


def test_a_whole_page_with_errors_has_them_at_its_top(editor, ids):
    """Without a script nothing scrolls to them."""
    typed = form_of(editor.get(PAGE)) | {"name": ""}
    page = editor.post(SETTINGS, typed, status=422)
    [summary] = page.select("[data-error-summary]")
    assert summary.find_parent(id="settings-block") is None
    assert summary.find_next("h2", string="Что это даст"), "it stands before everything"
    part = editor.post(SETTINGS, typed, status=422, partial=True)
    assert len(part.select("#settings-block [data-error-summary]")) == 1


def test_without_a_default_the_page_says_what_becomes_of_such_chats(session, editor, ids):
    page = editor.get(PAGE)
    assert "остаются без атрибуции" in said(page.find(id="no-default"))
    save(editor, kind="source", source_text="Телеграм-канал", campaign="", campaign_text="")
    assert editor.get(PAGE).find(id="no-default") is None


@both_ways
@pytest.mark.parametrize("field", ["employee", "campaign", "source", "site"])
def test_an_unknown_name_is_said_beside_the_field_and_stays_typed(session, editor, ids, field, partial):
    before = everything(session)
    typed = form_of(editor.get(PAGE)) | {"kind": "source" if field in ("source", "site") else "campaign"}
    typed |= {"source_text": "Телеграм-канал", "name": "Мой Jivo", f"{field}_text": "Пётр <b>"}
    page = editor.post(SETTINGS, typed, status=422, partial=partial)
    assert beside(page, field) == "«Пётр <b>» в справочнике нет. Впишите название, как там, или выберите из списка."
    assert page.find(id=field)["value"] == "Пётр <b>"
    assert page.find(id="name")["value"] == "Мой Jivo"
    assert (page.title is None) == partial
    assert everything(session) == before


@pytest.mark.parametrize("name", ["", "   ", "я" * 201])
def test_an_integration_needs_a_name(session, editor, ids, name):
    page = editor.post(SETTINGS, form_of(editor.get(PAGE)) | {"name": name}, status=422)
    assert beside(page, "name") == "Введите название интеграции, не длиннее 200 знаков."
    assert page.find("h1") is not None


def test_a_name_of_ones_own_is_the_heading(session, editor, ids):
    assert said(save(editor, name="Jivo на лендинге").h1) == "Jivo на лендинге"


def test_a_saved_change_is_recorded_and_the_rules_are_read_anew(session, editor, ids):
    save(editor)
    before = stored(session).revision
    save(editor, campaign_text="Бренд")
    assert stored(session).revision > before
    *_first, record = session.scalars(select(AuditRecord).order_by(AuditRecord.id))
    assert record.action == "integration.change"
    assert list(record.changes) == ["default"]
    assert record.changes["default"][1]["campaign"] == ids["brand"]
    written = len(session.scalars(select(AuditRecord)).all())
    save(editor)
    session.rollback()
    assert len(session.scalars(select(AuditRecord)).all()) == written


def test_a_plain_save_goes_back_to_the_page_and_htmx_is_told_to(editor, ids):
    """DESIGN §6: 303 without htmx, with it a block or the way to go."""
    typed = form_of(editor.get(PAGE))
    answer = editor.post(SETTINGS, typed)
    assert path_of(answer) == PAGE
    assert answer.headers["Location"].endswith("#save")
    answer = editor.post(SETTINGS, typed, status=204, partial=True)
    assert answer.headers["HX-Redirect"] == f"{PAGE}#save"
    page = editor.post(SETTINGS, typed | {"name": ""}, status=422, partial=True)
    assert page.find(id="settings-block") is not None
    assert page.find("h1") is None


def test_switches_are_saved_and_come_back(session, editor, ids):
    off = {"accept_digit_tokens": False, "overwrite_foreign_token": False, "jwt_channel": False}
    page = save(editor, fill_without_campaign="y", option__accept_digit_tokens="y")
    saved = stored(session)
    assert (saved.fill_without_campaign, saved.options) == (True, off | {"accept_digit_tokens": True})
    typed = form_of(page)
    for name in ("fill_without_campaign", "option-accept_digit_tokens"):
        assert typed.pop(name) == "y"
    editor.post(SETTINGS, typed)
    saved = stored(session)
    assert (saved.fill_without_campaign, saved.options) == (False, off)


@pytest.mark.parametrize("field", ["employee", "campaign", "source", "site"])
def test_a_choice_that_was_archived_since_is_warned_of_and_kept(session, editor, account, ids, field):
    side = {} if field in ("employee", "campaign") else {"kind": "source", "source_text": "Телеграм-канал"}
    names = {"employee": "ivanov", "campaign": "Бренд", "source": "Телеграм-канал", "site": "shop.example"}
    save(editor, **side | {f"{field}_text": names[field]})
    row = getattr(stored(session), field)
    row.archived_at = utc_now()
    session.commit()
    session.rollback()
    page = editor.get(PAGE)
    warning = page.find(id=field).find_parent(attrs={"data-combobox": True}).select_one(".field-warning")
    assert said(warning).startswith("В архиве.")
    editor.post(SETTINGS, form_of(page))
    assert getattr(stored(session), f"{field}_id") is not None


def test_an_archived_entry_cannot_be_chosen_by_its_name(session, editor, account, ids):
    make_campaign(session, account, "old", "Старая", archived_at=utc_now())
    session.rollback()
    page = editor.post(SETTINGS, form_of(editor.get(PAGE)) | {"campaign_text": "Старая"}, status=422)
    assert beside(page, "campaign")


@pytest.mark.parametrize("number", ["²", "9" * 18, "9" * 40, "-5", "1 OR 1", "٣"])
def test_numbers_that_are_none_are_no_failure_of_ours(session, editor, ids, number):
    for field in ("employee", "campaign", "map-0-campaign"):
        typed = form_of(editor.get(PAGE)) | {"map-0-channel": "viber", "map-0-kind": "campaign"}
        page = editor.post(SETTINGS, typed | {field: number, f"{field}_text": "нет такой"}, status=422)
        assert beside(page, field)


def test_a_choice_of_another_account_is_refused(session, editor, account, ids):
    """B10."""
    foreign = make_campaign(session, make_account(session, "vasilek"), "secret", "Чужая").id
    session.rollback()
    typed = form_of(editor.get(PAGE)) | {"campaign": foreign, "campaign_text": "Чужая"}
    page = editor.post(SETTINGS, typed, status=422)
    assert beside(page, "campaign") == "«Чужая» в справочнике нет. Впишите название, как там, или выберите из списка."
    bare = {name: value for name, value in typed.items() if name != "campaign_text"}
    editor.client.post(SETTINGS, data=bare | {"csrf_token": editor.token()})
    assert stored(session).campaign_id is None


def test_the_choice_is_used_for_the_next_chat(app, session, editor, ids):
    """J7, J12, J14."""
    save(editor, campaign_text="Яндекс.Директ", employee_text="ivanov")
    path = stored(session).hook_path("viber")
    session.rollback()
    send(app, path, chat() | {"agents": []})
    session.rollback()
    [communication] = session.scalars(select(Communication))
    assert (communication.rule, communication.campaign_id) == ("default", ids["campaign"])
    assert (communication.employee_id, communication.site_id) == (ids["employee"], ids["site"])


def test_widgets_seen_in_traffic_are_labelled_on_the_page(app, session, editor, ids):
    """J3, issue 2.4: a table filled from the widget ids that were seen, with counts and last time."""
    path = stored(session).hook_path()
    session.rollback()
    for number in range(2):
        send(app, path, chat(number, widget_id="AbCdEf1234"))
    page = editor.get(PAGE)
    row = page.find("code", string="AbCdEf1234").find_parent("tr")
    assert said(row.find_all("td")[2]) == "2"
    label = row.find("select")["name"]
    assert form_of(page)[label] == ""
    page = save(editor, **{label: "whatsapp"})
    assert form_of(page)[label] == "whatsapp"
    send(app, path, chat(3, widget_id="AbCdEf1234"))
    session.rollback()
    channels = list(session.scalars(select(Communication.channel).order_by(Communication.id)))
    assert channels == [None, None, "whatsapp"]
    save(editor, **{label: ""})
    assert [widget.channel for widget in stored(session).widgets] == [None]


def test_before_the_first_chat_the_page_says_where_widget_numbers_come_from(editor, ids):
    assert "они появятся здесь с первыми чатами" in said(editor.get(PAGE).find(id="mapping"))


def test_a_page_left_open_while_a_widget_appeared_forgets_no_label(app, session, editor, ids):
    """What the form did not show it does not change."""
    open_page = form_of(editor.get(PAGE))
    send(app, stored(session).hook_path(), chat(1, widget_id="AbCdEf1234"))
    saved = stored(session)
    saved.widgets[0].channel = "telegram"
    session.commit()
    session.rollback()
    editor.post(SETTINGS, open_page)
    assert [widget.channel for widget in stored(session).widgets] == ["telegram"]


def test_what_was_seen_long_ago_is_not_counted(session, editor, ids):
    """The counts beside the messengers are of 30 days."""
    for number, days in enumerate((1, 29, 31)):
        at = utc_now() - timedelta(days=days)
        make_communication(session, stored(session), str(number), channel="viber", started_at=at)
        session.commit()
    session.rollback()
    assert "2 чат" in said(editor.get(PAGE).select_one(".mapping-offer"))
