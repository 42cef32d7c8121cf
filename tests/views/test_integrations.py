"""The integration page: making one, «Активен», the webhook's address, what waits (J9, J10, J11, J17)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from bs4 import Tag
from flask import Flask
from sqlalchemy import select

from tests.factories import make_account, make_integration
from tests.views.acting import chat, enter_as, flash, jobs, make_communication, path_of, said, send
from webapp.jobs import process_stored
from webapp.models import AuditRecord, Communication, EventState, Integration, WebhookEvent, utc_now

INTEGRATIONS = "/a/romashka/integrations"
PAGE = f"{INTEGRATIONS}/jivo"


@pytest.fixture
def integration(session, account) -> Integration:
    found = make_integration(session, account)
    session.rollback()
    return found


def stored_in(session: Any, key: str = "jivo") -> Integration:
    session.rollback()
    return session.scalars(select(Integration).where(Integration.key == key)).one()


def audited(session: Any) -> list[tuple[str, dict[str, Any]]]:
    session.rollback()
    return [(row.action, row.changes) for row in session.scalars(select(AuditRecord).order_by(AuditRecord.id))]


def hook(session: Any, key: str = "jivo", channel: str | None = None) -> str:
    path = stored_in(session, key).hook_path(channel)
    session.rollback()
    return path


def pill(page: Tag) -> str:
    return said(page.select_one(".page-head .pill"))


def headings(page: Tag) -> list[str]:
    return [said(heading).split(" — ")[0] for heading in page.main.find_all("h2") if not heading.find_parent("aside")]


def test_an_account_without_integrations_is_led_to_its_first(owner, viewer):
    assert owner.get(INTEGRATIONS).select_one(".empty a")["href"] == f"{INTEGRATIONS}/new"
    assert viewer.get(INTEGRATIONS).select_one(".empty a") is None


def test_a_new_integration_begins_switched_off_with_an_address_of_its_own(session, editor):
    form = editor.get(f"{INTEGRATIONS}/new").find("input", attrs={"value": "jivo"}).find_parent("form")
    assert form is not None
    answer = editor.post(f"{INTEGRATIONS}/new", {"vendor": "jivo"})
    assert path_of(answer) == PAGE
    page = editor.get(PAGE)
    made = stored_in(session)
    assert (made.active, made.name, made.saved_at) == (False, "Jivo", None)
    assert len(made.webhook_secret) >= 43, "256 bits"
    assert pill(page) == "Не настроена"
    assert audited(session) == [("integration.add", {})]


def test_several_connections_of_one_vendor_live_beside_each_other(app, session, editor):
    """B10, J-14."""
    for _time in range(3):
        editor.post(f"{INTEGRATIONS}/new", {"vendor": "jivo"})
    page = editor.get(INTEGRATIONS)
    assert [said(link) for link in page.select(".integration-card h2 a")] == ["Jivo", "Jivo 2", "Jivo 3"]
    assert page.select_one(".nav-main a[href$=integrations] .nav-count").get_text() == "3"
    secrets = {stored_in(session, key).webhook_secret for key in ("jivo", "jivo-2", "jivo-3")}
    assert len(secrets) == 3
    editor.post(f"{INTEGRATIONS}/jivo-2/active", {"active": "1"})
    send(app, hook(session, "jivo-2"), chat())
    session.rollback()
    [communication] = session.scalars(select(Communication))
    assert communication.integration.key == "jivo-2"
    assert said(editor.get(f"{INTEGRATIONS}/jivo-2").h1) == "Jivo 2"


@pytest.mark.parametrize("vendor", ["", "amocrm2", "../jivo", "__class__"])
def test_a_vendor_that_is_not_there_cannot_be_added(session, editor, vendor):
    editor.post(f"{INTEGRATIONS}/new", {"vendor": vendor}, status=400)
    assert session.scalars(select(Integration)).all() == []


def test_the_page_is_the_guide_in_the_guides_order(editor, integration):
    """Issue 2.4; J9, J10, J11, J15, J16, J17, J19."""
    page = editor.get(PAGE)
    assert headings(page) == [
        "Что это даст",
        "Что понадобится",
        "Активен",
        "Настройки",
        "Соответствие мессенджеров и источников",
        "Сохранить",
        "Скрипт для вашего сайта",
        "Проверка",
    ]
    assert said(page.h1) == "Jivo: передача чатов"
    text = said(page)
    for words in ("«Управление»", "«Каналы связи»", "«Настройки интеграции для разработчиков»"):
        assert words in text
    for words in ("«Включить Webhooks»", "«URL для Webhooks»", "«Сырые данные» → «Обращения и цели»"):
        assert words in text
    assert len(page.select(".drawing svg title")) == 4, "an illustration with words for who cannot see it"


def test_what_is_needed_is_ticked_where_it_can_be_checked(editor, integration):
    """J9."""
    needs = {said(need.span): said(need.find_all("span")[-1]) for need in editor.get(PAGE).select(".needs li")}
    lines = [said(need) for need in editor.get(PAGE).select(".needs li")]
    assert any(line.startswith("✓ есть") and "Загрузка чатов из внешней системы" in line for line in lines), needs
    assert any(line.startswith("проверьте сами") and "Pro" in line for line in lines)


def test_each_step_says_how_it_stands(session, editor, integration):
    """DESIGN §6: done, to do, or what is wrong."""
    states = [said(step).split(" — ")[-1] for step in editor.get(PAGE).select(".rail-wide li")]
    assert states == ["сделано", "сейчас здесь", "предстоит", "предстоит", "предстоит"]
    editor.post(f"{PAGE}/settings", {"name": "Jivo"})
    states = [said(step).split(" — ")[-1] for step in editor.get(PAGE).select(".rail-wide li")]
    assert states == ["сделано", "сделано", "сделано", "предстоит", "сейчас здесь"]


def test_the_script_step_opens_with_the_first_save(editor, integration):
    """J17."""
    assert "Появится после сохранения настроек." in said(editor.get(PAGE).find(id="script"))
    editor.post(f"{PAGE}/settings", {"name": "Jivo"})
    assert "Появится после сохранения" not in said(editor.get(PAGE).find(id="script"))


def test_the_switch_is_saved_at_once_and_recorded(session, editor, integration):
    """J10."""
    for wanted, words in (("0", "Интеграция выключена."), ("1", "Интеграция включена. Это уже сохранено.")):
        page = editor.get(PAGE)
        switch = page.find(id="active").find("button", role="switch")
        assert switch["aria-checked"] == ("true" if wanted == "0" else "false")
        form = switch.find_parent("form")
        assert form.find("input", attrs={"name": "active"})["value"] == wanted
        assert flash(editor.follow(form["action"], {"active": wanted})).startswith(words)
        assert stored_in(session).active == (wanted == "1")
    assert audited(session) == [
        ("integration.active", {"active": [True, False]}),
        ("integration.active", {"active": [False, True]}),
    ]


def test_pressing_the_switch_twice_is_pressing_it_once(session, editor, integration):
    for _time in range(2):
        editor.post(f"{PAGE}/active", {"active": "0"})
    assert len(audited(session)) == 1
    assert stored_in(session).active is False


def test_the_switch_answers_htmx_with_where_to_go(editor, integration):
    answer = editor.post(f"{PAGE}/active", {"active": "0"}, status=204, partial=True)
    assert answer.headers["HX-Redirect"] == f"{PAGE}#active"


def test_what_came_while_it_was_off_is_offered_and_processed_by_a_job(app, session, editor, integration):
    """DESIGN §4.4, B3."""
    editor.post(f"{PAGE}/active", {"active": "0"})
    for number in range(3):
        send(app, hook(session), chat(number))
    page = editor.get(PAGE)
    assert "пришло 3 события" in said(page.find(id="active"))
    assert page.find("form", attrs={"action": f"{PAGE}/process-stored"}) is None, "first it has to be switched on"
    editor.post(f"{PAGE}/process-stored")
    assert jobs(session) == 0
    page = editor.follow(f"{PAGE}/active", {"active": "1"})
    assert page.find("form", attrs={"action": f"{PAGE}/process-stored"}) is not None
    assert session.scalars(select(Communication)).all() == []
    assert flash(editor.follow(f"{PAGE}/process-stored")).startswith("3 событи")
    assert jobs(session) == 1
    with app.app_context():
        process_stored.handle(integration.id)
    session.rollback()
    assert len(session.scalars(select(Communication)).all()) == 3
    assert set(session.scalars(select(WebhookEvent.state))) == {EventState.DONE}
    assert "Пока интеграция была выключена" not in said(editor.get(PAGE))
    assert ("integration.process_stored", {"events": [None, 3]}) in audited(session)


def test_a_double_click_is_one_job(app, session, editor, integration):
    integration.active = False
    session.commit()
    send(app, hook(session), chat())
    editor.post(f"{PAGE}/active", {"active": "1"})
    with time_machine.travel(utc_now().replace(second=3, microsecond=0) + timedelta(minutes=1), tick=False):
        for _click in range(2):
            editor.post(f"{PAGE}/process-stored")
    assert jobs(session) == 1


def test_with_nothing_stored_there_is_no_job(session, editor, integration):
    editor.post(f"{PAGE}/process-stored")
    assert jobs(session) == 0


def test_the_webhook_url_is_shown_whole_with_a_button_that_copies_it(session, editor, integration):
    """J11."""
    page = editor.get(PAGE)
    field = page.find(id="webhook-url")
    assert field["value"] == "http://localhost" + hook(session)
    assert said(page.find("label", attrs={"for": "webhook-url"})) == "Webhook url"
    assert page.find("button", attrs={"data-copy": "#webhook-url"}) is not None
    assert page.find(id="webhook-url-telegram")["value"] == "http://localhost" + hook(session, channel="telegram")


def test_the_webhook_url_carries_the_public_address(app, session, editor, integration, monkeypatch):
    settings = app.config["SETTINGS"].model_copy(update={"PUBLIC_URL": "https://lead.example"})
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    assert editor.get(PAGE).find(id="webhook-url")["value"] == "https://lead.example" + hook(session)


def test_a_viewer_sees_the_page_without_the_address(session, viewer, integration):
    """Who knows the address may send chats."""
    secret = stored_in(session).webhook_secret
    page = viewer.get(PAGE)
    assert "Адрес видят владелец и редактор." in said(page)
    assert secret not in str(page)
    assert page.find("form", attrs={"action": f"{PAGE}/rotate"}) is None
    assert page.find("button", attrs={"role": "switch"}).has_attr("disabled")
    assert page.select("#save, #test form") == []


def test_a_viewer_has_nothing_to_type_into(viewer, integration):
    """Roles: a form that cannot be saved does not look as if it could."""
    controls = viewer.get(PAGE).select("#settings-form input:not([type=hidden]), #settings-form select")
    assert controls, "what is set can be seen"
    open_ones = [
        control["id"]
        for control in controls
        if not control.has_attr("disabled") and control.find_parent("fieldset", disabled=True) is None
    ]
    assert open_ones == []


def test_a_new_address_leaves_the_old_one_a_day(app, session, editor, integration):
    """J11: rotation with a grace period."""
    old = hook(session)
    page = editor.follow(f"{PAGE}/rotate")
    new = hook(session)
    assert new != old
    assert page.find(id="webhook-url")["value"].endswith(new)
    assert "Старый адрес принимает до" in said(page)
    assert old.split("/")[3] not in str(page)
    for number, path in enumerate((old, new)):
        send(app, path, chat(number))
    found = stored_in(session)
    assert timedelta(hours=23) < found.previous_secret_until - utc_now() <= timedelta(hours=24)
    found.previous_secret_until = utc_now() - timedelta(seconds=1)
    session.commit()
    assert app.test_client().post(old, json=chat(3)).status_code == 404
    assert "Старый адрес принимает до" not in said(editor.get(PAGE))
    assert audited(session) == [("integration.rotate", {})], "no secret in the record"


def test_a_removed_integration_is_gone_and_its_communications_stay(app, session, owner, integration):
    path = hook(session)
    send(app, path, chat())
    page = owner.follow(f"{PAGE}/archive")
    assert flash(page) == "Интеграция «Jivo» удалена. Её обращения остались."
    owner.get(PAGE, status=404)
    assert app.test_client().post(path, json=chat(2)).status_code == 404
    [row] = owner.get("/a/romashka/communications").select(".card-table tbody tr")
    owner.get(row.a["href"])
    owner.post(f"{INTEGRATIONS}/new", {"vendor": "jivo"})
    assert stored_in(session, "jivo-2").active is False


def test_a_removed_integration_can_be_taken_back(app, session, owner, integration):
    path = hook(session)
    owner.post(f"{PAGE}/archive")
    page = owner.get(INTEGRATIONS)
    assert said(page.select_one("#removed")).startswith("Удалённые: 1")
    page = owner.follow(page.select_one("#removed form")["action"])
    assert flash(page) == "Интеграция «Jivo» возвращена. Она выключена."
    assert owner.get(INTEGRATIONS).select_one("#removed") is None
    assert stored_in(session, "jivo").active is False
    assert app.test_client().post(path, json=chat(2)).status_code == 200
    assert audited(session)[-1][0] == "integration.restore"


def test_only_an_owner_takes_an_integration_back(session, owner, editor, integration):
    owner.post(f"{PAGE}/archive")
    assert editor.get(INTEGRATIONS).select_one("#removed") is None
    editor.post(f"{PAGE}/restore", status=403)


def test_pages_of_what_is_left_do_not_lead_to_the_removed_integration(app, session, owner, integration):
    send(app, hook(session), chat())
    owner.post(f"{PAGE}/archive")
    session.rollback()
    event = session.scalars(select(WebhookEvent.id)).one()
    communication = session.scalars(select(Communication.id)).one()
    session.rollback()
    for path in (f"/a/romashka/events/{event}", f"/a/romashka/communications/{communication}"):
        for link in owner.get(path).main.find_all("a", href=True):
            if not link["href"].startswith(("#", "tel:", "mailto:")):
                answer = owner.client.get(urlsplit(link["href"])._replace(fragment="").geturl())
                assert answer.status_code < 400, f"{path} leads to {link['href']}"


@pytest.mark.parametrize("wanted", ["off", "unsaved", "waiting", "works", "quiet", "failed", "stored"])
def test_the_pill_tells_how_it_stands(app: Flask, session, editor, integration, wanted):
    now, found = utc_now(), stored_in(session)
    found.active = wanted not in ("off", "stored")
    found.saved_at = None if wanted == "unsaved" else now
    if wanted in ("works", "quiet"):
        at = now if wanted == "works" else now - timedelta(days=3)
        make_communication(session, found, "1", started_at=at)
    session.commit()
    if wanted in ("failed", "stored"):
        send(app, hook(session), chat())
    if wanted == "failed":
        session.scalars(select(WebhookEvent)).one().state = EventState.FAILED
        session.commit()
    session.rollback()
    text = pill(editor.get(PAGE))
    assert text.startswith(
        {
            "off": "Выключена",
            "unsaved": "Включена, но не настроена",
            "waiting": "Ждёт первый чат",
            "works": "Работает · 1 обращение сегодня",
            "quiet": "Работает · сегодня обращений не было",
            "failed": "1 событие с ошибкой",
            "stored": "Выключена · ждёт 1 событие",
        }[wanted]
    )
    assert text == said(editor.get(INTEGRATIONS).select_one(".integration-card .pill"))


def test_today_is_today_in_the_accounts_zone_and_tests_do_not_count(app, session, account, integration):
    found = stored_in(session)
    found.account.timezone, found.saved_at = "Asia/Vladivostok", utc_now()
    # 23:30 of the day before in Vladivostok, 00:30 and 00:40 of this one.
    for number, minutes in enumerate((-30, 30, 40)):
        at = datetime(2026, 3, 9, 14, 0, tzinfo=UTC) + timedelta(minutes=minutes)
        make_communication(session, found, str(number), started_at=at, is_test=minutes == 40)
    session.commit()
    session.rollback()
    with time_machine.travel(datetime(2026, 3, 9, 15, 0, tzinfo=UTC), tick=False):
        assert pill(enter_as(app, session, account).get(PAGE)) == "Работает · 1 обращение сегодня"


@pytest.mark.parametrize("key", ["no-such", "JIVO", "jivo%00", "%00", "j" * 3000])
def test_an_integration_that_is_not_there_is_not_found(editor, integration, key):
    editor.get(f"{INTEGRATIONS}/{key}", status=404)
    editor.post(f"{INTEGRATIONS}/{key}/active", {"active": "0"}, status=404)


def test_a_key_belongs_to_its_account(session, editor, integration):
    make_integration(session, make_account(session, "vasilek"), "other")
    session.rollback()
    editor.get(f"{INTEGRATIONS}/other", status=404)
