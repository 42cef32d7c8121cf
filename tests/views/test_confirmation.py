"""What cannot be taken back is asked about by the server too, when no script has asked before."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from tests.factories import make_integration
from tests.pages import LintingClient
from tests.views.acting import everything, filled, make_person, said
from webapp.models import Account, Integration, Role

INTEGRATION = "/a/romashka/integrations/jivo"


@pytest.fixture
def forms(session: Session, account: Account) -> dict[str, tuple[str, dict[str, str]]]:
    """What is asked about: where it is posted to, and with what."""
    integration = make_integration(session, account)
    make_integration(session, account, "amo", "amocrm", name="amoCRM")
    make_person(session, account, Role.VIEWER)
    session.commit()
    session.refresh(integration)
    number = account.memberships[-1].id if hasattr(account, "memberships") else 0
    session.rollback()
    return {
        "integration": (f"{INTEGRATION}/archive", {}),
        "authorization": ("/a/romashka/integrations/amo/authorization/disconnect", {}),
        "cabinet": ("/a/romashka/settings/cabinet/disconnect", {}),
        "person": (f"/a/romashka/people/{number}/role", {"role": "remove"}),
        "contact": ("/a/romashka/settings/erasure", {"action": "erase", "who": "+7 900 000-12-34"}),
    }


@pytest.mark.parametrize("what", ["integration", "authorization", "cabinet", "person", "contact"])
def test_without_a_yes_nothing_is_done_and_the_page_asks(session, owner: LintingClient, forms, what: str):
    path, fields = forms[what]
    before = everything(session)
    page = owner.post(path, {**fields, "confirmed": ""}, status=200)
    assert everything(session) == before
    assert said(page.h1).split("?")[0].split()[0] in {"Удалить", "Отключить", "Убрать"}
    assert page.form["action"] == path
    assert filled(page.form) == {**fields, "confirmed": "yes"}, "all fields are kept"
    owner.post(path, filled(page.form), status=303)


def test_the_way_back_leads_to_the_page_one_came_from_and_to_no_other_site(owner: LintingClient, forms):
    path, _fields = forms["integration"]
    for referrer, back in (
        (f"http://localhost{INTEGRATION}?wait=1", f"{INTEGRATION}?wait=1"),
        ("https://evil.example/a", "/"),
        ("", "/"),
    ):
        page = owner.post(path, {"confirmed": ""}, status=200, environ_overrides={"HTTP_REFERER": referrer})
        assert page.select_one(".buttons a")["href"] == back


def test_who_may_not_do_it_is_not_asked(session, editor: LintingClient, forms):
    editor.post(forms["integration"][0], {"confirmed": ""}, status=403)
    session.rollback()
    assert session.query(Integration).filter(Integration.archived_at.is_not(None)).count() == 0


def test_another_role_is_given_without_a_question(owner: LintingClient, forms):
    owner.post(forms["person"][0], {"role": "editor", "confirmed": ""}, status=303)
