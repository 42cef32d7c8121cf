"""«События»: every webhook as it came, what became of it, and another try (B3, issue 2.7)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from tests.factories import make_account, make_integration
from tests.views.acting import chat, everything, flash, jobs, rows, said, send, walk
from webapp.jobs import replay_failed
from webapp.models import Account, AuditRecord, Communication, EventState, Integration, WebhookEvent, utc_now
from webapp.vendors import registry

EVENTS = "/a/romashka/events"


@pytest.fixture
def integration(session, account) -> Integration:
    found = make_integration(session, account)
    session.rollback()
    return found


@pytest.fixture
def path(session, integration) -> str:
    """The webhook's path, which holds the secret."""
    found = integration.hook_path("telegram")
    session.rollback()
    return found


@pytest.fixture
def broken(monkeypatch):
    """Makes our own reading of webhooks raise; calling it mends it."""
    vendor = type(registry()["jivo"])
    working = vendor.read

    def fails(*_arguments: Any) -> None:
        raise ValueError("call +79161234567 back")

    monkeypatch.setattr(vendor, "read", fails)
    return lambda: monkeypatch.setattr(vendor, "read", working)


def stored(session: Any) -> list[WebhookEvent]:
    session.rollback()
    return list(session.scalars(select(WebhookEvent).order_by(WebhookEvent.id)))


def page_of(session: Any, place: int = -1) -> str:
    number = stored(session)[place].id
    session.rollback()
    return f"{EVENTS}/{number}"


def add(session: Any, integration: Integration, count: int, state: EventState = EventState.IGNORED) -> None:
    for number in range(count):
        session.add(
            WebhookEvent(
                account_id=integration.account_id,
                integration_id=integration.id,
                received_at=utc_now(),
                body=b"{}",
                digest=f"{state}-{number}",
                state=state,
                event_name=f"event {number}",
            )
        )
    session.commit()
    session.rollback()


def test_before_the_first_event_the_page_says_what_will_be_here(viewer):
    assert said(viewer.get(EVENTS).select_one(".empty h2")) == "Событий пока нет"


def test_every_webhook_is_listed_with_what_became_of_it(app, session, viewer, path):
    """B3: also what nobody understands."""
    send(app, path, chat(84))
    send(app, path, b"hello")
    send(app, path, {"event_name": "some_future_event"})
    listed = rows(viewer.get(EVENTS))
    assert [row[1] for row in listed] == ["some_future_event", "без названия", "chat_finished № 84"]
    assert [row[2:4] for row in listed] == [["Jivo", "Telegram"]] * 3
    assert listed[0][4] == "принято к сведению Такого события мы ещё не знаем. Оно сохранено целиком."
    assert listed[1][4].startswith("принято к сведению Тело не разобрать")
    assert listed[2][4:] == ["обработано", "Чат Мария"]
    links = viewer.get(EVENTS).select("tbody tr:last-child a")
    assert said(viewer.get(links[-1]["href"]).h1) == "Чат · Мария"


def test_repeats_are_counted_in_one_line(app, session, viewer, path):
    body = json.dumps(chat(84)).encode()
    for _time in range(3):
        send(app, path, body)
    [row] = rows(viewer.get(EVENTS))
    assert "и ещё 2 раз" in row[0]
    assert "Повторов 2" in said(viewer.get(page_of(session)).select_one(".facts"))


def test_times_are_of_the_accounts_zone(session, viewer, integration):
    session.get(Account, integration.account_id).timezone = "Asia/Vladivostok"
    add(session, integration, 1)
    event = stored(session)[0]
    event.received_at = event.received_at.replace(year=2026, month=3, day=9, hour=14, minute=30, second=7)
    session.commit()
    session.rollback()
    assert rows(viewer.get(EVENTS))[0][0] == "10.03.2026 00:30:07"


@pytest.mark.parametrize("state", list(EventState))
def test_the_state_filter_leaves_that_state(session, viewer, integration, state):
    for one in EventState:
        add(session, integration, 1, one)
    names = {"done": "обработано", "ignored": "принято к сведению", "failed": "ошибка", "stored": "ждёт включения"}
    page = viewer.get(f"{EVENTS}?state={state}")
    assert [row[4] for row in rows(page)] == [names[state]]
    assert page.select_one("#state option[selected]")["value"] == state


def test_the_integration_filter_leaves_that_integration(app, session, viewer, account, integration):
    second = make_integration(session, account, "second", name="Второй")
    add(session, second, 2)
    add(session, integration, 1)
    page = viewer.get(f"{EVENTS}?integration={second.id}")
    assert [row[2] for row in rows(page)] == ["Второй"] * 2
    assert page.find("a", string="Сбросить")["href"] == EVENTS


