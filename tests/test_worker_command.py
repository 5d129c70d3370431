"""Workers that run commands: what a command is told, what is heard of it, how it and its claim end."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from mdcoord import Command, Worker, Workspace
from mdcoord.errors import UsageError
from mdcoord.services import command as commands
from mdcoord.services import job
from mdcoord.services.claim import Claim
from mdcoord.services.job import Outcome


@pytest.fixture
def w(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setattr(job, "KILL_AFTER", 1.0)
    monkeypatch.chdir(tmp_path)
    with Workspace.create(tmp_path, agent="ada") as opened:
        yield opened


class Told:
    """What a worker with a command told, and how its tasks ended."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.lines: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def output(self, claim: Claim, stream: str, line: str) -> None:
        self.lines.append((stream, line))

    def note(self, claim: Claim, text: str) -> None:
        self.notes.append(text)

    @property
    def last(self) -> Outcome:
        return self.outcomes[-1]


def shell(w: Workspace, script: str, **options: Any) -> Told:
    """Run a shell script for every task until nothing is ready."""
    told = Told()
    command = Command(["sh", "-c", script], output=told.output, note=told.note)
    Worker(w, command, **{"idle": 0, "on_end": told.outcomes.append, **options}).run()
    return told


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False


# ---------------------------------------------------------------- what it is told


def test_a_command_gets_the_task_on_stdin_and_in_its_environment(w: Workspace) -> None:
    w.tasks.create("Train", id="train", fields={"epochs": 3})
    told = shell(w, "cat; echo; env")
    (first, *rest) = [line for _, line in told.lines if line]
    task, environment = json.loads(first), dict(line.split("=", 1) for line in rest if "=" in line)
    assert (task["epochs"], task["_id"], task["_claim"]["agent"]) == (3, "train", "ada")
    assert {name: environment[f"MDCOORD_{name}"] for name in ("TASK_ID", "ATTEMPT", "AGENT", "ROOT")} == {
        "TASK_ID": "train",
        "ATTEMPT": "1",
        "AGENT": "ada",
        "ROOT": str(w.root),
    }
    assert environment["MDCOORD_TOKEN"] == task["_claim"]["token"]
    assert environment["MDCOORD_SESSION"] == w.session
    assert told.last.verdict == "completed"


def test_a_command_may_be_told_something_else(w: Workspace) -> None:
    w.tasks.create("Train", id="train")
    told = Told()
    command = Command(["cat"], feed=lambda claim: f"do {claim.id} ü\n", output=told.output)
    Worker(w, command, idle=0).run()
    assert told.lines == [("stdout", "do train ü")]


def test_what_it_does_not_read_holds_nobody_up(w: Workspace) -> None:
    w.tasks.create("Train", id="train", body="x" * 300_000)
    told = Told()
    command = Command(["true"], feed=lambda claim: claim.task.body, output=told.output)
    Worker(w, command, idle=0, on_end=told.outcomes.append).run()
    assert told.last.verdict == "completed"


def test_the_commands_of_mdcoord_in_it_act_for_the_claim(w: Workspace) -> None:
    w.tasks.create("Train", id="train", acceptance=["done"], fields={"require_acceptance": True})
    told = shell(
        w,
        f'm="{sys.executable} -m mdcoord"; $m task progress $MDCOORD_TASK_ID 0.5 --set step=3'
        " && $m task accept $MDCOORD_TASK_ID 1",
    )
    task = w.tasks.get("train")
    assert (told.last.verdict, task.metadata, task.status) == ("completed", {"step": 3}, "completed")
    assert task["acceptance"][0]["by"] == "ada"


def test_a_command_may_complete_its_task_itself_and_then_fail(w: Workspace) -> None:
    w.tasks.create("Train", id="train")
    told = shell(w, f"{sys.executable} -m mdcoord task complete $MDCOORD_TASK_ID --result 7; exit 3")
    assert (told.last.verdict, told.last.error) == ("completed", "")
    assert w.tasks.get("train").result == 7


# ---------------------------------------------------------------- what is heard of it


