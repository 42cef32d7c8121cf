"""A site whose domain is in Cyrillic letters, from the form to the first visit and the first tie (C1, J17, B6)."""

from __future__ import annotations

import pytest
import requests
from sqlalchemy import select

from tests.factories import make_integration
from tests.views.acting import rows
from tests.views.counting import HIT, REPORT, TIE, ask, post
from tests.views.test_site_files import settings
from webapp.models import ScriptSighting, Site, Visit, VisitTie, utc_now

SITES = "/a/romashka/directory/sites"

#: How a browser writes «шторы.рф» in location and Origin.
AS_SENT = "xn--n1aeexs.xn--p1ai"
ORIGIN = f"https://{AS_SENT}"


@pytest.fixture(params=["шторы.рф", "ШТОРЫ.РФ", AS_SENT, f"https://www.{AS_SENT}/katalog?x=1", "https://шторы.рф/й"])
def site(request, session, editor) -> Site:
    """The site as it was typed into the form."""
    editor.post(f"{SITES}/new", {"domain": request.param, "name": ""})
    session.rollback()
    return session.scalars(select(Site)).one()


def test_its_domain_is_shown_in_letters_however_it_was_typed(editor, site):
    assert (site.domain, site.name) == ("шторы.рф", "шторы.рф")
    assert rows(editor.get(SITES))[0][:2] == ["шторы.рф", "шторы.рф"]


def test_its_counter_is_served_and_its_visits_are_counted(session, server, site):
    path = f"{server}/c/{site.public_key}"
    served = requests.get(f"{path}.js", timeout=10)
    asked, answer = ask(path, ORIGIN), post(path, HIT | {"l": f"{ORIGIN}/", "p": f"{ORIGIN}/"}, origin=ORIGIN)

    assert (served.status_code, served.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert settings(served)["domain"] == AS_SENT
    for heard in (asked, answer):
        assert (heard.status_code, heard.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    session.rollback()
    assert session.scalars(select(Visit.site_id)).all() == [site.id]
    assert post(path, origin="https://xn--80aswg.xn--p1ai").status_code == 403


def test_the_integrations_one_line_finds_its_counter_and_is_heard(session, server, account, site):
    """The script compares with location.hostname, which no browser gives in letters."""
    integration = make_integration(session, account, saved_at=utc_now())
    session.commit()
    path = f"{server}/i/{integration.public_id}"

    assert settings(requests.get(f"{path}.js", timeout=10))["counters"] == [[AS_SENT, f"/c/{site.public_key}.js"]]
    for said in (REPORT, TIE):
        answer = post(path, said, origin=ORIGIN)
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    session.rollback()
    assert session.scalars(select(VisitTie.session_id)).all() == [HIT["s"]]
    assert session.scalars(select(ScriptSighting.host)).all() == ["шторы.рф"]
