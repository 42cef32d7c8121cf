"""Requests to somebody else's server keep to its rate, whoever sends them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import Engine

from webapp import pacing
from webapp.extensions import db

NOW = 1_800_000_000.0


@pytest.fixture
def engine(app: Flask) -> Engine:
    """The application's database."""
    with app.app_context():
        return db.engine


def test_the_first_request_need_not_wait(engine: Engine) -> None:
    assert pacing.reserve(engine, "amo:1", 5, now=NOW) == 0


def test_each_further_request_waits_for_its_place(engine: Engine) -> None:
    waits = [pacing.reserve(engine, "amo:1", 5, now=NOW) for _ in range(4)]

    assert waits == pytest.approx([0, 0.2, 0.4, 0.6], abs=1e-6)


def test_a_lane_that_was_idle_gives_no_more_than_one_place(engine: Engine) -> None:
    pacing.reserve(engine, "amo:1", 5, now=NOW - 1000)

    assert [pacing.reserve(engine, "amo:1", 5, now=NOW) for _ in range(2)] == pytest.approx([0, 0.2], abs=1e-6)


def test_lanes_do_not_slow_each_other(engine: Engine) -> None:
    pacing.reserve(engine, "amo:1", 1, now=NOW)

    assert pacing.reserve(engine, "amo:2", 1, now=NOW) == 0


def test_a_pause_holds_everybody_back_and_is_never_shortened(engine: Engine) -> None:
    pacing.pause(engine, "amo:1", 300, now=NOW)
    pacing.pause(engine, "amo:1", 10, now=NOW)

    assert pacing.reserve(engine, "amo:1", 1, now=NOW) == pytest.approx(300, abs=1e-6)


def test_a_lane_that_is_resumed_is_free_at_once(engine: Engine) -> None:
    pacing.pause(engine, "amo:1", 300, now=NOW)
    pacing.resume(engine, "amo:1")

    assert pacing.reserve(engine, "amo:1", 1, now=NOW) == 0


def test_no_place_is_given_twice_to_many_who_ask_at_once(engine: Engine) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: pacing.reserve(engine, "amo:1", 10, now=NOW), range(40)))

    assert sorted(waits) == pytest.approx([place / 10 for place in range(40)], abs=1e-5)


def test_who_would_wait_too_long_takes_no_place(engine: Engine) -> None:
    pacing.pause(engine, "amo:1", 300, now=NOW)

    waits = [pacing.reserve(engine, "amo:1", 1, now=NOW, patience=20) for _ in range(50)]

    assert waits == pytest.approx([300] * 50, abs=1e-6)
    assert pacing.reserve(engine, "amo:1", 1, now=NOW) == pytest.approx(300, abs=1e-6)


def test_who_is_patient_enough_takes_a_place(engine: Engine) -> None:
    waits = [pacing.reserve(engine, "amo:1", 1, now=NOW, patience=2) for _ in range(4)]

    assert waits[:3] == pytest.approx([0, 1, 2], abs=1e-6)
    assert waits[3] > 2
