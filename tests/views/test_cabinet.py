"""«Настройки» → «Кабинет»: connecting, what is missing and where to mend it, reading, pauses (C2, J9, A8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.cabinets.outside import Outside, connected
from tests.doubles.dataapi import DataApiDouble
from tests.factories import make_campaign
from tests.pages import LintingClient
from tests.views.acting import HTMX, chat, enter_as, everything, said
from webapp.models import Account, AuditRecord, Campaign, Role

ANNA = {"visitor": {"name": "Анна", "number": 7, "phone": "79123456789", "chats_count": 1}}


@pytest.fixture
def double(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataApiDouble]:
    with DataApiDouble() as double:
        host = double.url.removeprefix("http://")
        settings = app.config["SETTINGS"].model_copy(update={"EXTRA_VENDOR_HOSTS": (host,)})
        monkeypatch.setitem(app.config, "SETTINGS", settings)
        yield double


@pytest.fixture
def outside(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    with connected(app, session, monkeypatch) as outside:
        yield outside


PAGE = "/a/romashka/settings/cabinet"


def connect(client: LintingClient, double: DataApiDouble, key: str | None = None, status: int = 303) -> Any:
    form = {"server": "other", "url": double.endpoint, "access_token": double.key if key is None else key}
    return client.post(PAGE, form, status=status)


def test_the_embedded_cabinet_says_that_nothing_is_needed(owner, account):
    page = owner.get(PAGE)
    assert "Ничего подключать не нужно" in said(page)
    assert page.select_one("#cabinet-form")


def test_a_key_is_checked_kept_and_never_shown(owner, account, session, double):
    campaign = make_campaign(session, account)
    number = campaign.id
    connect(owner, double)
    page = owner.get(PAGE)
    text = said(page)
    assert "Ромашка" in text
    assert "4101" in text
    assert "Europe/Moscow" in text
    assert "за сутки" in text
    assert double.key not in str(page)
    assert "есть" in text
    session.rollback()
    kept = session.scalars(select(Account)).one()
    assert (kept.cabinet_kind, kept.cabinet_access_token) == ("dataapi", double.key)
    assert session.get(Campaign, number).archived_at is not None
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "cabinet.connect")).one()
    assert double.key not in str(record.changes)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("revoked", "Такого ключа Data API кабинет не знает"),
        ("expired", "Срок действия ключа Data API истёк"),
        ("blocked", "Ключ Data API заблокирован"),
    ],
)
def test_a_key_that_opens_nothing_is_not_kept_and_said_why(owner, account, session, double, state, words):
    double.set_key(double.key, state=state)
    before = everything(session)
    page = connect(owner, double, status=422)
    assert words in said(page.select_one("[data-error-summary]"))
    assert double.key not in str(page)
    assert everything(session) == before


def test_a_key_whose_only_fault_is_our_address_is_kept_and_the_address_named(owner, account, session, double):
    """The white list has to be filled in with something."""
    double.set_account(ips=["198.51.100.7"])
    double.seen_ip = "203.0.113.9"
    connect(owner, double)
    text = said(owner.get(PAGE))
    assert "203.0.113.9" in text
    assert "белом списке" in text
    double.set_account(ips=["203.0.113.9"])
    owner.post(f"{PAGE}/check", {})
    assert "203.0.113.9" not in said(owner.get(PAGE))


def test_what_is_not_bought_or_not_allowed_is_named_with_its_repair(owner, account, double):
    double.set_account(lacking=["upload_chats"], rights={"employees": []})
    connect(owner, double)
    needs = {said(row).partition("»")[0]: said(row) for row in owner.get(PAGE).select(".needs li")}
    told = " | ".join(needs.values())
    assert "нет «Загрузка чатов из внешней системы»" in told
    assert "Тарифы и опции" in told
    assert "есть «Загрузка заявок из внешней системы»" in told
    assert "нет Чтение сотрудников" in told
    assert "Управление пользователями" in told


def test_without_the_settings_package_the_user_is_asked_to_look(owner, account, double):
    double.set_account(lacking=["data_api_settings"])
    connect(owner, double)
    assert "проверьте сами «Загрузка чатов из внешней системы»" in said(owner.get(PAGE))


@pytest.mark.parametrize("url", ["https://evil.example/v2.0", "http://dataapi.uiscom.ru", "", "x" * 600])
def test_a_host_that_is_not_allowed_is_never_asked(owner, account, session, double, url):
    before = everything(session)
    page = owner.post(PAGE, {"server": "other", "url": url, "access_token": "key"}, status=422)
    assert page.select_one("#url-error")
    assert everything(session) == before
    assert double.calls() == []


def test_a_key_is_needed(owner, account, double):
    assert "Введите ключ" in said(connect(owner, double, key="", status=422))


def test_the_stored_key_stays_when_the_field_is_left_empty(app, session, outside):
    owner = enter_as(app, session, outside.account, Role.OWNER)
    connect(owner, outside.double, key="")
    assert outside.account.cabinet_access_token == outside.double.key


def test_an_editor_may_check_and_read_but_not_change_the_key(app, session, outside):
    editor = enter_as(app, session, outside.account, Role.EDITOR)
    assert editor.get(PAGE).select_one("#cabinet-form") is None
    connect(editor, outside.double, status=403)
    editor.post(f"{PAGE}/sync", {})
    assert "Читаем справочники" in said(editor.get(PAGE))
    part = editor.client.get(f"{PAGE}/sync", headers=HTMX).text
    assert 'hx-trigger="every 2s"' in part
    outside.run(seconds=60)
    part = editor.client.get(f"{PAGE}/sync", headers=HTMX).text
    assert "hx-trigger" not in part
    assert "Прочитаны" in part


def test_a_pause_is_told_on_every_page_and_ended_by_the_button(app, session, outside):
    """DESIGN §7."""
    editor = enter_as(app, session, outside.account, Role.EDITOR)
    outside.double.set_account(state="blocked")
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run(seconds=30)
    outside.session.rollback()
    for path in ("integrations", "communications", "events", "directory/sites", "settings", "deliveries"):
        banner = editor.get(f"/a/romashka/{path}").select_one(".stop")
        assert "Кабинет отключён у самого сервиса" in said(banner), path
    editor.post(f"{PAGE}/check", {})
    assert "Кабинет отключён у самого сервиса" in said(editor.get(PAGE).select_one("main .card"))
    outside.double.set_account(state="active")
    editor.post(f"{PAGE}/resume", {})
    outside.run(seconds=10)
    outside.session.rollback()
    assert editor.get("/a/romashka/events").select_one(".stop") is None
    assert "Кабинет отключён у самого сервиса" not in said(editor.get(PAGE))
    assert outside.held_once() == 1


def test_disconnecting_forgets_the_key(app, session, outside):
    owner = enter_as(app, session, outside.account, Role.OWNER)
    owner.post(f"{PAGE}/disconnect", {})
    account = outside.account
    assert (account.cabinet_kind, account.cabinet_url, account.cabinet_access_token) == ("embedded", None, None)
    assert "Ничего подключать не нужно" in said(owner.get(PAGE))


def test_the_directory_is_only_looked_at_and_says_where_it_is_kept(app, session, outside):
    owner = enter_as(app, session, outside.account, Role.OWNER)
    page = owner.get("/a/romashka/directory/campaigns")
    assert "читается из кабинета" in said(page)
    assert "системная" in said(page)
    assert page.select_one("a[href$='/campaigns/new']") is None
    assert "Мессенджеры → Мессенджеры" in said(owner.get("/a/romashka/directory/sources"))
    owner.post("/a/romashka/directory/sites/new", {"domain": "new.example"}, status=403)


def test_pickers_search_the_cabinets_lists_and_its_tags(app, session, outside):
    owner = enter_as(app, session, outside.account, Role.OWNER)
    for kind, query, found in (("campaigns", "карнизы", "Яндекс.Директ — карнизы"), ("tags", "замер", "Замер")):
        assert found in owner.client.get(f"/a/romashka/options/{kind}?q={query}", headers=HTMX).text


def test_tag_and_marks_are_set_on_the_integrations_page_of_such_an_account_only(app, session, outside):
    owner = enter_as(app, session, outside.account, Role.OWNER)
    key = outside.integration.key
    outside.session.rollback()
    page = owner.get(f"/a/romashka/integrations/{key}")
    assert page.select_one("#upload_sessions")
    form = {"name": "Jivo", "kind": "campaign", "tag_text": "Замер", "upload_sessions": "y"}
    owner.post(f"/a/romashka/integrations/{key}/settings", form)
    assert outside.integration.handover == {"tag": "515101", "upload_sessions": True}
    page = owner.post(f"/a/romashka/integrations/{key}/settings", form | {"tag_text": "Нет такого"}, status=422)
    assert page.select_one("[data-error-summary] a[href='#tag']")


def test_saving_settings_releases_what_was_held_because_of_them(app, session, outside):
    """C4."""
    outside.point_to(None)
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    assert outside.delivery().reason == "nothing_to_attribute"
    owner = enter_as(app, session, outside.account, Role.OWNER)
    key = outside.integration.key
    outside.session.rollback()
    form = {"name": "Jivo", "kind": "campaign", "campaign_text": "Telegram Ads — romashka-shtory.example"}
    owner.post(f"/a/romashka/integrations/{key}/settings", form)
    outside.run()
    assert (outside.delivery().state, outside.stored()["campaign_id"]) == ("delivered", 268104)
