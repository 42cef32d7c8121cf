"""«Передача»: states, attempts, trying again, sending anew (C3, C4)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.cabinets.outside import Outside, connected
from tests.factories import make_account
from tests.pages import LintingClient
from tests.views.acting import chat, enter_as, make_communication, rows, said
from webapp.models import Delivery, Integration, Role, utc_now

ANNA = {"visitor": {"name": "Анна", "number": 7, "phone": "79123456789", "chats_count": 1}}
PAGE = "/a/romashka/deliveries"


@pytest.fixture
def outside(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    with connected(app, session, monkeypatch) as outside:
        yield outside


@pytest.fixture
def editor(app: Flask, session: Session, outside: Outside) -> LintingClient:
    return enter_as(app, session, outside.account, Role.EDITOR)


def titles(client: LintingClient, query: str = "") -> list[str]:
    """The communications of the list."""
    return [said(row) for row in client.get(f"{PAGE}{query}").select(".row-title")]


def test_an_account_without_an_outside_cabinet_is_told_how_to_get_one(app, session):
    owner = enter_as(app, session, make_account(session))
    page = owner.get(PAGE)
    assert "Передавать пока нечего" in said(page)
    assert page.select_one("a[href$='/settings/cabinet']")


def test_the_list_tells_states_reasons_and_what_to_do(outside, editor):
    outside.send(chat(84, "Есть шторы?", **ANNA), chat(85, "Без контакта"))
    outside.run()
    outside.session.rollback()
    text = said(editor.get(PAGE))
    assert "передано 1" in text
    assert "задержано 1" in text
    assert "Нет ни телефона, ни почты" in text
    assert titles(editor, "?state=held") == ["Чат · Мария"]
    assert titles(editor, "?reason=no_contact") == ["Чат · Мария"]
    assert titles(editor, "?state=delivered") == ["Чат · Анна"]
    assert len(titles(editor, "?state=nonsense&reason=nonsense&since=nonsense")) == 2
    assert titles(editor, "?since=2099-01-01") == []


def test_one_page_tells_every_attempt_without_key_and_contacts(outside, editor):
    outside.double.fault("invalid_parameter_value", "upload.*", field="phone", value="79123456789")
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    number = outside.delivery().id
    outside.session.rollback()
    page = editor.get(f"{PAGE}/{number}")
    assert "upload.chats" in said(page)
    assert "invalid_parameter_value" in said(page)
    for secret in (outside.double.key, "79123456789", "Есть шторы?"):
        assert secret not in str(page)


def test_one_is_tried_again(outside, editor):
    outside.double.fault("invalid_parameter_value", "upload.*", field="name")
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    number = outside.delivery().id
    assert outside.delivery().state == "failed"
    outside.session.rollback()
    editor.post(f"{PAGE}/{number}/retry", {})
    outside.run()
    assert (outside.delivery().state, outside.held_once()) == ("delivered", 1)


def test_all_that_failed_are_tried_again_within_the_filter(outside, editor):
    outside.double.fault("invalid_parameter_value", "upload.*", times=3, field="name")
    outside.send(*(chat(number, "Есть шторы?", **ANNA) for number in (84, 85, 86)), chat(87, "Без контакта"))
    outside.run()
    outside.session.rollback()
    editor.post(f"{PAGE}/retry", {"since": "2099-01-01"})
    outside.run()
    assert [row.state for row in outside.deliveries()] == ["failed"] * 3 + ["held"]
    outside.session.rollback()
    editor.post(f"{PAGE}/retry", {"state": "failed"})
    outside.run()
    assert [row.state for row in outside.deliveries()] == ["delivered"] * 3 + ["held"]
    assert outside.held_once() == 3


def test_what_may_be_there_already_is_sent_again_by_somebody_who_looked(outside, editor):
    outside.double.fault("method_component_disabled", "get.chats_report", times=None)
    outside.double.fault("close", "upload.*", stage="before")
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run()
    delivery = outside.delivery()
    number = delivery.id
    assert delivery.reason == "unverifiable"
    outside.session.rollback()
    editor.post(f"{PAGE}/retry", {})
    outside.run()
    assert outside.held_once() == 0, "not with all the others"
    outside.session.rollback()
    editor.post(f"{PAGE}/{number}/retry", {})
    outside.run()
    assert outside.held_once() == 1


def test_one_is_deleted_in_the_cabinet_and_sent_anew(outside, editor):
    at = int(time.time()) - 600
    outside.send(chat(84, "Есть шторы?", at=at, **ANNA))
    outside.run()
    outside.send(chat(84, "Есть шторы?", "Есть.", at=at, **ANNA))
    outside.run()
    number = outside.delivery().id
    outside.session.rollback()
    assert "дополнили" in said(editor.get(f"{PAGE}/{number}"))
    editor.post(f"{PAGE}/{number}/resend", {})
    outside.run()
    assert len(outside.stored()["messages"]) == 2
    assert [row["deleted"] for row in outside.double.holdings("chats").values()] == [1, 0]


def test_the_communications_page_shows_what_the_cabinet_made_of_it(outside, editor):
    outside.send(chat(84, "Есть шторы?", **ANNA))
    outside.run(until=lambda: outside.delivery().state == "delivered")
    outside.stored()["campaign_id"] = 268103
    outside.run()
    number = outside.communication().id
    outside.session.rollback()
    card = said(editor.get(f"/a/romashka/communications/{number}").select_one("#delivery"))
    assert "VK Реклама — каталог" in card
    assert "у нас иначе" in card
    assert titles(editor, "?differs=1") == ["Чат · Анна"]


def test_a_viewer_looks_and_is_offered_nothing_to_press(app, session, outside):
    viewer = enter_as(app, session, outside.account, Role.VIEWER)
    outside.send(chat(85, "Без контакта"))
    outside.run()
    number = outside.delivery().id
    outside.session.rollback()
    for path in (PAGE, f"{PAGE}/{number}"):
        assert viewer.get(path).select("main form[method=post]") == []


def test_a_waiting_delivery_asks_for_its_card_again_and_forgets_why_it_was_held(outside, editor):
    outside.send(chat(85, "Без контакта"))
    outside.run()
    outside.session.rollback()
    [link] = editor.get(PAGE).select(".row-title")
    page = editor.get(link["href"])
    assert "Нет ни телефона, ни почты" in said(page.select_one("#delivery"))
    assert not page.select_one("#delivery").has_attr("hx-get"), "nothing comes by itself"
    page = editor.follow(f"{link['href']}/retry")
    card = page.select_one("#delivery")
    assert "в очереди" in said(card)
    assert "Нет ни телефона, ни почты" not in said(card)
    assert card["hx-get"] == link["href"]
    assert editor.get(card["hx-get"]).select_one(card["hx-select"])


def test_the_list_says_that_the_cabinet_decides_the_campaign_or_what_it_told(outside, editor):
    session = outside.session
    integration = session.get_one(Integration, outside.integration.id)
    for number, (rule, confirmed) in enumerate((("visit", {}), ("utm", {"campaign_name": "Осень"}), ("none", {}))):
        row = make_communication(session, integration, f"elsewhere-{number}", rule=rule)
        session.flush()
        session.add(
            Delivery(
                account_id=integration.account_id, communication_id=row.id, type="chat", state="delivered",
                ext_id=f"lt-{number}", confirmed=confirmed, differs=[], updated_at=utc_now(),
            )
        )  # fmt: skip
    session.commit()
    session.rollback()
    lines = rows(editor.get("/a/romashka/communications?columns=rule,target,campaign"))
    assert sorted(line[1:] for line in lines) == [["Осень", "Осень"], ["определит кабинет"] * 2, ["—", "—"]]
    assert "Определит кабинет или нет совсем" in said(editor.get("/a/romashka/communications").select_one(".bars"))
