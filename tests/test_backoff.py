"""Pauses between attempts, on values alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdcoord.rules.backoff import Backoff


@pytest.mark.parametrize(("failures", "full"), [(0, 5), (1, 5), (2, 10), (3, 20), (7, 300), (10_000, 300)])
def test_it_doubles_up_to_the_cap(failures: int, full: float) -> None:
    assert Backoff().delay(failures, 1.0) == full
    assert Backoff().delay(failures, 0.0) == full / 2


def test_a_base_of_0_is_no_pause() -> None:
    assert Backoff(base=0.0).delay(9, 0.7) == 0


@given(
    st.floats(0, 1e6),
    st.floats(1, 10),
    st.floats(0, 1e6),
    st.integers(0, 10**6),
    st.floats(0, 1, exclude_max=True),
)
def test_it_stays_within_bounds(base: float, factor: float, cap: float, failures: int, chance: float) -> None:
    backoff = Backoff(base, factor, cap)
    pause = backoff.delay(failures, chance)
    assert min(base, cap) / 2 <= pause <= cap
    assert pause <= backoff.delay(failures + 1, chance)
