"""The words of the index: what is written is found by what is asked, in one account's month and in no other."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.report.tokens import LONGEST_WORD, MOST_WORDS, Asked, Sought, document, prefix, value_token, words_of

AT = datetime(2026, 3, 9, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(TEXTS)
def test_every_word_of_a_text_is_one_word_of_the_document(text):
    written = document(7, AT, text.casefold(), None, {}).split(" ")
    assert all(word.startswith("7_2603_w") for word in written if word)
    assert {word.removeprefix("7_2603_w") for word in written if word} == set(words_of(text.casefold()))


@given(TEXTS)
def test_no_word_can_be_taken_for_an_order_of_the_databases(text):
    """Quotes, signs and blanks never reach a question."""
    for word in words_of(text):
        assert word.isalnum()
        assert len(word) <= LONGEST_WORD
    for write in ("sqlite", "postgresql"):
        question = Asked(parts=[Sought(tuple(words_of(text)))]).query(write, 1, [date(2026, 1, 1)])
        assert "\0" not in question


def test_a_phone_is_written_by_each_of_its_ends():
    written = document(1, AT, "", "+79161234567", {}).split(" ")
    assert "1_2603_p79161234567" in written
    assert "1_2603_p4567" in written
    assert "1_2603_p567" not in written, "three digits are no part of a phone that anybody looks for"


def test_nothing_is_a_value_too():
    assert value_token("campaign_id", None) == "c"
    assert value_token("has_visit", True) == "v1"
    assert value_token("channel", "my.own-word") == "hmyxownxword"
    assert "1_2603_c" in document(1, AT, "", None, {"campaign_id": None}).split(" ")


def test_accounts_and_months_have_words_of_their_own():
    assert prefix(10, date(2026, 3, 1)) == "a_2603_"
    months = [date(year, month, 1) for year in (2025, 2026) for month in (1, 11)]
    assert len({prefix(account, month) for account in (1, 16, 17) for month in months}) == 12


def test_a_long_text_is_indexed_as_far_as_it_is_worth_it():
    assert len(document(1, AT, " ".join(map(str, range(5000))), None, {}).split(" ")) == MOST_WORDS


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_nothing_asked_is_no_question(dialect):
    assert not Asked()
    assert Asked(parts=[Sought(("шторы",))])
    assert "шторы" in Asked(parts=[Sought(("шторы",))]).query(dialect, 1, [date(2026, 1, 1)])