@pytest.mark.parametrize(
    "query",
    ["state=magic", "integration=abc", "integration=-1", f"integration={'9' * 30}", "before=x", f"before={'9' * 30}"],
)
def test_an_address_with_nonsense_in_it_breaks_nothing(session, viewer, integration, query):
    add(session, integration, 1)
    viewer.get(f"{EVENTS}?{query}")


def test_no_page_loses_or_doubles_an_event(session, viewer, integration):
    add(session, integration, 120)
    add(session, integration, 10, EventState.DONE)
    pages = list(walk(viewer, f"{EVENTS}?state=ignored"))
    assert [len(rows(page)) for page in pages] == [50, 50, 20]
    assert [row[1] for page in pages for row in rows(page)] == [f"event {number}" for number in range(119, -1, -1)]
    newest = pages[2].select_one(".pager a[rel=prev]")["href"]
    assert rows(viewer.get(newest)) == rows(pages[0])


def test_failed_events_are_counted_beside_the_menu(session, viewer, integration):
    assert viewer.get(EVENTS).select_one(".nav-attention") is None
    add(session, integration, 2, EventState.FAILED)
    assert said(viewer.get("/a/romashka/integrations").select_one(".nav-attention")).startswith("2 ошиб")


def test_the_secret_is_masked_and_on_no_page_but_the_integrations(app, session, owner, path, broken):
    """DESIGN §9: no secret in a page or an error."""
    secret = path.split("/")[3]
    send(app, path, chat(84))
    broken()
    send(app, path, chat(85))
    shown = said(owner.get(page_of(session)).select_one(".facts"))
    assert "POST /hooks/jivo/••••••/telegram" in shown
    communication = session.scalars(select(Communication.id)).one()
    session.rollback()
    owner.post("/a/romashka/integrations/jivo/settings", {"name": "Jivo"})
    for place in (
        "events",
        f"events/{stored(session)[0].id}",
        f"events/{stored(session)[1].id}",
        "communications",
        f"communications/{communication}",
        "integrations",
        "integrations/jivo/test",
        "settings",
        "settings/audit",
        "people",
        "directory/sites",
    ):
        session.rollback()
        assert secret not in owner.client.get(f"/a/romashka/{place}").text, place


def test_the_body_is_shown_as_it_came_with_indents(app, session, viewer, path):
    send(app, path, '{"event_name":"chat_finished","chat_id":84,"имя":"Мария"}'.encode(), content_type="text/plain")
    page = viewer.get(page_of(session))
    assert page.find(id="event-body").get_text() == (
        '{\n  "event_name": "chat_finished",\n  "chat_id": 84,\n  "имя": "Мария"\n}'
    )
    shown = said(page.select_one(".facts"))
    assert "text/plain" in shown
    assert "65 байт" in shown
    assert said(page.h1) == f"Событие {stored(session)[0].id}"


def test_a_script_in_a_payload_stays_text_everywhere(app, session, viewer, path):
    evil = "</pre><script>alert(1)</script>"
    send(app, path, chat(evil, evil, name=evil, widget_id=evil) | {"event_name": "chat_finished"})
    send(app, path, {"event_name": evil, "chat_id": evil})
    send(app, path, evil.encode(), content_type=evil[:60])
    for place in ["events", *(f"events/{event.id}" for event in stored(session)), "integrations/jivo"]:
        session.rollback()
        viewer.get(f"/a/romashka/{place}")
        assert "<script>alert" not in viewer.client.get(f"/a/romashka/{place}").text, place


STRANGE = {
    "nothing": b"",
    "no text": bytes(range(256)),
    "NUL": b'{"event_name": "chat_finished", "chat_id": "a\\u0000b", "x": "\x00"}',
    "half a character": b'{"event_name": "\\ud800", "visitor": {"name": "\\udfff"}}',
    "deep": b"[" * 50_000 + b"]" * 50_000,
    "a huge number": b'{"chat_id": ' + b"9" * 6000 + b"}",
    "not a number": b'{"chat_id": NaN, "x": Infinity}',
    "large": b'{"x": "' + "я".encode() * 200_000 + b'"}',
}


@pytest.mark.parametrize("body", list(STRANGE.values()), ids=list(STRANGE))
def test_any_body_can_be_looked_at(app, session, viewer, path, body):
    """Issue 2: hostile bodies are all in «События»."""
    send(app, path, body)
    viewer.get(EVENTS)
    page = viewer.get(page_of(session))
    assert len(str(page)) < 400_000
    assert ("Показано начало" in said(page)) == (len(body) > 100_000)


