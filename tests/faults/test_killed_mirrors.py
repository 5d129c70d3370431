"""A mirror is killed at every call of the system: no save is lost, and no value of the server."""

from __future__ import annotations

import random
from itertools import count
from pathlib import Path

import pytest
from faulty import KILL, KILLS
from killedmirrors import SCENES, Scene, Stage
from redis_servers import Server

LONGEST = 600
"""More calls than a mirror makes until both sides are the same."""


@pytest.fixture
def stage(server: Server, scratch: Path) -> Stage:
    return Stage(scratch, server.new_url)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_mirror_killed_at_some_calls(stage: Stage, scene: Scene) -> None:
    chance = random.Random(scene.name)
    for first in range(chance.randrange(1, 13), LONGEST, 12):
        problems, killed, _ = stage.play(scene, KILL, first, chance.randrange(1, 200))
        assert problems == []
        if not killed:
            return
    raise AssertionError("it does not come to an end")


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KILLS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_mirror_killed_at_every_call(stage: Stage, scene: Scene, kind: str) -> None:
    chance = random.Random(scene.name + kind)
    for first in count(1):
        for second in range(chance.randrange(1, 10), LONGEST, 9):
            problems, killed, again = stage.play(scene, kind, first, second)
            assert problems == []
            if not again:
                break
        if not killed:
            return
