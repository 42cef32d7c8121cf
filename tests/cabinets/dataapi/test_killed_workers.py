"""Uploads through a stand-in that fails at random, while the worker is killed with -9 again and again (C3).

OUTSIDE_CHATS and OUTSIDE_KILLS set the size. `python -m bench` runs the full one: 2,000 communications and 30 kills.
"""

from __future__ import annotations

import os

import pytest

from tests.cabinets.chaos import Chaos
from tests.databases import KINDS

CHATS = int(os.environ.get("OUTSIDE_CHATS", "150"))
KILLS = int(os.environ.get("OUTSIDE_KILLS", "6"))


@pytest.mark.processes
@pytest.mark.parametrize("kind", KINDS)
def test_each_is_there_once_and_none_is_missing(kind: str, tmp_path):
    with Chaos(kind, tmp_path, chats=CHATS, kills=KILLS) as chaos:
        result = chaos.run()
    assert result.missing == [], result
    assert result.twice == [], result
    assert result.states == {"delivered": CHATS}
    assert result.kills == KILLS
    assert result.beyond_limits == 0
    assert result.faults > CHATS / 5, "chance must have had its say"
