"""Bad days: outages, limits, keys that die, address lists, components (C3, C4)."""

from __future__ import annotations

import json
import random

import pytest
from sqlalchemy import func, select

from tests.cabinets.dataapi.test_upload import ANNA
from tests.cabinets.outside import Outside
from tests.views.acting import chat
from webapp.cabinets.dataapi import attempt, connecting, handing
from webapp.extensions import db
from webapp.models import Account, CabinetPause, DeliveryAttempt


def chats(first: int, last: int) -> list[dict]:
    """Finished chats of Anna."""
    return [chat(number, f"Чат {number}", **ANNA) for number in range(first, last + 1)]


def pauses(outside: Outside) -> list[tuple[str, str]]:
    """What is paused: scope and reason."""
    outside.session.rollback()
    return [tuple(row) for row in outside.session.execute(select(CabinetPause.scope, CabinetPause.reason))]


def replace_key(outside: Outside, key: str) -> None:
    """Let the owner enter another key."""
    with outside.app.app_context():
        account = db.session.get_one(Account, outside.account_id)
        connecting.connect(db.session(), account, outside.double.endpoint, key)
        db.session.commit()


def test_twenty_four_hours_without_the_cabinet_lose_nothing(outside: Outside):
    """Issue 5: an outage, simulated by moving the clock."""
    outside.double.fault("close", times=None, stage="before")
    outside.send(*chats(1, 20))
    outside.run(seconds=24 * 3600)
    assert outside.held_once() == 0
    assert {row.state for row in outside.deliveries()} == {"pending"}
    outside.double.heal()
    outside.run(seconds=3 * 86_400)
    assert {row.state for row in outside.deliveries()} == {"delivered"}
    assert outside.held_once() == 20


def test_after_three_days_and_about_ten_tries_it_fails_and_can_be_tried_again(outside: Outside):
    outside.double.fault("http", times=None, status=503)
    outside.send(*chats(1, 1))
    outside.run(seconds=10 * 86_400)
    delivery = outside.delivery()
    assert (delivery.state, delivery.reason) == ("failed", "exhausted")
    assert 10 <= delivery.tries <= 12
    outside.double.heal()
    with outside.app.app_context():
        handing.again(db.session(), db.session.get_one(handing.Delivery, delivery.id))
        db.session.commit()
    outside.run()
    assert (outside.delivery().state, outside.held_once()) == ("delivered", 1)


def test_tries_are_spread_so_that_what_failed_together_does_not_come_back_together():
    waits = [{round(handing.retry_seconds(number)) for _ in range(50)} for number in range(1, 11)]
    assert all(len(found) > 5 for found in waits)
    total = sum(handing.RETRY_AFTER)
    assert 2.5 * 86_400 < total < 3.5 * 86_400
    assert handing.retry_seconds(11) is None


@pytest.mark.parametrize("state", ["revoked", "expired", "blocked"])
def test_a_key_that_dies_in_the_middle_pauses_and_a_new_one_resumes(outside: Outside, state: str):
    """Issue 5."""
    outside.send(*chats(1, 10))
    outside.run(until=lambda: outside.held_once() == 4)
    outside.double.set_key(outside.double.key, state=state)
    outside.run(seconds=3600)
    words = {"revoked": "access_token_invalid", "expired": "access_token_expired", "blocked": "access_token_blocked"}
    assert pauses(outside) == [("all", words[state])]
    assert outside.held_once() == 4
    waiting = [row for row in outside.deliveries() if row.state == "pending"]
    assert {(row.attempts, row.tries, row.next_at) for row in waiting} == {(0, 0, None)}, "no attempt is burned"
    outside.double.set_key("another", state="valid")
    replace_key(outside, "another")
    outside.run(seconds=3600)
    assert (pauses(outside), outside.held_once()) == ([], 10)


def test_a_pause_ends_by_itself_once_the_cabinet_lets_us_in(outside: Outside):
    """DESIGN §7: probed once a minute."""
    outside.double.set_account(ips=["198.51.100.7"])
    outside.double.seen_ip = "203.0.113.9"
    outside.send(*chats(1, 5))
    outside.run(seconds=600)
    assert pauses(outside) == [("all", "ip_not_whitelisted")]
    probes = len(outside.double.calls("get.account"))
    assert 8 <= probes <= 14
    outside.double.set_account(ips=["203.0.113.0/24"])
    outside.run(seconds=120)
    assert (pauses(outside), outside.held_once()) == ([], 5)


def test_reading_the_directory_by_hand_resumes_too(outside: Outside, runner):
    """DESIGN §7: `cabinet sync`."""
    outside.double.set_account(state="blocked")
    outside.send(*chats(1, 2))
    outside.run(seconds=30)
    assert pauses(outside) == [("all", "account_inactive")]
    outside.double.set_account(state="active")
    outside.session.rollback()
    result = runner.invoke(args=["cabinet", "sync", "--account", "romashka"])
    assert result.exit_code == 0, result.output
    assert "campaigns: " in result.output
    outside.run(seconds=10)
    assert (pauses(outside), outside.held_once()) == ([], 2)


