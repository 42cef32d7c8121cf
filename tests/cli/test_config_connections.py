"""B13: authorizations and session fields in the configuration file (DESIGN §8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from sqlalchemy import func, select, text

from tests.cli.files import apply, document, everything
from tests.views.acting import jobs
from webapp.models import AuditRecord, Authorization, Integration

TOKENS = {"access_token": "access-1", "refresh_token": "refresh-1", "expires_at": "2026-11-25T10:00:00Z"}


def content(**authorization: Any) -> dict[str, Any]:
    """The document with an amoCRM integration and its authorization."""
    found = document()
    account = found["accounts"][0]
    given = {
        "key": "main", "vendor": "amocrm", "name": "Основной", "domain": "Example.amocrm.ru", "client_id": "id-1",
        "client_secret": "secret-1", **TOKENS,
    }  # fmt: skip
    given |= authorization
    account["authorizations"] = [{name: value for name, value in given.items() if value is not None}]
    account["integrations"].append(
        {
            "key": "amo", "vendor": "amocrm", "active": True, "authorization": "main", "session_field": 316923,
            "fallback": {"kind": "source", "source": "tg", "site": "shop"},
        }
    )  # fmt: skip
    return found


def stored(session: Any) -> tuple[Authorization, Integration]:
    session.rollback()
    return (
        session.scalars(select(Authorization)).one(),
        session.scalars(select(Integration).where(Integration.key == "amo")).one(),
    )


def test_an_authorization_is_connected_and_used(runner, session):
    apply(runner, content())
    row, integration = stored(session)
    assert (row.domain, row.url) == ("example.amocrm.ru", "https://example.amocrm.ru")
    assert row.token_url == "https://example.amocrm.ru/oauth2/access_token"
    assert (row.client_secret, row.access_token, row.refresh_token) == ("secret-1", "access-1", "refresh-1")
    assert (row.expires_at, row.state) == (datetime(2026, 11, 25, 10, tzinfo=UTC), "connected")
    assert integration.authorization is row
    assert integration.options["session_field"] == 316923


def test_applying_it_twice_changes_nothing(runner, session):
    apply(runner, content())
    before, enqueued = everything(session), jobs(session)
    assert "nothing to change" in apply(runner, content()).stdout
    assert (everything(session), jobs(session)) == (before, enqueued)


def test_tokens_that_were_exchanged_since_are_not_brought_back(runner, session):
    """They are spent: the same file must stay applicable for ever."""
    apply(runner, content())
    row, _integration = stored(session)
    row.access_token, row.refresh_token = "access-2", "refresh-2"
    session.commit()
    apply(runner, content())
    assert stored(session)[0].refresh_token == "refresh-2"
    apply(runner, content(access_token="access-3", refresh_token="refresh-3"))
    assert stored(session)[0].refresh_token == "refresh-3"


def test_a_long_lived_token_alone(runner, session):
    apply(runner, content(**dict.fromkeys(TOKENS), client_id=None, client_secret=None, long_lived_token="long-1"))
    row, _integration = stored(session)
    assert (row.access_token, row.refresh_token, row.long_lived, row.connected) == ("long-1", None, True, True)


@pytest.mark.parametrize(
    ("written", "moment"),
    [("2026-11-25T13:00:00+03:00", 10), ("2026-11-25 10:00:00", 10), (1795600800, 10), (None, None)],
)
def test_the_moment_of_expiry_in_whatever_form(runner, session, written, moment):
    apply(runner, content(expires_at=written))
    found = stored(session)[0].expires_at
    assert found == (datetime(2026, 11, 25, moment, tzinfo=UTC) if moment else None)


def test_no_secret_is_exported_logged_or_stored_in_clear(runner, session):
    """DESIGN §9."""
    printed = apply(runner, content()).output
    exported = runner.invoke(args=["config", "export"]).stdout
    [record] = session.scalars(select(AuditRecord)).all()
    for secret in ("secret-1", "access-1", "refresh-1"):
        assert secret not in printed + exported + str(record.changes)
    columns = "client_secret, access_token, refresh_token"
    [row] = session.execute(text(f"SELECT {columns} FROM vendor_authorization"))
    assert not any(secret in bytes(value) for value in row for secret in (b"secret-1", b"access-1", b"refresh-1"))


def test_what_is_exported_with_secrets_can_be_applied_elsewhere(runner, session):
    apply(runner, content())
    exported = runner.invoke(args=["config", "export", "--secrets"]).stdout
    account = yaml.safe_load(exported)["accounts"][0]
    [authorization] = account["authorizations"]
    assert {name: authorization[name] for name in ("key", "vendor", "domain", "client_secret", "refresh_token")} == {
        "key": "main", "vendor": "amocrm", "domain": "example.amocrm.ru", "client_secret": "secret-1",
        "refresh_token": "refresh-1",
    }  # fmt: skip
    amo = next(one for one in account["integrations"] if one["key"] == "amo")
    assert (amo["authorization"], amo["session_field"]) == ("main", 316923)
    assert "session_field" not in amo["options"]
    before = everything(session)
    assert "nothing to change" in apply(runner, exported).stdout
    assert everything(session) == before


def test_a_stand_in_is_allowed_by_the_environment_alone(runner, session, app, monkeypatch):
    """DESIGN §8: scheme and port only for a host in EXTRA_VENDOR_HOSTS."""
    refused = apply(runner, content(domain="http://127.0.0.1:9001"), code=1)
    assert "accounts[0].authorizations[0].domain: must be of one of the vendor's hosts" in refused.stderr
    settings = app.config["SETTINGS"].model_copy(update={"EXTRA_VENDOR_HOSTS": ("127.0.0.1:9001",)})
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    apply(runner, content(domain="http://127.0.0.1:9001"))
    row, _integration = stored(session)
    assert (row.url, row.token_url) == ("http://127.0.0.1:9001", "http://127.0.0.1:9001/oauth2/access_token")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"domain": "evil.example"}, "domain: must be of one of the vendor's hosts"),
        ({"domain": None}, "domain: is needed for a new authorization"),
        ({"vendor": None}, "vendor: is needed for a new authorization"),
        ({"vendor": "jivo"}, 'vendor: the vendor "jivo" needs no authorization'),
        ({"vendor": "talkme"}, 'vendor: the vendor "talkme" is not available'),
        ({"refresh_token": None}, "refresh_token: is needed with access_token"),
        ({"access_token": None}, "access_token: is needed with refresh_token"),
        ({"client_secret": None}, "client_id: client_id and client_secret are needed"),
        ({"long_lived_token": "x"}, "long_lived_token: stands alone"),
        ({"expires_at": "tomorrow"}, "expires_at: must be a moment"),
        ({"url": "https://evil.example"}, "url: must be of one of the vendor's hosts"),
        ({"colour": "red"}, "colour: unknown key"),
    ],
)
def test_a_mistake_is_named_by_its_path_and_nothing_is_applied(runner, session, changes, words):
    refused = apply(runner, content(**changes), code=1)
    assert f"accounts[0].authorizations[0].{words}" in refused.stderr
    assert session.scalar(select(func.count()).select_from(Authorization)) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"authorization": "none"}, 'authorization: no authorization has the key "none"'),
        ({"session_field": "abc"}, "session_field: must be a whole number"),
        ({"session_field": -1}, "session_field: must be a positive whole number"),
    ],
)
def test_a_mistake_of_the_integration_is_named_too(runner, changes, words):
    found = content()
    found["accounts"][0]["integrations"][1] |= changes
    assert f"accounts[0].integrations[1].{words}" in apply(runner, found, code=1).stderr


def test_an_authorization_that_is_left_out_stays_and_can_be_let_go(runner, session):
    apply(runner, content())
    found = content()
    del found["accounts"][0]["authorizations"]
    assert "nothing to change" in apply(runner, found).stdout
    found["accounts"][0]["integrations"][1] |= {"authorization": None, "session_field": None}
    apply(runner, found)
    row, integration = stored(session)
    assert (integration.authorization, integration.options["session_field"], row.connected) == (None, None, True)
