"""«Оповещения»: what is wrong stands on the pages, and people choose what to be told of and where (issue 6.7)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from tests.factories import make_alert, make_integration
from tests.views.acting import beside, filled, flash, jobs, rows, said
from webapp.models import AlertMessage, AlertSetting, AuditRecord, utc_now

PAGE = "/a/romashka/alerts"


@pytest.fixture
def jivo(session, account):
    made = make_integration(session, account)
    session.rollback()
    return made


def form(client, **changes):
    return filled(client.get(PAGE).select_one("#alerts-form")) | changes


def stored(session) -> AlertSetting:
    session.rollback()
    return session.scalars(select(AlertSetting)).one()


def test_when_all_is_well_it_says_so(owner):
    page = owner.get(PAGE)
    assert "всё в порядке" in said(page.main)
    assert page.select_one(".alerts") is None


def test_what_is_wrong_stands_on_every_page_until_somebody_knows(session, editor, account):
    alert = make_alert(session, account)
    path = f"{PAGE}/{alert.id}/hide"
    session.rollback()
    for page in ("integrations", "communications", "events", "directory/sites", "settings"):
        assert "«Jivo»" in said(editor.get(f"/a/romashka/{page}").select_one(".alerts")), page
    editor.post(path)
    assert editor.get("/a/romashka/events").select_one(".alerts") is None
    assert "вы об этом знаете" in said(editor.get(PAGE).main)


def test_what_is_over_is_history(session, owner, account):
    alert = make_alert(session, account)
    alert.closed_at = utc_now()
    session.commit()
    session.rollback()
    page = owner.get(PAGE)
    assert "«Jivo»" in said(page.select_one("details.more"))
    assert owner.get("/a/romashka/events").select_one(".alerts") is None


def test_more_than_a_few_are_not_all_on_every_page(session, owner, account):
    for number in range(5):
        make_alert(session, account, subject=str(number))
    session.rollback()
    strip = owner.get("/a/romashka/events").select_one(".alerts")
    assert len(strip.select("p")) == 3
    assert said(strip.a) == "Все оповещения"


def test_settings_are_saved_and_come_back(session, editor):
    sent = form(
        editor,
        emails=" Olga@Romashka.example, pavel@romashka.example,",
        webhook_url="https://hooks.example/T0/B0/key",
        unattributed_limit="15",
        language="en",
    )
    sent.pop("on_silence")
    page = editor.follow(PAGE, sent)
    assert flash(page) == "Сохранено."
    kept = stored(session)
    assert kept.emails == ["olga@romashka.example", "pavel@romashka.example"]
    assert (kept.off, kept.unattributed_limit, kept.language) == (["silence"], 15, "en")
    assert page.select_one("#webhook-secret")["value"] == kept.webhook_secret
    assert not page.select_one("#on_silence").has_attr("checked")
    assert page.select_one("#on_failed_events").has_attr("checked")
    assert flash(editor.follow(PAGE, form(editor))) == "Изменений не было."
    secret = kept.webhook_secret
    editor.post(PAGE, form(editor, webhook_url="https://other.example/"))
    assert stored(session).webhook_secret == secret


def test_an_address_is_neither_in_clear_in_the_database_nor_in_the_record_of_changes(session, editor):
    editor.post(PAGE, form(editor, webhook_url="https://hooks.example/T0/topsecret"))
    session.rollback()
    row = session.execute(text("SELECT * FROM alert_setting")).one()
    assert "topsecret" not in repr([bytes(one) if isinstance(one, memoryview) else one for one in row])
    [record] = session.scalars(select(AuditRecord))
    assert "topsecret" not in repr(record.changes)


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("emails", "olga@romashka.example, not-mail", "«not-mail» — не адрес почты."),
        ("emails", ",".join(f"a{number}@b.example" for number in range(11)), "Не больше 10 адресов."),
        ("webhook_url", "http://hooks.example/", "Нужен адрес вида https://example.ru/hook."),
        ("webhook_url", "hooks.example", "Нужен адрес вида https://example.ru/hook."),
        ("webhook_url", "https://user:key@hooks.example/", "Уберите из адреса имя и пароль: запросы подписаны ключом."),
        ("webhook_url", "https://[::1/", "Нужен адрес вида https://example.ru/hook."),
        ("unattributed_limit", "0", "Целое число от 1 до 100."),
    ],
)
def test_what_cannot_be_is_told_beside_its_field(session, editor, field, typed, told):
    page = editor.post(PAGE, form(editor, **{field: typed}), 422)
    assert beside(page, field) == told
    assert page.select_one(f"#{field}")["value"].replace(" ", "") == typed.replace(" ", "")
    assert session.scalars(select(AlertSetting)).all() == []


def test_without_mail_on_the_server_the_page_says_so(app, owner, monkeypatch):
    assert "не настроена почта" in said(owner.get(PAGE).main)
    settings = app.config["SETTINGS"].model_copy(update={"SMTP_URL": "smtp://127.0.0.1", "MAIL_FROM": "a@b.example"})
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    assert "не настроена почта" not in said(owner.get(PAGE).main)


def test_a_test_message_goes_every_way_and_its_fate_is_shown(session, editor):
    assert flash(editor.follow(f"{PAGE}/test")).startswith("Некуда")
    editor.post(PAGE, form(editor, emails="olga@romashka.example", webhook_url="https://hooks.example/"))
    before = jobs(session)
    editor.post(f"{PAGE}/test")
    assert jobs(session) - before == 2
    message = session.scalars(select(AlertMessage).where(AlertMessage.way == "webhook")).one()
    message.state, message.error = "failed", "status_404"
    session.commit()
    session.rollback()
    listed = rows(editor.get(PAGE).select_one("#messages"))
    assert {tuple(row[2:]) for row in listed} == {
        ("письмо", "отправляется"),
        ("вебхук", "не доставлено ответ 404"),
    }


def test_tests_are_not_sent_without_end(session, editor):
    editor.post(PAGE, form(editor, emails="olga@romashka.example", webhook_url="https://hooks.example/"))
    for _time in range(5):
        assert flash(editor.follow(f"{PAGE}/test")).startswith("Отправляем")
    before = jobs(session)
    assert flash(editor.follow(f"{PAGE}/test")).startswith("Слишком много проверок")
    assert jobs(session) == before
    session.execute(update(AlertMessage).values(created_at=utc_now() - timedelta(minutes=11)))
    session.commit()
    session.rollback()
    assert flash(editor.follow(f"{PAGE}/test")).startswith("Отправляем")


def test_a_viewer_sees_no_address_and_no_key(session, editor, viewer):
    editor.post(PAGE, form(editor, webhook_url="https://hooks.example/T0/topsecret"))
    page = str(viewer.get(PAGE))
    assert "topsecret" not in page
    assert stored(session).webhook_secret not in page
