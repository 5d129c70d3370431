"""`mdcoord work` as real processes: shared out, stopped by signals, killed, paused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from mdcoord.errors import ClaimLost
from mdcoord.workspace import Workspace


@pytest.fixture
def w(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.chdir(tmp_path)
    with Workspace.create(tmp_path, agent="boss") as opened:
        yield opened


@pytest.fixture
def start(w: Workspace) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a worker; whatever is left of it in the end is killed."""
    begun: list[subprocess.Popen[str]] = []

    def worker(*arguments: str, agent: str = "ada", **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mdcoord", "work", "--agent", agent, "--json", *arguments]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            # A shell starts what is in the background deaf to Ctrl-C, and a worker respects that.
            preexec_fn=hear_ctrl_c,
        )
        begun.append(process)
        return process

    yield worker
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


def hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def command_of(worker: subprocess.Popen[str]) -> int:
    """The process id that a worker's command writes into a file."""

    def written() -> str:
        assert worker.poll() is None, worker.communicate()
        return Path("pid").read_text().strip() if Path("pid").exists() else ""

    return int(until(written))


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_several_workers_share_the_tasks_out_and_end_when_idle(w: Workspace, start: Any) -> None:
    for number in range(12):
        w.tasks.create("x", id=f"n{number}", depends_on=[f"n{number - 6}"] if number > 5 else [])
    workers = [start("--jobs", "2", "--idle", "1s", "true", agent=name) for name in ("ada", "bo", "cy")]
    outputs = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    ended = [line for output, _ in outputs for line in lines(output)]
    assert sorted(line["_id"] for line in ended) == sorted(f"n{number}" for number in range(12))
    assert {(line["outcome"], line["attempt"]) for line in ended} == {("completed", 1)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_the_task_end_and_then_the_worker(
    w: Workspace, start: Any, tmp_path: Path, number: signal.Signals
) -> None:
    w.tasks.create("x", id="one", priority=1)
    w.tasks.create("y", id="two")
    worker = start(
        "--grace", "60s", "sh", "-c", "echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done; echo ok"
    )
    command_of(worker)
    worker.send_signal(number)
    (tmp_path / "go").touch()
    output, errors = worker.communicate(timeout=60)
    assert (worker.returncode, [line["_id"] for line in lines(output)]) == (0, ["one"])
    told = "mdcoord: stopping; what is at hand has 60 s to end, or ends at a second signal"
    assert {*errors.splitlines()} == {"ok", told}
    assert (w.tasks.get("one").status, w.tasks.get("two").status) == ("completed", "pending")
    assert w.agents.get("ada").status == "offline"


def test_the_grace_time_over_the_task_is_given_back(w: Workspace, start: Any) -> None:
    w.tasks.create("x", id="one")
    worker = start("--grace", "0s", "sh", "-c", "echo $$ > pid; sleep 600")
    pid = command_of(worker)
    worker.terminate()
    output, _ = worker.communicate(timeout=60)
    assert (worker.returncode, lines(output)[0]["outcome"]) == (0, "released")
    assert (w.tasks.get("one").status, w.tasks.why("one"), gone(pid)) == ("pending", [], True)


def test_a_second_signal_ends_it_at_once(w: Workspace, start: Any) -> None:
    w.tasks.create("x", id="one")
    worker = start("--grace", "600s", "sh", "-c", "trap '' TERM; echo $$ > pid; while :; do sleep 1; done")
    pid = command_of(worker)
    worker.terminate()
    time.sleep(0.2)
    worker.terminate()
    output, _ = worker.communicate(timeout=60)
    assert (worker.returncode, lines(output)[0]["outcome"]) == (0, "released")
    assert (w.tasks.get("one").status, gone(pid)) == ("pending", True)


def test_a_killed_worker_holds_nothing_and_its_command_ends_too(w: Workspace, start: Any) -> None:
    w.tasks.create("x", id="one", retry_limit=2)
    worker = start("sh", "-c", "sleep 0.5; echo $$ > pid; sleep 600")
    pid = command_of(worker)
    worker.kill()
    worker.communicate(timeout=60)
    second = start("--once", "--idle", "60s", "true", agent="bo")
    output, _ = second.communicate(timeout=120)
    (ended,) = lines(output)
    assert (second.returncode, ended["outcome"], ended["attempt"]) == (0, "completed", 2)
    until(lambda: gone(pid))
    (event,) = [event for event in w.events.tail("tasks") if event.name == "task_recovered"]
    assert (event["previous_agent"], event["reason"]) == ("ada", "its process is gone")


def test_a_paused_worker_finds_its_claim_lost_and_ends_its_command(
    w: Workspace, start: Any, tmp_path: Path
) -> None:
    """The others are given the task; what the late one does for it is refused."""
    w.tasks.create("x", id="one")
    script = "echo $MDCOORD_TOKEN > token; echo $$ > pid; sleep 600"
    worker = start("--max", "1", "--ttl", "1s", "sh", "-c", script)
    pid = command_of(worker)
    os.kill(worker.pid, signal.SIGSTOP)
    second = start("--once", "--idle", "60s", "echo", '{"by": "bo"}', agent="bo")
    output, _ = second.communicate(timeout=120)
    assert lines(output)[0]["outcome"] == "completed"
    os.kill(worker.pid, signal.SIGCONT)
    output, _ = worker.communicate(timeout=60)
    assert (worker.returncode, lines(output)[0]["outcome"]) == (0, "lost")
    assert gone(pid)
    with pytest.raises(ClaimLost):
        w.tasks.complete("one", result="late", token=(tmp_path / "token").read_text().strip())
    assert w.tasks.get("one").result == {"by": "bo"}


def test_a_reader_that_goes_away_stops_the_worker_and_nothing_is_held(w: Workspace, start: Any) -> None:
    for number in range(3):
        w.tasks.create("x", id=f"n{number}")
    worker = start("true")
    worker.stdout.close()
    worker.wait(timeout=60)
    assert worker.returncode == 141
    assert not w.tasks.list("status = 'in_progress'")
