"""Storms: people with editors among tools, and writers that are killed. Nothing may be lost.

A failure names its seed; the scripts beside this file repeat it.
"""

from __future__ import annotations

from pathlib import Path

import humans
import kills
import pytest


def test_people_and_tools_lose_nothing(tmp_path: Path) -> None:
    report = humans.storm(tmp_path, seed=20261121, seconds=6)
    assert report["violations"] == [], report
    assert report["saves"] >= 5
    assert report["writes"] >= 5


def test_killed_and_stopped_writers_lose_nothing(tmp_path: Path) -> None:
    report = kills.storm(tmp_path, seed=20261121, kills=250)
    assert report["violations"] == [], report
    assert {"write", "append", "create", "claim"} <= report["acknowledged"].keys()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(5))
def test_people_and_tools_lose_nothing_for_long(tmp_path: Path, seed: int) -> None:
    report = humans.storm(tmp_path, seed, seconds=60)
    assert report["violations"] == [], report


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
def test_killed_and_stopped_writers_lose_nothing_for_long(tmp_path: Path, seed: int) -> None:
    report = kills.storm(tmp_path, seed, kills=5000)
    assert report["violations"] == [], report
