"""The record of changes holds no secret and no contact."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.factories import make_account, make_user
from webapp import audit
from webapp.models import AuditRecord


def recorded(session, **values) -> AuditRecord:
    account = make_account(session)
    audit.record(session, account.id, **{"actor": "test", "action": "a", "subject": "s", "changes": {}, **values})
    session.commit()
    return session.scalars(select(AuditRecord)).one()


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"name": ["old", "new"]}, {"name": ["old", "new"]}),
        ({"webhook_secret": ["old", "new"]}, {"webhook_secret": ["***", "***"]}),
        ({"cabinet_access_token": [None, "new"]}, {"cabinet_access_token": [None, "***"]}),
        ({"email": ["", "a@b.example"]}, {"email": ["", "***"]}),
        ({"contact_window_days": [None, 30]}, {"contact_window_days": [None, 30]}),
        (
            {"options": [{"client_secret": "x", "plain": "y"}, {"client_secret": "z"}]},
            {"options": [{"client_secret": "***", "plain": "y"}, {"client_secret": "***"}]},
        ),
        ({"tokens": [["a", "b"], {"first": "c"}]}, {"tokens": [["***", "***"], {"first": "***"}]}),
    ],
)
def test_values_under_the_names_of_secrets_are_masked_at_any_depth(session, changes, kept):
    assert recorded(session, changes=changes).changes == kept


def test_a_users_name_outlives_the_user(session):
    account = make_account(session)
    user = make_user(session, account=account)
    audit.record(session, account.id, user=user, action="a", subject="s", changes={})
    session.commit()
    session.delete(user)
    session.commit()
    record = session.scalars(select(AuditRecord)).one()
    assert (record.user_id, record.actor) == (None, "owner@romashka.example")


def test_long_subjects_are_cut_to_their_column(session):
    assert len(recorded(session, subject="x" * 1000).subject) == 255
