"""Whom an erasure is about, and where texts and bodies mention them (DESIGN §9)."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.erasure import Mentions, Person

PHONE, EMAIL = "+79161234567", "anna@example.com"


@pytest.mark.parametrize(
    ("typed", "person"),
    [
        ("8 (916) 123-45-67", Person(phone=PHONE)),
        ("+7 916 1234567", Person(phone=PHONE)),
        ("9161234567", Person(phone=PHONE)),
        (" Anna@EXAMPLE.com ", Person(email=EMAIL)),
        ("Анна", None),
        ("12", None),
        ("anna@", None),
    ],
)
def test_whom_is_read_in_any_form(typed, person):
    assert Person.read(typed, "RU") == person


@pytest.mark.parametrize(
    "text",
    [
        "+79161234567",
        "79161234567",
        "89161234567",
        "9161234567",
        "8 (916) 123-45-67",
        "+7 916 123 45 67",
        "тел.+7\u00a0(916)\u00a0123\u201145\u201167, спасибо",
        "tel:%2B79161234567",
    ],
)
def test_a_phone_is_found_however_it_is_written(text):
    mentions = Mentions(Person(phone=PHONE))
    assert mentions.there(text)
    assert mentions.there({"a": [1, {"b": text}]})
    assert not mentions.there(mentions.masked(text))


@pytest.mark.parametrize(
    ("phone", "texts"),
    [
        (PHONE, ["8-10-7 916 123-45-67", "+7 8916 123-45-67", "007 916 1234567"]),
        ("+375291234567", ["80291234567", "8 029 123-45-67", "(29) 123-45-67", "029 123 45 67", "+375 (29) 1234567"]),
        ("+380671234567", ["067 123 45 67", "380671234567", "(067)123-45-67"]),
        ("+4930901820", ["030 901820", "+49 (0)30 901820", "0049 30 901820", "(30) 901820"]),
        ("+37061234567", ["8 612 34567", "0 612 34567"]),
        ("+390669812345", ["06 698 12345", "+39 06 69812345"]),
        ("+14084987855", ["1-408-498-7855", "(408) 498-7855"]),
    ],
)
def test_phones_of_other_countries_are_found_as_they_are_dialled_there(phone, texts):
    mentions = Mentions(Person(phone=phone))
    for written in texts:
        assert mentions.masked(f"Звоните: {written}, спасибо") == "Звоните: ***, спасибо", written
        assert mentions.there(f"https://x.example/?to={quote(quote(f'/?phone={quote_plus(written)}'))}"), written


def test_a_short_number_alone_may_be_anything():
    assert not Mentions(Person(phone="+4930901820")).there({"order": 30901820})


@pytest.mark.parametrize("text", ["179161234567", "791612345678", "9161234568", "916 123", "", "joe@example.com"])
def test_other_digits_are_no_mention(text):
    assert not Mentions(Person(phone=PHONE)).there(text)


def test_numbers_and_bodies_are_masked_and_stay_what_they_were():
    mentions = Mentions(Person(phone=PHONE))
    masked = mentions.masked_body(b'{"phone": 79161234567, "name": "\\u0410", "ok": true, "n": [1, null]}')
    assert json.loads(masked) == {"phone": "***", "name": "А", "ok": True, "n": [1, None]}
    escaped = mentions.masked_body(b'{"t": "8\\u00a0916\\u00a01234567"}')
    assert json.loads(escaped) == {"t": "***"}
    assert mentions.masked_body(b'{"phone": 79161234568}') is None
    assert mentions.masked_body(b"\xff\xfe not text") is None


def test_a_form_keeps_the_encoding_of_everything_else():
    mentions = Mentions(Person(email="ivan@mail.ru"))
    assert mentions.masked_body(b"id=1&text=mail+Ivan%40Mail.ru") == b"id=1&text=mail+***"
    kept = b"a=1%262%3D3&b=%2b&b=&c=%FF&d=+x%20y&e="
    assert mentions.masked_body(kept + b"ivan%40mail.ru") == kept + b"***"
    assert mentions.masked_body(kept) is None


@given(
    st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=4),
    st.text(),
    st.text(),
    st.sampled_from(["8 916 123-45-67", "+7(916)1234567", PHONE]),
)
def test_of_a_form_only_the_contact_changes(others, before, after, contact):
    form = [*others, ("text", f"{before}«{contact}»{after}"), *others]
    masked = Mentions(Person(phone=PHONE)).masked_body(urlencode(form, errors="replace").encode())
    expected = urlencode([*others, ("text", f"{before}«***»{after}"), *others], errors="replace")
    assert parse_qsl(masked.decode(), True) == parse_qsl(expected, True)


def test_mail_is_found_in_addresses_but_not_in_longer_ones():
    mentions = Mentions(Person(email=EMAIL))
    for written in ("ANNA@example.com", "?email=anna%40example.com&x", "<anna@example.com>"):
        assert mentions.there(written)
    for written in ("joanna@example.com", "anna@example.community"):
        assert not mentions.there(written)
