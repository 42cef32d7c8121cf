"""``user create``."""

from __future__ import annotations

import getpass
import sys

import pytest
from sqlalchemy import select

from tests.factories import PASSWORD, make_account, make_user
from webapp.models import AuditRecord, Membership, User


def create(runner, *args: str, password: str = "", code: int = 0):
    result = runner.invoke(args=["user", "create", *args], input=password)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def account(session):
    return make_account(session)


ARGS = ("Ivan@Romashka.example", "--account", "romashka", "--role", "owner")


def test_a_new_user_gets_the_password_of_the_first_line_and_the_role(runner, session, account):
    create(runner, *ARGS, password="correct horse battery\r\nsecond line\n")
    user = session.scalars(select(User)).one()
    assert user.email == "ivan@romashka.example"
    assert user.check_password("correct horse battery")
    assert session.execute(select(Membership.account_id, Membership.role)).one() == (account.id, "owner")
    record = session.scalars(select(AuditRecord)).one()
    assert (record.actor, record.changes) == ("user create", {"role": [None, "owner"]})


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "needs a password"),
        ("\nsecond line\n", "needs a password"),
        ("too short", "10 to 200 characters"),
        ("x" * 201, "10 to 200 characters"),
    ],
)
def test_a_password_that_is_none_is_refused(runner, session, account, password, words):
    assert words in create(runner, *ARGS, password=password, code=1).stderr
    assert session.scalars(select(User)).all() == []


def test_somebody_who_is_known_gets_the_role_and_keeps_the_password(runner, session, account):
    make_user(session, "ivan@romashka.example")
    result = create(runner, *ARGS)
    assert "the password stays as it is" in result.stdout
    session.rollback()
    assert session.scalars(select(User)).one().check_password(PASSWORD)
    assert session.scalars(select(Membership.role)).one() == "owner"


def test_somebody_who_is_known_gets_another_password_only_when_one_is_given(runner, session, account):
    user = make_user(session, "ivan@romashka.example", account)
    version = user.session_version
    result = create(runner, *ARGS[:-1], "viewer", password="another password\n")
    assert "the password is changed, older sessions are ended" in result.stdout
    assert "viewer of romashka (was owner)" in result.stdout
    session.rollback()
    user = session.scalars(select(User)).one()
    assert user.check_password("another password")
    assert user.session_version == version + 1
    assert session.scalars(select(Membership.role)).all() == ["viewer"]


def test_doing_it_again_changes_nothing(runner, session, account):
    create(runner, *ARGS, password="correct horse battery\n")
    create(runner, *ARGS)
    assert len(session.scalars(select(AuditRecord)).all()) == 1


@pytest.mark.parametrize("email", ["nobody", "a b@romashka.example", "x" * 300 + "@romashka.example"])
def test_what_is_no_address_is_refused(runner, account, email):
    assert "is not an e-mail address" in create(runner, email, *ARGS[1:], password="correct horse\n", code=1).stderr


def test_an_unknown_account_is_refused(runner):
    assert 'no account has the slug "romashka"' in create(runner, *ARGS, password="correct horse\n", code=1).stderr


def test_at_a_terminal_the_password_is_asked_for_twice(runner, session, account, monkeypatch):
    answers = iter(["correct horse battery", "correct horse battery"])
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(answers))
    monkeypatch.setattr(
        "webapp.cli.users.sys", type("Terminal", (), {"stdin": type("In", (), {"isatty": lambda _self: True})()})
    )
    create(runner, *ARGS)
    assert session.scalars(select(User)).one().check_password("correct horse battery")


def test_at_a_terminal_two_different_passwords_are_refused(runner, account, monkeypatch):
    answers = iter(["correct horse battery", "correct house battery"])
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(answers))
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(
        "webapp.cli.users.sys", type("Terminal", (), {"stdin": type("In", (), {"isatty": lambda _self: True})()})
    )
    assert "the two passwords differ" in create(runner, *ARGS, code=1).stderr
