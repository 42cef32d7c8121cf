"""The account's own settings and the record of changes (issue 2.2)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.factories import make_account
from tests.views.acting import beside, everything, filled, flash, rows, said, walk
from webapp import audit
from webapp.cabinets.embedded import EmbeddedCabinet
from webapp.models import Account, AuditRecord, User

SETTINGS = "/a/romashka/settings"

GOOD = {
    "name": "Ромашка и партнёры",
    "timezone": "Asia/Vladivostok",
    "region": "KZ",
    "contact_window_days": "30",
    "event_retention_days": "",
    "communication_retention_days": "730",
    "visits_need_consent": "y",
    "keeps_full_ip": "y",
    "visit_retention_days": "90",
}


def test_the_page_shows_what_is_set(owner):
    form = owner.get(SETTINGS).find(id="account-form")
    assert filled(form) == {
        "name": "Ромашка",
        "timezone": "Europe/Moscow",
        "region": "RU",
        "contact_window_days": "",
        "event_retention_days": "365",
        "communication_retention_days": "",
        "respects_do_not_track": "y",
        "visit_retention_days": "365",
    }


def test_an_owner_saves_everything_and_the_change_is_recorded(session, owner):
    page = owner.follow(SETTINGS, GOOD)
    assert flash(page) == "Сохранено."
    assert filled(page.find(id="account-form")) == GOOD
    account = session.scalars(select(Account)).one()
    assert (account.slug, account.name, account.timezone) == ("romashka", "Ромашка и партнёры", "Asia/Vladivostok")
    assert (account.region, account.contact_window_days) == ("KZ", 30)
    assert (account.event_retention_days, account.communication_retention_days) == (None, 730)
    assert (account.visits_need_consent, account.respects_do_not_track, account.keeps_full_ip) == (True, False, True)
    assert account.visit_retention_days == 90
    record = session.scalars(select(AuditRecord)).one()
    assert (record.action, record.actor) == ("account.change", "owner@romashka.example")
    assert record.changes == {
        "name": ["Ромашка", "Ромашка и партнёры"],
        "timezone": ["Europe/Moscow", "Asia/Vladivostok"],
        "region": ["RU", "KZ"],
        "contact_window_days": [None, 30],
        "event_retention_days": [365, None],
        "communication_retention_days": [None, 730],
        "visits_need_consent": [False, True],
        "respects_do_not_track": [True, False],
        "keeps_full_ip": [False, True],
        "visit_retention_days": [365, 90],
    }


def test_saving_without_a_change_records_nothing(session, owner):
    page = owner.follow(SETTINGS, filled(owner.get(SETTINGS).find(id="account-form")))
    assert flash(page) == "Изменений не было."
    assert session.scalars(select(AuditRecord)).all() == []


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("name", "   ", "Введите название кабинета."),
        ("name", "я" * 201, "Не длиннее 200 знаков."),
        ("contact_window_days", "0", "От 1 до 180 дней, или оставьте пустым."),
        ("contact_window_days", "181", "От 1 до 180 дней, или оставьте пустым."),
        ("contact_window_days", "неделя", None),
        ("event_retention_days", "-1", "От 1 до 3650 дней, или оставьте пустым."),
        ("event_retention_days", "9" * 30, "От 1 до 3650 дней, или оставьте пустым."),
        ("communication_retention_days", "3651", "От 1 до 3650 дней, или оставьте пустым."),
        ("communication_retention_days", "1.5", None),
        ("visit_retention_days", "0", "От 1 до 3650 дней, или оставьте пустым."),
        ("visit_retention_days", "год", None),
        ("timezone", "Europe/Nowhere", None),
        ("region", "ZZ", None),
    ],
)
def test_a_mistake_is_said_beside_the_field_and_nothing_is_saved(session, owner, field, value, error):
    before = everything(session)
    page = owner.post(SETTINGS, GOOD | {field: value}, status=422)
    found = beside(page, field)
    assert found == error if error else found
    assert page.title.get_text().startswith("Ошибка: ")
    if page.find(id=field).name == "input":
        assert page.find(id=field)["value"].strip() == value.strip(), "what was typed stays"
    kept = filled(page.find(id="account-form"))
    assert {name: kept[name] for name in GOOD if name != field} == {
        name: typed for name, typed in GOOD.items() if name != field
    }
    assert everything(session) == before


def test_errors_are_said_in_the_language_of_the_page(session, owner):
    """B11: also those that come from a library."""
    page = owner.post(SETTINGS, GOOD | {"contact_window_days": "неделя"}, status=422)
    assert "integer" not in beside(page, "contact_window_days")


@pytest.mark.parametrize("who", ["editor", "viewer"])
def test_only_owners_change_them(session, request, who):
    client = request.getfixturevalue(who)
    page, before = client.get(SETTINGS), everything(session)
    controls = page.find(id="account-form").find_all(["input", "select"])
    assert all(control.has_attr("disabled") for control in controls if control["name"] != "csrf_token")
    assert page.find(id="account-form").find("button", type="submit") is None
    page = client.post(SETTINGS, GOOD, status=403)
    assert "Менять настройки кабинета может только владелец." in said(page)
    assert everything(session) == before


def test_a_zone_and_a_country_that_are_not_usual_stay_choosable(session, owner, account):
    account.timezone, account.region = "Pacific/Chatham", "NZ"
    session.commit()
    page = owner.follow(SETTINGS, filled(owner.get(SETTINGS).find(id="account-form")))
    assert flash(page) == "Изменений не было."
    kept = filled(page.find(id="account-form"))
    assert (kept["timezone"], kept["region"]) == ("Pacific/Chatham", "NZ")


def test_the_record_tells_who_changed_what_in_words(owner):
    """Issue 2.2: audit log of settings changes."""
    owner.post(SETTINGS, GOOD)
    [row] = rows(owner.get(f"{SETTINGS}/audit"))
    assert row[1] == "owner@romashka.example"
    assert row[2] == "Настройки кабинета Ромашка и партнёры"
    assert "Часовой пояс: Europe/Moscow → Asia/Vladivostok" in row[3]
    assert "Искать прошлую сессию по телефону и почте, дней: — → 30" in row[3]
    assert "Считать визиты только с согласия посетителя: нет → да" in row[3]
    assert "Хранить сессии, дней: 365 → 90" in row[3]


def test_the_page_tells_how_a_site_says_that_the_visitor_agrees(owner):
    page = owner.get(SETTINGS)
    assert 'Leadtrail.push(["consent", true])' in said(page.find(id="consent-hook"))
    assert "data-consent" in said(page)


def test_where_visits_are_counted_elsewhere_their_manners_are_not_asked_for(session, owner, account, monkeypatch):
    """C2: an outside cabinet has its own counter."""
    monkeypatch.setattr(EmbeddedCabinet, "counts_visits", False)
    page = owner.get(SETTINGS)
    assert page.find(id="visits_need_consent") is None
    page = owner.follow(SETTINGS, {**filled(page.find(id="account-form")), "name": "Другая"})
    assert flash(page) == "Сохранено."
    session.rollback()
    assert (account.respects_do_not_track, account.visit_retention_days) == (True, 365)


def test_the_record_shows_times_of_the_account(session, owner, account):
    owner.post(SETTINGS, GOOD)
    session.rollback()
    record = session.scalars(select(AuditRecord)).one()
    record.created_at = record.created_at.replace(year=2026, month=3, day=9, hour=14, minute=30)
    session.commit()
    assert rows(owner.get(f"{SETTINGS}/audit"))[0][0] == "10.03.2026 00:30"


def test_the_record_is_paged_without_loss(session, owner, account):
    user = session.scalars(select(User)).one()
    for number in range(120):
        audit.record(session, account.id, user=user, action="directory.add", subject=f"sites: {number}", changes={})
    session.commit()
    session.rollback()
    pages = [rows(page) for page in walk(owner, f"{SETTINGS}/audit")]
    assert [len(page) for page in pages] == [50, 50, 20]
    assert [row[2].split()[-1] for page in pages for row in page] == [str(number) for number in range(119, -1, -1)]


def test_the_record_is_of_this_account_alone_and_what_people_typed_is_text(session, owner, account):
    for one in (account, make_account(session, "vasilek")):
        audit.record(session, one.id, actor="config", action="config.apply", subject=f"<b>{one.slug}</b>", changes={})
    session.commit()
    session.rollback()
    page = owner.get(f"{SETTINGS}/audit")
    assert page.select("tbody b") == []
    assert [row[2] for row in rows(page)] == ["Применён файл настроек <b>romashka</b>"]
