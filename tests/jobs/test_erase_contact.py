"""DESIGN §9: a person's data can be erased, all of it; what is other people's stays."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests.factories import make_account, make_integration, make_task, make_user, make_visit, tie_visit
from tests.views.acting import chat, everything, make_communication
from webapp import erasure
from webapp.erasure import Person
from webapp.extensions import db
from webapp.intake import accept
from webapp.jobs import erase_contact, handlers
from webapp.models import (
    Communication,
    Redecision,
    SavedView,
    Task,
    TaskKind,
    TaskState,
    VendorClient,
    Visit,
    WebhookEvent,
    search_index,
    utc_now,
)
from webapp.report import digest
from webapp.report.tokens import Asked, Sought

PHONE, EMAIL = "+79161234567", "anna@example.com"


@pytest.fixture
def jivo(session):
    return make_integration(session, make_account(session))


@pytest.fixture
def erase(app, session, jivo):
    """Erases by phone or e-mail, as the worker does; gives the task."""

    def run(subject: str = f"phone:{PHONE}") -> Task:
        task = make_task(session, jivo.account, TaskKind.ERASE, subject=subject)
        number = task.id
        # A reader would keep the log from being emptied.
        session.rollback()
        handlers(app)[TaskKind.ERASE](number)
        return task

    return run


def tell(session, jivo, number, *texts, visitor=None, **more) -> int:
    """A chat of this number; ``visitor`` is the vendor's card of the person."""
    body = chat(number, *texts, **more)
    body["visitor"] |= visitor or {}
    event = accept(session, jivo, json.dumps(body).encode()).event_id
    session.commit()
    return event


def of(session, table):
    session.rollback()
    return list(session.scalars(select(table).order_by(table.id)))


def test_everything_of_the_person_goes_and_what_is_others_stays(session, jivo, erase):
    visit = make_visit(session, jivo.account, "8f3c", visitor_id="v1")
    make_visit(session, jivo.account, "9a00", visitor_id="v1")
    make_visit(session, jivo.account, "ffff", visitor_id="v2")
    tie_visit(session, jivo, visit, "1")
    tell(session, jivo, 1, visitor={"phone": "8 (916) 123-45-67"})
    tell(session, jivo, 2, name="Павел", visitor={"phone": "8 (903) 000-00-01"})
    card = {"event_name": "client_updated", "client_id": "1", "visitor": {"number": "1", "phone": PHONE}}
    accept(session, jivo, json.dumps(card).encode())
    session.commit()
    done = erase()
    assert [one.vendor_id for one in of(session, Communication)] == ["2"]
    assert [one.reference for one in of(session, WebhookEvent)] == ["2"]
    assert of(session, VendorClient) == []
    assert [one.session_id for one in of(session, Visit)] == ["ffff"]
    assert done.state == TaskState.DONE
    assert done.counts == {"events": 2, "communications": 1, "visits": 2, "clients": 1}
    assert (done.subject, done.cursor) == (None, {})


def test_the_same_visitors_chats_without_the_contact_go_too(session, jivo, erase):
    tell(session, jivo, 1, visitor={"phone": PHONE, "number": 77})
    tell(session, jivo, 2, visitor={"number": 77})
    tell(session, jivo, 3, visitor={"number": 78})
    erase()
    assert [one.vendor_id for one in of(session, Communication)] == ["3"]


def test_by_mail(session, jivo, erase):
    tell(session, jivo, 1, visitor={"email": "Anna@Example.com"})
    tell(session, jivo, 2, visitor={"email": "joanna@example.com"})
    erase(f"email:{EMAIL}")
    assert [one.contact_email for one in of(session, Communication)] == ["joanna@example.com"]


def test_mentions_in_other_peoples_chats_are_masked(session, jivo, erase):
    tell(session, jivo, 1, "Перезвоните", "Наш номер 8 (916) 123-45-67", visitor={"phone": "+79030000001"})
    done = erase()
    [found], [event] = of(session, Communication), of(session, WebhookEvent)
    assert found.messages[1]["text"] == "Наш номер ***"
    assert "Наш номер ***" in found.text
    assert found.contact_phone == "+79030000001"
    assert json.loads(event.body)["chat"]["messages"][1]["message"] == "Наш номер ***"
    assert done.counts == {"masked": 2}


