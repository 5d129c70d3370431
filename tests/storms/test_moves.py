"""A workspace that is moved while many work in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from moves import storm

from mdcoord.backends.redis import gate
from mdcoord.moving import crew


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORM", str(tmp_path))
    monkeypatch.setattr(gate, "HELD", 0.5)  # so long the gate stays closed after a mover was killed
    monkeypatch.setattr(crew, "MANY", 0)  # so that several processes share the work
    monkeypatch.setattr(crew, "PAGE", 20)


def test_workers_go_along(url: str, tmp_path: Path) -> None:
    assert storm(tmp_path, url, 1, moves=2, kills=1, tasks=150) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_workers_go_along_for_long(url: str, tmp_path: Path, seed: int) -> None:
    assert storm(tmp_path, url, seed, moves=6, kills=5, tasks=400) == []
