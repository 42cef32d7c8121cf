"""The built-in sources on the pages: offered by a button, given to new accounts, ordinary afterwards."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from tests.factories import make_account
from tests.pages import LintingClient
from tests.views.acting import enter, enter_as, everything, filled, flash, make_person, said
from webapp.cabinets.embedded.builtin import builtin_sources
from webapp.models import Account, AuditRecord, Invitation, Role, Source
from webapp.views.rules_input import MOST_CONDITIONS, MOST_RULES, RulesInput

SOURCES = "/a/romashka/directory/sources"
ADD = f"{SOURCES}/builtin"
BUTTON = "Добавить встроенные источники"


def count(session, account: Account) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(Source).where(Source.account_id == account.id))


def test_the_list_of_sources_offers_them_until_they_are_there(session, editor, account):
    page = editor.get(SOURCES)
    assert BUTTON in said(page)
    assert f"({len(builtin_sources())})" in said(page)
    page = editor.follow(ADD, {})
    assert flash(page) == f"Добавлено источников: {len(builtin_sources())}."
    assert BUTTON not in said(page)
    assert count(session, account) == len(builtin_sources())
    entry = session.scalars(select(AuditRecord).where(AuditRecord.account_id == account.id)).one()
    assert (entry.action, entry.changes) == ("directory.builtin", {"added": [None, len(builtin_sources())]})
    session.rollback()


def test_pressing_twice_adds_nothing(session, editor, account):
    editor.post(ADD, {})
    before = everything(session)
    page = editor.follow(ADD, {})
    assert flash(page) == "Добавлено источников: 0."
    assert everything(session) == before


def test_one_that_was_put_away_stays_away(session, editor, account):
    editor.post(ADD, {})
    number = session.scalar(select(Source.id).where(Source.key == "social-reddit"))
    session.rollback()
    editor.post(f"{SOURCES}/{number}/archive", {"archived": "1"})
    assert BUTTON not in said(editor.get(SOURCES))
    editor.post(ADD, {})
    assert session.scalar(select(Source.archived_at).where(Source.id == number)) is not None
    session.rollback()


def test_other_lists_and_viewers_are_not_offered_them(app, session, editor, account):
    assert BUTTON not in said(editor.get("/a/romashka/directory/campaigns"))
    viewer = enter_as(app, session, account, Role.VIEWER)
    assert BUTTON not in said(viewer.get(SOURCES))
    viewer.post(ADD, {}, status=403)
    assert count(session, account) == 0


def test_each_is_an_entry_like_any_other(session, editor):
    editor.post(ADD, {})
    number = session.scalar(select(Source.id).where(Source.key == "ads-vk-ads"))
    session.rollback()
    page = editor.get(f"{SOURCES}/{number}")
    editor.post(f"{SOURCES}/{number}", filled(page.find(id="entry-form")) | {"name": "Наша реклама", "priority": "7"})
    row = session.get(Source, number)
    assert (row.name, row.priority) == ("Наша реклама", 7)
    builtin = next(source for source in builtin_sources() if source.key == "ads-vk-ads")
    assert row.rules == builtin.rules, "the form kept every rule"
    session.rollback()


@pytest.mark.parametrize("source", builtin_sources(), ids=lambda source: source.key)
def test_the_form_could_have_made_each_of_them(app, source):
    with app.test_request_context():
        assert RulesInput.of(source.rules).validate()
    assert len(source.rules) <= MOST_RULES
    assert max(map(len, source.rules)) <= MOST_CONDITIONS


def test_the_first_account_of_an_installation_begins_with_them(app, session):
    invitation, token = Invitation.make(None, None, Role.OWNER)
    session.add(invitation)
    session.commit()
    LintingClient(app).post(
        f"/welcome/{token}",
        {"email": "a@b.example", "password": "long enough password", "account_name": "Ромашка"}
        | {"timezone": "Europe/Moscow"},
    )
    assert count(session, session.scalars(select(Account)).one()) == len(builtin_sources())


def test_one_more_account_begins_with_them_in_the_users_language(app, session, account):
    make_account(session, "vasilek")
    owner = make_person(session, account, Role.OWNER, language="en")
    client = enter(app, owner)
    session.rollback()
    client.post("/accounts/new", {"account_name": "Next", "timezone": "Europe/Moscow"})
    made = session.scalars(select(Account).where(Account.name == "Next")).one()
    assert count(session, made) == len(builtin_sources())
    assert session.scalar(select(Source.name).where(Source.key == "social-vk")) == "VKontakte"
    session.rollback()
