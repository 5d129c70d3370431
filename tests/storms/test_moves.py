"""A workspace that is moved while many work in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from moves import storm
from redis_servers import Server

from mdcoord.backends.redis import gate
from mdcoord.moving import forks


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORM", str(tmp_path))
    monkeypatch.setattr(gate, "HELD", 0.5)  # so long the gate stays closed after a mover was killed
    monkeypatch.setattr(forks, "MANY", 0)  # so that several processes share the work
    monkeypatch.setattr(forks, "PAGE", 20)


def test_workers_go_along(url: str, tmp_path: Path) -> None:
    assert storm(tmp_path, [url, "markdown"], 1, moves=2, kills=1, tasks=150) == []


def test_workers_go_along_from_server_to_server(server: Server, tmp_path: Path) -> None:
    places = [server.new_url(), server.new_url(), "markdown"]
    assert storm(tmp_path, places, 1, moves=3, kills=1, tasks=150) == []


@pytest.mark.long
@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize("seed", range(20))
def test_workers_go_along_for_long(server: Server, tmp_path: Path, servers: int, seed: int) -> None:
    places = [*(server.new_url() for _ in range(servers)), "markdown"]
    assert storm(tmp_path, places, seed, moves=6, kills=5, tasks=400) == []
