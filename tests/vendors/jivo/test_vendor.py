"""Jivo's folder as the rest of the product sees it."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import webapp.vendors.jivo as folder
from webapp.conversation import Sender
from webapp.vendors import registry
from webapp.vendors.jivo import vendor
from webapp.vendors.jivo.payload import ACCEPT_DIGIT_TOKENS

from .bodies import RECEIVED, conversation


def test_the_registry_finds_it():
    """B14."""
    assert registry()["jivo"] is vendor


def test_the_answer_is_result_ok_and_nothing_else():
    """Contract section 3: contact_info would change what the agent sees."""
    answer = vendor.answer()
    assert json.loads(answer.body) == {"result": "ok"}
    assert (answer.status, answer.content_type) == (200, "application/json; charset=utf-8")


def test_the_test_chat_is_a_finished_chat_unlike_any_other():
    """J19."""
    chat = conversation(vendor.sample_chat(RECEIVED, "m1"))
    assert (chat.vendor_id, chat.finished) == ("test-m1", True)
    assert chat.contact.email == "test@example.com"
    assert [message.sender for message in chat.messages] == [Sender.VISITOR, Sender.OPERATOR, Sender.VISITOR]
    assert chat.started_at == RECEIVED - timedelta(minutes=3)
    assert chat.clues.token is None
    assert dict(chat.clues.utm) == {}
    assert vendor.sample_chat(RECEIVED, "m1") != vendor.sample_chat(RECEIVED, "m2")


def test_bare_digits_are_off_unless_chosen():
    form = vendor.OptionsForm()
    assert form.data[ACCEPT_DIGIT_TOKENS] is False
    assert vendor.OptionsForm(data={ACCEPT_DIGIT_TOKENS: True}).data[ACCEPT_DIGIT_TOKENS] is True


def test_the_guide_has_every_part():
    """J9, J11."""
    for field in fields(vendor.guide):
        assert getattr(vendor.guide, field.name), field.name
    assert vendor.guide.illustration == "vendors/jivo_steps.svg.j2"
    assert len(vendor.guide.steps) == 5


def test_every_assumption_has_its_one_place():
    """Contract section 10: J-01 to J-15, in assumptions.py."""
    source = (Path(folder.__file__).parent / "assumptions.py").read_text(encoding="utf-8")
    assert set(re.findall(r"J-\d\d", source)) == {f"J-{number:02}" for number in range(1, 16)}
