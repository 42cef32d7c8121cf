"""Step 5 of the integration page: it waits, shows the first communication, or says what may be wrong (J19)."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from bs4 import Tag
from sqlalchemy import select

from tests.factories import make_campaign, make_integration
from tests.views.acting import chat, make_communication, part, said, send
from webapp.http import Client
from webapp.models import Communication, Integration, WebhookEvent, utc_now
from webapp.vendors.jivo.guide import GUIDE

PAGE = "/a/romashka/integrations/jivo"
TEST = f"{PAGE}/test"


@pytest.fixture
def path(session, account) -> str:
    """The webhook path of an integration whose default is «Бренд»."""
    integration = make_integration(session, account, saved_at=utc_now())
    integration.point_to("campaign", make_campaign(session, account, "brand", "Бренд").id, None, None)
    session.commit()
    found = integration.hook_path()
    session.rollback()
    return found


@pytest.fixture
def own_address(app, server, monkeypatch) -> str:
    """The application on a real socket, known to itself as PUBLIC_URL."""
    reach(app, monkeypatch, server)
    return server


def reach(app: Any, monkeypatch: Any, url: str) -> None:
    settings = app.config["SETTINGS"].model_copy(update={"PUBLIC_URL": url})
    monkeypatch.setitem(app.config, "SETTINGS", settings)


def since(**ago: float) -> int:
    return int((utc_now() - timedelta(**ago)).timestamp())


def card(page: Tag) -> Tag:
    return page.find("section", id="test")


def stored(session: Any, table: Any) -> list[Any]:
    session.rollback()
    return list(session.scalars(select(table).order_by(table.id)))


def test_the_card_waits_and_asks_for_itself_again(viewer, path):
    waiting = card(viewer.get(PAGE))
    assert waiting["hx-trigger"] == "every 2s"
    assert "Ждём первое обращение." in said(waiting)
    for step in GUIDE.test_steps:
        assert str(step) in said(waiting)
    again = card(part(viewer, waiting["hx-get"]))
    assert again["hx-get"] == waiting["hx-get"], "the moment it waits since stays the same"


def test_the_first_communication_is_shown_with_its_trail_in_plain_words(app, viewer, path):
    """J19, B1."""
    waiting = card(viewer.get(PAGE))
    send(app, path, chat(84, "Есть шторы?"))
    arrived = card(part(viewer, waiting["hx-get"]))
    assert not arrived.has_attr("hx-get"), "it has stopped asking"
    assert said(arrived.select_one(".test-found a")) == "Чат · Мария"
    viewer.get(arrived.select_one(".test-found a")["href"])
    assert said(arrived.select_one(".pill")) == "Кампания «Бренд»"
    trail = [said(line) for line in arrived.select(".trail li")]
    assert trail[0].startswith("В чате нет метки сессии")
    assert trail[-1] == "Решило: По умолчанию: кампания «Бренд»."
    assert card(viewer.get(PAGE)).select_one(".test-found") is not None


def test_waiting_for_a_new_one_passes_over_what_was_there(app, session, viewer, path):
    integration = stored(session, Integration)[0]
    at = utc_now() - timedelta(hours=1)
    make_communication(session, integration, "old", contact_name="Прежний", started_at=at, created_at=at)
    session.commit()
    session.rollback()
    page = viewer.get(PAGE)
    assert "Прежний" in said(card(page))
    [again] = [link for link in card(page).select(".test-buttons a") if "wait=1" in link["href"]]
    waiting = card(viewer.get(again["href"].partition("#")[0]))
    assert "Ждём первое обращение." in said(waiting)
    assert "Прежний" not in said(card(part(viewer, waiting["hx-get"])))
    send(app, path, chat(85))
    assert "Мария" in said(card(part(viewer, waiting["hx-get"])))


def test_after_five_minutes_the_page_says_what_may_be_wrong_the_likeliest_first(viewer, path):
    """Issue 2.4, DESIGN §6."""
    assert "За пять минут" not in said(part(viewer, f"{TEST}?since={since(minutes=4, seconds=50)}"))
    late = card(part(viewer, f"{TEST}?since={since(minutes=5, seconds=10)}"))
    assert "За пять минут ничего не пришло." in said(late)
    assert [said(cause) for cause in late.select("ol li")] == [str(cause) for cause in GUIDE.causes]
    assert late["hx-trigger"] == "every 15s", "it goes on waiting, more calmly"


def test_the_first_causes_are_those_that_can_be_seen_from_here(app, session, viewer, path):
    send(app, path, {"event_name": "call_event", "call": {}})
    late = card(part(viewer, f"{TEST}?since={since(minutes=6)}"))
    assert said(late.select("ol li")[0]).startswith("Вебхуки приходят, но обращений в них нет.")
    stored(session, Integration)[0].active = False
    session.commit()
    session.rollback()
    late = card(part(viewer, f"{TEST}?since={since(minutes=6)}"))
    assert said(late.select("ol li")[0]) == "Интеграция выключена: включите её в шаге 1."


@pytest.mark.parametrize("moment", ["", "abc", "-1", "9" * 30, "²", "1e9", "\0"])
def test_a_moment_that_is_none_breaks_nothing(viewer, path, moment):
    answer = viewer.client.get(TEST, query_string={"since": moment})
    assert answer.status_code == 200


def test_a_test_chat_goes_the_whole_way_and_is_marked(session, editor, path, own_address):
    """J19, issue 2.4: a realistic payload posted to the product's own public webhook URL."""
    page = editor.post(TEST, status=200, partial=True)
    assert said(card(page).select_one(".test-found a")) == "Чат · Проверка"
    assert "Последнее обращение — проверочное" in said(page)
    assert said(card(page).select_one(".pill")) == "Кампания «Бренд»"
    [communication] = stored(session, Communication)
    assert (communication.is_test, communication.message_count, communication.rule) == (True, 3, "default")
    [event] = stored(session, WebhookEvent)
    assert (event.is_test, event.state) == (True, "done")
    session.rollback()
    row = editor.get("/a/romashka/communications").select_one(".card-table tbody tr")
    assert "проверка" in said(row)
    assert said(editor.get(row.a["href"]).select_one(".page-head .pill")) == "Проверка"
    editor.post(TEST)
    assert len(stored(session, Communication)) == 2, "no two tests are one chat"


