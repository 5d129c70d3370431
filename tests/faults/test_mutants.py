"""Each safeguard of the store is needed: without it, one of these checks fails; with it, none does."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import mutants
import pytest
from faulty import KILL
from mutants import Mutant
from powercut import power_cuts
from sweep import prepared, sweep
from verbs import BY_NAME, CHANNEL, TASK, TIME, World, base

from mdcoord.errors import Busy, ClaimLost, NotReady
from mdcoord.model import Change

Check = Callable[[Path], list[str]]
"""Returns what is wrong."""


def second_holder(scratch: Path) -> list[str]:
    """A lock that is held is not to be had."""
    files = base(scratch / "world", "none").store._files
    with files.lock("one", 0):
        try:
            with files.lock("one", 0):
                return ["a lock has two holders"]
        except Busy:
            return []


def edits_in_parallel(scratch: Path) -> list[str]:
    """Four processes edit different fields of one document."""
    world = base(scratch / "world", "none")
    children = []
    for process in range(4):
        pid = os.fork()
        if not pid:
            try:
                for number in range(60):
                    change = Change(set={(f"field_{process}", f"edit_{number}"): number})
                    World(world.folder, "none").store.write(TASK, change, wait=60)
            finally:
                os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    content = world.content()["task-one"]
    if isinstance(content, str):
        return [content]
    missing = 240 - sum(len(content.get(f"field_{process}", {})) for process in range(4))
    return [f"{missing} edits are lost"] if missing else []


def stopped_holder(scratch: Path) -> list[str]:
    """A holder is stopped until its time is over and somebody else has the task, and goes on then."""
    world = base(scratch / "world", "none")
    outcome = scratch / "outcome"
    pid = os.fork()
    if not pid:
        try:
            held = World(world.folder, "none").work.tasks.claim(
                "one", ttl=0.05, heartbeat=False, session="first"
            )
            os.kill(os.getpid(), signal.SIGSTOP)
            try:
                held.complete()
                outcome.write_text("accepted")
            except BaseException as error:
                outcome.write_text("refused" if isinstance(error, ClaimLost) else repr(error))
        finally:
            os._exit(0)
    os.waitpid(pid, os.WUNTRACED)
    second = World(world.folder, "none").work.tasks
    while True:
        try:
            second.claim("one", ttl=60, heartbeat=False, session="second")
            break
        except NotReady:
            time.sleep(0.01)
    os.kill(pid, signal.SIGCONT)
    os.waitpid(pid, 0)
    return [] if outcome.read_text() == "refused" else [f"a stale claim was {outcome.read_text()}"]


def save_with_old_time(scratch: Path) -> list[str]:
    """A file of the same length and modification time as before is another one all the same."""
    world = base(scratch / "world", "none")
    before = [record.fields["title"] for record in world.store.list("task").records]
    path = world.folder / "task-one.md"
    info = path.stat()
    path.write_text(world.text().replace("title: One", "title: Two"))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    after = [record.fields["title"] for record in world.store.list("task").records]
    return [] if (before, after) == (["One"], ["Two"]) else [f"listed as {before}, then as {after}"]


def shell_that_appends(scratch: Path) -> list[str]:
    """A shell opens the file with `>>` and writes into it later, as `cat >> file` does."""
    world = base(scratch / "world", "none")
    path = world.folder / "task-one.md"
    shell = subprocess.Popen(["sh", "-c", f'cat >> "{path}"'], stdin=subprocess.PIPE, text=True)
    with shell:
        assert shell.stdin
        while not _has_open(shell.pid, path):
            time.sleep(0.005)
        pid = os.fork()
        if not pid:
            try:
                os.close(shell.stdin.fileno())
                World(world.folder, "none").store.write(TASK, Change(set={("done",): 1}))
            finally:
                os._exit(0)
        ended = _ends_within(pid, 0.7)
        shell.communicate("A line by the shell.\n")
        if not ended:
            os.waitpid(pid, 0)
    content = world.content()["task-one"]
    there = isinstance(content, dict) and content.get("done") == 1 and "A line by the shell." in world.text()
    return [] if there else [f"something is lost: {world.text()}"]


def torn_end(scratch: Path) -> list[str]:
    """An append takes away what a torn one left."""
    world = prepared(BY_NAME["append below a torn end"], scratch / "world", "none")
    world.store.append(CHANNEL, "noted", {"number": 3}, time=TIME)
    text = (world.folder / "events-work.md").read_text()
    return ["what was torn is still there"] if "torn" in text else []


def _has_open(pid: int, path: Path) -> bool:
    folder = Path(f"/proc/{pid}/fd")
    return any(os.path.realpath(entry) == str(path) for entry in folder.iterdir())


def _ends_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.01)
    return False


def killed(verb: str) -> Check:
    return lambda scratch: sweep(BY_NAME[verb], KILL, scratch, enough=1)[1]


def without_power(*verbs: str) -> Check:
    return lambda scratch: power_cuts([BY_NAME[verb] for verb in verbs], scratch, enough=1)[1]


CASES: list[tuple[Mutant, Check]] = [
    (mutants.no_lock, second_holder),
    (mutants.lock_file_removed_on_release, killed("write over a stale save")),
    (mutants.no_sync_of_the_file, without_power("write")),
    (mutants.no_sync_of_the_file, without_power("create")),
    (mutants.no_sync_of_the_folder, without_power("write")),
    (mutants.no_sync_of_the_folder, without_power("create")),
    (mutants.written_in_place, killed("write")),
    (mutants.no_look_at_what_came_out, killed("write while somebody saves")),
    (mutants.no_look_for_open_files, shell_that_appends),
    (mutants.no_memory_of_versions, killed("write over a stale save")),
    (mutants.no_mark_of_own_versions, without_power("release")),
    (mutants.no_repair_of_logs, torn_end),
    (mutants.no_fence, stopped_holder),
    (mutants.modification_time_trusted, save_with_old_time),
]


@pytest.mark.parametrize(("mutant", "check"), CASES, ids=[mutant.__name__ for mutant, _ in CASES])
def test_a_mutant_is_noticed(
    mutant: Mutant, check: Check, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    assert check(scratch) != []


@pytest.mark.parametrize(
    "check",
    [second_holder, edits_in_parallel, stopped_holder, save_with_old_time, shell_that_appends, torn_end],
)
def test_the_store_itself_passes(check: Check, scratch: Path) -> None:
    assert check(scratch) == []
