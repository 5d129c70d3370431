"""A mirror that is killed all the time, between people with editors and tools on the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from mirrors import storm


def test_nothing_is_lost_on_either_side(url: str, tmp_path: Path) -> None:
    report = storm(tmp_path, url, 1, 2.5)
    assert report["violations"] == []
    assert report["saves"] > 0
    assert report["kills"] > 1


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_lost_for_long(url: str, tmp_path: Path, seed: int) -> None:
    assert storm(tmp_path, url, seed, 40.0)["violations"] == []
