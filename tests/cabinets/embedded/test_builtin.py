"""The built-in sources: what is in the table of facts, and where real arrivals are given by it."""

from __future__ import annotations

import re

import pytest
import yaml
from sqlalchemy import select

from tests.factories import make_account, make_source
from webapp.arrival import CLICK_IDS, arrival_facts, host_of
from webapp.cabinets import cabinet_of
from webapp.cabinets.embedded import builtin
from webapp.cabinets.embedded.builtin import add_missing_sources, builtin_sources, missing_sources
from webapp.models import Source
from webapp.resolution import Catalogue, Condition, Entry, Operator

FACTS = yaml.safe_load(builtin._FACTS.read_text(encoding="utf-8"))
NAMED = [(f"{kind}-{name}", told) for kind, sources in FACTS.items() for name, told in sources.items()]

KEYS = {number: source.key for number, source in enumerate(builtin_sources(), 1)}
CATALOGUE = Catalogue(
    [],
    [
        Entry(
            number,
            source.priority,
            tuple(tuple(Condition(c["mark"], Operator(c["op"]), c["value"]) for c in rule) for rule in source.rules),
        )
        for number, source in enumerate(builtin_sources(), 1)
    ],
)
SHOP = "https://shop.example/curtains"


def source_of(query: str = "", referrer: str | None = None) -> str | None:
    found = CATALOGUE.source(arrival_facts(SHOP + query, referrer))
    return KEYS[found.entry.id] if found else None


@pytest.mark.parametrize(("key", "told"), NAMED, ids=[key for key, _told in NAMED])
def test_every_line_of_the_table_is_well_formed(key, told):
    assert set(told) <= {"name", "english", "domains", "except", "ids", "openstat", "utm", "paid_utm"}
    assert told["name"].strip()
    assert not re.search("[А-Яа-яЁё]", told.get("english", told["name"])), "an English name is needed"
    assert re.fullmatch("[a-z0-9-]{2,60}", key)
    for domain in [*told.get("domains", []), *told.get("except", [])]:
        assert host_of(domain) == domain
        assert "." in domain
    assert set(told.get("ids", [])) <= set(CLICK_IDS)
    for value in [*told.get("utm", []), *told.get("paid_utm", []), *told.get("openstat", [])]:
        assert value == value.casefold().strip()
    assert set(told) & {"domains", "ids", "utm", "paid_utm"}


def test_no_sign_is_given_twice():
    for part in ("domains", "ids", "utm", "paid_utm"):
        signs = [sign for _key, told in NAMED for sign in told.get(part, [])]
        assert len(signs) == len(set(signs)), part


def test_every_kind_of_source_that_is_asked_for_is_there():
    assert {"search", "social", "messengers", "ads"} <= set(FACTS)
    assert len(builtin_sources()) >= 50


@pytest.mark.parametrize(("key", "told"), NAMED, ids=[key for key, _told in NAMED])
def test_every_sign_of_the_table_leads_to_its_source(key, told):
    for domain in told.get("domains", []):
        for host in (
            domain.replace("*", "ru"),
            "www." + domain.replace("*", "com.tr"),
            "m." + domain.replace("*", "de"),
        ):
            assert source_of(referrer=f"https://{host}/path?q=1") == key
    for domain in told.get("except", []):
        assert source_of(referrer=f"https://{domain.replace('*', 'ru')}/") != key
    for name in told.get("ids", []):
        assert source_of(f"?{name}=Ab12") == key
    for value in told.get("utm", []):
        assert source_of(f"?utm_source={value}&utm_medium=post") == key
    for value in told.get("paid_utm", []):
        for medium in ("cpc", "CPM", "ppc", "paid_social"):
            assert source_of(f"?utm_source={value}&utm_medium={medium}") == key
    for service in told.get("openstat", []):
        assert source_of(f"?_openstat={service}.ru;1;2;3") == key


@pytest.mark.parametrize(
    ("query", "referrer", "key"),
    [
        ("?yclid=1", "https://yandex.ru/", "ads-yandex-direct"),
        ("?ysclid=m1", "https://yandex.ru/", "search-yandex"),
        ("", "https://yandex.com.tr/search/?text=a", "search-yandex"),
        ("?gclid=1&utm_source=google&utm_medium=organic", "https://www.google.com/", "ads-google-ads"),
        ("", "https://www.google.co.uk/", "search-google"),
        ("", "android-app://com.google.android.googlequicksearchbox/", "search-google"),
        ("", "https://mail.google.com/mail/u/0", "mail-webmail"),
        ("?utm_source=vk&utm_medium=cpc", None, "ads-vk-ads"),
        ("?utm_source=vk&utm_medium=social", None, "social-vk"),
        ("?fbclid=x", "https://l.instagram.com/", "social-instagram"),
        ("?fbclid=x", "https://l.facebook.com/", "social-facebook"),
        ("", "https://away.vk.com/away.php?to=x", "social-vk"),
        ("", "https://t.me/s/channel", "messengers-telegram"),
        ("", "https://zen.yandex.ru/media", "social-dzen"),
        ("?utm_source=chatgpt.com", "https://chatgpt.com/", "assistants-chatgpt"),
        ("", None, None),
        ("", "https://shop.example/other", None),
        ("", "https://blog.shop.example/", None),
        ("", "https://google.evil.example/", None),
        ("", "https://notvk.com/", None),
        ("", "https://metrika.yandex.ru/dashboard", None),
        ("?utm_source=newsletter&utm_medium=email", None, None),
    ],
)
def test_where_arrivals_are_given(query, referrer, key):
    assert source_of(query, referrer) == key


class TestOfAnAccount:
    def test_they_become_ordinary_sources_once(self, session):
        account = make_account(session)
        assert add_missing_sources(session, account, "ru") == len(builtin_sources())
        session.commit()
        assert missing_sources(session, account) == []
        assert add_missing_sources(session, account, "ru") == 0
        row = session.scalar(select(Source).where(Source.key == "social-vk"))
        assert (row.name, row.search_text.split()[0]) == ("ВКонтакте", "вконтакте")
        assert [{"mark": "referrer_host", "op": "domain", "value": "vk.com"}] in row.rules

    def test_they_are_named_in_the_language_of_who_adds_them(self, session):
        account = make_account(session)
        add_missing_sources(session, account, "en")
        session.commit()
        assert session.scalar(select(Source.name).where(Source.key == "search-yandex")) == "Yandex (search)"

    def test_one_that_is_there_is_left_as_it_is(self, session):
        account = make_account(session)
        make_source(session, account, "social-vk", "Наша группа", [{"utm_source": "group"}])
        assert add_missing_sources(session, account, "ru") == len(builtin_sources()) - 1
        session.commit()
        kept = session.scalars(select(Source).where(Source.key == "social-vk")).one()
        assert kept.name == "Наша группа"
        assert len(kept.rules) == 1

    def test_the_accounts_own_sources_go_before_them(self, session):
        account = make_account(session)
        own = make_source(session, account, "own", "Яндекс, своё", [{"utm_source": "yandex"}])
        add_missing_sources(session, account, "ru")
        session.commit()
        catalogue = cabinet_of(account).catalogue(session, account)
        found = catalogue.source(arrival_facts(SHOP + "?utm_source=yandex&utm_medium=cpc&yclid=1", None))
        assert found.entry.id == own.id

    def test_another_account_gets_none(self, session):
        account, other = make_account(session), make_account(session, "vasilek")
        add_missing_sources(session, account, "ru")
        session.commit()
        assert len(missing_sources(session, other)) == len(builtin_sources())
