"""What the integrations' scripts send, over a real socket: reports of themselves, and ties (issue 3.3, 3.4; B4, B6)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.factories import make_account, make_integration, make_site, make_visit
from tests.views.acting import chat, send
from tests.views.counting import HIT, REPORT, SHOP, TIE, ask, post
from webapp.cabinets.embedded import EmbeddedCabinet
from webapp.hits import LARGEST_HIT_BYTES
from webapp.models import Account, Communication, Integration, ScriptSighting, Site, Visit, VisitTie, utc_now
from webapp.sightings import MOST_HOSTS


@pytest.fixture
def account(session) -> Account:
    return make_account(session)


@pytest.fixture
def site(session, account) -> Site:
    return make_site(session, account)


@pytest.fixture
def integration(session, account, site) -> Integration:
    return make_integration(session, account)


@pytest.fixture
def address(server: str, session, integration) -> str:
    found = f"{server}/i/{integration.public_id}"
    session.rollback()
    return found


def kept(session, table):
    session.rollback()
    return list(session.scalars(select(table).order_by(table.id)))


def test_a_report_is_kept_with_its_host(session, address):
    answer = post(address, REPORT | {"faults": "set_token"})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, SHOP)
    [sighting] = kept(session, ScriptSighting)
    assert (sighting.host, sighting.counter, sighting.widget, sighting.token) == ("shop.example", "ok", "ok", "set")
    assert list(sighting.faults) == ["set_token"]
    assert sighting.last_good_at is not None


def test_a_script_on_a_host_that_nobody_entered_is_news(session, address):
    assert post(address, REPORT, origin="https://new.example").status_code == 204
    assert ask(address, "https://new.example").status_code == 204
    assert [sighting.host for sighting in kept(session, ScriptSighting)] == ["new.example"]


def test_hosts_are_not_kept_without_end(session, address):
    for number in range(MOST_HOSTS + 1):
        assert post(address, REPORT, origin=f"https://h{number}.example").status_code == 204
    assert len(kept(session, ScriptSighting)) == MOST_HOSTS
    post(address, REPORT, origin="https://m.shop.example")
    assert kept(session, ScriptSighting)[-1].host == "m.shop.example"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        "k=report&counter=ы".encode(),
        {"k": "report"},
        REPORT | {"token": "stolen"},
        REPORT | {"k": "other"},
        {"k": "tie"},
        TIE | {"c": "Мария"},
        TIE | {"s": "abc"},
        {f"x{number}": "1" for number in range(20)},
    ],
)
def test_nonsense_is_refused(session, address, message):
    assert post(address, message).status_code == 400
    assert kept(session, ScriptSighting) == kept(session, VisitTie) == kept(session, Visit) == []


def test_without_a_page_or_too_large_it_is_refused(session, address):
    assert post(address, REPORT, origin=None).status_code == 403
    assert post(address, b"k=report&x=" + b"x" * LARGEST_HIT_BYTES).status_code == 413
    assert kept(session, ScriptSighting) == []


def test_a_tie_brings_its_visit_along(session, account, site, address):
    """The message may be here before the counter's own."""
    assert post(address, TIE).status_code == 204
    [visit], [tie] = kept(session, Visit), kept(session, VisitTie)
    assert (tie.client, tie.session_id, tie.visit_id) == ("412", HIT["s"], visit.id)
    assert (visit.site_id, visit.landing_url, visit.marks) == (site.id, HIT["l"], {"source": "yandex"})


def test_a_visit_of_another_session_is_not_believed(session, address):
    post(address, TIE | {"s": "6000000000000099"})
    assert kept(session, Visit) == []
    assert [tie.visit_id for tie in kept(session, VisitTie)] == [None]


def test_a_tie_from_a_foreign_host_is_refused(session, address):
    for origin in ("https://evil.example", "https://evilshop.example"):
        assert post(address, TIE, origin=origin).status_code == 403
    assert kept(session, VisitTie) == kept(session, Visit) == []


def test_a_tie_belongs_to_the_narrower_of_two_sites(session, account, address):
    blog = make_site(session, account, "blog", "blog.shop.example")
    session.commit()
    assert post(address, TIE, origin="https://m.blog.shop.example").status_code == 204
    assert [visit.site_id for visit in kept(session, Visit)] == [blog.id]


def test_a_robot_ties_nothing(session, address):
    assert (
        post(address, TIE, agent="Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)").status_code == 204
    )
    assert kept(session, VisitTie) == kept(session, Visit) == []


def test_a_visit_of_another_account_is_not_tied(session, address):
    """B10."""
    make_visit(session, make_account(session, "vasilek"), HIT["s"])
    post(address, {name: value for name, value in TIE.items() if name != "m"})
    assert [tie.visit_id for tie in kept(session, VisitTie)] == [None]


def test_where_another_cabinet_counts_the_number_is_kept_without_a_visit(session, address, monkeypatch):
    monkeypatch.setattr(EmbeddedCabinet, "counts_visits", False)
    assert post(address, TIE).status_code == 204
    assert kept(session, Visit) == []
    assert [tie.session_id for tie in kept(session, VisitTie)] == [HIT["s"]]


def test_a_tie_that_comes_after_the_chat_explains_it(app, session, integration, address):
    """B6: from the webhook to the beacon to the row."""
    path = integration.hook_path()
    session.rollback()
    body = chat(412, session=None, page={"url": f"{SHOP}/"})
    body["user_token"] = "somebody elses token"
    send(app, path, body)
    [before] = kept(session, Communication)
    assert before.rule == "none"
    late = TIE["m"].replace("a=0", "a=3000")
    assert post(address, TIE | {"m": late}).status_code == 204
    [after] = kept(session, Communication)
    assert (after.rule, after.visit_id) == ("beacon", kept(session, Visit)[0].id)


def test_an_archived_integration_hears_nothing(session, integration, address):
    session.get(Integration, integration.id).archived_at = utc_now()
    session.commit()
    assert post(address, REPORT).status_code == 404
    assert post(address, TIE).status_code == 404
    assert post(address.replace("/i/", "/i/x"), REPORT).status_code == 404


def test_who_sends_too_much_is_told_to_wait(app, address, monkeypatch):
    slow = app.config["SETTINGS"].model_copy(update={"COUNTER_LIMIT": "2 per minute"})
    monkeypatch.setitem(app.config, "SETTINGS", slow)
    assert [post(address, REPORT).status_code for _ in range(3)] == [204, 204, 429]
