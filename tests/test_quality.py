"""The quality gate: real tools, one report, and tasks that cannot be completed without it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mdcoord.backends.memory import MemoryBackend
from mdcoord.config import Config
from mdcoord.errors import ClaimLost, GateNotPassed, NotFound, UsageError
from mdcoord.interfaces.cli.app import cli
from mdcoord.rules.gate import require_gate
from mdcoord.services.quality import document_name
from mdcoord.services.report import EXCERPT, Report, Result, excerpt
from mdcoord.workspace import Workspace

TOOLS = Path(sys.executable).parent
"""Where the development tools are."""

PASS, FAIL = "echo fine", "echo bad; exit 1"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("MDCOORD_SESSION", "s1")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def w(project: Path) -> Iterator[Workspace]:
    with Workspace.create(project, agent="ada") as workspace:
        yield workspace


def configure(project: Path, **checks: str | list[str]) -> None:
    """Let these checks be run and no others."""
    every = {name: checks.get(name, "off") for name in ("lint", "types", "tests", "security", "complexity")}
    lines = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in (every | checks).items())
    (project / ".claude").mkdir(exist_ok=True)
    (project / ".claude" / "workflow-config.yml").write_text(f"quality:\n{lines}")


def opened(project: Path, **checks: str | list[str]) -> Workspace:
    configure(project, **checks)
    return Workspace.create(project, agent="ada")


def git(folder: Path, *command: str) -> None:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *command], cwd=folder, check=True, capture_output=True)


def result(report: Report, check: str) -> Result:
    (found,) = [one for one in report.results if one.check == check]
    return found


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, arguments)
    return done.exit_code, done.output


# -- with the tools of this project


@pytest.fixture
def python_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    for name in os.environ:
        if name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    (project / "pyproject.toml").write_text(
        '[tool.mypy]\nfiles = ["src"]\n[tool.pytest.ini_options]\naddopts = "-p no:cacheprovider"\n'
    )
    (project / "src").mkdir()
    (project / "src" / "good.py").write_text("def double(number: int) -> int:\n    return 2 * number\n")
    (project / "test_good.py").write_text("def test_it() -> None:\n    assert 2 * 1 == 2\n")
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "First")
    return project


def test_a_good_project_passes(python_project: Path, w: Workspace) -> None:
    report = w.quality.run(only=["lint", "types", "tests", "complexity"])
    assert {one.check: one.status for one in report.results} == dict.fromkeys(
        ["lint", "types", "tests", "complexity"], "passed"
    )
    assert (report.passed, report.files) == (True, [".gitignore"])


def test_each_tool_finds_what_it_is_for(python_project: Path, w: Workspace) -> None:
    branches = "".join(f"    if number == {value}:\n        return {value}\n" for value in range(12))
    (python_project / "src" / "bad.py").write_text(
        f"import os\n\n\ndef wrong(number: int) -> int:\n{branches}    return str(number)\n"
    )
    (python_project / "test_bad.py").write_text("def test_it():\n    assert 'one' == 'two'\n")
    report = w.quality.run()
    assert report.verdict == "failed"
    assert report.files == [".gitignore", "src/bad.py", "test_bad.py"]
    wanted = {"lint": "F401", "types": "Incompatible return", "tests": "assert 'one'", "complexity": "C901"}
    for check, text in wanted.items():
        assert result(report, check).status == "failed", check
        assert text in result(report, check).output


def test_only_changed_files_are_looked_at(python_project: Path, w: Workspace) -> None:
    (python_project / "old.py").write_text("import os\n")
    git(python_project, "add", "old.py", ".gitignore")
    git(python_project, "commit", "-qm", "More")
    (python_project / "new.py").write_text("NEW = 1\n")
    assert w.quality.run(only=["lint"]).passed
    assert w.quality.run(["old.py"], only=["lint"]).verdict == "failed"
    assert w.quality.run(only=["lint"], base="HEAD~1").verdict == "failed"
    (python_project / "new.py").unlink()
    whole = w.quality.run(only=["lint"])
    assert (whole.verdict, whole.files) == ("failed", None)


def test_no_tests_are_no_passed_tests(python_project: Path, w: Workspace) -> None:
    (python_project / "test_good.py").unlink()
    tests = result(w.quality.run(only=["tests"]), "tests")
    assert (tests.status, tests.note) == ("skipped", "it found nothing to check")


# -- running


def test_checks_run_at_the_same_time(project: Path) -> None:
    """Each of two waits for the other, so that both end only together."""
    for name in ("one", "two"):
        os.mkfifo(project / name)
    with opened(
        project, lint="echo a > one; cat two", types="cat one; echo b > two", timeout="60s"
    ) as workspace:
        report = workspace.quality.run()
    assert (report.verdict, result(report, "lint").output, result(report, "types").output) == (
        "passed",
        "b\n",
        "a\n",
    )


def test_how_checks_end(project: Path) -> None:
    checks: dict[str, str | list[str]] = {
        "lint": "exit 7",
        "types": ["/nowhere/tool"],
        "tests": "kill -9 $$",
        "security": "sleep 300",
        "complexity": "nonesuch-tool",
        "timeout": "1s",
    }
    with opened(project, **checks) as workspace:
        report = workspace.quality.run()
    assert {one.check: (one.status, one.note.partition(": [")[0]) for one in report.results} == {
        "lint": ("failed", "exit code 7"),
        "types": ("failed", "it cannot be started"),
        "tests": ("failed", "killed by signal 9"),
        "security": ("failed", "it was ended after 1 s"),
        "complexity": ("failed", "exit code 127"),
    }


def test_a_tool_that_only_prints_fails_by_its_output(project: Path) -> None:
    radon = project / ".venv" / "bin" / "radon"
    radon.parent.mkdir(parents=True)
    radon.write_text('#!/bin/sh\ncat "$(dirname "$0")/said"\n')
    radon.chmod(0o755)
    (project / "setup.py").write_text("")
    with Workspace.create(project) as workspace:
        for said, status in (("", "passed"), ("a.py\n    F 1:0 f - C (11)\n", "failed")):
            (radon.parent / "said").write_text(said)
            assert result(workspace.quality.run(only=["complexity"]), "complexity").status == status


def test_files_for_other_checks(project: Path) -> None:
    (project / "go.mod").write_text("")
    (project / "README.md").write_text("")
    with opened(project, lint="false {files}", tests=PASS) as workspace:
        report = workspace.quality.run(["README.md"])
        lint = result(report, "lint")
        assert (report.verdict, lint.status, lint.note) == (
            "passed",
            "passed",
            "none of the changed files is for it",
        )
        assert workspace.quality.run(only="lint").verdict == "failed"


def test_nothing_that_could_be_run_is_no_pass(w: Workspace) -> None:
    report = w.quality.run()
    assert (report.verdict, report.passed) == ("skipped", False)
    assert run("quality", "run")[0] == 0


def test_a_check_that_there_is_not(w: Workspace) -> None:
    with pytest.raises(UsageError):
        w.quality.run(only=["lnit"])
    assert run("quality", "run", "--only", "lnit")[0] == 2
    assert run("quality", "run", "nothing.py")[0] == 2
    assert run("quality", "run", "--base", "main")[0] == 2


def test_a_linked_work_tree_is_looked_at_itself(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(project, "init", "-q")
    with opened(project, lint="pwd") as workspace:
        git(project, "add", ".")
        git(project, "commit", "-qm", "First")
        git(project, "worktree", "add", "-q", str(tmp_path / "linked"))
        monkeypatch.chdir(tmp_path / "linked")
        assert result(workspace.quality.run(), "lint").output == f"{tmp_path / 'linked'}\n"
        with Workspace.open() as found:
            assert found.root == project / ".claude" / "coordination"


def test_from_asyncio(project: Path) -> None:
    async def both(workspace: Workspace) -> Report:
        with pytest.raises(UsageError):
            workspace.quality.run()
        found: Report = await workspace.aio.quality.run()
        return found

    with opened(project, lint=PASS) as workspace:
        assert asyncio.run(both(workspace)).passed


# -- the report


def test_the_report_is_a_document(project: Path) -> None:
    with opened(project, lint=FAIL, tests=PASS) as workspace:
        report = workspace.quality.run()
        found = workspace.quality.show()
        assert found.id == "quality"
        assert found.data["verdict"] == report.verdict == "failed"
        assert found.data["files"] == "the whole project"
        assert found.data["checks"][0] | {"duration_sec": 0} == {
            "check": "lint",
            "status": "failed",
            "duration_sec": 0,
            "command": FAIL,
            "note": "exit code 1",
        }
        assert found.data["output"] == {"lint": "bad"}
        text = workspace.context.text("quality")
        assert "**Verdict**: FAILED\n" in text
        assert (
            f"| lint | failed | {result(report, 'lint').duration_sec} | echo bad; exit 1 | exit code 1 |"
            in text
        )
        assert "## Output of lint\n\nbad\n" in text


def test_the_next_report_replaces_the_last(project: Path) -> None:
    with opened(project, lint=FAIL) as workspace:
        workspace.quality.run()
        first = workspace.quality.show()
        path = project / ".claude/coordination/context-quality.md"
        path.write_text(path.read_text() + "\nA note of mine.\n")
    with opened(project, lint=PASS) as workspace:
        workspace.quality.run()
        second = workspace.quality.show()
        assert (second.data["verdict"], "output" in second.data) == ("passed", False)
        assert second.created_at == first.created_at
        assert "A note of mine." in second.body
        assert "FAILED" not in second.body


def test_no_report_yet(w: Workspace) -> None:
    with pytest.raises(NotFound) as caught:
        w.quality.show("train")
    assert caught.value.hint == "run `mdcoord quality run --task train`"


@pytest.mark.parametrize(("task", "length"), [("a", 9), ("x" * 92, 100), ("x" * 100, 100)])
def test_the_name_of_a_report(task: str, length: int) -> None:
    assert len(document_name(task)) == length
    assert document_name("x" * 100) != document_name("x" * 99)


def test_what_a_document_keeps_of_an_output() -> None:
    lines = [f"{number}\t|\x07" for number in range(100)]
    kept = excerpt("\n".join([*lines, "x" * 1000]) + "\n\n").split("\n")
    assert (kept[0], kept[1], kept[-2]) == ("…", f"{100 - EXCERPT + 1} |", "99 |")
    assert len(kept) == EXCERPT + 1
    assert kept[-1] == "x" * 300 + "…"
    assert excerpt("\n  one\n") == "  one"


def test_any_output_can_be_kept(project: Path) -> None:
    nasty = "printf '```\\n<!-- /mdcoord:view -->\\n---\\n# x\\n\\377 {{ 7*7 }}\\n'; exit 1"
    with opened(project, lint=nasty) as workspace:
        workspace.quality.run()
        assert workspace.check() == []
        assert "> &lt;!-- /mdcoord:view" in workspace.context.text("quality")


def test_the_command(project: Path) -> None:
    opened(project, lint=FAIL, tests=PASS).close()
    code, output = run("quality", "run")
    assert code == 1
    assert output.startswith("failed: the whole project, ")
    assert output.endswith("\n\nlint:\n  bad\n")
    assert run("quality", "show") == (0, output)
    code, told = run("quality", "run", "--json", "--only", "tests")
    assert (code, json.loads(told)["verdict"], json.loads(told)["checks"][0]["output"]) == (
        0,
        "passed",
        "fine\n",
    )
    assert json.loads(run("quality", "show", "--json")[1])["data"]["verdict"] == "passed"


# -- the gate of a task


def claimed(workspace: Workspace, **fields: Any) -> Any:
    workspace.tasks.create("Train", id="train", fields={"quality": "required", **fields})
    return workspace.tasks.claim("train", heartbeat=False)


def test_a_task_needs_a_report_that_passed(project: Path) -> None:
    with opened(project, lint=FAIL) as workspace:
        claim = claimed(workspace)
        with pytest.raises(GateNotPassed) as caught:
            claim.complete()
        assert (caught.value.exit_code, caught.value.details["verdict"]) == (4, None)
        assert "mdcoord quality run --task train" in caught.value.hint
        workspace.quality.run(task="train")
        with pytest.raises(GateNotPassed) as caught:
            claim.complete()
        assert caught.value.details["verdict"] == "failed"
    with opened(project, lint=PASS) as workspace:
        report = workspace.quality.run(task="train")
        assert (report.task, report.attempt) == ("train", 1)
        task = workspace.tasks.get("train")
        assert task.metadata["quality"] == {
            "verdict": "passed",
            "attempt": 1,
            "at": report.started_at,
            "report": "context-quality-train",
        }
        assert workspace.tasks.complete("train", token=claim.token).status == "completed"
        found = workspace.quality.show("train")
        assert (found["task_id"], found.title, found.data["attempt"]) == ("train", "Train", 1)


def test_a_report_counts_for_one_attempt(project: Path) -> None:
    with opened(project, lint=PASS) as workspace:
        claim = claimed(workspace)
        workspace.quality.run(task="train")
        claim.release()
        again = workspace.tasks.claim("train", heartbeat=False)
        with pytest.raises(GateNotPassed):
            again.complete()
        workspace.quality.run(task="train")
        assert again.complete().status == "completed"


def test_a_chosen_part_does_not_count(project: Path) -> None:
    (project / "a.py").write_text("")
    with opened(project, lint=PASS, tests=FAIL) as workspace:
        claim = claimed(workspace)
        assert workspace.quality.run(task="train", only=["lint"]).passed
    with opened(project, lint=PASS) as workspace:
        assert workspace.quality.run(["a.py"], task="train").passed
        with pytest.raises(GateNotPassed):
            workspace.tasks.complete("train", token=claim.token)


def test_only_the_holder_may_show_it(project: Path) -> None:
    with opened(project, lint="touch ran") as workspace:
        claim = claimed(workspace)
        with pytest.raises(ClaimLost):
            workspace.quality.run(task="train", agent="bob", session="s2")
        assert not (project / "ran").exists()
        workspace.quality.run(task="train", agent="bob", session="s2", token=claim.token)
        assert (project / "ran").exists()
        with pytest.raises(NotFound):
            workspace.quality.run(task="nothing")


def test_the_claim_is_renewed_meanwhile(project: Path) -> None:
    lease = ".claude/coordination/.state/locks/task-train"
    until_renewed = f"while cmp -s {lease} before; do sleep 0.05; done"
    with opened(project, lint=until_renewed, tests=PASS, timeout="60s") as workspace:
        workspace.tasks.create("Train", id="train")
        workspace.tasks.claim("train", ttl=3, heartbeat=False)
        renew = workspace.tasks.heartbeat

        def first_copied(*names: Any, **who: Any) -> Any:
            task = renew(*names, **who)
            if not (project / "before").exists():
                (project / "before").write_bytes((project / lease).read_bytes())
            return task

        workspace.tasks.heartbeat = first_copied  # type: ignore[method-assign]
        assert workspace.quality.run(task="train").passed


def test_who_loses_the_claim_meanwhile_shows_nothing(project: Path) -> None:
    steal = f"{sys.executable} -m mdcoord task update train --set status=pending"
    with opened(project, lint=steal) as workspace:
        claimed(workspace)
        with pytest.raises(ClaimLost):
            workspace.quality.run(task="train")
        assert "quality" not in workspace.tasks.get("train").metadata


def test_a_task_that_does_not_need_it(project: Path) -> None:
    with opened(project, lint=FAIL) as workspace:
        claim = claimed(workspace, quality="wanted")
        assert claim.complete().status == "completed"


def test_the_gate_in_memory(project: Path) -> None:
    with Workspace(MemoryBackend(), config=Config(quality_lint=PASS), agent="ada") as workspace:
        claim = claimed(workspace)
        with pytest.raises(GateNotPassed):
            claim.complete()
        workspace.quality.run(task="train")
        assert claim.complete().status == "completed"
        assert "**Verdict**: PASSED" in workspace.context.text("quality-train")


@pytest.mark.parametrize(
    "metadata", [None, "x", {"quality": "passed"}, {"quality": {"verdict": "passed"}}, {"quality": None}]
)
def test_what_people_write_there_opens_nothing(metadata: Any) -> None:
    with pytest.raises(GateNotPassed):
        require_gate("train", {"quality": "required", "metadata": metadata}, 1)


def test_what_could_not_be_run_does_not_open_it() -> None:
    shown = {"quality": {"verdict": "skipped", "attempt": 2}}
    with pytest.raises(GateNotPassed, match="no check could be run"):
        require_gate("train", {"quality": "required", "metadata": shown}, 2)


def test_the_gate_by_commands(project: Path) -> None:
    opened(project, lint=PASS).close()
    assert run("task", "create", "Train", "--id", "train", "--require-quality")[0] == 0
    assert run("--agent", "ada", "task", "claim", "train")[0] == 0
    code, output = run("--agent", "ada", "task", "complete", "train")
    assert (code, "has not been checked in this attempt" in output) == (4, True)
    assert run("--agent", "ada", "quality", "run", "--task", "train")[0] == 0
    assert run("--agent", "ada", "task", "complete", "train") == (0, "train is completed\n")