def test_reports_are_written_down_and_the_rest_is_passed_on(w: Workspace) -> None:
    w.tasks.create("Train", id="train", acceptance=["it runs"])
    told = shell(
        w,
        """
        echo "begin"; echo "::progress 3500/10000 loss=0.42"; echo "::log half way"
        echo "::event training checkpoint_saved step=3500"; echo "::accept it runs"
        echo "::warning not ours"; echo oops >&2; echo "::log on stderr it is text" >&2
        echo '::result {"path": "final.pt"}'; echo '{"not": "the result"}'; printf 'no line break'
        """,
    )
    task = w.tasks.get("train")
    assert (task.status, task.result) == ("completed", {"path": "final.pt"})
    assert task.metadata == {"step": 3500, "total_steps": 10000, "loss": 0.42}
    assert [line["message"] for line in task.logs] == ["half way"]
    assert task["acceptance"][0]["done"] is True
    (event,) = w.events.tail("training")
    assert (event.name, event["step"]) == ("checkpoint_saved", 3500)
    assert [line for stream, line in told.lines if stream == "stdout"] == [
        "begin",
        "::warning not ours",
        '{"not": "the result"}',
        "no line break",
    ]
    assert [line for stream, line in told.lines if stream == "stderr"] == [
        "oops",
        "::log on stderr it is text",
    ]
    assert told.notes == []


@pytest.mark.parametrize(
    ("script", "result"),
    [
        ("""echo log; echo '{"n": 1}'; echo""", {"n": 1}),
        ("echo '[1]'; echo 2", None),
        ("""echo '{"n": 1}'; echo more""", None),
        ("echo '{broken'", None),
        ("""echo '{"n": 1}'; echo '::result null'""", None),
        ("echo '::result 1'; echo '::result 2'", 2),
    ],
)
def test_the_result_is_what_was_reported_or_an_object_in_the_last_line(
    w: Workspace, script: str, result: Any
) -> None:
    w.tasks.create("Train", id="train")
    assert shell(w, script).last.verdict == "completed"
    assert w.tasks.get("train").result == result


def test_a_report_that_is_not_understood_is_told_and_passed_on(w: Workspace) -> None:
    w.tasks.create("Train", id="train")
    told = shell(w, "echo '::progress lots'; echo '::accept 9'; echo '::event /../x y'")
    assert told.last.verdict == "completed"
    assert told.lines == [("stdout", "::progress lots")]
    assert len(told.notes) == 3


def test_many_reports_of_progress_are_few_writes_and_the_last_one_counts(w: Workspace) -> None:
    w.tasks.create("Train", id="train")
    assert w.root is not None
    writes = set()
    stop = threading.Event()
    path = w.root / "task-train.md"

    def look() -> None:
        while not stop.is_set():
            writes.add(path.read_bytes())

    looking = threading.Thread(target=look)
    looking.start()
    shell(w, "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo ::progress $i/500; done; exit 1")
    stop.set()
    looking.join()
    task = w.tasks.get("train")
    assert (task.progress, task.metadata["step"]) == (1, 500)
    assert len(writes) < 20


def test_bytes_that_are_no_text_and_endless_lines_are_passed_on(
    w: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "LONGEST_LINE", 1000)
    w.tasks.create("Train", id="train")
    told = shell(w, r"printf 'a\377b\r\n'; head -c 5000 /dev/zero | tr '\0' x; printf '\n'; printf '\0\n'")
    assert told.last.verdict == "completed"
    first, *pieces, last = [line for _, line in told.lines]
    assert (first, "".join(pieces), last) == ("a\ufffdb", "x" * 5000, "\0")


# ---------------------------------------------------------------- how it ends


def test_another_exit_code_fails_the_task_with_the_last_lines(w: Workspace) -> None:
    w.tasks.create("Train", id="train")
    told = shell(w, "for i in $(seq 1 40); do echo line $i; done; echo Traceback >&2; exit 3")
    error = w.tasks.get("train").error or ""
    assert error.startswith("exit code 3\n")
    assert "line 40" in error
    assert "Traceback" in error
    assert "line 5\n" not in error
    assert told.last.error == error


def test_a_command_that_is_killed_says_by_what(w: Workspace) -> None:
    w.tasks.create("Train", id="train")
    shell(w, "kill -9 $$")
    assert w.tasks.get("train").error == "ended by signal 9 (SIGKILL)"


