"""A form that comes without its token, or after signing out, is refused and can be sent again (issue 2.1)."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from tests.pages import lint
from tests.views.acting import enter_as, everything, filled, said
from tests.views.worlds import Address, addresses, make_world
from webapp.models import Site

NEW_SITE = "/a/romashka/directory/sites/new"
OWN, FOREIGN = "http://localhost", "https://evil.example"

#: What no page may ever hold, whoever typed it.
PASSWORD = "a password nobody may see"


def offer(client: Any, path: str, data: dict[str, str], status: int = 400, **headers: str) -> BeautifulSoup:
    """POST without a token; gives the page with the offer."""
    answer = client.client.post(path, data=data, headers=headers)
    assert answer.status_code == status, f"POST {path}: {answer.status_code}"
    return lint(answer.text)


def kept(page: BeautifulSoup) -> dict[str, Any]:
    form = page.main.find("form")
    return filled(form) if form else {}


def of_a_site(address: Address) -> bool:
    """True for what scripts on other people's sites send: they have no session here to be misused."""
    return address.endpoint.startswith("counter.")


def test_no_form_is_taken_without_a_token(app, session, owner, client):
    """Every POST of every page, with a session and without one."""
    world = make_world(app, session, "vasilek")
    posts = [address for address in addresses(app, world) if address.method == "POST" and not of_a_site(address)]
    assert len(posts) >= 25
    before = everything(session)
    for address in posts:
        for visitor in (owner, client):
            page = offer(visitor, address.path, {"name": "new", "language": "en"})
            assert said(page.h1) == "Страница устарела", address
    assert everything(session) == before


@pytest.mark.parametrize("token", ["wrong", "", "IjEi.aaaa.bbbb"])
def test_a_wrong_token_is_no_token(session, owner, token):
    page = offer(owner, NEW_SITE, {"domain": "shop.example", "csrf_token": token}, Origin=OWN)
    assert said(page.h1) == "Страница устарела"
    assert session.scalars(select(Site)).all() == []


def test_a_token_of_another_session_is_no_token(session, owner, viewer):
    page = offer(owner, NEW_SITE, {"domain": "shop.example", "csrf_token": viewer.token()}, Origin=OWN)
    assert said(page.h1) == "Страница устарела"


def test_what_was_typed_on_our_own_page_is_kept_and_can_be_sent_again(session, owner):
    """Nothing that a person typed is lost because a page stood open for long."""
    typed = {"domain": "shop.example", "name": 'Мой "Магазин" <b>'}
    page = offer(owner, NEW_SITE, typed | {"csrf_token": "old"}, Origin=OWN)
    form = page.main.find("form")
    assert form["action"].rstrip("?") == NEW_SITE
    assert kept(page) == typed
    owner.post(form["action"], kept(page))
    session.rollback()
    [site] = session.scalars(select(Site))
    assert (site.domain, site.name) == ("shop.example", 'Мой "Магазин" <b>')


def test_a_parameter_of_the_address_and_repeated_fields_are_kept(owner):
    page = offer(owner, "/sign-in?next=/a/romashka/events", {"email": "a@b.example"}, Origin=OWN)
    assert page.main.find("form")["action"].startswith("/sign-in?next=")
    answer = owner.client.post(NEW_SITE, data={"x": ["1", "2"]}, headers={"Origin": OWN})
    values = [field["value"] for field in lint(answer.text).find_all("input", attrs={"name": "x"})]
    assert values == ["1", "2"]


@pytest.mark.parametrize(
    "origin", [FOREIGN, "null", "", "http://localhost.evil.example", "http://localhost:81", "//localhost@evil"]
)
def test_what_another_site_made_the_browser_send_is_not_kept(session, owner, origin):
    """Otherwise one press of the button would do what the other site wanted."""
    headers = {"Origin": origin} if origin else {}
    page = offer(owner, NEW_SITE, {"domain": "evil.example"}, **headers)
    assert said(page.h1) == "Страница устарела"
    assert page.main.find("form") is None
    assert "evil.example" not in str(page)
    assert session.scalars(select(Site)).all() == []


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://evil℀.example"])
def test_an_origin_that_is_no_address_is_a_foreign_one(owner, origin):
    page = offer(owner, NEW_SITE, {"domain": "evil.example"}, Origin=origin.encode().decode("latin-1"))
    assert page.main.find("form") is None


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/sign-in", {"email": "a@b.example", "password": PASSWORD}),
        ("/password", {"current": PASSWORD, "new": PASSWORD}),
        ("/welcome/token", {"email": "a@b.example", "password": PASSWORD}),
        ("/invitation/token", {"email": "a@b.example", "password": PASSWORD}),
        (
            "/a/romashka/integrations/amo/authorization",
            {"auth-name": "Отдел", "auth-client_secret": PASSWORD, "auth-long_lived_token": PASSWORD},
        ),
        ("/a/romashka/settings/cabinet", {"url": "https://a.example", "access_token": PASSWORD}),
    ],
)
def test_a_secret_is_never_written_into_a_page(owner, path, fields):
    page = offer(owner, path, fields, Origin=OWN)
    assert PASSWORD not in str(page)
    assert kept(page) == {name: value for name, value in fields.items() if value != PASSWORD}
    assert page.main.find("form") is None or "вписать заново" in said(page.main)


def test_a_form_sent_after_signing_out_is_kept_until_one_is_back(app, session, owner, account):
    """The advice says: sign in beside, come back, send again."""
    typed = {"domain": "shop.example", "name": "Магазин"}
    owner.post("/sign-out")
    answer = owner.client.post(NEW_SITE, data=typed | {"csrf_token": owner.token()}, headers={"Origin": OWN})
    assert answer.status_code == 401
    page = lint(answer.text)
    assert said(page.h1) == "Вы вышли из системы"
    assert kept(page) == typed
    assert page.find("a", href="/sign-in") is not None
    assert session.scalars(select(Site)).all() == []
    enter_as(app, session, account, email="again@romashka.example").post(NEW_SITE, kept(page))
    session.rollback()
    assert len(session.scalars(select(Site)).all()) == 1


def test_htmx_gets_the_refusal_as_a_part_of_the_page(owner):
    answer = owner.client.post(NEW_SITE, data={"domain": "a.example"}, headers={"HX-Request-Type": "partial"})
    assert answer.status_code == 400
    part = BeautifulSoup(answer.text, "html.parser")
    assert part.find("html") is None
    assert said(part.find(attrs={"role": "alert"})).startswith("Страница устарела.")


def test_a_token_in_a_header_counts(session, owner):
    """The way of scripts."""
    answer = owner.client.post(NEW_SITE, data={"domain": "shop.example"}, headers={"X-CSRFToken": owner.token()})
    assert answer.status_code == 303


def test_over_https_the_referrer_has_to_be_ours(session, owner):
    token = owner.token()
    for referrer, status in (("https://localhost/x", 303), ("https://evil.example/", 400), (None, 400)):
        answer = owner.client.post(
            NEW_SITE,
            base_url="https://localhost",
            data={"domain": "shop.example", "csrf_token": token},
            headers={"Referer": referrer} if referrer else {},
        )
        assert answer.status_code == status, referrer
