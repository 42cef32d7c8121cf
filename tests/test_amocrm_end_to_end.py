"""amoCRM from the stand-in's sockets to the rows: hooks, lookups, the session in the lead (A1-A7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.amocrm_stage import Stage, on_stage
from tests.factories import make_campaign, make_site, make_visit
from webapp.jobs import look_up
from webapp.models import Account, EventState, utc_now


@pytest.fixture
def stage(app, session, server, monkeypatch) -> Iterator[Stage]:
    with on_stage(app, session, server, monkeypatch) as stage:
        stage.connect()
        yield stage


def visit(stage: Stage, session_id: str = "4815162342", **values) -> None:
    account = stage.session.get(Account, stage.account_id)
    site = make_site(stage.session, account)
    campaign = make_campaign(stage.session, account, site_id=site.id)
    make_visit(
        stage.session, account, session_id, site_id=site.id, campaign_id=campaign.id,
        marks={"source": "yandex", "medium": "cpc"}, **{"started_at": utc_now() - timedelta(minutes=5), **values},
    )  # fmt: skip
    stage.session.rollback()


def test_a_closed_talk_becomes_a_request_with_contact_session_campaign_and_link(stage: Stage):
    """A1, A3-A6: from the hook to the attributed communication."""
    field = stage.choose_field()
    stage.subscribe()
    visit(stage)
    talk = stage.talk()
    stage.amo.set_field(stage.lead_of(talk), field, "4815162342")
    stage.amo.answer_talk(talk)
    assert stage.communications() == []

    stage.amo.close_talk(talk)
    told = stage.communication()
    assert (told.type, told.vendor_id, told.channel, told.contact_name) == ("offline_message", str(talk), "site", None)

    stage.look_up()
    told = stage.communication()
    assert (told.contact_name, told.contact_phone) == ("Мария Петрова", "+79000000101")
    assert told.contact_email == "maria@mail.example"
    assert told.rule == "visit"
    assert told.campaign.key == "direct"
    assert told.started_at == datetime.fromtimestamp(stage.amo.state.tenant().talks[talk].created_at, UTC)
    assert told.details["lead_url"] == f"{stage.amo.url}/leads/detail/{stage.lead_of(talk)}"
    assert stage.lookup().complete
    assert {event.state for event in stage.events()} == {EventState.IGNORED, EventState.DONE}
    assert {event.note for event in stage.events()} == {"talk_open", None}


def test_a_messenger_is_known_by_the_talks_origin(stage: Stage):
    """A2, A16."""
    stage.subscribe()
    talk = stage.talk(origin="com.wazzup24.wz")
    stage.amo.close_talk(talk)
    stage.look_up()
    assert stage.communication().channel == "whatsapp"


def test_the_address_of_the_webhook_may_name_the_messenger_instead(stage: Stage):
    """The last segment is the customer's own word, and a later look does not change it."""
    with stage.app.app_context():
        link = stage.link()
        assert link.connection.subscribe(link, f"{stage.hook}/viber", False) == "ok"
    stage.amo.close_talk(stage.talk(origin="onlinechat"))
    stage.look_up()
    assert stage.communication().channel == "viber"


def test_messages_give_the_request_its_text_and_wait_for_the_end_of_the_talk(stage: Stage):
    """A3: nothing is passed on before; then the text is there, whatever order the hooks came in."""
    stage.subscribe(with_text=True)
    talk = stage.talk()
    stage.amo.message(talk, "Есть шторы? Мой номер 8 900 000-12-34")
    stage.amo.message(talk, "И карнизы?")
    assert stage.communications() == []
    assert {event.note for event in stage.events()} == {"message"}
    stage.amo.close_talk(talk)
    stage.look_up()
    told = stage.communication()
    assert [row["text"] for row in told.messages] == ["Есть шторы? Мой номер 8 900 000-12-34", "И карнизы?"]
    assert told.contact_phone == "+79000000101", "the card goes before what is found in the text"
    assert {one.id for event in stage.events() for one in event.communications} == {told.id}