def test_exit_code_75_gives_the_task_back(w: Workspace) -> None:
    w.tasks.create("Train", id="train")
    told = shell(w, "echo no licence; exit 75")
    task = w.tasks.get("train")
    assert (told.last.verdict, task.status, task.error) == ("released", "pending", None)
    assert task.logs[-1]["message"] == "given back by ada: exit code 75: no licence"
    assert len(told.outcomes) == 1


def test_what_it_lacks_is_added_to_the_needs(w: Workspace) -> None:
    w.tasks.create("Train", id="train")
    told = shell(w, "echo ::lacks gpu; exit 1", can=["gpu"])
    assert [outcome.verdict for outcome in told.outcomes] == ["released"]
    assert w.tasks.get("train").needs == ["gpu"]


def test_a_result_that_no_document_can_hold_fails_the_task(w: Workspace) -> None:
    w.tasks.create("Train", id="train")
    told = shell(w, f"""{sys.executable} -c 'print("::result [1" + ",1" * 200000 + "]")'""")
    assert told.last.verdict == "failed"
    assert w.tasks.get("train").error


def test_there_is_no_such_program(w: Workspace) -> None:
    with pytest.raises(UsageError, match="nosuch"):
        Command(["nosuch"])
    with pytest.raises(UsageError, match="no command"):
        Command([])


def test_a_program_that_cannot_be_started_uses_up_no_attempts(w: Workspace, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    w.tasks.create("Train", id="train")
    outcomes: list[Outcome] = []
    Worker(w, Command([str(broken)]), idle=0, on_end=outcomes.append).run()
    task = w.tasks.get("train")
    assert ([one.verdict for one in outcomes], task.status, task.fields["excused"]) == (
        ["released"],
        "pending",
        1,
    )
    assert "cannot be started" in task.logs[-1]["message"]


def test_what_it_leaves_in_the_background_is_not_waited_for(w: Workspace, tmp_path: Path) -> None:
    w.tasks.create("Train", id="train")
    told = shell(w, "sleep 600 & echo $! > pid; echo done")
    pid = int((tmp_path / "pid").read_text())
    assert told.last.verdict == "completed"
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_a_chatterbox_that_it_leaves_behind_holds_nobody_up(w: Workspace, tmp_path: Path) -> None:
    w.tasks.create("Train", id="train")
    told = shell(w, "(while echo chatter; do :; done) & echo $! > pid")
    assert told.last.verdict == "completed"
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


STUBBORN = """
trap 'echo asked >> asked' TERM
(trap '' TERM; while :; do sleep 0.1; done) & echo $! > child
echo $$ > parent
while :; do sleep 0.1; done
"""


@pytest.mark.parametrize("reason", ["timeout", "lost", "stop"])
def test_a_command_and_all_it_started_ends_with_its_claim(w: Workspace, tmp_path: Path, reason: str) -> None:
    fields = {"timeout": 1} if reason == "timeout" else {}
    w.tasks.create("Train", id="train", fields=fields)
    told = Told()
    worker = Worker(
        w, Command(["sh", "-c", STUBBORN]), limit=1, grace=0, on_end=told.outcomes.append, note=print
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    until(lambda: (tmp_path / "parent").exists() and (tmp_path / "parent").read_text().strip())
    if reason == "lost":
        w.tasks.update("train", {"status": "cancelled"})
    elif reason == "stop":
        worker.stop()
    thread.join(60)
    pids = [int((tmp_path / name).read_text()) for name in ("parent", "child")]
    assert [alive(pid) for pid in pids] == [False, False]
    assert (tmp_path / "asked").read_text() == "asked\n"
    verdict = {"timeout": "failed", "lost": "lost", "stop": "released"}[reason]
    status = {"timeout": "pending", "lost": "cancelled", "stop": "pending"}[reason]
    assert (told.last.verdict, w.tasks.get("train").status) == (verdict, status)


def test_a_command_that_is_asked_to_end_has_time_to_tidy_up(w: Workspace, tmp_path: Path) -> None:
    w.tasks.create("Train", id="train", fields={"timeout": 1})
    told = shell(w, "trap 'sleep 0.3; echo saved > saved; exit 0' TERM; while :; do sleep 0.05; done")
    assert (tmp_path / "saved").exists()
    assert told.last.verdict == "failed"
    assert w.tasks.get("train").error == "it ran longer than its timeout of 1 s"
