"""The people of an account: invitations, roles, the last owner (issue 2.2, B10)."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from tests.factories import make_account
from tests.pages import LintingClient
from tests.views.acting import beside, enter, enter_as, everything, flash, make_person, path_of, rows, said
from webapp.models import Account, AuditRecord, Invitation, Membership, Role, User, utc_now

PEOPLE = "/a/romashka/people"


def invite(owner: LintingClient, email: str = "anna@romashka.example", role: str = "editor") -> str:
    """The path of the link that the page gives out for a colleague."""
    page = owner.post(PEOPLE, {"email": email, "role": role}, status=200)
    return urlsplit(page.find(id="invitation-link")["value"]).path


def memberships(session) -> dict[str, str]:
    session.rollback()
    found = session.execute(select(User.email, Membership.role).join(Membership).join(Account).order_by(User.email))
    return dict(found.all())


def audited(session) -> list[tuple[str, str, dict]]:
    session.rollback()
    records = session.scalars(select(AuditRecord).order_by(AuditRecord.id))
    return [(record.action, record.subject, record.changes) for record in records]


def member(session, email: str) -> int:
    session.rollback()
    number = session.scalar(select(Membership.id).join(User).where(User.email == email))
    session.rollback()
    return number


def test_an_invitation_is_a_link_that_is_shown_once(session, owner):
    page = owner.post(PEOPLE, {"email": "Anna@Romashka.Example", "role": "viewer"}, status=200)
    link = page.find(id="invitation-link")["value"]
    token = link.rpartition("/")[2]
    assert link.startswith("http://localhost/invitation/")
    assert "anna@romashka.example" in said(page), "the invitation waits in the list"
    invitation = session.scalars(select(Invitation)).one()
    assert (invitation.email, invitation.role, invitation.usable) == ("anna@romashka.example", "viewer", True)
    assert invitation.token_hash == Invitation.hash_of(token) != token
    assert token not in str(owner.get(PEOPLE))
    assert [record[0] for record in audited(session)] == ["people.invite"]
    assert token not in repr(audited(session))


def test_the_link_carries_the_public_address_of_the_server(app, owner, monkeypatch):
    settings = app.config["SETTINGS"].model_copy(update={"PUBLIC_URL": "https://lead.example"})
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    page = owner.post(PEOPLE, {"email": "anna@romashka.example", "role": "editor"}, status=200)
    assert page.find(id="invitation-link")["value"].startswith("https://lead.example/invitation/")


@pytest.mark.parametrize(
    ("email", "error"),
    [("", "Введите почту."), ("anna", "Это не адрес почты. Нужен вид name@company.ru.")],
)
def test_an_invitation_to_no_address_is_refused_beside_the_field(session, owner, email, error):
    page = owner.post(PEOPLE, {"email": email, "role": "viewer"}, status=422)
    assert beside(page, "email") == error
    assert page.find(id="email")["value"] == email
    assert page.select_one("#role option[selected]")["value"] == "viewer", "what was chosen stays"
    assert session.scalars(select(Invitation)).all() == []


def test_an_invitation_to_an_unknown_role_is_refused(session, owner):
    page = owner.post(PEOPLE, {"email": "anna@romashka.example", "role": "god"}, status=422)
    assert beside(page, "role")
    assert session.scalars(select(Invitation)).all() == []


def test_a_new_colleague_makes_a_password_and_is_in_with_the_invited_role(app, session, owner):
    link, guest = invite(owner), LintingClient(app)
    page = guest.get(link)
    assert said(page.h1) == "Вас пригласили в кабинет «Ромашка»"
    assert page.find(id="email")["value"] == "anna@romashka.example"
    answer = guest.post(link, {"email": "anna@romashka.example", "name": "Анна", "password": "a long password"})
    assert path_of(answer) == "/a/romashka/integrations/new"
    guest.get("/a/romashka/integrations")
    guest.get(PEOPLE, status=403)
    assert memberships(session)["anna@romashka.example"] == Role.EDITOR
    assert audited(session)[-1] == ("people.join", "anna@romashka.example", {"role": [None, "editor"]})
    assert "Ждём по приглашению" not in said(owner.get(PEOPLE))
    LintingClient(app).sign_in("anna@romashka.example", "a long password")


def test_a_link_lets_in_one_person_once(app, session, owner):
    link = invite(owner)
    LintingClient(app).post(link, {"email": "anna@romashka.example", "password": "a long password"})
    before, late = everything(session), LintingClient(app)
    late.get(link, status=410)
    late.post(link, {"email": "boris@romashka.example", "password": "a long password"}, status=410)
    assert everything(session) == before


def test_somebody_who_is_a_user_already_adds_the_account_to_theirs(app, session, owner):
    other = make_account(session, "vasilek")
    guest = enter_as(app, session, other, email="anna@vasilek.example")
    link = invite(owner, role="viewer")
    page = guest.get(link)
    assert "Вы вошли как anna@vasilek.example." in said(page)
    guest.post(link)
    session.rollback()
    user = session.scalars(select(User).where(User.email == "anna@vasilek.example")).one()
    assert {row.account.slug: row.role for row in user.memberships} == {"vasilek": "owner", "romashka": "viewer"}
    guest.get("/a/romashka/integrations")
    guest.get(link, status=410)


def test_a_known_address_is_not_taken_twice(app, session, owner):
    make_person(session, email="anna@romashka.example")
    link, guest = invite(owner), LintingClient(app)
    before = everything(session)
    page = guest.post(link, {"email": "Anna@romashka.example", "password": "a long password"}, status=422)
    assert beside(page, "email") == "Такой пользователь уже есть. Войдите под ним и откройте ссылку ещё раз."
    assert everything(session) == before
    guest.get(link)


def test_joining_again_with_a_smaller_role_takes_nothing_away(app, session, owner, account):
    link = invite(owner, role="viewer")
    owner.post(link)
    assert memberships(session)["owner@romashka.example"] == Role.OWNER
    editor = enter_as(app, session, account, Role.EDITOR)
    editor.post(invite(owner, role="owner"))
    assert memberships(session)["editor@romashka.example"] == Role.OWNER


def test_an_invitation_that_is_too_old_is_dead_and_not_listed(app, session, owner):
    link = invite(owner)
    session.rollback()
    session.scalars(select(Invitation)).one().expires_at = utc_now() - timedelta(seconds=1)
    session.commit()
    LintingClient(app).get(link, status=410)
    assert "anna@romashka.example" not in said(owner.get(PEOPLE))


def test_a_revoked_invitation_is_dead(app, session, owner):
    link = invite(owner)
    page = owner.get(PEOPLE)
    form = next(form for form in page.find_all("form") if "/invitations/" in form.get("action", ""))
    page = owner.follow(form["action"])
    assert flash(page) == "Приглашение отозвано."
    guest = LintingClient(app)
    guest.get(link, status=410)
    guest.post(link, {"email": "anna@romashka.example", "password": "a long password"}, status=410)
    assert [record[0] for record in audited(session)] == ["people.invite", "people.revoke"]


def test_the_list_names_everybody_and_their_roles(app, session, owner, account):
    make_person(session, account, Role.VIEWER, name="Вера", email="vera@romashka.example")
    session.rollback()
    page = owner.get(PEOPLE)
    assert [row[0] for row in rows(page)] == ["owner@romashka.example", "Вера vera@romashka.example"]
    chosen = [option["value"] for option in page.select("tbody option[selected]")]
    assert chosen == ["owner", "viewer"]


def test_a_changed_role_holds_at_once_and_is_recorded(app, session, owner, account):
    viewer = enter_as(app, session, account, Role.VIEWER)
    viewer.post("/a/romashka/integrations/new", {"vendor": "jivo"}, status=403)
    page = owner.follow(f"{PEOPLE}/{member(session, 'viewer@romashka.example')}/role", {"role": "editor"})
    assert flash(page) == "Доступ изменён."
    viewer.post("/a/romashka/integrations/new", {"vendor": "jivo"})
    changes = [record for record in audited(session) if record[0] == "people.role"]
    assert changes == [("people.role", "viewer@romashka.example", {"role": ["viewer", "editor"]})]


def test_a_removed_member_is_out_at_once_and_stays_a_user(app, session, owner, account):
    editor = enter_as(app, session, account, Role.EDITOR)
    owner.post(f"{PEOPLE}/{member(session, 'editor@romashka.example')}/role", {"role": "remove"})
    editor.get("/a/romashka/integrations", status=404)
    assert said(editor.get("/").h1) == "Кабинетов пока нет"
    assert audited(session)[-1] == ("people.role", "editor@romashka.example", {"role": ["editor", None]})


def test_an_unknown_role_is_refused(session, owner):
    before = everything(session)
    owner.post(f"{PEOPLE}/{member(session, 'owner@romashka.example')}/role", {"role": "god"}, status=400)
    owner.post(f"{PEOPLE}/{member(session, 'owner@romashka.example')}/role", {}, status=400)
    assert everything(session) == before


@pytest.mark.parametrize("wanted", ["editor", "viewer", "remove"])
def test_the_last_owner_stays(session, owner, wanted):
    before = everything(session)
    page = owner.follow(f"{PEOPLE}/{member(session, 'owner@romashka.example')}/role", {"role": wanted})
    assert flash(page) == "Единственного владельца нельзя убрать: сначала назначьте другого."
    assert everything(session) == before


@pytest.mark.parametrize("wanted", ["viewer", "remove"])
def test_an_owner_may_step_down_when_there_is_another(app, session, owner, account, wanted):
    make_person(session, account, Role.OWNER, email="second@romashka.example")
    session.rollback()
    answer = owner.post(f"{PEOPLE}/{member(session, 'owner@romashka.example')}/role", {"role": wanted})
    assert path_of(answer) == "/", "the page of people is closed to them now"
    owner.get(PEOPLE, status=403 if wanted == "viewer" else 404)
    assert memberships(session).get("owner@romashka.example") == (wanted if wanted == "viewer" else None)


def test_an_owner_of_another_account_does_not_count_as_an_owner_here(app, session, owner):
    make_person(session, make_account(session, "vasilek"), Role.OWNER)
    session.rollback()
    owner.post(f"{PEOPLE}/{member(session, 'owner@romashka.example')}/role", {"role": "viewer"})
    assert memberships(session)["owner@romashka.example"] == Role.OWNER


def test_a_user_signed_in_elsewhere_sees_whom_they_join_as(app, session, owner):
    """Nobody joins by only opening a link."""
    guest = enter(app, make_person(session, email="anna@vasilek.example"))
    session.rollback()
    guest.get(invite(owner))
    assert "anna@vasilek.example" not in memberships(session)
