"""B13: the alerts of an account are in the file too: whom they are told, and nothing of a key."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from sqlalchemy import select, text

from tests.cli.files import apply, document, everything
from tests.factories import make_account
from webapp.models import Account, AlertSetting, AuditRecord

URL, SECRET = "https://hooks.example/T0/topsecret", "another-secret-of-more-than-thirty-two-characters"
ALERTS: dict[str, Any] = {
    "off": ["silence", "connections"],
    "unattributed_limit": 15,
    "emails": ["olga@shop.example", "pavel@shop.example"],
    "language": "en",
    "webhook_url": URL,
    "webhook_secret": SECRET,
}


def with_alerts(**alerts: Any) -> dict[str, Any]:
    content = document()
    content["accounts"][0]["alerts"] = alerts
    return content


def setting(session) -> AlertSetting:
    session.rollback()
    return session.scalars(select(AlertSetting)).one()


def exported(runner, *options: str) -> str:
    result = runner.invoke(args=["config", "export", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def applied(runner) -> Any:
    apply(runner, document())
    return apply(runner, with_alerts(**ALERTS))


def test_they_are_set_and_told_in_the_files_words(session, runner, applied):
    names = ("off", "unattributed_limit", "emails", "language", "webhook_secret", "webhook_url")
    assert applied.stdout.splitlines() == [f"romashka: ~ alerts.{name}" for name in names]
    kept = setting(session)
    assert {name: getattr(kept, name) for name in ALERTS} == ALERTS
    assert apply(runner, with_alerts(**ALERTS)).stdout == "nothing to change\n"


def test_a_check_may_be_named_off_without_quotes(session, runner):
    """YAML takes off for a no."""
    apply(runner, "accounts: [{slug: romashka, name: Ромашка, alerts: {off: [silence]}}]")
    assert setting(session).off == ["silence"]


def test_what_the_file_does_not_mention_stays(session, runner, applied):
    apply(runner, with_alerts(unattributed_limit=40))
    kept = setting(session)
    assert {name: getattr(kept, name) for name in ALERTS} == ALERTS | {"unattributed_limit": 40}
    for content in (document(), with_alerts()):
        assert apply(runner, content).stdout == "nothing to change\n"


def test_an_address_is_kept_in_one_form_and_once_and_checks_in_their_order(session, runner):
    apply(runner, with_alerts(emails=["Olga@Shop.Example", "olga@shop.example"], off=["connections", "silence"]))
    assert (setting(session).emails, setting(session).off) == (["olga@shop.example"], ["silence", "connections"])


def test_a_webhook_without_a_secret_gets_one_and_null_takes_the_webhook_away(session, runner):
    apply(runner, with_alerts(webhook_url=URL))
    made = setting(session).webhook_secret
    assert len(made) >= 32
    apply(runner, with_alerts(webhook_url=None))
    assert (setting(session).webhook_url, setting(session).webhook_secret) == (None, made)


def test_a_key_is_neither_in_clear_in_the_database_nor_in_the_record_nor_told(session, runner, applied):
    row = session.execute(text("SELECT * FROM alert_setting")).one()
    told = repr([bytes(one) if isinstance(one, memoryview) else one for one in row])
    records = [record.changes for record in session.scalars(select(AuditRecord).order_by(AuditRecord.id))]
    assert records[-1]["alerts.webhook_url"] == [None, "***"]
    assert records[-1]["alerts.webhook_secret"] == ["***", "***"]
    for words in (told, repr(records), applied.output):
        assert "topsecret" not in words
        assert SECRET not in words


def test_the_webhook_is_exported_only_with_secrets(runner, applied):
    open_part = {name: value for name, value in ALERTS.items() if not name.startswith("webhook")}
    assert yaml.safe_load(exported(runner))["accounts"][0]["alerts"] == open_part
    assert yaml.safe_load(exported(runner, "--secrets"))["accounts"][0]["alerts"] == ALERTS


@pytest.mark.parametrize("options", [(), ("--secrets",)])
@pytest.mark.parametrize("stored", [True, False])
def test_applying_the_export_changes_nothing(session, runner, options, stored):
    """An account that never chose has what is usual, which is not stored then either."""
    apply(runner, with_alerts(**ALERTS) if stored else document())
    before = everything(session)
    assert apply(runner, exported(runner, *options)).stdout == "nothing to change\n"
    assert everything(session) == before
    assert len(session.scalars(select(AlertSetting)).all()) == stored


def test_each_account_has_its_own(session, runner, applied):
    other = make_account(session, "vasilek")
    apply(runner, {"accounts": [{"slug": "vasilek", "alerts": {"unattributed_limit": 5}}]})
    found = {
        account.slug: session.scalar(
            select(AlertSetting.unattributed_limit).where(AlertSetting.account_id == account.id)
        )
        for account in session.scalars(select(Account))
    }
    assert found == {"romashka": 15, other.slug: 5}
