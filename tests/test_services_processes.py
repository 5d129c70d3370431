"""Claims between real processes on real files."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mdcoord.errors import NothingReady
from mdcoord.workspace import Workspace

WORKER = """
import sys
from mdcoord import Workspace
from mdcoord.errors import NothingReady

with Workspace.open(sys.argv[1], agent="same-name") as w:
    print("open", flush=True)
    sys.stdin.readline()
    while True:
        try:
            with w.tasks.claim() as claim:
                print(claim.id, claim.attempt, flush=True)
                claim.complete(result=claim.session)
        except NothingReady:
            break
"""

RIVAL = """
import sys, time
from mdcoord import Workspace
from mdcoord.errors import NothingReady

TASKS = 8

with Workspace.open(sys.argv[1], agent="team") as w:
    print("open", flush=True)
    sys.stdin.readline()
    for number in range(TASKS):
        w.tasks.create("x", key=f"job-{number}", fields={"number": number})
    while any(task.status != "completed" for task in w.tasks.list()):
        try:
            with w.tasks.claim() as claim:
                began = time.monotonic()
                time.sleep(0.002)
                print(claim.task["number"], began, time.monotonic(), flush=True)
                claim.complete()
        except NothingReady:
            time.sleep(0.005)
"""

HOLDER = """
import sys
from mdcoord import Workspace

w = Workspace.open(sys.argv[1], agent="holder")
claim = w.tasks.claim()
print(claim.attempt, flush=True)
sys.stdin.readline()
"""


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.fixture
def w(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path, agent="ada")


def test_every_task_is_handed_out_once(w: Workspace, tmp_path: Path) -> None:
    for number in range(40):
        w.tasks.create(f"task {number}", id=f"n{number}", priority=number % 3)
    workers = [start(WORKER, tmp_path) for _ in range(4)]
    outputs = [worker.communicate("go\n", timeout=120)[0] for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    claimed = Counter(line for output in outputs for line in output.splitlines())
    assert claimed == Counter(f"n{number} 1" for number in range(40))
    tasks = w.tasks.list("status = 'completed' and attempt = 1")
    assert len(tasks) == 40


def test_a_killed_holder_is_noticed_at_once(w: Workspace, tmp_path: Path) -> None:
    w.tasks.create("x", id="one")
    holder = start(HOLDER, tmp_path)
    with pytest.raises(NothingReady):
        w.tasks.claim()
    holder.kill()
    holder.communicate()
    with w.tasks.claim() as claim:
        assert claim.attempt == 2
        claim.complete()
    (event,) = w.events.tail("tasks")
    assert (event.name, event["previous_agent"], event["reason"]) == (
        "task_recovered",
        "holder",
        "its process is gone",
    )


def test_limits_conflicts_and_keys_hold_among_processes(w: Workspace, tmp_path: Path) -> None:
    """Four processes of one agent that may hold two tasks make the same tasks, neighbours in conflict."""
    w.agents.register("team", max_concurrent_tasks=2)
    names = [w.tasks.create("x", key=f"job-{number}", fields={"number": number}).id for number in range(8)]
    for number, name in enumerate(names):
        w.tasks.update(name, {"conflicts_with": [names[(number + 1) % 8]]})
    workers = [start(RIVAL, tmp_path) for _ in range(4)]
    outputs = [worker.communicate("go\n", timeout=120)[0] for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    held = [tuple(map(float, line.split())) for output in outputs for line in output.splitlines()]
    assert sorted(number for number, _, _ in held) == list(range(8))
    assert len(w.tasks.list()) == 8
    for number, began, ended in held:
        meanwhile = [
            other for other, first, last in held if first < ended and began < last and other != number
        ]
        assert not {(number + 1) % 8, (number - 1) % 8}.intersection(meanwhile)
    for moment in (began for _, began, _ in held):
        assert sum(began <= moment <= ended for _, began, ended in held) <= 2
