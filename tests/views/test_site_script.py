"""Step 4 of an integration's page in all its states: the line, where it stands, what is wrong (J17, B4; issue 3.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.factories import make_integration, make_site, make_visit
from tests.views.acting import make_communication, said
from webapp.cabinets.embedded import EmbeddedCabinet
from webapp.models import Integration, ScriptSighting, utc_now
from webapp.sightings import SILENCE
from webapp.vendors.jivo import vendor

PAGE = "/a/romashka/integrations/jivo"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def integration(session, account) -> Integration:
    made = make_integration(session, account, saved_at=utc_now())
    session.rollback()
    return made


def see(session, integration: Integration, host: str = "shop.example", **values: Any) -> None:
    """What the script said an hour ago, all well unless told otherwise."""
    at = values.pop("last_seen_at", utc_now() - HOUR)
    words = {"counter": "ok", "widget": "ok", "token": "set", "faults": {}, "last_good_at": None, **values}
    session.add(
        ScriptSighting(integration_id=integration.id, host=host, last_seen_at=at, reports=1, created_at=at, **words)
    )
    session.commit()


def step(client) -> Any:
    return client.get(PAGE).find(id="script")


def mark(client) -> list[str]:
    """How the step's place in the list beside the page is drawn."""
    link = client.get(PAGE).select_one('.rail-list a[href="#script"]')
    return link.find_parent("li")["class"]


def places(client) -> list[str]:
    return [said(place) for place in step(client).select(".places > li")]


def test_after_the_first_save_there_is_a_line_to_copy(session, viewer, integration):
    line = step(viewer).find(id="script-line")["value"]
    assert line == f'<script async src="http://localhost/i/{integration.public_id}.js"></script>'
    assert "Скрипт ещё не отзывался" in said(step(viewer))


def test_the_line_carries_the_public_address(app, viewer, integration, monkeypatch):
    public = app.config["SETTINGS"].model_copy(update={"PUBLIC_URL": "https://trail.example.com"})
    monkeypatch.setitem(app.config, "SETTINGS", public)
    assert 'src="https://trail.example.com/i/' in step(viewer).find(id="script-line")["value"]


def test_while_a_setting_that_it_needs_is_missing_there_is_no_line(viewer, integration, monkeypatch):
    monkeypatch.setattr(type(vendor), "script_settings", lambda self, integration: None)
    assert step(viewer).find(id="script-line") is None
    assert "Чтобы получить строку, заполните настройки выше" in said(step(viewer))


def test_the_counters_of_the_sites_have_lines_of_their_own(session, viewer, account, integration):
    assert "в справочнике нет ни одного" in said(step(viewer))
    site = make_site(session, account)
    make_site(session, account, "old", "old.example", archived_at=utc_now())
    session.commit()
    lines = [field["value"] for field in step(viewer).select("input") if field["id"].startswith("counter-")]
    assert lines == ['<script async src="http://localhost/c/shop.js"></script>']
    assert step(viewer).find("label", attrs={"for": f"counter-{site.id}"}).get_text() == "shop.example"
    assert "в справочнике нет ни одного" not in said(step(viewer))


def test_where_another_cabinet_counts_the_line_goes_below_its_counter(viewer, integration, monkeypatch):
    monkeypatch.setattr(EmbeddedCabinet, "counts_visits", False)
    found = said(step(viewer))
    assert "Ставьте её ниже основного кода счётчика кабинета" in found
    assert "Счётчик визитов отдельно" not in found


GOOD = {"last_good_at": utc_now() - HOUR}
LONG_AGO = {"last_seen_at": utc_now() - SILENCE - HOUR, "last_good_at": utc_now() - SILENCE - HOUR}

STATES = [
    (GOOD, "done", "работает", "Виджет найден, сессия передаётся."),
    (GOOD | {"token": "foreign"}, "done", "работает", "Метку в Jivo занял другой сервис"),
    (GOOD | {"token": "jwt"}, "done", "работает", "В канале подписанные метки (JWT)."),
    ({"counter": "missing"}, "problem", "нет счётчика", "Вставьте строку счётчика."),
    ({"counter": "none"}, "problem", "нет сессии", "Проверьте, что он загружается."),
    ({"counter": "consent", "token": "none"}, "problem", "ждёт согласия", "не сообщил о согласии посетителя"),
    ({"widget": "missing", "token": "none"}, "problem", "нет виджета", "Проверьте, что код Jivo вставлен"),
    ({"token": "failed"}, "problem", "не передаётся", "Jivo отказался принять сессию."),
    ({"token": "none"}, "problem", "не передаётся", "Сессия пока не передана."),
    (LONG_AGO, "problem", "молчит", "скрипт убрали со страниц, или на сайте никого не было"),
]


@pytest.mark.parametrize(("told", "state", "title", "text"), STATES)
def test_each_state_has_its_words_and_its_repair(session, viewer, account, integration, told, state, title, text):
    make_site(session, account)
    see(session, integration, **told)
    [place] = places(viewer)
    assert place.startswith(f"shop.example {title}")
    assert text in place
    assert "Последний сигнал:" in place
    assert f"step-{state}" in mark(viewer)


def test_a_host_that_is_no_site_is_said_to_be_none(session, viewer, account, integration):
    make_site(session, account)
    see(session, integration, "m.shop.example", **GOOD)
    see(session, integration, "copy.example", **GOOD)
    own, foreign = sorted(places(viewer), reverse=True)
    assert own.startswith("m.shop.example работает")
    assert foreign.startswith("copy.example чужой домен")
    assert "Этого домена нет в справочнике «Сайты»" in foreign


def test_faults_are_told_for_a_week_and_strange_ones_never(session, viewer, account, integration):
    make_site(session, account)
    now = utc_now()
    faults = {"set_token": (now - DAY).isoformat(), "made_up": now.isoformat()}
    see(session, integration, faults=faults, **GOOD)
    see(session, integration, "old.shop.example", faults={"set_token": (now - 8 * DAY).isoformat()}, **GOOD)
    found = {place.split()[0]: "Jivo отклонил метку сессии." in place for place in places(viewer)}
    assert found == {"shop.example": True, "old.shop.example": False}
    assert "made_up" not in said(step(viewer))


def test_one_site_that_works_is_enough_to_be_done(session, viewer, account, integration):
    make_site(session, account)
    see(session, integration, counter="missing")
    see(session, integration, "m.shop.example", **GOOD)
    assert "step-done" in mark(viewer)


def test_the_share_with_a_session_is_of_the_last_week_without_tests(session, viewer, account, integration):
    assert "С сессией" not in said(step(viewer))
    visit = make_visit(session, account).id
    second = make_integration(session, account, "second")
    now = utc_now()
    for number, values in enumerate(
        [
            {"visit_id": visit},
            {},
            {},
            {"visit_id": visit, "is_test": True},
            {"visit_id": visit, "started_at": now - 8 * DAY},
        ]
    ):
        make_communication(session, integration, str(number), **values)
    make_communication(session, second, "other", visit_id=visit)
    session.commit()
    assert "С сессией 1 из 3 обращений за 7 дней: 33 %." in said(step(viewer))


def test_what_is_said_of_another_integration_is_not_shown(session, viewer, account, integration):
    other = make_integration(session, account, "second")
    see(session, other, **GOOD)
    assert places(viewer) == []
