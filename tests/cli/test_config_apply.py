"""B13: applying a configuration file."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.cli.files import apply, document, everything
from tests.factories import make_account, make_campaign, make_integration, make_site, make_source
from webapp.models import (
    Account,
    AuditRecord,
    Campaign,
    Employee,
    EventState,
    Integration,
    Site,
    Source,
    WebhookEvent,
    hash_secret,
    utc_now,
)


def integration(session) -> Integration:
    return session.scalars(select(Integration)).one()


def test_a_file_makes_the_account_and_all_that_belongs_to_it(runner, session):
    apply(runner, document())
    account = session.scalars(select(Account)).one()
    assert (account.slug, account.name, account.timezone) == ("romashka", "Ромашка", "Europe/Moscow")
    assert (account.event_retention_days, account.region) == (365, "RU")
    site, campaign = session.scalars(select(Site)).one(), session.scalars(select(Campaign)).one()
    assert (site.domain, site.name, site.account_id) == ("shop.example", "Магазин", account.id)
    assert campaign.site_id == site.id
    assert campaign.rules == [
        [
            {"mark": "utm_source", "op": "equals", "value": "yandex"},
            {"mark": "utm_medium", "op": "equals", "value": "cpc"},
        ]
    ]
    assert campaign.search_text == "яндекс.директ direct"
    jivo = integration(session)
    assert jivo.active
    assert jivo.webhook_secret_hash == hash_secret("a-secret-of-more-than-thirty-two-characters")
    assert jivo.employee.full_name == "Иванов Иван"
    assert (jivo.kind, jivo.campaign_id, jivo.source_id, jivo.site_id) == ("campaign", campaign.id, None, None)
    telegram, whatsapp = jivo.mappings
    assert (telegram.channel, telegram.kind, telegram.source.key, telegram.site.key) == (
        "telegram",
        "source",
        "tg",
        "shop",
    )
    assert (whatsapp.channel, whatsapp.campaign.key, whatsapp.source_id) == ("whatsapp", "direct", None)
    assert jivo.widget_channels == {"lWrSvDecqo": "telegram"}
    assert jivo.saved_at is not None


def test_a_second_run_changes_nothing_and_says_so(runner, session):
    apply(runner, document())
    before = everything(session)
    assert apply(runner, document()).stdout == "nothing to change\n"
    assert everything(session) == before


def test_what_the_file_does_not_mention_stays(runner, session):
    """DESIGN §8: adds and updates, leaves alone what the file does not mention."""
    apply(runner, document())
    before = everything(session)
    changed = {"accounts": [{"slug": "romashka", "integrations": [{"key": "jivo", "name": "Чат на сайте"}]}]}
    assert apply(runner, changed).stdout == "romashka: ~ integrations.jivo.name\n"
    after = everything(session)
    different = {name for name in before if before[name] != after[name]}
    assert different == {"integration", "audit_record"}
    assert integration(session).name == "Чат на сайте"


def test_channels_and_widgets_of_the_file_join_those_that_are_there(runner, session):
    apply(runner, document())
    content = {
        "accounts": [
            {
                "slug": "romashka",
                "integrations": [
                    {
                        "key": "jivo",
                        "channels": [
                            {"channel": "WA", "kind": "source", "source": "tg"},
                            {"channel": "viber", "kind": "source", "source": "tg"},
                        ],
                        "widgets": {"other": "viber"},
                    }
                ],
            }
        ]
    }
    apply(runner, content)
    kept = {
        row.channel: (row.kind, row.campaign_id, row.source and row.source.key) for row in integration(session).mappings
    }
    assert set(kept) == {"telegram", "whatsapp", "viber"}
    assert kept["whatsapp"] == ("source", None, "tg")
    assert integration(session).widget_channels == {"lWrSvDecqo": "telegram", "other": "viber"}


def test_null_empties_what_may_be_empty(runner, session):
    apply(runner, document())
    content = {
        "accounts": [
            {
                "slug": "romashka",
                "event_retention_days": None,
                "campaigns": [{"key": "direct", "site": None, "rules": None}],
                "employees": [{"key": "ivanov", "email": None}],
                "integrations": [
                    {
                        "key": "jivo",
                        "employee": None,
                        "fallback": None,
                        "widgets": {"lWrSvDecqo": None},
                        "channels": None,
                    }
                ],
            }
        ]
    }
    apply(runner, content)
    session.rollback()
    assert session.scalars(select(Account.event_retention_days)).one() is None
    assert session.execute(select(Campaign.site_id, Campaign.rules)).one() == (None, [])
    assert session.scalars(select(Employee.email)).one() is None
    jivo = integration(session)
    assert (jivo.employee_id, jivo.is_set, jivo.widget_channels, len(jivo.mappings)) == (None, False, {}, 2)


def test_null_of_a_new_account_wins_over_the_default(runner, session):
    apply(runner, {"accounts": [{"slug": "a", "name": "А", "event_retention_days": None}]})
    assert session.scalars(select(Account.event_retention_days)).one() is None


def test_the_file_may_refer_to_what_is_in_the_database_already(runner, session):
    account = make_account(session)
    make_site(session, account)
    make_source(session, account)
    content = document()["accounts"][0]
    for name in ("sites", "sources", "campaigns"):
        del content[name]
    content["integrations"][0] |= {"fallback": {"kind": "source", "source": "tg", "site": "shop"}, "channels": []}
    apply(runner, {"accounts": [content]})
    assert (integration(session).source.key, integration(session).site.key) == ("tg", "shop")


def test_the_entries_of_another_account_are_never_meant(runner, session):
    """DESIGN §9: no account sees a byte of another."""
    other = make_account(session, "other")
    theirs = make_campaign(session, other, key="direct", name="Чужая")
    make_integration(session, other, key="jivo")
    content = document()
    apply(runner, content)
    session.rollback()
    assert theirs.name == "Чужая"
    ours = session.scalars(select(Integration).join(Account).where(Account.slug == "romashka")).one()
    assert ours.campaign_id != theirs.id
    del content["accounts"][0]["campaigns"]
    content["accounts"][0]["slug"] = "third"
    content["accounts"][0]["integrations"][0]["webhook_secret"] = "another-secret-of-some-length-1234567"
    lines = apply(runner, content, code=1).stderr.splitlines()
    assert 'accounts[0].integrations[0].fallback.campaign: no campaign has the key "direct"' in lines


def test_what_is_archived_comes_back_when_the_file_names_it(runner, session):
    apply(runner, document())
    session.scalars(select(Campaign)).one().archived_at = utc_now()
    integration(session).archived_at = utc_now()
    session.commit()
    said = apply(runner, document()).stdout.splitlines()
    assert said == ["romashka: ~ campaigns.direct.archived", "romashka: ~ integrations.jivo.archived"]
    session.rollback()
    assert session.scalars(select(Campaign)).one().archived_at is None
    assert integration(session).archived_at is None


def test_a_reference_to_something_archived_may_stay_but_not_be_made(runner, session):
    apply(runner, document())
    session.scalars(select(Campaign)).one().archived_at = utc_now()
    session.commit()
    same = {"kind": "campaign", "campaign": "direct"}
    content = {"accounts": [{"slug": "romashka", "integrations": [{"key": "jivo", "fallback": same}]}]}
    assert apply(runner, content).stdout == "nothing to change\n"
    content["accounts"][0]["integrations"][0]["channels"] = [{"channel": "viber", **same}]
    assert "is archived" in apply(runner, content, code=1).stderr


def test_a_new_integration_is_off_and_gets_a_secret_and_the_vendors_name(runner, session):
    apply(runner, {"accounts": [{"slug": "a", "name": "А", "integrations": [{"key": "jivo", "vendor": "jivo"}]}]})
    jivo = integration(session)
    assert (jivo.active, jivo.name) == (False, "Jivo")
    assert len(jivo.webhook_secret) >= 43


def test_another_secret_holds_at_once_and_the_rotated_one_is_forgotten(runner, session):
    apply(runner, document())
    integration(session).rotate_secret()
    session.commit()
    apply(runner, document())
    session.rollback()
    jivo = integration(session)
    assert jivo.webhook_secret == "a-secret-of-more-than-thirty-two-characters"
    assert (jivo.previous_secret_hash, jivo.previous_secret_until) == (None, None)


def test_a_short_secret_is_taken_with_a_warning(runner):
    content = document()
    content["accounts"][0]["integrations"][0]["webhook_secret"] = "12345678"
    result = apply(runner, content)
    assert "accounts[0].integrations[0].webhook_secret: is shorter than 32 characters" in result.stderr
    assert "12345678" not in result.output


def test_switching_on_tells_of_the_webhooks_that_wait(runner, session):
    content = document()
    content["accounts"][0]["integrations"][0]["active"] = False
    apply(runner, content)
    jivo = integration(session)
    session.add(
        WebhookEvent(
            account_id=jivo.account_id, integration_id=jivo.id, received_at=utc_now(), body=b"{}", digest="0" * 64,
            state=EventState.STORED,
        )
    )  # fmt: skip
    session.commit()
    assert "1 webhooks came while it was off" in apply(runner, document()).stderr


def test_the_directorys_version_grows_with_the_directory_alone(runner, session):
    """Rules that a process keeps ready are read again when it has grown."""

    def version() -> int:
        session.rollback()
        return session.scalars(select(Account.revision)).one()

    content = document()
    apply(runner, content)
    first = version()
    content["accounts"][0]["integrations"][0]["name"] = "Другое"
    apply(runner, content)
    assert version() == first
    content["accounts"][0]["campaigns"][0]["rules"] = [{"utm_source": {"contains": "ya"}}]
    apply(runner, content)
    assert version() > first


def test_each_changed_account_gets_an_audit_record_without_secrets(runner, session):
    apply(runner, document())
    record = session.scalars(select(AuditRecord)).one()
    assert (record.actor, record.action, record.user_id) == ("config apply", "config.apply", None)
    assert record.changes["campaigns.direct"] == [None, "Яндекс.Директ"]
    content = document()
    content["accounts"][0]["integrations"][0]["webhook_secret"] = "b-secret-of-more-than-thirty-two-characters"
    apply(runner, content)
    session.rollback()
    second = session.scalars(select(AuditRecord).order_by(AuditRecord.id.desc())).first()
    assert second.changes == {"integrations.jivo.webhook_secret": ["***", "***"]}


def test_numbers_are_taken_as_the_text_they_are_written_as(runner, session):
    """A Data API cabinet's keys are numbers; a leading zero is part of a key."""
    apply(
        runner,
        """
        accounts:
          - slug: 2024
            name: 1_000
            contact_window_days: 30
            sites: [{key: 007, domain: shop.example, name: 2024-01-01}]
            campaigns: [{key: 268176, name: 1.10, site: 007, rules: [{utm_campaign: 268176}]}]
            integrations:
              - {key: on, vendor: jivo, active: yes, fallback: {kind: campaign, campaign: 268176}}
        """,
    )
    assert session.scalars(select(Account.slug)).one() == "2024"
    assert session.execute(select(Site.key, Site.name)).one() == ("007", "2024-01-01")
    assert session.execute(select(Campaign.key, Campaign.name)).one() == ("268176", "1.10")
    jivo = integration(session)
    assert (jivo.key, jivo.active, jivo.campaign.key) == ("on", True, "268176")
    assert jivo.campaign.rules == [[{"mark": "utm_campaign", "op": "equals", "value": "268176"}]]


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("https://Shop.Example/catalog?x=1", "shop.example"),
        ("//shop.example:8080", "shop.example"),
        ("магазин.рф", "магазин.рф"),
        ("xn--80aairftm.xn--p1ai", "магазин.рф"),
        ("localhost", "localhost"),
    ],
)
def test_a_domain_may_be_copied_from_the_address_bar(runner, session, written, domain):
    apply(runner, {"accounts": [{"slug": "a", "name": "А", "sites": [{"key": "s", "domain": written}]}]})
    assert session.execute(select(Site.domain, Site.name)).one() == (domain, domain)


