"""What the searches of all pages have in common."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Text, literal, select

from webapp.models import like

SIGNS = st.text(st.sampled_from("%_\\ая"), min_size=1, max_size=6)


@given(st.lists(st.tuples(SIGNS, SIGNS), min_size=1, max_size=8))
def test_signs_of_patterns_are_found_as_they_stand(observing_engine, pairs):
    with observing_engine.connect() as connection:
        for text, wanted in pairs:
            found = connection.scalar(select(literal(text, Text).like(like(wanted), escape="\\")))
            assert bool(found) == (wanted in text)