def test_a_component_that_is_not_bought_stops_its_own_type_only(outside: Outside):
    outside.double.set_account(lacking=["upload_chats"])
    request = {
        "event_name": "offline_message", "offline_message_id": "5", "message": "Перезвоните",
        "visitor": {"name": "Анна", "phone": "79123456789", "number": 7},
    }  # fmt: skip
    outside.send(*chats(1, 3), request)
    outside.run(seconds=600)
    assert pauses(outside) == [("chat", "method_component_disabled")]
    assert (outside.held_once("offline_messages"), outside.held_once()) == (1, 0)
    assert {row.tries for row in outside.deliveries()} == {0}
    outside.double.set_account(bought=["upload_chats"])
    outside.run(seconds=180)
    assert (pauses(outside), outside.held_once()) == ([], 3)


def test_points_that_are_used_up_are_waited_for(outside: Outside):
    outside.double.set_account(minute=20)
    outside.wait(minutes=1)
    outside.send(*chats(1, 60))
    outside.run(seconds=3600)
    assert outside.held_once() == 60
    assert {row.tries for row in outside.deliveries()} == {0}
    assert outside.double.metrics()["beyond_limits"] == 0


def test_a_day_without_points_ends_the_next_day(outside: Outside):
    outside.double.set_account(day=outside.double.metrics()["points"]["4101"]["day"] + 3)
    outside.send(*chats(1, 8))
    outside.run(seconds=600)
    assert outside.held_once() <= 3
    assert {row.reason for row in outside.deliveries() if row.state == "pending"} == {"limit_exceeded"}
    outside.run(seconds=2 * 86_400)
    assert outside.held_once() == 8


def test_a_worker_that_died_while_sending_is_found_out(outside: Outside):
    """The row said that somebody was at it; what it was at may have happened."""

    class Killed(BaseException):
        """Nothing catches it, as nothing outlives kill -9."""

    end = attempt._end
    attempt._end = lambda *_: (_ for _ in ()).throw(Killed())
    outside.send(*chats(1, 1))
    with pytest.raises(Killed):
        outside.run()
    attempt._end = end
    with outside.app.app_context():
        db.session.rollback()
    assert outside.held_once() == 1
    assert outside.delivery().busy_until is not None
    outside.run_job("resume_deliveries", outside.account_id)
    outside.wait(seconds=300)
    outside.run_job("upload", outside.delivery().id)
    outside.run()
    assert (outside.delivery().state, outside.held_once()) == ("delivered", 1)
    assert len(outside.double.calls("upload.chats")) == 1
    outside.session.rollback()
    first = select(DeliveryAttempt.mnemonic).order_by(DeliveryAttempt.id)
    assert outside.session.scalars(first).first() == "worker_died"


def test_two_jobs_for_one_delivery_make_one_upload(outside: Outside):
    outside.send(*chats(1, 1))
    number = outside.delivery().id
    outside.run()
    for _ in range(3):
        outside.run_job("upload", number)
    outside.run()
    assert len(outside.double.calls("upload.chats")) == 1


@pytest.mark.parametrize("seed", range(6))
def test_chance_loses_nothing_and_doubles_nothing(outside: Outside, seed: int):
    """Every fault a good sender recovers from, in any order, with reports that lag."""
    random.seed(seed)
    outside.double.hold_s = 0.05
    outside.double.switch(report_delay_s=(0, 30, 600)[seed % 3], repeated_ext_id="second entity")
    outside.double.chaos(seed=seed, probability=0.35, seconds=0.05)
    outside.send(*chats(1, 25))
    outside.run(seconds=3 * 86_400)
    outside.double.heal()
    outside.run(seconds=3 * 86_400)
    assert {row.state for row in outside.deliveries()} == {"delivered"}
    assert outside.held_once() == 25


def test_what_is_kept_of_attempts_has_no_key_and_nothing_personal(outside: Outside):
    """DESIGN §9."""
    outside.double.fault("invalid_parameter_value", "upload.*", field="phone", value="79123456789")
    outside.send(*chats(1, 1))
    outside.run()
    outside.session.rollback()
    rows = outside.session.execute(select(DeliveryAttempt.request, DeliveryAttempt.answer)).all()
    kept = json.dumps([list(row) for row in rows], ensure_ascii=False)
    assert outside.session.scalar(select(func.count(DeliveryAttempt.id))) >= 1
    for secret in (outside.double.key, "79123456789", "Анна", "Чат 1"):
        assert secret not in kept


def test_an_account_with_few_points_keeps_no_thread_waiting(outside: Outside, monkeypatch: pytest.MonkeyPatch):
    """The worker's threads are everybody's."""
    waits: list[float] = []
    monkeypatch.setattr("webapp.cabinets.dataapi.line.time.sleep", waits.append)
    outside.double.set_account(minute=10)
    outside.wait(minutes=1)
    outside.send(*chats(1, 30))
    outside.run(seconds=3 * 3600)
    assert outside.held_once() == 30
    assert max(waits, default=0) <= 15, "a lane's turn, and what was reserved at the same moment"
    assert {row.tries for row in outside.deliveries()} == {0}
