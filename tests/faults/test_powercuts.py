"""Whatever a power cut leaves after any call of a verb: files can be read, what was acknowledged is
there.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from powercut import power_cuts
from verbs import BY_NAME

SEQUENCES = (
    ("create", "write"),
    ("write", "write over a save"),
    ("write over a stale save", "claim"),
    ("claim", "complete"),
    ("complete", "archive"),
    ("archive", "restore"),
    ("write", "archive"),
    ("delete", "create"),
    ("append", "rotate"),
    ("rotate", "append"),
    ("append below a torn end", "append"),
    ("first append", "append"),
)


@pytest.mark.parametrize("verb", BY_NAME)
def test_power_cut_during_a_verb(verb: str, scratch: Path) -> None:
    states, problems = power_cuts([BY_NAME[verb]], scratch)
    assert states > 1
    assert problems == []


@pytest.mark.parametrize("verbs", SEQUENCES, ids=" + ".join)
def test_power_cut_during_two_verbs(verbs: tuple[str, ...], scratch: Path) -> None:
    states, problems = power_cuts([BY_NAME[verb] for verb in verbs], scratch, most=4)
    assert states > 1
    assert problems == []


@pytest.mark.long
@pytest.mark.parametrize("verbs", [*((verb,) for verb in BY_NAME), *SEQUENCES], ids=" + ".join)
def test_many_power_cuts(verbs: tuple[str, ...], scratch: Path) -> None:
    states, problems = power_cuts([BY_NAME[verb] for verb in verbs], scratch, most=100)
    assert states > 1
    assert problems == []
