"""The commands about an account with a Data API cabinet: configuration, reading, export (DESIGN §8)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select

from tests.cabinets.outside import Outside, connected
from tests.views.acting import chat, everything
from webapp.models import Account, Campaign, Integration

FILE = {
    "accounts": [
        {
            "slug": "vasilek",
            "name": "Василёк",
            "timezone": "Europe/Moscow",
            "cabinet": {"kind": "dataapi", "url": "https://dataapi.uiscom.ru/v2.0", "access_token": "secret-key-1"},
            "integrations": [
                {
                    "key": "jivo",
                    "vendor": "jivo",
                    "active": True,
                    "webhook_secret": "s" * 40,
                    "employee": "5501",
                    "fallback": {"kind": "campaign", "campaign": "268176"},
                    "channels": [{"channel": "telegram", "kind": "source", "source": "-2", "site": "43501"}],
                    "tag": "515101",
                    "upload_sessions": True,
                }
            ],
        }
    ]
}


def run(runner: Any, *arguments: str, code: int = 0) -> Any:
    result = runner.invoke(args=list(arguments))
    assert result.exit_code == code, result.output
    return result


def apply(runner: Any, tmp_path: Path, document: Any, code: int = 0) -> Any:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return run(runner, "config", "apply", str(path), code=code)


def changed(**values: Any) -> Any:
    """The file with other values in its integration."""
    document = json.loads(json.dumps(FILE))
    document["accounts"][0]["integrations"][0] |= values
    return document


def test_the_cabinet_is_set_and_ids_are_taken_on_trust_until_it_is_read(runner, session, tmp_path):
    result = apply(runner, tmp_path, FILE)
    assert "until then ids are taken on trust" in result.stderr
    assert "secret-key-1" not in result.stdout
    account = session.scalars(select(Account)).one()
    assert (account.cabinet_kind, account.cabinet_access_token) == ("dataapi", "secret-key-1")
    campaign = session.scalars(select(Campaign)).one()
    assert (campaign.key, campaign.outside) == ("268176", {"unverified": True})
    integration = session.scalars(select(Integration)).one()
    assert integration.campaign_id == campaign.id
    assert integration.handover == {"tag": "515101", "upload_sessions": True}
    assert integration.mappings[0].source.key == "-2"


def test_applying_it_twice_changes_nothing_and_the_export_is_the_file(runner, session, tmp_path):
    apply(runner, tmp_path, FILE)
    before = everything(session)
    assert "nothing to change" in apply(runner, tmp_path, FILE).stdout
    assert everything(session) == before
    shown = run(runner, "config", "export", "--account", "vasilek").stdout
    assert "secret-key-1" not in shown
    document = yaml.safe_load(run(runner, "config", "export", "--account", "vasilek", "--secrets").stdout)
    told = document["accounts"][0]
    assert told["cabinet"] == FILE["accounts"][0]["cabinet"]
    assert "sites" not in told
    assert told["integrations"][0]["fallback"] == {"kind": "campaign", "campaign": "268176"}
    assert (told["integrations"][0]["tag"], told["integrations"][0]["upload_sessions"]) == ("515101", True)
    assert "nothing to change" in apply(runner, tmp_path, document).stdout


def test_a_key_that_is_no_id_of_the_cabinet_is_a_mistake(runner, session, tmp_path):
    wrong = changed(fallback={"kind": "campaign", "campaign": "direct"})
    result = apply(runner, tmp_path, wrong, code=1)
    assert (
        'accounts[0].integrations[0].fallback.campaign: "direct" is no id of the outside cabinet, such as "268176"'
        in result.stderr
    )
    assert session.scalars(select(Account)).all() == []


@pytest.mark.parametrize(
    ("cabinet", "line"),
    [
        ({"kind": "dataapi"}, "accounts[0].cabinet.url: is needed for this kind of cabinet"),
        (
            {"kind": "dataapi", "url": "https://dataapi.uiscom.ru/v2.0"},
            "accounts[0].cabinet.access_token: is needed for this kind of cabinet",
        ),
    ],
)
def test_a_new_outside_cabinet_needs_an_address_and_a_key(runner, tmp_path, cabinet, line):
    document = changed()
    document["accounts"][0]["cabinet"] = cabinet
    assert line in apply(runner, tmp_path, document, code=1).stderr


def test_its_directory_is_not_in_the_file(runner, tmp_path):
    document = changed()
    document["accounts"][0]["sites"] = [{"key": "1", "domain": "a.example"}]
    assert "accounts[0].sites: is read from the outside cabinet" in apply(runner, tmp_path, document, code=1).stderr


def test_an_embedded_account_has_no_tags(runner, tmp_path):
    document = changed(fallback=None, channels=[], employee=None)
    document["accounts"][0]["cabinet"] = {"kind": "embedded"}
    result = apply(runner, tmp_path, document, code=1)
    assert "accounts[0].integrations[0].tag: belongs to an account with another kind of cabinet" in result.stderr


@pytest.fixture
def outside(app, session, monkeypatch):
    with connected(app, session, monkeypatch) as outside:
        yield outside


def exported(runner: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(runner, "communications", "export").stdout.splitlines()]


ANNA = {"visitor": {"name": "Анна", "number": 7, "phone": "79123456789", "chats_count": 1}}


def test_the_export_tells_how_the_hand_over_stands(outside: Outside, runner):
    outside.send(
        chat(84, "Есть шторы?", **ANNA),
        chat(85, "Без контакта"),
        chat(86, "Ещё идёт", **ANNA) | {"event_name": "chat_accepted"},
    )
    outside.session.rollback()
    assert [one["delivery"]["state"] for one in exported(runner)] == ["pending"] * 3
    outside.run()
    delivered, held, waiting = exported(runner)
    number = str(outside.stored()["id"])
    assert delivered["delivery"] == {"state": "delivered", "reason": None, "external_id": number, "attempts": 1}
    assert held["delivery"] == {"state": "held", "reason": "no_contact", "external_id": None, "attempts": 0}
    assert waiting["delivery"] == {"state": "pending", "reason": "unfinished", "external_id": None, "attempts": 0}
    assert (delivered["campaign"], delivered["employee"], delivered["rule"]) == ("268101", "5505", "default")


def test_the_visit_is_the_session_that_was_sent(outside: Outside, runner):
    number = outside.double.add_session(site_id=43501, at=time.time() - 3600)["id"]
    outside.send(chat(84, "Есть шторы?", user_token=f"as1.{number}", **ANNA))
    outside.run()
    outside.session.rollback()
    [told] = exported(runner)
    assert (told["visit"], told["rule"]) == (str(number), "visit")
    assert "Проверить её может только кабинет" in told["trail"][0]["detail"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("ip_not_whitelisted", "ip_not_whitelisted"),
        ("access_token_blocked", "access_token_blocked"),
        ("close", "no_answer"),
    ],
)
def test_reading_that_is_refused_says_why(outside: Outside, runner, fault, words):
    outside.double.fault(fault, "get.account", times=None)
    outside.session.rollback()
    assert words in run(runner, "cabinet", "sync", "--account", "romashka", code=1).stderr


def test_placeholders_get_their_names_when_the_directory_is_read(outside: Outside, runner, session, tmp_path):
    integration = {"key": "jivo", "fallback": {"kind": "campaign", "campaign": "268999"}}
    document = {"accounts": [{"slug": "romashka", "integrations": [integration]}]}
    outside.session.rollback()
    apply(runner, tmp_path, document)
    outside.double.change_directory(
        put={"campaigns": [{"id": 268999, "name": "Новая", "status": "active", "type": "basic", "site_id": 43501}]}
    )
    run(runner, "cabinet", "sync", "--account", "romashka")
    row = session.scalars(select(Campaign).where(Campaign.key == "268999")).one()
    assert (row.name, row.outside["type"], row.archived_at) == ("Новая", "basic", None)
