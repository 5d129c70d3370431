"""Every call of the system that a verb makes fails once, in every way; and Ctrl-C comes at its lines.

After each: the files can be read, what was acknowledged is there, what was refused is not, no lock is
held, no descriptor and no temporary file stays, and a later write works.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from faulty import KINDS
from sweep import sweep, sweep_lines
from verbs import BY_NAME

pytestmark = pytest.mark.filterwarnings(
    # An interrupt may leave it to the garbage collector to close a file, and with it to give back a lock.
    "ignore::pytest.PytestUnraisableExceptionWarning"
)

SAMPLE = 7
"""One line of so many is interrupted in the normal suite."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", BY_NAME)
def test_any_failing_call_leaves_old_or_new(verb: str, kind: str, scratch: Path) -> None:
    points, problems = sweep(BY_NAME[verb], kind, scratch)
    assert points > 10
    assert problems == []


@pytest.mark.parametrize("verb", BY_NAME)
def test_ctrl_c_at_some_lines_leaves_old_or_new(verb: str, scratch: Path) -> None:
    start = random.Random(verb).randrange(1, SAMPLE)
    points, problems = sweep_lines(BY_NAME[verb], scratch, start, SAMPLE)
    assert points > 10
    assert problems == []


@pytest.mark.long
@pytest.mark.parametrize("verb", BY_NAME)
def test_ctrl_c_at_every_line_leaves_old_or_new(verb: str, scratch: Path) -> None:
    points, problems = sweep_lines(BY_NAME[verb], scratch)
    assert points > 100
    assert problems == []
