"""Getting in: the welcome, sign-in, password, language, one more account (issue 2.2, B10, B11)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tests.factories import PASSWORD, make_account, make_integration
from tests.pages import LintingClient
from tests.views.acting import beside, enter, enter_as, everything, flash, make_person, path_of, said
from webapp.models import Account, AuditRecord, Invitation, Membership, Role, User, utc_now

WELCOME = {
    "email": " Olga@Romashka.Example ",
    "name": "Ольга",
    "password": "a long password",
    "account_name": "Ромашка",
    "timezone": "Asia/Yekaterinburg",
}

#: What must never become the next page: other sites in every spelling a browser understands.
ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\r\nLocation: https://evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "evil.example",
    "//[evil",
    "//evil℀.example",
    "",
)


@pytest.fixture
def token(session) -> str:
    """The token of a welcome link."""
    invitation, token = Invitation.make(None, None, Role.OWNER)
    session.add(invitation)
    session.commit()
    return token


@pytest.fixture
def limited(app, monkeypatch):
    """The application with a sign-in limit that a test can reach."""
    settings = app.config["SETTINGS"].model_copy(update={"SIGN_IN_LIMIT": "3 per minute"})
    monkeypatch.setitem(app.config, "SETTINGS", settings)


def count(session, table) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(table))


def test_the_welcome_link_makes_the_first_user_and_account_and_lets_them_in(session, client, token):
    page = client.get(f"/welcome/{token}")
    assert said(page.h1) == "Добро пожаловать в Leadtrail"
    answer = client.post(f"/welcome/{token}", WELCOME)
    assert path_of(answer) == "/a/romashka/integrations/new"
    client.get(path_of(answer))
    user = session.scalars(select(User)).one()
    assert (user.email, user.name, user.memberships[0].role) == ("olga@romashka.example", "Ольга", Role.OWNER)
    account = session.scalars(select(Account)).one()
    assert (account.slug, account.name, account.timezone) == ("romashka", "Ромашка", "Asia/Yekaterinburg")
    assert user.check_password("a long password")
    assert "password" not in user.password_hash.partition("$")[2]


def test_the_welcome_link_works_once_only(app, session, client, token):
    client.post(f"/welcome/{token}", WELCOME)
    before = everything(session)
    for visitor in (client, LintingClient(app)):
        page = visitor.get(f"/welcome/{token}", status=410)
        assert said(page.h1) == "Ссылка больше не действует"
        visitor.post(f"/welcome/{token}", WELCOME | {"email": "second@romashka.example"}, status=410)
    assert everything(session) == before


def test_an_expired_or_unknown_welcome_link_lets_nobody_in(session, client, token):
    session.scalars(select(Invitation)).one().expires_at = utc_now() - timedelta(seconds=1)
    session.commit()
    for tried in (token, "unknown"):
        client.get(f"/welcome/{tried}", status=410)
        client.post(f"/welcome/{tried}", WELCOME, status=410)
    assert count(session, User) == 0


def test_a_welcome_link_is_no_invitation_and_an_invitation_no_welcome(session, client, token):
    account = make_account(session, "vasilek")
    invitation, invited = Invitation.make(account, "anna@vasilek.example", Role.VIEWER)
    session.add(invitation)
    session.commit()
    client.get(f"/invitation/{token}", status=410)
    client.get(f"/welcome/{invited}", status=410)
    client.post(f"/welcome/{invited}", WELCOME, status=410)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("email", "", "Введите почту."),
        ("email", "olga@", "Это не адрес почты. Нужен вид name@company.ru."),
        ("password", "short", "Пароль должен быть не короче 10 знаков."),
        ("account_name", "  ", "Введите название: например, имя компании."),
    ],
)
def test_a_mistake_in_the_welcome_is_said_beside_the_field_and_the_link_stays_usable(
    session, client, token, field, value, error
):
    page = client.post(f"/welcome/{token}", WELCOME | {field: value}, status=422)
    assert beside(page, field) == error
    assert page.title.get_text().startswith("Ошибка: ")
    kept = "olga@romashka.example" if field != "email" else value
    assert page.find(id="email")["value"].casefold().strip() == kept
    assert page.find(id="password").get("value", "") == "", "a password is never sent back"
    assert count(session, User) == 0
    client.post(f"/welcome/{token}", WELCOME)


def test_sign_in_lets_a_user_in_whatever_the_case_of_the_email(app, session, account, client):
    make_person(session, account, email="olga@romashka.example")
    answer = client.post("/sign-in", {"email": "  OLGA@romashka.example ", "password": PASSWORD})
    assert path_of(answer) == "/"
    assert path_of(client.get("/", status=302)) == "/a/romashka/integrations"
    assert path_of(client.get("/sign-in", status=302)) == "/"


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(session, account, client):
    make_person(session, account, email="olga@romashka.example")
    answers = []
    for email in ("olga@romashka.example", "nobody@romashka.example"):
        page = client.post("/sign-in", {"email": email, "password": "wrong password"}, status=422)
        assert page.find(id="email")["value"] == email
        assert page.find(id="password").get("value", "") == ""
        assert said(page.find(id="password-error")).endswith(
            "Почта или пароль не подходят. Проверьте раскладку и попробуйте ещё раз."
        )
        for field in page.find_all("input", attrs={"name": ["email", "csrf_token"]}):
            del field["value"]
        answers.append(str(page))
    assert answers[0] == answers[1]
    client.get("/a/romashka/integrations", status=302)


def test_an_empty_sign_in_says_what_is_missing(client):
    page = client.post("/sign-in", {"email": "", "password": ""}, status=422)
    assert "Введите почту." in said(page.find(id="email-error"))
    assert "Введите пароль." in said(page.find(id="password-error"))


def test_an_installation_without_users_points_to_the_welcome_link(session, client):
    assert "ещё нет ни одного пользователя" in said(client.get("/sign-in"))
    make_person(session)
    assert "ещё нет ни одного пользователя" not in said(client.get("/sign-in"))


def test_after_too_many_failures_even_the_right_password_has_to_wait(app, session, account, client, limited):
    """Issue 2.2: rate-limited sign-in."""
    make_person(session, account, email="olga@romashka.example")
    for _attempt in range(3):
        client.post("/sign-in", {"email": "olga@romashka.example", "password": "wrong"}, status=422)
    page = client.post("/sign-in", {"email": "olga@romashka.example", "password": PASSWORD}, status=429)
    assert "Слишком много попыток" in said(page.find(id="password-error"))
    assert page.find(id="email")["value"] == "olga@romashka.example", "what was typed stays"
    assert page.find(id="password").get("value", "") == ""
    client.get("/a/romashka/integrations", status=302)


def test_signing_in_rightly_uses_up_no_attempt(app, session, account, limited):
    make_person(session, account, email="olga@romashka.example")
    for _time in range(5):
        LintingClient(app).sign_in("olga@romashka.example")


def test_the_limit_on_the_password_page_is_said_on_that_page(app, session, account, limited):
    owner = enter_as(app, session, account)
    for _attempt in range(3):
        owner.post("/password", {"current": "wrong", "new": "another password"}, status=422)
    page = owner.post("/password", {"current": "wrong", "new": "another password"}, status=429)
    assert said(page.h1) == "Сменить пароль"


def test_sign_in_leads_back_to_the_page_that_was_asked_for(session, account, client):
    make_person(session, account, email="olga@romashka.example")
    asked = "/a/romashka/events?state=failed"
    sent = path_of(client.get(asked, status=302))
    answer = client.post(sent, {"email": "olga@romashka.example", "password": PASSWORD})
    assert path_of(answer) == asked
    client.get(asked)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_sign_in_never_leads_to_another_site(session, account, client, address):
    make_person(session, account, email="olga@romashka.example")
    data = {"email": "olga@romashka.example", "password": PASSWORD}
    answer = client.post("/sign-in", data, query_string={"next": address})
    assert path_of(answer) == "/"


@pytest.mark.parametrize("address", ELSEWHERE)
def test_the_language_switch_never_leads_to_another_site(client, address):
    answer = client.post("/language", {"language": "en", "next": address})
    assert path_of(answer) == "/"


def test_a_new_password_ends_the_sessions_on_other_devices_and_not_this_one(app, session, account):
    user = make_person(session, account, email="olga@romashka.example")
    here, elsewhere = LintingClient(app), LintingClient(app)
    for device in (here, elsewhere):
        device.sign_in("olga@romashka.example")
        device.get("/a/romashka/integrations")
    here.post("/password", {"current": PASSWORD, "new": "quite another one"})
    page = here.get("/a/romashka/integrations")
    assert flash(page) == "Пароль изменён. На других устройствах понадобится войти заново."
    assert path_of(elsewhere.get("/a/romashka/integrations", status=302)).startswith("/sign-in")
    elsewhere.post("/sign-in", {"email": user.email, "password": PASSWORD}, status=422)
    elsewhere.sign_in("olga@romashka.example", "quite another one")


@pytest.mark.parametrize(
    ("sent", "field", "error"),
    [
        ({"current": "wrong", "new": "quite another one"}, "current", "Это не нынешний пароль."),
        ({"current": PASSWORD, "new": "short"}, "new", "Пароль должен быть не короче 10 знаков."),
        ({"current": PASSWORD, "new": ""}, "new", "Придумайте пароль."),
    ],
)
def test_a_mistake_on_the_password_page_changes_nothing(app, session, account, sent, field, error):
    user = make_person(session, account)
    client, before = enter(app, user), everything(session)
    page = client.post("/password", sent, status=422)
    assert beside(page, field) == error
    assert all(not control.get("value") for control in page.find_all("input", type="password"))
    assert everything(session) == before


def test_signing_out_ends_the_session(owner):
    assert path_of(owner.post("/sign-out")) == "/sign-in"
    owner.get("/a/romashka/integrations", status=302)
    with owner.client.session_transaction() as kept:
        assert "_user_id" not in kept


def test_a_link_cannot_sign_anybody_out(owner):
    owner.get("/sign-out", status=405)
    owner.get("/a/romashka/integrations")


def test_a_user_who_is_gone_has_no_session(app, session, account):
    user = make_person(session, account)
    client = enter(app, user)
    session.delete(user)
    session.commit()
    client.get("/a/romashka/integrations", status=302)


@pytest.mark.parametrize("name", ["1.2.3", "x.1", "1", "", "1."])
def test_a_session_of_a_strange_name_is_nobodys(app, client, name):
    with client.client.session_transaction() as kept:
        kept["_user_id"] = name
    assert path_of(client.get("/", status=302)).startswith("/sign-in")


def test_a_user_of_no_account_is_told_so_and_can_leave(app, session):
    client = enter(app, make_person(session))
    page = client.get("/")
    assert said(page.h1) == "Кабинетов пока нет"
    client.post(page.find("form")["action"])


def test_before_sign_in_the_language_is_the_browsers_until_another_is_chosen(client):
    """B11."""
    assert client.get("/sign-in").html["lang"] == "ru"
    assert client.get("/sign-in", headers={"Accept-Language": "en-GB,en;q=0.8"}).html["lang"] == "en"
    form = client.get("/sign-in").find("form", attrs={"action": "/language"})
    assert path_of(
        client.post("/language", {"language": "en", "next": form.find(attrs={"name": "next"})["value"]})
    ) == ("/sign-in")
    for _visit in range(2):
        assert client.get("/sign-in", headers={"Accept-Language": "ru"}).html["lang"] == "en"


def test_a_users_language_is_kept_on_every_device(app, session, account):
    """B11."""
    user = make_person(session, account)
    here = enter(app, user)
    assert here.get("/a/romashka/integrations").html["lang"] == "ru"
    page = here.follow("/language", {"language": "en", "next": "/a/romashka/events?state=failed"})
    assert page.html["lang"] == "en"
    assert enter(app, user).get("/a/romashka/integrations").html["lang"] == "en"
    pressed = page.select_one("button[name=language][aria-pressed=true]")
    assert pressed["value"] == "en"
    here.post("/language", {"language": "ru"})
    assert enter(app, user).get("/a/romashka/integrations").html["lang"] == "ru"


@pytest.mark.parametrize("language", ["de", "", "../en"])
def test_a_language_that_is_not_offered_is_refused(owner, language):
    owner.post("/language", {"language": language}, status=400)


def test_an_owner_makes_one_more_account(session, owner):
    """B10: an agency's next client."""
    answer = owner.post("/accounts/new", {"account_name": "Ромашка", "timezone": "Europe/Moscow"})
    assert path_of(answer) == "/a/romashka-2/integrations"
    assert flash(owner.get(path_of(answer))) == "Кабинет «Ромашка» создан."
    session.rollback()
    made = session.scalar(select(Account).where(Account.slug == "romashka-2"))
    assert [membership.role for membership in made.memberships] == [Role.OWNER]
    records = session.scalars(select(AuditRecord.action).where(AuditRecord.account_id == made.id)).all()
    assert records == ["account.create"]


