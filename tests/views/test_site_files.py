"""The files that sites load from here, over a real socket: what is in them, how they are kept (issue 3.1, J17)."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import requests

from tests.factories import make_account, make_integration, make_site
from webapp.cabinets.embedded import EmbeddedCabinet
from webapp.models import Account, Integration, Site, utc_now
from webapp.vendors.jivo import vendor


@pytest.fixture
def account(session) -> Account:
    return make_account(session)


@pytest.fixture
def site(session, account) -> Site:
    return make_site(session, account)


@pytest.fixture
def integration(session, account) -> Integration:
    return make_integration(session, account)


def get(address: str, **headers: str) -> requests.Response:
    return requests.get(address, headers={"Accept-Encoding": "gzip", **headers}, timeout=10)


def settings(answer: requests.Response) -> dict[str, Any]:
    line = next(line for line in answer.text.splitlines() if line.startswith("var settings = "))
    return json.loads(line.removeprefix("var settings = ").rstrip(";"))


@pytest.fixture(params=["counter", "script"])
def file(request, session, server, site, integration) -> str:
    """Each of the two files."""
    path = f"/c/{site.public_key}.js" if request.param == "counter" else f"/i/{integration.public_id}.js"
    session.commit()
    return server + path


def test_a_file_may_be_kept_and_read_by_every_page(file):
    answer = get(file)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=600"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers


def test_it_is_packed_where_the_browser_can_unpack_it(file):
    packed, plain = requests.get(file, stream=True, timeout=10), get(file, **{"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    raw = packed.raw.read(decode_content=False)
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < 4096
    assert packed.headers["ETag"] != plain.headers["ETag"]


def test_it_is_not_sent_again_while_it_is_the_same(session, file, account, site):
    first = get(file)
    again = get(file, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    account.respects_do_not_track = not account.respects_do_not_track
    site.domain = "new.example"
    session.commit()
    changed = get(file, **{"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_the_counter_knows_the_manners_of_the_account(session, server, account, site):
    assert settings(get(f"{server}/c/shop.js")) == {"domain": "shop.example", "consent": False, "quiet": True}
    account.visits_need_consent, account.respects_do_not_track = True, False
    session.commit()
    assert settings(get(f"{server}/c/shop.js")) == {"domain": "shop.example", "consent": True, "quiet": False}


def test_the_script_knows_the_counters_of_the_sites(session, server, account, site, integration):
    make_site(session, account, "old", "old.example", archived_at=utc_now())
    make_site(session, account, "шторы", "шторы.рф")
    make_site(session, make_account(session, "vasilek"), "foreign", "foreign.example")
    session.commit()
    told = settings(get(f"{server}/i/{integration.public_id}.js"))
    assert (told["id"], told["session"]) == (integration.public_id, "counter")
    assert told["counters"] == [["shop.example", "/c/shop.js"], ["xn--n1aeexs.xn--p1ai", "/c/шторы.js"]]


def test_where_another_cabinet_counts_its_session_is_taken(session, server, site, integration, monkeypatch):
    """Issue 3.3: in a Data API cabinet the session comes from its own counter."""
    monkeypatch.setattr(EmbeddedCabinet, "counts_visits", False)
    session.commit()
    answer = get(f"{server}/i/{integration.public_id}.js")
    told = settings(answer)
    assert (told["session"], told["counters"]) == ("comagic", [])
    assert "getSessionId" in answer.text


def test_a_script_whose_settings_are_missing_is_empty_and_breaks_no_page(session, server, integration, monkeypatch):
    monkeypatch.setattr(type(vendor), "script_settings", lambda self, integration: None)
    session.commit()
    answer = get(f"{server}/i/{integration.public_id}.js")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/javascript")


def test_a_script_that_is_switched_off_still_serves_and_an_archived_one_is_gone(session, server, integration):
    """While the integration is off its webhooks are stored, and the sessions in them are wanted later."""
    integration.active = False
    session.commit()
    assert get(f"{server}/i/{integration.public_id}.js").status_code == 200
    integration.archived_at = utc_now()
    session.commit()
    assert get(f"{server}/i/{integration.public_id}.js").status_code == 404
    assert get(f"{server}/i/nothing.js").status_code == 404
