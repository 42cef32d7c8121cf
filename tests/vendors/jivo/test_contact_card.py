"""Who wrote: from the contact card, and from the text where the card is empty (J4, J-15, B7)."""

from __future__ import annotations

import pytest

from webapp.conversation import Contact

from .bodies import conversation, finished, with_messages, with_visitor


@pytest.mark.parametrize(
    ("visitor", "contact", "details"),
    [
        ({"phone": "(999) 123-45-67"}, Contact(None, "+79991234567", "(999) 123-45-67"), {}),
        ({"phone": 79991234567}, Contact(None, "+79991234567", "79991234567"), {}),
        ({"phone": "нет"}, Contact(None, None, "нет"), {}),
        ({"email": "не скажу"}, Contact(), {"email_raw": "не скажу"}),
        ({"email": " Anna@Example.COM "}, Contact(email="anna@example.com"), {}),
        ({"name": "Анна [12345]"}, Contact("Анна"), {"external_id": "12345"}),
        ({"name": "[12345]"}, Contact(), {"external_id": "12345"}),
        ({"name": "8 999 123-45-67"}, Contact(None, "+79991234567", "8 999 123-45-67"), {}),
        ({"name": "Анна 8 999 123-45-67"}, Contact("Анна 8 999 123-45-67", "+79991234567"), {}),
        ({"name": "8 999 123-45-67", "phone": "1"}, Contact("8 999 123-45-67", None, "1"), {}),
        ({"name": "  Анна \n Петровна\t"}, Contact("Анна Петровна"), {}),
        ({"name": ["Анна"], "phone": {"a": 1}, "email": 5}, Contact(), {"email_raw": "5"}),
    ],
)
def test_the_contact_card_is_read_as_people_fill_it(visitor, contact, details):
    """J4, J-15 and contract section 8."""
    chat = conversation(with_visitor(**visitor))
    assert (chat.contact, dict(chat.details)) == (contact, details)


def test_phone_and_email_are_found_in_what_the_visitor_wrote():
    """B7: only where the card has none, and never in the operator's words."""
    said = [
        {"message": "Звоните нам: 8 495 111-22-33, sales@shop.example", "type": "agent", "agent_id": 10101},
        {"message": "Мой заказ 9161112233", "type": "visitor"},
        {"message": "8 916 123-45-67 или ivan@mail.example", "type": "visitor"},
    ]
    chat = conversation(with_messages(*said) | {"visitor": {"number": 1}})
    assert chat.contact == Contact(None, "+79161234567", None, "ivan@mail.example", ("phone", "email"))
    chat = conversation(with_messages(*said))
    assert chat.contact == Contact("Анна", "+79123456789", "89123456789", "anna@example.com")
    offline = {
        "event_name": "offline_message",
        "chat_id": 1,
        "message": "тел. 89161234567",
        "visitor": {"email": "a@b.ru"},
    }
    assert conversation(offline).contact == Contact(None, "+79161234567", None, "a@b.ru", ("phone",))


def test_the_region_and_the_options_are_the_accounts():
    body = finished(visitor={"phone": "067 123 45 67"}, user_token="1234567890")
    assert conversation(body, region="UA").contact.phone == "+380671234567"
    assert conversation(body).contact.phone is None
    assert conversation(body).clues.token.visit is None
    assert conversation(body, options={"accept_digit_tokens": True}).clues.token.visit == "1234567890"