def test_what_nobody_could_read_goes_when_it_mentions_the_person(session, jivo, erase):
    for body in (b"phone=%2B7+916+123-45-67", f"call {PHONE} back".encode(), b"nothing of interest"):
        accept(session, jivo, body)
    jivo.active = False
    accept(session, jivo, json.dumps(chat(9) | {"visitor": {"number": 9, "phone": PHONE}}).encode())
    session.commit()
    erase()
    assert [one.body for one in of(session, WebhookEvent)] == [b"nothing of interest"]


def test_other_accounts_keep_theirs(app, session, jivo, erase):
    other = make_integration(session, make_account(session, "vasilek"))
    tell(session, other, 1, visitor={"phone": PHONE})
    digest_all(app, indexed=True)
    before = everything(session)
    erase()
    after = everything(session)
    assert {name for name in after if after[name] != before[name]} == {"task"}


def test_it_works_in_short_steps(session, jivo, erase, monkeypatch):
    monkeypatch.setattr(erase_contact, "BATCH", 1)
    monkeypatch.setattr("webapp.tasks.MOST_STEPS", 100)
    for number in range(3):
        tell(session, jivo, number + 1, visitor={"phone": PHONE})
    tell(session, jivo, 9, f"Спросите {PHONE}", visitor={"phone": "+79030000001"})
    assert erase().counts["communications"] == 3
    assert [one.vendor_id for one in of(session, Communication)] == ["9"]


def test_the_other_visits_of_the_visitor_go_in_short_steps_too(session, jivo, erase, monkeypatch):
    """The tied one is the last: the others are found by it."""
    monkeypatch.setattr(erase_contact, "BATCH", 2)
    visits = [make_visit(session, jivo.account, str(number), visitor_id="v1") for number in range(1, 8)]
    tie_visit(session, jivo, visits[0], "1")
    tell(session, jivo, 1, visitor={"phone": PHONE})
    assert erase().counts["visits"] == 7
    assert of(session, Visit) == []


@pytest.mark.parametrize(
    ("subject", "named"),
    [
        ("phone:+375291234567", {"landing_url": "https://shop.example/?tel=%28029%29+123-45-67"}),
        (
            "phone:+375291234567",
            {"referrer": "https://x.example/?to=https%3A%2F%2Fshop%2F%3Fp%3D8%2520029%25201234567"},
        ),
        (f"email:{EMAIL}", {"last_url": "https://shop.example/?email=Anna%40Example.com#done"}),
        (f"email:{EMAIL}", {"marks": {"term": "Anna@Example.com"}}),
        (f"email:{EMAIL}", {"search_text": "8f3c anna@example.com shop"}),
    ],
)
def test_visits_whose_addresses_name_the_person_go(session, jivo, erase, subject, named):
    make_visit(session, jivo.account, "8f3c", **named)
    make_visit(
        session, jivo.account, "ffff", landing_url="https://shop.example/?email=joanna%40example.com&id=291234568"
    )
    assert erase(subject).counts == {"visits": 1}
    assert [one.session_id for one in of(session, Visit)] == ["ffff"]


def test_it_looks_by_row_number_and_through_all_the_numbers(session, jivo, erase, monkeypatch):
    """The rows of one account may be few among the numbers of many."""
    monkeypatch.setattr(erase_contact, "SPAN", 3)
    monkeypatch.setattr("webapp.tasks.MOST_STEPS", 1000)
    other = make_account(session, "vasilek")
    for number in range(20):
        make_visit(
            session, jivo.account if number in (0, 7, 19) else other, str(number), landing_url=f"https://{PHONE}"
        )
    assert erase().counts == {"visits": 3}
    assert len(of(session, Visit)) == 17


@pytest.mark.parametrize("place", erase_contact.PLACES)
def test_no_batch_reads_more_than_its_row_numbers(session, place):
    """It holds the embedded database's only lock for writing."""
    if session.get_bind().dialect.name != "sqlite":
        return
    query = erase_contact.batch(erase_contact.PLACES[place], 1, 0)
    told = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    [step] = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {told}").all()
    assert "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in step.detail


def test_saved_views_that_ask_for_the_person_go(session, jivo, erase):
    user = make_user(session, account=jivo.account)
    other = make_user(session, "other@vasilek.example", make_account(session, "vasilek"))
    views = {"Заказ": {"q": "8 916 123-45-67"}, f"О {PHONE}": {}, "Все": {"q": "9161234568"}}
    session.add_all(
        SavedView(account_id=one.memberships[0].account_id, user_id=one.id, name=name, query=query)
        for one in (user, other)
        for name, query in views.items()
    )
    session.commit()
    assert erase().counts == {"views": 2}
    assert [one.name for one in of(session, SavedView)] == ["Все", *views]


