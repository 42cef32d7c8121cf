"""What the product asks of every cabinet, kept by both kinds: one suite, two implementations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.factories import make_account, make_campaign, make_employee, make_integration, make_source
from tests.views.acting import chat
from webapp.cabinets import Cabinet, Need, cabinet_of
from webapp.conversation import Clues, SessionToken
from webapp.extensions import db
from webapp.models import Account, Communication, Delivery, Integration, utc_now
from webapp.resolution import Catalogue, Policy, Question, Rule, Sightings, Target, resolve

KINDS = ("embedded", "dataapi")


class World:
    """An account of one kind, its cabinet, and an integration."""

    def __init__(self, session: Session, kind: str) -> None:
        self.session, self.kind = session, kind
        values = {"cabinet_url": "https://dataapi.uiscom.ru/v2.0", "cabinet_access_token": "key"}
        self.account = make_account(session, cabinet_kind=kind, **(values if kind == "dataapi" else {}))
        self.integration = make_integration(session, self.account)
        self.cabinet: Cabinet = cabinet_of(self.account)

    def send(self, app: Flask, body: dict[str, Any]) -> Communication:
        """Let the vendor send this; the communication that is recorded."""
        path = self.integration.hook_path()
        self.session.rollback()
        assert app.test_client().post(path, json=body).status_code == 200
        return self.session.scalars(select(Communication).order_by(Communication.id.desc())).first()

    def jobs(self) -> int:
        """How many deliveries there are."""
        self.session.rollback()
        return self.session.scalar(select(func.count()).select_from(Delivery))


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, app: Flask, session: Session) -> Iterator[World]:
    with app.test_request_context(), force_locale("ru"):
        yield World(session, request.param)


def test_it_says_whose_the_directory_is_and_who_counts_visits(world: World):
    own = world.kind == "embedded"
    assert (world.cabinet.owns_directory, world.cabinet.counts_visits) == (own, own)


def test_the_catalogue_has_the_rules_of_what_is_not_archived(world: World):
    campaign = make_campaign(world.session, world.account, "1", "Одна", [{"utm_source": "yandex"}])
    make_campaign(world.session, world.account, "2", "Другая", [{"utm_source": "vk"}], archived_at=utc_now())
    source = make_source(world.session, world.account, "3", "Почта", [{"utm_medium": "email"}])
    catalogue = world.cabinet.catalogue(world.session, world.account)
    assert isinstance(catalogue, Catalogue)
    assert catalogue.campaign({"utm_source": "yandex"}).entry.id == campaign.id
    assert catalogue.campaign({"utm_source": "vk"}) is None
    assert catalogue.source({"utm_medium": "email"}).entry.id == source.id


def test_employees_are_found_by_folded_e_mail(world: World):
    first = make_employee(world.session, world.account, "1", email="Anna@shop.example")
    make_employee(world.session, world.account, "2", email="anna@shop.example")
    make_employee(world.session, world.account, "3", email="gone@shop.example", archived_at=utc_now())
    make_employee(world.session, world.account, "4", email=None)
    assert world.cabinet.employees(world.session, world.account) == {"anna@shop.example": first.id}


def test_nothing_of_another_account_is_seen(world: World):
    other = make_account(world.session, "vasilek", cabinet_kind=world.kind)
    make_campaign(world.session, other, "1", "Чужая", [{"utm_source": "yandex"}])
    make_employee(world.session, other, "1", email="anna@shop.example")
    assert world.cabinet.catalogue(world.session, world.account).campaign({"utm_source": "yandex"}) is None
    assert world.cabinet.employees(world.session, world.account) == {}


def test_what_is_needed_is_said_in_words(world: World):
    needs = world.cabinet.needs(world.session, world.session.get_one(Integration, world.integration.id))
    assert needs
    for need in needs:
        assert isinstance(need, Need)
        assert need.state in ("present", "missing", "unknown")
        assert str(need.text).strip()


def test_its_share_of_the_policy_fits_the_rules(world: World):
    policy = Policy(**world.cabinet.policy(world.session, world.integration))
    assert policy.sessions_elsewhere is not world.cabinet.counts_visits


def test_a_named_session_that_nobody_here_has_seen(world: World):
    """DESIGN §5, end: where it cannot be checked it is handed on."""
    question = Question(utc_now(), None, Clues(token=SessionToken("as1.14700000001", "own", "14700000001")))
    policy = Policy(default=Target(campaign=1), **world.cabinet.policy(world.session, world.integration))
    decision = resolve(question, Sightings(), policy)
    elsewhere = not world.cabinet.counts_visits
    assert (decision.rule, decision.session) == ((Rule.VISIT, "14700000001") if elsewhere else (Rule.DEFAULT, None))


def test_recording_is_in_the_callers_transaction_and_may_be_repeated(world: World, app: Flask):
    found = world.send(app, chat(84, "Есть шторы?", name="Анна"))
    assert world.jobs() == (0 if world.kind == "embedded" else 1)
    world.cabinet.record(world.session, found.id)
    world.session.rollback()
    assert world.jobs() == (0 if world.kind == "embedded" else 1)


def test_nothing_is_refused_of_a_communication_that_is_new(world: World, app: Flask):
    found = world.send(app, chat(84, "Есть шторы?", name="Анна"))
    assert world.cabinet.refused(world.session, found) == {}


def test_asking_to_send_anew_is_answered(world: World, app: Flask):
    found = world.send(app, chat(84, "Есть шторы?", name="Анна"))
    number = found.id
    world.session.rollback()
    with app.app_context():
        asked = world.cabinet.resend(db.session(), number)
        db.session.commit()
    assert asked is (world.kind == "dataapi")


def test_changed_settings_are_told_without_harm(world: World, app: Flask):
    number = world.account.id
    world.session.rollback()
    with app.app_context():
        world.cabinet.settings_changed(db.session(), db.session.get_one(Account, number))
        db.session.commit()


def test_a_kind_that_nobody_knows_is_refused():
    with pytest.raises(LookupError, match="paper"):
        cabinet_of(Account(cabinet_kind="paper"))
