"""From the webhook's socket to the page: why a visit was not taken is in the trail, in words (issue 3.5, B1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import select

from tests.factories import make_account, make_campaign, make_integration, make_site, make_visit, tie_visit
from tests.pages import LintingClient
from tests.views.acting import chat, enter_as, said
from webapp.models import Account, Communication, Integration, Role, utc_now

SESSION = "6000000000000001"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def account(session) -> Account:
    return make_account(session)


@pytest.fixture
def integration(session, account) -> Integration:
    """A chat that finds no visit goes to the campaign «По умолчанию»."""
    fallback = make_campaign(session, account, "fallback", "По умолчанию")
    made = make_integration(session, account)
    made.point_to("campaign", fallback.id, None, None)
    session.commit()
    return made


@pytest.fixture
def viewer(app: Flask, session, account, integration) -> LintingClient:
    return enter_as(app, session, account, Role.VIEWER)


@pytest.fixture
def told(session, server: str, integration):
    """Sends a chat with this token that began ten minutes ago; gives what became of it."""
    address = server + integration.hook_path()
    session.rollback()

    def send(token: str | None, **more: Any) -> Communication:
        body = chat(84, page={"url": "https://shop.example/"}, user_token=token, **more)
        answer = requests.post(address, json=body, timeout=10)
        assert (answer.status_code, answer.text) == (200, '{"result":"ok"}')
        session.rollback()
        return session.scalars(select(Communication)).one()

    return send


def step(communication: Communication, rule: str = "visit") -> dict[str, Any]:
    return next(step for step in communication.trail if step["rule"] == rule)


def refused(communication: Communication, outcome: str, **facts: Any) -> None:
    """No visit, the reason in the trail, and the next rules decide."""
    found = step(communication)
    assert found["outcome"] == outcome
    assert {name: found["facts"].get(name) for name in facts} == facts
    assert (communication.visit_id, communication.rule) == (None, "default")


def sentences(viewer: LintingClient, communication: Communication) -> str:
    return said(viewer.get(f"/a/romashka/communications/{communication.id}").select_one(".trail"))


def test_a_good_visit_is_taken_so_the_refusals_are_not_for_everything(session, account, told, viewer):
    visit = make_visit(session, account, SESSION, started_at=utc_now() - HOUR).id
    found = told(f"as1.{SESSION}")
    assert (found.rule, found.visit_id, step(found)["outcome"]) == ("visit", visit, "answered")
    assert "Сессия найдена:" in sentences(viewer, found)


def test_a_chat_that_began_before_the_visit(session, account, told, viewer):
    make_visit(session, account, SESSION, started_at=utc_now() - 5 * MINUTE)
    found = told(f"as1.{SESSION}")
    refused(found, "later", session=SESSION)
    assert "Сессия не принята: она началась" in sentences(viewer, found)
    assert "уже после чата" in sentences(viewer, found)


def test_a_visit_of_another_account(session, told, viewer):
    """B10: only that it is somebody's is said, and nothing of whose."""
    other = make_account(session, "vasilek")
    site = make_site(session, other, "secret", "secret.example")
    visit = make_visit(
        session, other, SESSION, started_at=utc_now() - HOUR, site_id=site.id, marks={"source": "secret"}
    )
    assert visit.id
    found = told(f"as1.{SESSION}")
    refused(found, "other_account", session=SESSION, site=None, marks=None, started_at=None)
    assert "secret" not in str(found.trail)
    assert "Сессия в чате относится к другому кабинету и не принята." in sentences(viewer, found)


def test_a_session_of_two_accounts_is_each_ones_own(session, account, told):
    make_visit(session, make_account(session, "vasilek"), SESSION, started_at=utc_now() - HOUR)
    own = make_visit(session, account, SESSION, started_at=utc_now() - HOUR).id
    assert told(f"as1.{SESSION}").visit_id == own


def test_a_visit_older_than_180_days(session, account, told, viewer):
    make_visit(session, account, SESSION, started_at=utc_now() - 203 * DAY)
    found = told(f"as1.{SESSION}")
    refused(found, "too_old", days=203, limit=180)
    assert "Сессия не принята: ей 203" in sentences(viewer, found)
    assert "не старше 180" in sentences(viewer, found)


def test_a_visit_of_180_days_is_still_good(session, account, told):
    visit = make_visit(session, account, SESSION, started_at=utc_now() - 180 * DAY + MINUTE).id
    assert told(f"as1.{SESSION}").visit_id == visit


@pytest.mark.parametrize("token", ["as1.", "as1.<script>", "\\x00\\x01", "привет", "{", "as1." + "9" * 500, "x" * 5000])
def test_a_garbage_token(told, viewer, token):
    found = told(token)
    refused(found, "foreign")
    assert "другой скрипт" in sentences(viewer, found)


@pytest.mark.parametrize("token", ["as1.0000", "as1.6000000000000099", "as1.nothing-like-it"])
def test_a_session_that_nobody_has_seen(told, viewer, token):
    found = told(token)
    if found.clues["token"]["visit"] is None:
        refused(found, "foreign")
    else:
        refused(found, "unknown", session=found.clues["token"]["visit"])
        assert "но такой мы не видели" in sentences(viewer, found)


@pytest.mark.parametrize(
    ("token", "kind", "words"),
    [
        ("roistat_visit:1234567", "foreign", "Метку в чате поставил другой скрипт на сайте"),
        ("1234567890", "digits", "В чате только число."),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2ln", "jwt", "В чате подпись JWT без номера сессии"),
        ("x" * 5000, "too_long", "Метка в чате слишком длинная для сессии"),
    ],
)
def test_another_products_token(told, viewer, token, kind, words):
    found = told(token)
    refused(found, "foreign", kind=kind)
    assert words in sentences(viewer, found)


def test_a_number_of_another_product_is_not_taken_for_a_session_that_happens_to_be_there(session, account, told):
    make_visit(session, account, "1234567890", started_at=utc_now() - HOUR)
    refused(told("1234567890"), "foreign", kind="digits")


def test_no_token_at_all(told, viewer):
    found = told(None)
    refused(found, "absent", page=True)
    assert "В чате нет метки сессии" in sentences(viewer, found)


def test_a_refused_token_leaves_the_beacon_its_say(session, account, integration, told, viewer):
    """B6: the slot was taken by another product, the number was tied."""
    visit = make_visit(session, account, SESSION, started_at=utc_now() - HOUR)
    tie_visit(session, session.get(Integration, integration.id), visit, "84")
    number = visit.id
    found = told("roistat_visit:1234567")
    assert [(one["rule"], one["outcome"]) for one in found.trail[:2]] == [("visit", "foreign"), ("beacon", "answered")]
    assert (found.rule, found.visit_id) == ("beacon", number)
    assert "Сессия найдена по маяку скрипта" in sentences(viewer, found)


@pytest.mark.parametrize(("age", "outcome"), [(5 * MINUTE, "later"), (203 * DAY, "too_old")])
def test_a_tied_visit_is_refused_for_the_same_reasons(session, account, integration, told, age, outcome):
    visit = make_visit(session, account, SESSION, started_at=utc_now() - age)
    tie_visit(session, session.get(Integration, integration.id), visit, "84")
    found = told(None)
    assert (step(found, "beacon")["outcome"], found.visit_id, found.rule) == (outcome, None, "default")
