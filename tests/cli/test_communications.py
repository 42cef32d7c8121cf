"""The exported communication (fixed by DESIGN §8)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import (
    make_account,
    make_campaign,
    make_employee,
    make_integration,
    make_site,
    make_source,
    make_visit,
)
from webapp.cli import exports
from webapp.models import Communication

START = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
TRAIL = [{"rule": "visit", "outcome": "absent", "facts": {"page": False}}]


def make_communication(session, integration, number: int = 1, **values) -> Communication:
    defaults = {
        "account_id": integration.account_id,
        "integration_id": integration.id,
        "type": "chat",
        "vendor_id": str(number),
        "started_at": START,
        "updated_at": START,
        "rule": "none",
    }
    row = Communication(**defaults | values)
    session.add(row)
    session.commit()
    return row


def export(runner, *options: str) -> list[dict]:
    result = runner.invoke(args=["communications", "export", *options])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def integration(session):
    return make_integration(session, make_account(session))


def test_a_full_communication_is_exported_to_the_letter(runner, session, integration):
    account = integration.account
    site, campaign = make_site(session, account), make_campaign(session, account)
    source, employee = make_source(session, account), make_employee(session, account)
    visit = make_visit(session, account)
    facts = {
        "session": "8f3c2d7e",
        "started_at": "2026-11-20T22:00:00+00:00",
        "marks": {"utm_source": "yandex"},
        "campaign": campaign.id,
        "source": source.id,
    }
    row = make_communication(
        session, integration, 84, finished_at=START + timedelta(minutes=1, microseconds=5), channel="telegram",
        contact_name="Анна", contact_phone="+79161234567", employee_id=employee.id, site_id=site.id,
        campaign_id=campaign.id, source_id=source.id, visit_id=visit.id, rule="visit",
        utm={"source": "yandex", "term": "шторы"}, trail=[{"rule": "visit", "outcome": "answered", "facts": facts}],
        messages=[{"at": "2026-11-20T22:30:00Z", "from": "visitor", "author": "Анна", "text": "Здравствуйте 🙂"}],
        text="Анна: Здравствуйте 🙂",
    )  # fmt: skip
    result = runner.invoke(args=["communications", "export", "--account", "romashka"])
    expected = {
        "id": str(row.id),
        "account": "romashka",
        "integration": "jivo",
        "vendor": "jivo",
        "type": "chat",
        "vendor_id": "84",
        "started_at": "2026-11-20T22:30:00Z",
        "finished_at": "2026-11-20T22:31:00.000005Z",
        "channel": "telegram",
        "contact": {"name": "Анна", "phone": "+79161234567", "email": None},
        "employee": "ivanov",
        "site": "shop",
        "campaign": "direct",
        "source": "tg",
        "visit": "8f3c2d7e",
        "utm": {"source": "yandex", "medium": None, "campaign": None, "content": None, "term": "шторы"},
        "rule": "visit",
        "trail": [
            {
                "rule": "visit",
                "outcome": "answered",
                # 22:00 UTC is 01:00 in Moscow: the sentence speaks the account's time.
                "detail": "Сессия найдена: 21 ноября 01:00, пришла с yandex. "
                "Кампания «Яндекс.Директ», источник «Telegram-канал».",
            }
        ],
        "messages": [{"at": "2026-11-20T22:30:00Z", "from": "visitor", "author": "Анна", "text": "Здравствуйте 🙂"}],
        "text": "Анна: Здравствуйте 🙂",
        "delivery": {"state": "none", "reason": None, "external_id": None, "attempts": 0},
    }
    assert result.stdout == json.dumps(expected, ensure_ascii=False) + "\n"


def test_every_key_is_there_when_nothing_is_known(runner, session, integration):
    make_communication(session, integration)
    (line,) = export(runner)
    assert line["utm"] == dict.fromkeys(("source", "medium", "campaign", "content", "term"))
    assert (line["trail"], line["messages"], line["text"]) == ([], [], "")
    assert line["contact"] == {"name": None, "phone": None, "email": None}
    unknown = ("finished_at", "channel", "employee", "site", "campaign", "source", "visit")
    assert [line[name] for name in unknown] == [None] * len(unknown)


def test_an_account_is_exported_without_the_others(runner, session, integration):
    make_communication(session, integration, contact_name="Наша")
    other = make_integration(session, make_account(session, "other"))
    make_communication(session, other, contact_name="Чужая")
    assert [line["contact"]["name"] for line in export(runner, "--account", "romashka")] == ["Наша"]
    assert len(export(runner)) == 2
    result = runner.invoke(args=["communications", "export", "--account", "nobody"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert 'no account has the slug "nobody"' in result.stderr


def test_the_time_of_each_trail_is_its_accounts(runner, session, integration):
    facts = {"session": "x", "started_at": "2026-11-20T22:00:00+00:00", "marks": {}}
    trail = [{"rule": "visit", "outcome": "later", "facts": facts}]
    omsk = make_integration(session, make_account(session, "omsk", timezone="Asia/Omsk"))
    for number, one in enumerate((integration, omsk, integration)):
        make_communication(session, one, number, trail=trail)
    details = [line["trail"][0]["detail"] for line in export(runner)]
    assert [detail[-27:] for detail in details] == [
        "21 ноября 01:00, уже после чата."[-27:], "21 ноября 04:00, уже после чата."[-27:],
        "21 ноября 01:00, уже после чата."[-27:],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("2026-11-20", ["1", "2", "3"]),
        ("2026-11-21T01:31:00+03:00", ["2", "3"]),
        ("2026-11-20T22:31:00Z", ["2", "3"]),
        ("2026-11-20T22:31:01", ["3"]),
        ("2027-01-01", []),
    ],
)
def test_since_means_the_start_of_the_conversation(runner, session, integration, since, expected):
    for number in (1, 2, 3):
        make_communication(session, integration, number, started_at=START + timedelta(minutes=number - 1))
    assert [line["vendor_id"] for line in export(runner, "--since", since)] == expected


def test_since_must_be_a_moment(runner):
    result = runner.invoke(args=["communications", "export", "--since", "yesterday"])
    assert result.exit_code == 2
    assert "is not a moment" in result.stderr


def test_a_long_table_is_read_in_batches_in_the_order_of_ids(runner, session, integration, monkeypatch):
    monkeypatch.setattr(exports, "BATCH", 3)
    for number in range(8):
        make_communication(session, integration, number, started_at=START - timedelta(days=number), trail=TRAIL)
    lines = export(runner)
    assert [line["vendor_id"] for line in lines] == [str(number) for number in range(8)]
    assert all(line["trail"][0]["detail"].startswith("В чате нет метки сессии") for line in lines)


def test_half_a_character_does_not_end_the_export(runner, session, integration):
    """JSON columns keep what a vendor's \\ud83d made; a line of UTF-8 says it escaped."""
    make_communication(session, integration, utm={"source": "a\ud83d"})
    assert export(runner)[0]["utm"]["source"] == "a\ud83d"