def test_without_htmx_the_test_leads_back_to_the_page(editor, path, own_address):
    answer = editor.post(TEST)
    assert answer.headers["Location"] == f"{PAGE}#test"
    assert "Последнее обращение — проверочное" in said(editor.get(PAGE))


def test_a_test_of_an_inactive_integration_says_that_it_is_off(session, editor, path, own_address):
    stored(session, Integration)[0].active = False
    session.commit()
    session.rollback()
    words = "Чат принят и сохранён, но интеграция выключена: включите её в шаге 1."
    assert words in said(editor.post(TEST, status=200, partial=True))
    assert words in said(editor.post(TEST, status=200))
    assert stored(session, Communication) == []
    assert {event.state for event in stored(session, WebhookEvent)} == {"stored"}


@pytest.mark.parametrize("partial", [False, True], ids=["plain", "htmx"])
def test_an_address_that_nobody_answers_at_is_said_in_words(app, session, editor, path, monkeypatch, partial):
    # Port 9 of this machine (discard): nobody listens there.
    reach(app, monkeypatch, "http://127.0.0.1:9")
    page = editor.post(TEST, status=200, partial=partial)
    problem = said(page.find(attrs={"role": "alert"}))
    assert problem.startswith("Проверочный чат не отправлен: адрес http://127.0.0.1:9 не отвечает.")
    assert path not in problem, "no secret in the message"
    assert stored(session, WebhookEvent) == []


@pytest.mark.parametrize("status", [301, 403, 404, 502])
def test_an_address_that_something_else_answers_at_is_said_in_words(editor, path, monkeypatch, status):
    monkeypatch.setattr(Client, "post", lambda *_arguments, **_options: SimpleNamespace(status_code=status))
    problem = said(editor.post(TEST, status=200, partial=True).find(attrs={"role": "alert"}))
    assert f"Адрес вебхука ответил {status} вместо 200." in problem


def test_nobody_else_can_mark_their_chat_as_a_test(app, session, path):
    for number, forged in enumerate(("yes", "MQ.aaaa.bbbb", "")):
        send(app, path, chat(number), headers={"X-Leadtrail-Test": forged})
    assert [found.is_test for found in stored(session, Communication)] == [False] * 3


def test_what_came_is_shown_as_text(app, viewer, path):
    send(app, path, chat(84, "<script>alert(1)</script>", name="<script>alert(2)</script>"))
    assert "<script>alert" not in viewer.client.get(TEST).text
    assert "<script>alert(2)</script>" in said(card(part(viewer, f"{TEST}?since={since(minutes=1)}")))
