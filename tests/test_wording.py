"""Decisions in a marketer's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from itertools import product
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel, force_locale

from tests.resolution import EVERY_RULE, OWN_TOKEN, question, visit
from webapp import audit_words, detail_words, wording
from webapp.conversation import CHANNELS, ConversationType, SessionToken
from webapp.resolution import Outcome, Policy, Rule, Sightings, Target, resolve
from webapp.views import ROOT

KINDS = ("foreign", "digits", "jwt", "too_long", "credentials", "json", "comagic_cookie", "own")
NAMES = wording.Names(
    {
        "campaign": {11: "Шторы", 21: "Директ", 22: "Почта", 23: "Всё прочее"},
        "source": {12: "Яндекс", 31: "Поиск", 32: "Соцсети", 2: "Канал"},
        "site": {13: "shop.example"},
    }
)
MARKS = {"source": "yandex", "medium": "cpc", "campaign": "shtory"}


@pytest.fixture(autouse=True)
def speaking() -> Iterator[None]:
    """Russian, the language of the sources, in a request of an application that has nothing but languages."""
    app = Flask(__name__)
    Babel(app, default_translation_directories=str(ROOT / "webapp" / "translations"))
    with app.test_request_context(), force_locale("ru"):
        yield


@cache
def producible() -> tuple[dict[str, Any], ...]:
    """Every step that resolution can make, one of each kind of facts, as the database gives them back."""
    ages = (timedelta(hours=1), timedelta(days=12), timedelta(days=300), -timedelta(days=1))
    visits = [None, *(visit(1, age, marks=MARKS) for age in ages)]
    visits += [visit(1, campaign=11), visit(1, source=12, marks=MARKS), visit(1, campaign=11, source=12, marks=MARKS)]
    tokens = [None, OWN_TOKEN, *(SessionToken("raw", kind) for kind in KINDS)]
    steps: dict[str, dict[str, Any]] = {}

    def ask(asked: Any, sightings: Sightings, **policy: Any) -> None:
        for fill in (False, True):
            for step in resolve(asked, sightings, Policy(**policy, fill_without_campaign=fill)).trail:
                kept = {"rule": str(step.rule), "outcome": str(step.outcome), "facts": dict(step.facts)}
                steps[json.dumps(kept, sort_keys=True)] = kept

    for token, named, elsewhere, page in product(tokens, visits, (False, True), (None, "https://shop.example/")):
        ask(question(token, page_url=page), Sightings(named=named, named_elsewhere=elsewhere))
    for found, client in product(visits, (None, "412")):
        ask(question(client=client), Sightings(beacon=found))
    for found, window, has_contact in product(visits, (None, 30), (False, True)):
        ask(question(has_contact=has_contact), Sightings(contact=found), contact_window_days=window)
    for token, fill, refused in product(tokens, (False, True), ({}, {"8f3c": "entity_not_found", "77": "forbidden"})):
        elsewhere = Sightings(refused=refused, beacon=visit(1))
        ask(question(token), elsewhere, sessions_elsewhere=True)
        ask(question(SessionToken("as1.77", "own", "77")), elsewhere, sessions_elsewhere=True)
        named = {visit(1).session_id: "invalid_date_time", "marks": "method_component_disabled"}
        ask(question(client="412"), Sightings(refused=named, beacon=visit(1)), sessions_elsewhere=True)
        marks = {"marks_elsewhere": True, "default": Target(source=2, site=13 if fill else None)}
        ask(question(utm={"source": "unheard"}), Sightings(refused=named if refused else {}), **marks)
    targets = [Target(), Target(campaign=22), Target(source=2), Target(source=2, site=13)]
    utms = [{}, {"source": "yandex"}, {"medium": "social"}, {"source": "unheard"}]
    for utm, named, channel, widget, target in product(utms, visits, (None, "telegram"), (None, "AbCd"), targets):
        catalogue = {"catalogue": EVERY_RULE["catalogue"]}
        asked = question(OWN_TOKEN, channel, utm=utm, widget=widget)
        ask(asked, Sightings(named=named), **catalogue, mapping={"telegram": target})
        ask(asked, Sightings(named=named), **catalogue, default=target)
    return tuple(json.loads(kept) for kept in steps)


def test_the_steps_that_are_tried_here_are_all_there_can_be() -> None:
    assert {step["outcome"] for step in producible()} == {str(outcome) for outcome in Outcome}
    assert {step["rule"] for step in producible()} == {str(rule) for rule in Rule} - {"none"}


def test_every_step_that_resolution_can_make_has_a_sentence_of_its_own() -> None:
    for step in producible():
        (sentence,) = wording.trail([step], NAMES)
        assert sentence.text != f"{step['rule']}: {step['outcome']}", step
        assert sentence.text.endswith("."), sentence
        assert "%(" not in sentence.text
        assert "None" not in sentence.text
        assert "{" not in sentence.text
        assert (sentence.rule, sentence.outcome) == (step["rule"], step["outcome"])
        assert sentence.state in ("answered", "passed", "problem")
        assert (sentence.state == "answered") == (step["outcome"] == "answered")


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_sentence_can_be_said_in_both_languages(language: str) -> None:
    with force_locale(language):
        sentences = wording.trail(producible(), NAMES)

    assert len(sentences) == len(producible())
    assert all(sentence.text for sentence in sentences)


def test_english_sentences_have_no_russian_but_names() -> None:
    names = wording.Names({kind: {number: "X" for number in range(1, 50)} for kind in ("campaign", "source", "site")})
    with force_locale("en"):
        told = {sentence.text for sentence in wording.trail(producible(), names)}
        told |= {wording.channel_name(channel) for channel in CHANNELS}
        told |= {wording.rule_name(rule) for rule in Rule}
        told |= {names("campaign", 999), audit_words.audit_change([True, False])}

    assert not [text for text in told if re.search("[А-Яа-яЁё]", text)]


def step(rule: str, outcome: str, **facts: Any) -> dict[str, Any]:
    """A step as the database keeps it."""
    return {"rule": rule, "outcome": outcome, "facts": facts}


SEEN = {"session": "8f3c", "started_at": "2026-11-21T14:02:00+00:00", "marks": MARKS, "campaign": None, "source": None}
WHERE = "21 ноября 14:02, пришла с yandex / cpc / shtory"


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (
            step("visit", "answered", **SEEN | {"campaign": 11}),
            f"Сессия найдена: {WHERE}. Кампания «Шторы».",
        ),
        (
            step("visit", "answered", **SEEN | {"campaign": 11, "source": 12}),
            f"Сессия найдена: {WHERE}. Кампания «Шторы», источник «Яндекс».",
        ),
        (
            step("visit", "answered", **SEEN | {"source": 12}),
            f"Сессия найдена: {WHERE}. Источник «Яндекс», кампания не определена.",
        ),
        (
            step("visit", "answered", **SEEN | {"marks": {}}),
            "Сессия найдена: 21 ноября 14:02, без меток. Ни одна кампания ей не подошла.",
        ),
        (
            step("visit", "answered", **SEEN | {"marks": {"term": "шторы"}}),
            "Сессия найдена: 21 ноября 14:02, пришла с шторы. Ни одна кампания ей не подошла.",
        ),
        (
            step("visit", "no_campaign", **SEEN),
            f"Сессия найдена: {WHERE}, но кампании у неё нет. По настройке такие чаты идут дальше.",
        ),
        (
            step("visit", "unknown", session="8f3c"),
            "Сессия в чате названа, но такой мы не видели: 8f3c.",
        ),
        (
            step("visit", "other_account", session="8f3c"),
            "Сессия в чате относится к другому кабинету и не принята.",
        ),
        (
            step("visit", "later", **SEEN),
            "Сессия не принята: она началась 21 ноября 14:02, уже после чата.",
        ),
        (
            step("beacon", "too_old", **SEEN, days=181, limit=180),
            "Сессия не принята: ей 181 день, а кабинет принимает не старше 180.",
        ),
        (
            step("visit", "too_old", **SEEN, days=183, limit=180),
            "Сессия не принята: ей 183 дня, а кабинет принимает не старше 180.",
        ),
        (
            step("visit", "too_old", **SEEN, days=200, limit=180),
            "Сессия не принята: ей 200 дней, а кабинет принимает не старше 180.",
        ),
        (
            step("beacon", "answered", **SEEN | {"campaign": 11}),
            f"Сессия найдена по маяку скрипта: {WHERE}. Кампания «Шторы».",
        ),
        (
            step("contact", "answered", **SEEN | {"campaign": 11}),
            f"Сессия того же человека, по телефону или почте: {WHERE}. Кампания «Шторы».",
        ),
        (
            step("utm", "answered", marks={"utm_source": "yandex", "utm_term": "шторы"}, campaign=21, source=31),
            "Метки в самом чате: utm_source = yandex, utm_term = шторы. Кампания «Директ», источник «Поиск».",
        ),
        (
            step("utm", "no_match", marks={"utm_source": "unheard"}),
            "Метки в чате есть (utm_source = unheard), но правила кампаний и источников их не знают.",
        ),
        (
            step("utm", "adds_nothing", marks={"utm_medium": "social"}, source=32),
            "Метки в самом чате: utm_medium = social. Источник «Соцсети», кампания не определена. "
            "Источник уже известен из сессии, он и остаётся.",
        ),
        (
            step("channel", "answered", channel="telegram", campaign=22),
            "Канал Telegram: кампания «Почта» по таблице мессенджеров.",
        ),
        (
            step("channel", "answered", channel="vk", source=2, site=13),
            "Канал ВКонтакте: источник «Канал», сайт shop.example по таблице мессенджеров.",
        ),
        (step("channel", "unmapped", channel="my-bot"), "Канал my-bot в таблице мессенджеров не задан."),
        (step("channel", "absent", widget="AbCd"), "Канал неизвестен: виджет AbCd ещё не подписан."),
        (step("default", "answered", campaign=23), "По умолчанию: кампания «Всё прочее»."),
        (step("default", "answered", source=2), "По умолчанию: источник «Канал»."),
        (step("default", "not_set"), "Кампания или источник по умолчанию не заданы."),
    ],
)
def test_a_sentence_tells_exactly_the_facts(told: dict[str, Any], text: str) -> None:
    (sentence,) = wording.trail([told], NAMES)

    assert sentence.text == text


@pytest.mark.parametrize(
    ("page", "channel", "details", "text"),
    [
        (True, None, {}, "В чате нет метки сессии: скрипт на этой странице не стоит или не успел её передать."),
        (True, "site", {}, "В чате нет метки сессии: скрипт на этой странице не стоит или не успел её передать."),
        (
            False,
            None,
            {},
            "В чате нет метки сессии: скрипт на этой странице не стоит или человек писал не с сайта.",
        ),
        (
            False,
            "site",
            {},
            "В чате нет метки сессии: скрипт на этой странице не стоит или человек писал не с сайта.",
        ),
        (False, "telegram", {}, "Метки сессии нет: человек писал не с сайта (Telegram)."),
        (
            False,
            "telegram",
            {"talk": "7", "lead_url": "https://x/leads/detail/1"},
            "Метки сессии нет: поле сессии в сделке пустое или не выбрано в настройках.",
        ),
        (
            False,
            "site",
            {"talk": "7"},
            "Метки сессии нет: она бывает в поле сделки, а сделки у беседы нет или она не прочитана.",
        ),
    ],
)
def test_why_there_is_no_session_is_told_as_far_as_it_is_known(
    page: bool, channel: str | None, details: dict[str, str], text: str
) -> None:
    (sentence,) = wording.trail([step("visit", "absent", page=page)], NAMES, channel, details)

    assert (sentence.text, sentence.state) == (text, "passed")


def test_the_site_is_no_messenger_that_would_have_to_be_set() -> None:
    site, telegram = wording.trail([step("channel", "unmapped", channel=name) for name in ("site", "telegram")], NAMES)

    assert (site.text, site.state) == ("Писали на сайте: таблица мессенджеров к этому не относится.", "passed")
    assert telegram.state == "problem"
    assert (site.rule, site.outcome) == ("channel", "unmapped"), "what is exported keeps its names"


def test_a_name_that_is_gone_is_told_by_its_number() -> None:
    told = step("channel", "answered", channel="telegram", source=77, site=78)

    (sentence,) = wording.trail([told], NAMES)

    assert sentence.text == ("Канал Telegram: источник «№ 77 (удалено)», сайт № 78 (удалено) по таблице мессенджеров.")
    assert wording.Names()("campaign", None) == "—"


def test_a_percent_sign_in_a_mark_or_a_name_stays_as_it_is() -> None:
    told = step("utm", "answered", marks={"utm_campaign": "скидка 20%(s) %d"}, campaign=1)

    (sentence,) = wording.trail([told], wording.Names({"campaign": {1: "100% %(name)s"}}))

    assert sentence.text == "Метки в самом чате: utm_campaign = скидка 20%(s) %d. Кампания «100% %(name)s»."


def test_a_step_that_this_version_does_not_know_is_still_shown() -> None:
    (sentence,) = wording.trail([{"rule": "oracle", "outcome": "silent"}], NAMES)

    assert (sentence.text, sentence.state) == ("oracle: silent", "passed")


def test_rules_types_and_channels_have_names() -> None:
    assert set(wording.RULE_NAMES) == {str(rule) for rule in Rule}
    assert set(wording.CHANNEL_NAMES) == set(CHANNELS)
    assert set(wording.TYPE_NAMES) == {str(kind) for kind in ConversationType}
    assert wording.rule_name("none") == "без атрибуции"
    assert (wording.channel_name(None), wording.channel_name("vk"), wording.channel_name("my-bot")) == (
        "—",
        "ВКонтакте",
        "my-bot",
    )


def test_a_change_of_settings_is_told_as_before_and_after() -> None:
    assert audit_words.audit_change([None, "Директ"]) == "— → Директ"
    assert audit_words.audit_change([False, True]) == "нет → да"
    assert audit_words.audit_change([["a"], []]) == '["a"] → —'
    assert len(audit_words.audit_change(["x" * 500, "y"])) == 200 + len(" → y")


def test_facts_of_a_conversation_have_names_and_unknown_ones_are_shown_as_they_are() -> None:
    assert detail_words.detail_name("topic") == "Тема"
    assert detail_words.detail_name("vendors_own") == "vendors_own"
    assert audit_words.audit_action("integration.rotate") == "Новый адрес вебхука"
    assert audit_words.audit_action("of.another.version") == "of.another.version"


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("+79161234567", "+7 916 123-45-67"),
        ("+375291234567", "+375 29 123-45-67"),
        ("no phone", "no phone"),
        (None, ""),
    ],
)
def test_a_phone_is_shown_as_people_write_it(phone: str | None, shown: str) -> None:
    assert wording.phone_number(phone) == shown
