"""The demo runs as a user runs it; its proof holds, and fails for every single thing lost or doubled."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import frontmatter
import pytest

from mdcoord.errors import InvalidDocument, MdcoordError, UsageError
from mdcoord.interfaces.demo import run
from mdcoord.interfaces.demo.director import Director
from mdcoord.interfaces.demo.jobs import CHECKPOINT, TOTAL_STEPS, result_of, train
from mdcoord.interfaces.demo.journal import Journal, Reader
from mdcoord.interfaces.demo.person import Person, edited
from mdcoord.interfaces.demo.play import conclude
from mdcoord.interfaces.demo.project import CHAIN, SKILLS, TRAINING, Plan, journal_folder, lay_out, skills_of
from mdcoord.interfaces.demo.report import CHECKS, prove
from mdcoord.workspace import Workspace

WORKERS, TASKS = 3, 10
TRAINING_FILE = "task-train-model.md"


def environment(temporary: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(temporary)}


def demo(temporary: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mdcoord", "demo", *options]
    return subprocess.run(
        command, env=environment(temporary), cwd=temporary, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of one real run, and what it printed."""
    temporary = tmp_path_factory.mktemp("demo")
    done = demo(temporary, "--workers", str(WORKERS), "--tasks", str(TASKS), "--json", "--keep")
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = temporary.iterdir()
    return folder, json.loads(done.stdout)