def test_who_owns_nothing_makes_no_account(session, editor, viewer):
    for client in (editor, viewer):
        client.get("/accounts/new", status=403)
        client.post("/accounts/new", {"account_name": "Новый", "timezone": "Europe/Moscow"}, status=403)
    assert count(session, Account) == 1


def test_a_name_without_a_single_letter_still_gives_an_address(session, owner):
    for name in ("!!!", "Ромашка " * 20, "new"):
        answer = owner.post("/accounts/new", {"account_name": name, "timezone": "UTC"})
        owner.get(path_of(answer))
    assert count(session, Account) == 4
    assert count(session, Membership) == 4


def test_the_whole_way_of_a_first_user_is_linted_and_ends_at_an_integration(client, session, token):
    """Issue 2: a welcome link, an account, the Jivo page."""
    client.post(f"/welcome/{token}", WELCOME)
    page = client.follow("/a/romashka/integrations/new", {"vendor": "jivo"})
    assert said(page.h1) == "Jivo: передача чатов"


def test_home_is_the_account_last_worked_in_or_else_the_first_one_joined(app, session, account):
    user = make_person(session, account)
    earlier = make_account(session, "a-first-by-name", name="Аист")
    user.memberships.append(Membership(account_id=earlier.id, role=Role.OWNER))
    session.commit()
    client = enter(app, user)
    session.rollback()
    assert path_of(client.get("/", status=302)) == "/a/romashka/integrations"
    client.get("/a/a-first-by-name/events")
    assert path_of(client.get("/", status=302)) == "/a/a-first-by-name/integrations"
    with client.client.session_transaction() as kept:
        kept["account"] = "one-that-is-gone"
    assert path_of(client.get("/", status=302)) == "/a/romashka/integrations"


def test_a_signed_in_user_with_integrations_lands_on_their_list(app, session, account):
    make_integration(session, account)
    invitation, token = Invitation.make(account, None, Role.VIEWER)
    session.add(invitation)
    session.commit()
    session.rollback()
    client = enter(app, make_person(session, email="anna@romashka.example"))
    session.rollback()
    assert path_of(client.post(f"/invitation/{token}")) == "/a/romashka/integrations"
