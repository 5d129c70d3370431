"""Importing what other programs keep: their words in ours, and nothing lost.

The files here have the shapes that Backlog.md 1.52, beads and TaskQueue 1.4 write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mdcoord.backends.base import Backend
from mdcoord.backends.taskqueue.entry import Wanted, wanted_for, wanted_gone
from mdcoord.errors import InvalidDocument, NotFound, UsageError
from mdcoord.formats.foreign.found import plain_name, stamp, status_of
from mdcoord.interfaces.cli.app import cli
from mdcoord.model import Key
from mdcoord.moving.importing import Imported
from mdcoord.rules.readiness import HELD
from mdcoord.workspace import Workspace

BACKLOG_TASK = """\
---
id: TASK-1
title: Build the parser
status: In Progress
assignee:
  - '@Claude Code'
  - '@bob'
created_date: '2026-11-21 18:52'
labels: [backend]
dependencies: [task-2]
references:
  - src/a.py
priority: high
milestone: m-1
due_date: '2026-12-24'
---

## Description

<!-- SECTION:DESCRIPTION:BEGIN -->
Parse **all** of it.
<!-- SECTION:DESCRIPTION:END -->

## Acceptance Criteria
<!-- AC:BEGIN -->
- [x] #1 It parses
- [ ] #2 It is fast
<!-- AC:END -->
"""

BACKLOG_OLD = """\
---
id: back-2
title: An old file
status: Done
assignee: @MrLesk
created_date: 2025-06-09
updated_date: '2025-06-11'
dependencies: []
parent_task_id: TASK-1
---

## Description

Words.

## Acceptance Criteria