@pytest.fixture
def folder(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    """A copy of the finished demo, to be damaged."""
    copy = tmp_path / "copy"
    shutil.copytree(finished[0], copy)
    return copy


# ---------------------------------------------------------------- a run


def test_the_proof_holds(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = finished
    assert facts["ok"]
    assert (facts["workers"], facts["tasks"]) == (WORKERS, TASKS)
    assert [line["name"] for line in facts["proof"]] == list(CHECKS)
    assert all(line["ok"] for line in facts["proof"])
    assert facts["path"] == str(folder / "voice-clone")
    moments = [moment["at"] for moment in facts["timeline"]]
    assert moments == sorted(moments)
    assert any("SIGKILL" in moment["text"] for moment in facts["timeline"])


def test_the_proof_holds_again_later(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = finished
    assert [list(line) for line in prove(folder)] == [list(line.values()) for line in facts["proof"]]


def test_a_file_of_the_demo_is_ordinary_front_matter(finished: tuple[Path, dict[str, Any]]) -> None:
    root = Path(finished[1]["path"], ".claude/coordination")
    tasks = [frontmatter.load(str(path)) for path in sorted(root.glob("task-*.md"))]
    assert len(tasks) == TASKS
    assert {task["status"] for task in tasks} == {"completed"}
    assert sorted(task["attempt"] for task in tasks) == [1] * (TASKS - 1) + [2]
    training = next(task for task in tasks if task["task_id"] == "task-123")
    assert training["listened_by"] == "Alice"
    assert training["metadata"]["gpu_utilization_pct"] == 97  # from the hand-written file
    assert "✅ Dataset processing (task-122) - COMPLETE" in training.content


ONE_LINERS = {
    "active tasks": (
        'for task in task-[0-9m]*.md; do grep -q "Status.*in_progress" "$task" && echo "$task"; done; true',
        "",
    ),
    "losses": (
        r"grep -oP 'Loss.*:\s*\K[\d.]+' events-training.md | head -3",
        "0.42\n0.43\n0.48\n",
    ),
    "json block": (
        "sed -n '/```json/,/```/p' context-proj1-training-config.md | sed '1d;$d' | jq .batch_size",
        "8\n",
    ),
    "status of an agent": (
        r"grep -oP '^\*\*Status\*\*:\s*\K\w+' agent-data-engineer.md",
        "OFFLINE\n",
    ),
}


@pytest.mark.parametrize("name", ONE_LINERS)
def test_shell_one_liners_read_the_files(finished: tuple[Path, dict[str, Any]], name: str) -> None:
    if not (shutil.which("bash") and shutil.which("jq")) and not os.environ.get("CI"):
        pytest.skip("bash or jq is missing")
    root = Path(finished[1]["path"], ".claude/coordination")
    command, expected = ONE_LINERS[name]
    done = subprocess.run(["bash", "-c", command], cwd=root, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == (expected, "")


def test_people_read_lines_and_nothing_is_left_behind(tmp_path: Path) -> None:
    done = demo(tmp_path, "--workers", "2", "--tasks", "8")
    assert (done.returncode, done.stderr) == (0, "")
    assert [*tmp_path.iterdir()] == []
    for name in CHECKS:
        assert re.search(rf"^  ok      {re.escape(name)} ", done.stdout, re.MULTILINE)
    assert "claimed task 123, attempt 2" in done.stdout
    assert "mdcoord demo --keep" in done.stdout


def test_a_terminal_gets_a_table(tmp_path: Path) -> None:
    reader, terminal = os.openpty()
    env = {**environment(tmp_path), "TERM": "xterm", "COLUMNS": "110", "LINES": "40"}
    command = [sys.executable, "-m", "mdcoord", "demo", "--workers", "2", "--tasks", "8"]
    process = subprocess.Popen(command, env=env, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    screen = b""
    try:
        while data := os.read(reader, 65536):
            screen += data
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(reader)
    assert process.wait(30) == 0
    assert b"of 8 tasks done" in screen
    assert b"-engineer was killed (SIGKILL)" in screen
    assert b"hand edit intact" in screen


@pytest.mark.parametrize(("workers", "tasks"), [(1, 24), (17, 24), (4, 7), (4, 201)])
def test_impossible_numbers_are_refused(workers: int, tasks: int) -> None:
    with pytest.raises(UsageError):
        run(workers=workers, tasks=tasks)


# ---------------------------------------------------------------- ends that nobody wants


def test_ctrl_c_ends_all_workers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mdcoord", "demo", "--workers", "3", "--tasks", "150"]
    with subprocess.Popen(command, env=environment(tmp_path), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        started = next(line for line in process.stdout if "processes started" in line)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    for pid in re.findall(r"\((\d+)\)", started):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
    assert [*tmp_path.iterdir()] == []


def test_a_worker_that_breaks_ends_the_demo_with_its_last_words(tmp_path: Path) -> None:
    plan = Plan.make(2, 8)
    root = lay_out(tmp_path, Plan((*plan.workers, "nobody-1"), plan.jobs, plan.added))
    director = Director(root, tmp_path, Plan.load(tmp_path), lambda entries: None)
    with pytest.raises(MdcoordError, match=r"nobody-1 ended with exit code 1: KeyError: 'nobody'"), director:
        director.run()
    assert len(director.workers.running) == 3
    assert all(worker.poll() is not None for worker in director.workers.running.values())


def test_the_end_of_the_time_ends_the_demo(tmp_path: Path) -> None:
    root = lay_out(tmp_path, Plan.make(2, 8))
    director = Director(root, tmp_path, Plan.load(tmp_path), lambda entries: None, seconds=0)
    with pytest.raises(MdcoordError, match=r"did not end within 0 seconds"), director:
        director.run()
    assert all(worker.poll() is not None for worker in director.workers.running.values())


# ---------------------------------------------------------------- the proof can fail


def lines_of(folder: Path, what: str) -> Iterator[tuple[Path, str]]:
    """The lines of all journals about one thing, with their files."""
    for path in sorted(journal_folder(folder).glob("*.jsonl")):
        for line in path.read_text().splitlines(keepends=True):
            if json.loads(line)["what"] == what:
                yield path, line


def double(what: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path, line = next(lines_of(folder, what))
        path.write_text(path.read_text() + line)

    return damage


def forget(what: str, *, all: bool = False) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for path, line in [*lines_of(folder, what)][: None if all else 1]:
            path.write_text(path.read_text().replace(line, ""))

    return damage


def invent_event(folder: Path) -> None:
    path, line = next(lines_of(folder, "published"))
    path.write_text(path.read_text() + json.dumps({**json.loads(line), "id": "0123456789abcdef"}) + "\n")


def in_file(name: str, pattern: str, replacement: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "voice-clone/.claude/coordination" / name
        text, count = re.subn(pattern, replacement, path.read_text(), count=1, flags=re.MULTILINE | re.DOTALL)
        assert count == 1
        path.write_text(text)

    return damage


def garble_journal(folder: Path) -> None:
    path, _line = next(lines_of(folder, "claimed"))
    path.write_text(path.read_text() + '{"what": "comp\n')


def strip_facts(folder: Path) -> None:
    path, line = next(lines_of(folder, "claimed"))
    path.write_text(path.read_text().replace(line, '{"what": "claimed", "at": 1}\n'))


EVENT = r"## Event: task_completed\n.*?\n---\n\n"

DAMAGES = {
    "a completion twice": (double("completed"), "each task done exactly once"),
    "a completion not acknowledged": (forget("completed"), "each task done exactly once"),
    "a task set back": (
        in_file("task-124.md", "^status: completed$", "status: pending"),
        "each task done exactly once",
    ),
    "a claim twice": (double("claimed"), "each attempt claimed once"),
    "a claim not acknowledged": (forget("claimed"), "each attempt claimed once"),
    "an attempt too many": (
        in_file("task-124.md", "^attempt: 1$", "attempt: 3"),
        "each attempt claimed once",
    ),
    "nobody killed": (forget("killed"), "killed worker's task recovered"),
    "no recovery published": (
        in_file("events-tasks.md", "## Event: task_recovered.*?\n---\n", ""),
        "killed worker's task recovered",
    ),
    "a wrong result": (
        in_file("task-122.md", r"^  segments_kept: \d+$", "  segments_kept: 1"),
        "every result right",
    ),
    "an event lost": (in_file("events-training.md", EVENT, ""), "no event lost or doubled"),
    "an event only said": (invent_event, "no event lost or doubled"),
    "an event twice": (in_file("events-training.md", f"({EVENT})", r"\1\1"), "no event lost or doubled"),
    "an event changed": (
        in_file("events-training.md", r"(\*\*Agent\*\*: )", r"\1not-"),
        "no event lost or doubled",
    ),
    "many events not acknowledged": (forget("published", all=True), "no event lost or doubled"),
    "the comment lost": (in_file(TRAINING_FILE, "^# Alice listens[^\n]*\n", ""), "hand edit intact"),
    "the key lost": (in_file(TRAINING_FILE, "^listened_by: Alice\n", ""), "hand edit intact"),
    "the prose lost": (in_file(TRAINING_FILE, "^Alice would like[^\n]*\n", ""), "hand edit intact"),
    "nobody edited": (forget("saved"), "hand edit intact"),
    "an update lost": (
        in_file(
            TRAINING_FILE, r"^  - at: [^\n]*\n    message: Checkpoint saved at step 2000 \(attempt 1\)\n", ""
        ),
        "no update lost",
    ),
    "an old value back": (in_file(TRAINING_FILE, "^  step: 10000$", "  step: 9000"), "no update lost"),
    "many updates not acknowledged": (forget("progress", all=True), "no update lost"),
    "a file broken": (in_file("agent-data-engineer.md", "^schema:", "schema: ["), "all files parse"),
    "a task's file broken": (in_file("task-124.md", "^schema:", "schema: ["), "readable"),
    "a task's file gone": (
        lambda folder: (folder / "voice-clone/.claude/coordination/task-124.md").unlink(),
        "readable",
    ),
    "a journal garbled": (garble_journal, "readable"),
    "a line without its facts": (strip_facts, "each attempt claimed once"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_the_proof_fails_for_whatever_is_lost_or_doubled(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, noticed = DAMAGES[name]
    damage(folder)
    assert not conclude(folder, time.time(), keep=False, json=False)
    printed = capsys.readouterr().out
    assert re.search(rf"^  FAILED  {re.escape(noticed)} ", printed, re.MULTILINE)
    assert "The demo FAILED" in printed


def test_a_failed_proof_says_so_in_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    double("completed")(folder)
    assert not conclude(folder, time.time(), keep=False, json=True)
    facts = json.loads(capsys.readouterr().out)
    assert facts["ok"] is False
    assert facts["path"] == str(folder / "voice-clone")
    assert [line["name"] for line in facts["proof"] if not line["ok"]] == ["each task done exactly once"]


# ---------------------------------------------------------------- its parts


def test_any_number_of_workers_can_do_everything_whoever_is_lost() -> None:
    for workers in range(2, 17):
        plan = Plan.make(workers, 24)
        assert len(set(plan.workers)) == workers
        assert len({job.id for job in plan.jobs}) == len(plan.jobs) == 24
        trainers = [name for name in plan.workers if "training" in skills_of(name)]
        for lost in trainers:
            left = {skill for name in plan.workers if name != lost for skill in skills_of(name)}
            # The work with sound comes before the training, in which somebody is lost.
            assert {"training", "evaluation"} <= left
    assert {job.needs for job in CHAIN} <= {skill for skills in SKILLS.values() for skill in skills}


def test_a_plan_comes_back_from_its_file(tmp_path: Path) -> None:
    plan = Plan.make(5, 30)
    plan.save(tmp_path)
    assert Plan.load(tmp_path) == plan


def test_laying_out_adopts_the_hand_written_files(tmp_path: Path) -> None:
    root = lay_out(tmp_path, Plan.make(2, 9))
    with Workspace.open(root) as w:
        assert len(w.tasks.list()) == 9
        training = w.tasks.get(TRAINING)
        assert (training.id, training.status, training.title) == (
            "train-model",
            "pending",
            "Train model on Alice dataset",
        )
        assert training.depends_on == ["122", "121"]
        assert w.agents.get("ai-engineer").metrics["workload_pct"] == 85
        assert w.context.get("proj1-dataset").data["segments_count"] == 1847
        assert [event.name for event in w.events.tail("training")].count("checkpoint_saved") == 2
        assert not w.check()


def test_training_goes_on_from_a_checkpoint_as_if_never_stopped() -> None:
    whole = result_of("train", "123", {})
    for facts in train("123", {}):
        checkpoint = json.loads(json.dumps(facts))  # as the context keeps it
        if facts["step"] < TOTAL_STEPS:
            *_, last = train("123", {}, checkpoint)
            assert last == whole
    assert (whole["step"], TOTAL_STEPS % CHECKPOINT) == (TOTAL_STEPS, 0)
    assert whole["loss"] < 0.01


def test_a_journal_is_read_as_it_grows(tmp_path: Path) -> None:
    reader, journal = Reader(tmp_path), Journal(tmp_path, "ai-engineer")
    assert reader.more() == []
    journal.note("claimed", task="a", attempt=1)
    (entry,) = reader.more()
    assert (entry.who, entry.what, entry.facts) == ("ai-engineer", "claimed", {"task": "a", "attempt": 1})
    with (tmp_path / "ai-engineer.jsonl").open("a") as file:
        file.write('{"what": "completed"')  # its writer was killed, or is still writing
    assert reader.more() == []
    with (tmp_path / "ai-engineer.jsonl").open("a") as file:
        file.write(', "at": 5}\n')
    assert [entry.what for entry in reader.more()] == ["completed"]
    journal.close()


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "{}", '{"what": "claimed"}', '{"what": "claimed", "at": "x"}']
)
def test_a_line_that_is_none_of_ours_is_an_error(tmp_path: Path, line: str) -> None:
    (tmp_path / "x.jsonl").write_text(line + "\n")
    with pytest.raises(InvalidDocument, match=r"x\.jsonl"):
        Reader(tmp_path).more()


def test_a_person_saves_only_what_is_out_of_date(tmp_path: Path) -> None:
    file, journal = tmp_path / "task.md", Journal(tmp_path, "director")
    added = {"comment": "# hello", "key": "reviewer", "value": "Alice", "prose": "A line."}
    file.write_text("---\na: 1\n---\n\nText\n")
    person = Person(file, added, journal)
    person.look()
    person.look()
    assert file.read_text() == "---\na: 1\n---\n\nText\n"
    file.write_text("---\na: 2\n---\n\nText\n")
    person.look()
    saved = "---\na: 1\n# hello\nreviewer: Alice\n---\n\nText\n\nA line.\n"
    assert file.read_text() == saved == edited("---\na: 1\n---\n\nText\n", added)
    person.look()
    assert not person.done
    file.write_text(saved.replace("a: 1", "a: 3"))
    person.look()
    assert person.done
    journal.close()
