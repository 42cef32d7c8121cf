"""Phones and e-mails, in cards and in free text (J-15, B7)."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.contacts import (
    LONGEST_EMAIL,
    find_email,
    find_phone,
    groups_of,
    normalise_email,
    normalise_phone,
    runs_of,
    within_number,
)


@pytest.mark.parametrize(
    ("raw", "region", "phone"),
    [
        ("8 (912) 345-67-89", "RU", "+79123456789"),
        ("(999) 123-45-67", "RU", "+79991234567"),
        ("9161234567", "RU", "+79161234567"),
        ("89161234567", "RU", "+79161234567"),
        ("79161234567", "RU", "+79161234567"),
        ("+7 916 123-45-67", "RU", "+79161234567"),
        ("+7 916 123-45-67", "US", "+79161234567"),
        ("８９１６１２３４５６７", "RU", "+79161234567"),
        ("тел: 8-916-123-45-67 доб. 12", "RU", "+79161234567"),
        ("8 916 123 45 67, 8 903 111 22 33", "RU", "+79161234567"),
        ("+7 (916) 123-45-67/68", "RU", "+79161234567"),
        ("8 800 555-35-35", "RU", "+78005553535"),
        ("+8 (916) 123-45-67", "RU", "+79161234567"),
        ("+89161234567", "RU", "+79161234567"),
        ("+84951234567", "RU", "+84951234567"),
        ("+7 8916 123-45-67", "RU", "+79161234567"),
        ("8 701 123 45 67", "KZ", "+77011234567"),
        ("+14084987855", "RU", "+14084987855"),
        ("14084987855", "RU", "+14084987855"),
        ("375291234567", "RU", "+375291234567"),
        ("00380671234567", "RU", "+380671234567"),
        ("067 123 45 67", "UA", "+380671234567"),
        ("+7 916 123 45 67", None, "+79161234567"),
        ("89161234567", "nowhere", None),
        ("+458745457845", "RU", None),
        ("1234567890", "RU", None),
        ("12345", "RU", None),
        ("Анна", "RU", None),
        ("", "RU", None),
        (None, "RU", None),
    ],
)
def test_a_cards_phone_in_e164(raw, region, phone):
    assert normalise_phone(raw, region) == phone


@pytest.mark.parametrize(
    "text",
    [
        "89161234567",
        "мой номер 8 916 123 45 67",
        "тел.89161234567",
        "тел89161234567",
        "тел-8916-123-45-67",
        "+7(916)123-45-67 Анна",
        "7 916 123-45-67, жду",
        "9161234567 или ivan@mail.example",
        "916 123-45-67",
        "(916) 123 45 67",
        "12.11.2023 8 916 123 45 67",
        "в 15:30 89161234567",
        "1. 89161234567",
        "8.8.8.8 89161234567",
        "89161234567 500 руб",
        "89161234567,89031234567",
        "+7 916 123 45 67 500",
        "заказ 12345, мой телефон 89161234567",
        "вопрос по заказу\n89161234567",
        "кв. 500 89161234567",
        "+79161234567.",
    ],
)
def test_a_phone_is_found_in_what_people_write(text):
    assert find_phone(text, "RU") == "+79161234567"


@pytest.mark.parametrize(
    "text",
    [
        "ИНН 7707083893",
        "7707083893",
        "ИНН: 500100732259",
        "ОГРН 1027700132195",
        "заказ № 89161234567",
        "заказ 9161234567",
        "номер заказа: 9161234567",
        "артикул 89161234567",
        "#89161234567",
        "order no 89161234567",
        "СНИЛС 123-456-789 00",
        "паспорт 9205 123456",
        "4276 8000 1234 5678",
        "2200 7001 2345 6789",
        "40817810099910004312",
        "от 89 000 до 95 000",
        "90 000 - 95 000 0",
        "цена 12 500 000 руб",
        "79161234567 руб.",
        "8 916 123-45-67р",
        "$89161234567",
        "1700000200",
        "1665399500726",
        "2023-11-14 12:30:45",
        "12.11.2023 в 10:30",
        "01.02.2024-03.02.2024",
        "https://shop.example/89161234567",
        "https://shop.example/?id=79161234567",
        "89161234567@mail.example",
        "A89161234567",
        "89161234567-1",
        "12-89161234567",
        "89161234567,5",
        "8 800 555-35-35",
        "+70000000000",
        "+123",
        "",
        None,
    ],
)
def test_other_numbers_are_no_phones(text):
    """B7: orders, prices, dates, tax numbers, times, cards."""
    assert find_phone(text, "RU") is None


@pytest.mark.parametrize(
    ("text", "region", "phone"),
    [
        ("call (650) 253-0000", "US", "+16502530000"),
        ("order 6502530000", "US", None),
        ("6502530000", "US", None),
        ("+1 650 253 0000 12", "RU", "+16502530000"),
        ("мій номер 067 123 45 67", "UA", "+380671234567"),
        ("8029 123-45-67", "BY", "+375291234567"),
        ("030 123456", "DE", "+4930123456"),
        ("2024-01-15 10:30", "DE", None),
        ("600 123 456", "PL", "+48600123456"),
        ("звоните +380 67 123 45 67", "RU", "+380671234567"),
        ("916916916916 916916916", "US", None),
        ("89161234567", None, None),
    ],
)
def test_phones_of_other_regions(text, region, phone):
    assert find_phone(text, region) == phone


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("ivan@mail.example.", "ivan@mail.example"),
        ("Пишите: Ivan.Petrov+x@Mail.RU, жду", "ivan.petrov+x@mail.ru"),
        ("ivan@mail.ruспасибо", "ivan@mail.ru"),
        ("ivan@mail.ru.Спасибо", "ivan@mail.ru"),
        ("<a@b.example>", "a@b.example"),
        ("почта@пример.рф!", "почта@пример.рф"),
        ("a_b@sub.do-main.example", "a_b@sub.do-main.example"),
        ("@anna и anna@mail.example", "anna@mail.example"),
        ("a@b", None),
        ("a@b.c", None),
        ("a@-b.example", None),
        ("a..b@c.example", None),
        ("@@@@", None),
        ("x" * 65 + "@mail.example", None),
        ("a@" + "b" * 64 + ".example", None),
        ("", None),
        (None, None),
    ],
)
def test_an_email_is_found_in_lower_case(text, email):
    assert find_email(text) == email
    assert normalise_email(text) == email


@given(st.text(alphabet="0123456789+()-. №аруб@/,:\n", max_size=80), st.sampled_from(["RU", "KZ", "US", "DE", None]))
def test_what_is_found_is_a_valid_number(text, region):
    for found in (find_phone(text, region), normalise_phone(text, region)):
        assert found is None or phonenumbers.is_valid_number(phonenumbers.parse(found))
        assert normalise_phone(found, region) == found


@given(st.text(max_size=200) | st.text(alphabet="ab.@-_é1", max_size=80))
def test_any_text_is_searched(text):
    found = find_email(text)
    assert found is None or (len(found) <= LONGEST_EMAIL and find_email(found) == found)
    find_phone(text, "RU")


@pytest.mark.parametrize(
    "text",
    [
        unit * (100_000 // len(unit))
        for unit in (
            "8 ",
            "9",
            "+1",
            "+12345678 ",
            "8 000 000 00 00 ",
            "(1 ",
            "916 ",
            "@",
            "a@a.",
            "a.",
            "заказ 89161234567 ",
        )
    ]
    + ["a@" + "a." * 50_000, "ﷺ" * 100_000],
)
@pytest.mark.timeout(60)
def test_hostile_texts_take_no_time_that_grows_with_their_square(text):
    find_phone(text, "DE")
    find_phone(text, "RU")
    find_email(text)


@pytest.mark.parametrize(
    ("phone", "region", "typed"),
    [
        ("+79161234567", "RU", "8916"),
        ("+79161234567", "RU", "89161234"),
        ("+79161234567", "RU", "7916"),
        ("+79161234567", "RU", "007916"),
        ("+78121234567", "RU", "8121"),
        ("+375291234567", "BY", "8029"),
        ("+4930901820", "DE", "030901820"),
        ("+4930901820", "DE", "00493090"),
        ("+390612345678", "IT", "0612"),
        ("+19165551234", "US", "1916"),
        ("+79161234567", None, "9161"),
    ],
)
def test_digits_that_people_dial_are_within_the_number(phone, region, typed):
    assert any(digits in phone for digits in within_number(typed, region))


@pytest.mark.parametrize(
    ("phone", "groups"),
    [
        ("+79161234567", ["916", "123", "45", "67"]),
        ("+4930901820", ["30", "901820"]),
        ("+19165551234", ["916", "555", "1234"]),
        ("+375291234567", ["29", "123", "45", "67"]),
    ],
)
def test_a_number_is_grouped_as_in_its_country(phone, groups):
    assert groups_of(phone) == groups


@pytest.mark.parametrize(
    ("phone", "runs"),
    [
        ("+79161234567", ["79161234567", "89161234567", "9161234567"]),
        ("+375291234567", ["291234567", "375291234567", "80291234567"]),
        ("+4930901820", ["030901820", "30901820", "4930901820"]),
    ],
)
def test_a_number_without_gaps_is_written_in_these_ways(phone, runs):
    assert runs_of(phone) == runs
