"""B13: what is exported is what is there, and applying it again changes nothing."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.cli.files import apply, document, everything
from tests.conftest import empty_tables
from tests.factories import make_account, make_campaign, make_integration
from webapp.cli import config_apply, config_export, config_yaml
from webapp.extensions import db
from webapp.models import Campaign, utc_now


def export(runner: Any, *options: str) -> str:
    result = runner.invoke(args=["config", "export", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_export_has_the_files_own_names_in_their_order(runner):
    content = document()
    apply(runner, content)
    exported = yaml.safe_load(export(runner, "--secrets"))["accounts"][0]
    wanted = content["accounts"][0]
    assert [name for name in exported if name in wanted] == list(wanted)
    assert {name: exported[name] for name in ("slug", "name", "timezone", "cabinet", "sites", "employees")} == {
        name: wanted[name] for name in ("slug", "name", "timezone", "cabinet", "sites", "employees")
    }
    assert exported["campaigns"] == [{**wanted["campaigns"][0], "priority": 100}]
    jivo = exported["integrations"][0]
    assert {name: jivo[name] for name in wanted["integrations"][0]} == wanted["integrations"][0]


def test_the_export_is_read_by_people(runner):
    apply(runner, document())
    assert "name: Яндекс.Директ" in export(runner)


def test_secrets_are_exported_only_when_asked_for(runner):
    """DESIGN §9: no secret in an export without --secrets."""
    apply(runner, document())
    assert "a-secret-of-more" not in export(runner)
    assert "webhook_secret" not in export(runner)
    assert "webhook_secret: a-secret-of-more-than-thirty-two-characters" in export(runner, "--secrets")


def test_one_account_is_exported_without_the_others(runner, session):
    apply(runner, document())
    make_campaign(session, make_account(session, "other"), name="Чужая")
    assert "Чужая" not in export(runner, "--account", "romashka")
    assert "Чужая" in export(runner)
    result = runner.invoke(args=["config", "export", "--account", "nobody"])
    assert result.exit_code == 1
    assert 'no account has the slug "nobody"' in result.stderr


def test_applying_the_export_changes_nothing_even_where_something_archived_is_pointed_to(runner, session):
    apply(runner, document())
    session.scalars(select(Campaign)).one().archived_at = utc_now()
    session.commit()
    before, text = everything(session), export(runner)
    assert yaml.safe_load(text)["accounts"][0]["campaigns"] == []
    assert apply(runner, text).stdout == "nothing to change\n"
    assert everything(session) == before


def test_archived_integrations_and_seen_widgets_without_a_label_are_left_out(runner, session):
    account = make_account(session)
    make_integration(session, account, key="gone", archived_at=utc_now())
    make_integration(session, account, key="bare")
    integrations = yaml.safe_load(export(runner))["accounts"][0]["integrations"]
    assert [one["key"] for one in integrations] == ["bare"]
    assert (integrations[0]["fallback"], integrations[0]["channels"], integrations[0]["widgets"]) == (None, [], {})


TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20).filter(str.strip)
KEY = st.text("abcXYZ019._-", min_size=1, max_size=6)
DAYS = st.none() | st.integers(1, 180)
CONDITION = TEXT | st.builds(dict, contains=TEXT)
RULES = st.lists(
    st.dictionaries(
        st.sampled_from(["utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"]),
        CONDITION | st.lists(CONDITION, min_size=2, max_size=3),
        min_size=1,
    ),
    max_size=3,
)
DOMAIN = st.from_regex(r"\A[a-zа-я0-9]{1,8}(-[a-z0-9]{1,5})?\.(example|рф)\Z")
CHANNEL = st.sampled_from(["site", "telegram", "whatsapp", "viber", "свой-канал", "x.y"])


def one_of(keys: list[str]) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(keys) if keys else st.none()


@st.composite
def entries(draw: Any, **fields: st.SearchStrategy[Any]) -> list[dict[str, Any]]:
    keys = draw(st.lists(KEY, max_size=3, unique=True))
    return [{"key": key, **{name: draw(strategy) for name, strategy in fields.items()}} for key in keys]


@st.composite
def targets(draw: Any, keys: dict[str, list[str]]) -> dict[str, Any]:
    if draw(st.booleans()):
        return {"kind": "campaign", "campaign": draw(one_of(keys["campaigns"]))}
    return {"kind": "source", "source": draw(one_of(keys["sources"])), "site": draw(one_of(keys["sites"]))}


@st.composite
def accounts(draw: Any, slug: str) -> dict[str, Any]:
    account: dict[str, Any] = {
        "slug": slug,
        "name": draw(TEXT),
        "timezone": draw(st.sampled_from(["Europe/Moscow", "UTC", "Asia/Omsk"])),
        "region": draw(st.sampled_from(["RU", "KZ"])),
        "contact_window_days": draw(DAYS),
        "event_retention_days": draw(DAYS),
        "communication_retention_days": draw(DAYS),
        "visits": {
            "need_consent": draw(st.booleans()),
            "respect_do_not_track": draw(st.booleans()),
            "keep_full_ip": draw(st.booleans()),
            "retention_days": draw(DAYS),
        },
        "alerts": {
            "off": draw(st.lists(st.sampled_from(["silence", "failed_events"]), max_size=1)),
            "unattributed_limit": draw(st.integers(1, 100)),
            "emails": draw(st.sampled_from([[], ["olga@shop.example", "pavel@shop.example"]])),
            "language": draw(st.sampled_from(["ru", "en"])),
            "webhook_url": draw(st.none() | st.just("https://hooks.example/T0/key")),
        },
        "cabinet": {"kind": "embedded"},
    }
    keys: dict[str, list[str]] = {}

    def put(kind: str, /, **fields: st.SearchStrategy[Any]) -> None:
        account[kind] = draw(entries(**fields))
        keys[kind] = [entry["key"] for entry in account[kind]]

    priority = st.integers(0, 100_000)
    put("sites", domain=DOMAIN, name=TEXT)
    put("campaigns", site=one_of(keys["sites"]), name=TEXT, priority=priority, rules=RULES)
    put("sources", name=TEXT, priority=priority, rules=RULES)
    put("employees", full_name=TEXT, email=st.none() | st.just("ivanov@shop.example"))
    account["integrations"] = [
        {
            "key": key,
            "vendor": "jivo",
            "name": draw(TEXT),
            "active": draw(st.booleans()),
            "employee": draw(one_of(keys["employees"])),
            "fallback": draw(st.none() | targets(keys)),
            "fill_without_campaign": draw(st.booleans()),
            "channels": [
                {"channel": channel, **draw(targets(keys))}
                for channel in draw(st.lists(CHANNEL, unique=True, max_size=3))
            ],
            "widgets": draw(st.dictionaries(TEXT, CHANNEL, max_size=2)),
            "options": draw(st.sampled_from([{}, {"accept_digit_tokens": True}, {"accept_digit_tokens": False}])),
        }
        for key in draw(st.lists(KEY, max_size=2, unique=True))
    ]
    return account


def changes(text: str) -> dict[str, Any]:
    """Apply a file; gives what it changed."""
    applied = config_apply.apply(db.session(), text.encode(), subject="test")
    db.session.commit()
    return {name: change for account in applied for name, change in account.fields.items()}


def exported() -> str:
    """Everything as a file."""
    text = config_yaml.write(config_export.export(db.session(), secrets=True))
    db.session.remove()
    return text


@given(first=accounts("first"), second=accounts("second"))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_configuration_survives_the_way_out_and_in(app, first, second):
    """The export says all of it: on the same database it changes nothing, on an empty one it makes the same again."""
    with app.app_context():
        empty_tables()
        changes(config_yaml.write({"accounts": [first, second]}))
        text = exported()
        assert changes(text) == {}
        db.session.remove()
        empty_tables()
        changes(text)
        assert exported() == text
        assert [account["name"] for account in yaml.safe_load(text)["accounts"]] == [first["name"], second["name"]]
        for given, told in zip((first, second), yaml.safe_load(text)["accounts"], strict=True):
            assert told["visits"] == given["visits"]
            assert {name: told["alerts"][name] for name in given["alerts"]} == given["alerts"]
