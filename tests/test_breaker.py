"""The circuit breaker, on values alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdcoord.host import timestamp
from mdcoord.rules.breaker import CLOSED, HALF_OPEN, OPEN, Breaker

NOW = 1_770_000_000.0


def test_it_opens_at_the_threshold_and_is_half_open_after_the_cool_down() -> None:
    breaker = Breaker(threshold=2, cooldown=10.0)
    once = breaker.failed(NOW)
    assert (once.state(NOW), once.failure_count) == (CLOSED, 1)
    twice = once.failed(NOW + 1)
    assert [twice.state(NOW + after) for after in (1, 10.9, 11, 1000)] == [OPEN, OPEN, HALF_OPEN, HALF_OPEN]
    assert twice.until() == timestamp(NOW + 11)
    assert [twice.room(3, NOW + after) for after in (1, 11)] == [0, 1]
    assert breaker.room(3, NOW) == 3
    assert twice.room(0, NOW + 11) == 0


def test_the_trial_decides() -> None:
    tripped = Breaker(threshold=1, cooldown=10.0).failed(NOW)
    again = tripped.failed(NOW + 20)
    assert (again.state(NOW + 29), again.state(NOW + 30)) == (OPEN, HALF_OPEN)
    closed = tripped.succeeded()
    assert (closed.state(NOW), closed.failure_count, closed.clean) == (CLOSED, 0, True)
    assert closed.last_failure == tripped.last_failure, "when it failed last is still to be seen"


def test_a_threshold_of_0_never_opens() -> None:
    breaker = Breaker(threshold=0)
    for _ in range(9):
        breaker = breaker.failed(NOW)
    assert (breaker.state(NOW), breaker.failure_count, breaker.clean) == (CLOSED, 9, False)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (None, Breaker(5, 7.0)),
        ("OPEN", Breaker(5, 7.0)),
        ({}, Breaker(5, 7.0)),
        ({"state": "open"}, Breaker(5, 7.0, opened=True)),
        ({"state": "Half-Open"}, Breaker(5, 7.0, opened=True)),
        ({"state": "closed", "failure_count": 9}, Breaker(5, 7.0, 9)),
        ({"threshold": 2, "cooldown_sec": 1.5}, Breaker(2, 1.5)),
        ({"threshold": True, "cooldown_sec": "soon", "failure_count": -1}, Breaker(5, 7.0)),
        ({"last_failure": "N/A"}, Breaker(5, 7.0)),
        ({"last_failure": "2026-01-31T09:30:00Z"}, Breaker(5, 7.0, 0, "2026-01-31T09:30:00Z")),
    ],
)
def test_what_a_document_says(kept: Any, expected: Breaker) -> None:
    assert Breaker.of({"circuit_breaker": kept}, 5, 7.0) == expected


def test_a_document_gives_back_what_it_was_told() -> None:
    breaker = Breaker(2, 60.0).failed(NOW).failed(NOW)
    fields = {"circuit_breaker": breaker.as_fields(NOW)}
    assert fields["circuit_breaker"]["state"] == "OPEN"
    assert Breaker.of(fields, 2, 60.0) == breaker
    later = {"circuit_breaker": breaker.as_fields(NOW + 60)}
    assert later["circuit_breaker"]["state"] == "HALF_OPEN"
    assert Breaker.of(later, 2, 60.0) == breaker


def test_stopped_by_hand_it_stays_so() -> None:
    breaker = Breaker.of({"circuit_breaker": {"state": "OPEN"}}, 3, 60.0)
    assert (breaker.state(NOW + 1e9), breaker.until()) == (OPEN, None)


def test_clocks_that_differ() -> None:
    breaker = Breaker(1, 60.0).failed(NOW)
    assert breaker.state(NOW - 59) == OPEN
    assert breaker.state(NOW - 61) == HALF_OPEN, "a stamp far in the future is nobody's"


STEPS = st.lists(st.tuples(st.sampled_from(["fail", "succeed"]), st.floats(0, 50)), max_size=30)


@given(st.integers(0, 4), STEPS)
def test_it_follows_a_simple_model(threshold: int, steps: list[tuple[str, float]]) -> None:
    """Open exactly while `threshold` failures or more came in a row and the last one is fresh."""
    breaker, now, row, tripped, last = Breaker(threshold, 30.0), NOW, 0, False, NOW
    for step, passed in steps:
        now += passed
        if step == "fail":
            breaker, row, last = breaker.failed(now), row + 1, now
            tripped = tripped or 0 < threshold <= row
        else:
            breaker, row, tripped = breaker.succeeded(), 0, False
        for later in (0.0, 29.0, 31.0):
            fresh = now + later - last < 30.0 - 0.001
            assert breaker.state(now + later) == ((OPEN if fresh else HALF_OPEN) if tripped else CLOSED)
        assert breaker.failure_count == row
        assert breaker.clean == (row == 0 and not tripped)
