"""Many processes want the same: each gets its own, and nothing is lost, in a folder and in Redis."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import run_all

from mdcoord.backends.base import Backend
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.errors import AlreadyExists, NothingReady
from mdcoord.model import Change, Key
from mdcoord.workspace import Workspace

PROCESSES = 8

Claimed = list[tuple[str, int]]
"""Tasks and attempts."""


Place = Path | str
"""A folder, or the address of a server."""


@pytest.fixture(params=["markdown", "redis"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "redis":
        url: str = request.getfixturevalue("url")
        return url
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def store_at(root: Place) -> Backend:
    if isinstance(root, Path):
        return MarkdownBackend(root, durability="none")
    from mdcoord.backends.redis.store import RedisBackend

    return RedisBackend(root)


def opened(root: Place, agent: str, session: str) -> Workspace:
    return Workspace(store_at(root), agent=agent, session=session)


def make_tasks(root: Place, count: int) -> None:
    store = store_at(root)
    for number in range(count):
        store.create("task", {"title": f"Task {number}", "status": "pending"}, name=f"{number:04}")


def work_off(root: Place, agent: str, session: str) -> Claimed:
    """Claim and complete tasks until none is ready; every tenth is given back at the first attempt."""
    claimed: Claimed = []
    with opened(root, agent, session) as workspace:
        while True:
            try:
                claim = workspace.tasks.claim(heartbeat=False)
            except NothingReady:
                return claimed
            claimed.append((claim.id, claim.attempt))
            if claim.attempt == 1 and int(claim.id) % 10 == 0:
                claim.release()
            else:
                claim.complete()


@pytest.mark.parametrize(
    ("tasks", "agent"),
    [(500, "agent-{}"), (200, "everybody")],
    ids=["many agents", "one agent, many sessions"],
)
def test_every_attempt_has_one_claimant(root: Place, tmp_path: Path, tasks: int, agent: str) -> None:
    make_tasks(root, tasks)
    jobs = [
        lambda n=number: work_off(root, agent.format(n), f"session-{n}")  # type: ignore[misc]
        for number in range(PROCESSES)
    ]
    results = run_all(jobs, tmp_path)
    counts = Counter(tuple(item) for result in results for item in result)
    wanted = {(f"{number:04}", 1) for number in range(tasks)}
    wanted |= {(f"{number:04}", 2) for number in range(0, tasks, 10)}
    assert counts == Counter(wanted)
    assert sum(bool(result) for result in results) > 1, "one process did it all: no race"
    statuses = {task.status for task in opened(root, "a", "b").tasks.list()}
    assert statuses == {"completed"}


def held_by(root: Place, session: str) -> list[tuple[float, float]]:
    """Claim and complete tasks until none is left; from when to when each was held."""
    held = []
    with opened(root, "everybody", session) as workspace:
        while True:
            try:
                claim = workspace.tasks.claim(heartbeat=False)
            except NothingReady as error:
                if not error.details["tasks"].get("pending"):
                    return held
                continue
            begun = time.monotonic()
            workspace.tasks.get(claim.id)
            held.append((begun, time.monotonic()))
            claim.complete()


@pytest.mark.parametrize("limit", [1, 3])
def test_one_agent_in_many_processes_holds_no_more_than_it_may(
    root: Place, tmp_path: Path, limit: int
) -> None:
    make_tasks(root, 60)
    with opened(root, "everybody", "first") as workspace:
        workspace.agents.register(max_concurrent_tasks=limit)
    jobs = [lambda n=number: held_by(root, f"session-{n}") for number in range(4)]  # type: ignore[misc]
    spans = [tuple(span) for result in run_all(jobs, tmp_path) for span in result]
    assert len(spans) == 60
    at_once = [sum(begun <= moment < ended for begun, ended in spans) for moment, _ in spans]
    assert max(at_once) <= limit


def test_every_task_has_one_claimant_on_the_command_line(tmp_path: Path) -> None:
    tasks = 15
    with Workspace.create(tmp_path / "project") as workspace:
        for number in range(tasks):
            workspace.tasks.create(f"Task {number}", id=f"{number:04}")
    root = str(tmp_path / "project")
    results = run_all([lambda n=n: commands(root, f"agent-{n}") for n in range(4)], tmp_path)  # type: ignore[misc]
    claimed = Counter(item for result in results for item in result)
    assert claimed == Counter(f"{number:04}" for number in range(tasks))
    with Workspace.open(root) as workspace:
        assert {task.status for task in workspace.tasks.list()} == {"completed"}


def commands(root: str, agent: str) -> list[str]:
    """Claim and complete tasks with one process a step until none is ready."""
    environment = {**os.environ, "MDCOORD_ROOT": root, "MDCOORD_AGENT": agent, "MDCOORD_SESSION": agent}
    claimed = []
    while True:
        step = _command(environment, "task", "claim", "--json")
        if step.returncode == 5:
            return claimed
        assert step.returncode == 0, step.stderr
        task = json.loads(step.stdout)
        claimed.append(str(task["task_id"]))
        step = _command(environment, "task", "complete", claimed[-1], "--token", task["_claim"]["token"])
        assert step.returncode == 0, step.stderr


def _command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mdcoord", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_no_edit_of_one_document_is_lost(root: Place, tmp_path: Path) -> None:
    edits = 200 if isinstance(root, Path) else 50
    make_tasks(root, 1)

    def edit(process: int) -> int:
        store = store_at(root)
        for number in range(edits):
            change = Change(set={(f"field_{process}", f"edit_{number}"): number})
            store.write(Key("task", "0000"), change, wait=120)
        return edits

    assert run_all([lambda p=p: edit(p) for p in range(PROCESSES)], tmp_path) == [edits] * PROCESSES  # type: ignore[misc]
    fields = store_at(root).read(Key("task", "0000")).fields
    wanted = {f"edit_{number}": number for number in range(edits)}
    assert {process: fields[f"field_{process}"] for process in range(PROCESSES)} == dict.fromkeys(
        range(PROCESSES), wanted
    )


def test_one_of_many_creators_wins(root: Place, tmp_path: Path) -> None:
    rounds = 40

    def create(process: int) -> list[int]:
        store, won = store_at(root), []
        for number in range(rounds):
            try:
                store.create("task", {"title": f"by {process}"}, name=f"same-{number}")
                won.append(number)
            except AlreadyExists:
                pass
        return won

    jobs: list[Callable[[], list[int]]] = [lambda p=p: create(p) for p in range(PROCESSES)]  # type: ignore[misc]
    results = run_all(random.Random(1).sample(jobs, len(jobs)), tmp_path)
    assert sorted(number for result in results for number in result) == [*range(rounds)]
    store = store_at(root)
    titles = Counter(store.read(Key("task", f"same-{number}")).fields["title"] for number in range(rounds))
    assert titles.total() == rounds
