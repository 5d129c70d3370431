"""`mdcoord workflow` and `mdcoord progress`: porcelain, exit codes, what a terminal gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Mdcoord, Result

from mdcoord.interfaces.cli import meter
from mdcoord.workspace import Workspace

DEFINITION = """\
---
workflow: release-${version}
title: Release ${version}
params: {version: null}
phases:
  - phase: build
    tasks:
      - title: Compile ${version}
        id: compile
        priority: 5
      - Write the notes
  - phase: check
    tasks: [Test]
---
"""


@pytest.fixture(autouse=True)
def release(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDCOORD_AGENT", "ada")
    (project / "release.md").write_text(DEFINITION)


def run(mdcoord: Mdcoord, *arguments: str) -> Result:
    return mdcoord("workflow", "run", "release.md", "--set", "version=1.0", *arguments)


def work(*names: str, result: Any = "done") -> None:
    with Workspace.open(agent="ada") as w:
        for name in names:
            w.tasks.claim(f"release-1.0-{name}", heartbeat=False).complete(result=result)


def test_running_a_file(mdcoord: Mdcoord) -> None:
    assert run(mdcoord) == (0, "release-1.0: 3 of 3 tasks made now\n", "")
    again = run(mdcoord, "--json").json
    assert again["_made"] == {"tasks": [], "changed": [], "differences": [], "begun": []}
    assert (again["_id"], again["status"], again["steps_total"]) == ("release-1.0", "pending", 3)
    Path("release.md").write_text(DEFINITION.replace("priority: 5", "priority: 6"))
    changed = run(mdcoord)
    assert changed.err == (
        "mdcoord: left as it is: task release-1.0-compile has priority 5, the definition 6\n"
        "(--update changes those of them that are pending)\n"
    )
    told = json.loads(run(mdcoord, "--json").err)
    assert told == {
        "warning": "definition_changed",
        "task_id": "release-1.0-compile",
        "field": "priority",
        "wanted": 6,
        "found": 5,
    }


def test_bringing_tasks_up_to_date(mdcoord: Mdcoord) -> None:
    run(mdcoord)
    Path("release.md").write_text(DEFINITION.replace("priority: 5", "priority: 6"))
    done = run(mdcoord, "--update")
    assert done == (0, "release-1.0: 0 of 3 tasks made now\n  release-1.0-compile: priority is 6 now\n", "")
    Path("release.md").write_text("---\nworkflow: release-1.0\nphases: [{phase: new, tasks: [A]}]\n---\n")
    left = mdcoord("workflow", "run", "release.md", "--update").err.splitlines()
    assert left[0] == (
        "mdcoord: left as it is: task release-1.0-compile is not in this definition; to do without it: "
        "mdcoord task update release-1.0-compile --set status=cancelled --set allow_failure=true"
    )


def test_a_document_that_cannot_be_read_is_named(mdcoord: Mdcoord) -> None:
    run(mdcoord)
    path = Path(".claude/coordination/progress-release-1.0.md")
    path.write_text(path.read_text().replace("phase: build\nprogress", "phase: [build\nprogress"))
    listed = mdcoord("workflow", "list")
    assert (listed.code, listed.out) == (0, "")
    assert f"left out: {path.resolve()}, line " in listed.err
    assert mdcoord("workflow", "show", "release-1.0").code == 7


def test_running_standard_input(mdcoord: Mdcoord) -> None:
    text = b"---\nworkflow: lint\ntasks: [A, B]\n---\n"
    assert mdcoord("workflow", "run", "-", input=text).out == "lint: 2 of 2 tasks made now\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "nothing.md"], 3, "there is no file nothing.md"),
        (["run", "."], 2, "cannot read .: "),
        (["run", "release.md"], 2, "release.md needs a value for version"),
        (["run", "release.md", "--set", "version=1.0", "--set", "x=1"], 2, "has no parameter 'x'"),
        (["run", "bad.md"], 7, "bad.md, line 3: a workflow needs a list of phases"),
        (["run", "binary.md"], 7, "binary.md, line 1"),
        (["show", "nothing"], 3, "there is no workflow nothing"),
        (["wait", "nothing"], 3, "there is no workflow nothing"),
        (["results", "nothing"], 3, "there is no workflow nothing"),
        (["add", "nothing", "x"], 3, "there is no workflow nothing"),
    ],
)
def test_what_goes_wrong(mdcoord: Mdcoord, arguments: list[str], code: int, message: str) -> None:
    Path("bad.md").write_text("---\nworkflow: w\nphases:\n---\n")
    Path("binary.md").write_bytes(b"\xff\xfe\0")
    done = mdcoord("workflow", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_showing_and_listing(mdcoord: Mdcoord) -> None:
    assert mdcoord("workflow", "list") == (0, "", "no workflows\n")
    run(mdcoord)
    work("compile")
    with Workspace.open(agent="ada") as w:
        w.tasks.update("release-1.0-write-the-notes", {"status": "failed", "error": "no\x1bwords"})
        w.backend.delete(w.tasks.get("release-1.0-test").key)
    found = mdcoord("workflow", "show", "release-1.0", "--json").json
    assert (found["status"], found["phase"], found["steps_done"]) == ("blocked", "build", 1)
    assert found["_tasks"][0] == {
        "task_id": "release-1.0-compile",
        "phase": "build",
        "status": "completed",
        "assigned_agent": "ada",
        "progress": 1,
        "title": "Compile 1.0",
    }
    assert [task["status"] for task in found["_tasks"]] == ["completed", "failed", "missing"]
    shown = mdcoord("workflow", "show", "release-1.0").out.splitlines()
    assert shown[0] == "release-1.0  Release 1.0"
    assert "    - task release-1.0-write-the-notes is failed: no\ufffdwords" in shown
    assert "    - task release-1.0-test is missing: run the workflow again" in shown
    assert [line.split()[:3] for line in shown if line.startswith(("build", "check"))] == [
        ["build", "failed", "1/2"],
        ["check", "blocked", "0/1"],
    ]
    (listed,) = mdcoord("workflow", "list", "--json").out.splitlines()
    assert json.loads(listed)["status"] == "blocked"
    assert mdcoord("workflow", "list").out.splitlines()[1].split()[:5] == [
        *("release-1.0", "blocked", "33%", "build", "1/3")
    ]


def test_waiting_says_by_its_exit_code_how_it_ended(mdcoord: Mdcoord) -> None:
    run(mdcoord)
    late = mdcoord("workflow", "wait", "release-1.0", "--timeout", "0s", "--json")
    assert (late.code, json.loads(late.err)["error"]) == (6, "timeout")
    work("compile", "write-the-notes")
    with Workspace.open(agent="ada") as w:
        w.tasks.update("release-1.0-test", {"status": "cancelled"})
    failed = mdcoord("workflow", "wait", "release-1.0")
    assert (failed.code, failed.out.splitlines()) == (
        1,
        ["release-1.0 is failed: 2 of 3 tasks done", "  task release-1.0-test is cancelled"],
    )
    with Workspace.open(agent="ada") as w:
        w.tasks.retry("release-1.0-test")
    work("test")
    assert mdcoord("workflow", "wait", "release-1.0").code == 0
    assert mdcoord("workflow", "wait", "release-1.0", "--json").json["status"] == "completed"


def test_results(mdcoord: Mdcoord) -> None:
    run(mdcoord)
    work("compile", result={"path": "a.out"})
    with Workspace.open(agent="ada") as w:
        w.tasks.update("release-1.0-write-the-notes", {"status": "failed", "error": "no words"})
    assert mdcoord("workflow", "results", "release-1.0", "--json").json == {
        "values": {"compile": {"path": "a.out"}},
        "failures": {"write-the-notes": "no words"},
        "open": ["test"],
    }
    assert mdcoord("workflow", "results", "release-1.0").out.splitlines()[1:] == [
        'compile          completed  {"path": "a.out"}',
        "write-the-notes  failed     no words",
        "test             open",
    ]


def test_adding(mdcoord: Mdcoord) -> None:
    run(mdcoord)
    add = ["workflow", "add", "release-1.0", "Sign it", "--needs", "key", "--set", "metadata.a=1"]
    assert mdcoord(*add, "--phase", "build").out == "release-1.0-sign-it\n"
    made = mdcoord(*add, "--phase", "build", "--json").json
    assert (made["needs"], made["metadata"], made["phase"]) == (["key"], {"a": 1}, "build")
    assert "release-1.0-sign-it" in mdcoord("task", "show", "release-1.0-test", "--json").json["depends_on"]
    assert mdcoord(*add, "--phase", "nothing").code == 3
    work("compile", "write-the-notes", "sign-it", "test")
    assert mdcoord("workflow", "add", "release-1.0", "Late", "--phase", "build").code == 4
    late = ["workflow", "add", "release-1.0", "Late", "--id", "l", "--depends-on", "test", "--priority", "2"]
    assert mdcoord(*late, "--instructions", "Do it.").out == "release-1.0-l\n"


def test_progress_is_shown_as_it_is_and_written_when_asked(mdcoord: Mdcoord) -> None:
    run(mdcoord)
    work("compile")
    path = Path(".claude/coordination/progress-release-1.0.md")
    assert mdcoord("progress", "show", "release-1.0", "--json").json["steps_done"] == 1
    assert mdcoord("progress", "show").out.splitlines()[1].split()[:4] == [
        *("release-1.0", "in_progress", "33%", "build")
    ]
    assert mdcoord("progress").out == mdcoord("progress", "show").out
    assert mdcoord("progress", "--json").json["progress"] == 0.33
    shown = [line.strip() for line in mdcoord("progress", "show", "release-1.0").out.splitlines()]
    assert {"progress      33%", "- build: in_progress, 1/2", "- check: pending, 0/1"} < {*shown}
    assert mdcoord("progress", "nothing").code == 2
    assert "steps_done: 1" not in path.read_text().split("phase: build\nprogress")[-1]
    assert mdcoord("progress", "refresh").out.splitlines()[1].split() == [
        *("release-1.0", "in_progress", "33%")
    ]
    assert "[x]" not in path.read_text()
    assert "**Current**: 33% (1/3 steps)" in path.read_text()
    assert mdcoord("progress", "refresh", "release-1.0") == (0, "", "all are up to date\n")
    assert mdcoord("progress", "refresh", "nothing").code == 3


def test_a_terminal_gets_a_bar(mdcoord: Mdcoord, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (meter.meter(None), meter.meter(0.354)) == ("", "35%")

    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    monkeypatch.setattr(meter.sys, "stdout", Terminal())
    assert meter.meter(0.354) == "[#######-------------] 35%"
    assert meter.meter(7) == f"[{'#' * 20}] 700%"