def test_a_long_talk_is_heard_part_by_part_and_whole(stage: Stage, monkeypatch):
    """On SQLite nobody's webhook is written while one of these transactions lasts."""
    monkeypatch.setattr(look_up, "HEARD", 10)
    transactions = []
    heard = look_up.process_waiting
    monkeypatch.setattr(look_up, "process_waiting", lambda *told: (transactions.append(len(told[2])), heard(*told)))
    stage.subscribe(with_text=True)
    talk = stage.talk()
    for number in range(35):
        stage.amo.message(talk, f"Сообщение {number}" + (", мой номер 8 900 000-12-34" if number == 3 else ""))
    stage.amo.delete_contact(stage.amo.state.tenant().talks[talk].contact_id)
    stage.amo.close_talk(talk)
    stage.look_up()
    told = stage.communication()
    assert len(told.messages) == len({row["text"] for row in told.messages}) == 35
    assert told.contact_phone == "+79000001234", "a later message without a phone does not take it away"
    assert {one.id for event in stage.events() for one in event.communications} == {told.id}
    assert all(event.processed_at for event in stage.events())
    assert transactions == [10, 10, 10, 5]


def test_a_phone_in_the_text_is_taken_when_the_card_has_none(stage: Stage):
    """B7."""
    stage.subscribe(with_text=True)
    contact = stage.amo.create_contact("Пётр", [], [])["id"]
    talk = stage.amo.create_talk(stage.amo.create_lead(contacts=[contact])["id"])["id"]
    stage.amo.message(talk, "Перезвоните: 8 900 000-12-34")
    stage.amo.close_talk(talk)
    stage.look_up()
    assert stage.communication().contact_phone == "+79000001234"


def test_a_later_rating_and_repeats_are_the_same_request(stage: Stage):
    """Issue 4.5, A-01, A-10."""
    stage.subscribe()
    stage.amo.configure({"switches": {"hook_duplicates": "twice"}})
    talk = stage.talk()
    stage.amo.close_talk(talk)
    ended = stage.communication().finished_at
    stage.look_up()
    stage.amo.configure({"clock": {"advance": 60}})
    stage.amo.rate_talk(talk, 5)
    told = stage.communication()
    assert (told.details["rate"], told.finished_at) == ("5", ended)
    assert sum(event.repeats for event in stage.events()) >= 1


def test_an_older_state_that_comes_late_undoes_nothing(stage: Stage):
    """Contract 2.3: a redelivery may be 95 minutes late."""
    stage.subscribe()
    stage.amo.configure({"switches": {"delivery": "hold"}})
    talk = stage.talk()
    stage.amo.answer_talk(talk)
    stage.amo.configure({"clock": {"advance": 30}})
    stage.amo.close_talk(talk)
    stage.amo.flush_hooks("reversed")
    told = stage.communication()
    assert told.finished_at is not None
    stage.look_up()
    assert stage.communication().contact_phone == "+79000000101"


def test_two_talks_in_one_request_are_two_requests(stage: Stage):
    """A-12."""
    stage.subscribe()
    stage.amo.configure({"switches": {"delivery": "hold"}})
    first, second = stage.talk(), stage.talk()
    for talk in (first, second):
        stage.amo.close_talk(talk)
    stage.amo.flush_hooks(joined=True)
    assert sorted(one.vendor_id for one in stage.communications()) == sorted(map(str, (first, second)))


def test_a_hook_of_another_account_is_kept_and_not_believed(stage: Stage):
    stage.subscribe()
    stage.amo.configure({"switches": {"hook_account": "other tenant"}})
    stage.amo.close_talk(stage.talk())
    assert stage.communications() == []
    assert {event.note for event in stage.events()} == {"other_account"}


