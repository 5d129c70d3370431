"""Every call of the system that a verb makes fails once, in every way; and Ctrl-C comes at its lines.

After each: the files can be read, what was acknowledged is there, what was refused is not, no lock is
held, no descriptor and no temporary file stays, and a later write works.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from faulty import KILL, KILLS, KINDS, LATE, SHORT
from sweep import sweep, sweep_lines
from verbs import BY_NAME

pytestmark = pytest.mark.filterwarnings(
    # An interrupt may leave it to the garbage collector to close a file, and with it to give back a lock.
    "ignore::pytest.PytestUnraisableExceptionWarning"
)

EVERY = {"EIO": 1, "short write": 1, LATE: 3, KILL: 3}
"""In the normal suite one call of so many fails; of the others, which take nearly the same ways, fewer."""

ELSE = 9
LINES = 9


@pytest.mark.parametrize("kind", [*KINDS, *KILLS])
@pytest.mark.parametrize("verb", BY_NAME)
def test_any_failing_call_leaves_old_or_new(verb: str, kind: str, scratch: Path) -> None:
    points, problems = sweep(BY_NAME[verb], kind, scratch, *_some(verb + kind, EVERY.get(kind, ELSE)))
    assert points or kind == SHORT  # not every verb writes
    assert problems == []


@pytest.mark.parametrize("verb", BY_NAME)
def test_ctrl_c_at_some_lines_leaves_old_or_new(verb: str, scratch: Path) -> None:
    points, problems = sweep_lines(BY_NAME[verb], scratch, *_some(verb, LINES))
    assert points > 10
    assert problems == []


@pytest.mark.long
@pytest.mark.parametrize("kind", [*KINDS, *KILLS])
@pytest.mark.parametrize("verb", BY_NAME)
def test_every_failing_call_leaves_old_or_new(verb: str, kind: str, scratch: Path) -> None:
    points, problems = sweep(BY_NAME[verb], kind, scratch)
    assert points or kind == SHORT  # not every verb writes
    assert problems == []


@pytest.mark.long
@pytest.mark.parametrize("verb", BY_NAME)
def test_ctrl_c_at_every_line_leaves_old_or_new(verb: str, scratch: Path) -> None:
    points, problems = sweep_lines(BY_NAME[verb], scratch)
    assert points > 100
    assert problems == []


def _some(seed: str, step: int) -> tuple[int, int]:
    return random.Random(seed).randrange(1, step + 1), step