def test_the_vendors_own_options_are_set_and_others_stay(runner, session):
    content = document()
    content["accounts"][0]["integrations"][0]["options"] = {"accept_digit_tokens": True}
    apply(runner, content)
    jivo = integration(session)
    jivo.options = {**jivo.options, "older": 1}
    session.commit()
    content["accounts"][0]["integrations"][0]["options"] = {"accept_digit_tokens": False}
    apply(runner, content)
    session.rollback()
    assert integration(session).options == {"accept_digit_tokens": False, "older": 1}


def test_a_long_name_whose_folded_form_is_longer_still_fits(runner, session):
    """On PostgreSQL a text longer than its column is an error."""
    content = {"accounts": [{"slug": "a", "name": "А", "sources": [{"key": "k" * 100, "name": "ΐ" * 255}]}]}
    apply(runner, content)
    assert session.scalars(select(Source.name)).one() == "ΐ" * 255


def test_the_manners_of_the_visit_counter_are_set_and_told_in_the_files_words(runner, session):
    content = document()
    visits = {"need_consent": True, "respect_do_not_track": False, "keep_full_ip": True, "retention_days": None}
    content["accounts"][0]["visits"] = visits
    apply(runner, document())
    assert apply(runner, content).stdout.splitlines() == [f"romashka: ~ visits.{name}" for name in visits]
    account = session.scalars(select(Account)).one()
    assert (account.visits_need_consent, account.respects_do_not_track, account.keeps_full_ip) == (True, False, True)
    assert account.visit_retention_days is None
    assert apply(runner, content).stdout == "nothing to change\n"


def test_of_the_counters_manners_too_what_the_file_does_not_mention_stays(runner, session):
    content = document()
    content["accounts"][0]["visits"] = {"need_consent": True}
    apply(runner, content)
    account = session.scalars(select(Account)).one()
    assert (account.visits_need_consent, account.respects_do_not_track, account.visit_retention_days) == (
        True,
        True,
        365,
    )
    content["accounts"][0]["visits"] = None
    assert apply(runner, content).stdout == "nothing to change\n"
