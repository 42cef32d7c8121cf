"""Items of uploads, by every rule of the contract (dataapi §6, §7, §15)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.cabinets.dataapi.compose import Entry, Held, SessionUnusable, Told, item, marks_session, target, type_of
from webapp.conversation import ConversationType

BEGAN = datetime(2026, 11, 20, 9, 3, 20, tzinfo=UTC)
MOSCOW = ZoneInfo("Europe/Moscow")


def said(sender: str, text: str, seconds: float | None = 0, **more: Any) -> dict[str, Any]:
    """A message as a communication keeps it."""
    at = None if seconds is None else (BEGAN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"at": at, "from": sender, "author": None, "text": text, **more}


def told(*messages: dict[str, Any], **more: Any) -> Told:
    """A chat with a contact and a campaign, of which only this is said."""
    values: dict[str, Any] = {
        "type": ConversationType.CHAT,
        "ext_id": "lt-a-1",
        "started_at": BEGAN,
        "now": BEGAN + timedelta(hours=1),
        "zone": MOSCOW,
        "host": "dataapi.uiscom.ru",
        "phone": "+79123456789",
        "campaign": Entry("268101"),
        "messages": messages or (said("visitor", "Есть в наличии?"),),
        "employee": 5511,
    }
    return Told(**values | more)


def test_a_chat_is_told_as_the_contract_shows_it():
    chat = told(
        said("visitor", "Есть в наличии?"),
        said("operator", "Да", 30, email="anna@shop.example"),
        name="Анна",
        session="14783261234",
        employees={"anna@shop.example": 5512},
    )
    assert item(chat) == {
        "start_date_time": "2026-11-20 12:03:19",
        "name": "Анна",
        "phone": "79123456789",
        "status": "succeed",
        "initiator": "visitor",
        "visitor_session_id": 14783261234,
        "ext_id": "lt-a-1",
        "messages": [
            {"date_time": "2026-11-20 12:03:20", "source": "visitor", "message": "Есть в наличии?"},
            {"date_time": "2026-11-20 12:03:50", "source": "operator", "employee_id": 5512, "message": "Да"},
        ],
    }


@pytest.mark.parametrize(
    ("sides", "status", "initiator"),
    [
        (("visitor", "operator"), "succeed", "visitor"),
        (("operator", "visitor"), "succeed", "operator"),
        (("visitor",), "lost", "visitor"),
        (("system", "visitor"), "lost", "autoinvite"),
        (("operator",), "refused", "operator"),
        (("system",), "refused", "autoinvite"),
    ],
)
def test_status_and_initiator_follow_from_who_wrote(sides, status, initiator):
    """§15.7."""
    chat = item(told(*(said(side, "слова", place) for place, side in enumerate(sides))))
    assert (chat["status"], chat["initiator"]) == (status, initiator)


def test_operators_are_known_by_e_mail_else_it_is_the_chosen_employee():
    """§15.6."""
    chat = told(
        said("operator", "Я", email="ANNA@shop.example"),
        said("operator", "Кто-то", 1, email="nobody@shop.example"),
        said("operator", "Без почты", 2),
        employees={"anna@shop.example": 5512},
    )
    assert [row["employee_id"] for row in item(chat)["messages"]] == [5512, 5511, 5511]
    with pytest.raises(Held, match="no_employee"):
        item(told(said("operator", "Кто-то"), employee=None))


def test_a_visitors_chat_needs_no_employee():
    assert "employee_id" not in item(told(employee=None))["messages"][0]


@pytest.mark.parametrize(
    ("decided", "ids"),
    [
        ({"session": "14783261234"}, {"visitor_session_id": 14783261234}),
        ({"campaign": Entry("7"), "site": Entry("43501")}, {"campaign_id": 7}),
        ({"campaign": Entry("-1.43501")}, {"site_id": 43501}),
        ({"campaign": Entry("-1"), "site": Entry("43501")}, {"site_id": 43501}),
        ({"campaign": None, "source": Entry("811"), "site": Entry("43501")}, {"site_id": 43501, "source_id": 811}),
        ({"campaign": None, "source": Entry("-2"), "only_site": Entry("43501")}, {"site_id": 43501, "source_id": -2}),
        ({"campaign": None, "site": Entry("43501")}, {"site_id": 43501}),
    ],
)
def test_whom_it_belongs_to_is_said_in_one_way(decided, ids):
    """§15.3: one of the three, and never -1."""
    assert target(told(**decided)) == ids


@pytest.mark.parametrize(
    ("decided", "reason"),
    [
        ({"phone": None}, "no_contact"),
        ({"campaign": None}, "nothing_to_attribute"),
        ({"campaign": None, "source": Entry("811")}, "no_site"),
        ({"campaign": Entry("-1")}, "no_site"),
        ({"campaign": Entry("7", there=False)}, "gone"),
        ({"campaign": None, "source": Entry("8", there=False), "site": Entry("1")}, "gone"),
        ({"campaign": Entry("direct")}, "not_in_cabinet"),
        ({"campaign": None, "source": Entry("tg"), "site": Entry("1")}, "not_in_cabinet"),
    ],
)
def test_what_cannot_be_sent_is_held_for_a_reason(decided, reason):
    """C4."""
    with pytest.raises(Held) as held:
        item(told(**decided))
    assert held.value.reason == reason


def test_an_e_mail_is_a_contact_too():
    assert item(told(phone=None, email="anna@mail.example"))["email"] == "anna@mail.example"


@pytest.mark.parametrize("session", ["8f3c", "", "٣"])
def test_a_session_that_is_no_number_cannot_be_told(session):
    with pytest.raises(SessionUnusable):
        item(told(session=session))


def test_the_messenger_stands_in_the_first_line():
    """§15.12: it has no field of its own."""
    chat = item(told(said("visitor", "Здравствуйте"), said("visitor", "Ещё", 5), channel="Telegram"))
    assert [row["message"] for row in chat["messages"]] == ["Telegram\nЗдравствуйте", "Ещё"]
    request = item(told(type=ConversationType.OFFLINE_MESSAGE, text="Перезвоните", channel="Telegram", form="Jivo"))
    assert (request["form_name"], request["message"]) == ("Telegram", "Перезвоните")
    assert item(told(type=ConversationType.OFFLINE_MESSAGE, text="x", form="Jivo"))["form_name"] == "Jivo"


def test_a_chat_in_which_nothing_was_said_is_a_request():
    """§15.9."""
    empty = told(said("visitor", "  "), text="")
    assert type_of(empty) is ConversationType.OFFLINE_MESSAGE
    assert item(empty) == {
        "date_time": "2026-11-20 12:03:20", "phone": "79123456789", "campaign_id": 268101, "ext_id": "lt-a-1",
    }  # fmt: skip


def test_a_message_that_was_refused_is_cut_and_loses_its_four_byte_signs():
    """U-05."""
    chat = item(told(said("visitor", "😀" + "я" * 3000), shorten=True))
    assert chat["messages"][0]["message"] == "я" * 1000


def test_where_clocks_are_put_back_messages_keep_their_order():
    """An hour of local time happens twice."""
    began = datetime(2026, 10, 25, 0, 59, 50, tzinfo=UTC)
    rows = [
        {"at": "2026-10-25T00:59:50Z", "from": "visitor", "text": "раз"},
        {"at": "2026-10-25T01:00:10Z", "from": "visitor", "text": "два"},
    ]
    chat = item(told(*rows, started_at=began, now=began + timedelta(hours=1), zone=ZoneInfo("Europe/Berlin")))
    assert [row["date_time"] for row in chat["messages"]] == ["2026-10-25 02:59:50", "2026-10-25 02:59:50"]


def test_a_session_of_marks_has_them_and_begins_before_the_chat():
    """§8."""
    made = marks_session(told(), {"source": "yandex", "medium": "cpc"}, "https://shop.example/", Entry("43501"), "x-s")
    assert made == {
        "ext_id": "x-s", "site_id": 43501, "date_time": "2026-11-20 12:02:20", "is_visitor_new": True,
        "visitor_ip_address": "0.0.0.0", "entrance_page_url": "https://shop.example/",
        "utm_source": "yandex", "utm_medium": "cpc",
    }  # fmt: skip


CHAT_KEYS = {
    "start_date_time", "name", "phone", "email", "status", "initiator", "visitor_session_id", "campaign_id", "site_id",
    "source_id", "messages", "ext_id",
}  # fmt: skip
MESSAGES = st.lists(
    st.builds(
        said,
        st.sampled_from(["visitor", "operator", "system"]),
        st.text(min_size=1, max_size=40).filter(str.strip),
        st.one_of(st.none(), st.integers(-86_400, 2 * 86_400)),
    ),
    min_size=1,
    max_size=12,
)


@given(
    MESSAGES, st.sampled_from(["Europe/Moscow", "Europe/Berlin", "Asia/Kamchatka", "America/New_York"]), st.booleans()
)
def test_whatever_was_said_the_item_keeps_the_rules(messages, zone, shorten):
    """§6: known keys only, no nulls, times ascending, after the start and never in the future."""
    chat = told(*messages, zone=ZoneInfo(zone), shorten=shorten)
    made = item(chat)
    now = chat.now.astimezone(chat.zone).strftime("%Y-%m-%d %H:%M:%S")
    times = [row["date_time"] for row in made["messages"]]
    assert made.keys() <= CHAT_KEYS
    assert None not in made.values()
    assert len(made.keys() & {"visitor_session_id", "campaign_id", "site_id"}) == 1
    assert times == sorted(times)
    assert made["start_date_time"] < times[0]
    assert times[-1] <= now
    assert len(times) == len(messages)
    for row in made["messages"]:
        assert row.keys() <= {"date_time", "source", "employee_id", "message"}
        assert ("employee_id" in row) == (row["source"] == "operator")