@pytest.mark.parametrize(
    "switches",
    [
        {"hook_brackets": "raw"},
        {"hook_brackets": "no index"},
        {"hook_space": "%20"},
        {"hook_padding": "3000 fields"},
        {"hook_padding": "cyrillic and emoji"},
        {"hook_account": "subdomain only"},
        {"hook_account": "absent"},
        {"hook_talk": "status and source_id"},
        {"hook_talk": "no entity"},
        {"nps": "is_in_work 0"},
        {"hook_duplicates": "parallel"},
    ],
)
def test_every_form_of_a_hook_is_read(stage: Stage, switches):
    stage.subscribe()
    stage.amo.configure({"switches": switches})
    talk = stage.talk()
    stage.amo.close_talk(talk)
    stage.look_up()
    told = stage.communication()
    assert (told.vendor_id, told.contact_phone) == (str(talk), "+79000000101")


@pytest.mark.parametrize(
    "switches",
    [
        {"absent": "204 with a content-type"},
        {"enum_key": "enum"},
        {"lead_embedded": "absent"},
        {"talk_extra": "present"},
    ],
)
def test_every_form_of_an_answer_is_read(stage: Stage, switches):
    stage.subscribe()
    stage.amo.configure({"switches": switches})
    stage.amo.close_talk(stage.talk())
    stage.look_up()
    told = stage.communication()
    assert (told.contact_phone, told.contact_email) == ("+79000000101", "maria@mail.example")


def test_a_field_that_is_filled_late_is_looked_at_again(stage: Stage):
    """A-04: 10 s, 60 s, 5 min."""
    field = stage.choose_field()
    stage.subscribe()
    visit(stage)
    talk = stage.talk()
    stage.amo.close_talk(talk)
    stage.look_up()
    waiting = stage.lookup()
    assert (waiting.missing, waiting.done_at, waiting.looks) == (["session"], None, 1)
    assert stage.communication().rule == "none"
    stage.amo.set_field(stage.lead_of(talk), field, "4815162342")
    stage.look_up()
    assert (stage.communication().rule, stage.lookup().complete) == ("visit", True)


def test_looking_again_comes_to_an_end(stage: Stage):
    stage.choose_field()
    stage.subscribe()
    stage.amo.close_talk(stage.talk())
    for _ in range(4):
        stage.look_up()
    done = stage.lookup()
    assert (done.looks, done.done_at is not None, done.missing) == (4, True, ["session"])


@pytest.mark.parametrize(("gone", "missing"), [("lead", "lead"), ("contact", "contact"), ("entity", "entity")])
def test_what_is_gone_is_said_and_the_rest_is_kept(stage: Stage, gone: str, missing: str):
    """Issue 4.6."""
    stage.subscribe()
    contact = stage.amo.create_contact("Мария", ["8 900 000-01-01"], [])["id"]
    lead = stage.amo.create_lead(contacts=[contact])["id"]
    talk = stage.amo.create_talk(None if gone == "entity" else lead, contact=contact)["id"]
    stage.amo.close_talk(talk)
    if gone == "lead":
        stage.amo.delete_lead(lead)
    if gone == "contact":
        stage.amo.delete_contact(contact)
    stage.look_up()
    assert stage.lookup().missing == [missing]
    assert stage.communication().contact_phone == (None if gone == "contact" else "+79000000101")


@pytest.mark.parametrize("own_card", ["there", "deleted", "refused", "unknown"])
def test_the_request_is_of_who_wrote_and_only_else_of_the_leads_main_contact(stage: Stage, own_card: str):
    """A lead may have several contacts: a wife writes about her husband's order."""
    stage.subscribe()
    main = stage.amo.create_contact("Иван", ["8 900 000-00-07"], [])["id"]
    own = stage.amo.create_contact("Мария", ["8 900 000-00-08"], [])["id"]
    lead = stage.amo.create_lead(contacts=[main, own])["id"]
    talk = stage.amo.create_talk(lead, contact=own)["id"]
    if own_card == "unknown":
        stage.amo.state.tenant().talks[talk].contact_id = None
    stage.amo.close_talk(talk)
    if own_card == "deleted":
        stage.amo.delete_contact(own)
    if own_card == "refused":
        stage.amo.faults.add([{"on": "contact", "do": "403"}])
    stage.look_up()
    told = stage.communication()
    is_own = own_card == "there"
    assert (told.contact_phone, told.details["contact_card"]) == (
        ("+79000000008", "talk") if is_own else ("+79000000007", "lead")
    )
    assert stage.lookup().complete


