"""B13: a file that is wrong anywhere changes nothing and says where it is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.files import apply, as_yaml, document, everything
from tests.factories import make_account, make_integration
from webapp.arrival import MARKS

LONG = "x" * 300


def put(*path: Any, value: Any) -> Any:
    """The document with one value of its account set."""

    def change(content: dict[str, Any]) -> None:
        place = content["accounts"][0]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


JIVO = ("integrations", 0)

#: What is done to the file, and the line that is said; "jivo" stands for the path of the integration.
WRONG = [
    (put("slug", value="Ром ашка"), "slug: must be 1–64 characters of a-z 0-9 -"),
    (put("slug", value="x" * 65), "slug: must be 1–64 characters of a-z 0-9 -"),
    (put("name", value=LONG), "name: must be at most 200 characters long"),
    (put("name", value="  "), "name: must not be empty"),
    (put("name", value=None), "name: must be text"),
    (put("name", value="a\0b"), "name: must be plain text without control characters"),
    (put("timezone", value="Europe/Moskau"), "timezone: must be a time zone, such as Europe/Moscow"),
    (put("region", value="Russia"), "region: must be a country's two letters, such as RU"),
    (put("contact_window_days", value=0), "contact_window_days: must be a number of days from 1 to 180, or null"),
    (put("event_retention_days", value="week"), "event_retention_days: must be a whole number"),
    (put("visits", value=["consent"]), "visits: must be a mapping"),
    (put("visits", value={"need_consent": "sometimes"}), "visits.need_consent: must be true or false"),
    (
        put("visits", value={"retention_days": 0}),
        "visits.retention_days: must be a number of days from 1 to 3650, or null",
    ),
    (put("visits", value={"retention_days": "year"}), "visits.retention_days: must be a whole number"),
    (put("visits", value={"keep_ip": True}), "visits.keep_ip: unknown key"),
    (put("alerts", value=["silence"]), "alerts: must be a mapping"),
    (put("alerts", value={"on": []}), "alerts.on: unknown key"),
    (put("alerts", value={"off": "silence"}), "alerts.off: must be a list"),
    (
        put("alerts", value={"off": ["silence", "noise"]}),
        "alerts.off[1]: must be one of silence, failed_events, unattributed, delivery_paused, connections",
    ),
    (put("alerts", value={"unattributed_limit": 101}), "alerts.unattributed_limit: must be a number from 1 to 100"),
    (put("alerts", value={"unattributed_limit": "low"}), "alerts.unattributed_limit: must be a whole number"),
    (put("alerts", value={"emails": ["olga@shop.example", "olga"]}), "alerts.emails[1]: must be an e-mail address"),
    (
        put("alerts", value={"emails": [f"a{number}@shop.example" for number in range(11)]}),
        "alerts.emails: must be at most 10 addresses",
    ),
    (put("alerts", value={"language": "de"}), "alerts.language: must be 'ru' or 'en'"),
    (put("alerts", value={"webhook_url": "http://hooks.example/"}), "alerts.webhook_url: must be an https address"),
    (put("alerts", value={"webhook_url": "https://[::1/"}), "alerts.webhook_url: must be an https address"),
    (
        put("alerts", value={"webhook_url": "https://user:key@hooks.example/"}),
        "alerts.webhook_url: must be without a name and a password",
    ),
    (
        put("alerts", value={"webhook_secret": "short"}),
        "alerts.webhook_secret: must be 8–200 characters of A-Z a-z 0-9 . _ ~ -",
    ),
    (put("colour", value="red"), "colour: unknown key"),
    (
        put("cabinet", value={"kind": "dataapi", "access_token": " "}),
        "cabinet.access_token: must be the key, as the cabinet showed it",
    ),
    (
        put("cabinet", value={"kind": "dataapi", "url": "https://x.example"}),
        "cabinet.url: must be https://dataapi.comagic.ru/v2.0, https://dataapi.uiscom.ru/v2.0, "
        "https://dataapi.callgear.com/v2.0, or an address listed in EXTRA_VENDOR_HOSTS",
    ),
    (put("cabinet", value={"kind": "paper"}), "cabinet.kind: must be 'embedded' or 'dataapi'"),
    (
        put("cabinet", "url", value="https://dataapi.uiscom.ru/v2.0"),
        "cabinet.url: belongs to another kind of cabinet",
    ),
    (put("authorizations", value=[{"key": "main"}]), "authorizations[0].vendor: is needed for a new authorization"),
    (put("sites", value={"a": "b"}), "sites: must be a list"),
    (put("sites", 0, value="shop"), "sites[0]: must be a mapping"),
    (put("sites", 0, "key", value="мой сайт"), "sites[0].key: must be 1–100 characters of A-Z a-z 0-9 . _ -"),
    (put("sites", 0, "domain", value="no domain"), "sites[0].domain: must be a domain, such as shop.example"),
    (put("sites", 0, "domain", value="http://[::1"), "sites[0].domain: must be a domain, such as shop.example"),
    (put("sites", 0, "name", value=LONG), "sites[0].name: must be at most 255 characters long"),
    (put("sites", 0, value={"key": "new"}), "sites[0].domain: is needed for a new site"),
    (
        put("sites", value=[{"key": "shop", "domain": "a.example"}, {"key": "shop", "domain": "b.example"}]),
        'sites[1].key: the key "shop" stands in this list twice',
    ),
    (put("campaigns", 0, "site", value="none"), 'campaigns[0].site: no site has the key "none"'),
    (put("campaigns", 0, "priority", value=-1), "campaigns[0].priority: must be a number from 0 to 100000"),
    (put("campaigns", 0, "rules", value={"a": 1}), "campaigns[0].rules: must be a list of rules"),
    (put("campaigns", 0, "rules", value=[{}]), "campaigns[0].rules[0]: a rule needs at least one mark"),
    (
        put("campaigns", 0, "rules", value=[{"utm_source": {"like": "ya"}}]),
        "campaigns[0].rules[0].utm_source: must be a text, or one of {equals: text}, {not_equals: text}, "
        "{contains: text}, {not_contains: text}, {starts_with: text}, {not_starts_with: text}, {matches: text}, "
        "{not_matches: text}, {domain: text}, {not_domain: text}, {present: true}, {absent: true}",
    ),
    (
        put("sources", 0, "rules", value=[{"utm_source": "ya"}, {"clid": "1"}]),
        f"sources[0].rules[1].clid: unknown mark, known are {', '.join(MARKS)}",
    ),
    (put("sources", 0, value={"key": "new"}), "sources[0].name: is needed for a new source"),
    (put("employees", 0, "email", value="nobody"), "employees[0].email: must be an e-mail address"),
    (put("employees", 0, "email", value="a@" + LONG), "employees[0].email: must be an e-mail address"),
    (put(*JIVO, "vendor", value="talkme"), 'jivo.vendor: the vendor "talkme" is not available in this version'),
    (put(*JIVO, "authorization", value="main"), "jivo.authorization: does not belong to the vendor jivo"),
    (put(*JIVO, "session_field", value=1), "jivo.session_field: does not belong to the vendor jivo"),
    (put(*JIVO, "active", value="perhaps"), "jivo.active: must be true or false"),
    (put(*JIVO, "employee", value="petrov"), 'jivo.employee: no employee has the key "petrov"'),
    (
        put(*JIVO, "webhook_secret", value="short"),
        "jivo.webhook_secret: must be 8–200 characters of A-Z a-z 0-9 . _ ~ -",
    ),
    (
        put(*JIVO, "webhook_secret", value="with/a/slash"),
        "jivo.webhook_secret: must be 8–200 characters of A-Z a-z 0-9 . _ ~ -",
    ),
    (put(*JIVO, "fallback", value={"campaign": "direct"}), "jivo.fallback.kind: is missing"),
    (put(*JIVO, "fallback", value={"kind": "campaign"}), "jivo.fallback.campaign: is missing"),
    (put(*JIVO, "fallback", "campaign", value="x"), 'jivo.fallback.campaign: no campaign has the key "x"'),
    (
        put(*JIVO, "fallback", "site", value="shop"),
        "jivo.fallback.site: does not belong to kind: campaign",
    ),
    (put(*JIVO, "channels", 0, "source", value="x"), 'jivo.channels[0].source: no source has the key "x"'),
    (
        put(*JIVO, "channels", 0, "channel", value="!"),
        "jivo.channels[0].channel: must be a channel's name, such as telegram",
    ),
    (
        put(*JIVO, "channels", 0, "channel", value="c" * 51),
        "jivo.channels[0].channel: must be at most 50 characters long",
    ),
    (
        put(*JIVO, "channels", 1, "channel", value="TG"),
        'jivo.channels[1].channel: the channel "telegram" stands in this list twice',
    ),
    (
        put(*JIVO, "widgets", value={"w" * 101: "telegram"}),
        f"jivo.widgets.{'w' * 101}: must be at most 100 characters long",
    ),
    (put(*JIVO, "options", value={"unheard": 1}), "jivo.options.unheard: unknown key"),
    (put(*JIVO, "options", value=[1]), "jivo.options: must be a mapping"),
]


def path(line: str) -> str:
    """The line as it is said, with the path in full."""
    return "accounts[0]." + (line.replace("jivo", "integrations[0]", 1) if line.startswith("jivo.") else line)


@pytest.mark.parametrize(("change", "line"), WRONG, ids=[line[:70] for _change, line in WRONG])
def test_a_mistake_is_named_by_its_path_and_nothing_changes(runner, session, change, line):
    make_account(session, "other")
    before = everything(session)
    content = document()
    change(content)
    result = apply(runner, content, code=1)
    lines, line = result.stderr.splitlines(), path(line)
    assert line in lines
    assert all("has the key" in other for other in lines if other != line), (
        "only what refers to it may be wrong as well"
    )
    assert result.stdout == ""
    assert everything(session) == before


@pytest.mark.parametrize(("change", "line"), WRONG[::5], ids=[line[:70] for _change, line in WRONG[::5]])
def test_the_same_on_accounts_that_are_there_already(runner, session, change, line):
    apply(runner, document())
    before = everything(session)
    content = document()
    content["accounts"][0]["name"] = "Новое имя"
    change(content)
    assert path(line) in apply(runner, content, code=1).stderr.splitlines()
    assert everything(session) == before


def test_all_mistakes_are_told_at_once_shape_and_references_alike(runner, session):
    content = document()
    account = content["accounts"][0]
    account["timezone"] = "Moscow"
    account["sites"][0]["domain"] = "?"
    account["integrations"][0] |= {"active": "perhaps", "employee": "petrov", "widgets": {"a": "!"}}
    account["integrations"][0]["fallback"]["campaign"] = "x"
    account["integrations"].append({"vendor": "jivo"})
    assert set(apply(runner, content, code=1).stderr.splitlines()) == {
        "accounts[0].timezone: must be a time zone, such as Europe/Moscow",
        "accounts[0].sites[0].domain: must be a domain, such as shop.example",
        "accounts[0].integrations[0].active: must be true or false",
        "accounts[0].integrations[0].widgets.a: must be a channel's name, such as telegram",
        'accounts[0].integrations[0].employee: no employee has the key "petrov"',
        'accounts[0].integrations[0].fallback.campaign: no campaign has the key "x"',
        "accounts[0].integrations[1].key: is missing",
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "is not UTF-8 text (byte 0)"),
        (b"accounts: [", "is not valid YAML: line"),
        (b"accounts: []\naccounts: []\n", "line 2, column 1: the key 'accounts' stands twice"),
        (b"a: 1\n---\nb: 2\n", "is not valid YAML"),
        (b"!!python/object/apply:os.getcwd []", "is not valid YAML"),
        (b"? [a]\n: b\n", "a key must be text"),
        (b"null: b\n", "a key must be text"),
        (b"", "the file must be a mapping with the key accounts"),
        (b"- 1\n", "the file must be a mapping with the key accounts"),
        (b"accounts: 5\n", "accounts: must be a list"),
        (b"account: []\n", "account: unknown key"),
        (b"account: []\n", "accounts: is missing"),
        (b"accounts: &a [*a]\n", "accounts[0]: must be a mapping"),
        (b'accounts: [{slug: a, name: "\\ud800"}]\n', "is not valid YAML: line 1"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_words(runner, session, content, words):
    before = everything(session)
    result = apply(runner, content, code=1)
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert everything(session) == before


def test_slugs_must_differ(runner):
    content = document()
    content["accounts"].append({"slug": "romashka"})
    assert 'accounts[1].slug: the slug "romashka" stands in this list twice' in apply(runner, content, code=1).stderr


def test_no_two_integrations_share_a_secret(runner, session):
    """Nor with an integration of a stranger, whose name is not told."""
    stranger = make_integration(session, make_account(session, "stranger"))
    content = document()
    content["accounts"][0]["integrations"][0]["webhook_secret"] = stranger.webhook_secret
    same = {"key": "second", "vendor": "jivo", "webhook_secret": stranger.webhook_secret}
    content["accounts"][0]["integrations"].append(same)
    result = apply(runner, content, code=1)
    assert result.stderr.splitlines() == [
        "accounts[0].integrations[0].webhook_secret: another integration has this secret already",
        "accounts[0].integrations[1].webhook_secret: is the same as accounts[0].integrations[0].webhook_secret",
    ]
    assert "stranger" not in result.output


def test_the_vendor_of_an_integration_stays(runner, session, monkeypatch):
    make_integration(session, make_account(session), vendor="older")
    content = {"accounts": [{"slug": "romashka", "integrations": [{"key": "jivo", "vendor": "jivo"}]}]}
    assert "integrations[0].vendor: is older and cannot be changed" in apply(runner, content, code=1).stderr


def test_a_missing_file_is_told(runner, tmp_path):
    result = runner.invoke(args=["config", "apply", str(tmp_path / "none.yaml")])
    assert result.exit_code != 0
    assert "none.yaml" in result.stderr


def test_a_file_may_begin_with_a_byte_order_mark(runner):
    apply(runner, b"\xef\xbb\xbf" + as_yaml(document()).encode())
