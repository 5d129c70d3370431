"""Every call of the system that a verb makes fails once, in every way; and Ctrl-C comes at its lines.

After each: the files can be read, what was acknowledged is there, what was refused is not, no lock is
held, no descriptor and no temporary file stays, and a later write works.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from faulty import KILLS, KINDS
from sweep import sweep, sweep_lines
from verbs import BY_NAME

pytestmark = pytest.mark.filterwarnings(
    # An interrupt may leave it to the garbage collector to close a file, and with it to give back a lock.
    "ignore::pytest.PytestUnraisableExceptionWarning"
)

ALIKE = {"ENOSPC", "EACCES", "EINTR", "ENOMEM", "SIGINT", "SIGKILL after"}
"""Failures that take nearly the ways of others: of these some calls are tried in the normal suite."""

EVERY_CALL = 4
EVERY_LINE = 9
"""In the normal suite one call, or line, of so many."""


@pytest.mark.parametrize("kind", [*KINDS, *KILLS])
@pytest.mark.parametrize("verb", BY_NAME)
def test_any_failing_call_leaves_old_or_new(verb: str, kind: str, scratch: Path) -> None:
    start, step = _some(verb + kind, EVERY_CALL) if kind in ALIKE else (1, 1)
    points, problems = sweep(BY_NAME[verb], kind, scratch, start, step)
    assert points > 2
    assert problems == []


@pytest.mark.parametrize("verb", BY_NAME)
def test_ctrl_c_at_some_lines_leaves_old_or_new(verb: str, scratch: Path) -> None:
    points, problems = sweep_lines(BY_NAME[verb], scratch, *_some(verb, EVERY_LINE))
    assert points > 10
    assert problems == []


@pytest.mark.long
@pytest.mark.parametrize("kind", [*KINDS, *KILLS])
@pytest.mark.parametrize("verb", BY_NAME)
def test_every_failing_call_leaves_old_or_new(verb: str, kind: str, scratch: Path) -> None:
    points, problems = sweep(BY_NAME[verb], kind, scratch)
    assert points > 10
    assert problems == []


@pytest.mark.long
@pytest.mark.parametrize("verb", BY_NAME)
def test_ctrl_c_at_every_line_leaves_old_or_new(verb: str, scratch: Path) -> None:
    points, problems = sweep_lines(BY_NAME[verb], scratch)
    assert points > 100
    assert problems == []


def _some(seed: str, step: int) -> tuple[int, int]:
    return random.Random(seed).randrange(1, step + 1), step