def test_one_failed_event_is_processed_again(app, session, editor, path, broken):
    """B3: replay after the repair."""
    send(app, path, chat(84))
    page = editor.get(page_of(session))
    assert said(page.select_one(".page-head .pill")) == "ошибка"
    problem = said(page.find(attrs={"role": "alert"}))
    assert problem == "Ошибка при обработке. ValueError: call *** back", "no phone in an error"
    form = page.select_one(".page-head form")
    page = editor.follow(form["action"])
    assert flash(page).startswith("Снова ошибка: ValueError")
    assert said(page.select_one(".page-head .pill")) == "ошибка"
    broken()
    page = editor.follow(form["action"])
    assert flash(page) == "Событие обработано заново."
    assert said(page.select_one(".page-head .pill")) == "обработано"
    assert page.find(attrs={"role": "alert"}) is None
    assert len(session.scalars(select(Communication)).all()) == 1
    assert set(session.scalars(select(AuditRecord.action))) == {"events.replay"}


def test_doing_it_again_changes_nothing(app, session, editor, path):
    """B3: a replay creates no second communication."""
    send(app, path, chat(84))
    before = everything(session)
    for _time in range(2):
        editor.post(f"{page_of(session)}/replay")
    after = everything(session)
    for table in ("event_communication", "widget", "vendor_client", "visit"):
        assert after[table] == before[table]
    [communication] = session.scalars(select(Communication))
    assert communication.message_count == 2


def test_an_event_of_an_inactive_integration_waits(app, session, editor, path, integration):
    session.get(Integration, integration.id).active = False
    session.commit()
    send(app, path, chat(84))
    page = editor.follow(f"{page_of(session)}/replay")
    assert flash(page) == "Интеграция выключена. Включите её, и всё полученное обработается."
    assert [event.state for event in stored(session)] == [EventState.STORED]


def test_all_failed_events_are_one_job(app, session, editor, viewer, path, broken):
    """Issue 2.7: replay one or all failed."""
    for number in range(3):
        send(app, path, chat(number))
    broken()
    assert viewer.get(EVENTS).select_one(".page-head form") is None
    form = editor.get(EVENTS).select_one(".page-head form")
    with time_machine.travel(utc_now().replace(second=3, microsecond=0) + timedelta(minutes=1), tick=False):
        page = editor.follow(form["action"])
        editor.post(form["action"])
        assert flash(page).startswith("3 событи")
        assert jobs(session) == 1, "a double click is one job"
        assert {event.state for event in stored(session)} == {EventState.FAILED}, "the work is the worker's"
        account = stored(session)[0].account_id
        session.rollback()
        with app.app_context():
            replay_failed.handle(account)
        assert {event.state for event in stored(session)} == {EventState.DONE}
        assert editor.get(EVENTS).select_one(".page-head form") is None
    assert "events.replay_failed" in set(session.scalars(select(AuditRecord.action)))


def test_events_of_another_account_are_neither_listed_nor_found(session, viewer, integration):
    """B10."""
    other = make_integration(session, make_account(session, "vasilek"), name="Чужая")
    add(session, other, 1, EventState.FAILED)
    add(session, integration, 1)
    assert [row[2] for row in rows(viewer.get(EVENTS))] == ["Jivo"]
    assert viewer.get(EVENTS).select_one(".nav-attention") is None
    foreign = session.scalar(select(WebhookEvent.id).where(WebhookEvent.state == EventState.FAILED))
    session.rollback()
    viewer.get(f"{EVENTS}/{foreign}", status=404)


@pytest.mark.parametrize("number", ["0", "99999", "9223372036854775808", "9" * 30])
def test_an_event_that_is_not_there_is_not_found(editor, number):
    editor.get(f"{EVENTS}/{number}", status=404)
    editor.post(f"{EVENTS}/{number}/replay", status=404)


def test_the_list_is_in_the_order_of_time_and_pages_by_it(session, viewer, integration, monkeypatch):
    """What was loaded from an archive stands among what came then; events of one moment are told apart."""
    monkeypatch.setattr("webapp.views.events.PAGE_SIZE", 3)
    add(session, integration, 10)
    moment = utc_now()
    for number, event in enumerate(stored(session)):
        event.received_at = moment - timedelta(days=(number * 7) % 10 // 2)
    session.commit()
    expected = [one.event_name for one in sorted(stored(session), key=lambda one: (one.received_at, one.id))][::-1]
    session.rollback()
    assert [row[1] for page in walk(viewer, EVENTS) for row in rows(page)] == expected


def test_a_state_that_no_index_knows_is_looked_for_stretch_by_stretch(session, viewer, integration, monkeypatch):
    monkeypatch.setattr("webapp.events.MOST_LOOKED_AT", 10)
    add(session, integration, 3)
    add(session, integration, 27, EventState.DONE)
    pages = list(walk(viewer, f"{EVENTS}?state=ignored"))
    assert [len(page.select(".card-table tbody a")) for page in pages] == [0, 0, 3]
    assert [page.select_one("p.note") is not None for page in pages] == [True, True, False]
    assert "нажмите «Раньше»" in said(pages[0].select_one("p.note"))