def test_the_trail_of_others_and_what_a_re_attribution_keeps_of_it_is_masked(session, jivo, erase):
    def trail(mark):
        return [{"rule": "utm", "outcome": "no_match", "facts": {"marks": {"utm_term": mark}, "campaign": 7}}]

    chat_of = make_communication(session, jivo, "1", trail=trail(EMAIL))
    session.flush()
    redecided = {"rule": "utm", "trail": trail(f"to {EMAIL}")}
    task = make_task(session, jivo.account, TaskKind.REATTRIBUTE)
    session.add(
        Redecision(task_id=task.id, communication_id=chat_of.id, before=redecided, after={"trail": trail(EMAIL)})
    )
    session.commit()
    assert erase(f"email:{EMAIL}").counts == {"masked": 1}
    [found], [kept] = of(session, Communication), of(session, Redecision)
    assert found.trail == trail("***")
    assert (kept.before, kept.after) == ({"rule": "utm", "trail": trail("to ***")}, {"trail": trail("***")})


def test_other_peoples_cards_are_masked(session, jivo, erase):
    common = {"account_id": jivo.account_id, "integration_id": jivo.id, "updated_at": utc_now()}
    session.add(VendorClient(client="1", name=f"Анна {PHONE}", phone="+79030000001", **common))
    session.commit()
    assert erase().counts == {"masked": 1}
    assert [one.name for one in of(session, VendorClient)] == ["Анна ***"]


@pytest.mark.parametrize("indexed", [True, False], ids=["in the index", "not yet indexed"])
def test_nothing_of_it_is_left_in_the_files(app, session, jivo, erase, indexed, monkeypatch):
    """SQLite would keep deleted rows in free pages and in its log until they are used again, and its search index the
    words of what was deleted or masked until its parts are merged."""
    monkeypatch.setattr(search_index, "MERGED_PAGES", 1)
    for number in range(20):
        whom = {"phone": "+79165550044", "email": "zebra-gone@example.com"}
        tell(session, jivo, number + 1, "x" * 5000, visitor=whom)
    tell(session, jivo, 50, "Мой друг: 79165550044", visitor={"phone": "+79030000001"})
    # At once: the index merges many parts by itself.
    digest_all(app, indexed)
    erase("phone:+79165550044")
    assert len(of(session, Communication)) == 1
    session.close()
    settings = app.config["SETTINGS"]
    if settings.is_sqlite:
        for path in Path(settings.DATA_DIR).glob("*.db*"):
            # By another process: closing the file here would give up the locks that this process holds on it, and the
            # next one to write would take the log away under our feet.
            content = subprocess.run(["cat", path], capture_output=True, check=True).stdout
            for trace in (b"9165550044", b"zebra"):
                assert trace not in content, path
    else:
        assert "9165550044" not in repr(everything(session))


def digest_all(app, indexed: bool) -> None:
    """The worker has come to it."""
    if indexed:
        with app.app_context():
            digest.run_all(db.session())


def test_what_is_kept_is_found_after_the_index_was_merged(app, session, jivo, erase):
    for number in range(5):
        tell(session, jivo, number + 1, "Римские шторы", visitor={"phone": PHONE if number else "+79030000001"})
        digest_all(app, indexed=True)
    assert erase().counts["communications"] == 4
    [kept] = of(session, Communication)
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    asked = Asked(parts=[Sought(("римские",))]).query(
        session.get_bind().dialect.name, jivo.account_id, [kept.started_at]
    )
    matches = "communication_search MATCH :asked" if on_sqlite else "words @@ CAST(:asked AS tsquery)"
    number = "rowid" if on_sqlite else "communication_id"
    query = text(f"SELECT {number} FROM communication_search WHERE {matches}")
    assert session.scalars(query, {"asked": asked}).all() == [kept.id]


def test_the_preview_counts_what_will_go(session, jivo, erase):
    visit = make_visit(session, jivo.account, "8f3c")
    tie_visit(session, jivo, visit, "1")
    tell(session, jivo, 1, visitor={"phone": PHONE})
    tell(session, jivo, 2, visitor={"number": 1})
    found = erasure.preview(session, jivo.account, Person(phone=PHONE))
    counts = found.communications, found.others, found.events, found.clients, found.visits
    assert counts == (2, 1, 2, 1, 1)
    assert [one.vendor_id for one in found.examples] == ["2", "1"]
    assert not erasure.preview(session, jivo.account, Person(email="nobody@example.com")).anything