def test_the_contact_of_an_incoming_lead_comes_when_it_is_accepted(stage: Stage):
    """Contract 3.2: before that it is not to be had."""
    stage.subscribe()
    contact = stage.amo.create_contact("Мария", ["8 900 000-01-01"], [])["id"]
    made = stage.amo.create_lead(contacts=[contact], unsorted=True)
    talk = stage.amo.create_talk(made["id"], contact=contact)["id"]
    stage.amo.close_talk(talk)
    stage.look_up()
    assert "contact" in stage.lookup().missing
    assert stage.communication().contact_phone is None
    stage.amo.accept_unsorted(made["uid"])
    stage.look_up()
    assert (stage.communication().contact_phone, stage.lookup().complete) == ("+79000000101", True)


def test_the_session_is_as_old_as_it_says_and_the_trail_tells_it(stage: Stage):
    """Contract 4.2: a filled field is never overwritten, so a returning visitor brings an old session."""
    field = stage.choose_field()
    stage.subscribe()
    visit(stage, started_at=utc_now() - timedelta(days=12, minutes=5))
    talk = stage.talk()
    stage.amo.set_field(stage.lead_of(talk), field, "as1.4815162342")
    stage.amo.close_talk(talk)
    stage.look_up()
    [step] = [one for one in stage.communication().trail if one["rule"] == "visit"]
    assert (step["outcome"], step["facts"]["age_days"]) == ("answered", 12)


@pytest.mark.parametrize("value", ["<script>", "-5", "0", "9" * 25, "as1.x", "4815162342'--"])
def test_what_is_no_session_in_the_field_is_only_said_to_be_foreign(stage: Stage, value: str):
    """Contract 4.4: the field came through a visitor's browser."""
    field = stage.choose_field()
    stage.subscribe()
    talk = stage.talk()
    stage.amo.set_field(stage.lead_of(talk), field, value)
    stage.amo.close_talk(talk)
    stage.look_up()
    [step] = [one for one in stage.communication().trail if one["rule"] == "visit"]
    assert step["outcome"] == "foreign"


@pytest.mark.parametrize(("answer", "left"), [("accepted", None), ("refused", "4815162342")])
def test_the_field_is_emptied_after_passing_only_where_that_is_wanted(stage: Stage, answer: str, left: str | None):
    """Issue 4.6, A-11; what cannot be emptied costs nothing else."""
    stage.amo.configure({"switches": {"clear_field": answer}})
    field = stage.choose_field(clear_session_field=True)
    stage.subscribe()
    visit(stage)
    talk = stage.talk()
    stage.amo.set_field(stage.lead_of(talk), field, "4815162342")
    stage.amo.close_talk(talk)
    stage.look_up()
    kept = stage.amo.state.tenant().leads[stage.lead_of(talk)].values.get(field)
    assert (kept.values[0]["value"] if kept and kept.values else None) == left
    assert (stage.communication().rule, stage.lookup().complete) == ("visit", True)


def test_the_marks_that_amocrm_keeps_are_used_without_a_session(stage: Stage):
    """B9."""
    account = stage.session.get(Account, stage.account_id)
    make_campaign(stage.session, account, rules=[{"utm_source": "yandex", "utm_medium": "cpc"}])
    stage.session.rollback()
    stage.subscribe()
    talk = stage.talk()
    codes = {one["code"]: number for number, one in stage.amo.state.tenant().fields.items()}
    stage.amo.set_field(stage.lead_of(talk), codes["UTM_SOURCE"], "yandex")
    stage.amo.set_field(stage.lead_of(talk), codes["UTM_MEDIUM"], "cpc")
    stage.amo.close_talk(talk)
    stage.look_up()
    told = stage.communication()
    assert (told.rule, told.utm) == ("utm", {"source": "yandex", "medium": "cpc"})