- [ ] one
"""

BEADS = [
    {
        "id": "bd-a1",
        "title": "Epic",
        "status": "open",
        "priority": 0,
        "issue_type": "epic",
        "created_at": "2026-01-11T19:50:25.944044853Z",
        "updated_at": "2026-01-11T19:50:25.944044853Z",
    },
    {
        "id": "bd-a1.1",
        "title": "Part",
        "description": "Do it.",
        "status": "in_progress",
        "assignee": "Rand Arete",
        "priority": 3,
        "issue_type": "task",
        "labels": ["x"],
        "acceptance_criteria": "- fast\n- right",
        "notes": "A note.",
        "owner": "a@b.c",
        "comments": [{"id": 4, "author": "ada", "text": "hm", "created_at": "2026-01-12T10:00:00+01:00"}],
        "dependencies": [
            {"issue_id": "bd-a1.1", "depends_on_id": "bd-a1", "type": "parent-child"},
            {"issue_id": "bd-a1.1", "depends_on_id": "bd-b2", "type": "blocks"},
            {"issue_id": "bd-a1.1", "depends_on_id": "bd-b2", "type": "related"},
        ],
    },
    {
        "id": "bd-b2",
        "title": "Over",
        "status": "closed",
        "priority": 2,
        "closed_at": "2026-01-11T19:56:08Z",
        "close_reason": "fixed",
    },
    {"id": "bd-c3", "title": "Gone", "status": "tombstone"},
    {"id": "hq-deacon", "title": "An agent", "status": "open", "issue_type": "agent"},
]

TASKQUEUE = {
    "projects": [
        {
            "projectId": "proj-1",
            "initialPrompt": "Build it\nwell",
            "projectPlan": "1. plan",
            "completed": False,
            "tasks": [
                {
                    "id": "task-1",
                    "title": "A",
                    "description": "do a",
                    "status": "done",
                    "approved": False,
                    "completedDetails": "did a",
                    "toolRecommendations": "use grep",
                    "own": {"kept": True},
                },
                {
                    "id": "task-2",
                    "title": "B",
                    "description": "do b",
                    "status": "in progress",
                    "approved": False,
                },
            ],
        }
    ]
}


@pytest.fixture
def w(backend: Backend) -> Workspace:
    return Workspace(backend)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "tasks/task-1 - Build-the-parser.md": BACKLOG_TASK,
        "completed/back-2 - An-old-file.md": BACKLOG_OLD,
        "drafts/draft-1 - Drafty.md": "---\nid: DRAFT-1\ntitle: Drafty\nstatus: Draft\n---\n",
        "tasks/readme.md": "what this folder is for",
        "tasks/notes.md": "nobody's task",
        "archive/tasks/back-9 - Old.md": "---\nid: BACK-9\ntitle: x\n---\n",
        "decisions/decision-1 - Use-X.md": "---\nid: decision-1\ntitle: Use X\nstatus: proposed\n---\n",
        "docs/deep/guide.md": "# A guide\n",
    }
    for name, text in files.items():
        path = tmp_path / "project" / "backlog" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "project"


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def chosen(w: Workspace, task: str, *names: str) -> dict[str, Any]:
    found = w.tasks.get(task)
    return {name: found.get(name) for name in names}


def test_backlog(w: Workspace, folder: Path) -> None:
    found = w.import_(folder, tool="backlog")
    assert found.new == {"task": 3, "context": 2}
    assert [what.partition("backlog/")[2] for what in found.left_out] == [
        "tasks/notes.md: it has no id and title, so it is no task"
    ]
    assert found.remarks == {
        "field 'milestone'": 1,
        "file in archive/, which stays there": 1,
        "several assignees: the first one has it": 1,
    }
    assert found.held == ("draft-1",)
    task = w.tasks.get("1")
    assert task.body.endswith(BACKLOG_TASK.partition("---\n\n")[2])
    assert {name: task[name] for name in ("title", "status", "priority", "assigned_agent", "labels")} == {
        "title": "Build the parser",
        "status": "in_progress",
        "priority": 1,
        "assigned_agent": "claude-code",
        "labels": ["backend"],
    }
    assert (task.instructions, task.depends_on) == ("Parse **all** of it.", ["back-2"])
    assert task.acceptance == [{"text": "It parses", "done": True}, "It is fast"]
    assert (task.created_at, task.eta) == ("2026-11-21T18:52:00.000Z", "2026-12-24T00:00:00.000Z")
    assert task["backlog"]["assignee"] == ["@Claude Code", "@bob"]
    assert task["backlog"]["milestone"] == "m-1"
    assert task["imported_from"]["id"] == "TASK-1"


def test_an_old_file_of_backlog(w: Workspace, folder: Path) -> None:
    w.import_(folder / "backlog", tool="backlog")
    assert chosen(w, "back-2", "status", "assigned_agent", "completed_at", "parent", "acceptance") == {
        "status": "completed",
        "assigned_agent": "mrlesk",
        "completed_at": "2025-06-11T00:00:00.000Z",
        "parent": "1",
        "acceptance": ["one"],
    }
    assert chosen(w, "draft-1", "status", "not_before", "backlog") == {
        "status": "pending",
        "not_before": HELD,
        "backlog": {"status": "Draft"},
    }
    assert w.context.get("decision-1")["backlog"] == {"status": "proposed"}
    assert w.context.get("deep-guide").body.endswith("# A guide\n")


def test_what_is_wrong_is_said_once_and_of_whom(w: Workspace, tmp_path: Path) -> None:
    tasks = tmp_path / "backlog" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "one.md").write_text("---\nid: TASK-1\ntitle: [\n---\n")
    (tasks / "two.md").write_bytes(b"\xff")
    (tasks / "three.md").write_text("---\nid: TASK-3\ntitle: x\ndependencies: [task-9, task-1]\n---\n")
    found = w.import_(tmp_path, tool="backlog")
    assert [what.count(str(tasks)) for what in found.left_out] == [1, 1]
    assert found.left_out[0].startswith(f"{tasks}/one.md, line 4, column 1: ")
    assert found.remarks == {"TASK-3 depends on what is not there: task-9, task-1": 1}


def test_beads(w: Workspace, tmp_path: Path) -> None:
    found = w.import_(lines(tmp_path / "issues.jsonl", BEADS), tool="beads")
    assert found.new == {"task": 4}
    assert [what.partition("jsonl")[2] for what in found.left_out] == [":4: bd-c3 was deleted there"]
    assert found.remarks == {
        "dependency of type 'related'": 1,
        "type 'agent' is no work: held back as cancelled": 1,
    }
    assert chosen(w, "bd-a1", "status", "priority", "type", "created_at") == {
        "status": "pending",
        "priority": 2,
        "type": "epic",
        "created_at": "2026-01-11T19:50:25.944Z",
    }
    task = w.tasks.get("bd-a1.1")
    assert (task.status, task.assigned_agent, task.priority) == ("in_progress", "rand-arete", -1)
    assert (task.depends_on, task["parent"]) == (["bd-b2"], "bd-a1")
    assert task.acceptance == ["fast", "right"]
    assert task.logs == [{"at": "2026-01-12T09:00:00.000Z", "agent": "ada", "message": "hm"}]
    assert task.body.endswith("## Notes\n\nA note.\n")
    assert (task["beads"]["owner"], len(task["beads"]["dependencies"])) == ("a@b.c", 3)
    assert chosen(w, "bd-b2", "status", "result", "completed_at") == {
        "status": "completed",
        "result": "fixed",
        "completed_at": "2026-01-11T19:56:08.000Z",
    }


def test_what_is_held_back_there_is_on_hold(w: Workspace, tmp_path: Path) -> None:
    def issue(id: str, status: str, *needs: str, **rest: Any) -> dict[str, Any]:
        links = [{"issue_id": id, "depends_on_id": need, "type": "blocks"} for need in needs]
        return {"id": id, "title": id, "status": status, "dependencies": links, **rest}

    until = "2031-05-01T00:00:00Z"
    rows = [
        issue("blocked", "blocked", "over", priority=0),
        issue("dated", "blocked", defer_until=until),
        issue("waits", "blocked", "work"),
        issue("put-off", "deferred", defer_until=until),
        issue("some-day", "deferred", "work"),
        issue("after", "open", "some-day"),
        issue("work", "open", priority=4),
        issue("over", "closed"),
        issue("robot", "deferred", issue_type="agent"),
    ]
    file = lines(tmp_path / "issues.jsonl", rows)
    held = ("blocked", "dated", "some-day")
    assert w.import_(file, tool="beads", dry_run=True).held == held
    found = w.import_(file, tool="beads")
    assert (found.held, found.remarks) == (held, {"type 'agent' is no work: held back as cancelled": 1})
    assert {task.id: (task.status, task.not_before) for task in w.tasks.list()} == {
        "blocked": ("pending", HELD),
        "dated": ("pending", HELD),
        "waits": ("pending", None),
        "put-off": ("pending", "2031-05-01T00:00:00.000Z"),
        "some-day": ("pending", HELD),
        "after": ("pending", None),
        "work": ("pending", None),
        "over": ("completed", None),
        "robot": ("cancelled", None),
    }
    assert w.tasks.get("some-day")["beads"]["status"] == "deferred"
    assert w.tasks.why("blocked") == [
        "it is on hold until somebody lets it be claimed with `mdcoord task retry`"
    ]
    assert w.tasks.why("put-off") == ["it is not to start before 2031-05-01T00:00:00.000Z"]
    with w.tasks.claim(agent="ada") as claim:
        assert claim.id == "work"
        claim.complete()
    w.tasks.retry("some-day")
    assert w.tasks.claim("some-day", agent="ada").attempt == 1
    rows[-2] = issue("work", "closed")  # that may unblock another, and makes no other task of it
    assert w.import_(lines(file, rows), tool="beads").different == ("task-work (work)",)


def test_what_cannot_be_used_is_named_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = lines(tmp_path / "t.jsonl", [{"id": number} for number in range(30)])
    call = CliRunner().invoke
    assert call(cli, ["init"]).exit_code == 0
    done = call(cli, ["import", "--from", "tasks", str(file)])
    said = done.stderr.splitlines()
    assert (done.exit_code, len([line for line in said if "it has no title" in line])) == (7, 20)
    assert said[-1] == "mdcoord: left out: 10 more (--json lists all)"
    done = call(cli, ["import", "--from", "tasks", str(file), "--json"])
    assert len(json.loads(done.stdout)["left_out"]) == 30


def test_taskqueue(w: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps(TASKQUEUE))
    found = w.import_(file, tool="taskqueue")
    assert found.new == {"task": 2, "progress": 1}
    assert found.remarks == {
        "done but not approved: taken as completed": 1,
        "status 'in progress' of a task that nobody has: taken as pending": 1,
    }
    assert chosen(w, "1", "title", "status", "project_id", "result", "instructions") == {
        "title": "A",
        "status": "completed",
        "project_id": "proj-1",
        "result": "did a",
        "instructions": "do a",
    }
    assert w.tasks.get("1")["taskqueue"]["own"] == {"kept": True}
    assert "use grep" in w.tasks.get("1").body
    project = w.progress.get("proj-1")
    assert (project["title"], project["taskqueue"]["projectPlan"]) == ("Build it", "1. plan")


def test_what_mdcoord_wrote_to_taskqueue_comes_in_as_it_was(w: Workspace, tmp_path: Path) -> None:
    def task(number: int, wanted: Wanted, **rest: Any) -> dict[str, Any]:
        shown = wanted.shown
        said = {"title": shown.title, "status": shown.status, "description": wanted.description(shown.status)}
        return {"id": f"task-{number}", **said, **rest}

    texts = {
        name: f"---\ntask_id: {name}  # mine\ntitle: T\nstatus: pending\nmore: [1,  2]\n---\n\nFor {name}.\n"
        for name in ("train", "evaluate", "gone")
    }
    fields = {"title": "T", "status": "pending"}
    train, evaluate, gone = (wanted_for(Key("task", name), text, fields) for name, text in texts.items())
    tasks = [
        task(1, train._replace(text="old")),
        task(2, train),
        task(3, evaluate, title="Changed there"),
        task(4, gone),
        task(5, wanted_gone(Key("task", "gone"))),
        {"id": "task-6", "title": "Theirs", "description": "words", "status": "not started"},
    ]
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps({"projects": [{"projectId": "p", "tasks": tasks}]}))
    assert w.import_(file, tool="taskqueue", dry_run=True).new == {"progress": 1, "task": 3}
    found = w.import_(file, tool="taskqueue")
    assert (found.new, found.lost, found.left_out) == ({"progress": 1, "task": 3}, (), ())
    assert found.remarks == {"task of a document that was removed, or has a later one": 3}
    assert w.backend.text(Key("task", "train")) == texts["train"]
    assert w.backend.text(Key("task", "evaluate")) == texts["evaluate"].replace(
        "title: T", "title: Changed there"
    )
    assert w.import_(file, tool="taskqueue").same == {"progress": 1, "task": 3}
    w.tasks.update("train", {"note": "x"})
    assert w.import_(file, tool="taskqueue").different == ("task-train",)


def test_plain_lines(w: Workspace, tmp_path: Path) -> None:
    rows = [
        {"id": "a", "title": "First", "priority": 3, "needs": ["gpu"], "body": "Words.\n", "own": {"x": [1]}},
        {"title": "Second", "depends_on": "a"},
        {"id": "bad", "title": "Third", "priority": "high"},
        {"id": "none"},
        [1],
    ]
    file = lines(tmp_path / "t.jsonl", rows)
    found = w.import_(file, tool="tasks")
    assert found.new == {"task": 2}
    assert [what.removeprefix(str(file)) for what in found.left_out] == [
        ":4: it has no title, so it is no task",
        ":5: no JSON object",
        "bad: priority is to be a number, not 'high'",
    ]
    assert chosen(w, "a", "priority", "needs", "own") == {"priority": 3, "needs": ["gpu"], "own": {"x": [1]}}
    assert w.tasks.get("a").body.endswith("Words.\n")
    second = next(task for task in w.tasks.list() if task.id != "a")
    assert (second["title"], second.depends_on, second["_ready"]) == ("Second", ["a"], False)
    assert w.import_(file, tool="tasks").same == {"task": 2}


def test_again_and_changed(w: Workspace, tmp_path: Path) -> None:
    file = lines(tmp_path / "issues.jsonl", BEADS[:3])
    assert w.import_(file, tool="beads", dry_run=True) == Imported(
        new={"task": 3}, dry_run=True, remarks={"dependency of type 'related'": 1}
    )
    assert list(w.tasks.list()) == []
    first = w.import_(file, tool="beads")
    w.tasks.update("bd-a1", set={"priority": 9})
    assert w.import_(file, tool="beads") == Imported(same=first.new)
    lines(file, [{**BEADS[0], "title": "Changed there"}, *BEADS[1:3], BEADS[2]])
    again = w.import_(file, tool="beads")
    assert again.same == {"task": 3}
    assert again.different == ("task-bd-a1 (bd-a1)",)
    assert w.tasks.get("bd-a1")["title"] == "Epic"


def test_a_name_that_is_taken(w: Workspace, tmp_path: Path) -> None:
    w.tasks.create("Mine", id="bd-a1")
    found = w.import_(lines(tmp_path / "issues.jsonl", [BEADS[0], {**BEADS[2], "id": "..."}]), tool="beads")
    assert (found.new, found.different) == ({}, ("task-bd-a1 (bd-a1)",))
    assert found.left_out == ("...: no name can be made of this id",)
    assert w.tasks.get("bd-a1")["title"] == "Mine"


def test_what_is_not_there_or_not_theirs(w: Workspace, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(NotFound, match="no Backlog"):
        w.import_(tmp_path / "nothing", tool="backlog")
    with pytest.raises(NotFound, match="no file"):
        w.import_(tmp_path / "nothing", tool="beads")
    with pytest.raises(InvalidDocument, match="no JSON"):
        w.import_(tmp_path / "x.json", tool="taskqueue")
    with pytest.raises(UsageError, match="no import from"):
        w.import_(tmp_path, tool="jira")
    assert w.import_(lines(tmp_path / "t.json", [{"tasks": []}]), tool="taskqueue").left_out


@pytest.mark.parametrize("odd", [5, "x", True, {"type": ["blocks"]}, [5, {"type": ["blocks"]}, [None]]])
def test_odd_values_stop_no_import(w: Workspace, tmp_path: Path, odd: object) -> None:
    names = ("dependencies", "comments", "labels", "priority", "issue_type", "assignee", "created_at")
    issues = [{"id": f"a-{name}", "title": "x", name: odd} for name in names] + [{"id": "last", "title": "x"}]
    found = w.import_(lines(tmp_path / "issues.jsonl", issues), tool="beads")
    assert w.tasks.get("last").title == "x"
    assert found.new["task"] + len(found.left_out) == len(issues)
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps({"projects": [{"projectId": "p", "tasks": odd}]}))
    assert w.import_(file, tool="taskqueue").new == {"progress": 1}


@pytest.mark.parametrize(
    ("word", "agent", "status"),
    [
        ("To Do", None, "pending"),
        ("in-progress", "ada", "in_progress"),
        ("in_progress", None, "pending"),
        ("Won\u2019t Do", None, "cancelled"),
        ("blocked", "ada", "pending"),
        ("Skipped", None, "cancelled"),
        ("On_Hold", None, "pending"),
        ("Waiting for Godot", None, "pending"),
        (None, None, "pending"),
    ],
)
def test_words_for_a_status(word: str | None, agent: str | None, status: str) -> None:
    assert status_of(word, agent)[0] == status


def test_times_and_names() -> None:
    assert stamp("2025-10-13T09:21:32.387668-06:00") == "2025-10-13T15:21:32.387Z"
    assert stamp("2026-01-11T19:50:25.944044853Z") == "2026-01-11T19:50:25.944Z"
    assert stamp("2025-06-09") == "2025-06-09T00:00:00.000Z"
    assert [stamp(value) for value in ("soon", None, 7)] == [None, None, None]
    assert [plain_name(text) for text in ("@Rand Arete", "mayor/", "..", "A.1")] == [
        "rand-arete",
        "mayor",
        None,
        "a.1",
    ]
