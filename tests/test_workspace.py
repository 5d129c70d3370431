"""The façade: making, opening, asking, upkeep."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract.fakes import FakeHost

from mdcoord.backends.memory import MemoryBackend
from mdcoord.errors import (
    BackendUnavailable,
    ConfigError,
    InvalidDocument,
    NotFound,
    NothingReady,
    NotReady,
    QueryError,
    UsageError,
)
from mdcoord.model import Key
from mdcoord.workspace import Workspace

ROOT = Path(".claude/coordination")


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def w(host: FakeHost) -> Iterator[Workspace]:
    with Workspace(MemoryBackend(), agent="ada", host=host) as workspace:
        yield workspace


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git/" not in str(path)
    }


# -- making one


def test_a_new_workspace(tmp_path: Path) -> None:
    with Workspace.create(tmp_path, agent="ada") as w:
        assert w.root == tmp_path.resolve() / ROOT
        assert [path.name for path in w.made] == ["coordination", "README.md"]
        w.tasks.create("Train", id="train")
        assert (w.root / "task-train.md").is_file()
    assert "in any editor" in (tmp_path / ROOT / "README.md").read_text()
    assert not (tmp_path / ".gitignore").exists(), "there is no git here"


def test_making_it_again_changes_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init")
    Workspace.create(tmp_path).close()
    (tmp_path / ROOT / "README.md").write_text("my own words\n")
    before = snapshot(tmp_path)
    with Workspace.create(tmp_path) as w:
        assert list(w.made) == []
    assert snapshot(tmp_path) == before


def ignored(folder: Path, *paths: str) -> list[str]:
    return git(folder, "check-ignore", "--no-index", *paths).split()


def test_git_sees_the_readme_only(tmp_path: Path) -> None:
    git(tmp_path, "init")
    Workspace.create(tmp_path).close()
    paths = [str(ROOT / name) for name in ("README.md", ".gitkeep", "task-1.md", "archive/task-2.md")]
    assert ignored(tmp_path, *paths) == paths[2:]
    assert git(tmp_path, "status", "--short", "-uall").splitlines() == [
        f"?? {ROOT}/README.md",
        "?? .gitignore",
    ]


def test_git_sees_the_documents_when_wanted(tmp_path: Path) -> None:
    git(tmp_path, "init")
    with Workspace.create(tmp_path, track=True) as w:
        w.tasks.create("x", id="one")
    names = ("README.md", "task-one.md", ".state/locks/x", ".mdc-0a.tmp", "archive/.mdc-0a.tmp")
    paths = [*(str(ROOT / name) for name in names), ".claude/.mdc-0a.tmp"]
    assert ignored(tmp_path, *paths) == paths[2:]
    assert f"?? {ROOT}/task-one.md" in git(tmp_path, "status", "--short", "-uall")


@pytest.mark.parametrize("there", [b"*.pyc", b"*.pyc\n", b"*.pyc\r\n# end\r\n", b"\xff\xfe no text\n"])
def test_what_is_in_the_gitignore_stays(tmp_path: Path, there: bytes) -> None:
    git(tmp_path, "init")
    (tmp_path / ".gitignore").write_bytes(there)
    Workspace.create(tmp_path).close()
    after = (tmp_path / ".gitignore").read_bytes()
    assert after.startswith(there)
    assert ignored(tmp_path, str(ROOT / "task-1.md"))
    if b"\r\n" in there:
        assert after.count(b"\n") == after.count(b"\r\n")


@pytest.mark.parametrize("line", [".claude/", ".claude/coordination/"])
def test_a_folder_that_is_ignored_already(tmp_path: Path, line: str) -> None:
    git(tmp_path, "init")
    (tmp_path / ".gitignore").write_text(line + "\n")
    with Workspace.create(tmp_path) as w:
        assert tmp_path / ".gitignore" not in w.made
    assert (tmp_path / ".gitignore").read_text() == line + "\n"


def test_a_tracked_workspace_stays_tracked(tmp_path: Path) -> None:
    git(tmp_path, "init")
    Workspace.create(tmp_path, track=True).close()
    before = snapshot(tmp_path)
    with Workspace.create(tmp_path) as w:
        assert list(w.made) == []
    assert snapshot(tmp_path) == before
    assert ignored(tmp_path, str(ROOT / "task-1.md")) == []


def test_a_rule_of_another_file_is_enough(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / ".git" / "info" / "exclude").write_text("coordination\n")
    Workspace.create(tmp_path).close()
    assert not (tmp_path / ".gitignore").exists()


def test_a_workspace_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / ".claude").write_text("a file where a folder should be")
    with pytest.raises(BackendUnavailable) as caught:
        Workspace.create(tmp_path)
    assert caught.value.hint


def test_made_for_a_linked_work_tree(tmp_path: Path) -> None:
    main, side = tmp_path / "main", tmp_path / "side"
    main.mkdir()
    git(main, "init")
    git(main, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--allow-empty", "-m", "x")
    git(main, "worktree", "add", str(side))
    with Workspace.create(side) as w:
        assert w.root == main.resolve() / ROOT
    with Workspace.open(side) as opened:
        assert opened.root == main.resolve() / ROOT
    (side / ".claude").mkdir()
    (side / ".claude" / "workflow-config.yml").write_text("coordination:\n  worktrees: isolated\n")
    with pytest.raises(NotFound):
        Workspace.open(side)
    with Workspace.create(side) as own:
        assert own.root == side.resolve() / ROOT


# -- opening one


def test_opening_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Workspace.create(tmp_path).close()
    deep = tmp_path / "src" / "deep"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    for where in (None, tmp_path, str(tmp_path / ROOT)):
        with Workspace.open(where) as w:
            assert w.root == tmp_path.resolve() / ROOT
    monkeypatch.chdir("/")
    monkeypatch.setenv("MDCOORD_ROOT", str(tmp_path))
    with Workspace.open() as w:
        assert w.root == tmp_path.resolve() / ROOT


def test_nothing_to_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound):
        Workspace.open()
    with pytest.raises(NotFound):
        Workspace.open(tmp_path)
    with pytest.raises(BackendUnavailable):
        Workspace.open("redis://localhost:1")
    assert list(tmp_path.iterdir()) == []


def test_reading_writes_nothing(tmp_path: Path) -> None:
    root = tmp_path / ROOT
    root.mkdir(parents=True)
    (root / "task-1.md").write_text("# Task: x\n\n**Status**: pending\n")
    before = snapshot(tmp_path)
    with Workspace.open(tmp_path, agent="ada") as w:
        assert w.tasks.get("1").status == "pending"
        assert w.tasks.list()[0].title == "x"
        w.status()
        w.check()
        assert w.tasks.why("1") == []
    assert snapshot(tmp_path) == before


def test_the_configuration_counts(tmp_path: Path) -> None:
    with Workspace.create(tmp_path) as w:
        (tmp_path / ".claude" / "workflow-config.yml").write_text(
            "coordination:\n  claim_ttl: 30s\ntasks:\n  retry_limit: 1\n"
        )
        w.tasks.create("x", id="one")
    with Workspace.open(tmp_path, agent="ada") as w:
        claim = w.tasks.claim("one", heartbeat=False)
        assert claim.ttl == 30
        assert claim.fail("no").status == "dead"
    (tmp_path / ".claude" / "workflow-config.yml").write_text("coordination:\n  claim_ttl: never\n")
    with pytest.raises(ConfigError):
        Workspace.open(tmp_path)


def test_checking_goes_on_where_the_configuration_is_wrong(tmp_path: Path) -> None:
    Workspace.create(tmp_path).close()
    path = tmp_path / ".claude" / "workflow-config.yml"
    path.write_text("coordination:\n  mode: fast\n  claim_ttl: never\n  worktrees: mine\n")
    (tmp_path / ROOT / "task-x.md").write_text("---\na: 1\na: 2\n---\n")
    with Workspace.open(tmp_path, lenient=True) as w:
        assert w.config.claim_ttl == 900
        assert [(Path(finding.path).name, finding.line) for finding in w.check()] == [
            ("task-x.md", 3),
            *(("workflow-config.yml", line) for line in (2, 3, 4)),
        ]


def test_who_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = MemoryBackend()
    plain = Workspace(backend)
    assert plain.agent is None
    assert plain.session != Workspace(backend).session
    with pytest.raises(UsageError, match="no agent is named"):
        plain.tasks.claim()
    monkeypatch.setenv("CLAUDE_INSTANCE_ID", "instance")
    assert Workspace(backend).agent == "instance"
    monkeypatch.setenv("MDCOORD_AGENT", "ada")
    monkeypatch.setenv("MDCOORD_SESSION", "tty1")
    named = Workspace(backend)
    assert (named.agent, named.session) == ("ada", "tty1")
    given = Workspace(backend, agent="bob", session="s")
    assert (given.agent, given.session) == ("bob", "s")


def test_two_workspaces_on_one_folder_see_each_other(tmp_path: Path) -> None:
    with Workspace.create(tmp_path, agent="ada") as one, Workspace.open(tmp_path, agent="bob") as two:
        one.tasks.create("x", id="one")
        claim = two.tasks.claim()
        assert one.tasks.get("one").assigned_agent == "bob"
        claim.complete()
        assert one.tasks.list("status = 'completed'")


# -- asking


def test_queries(w: Workspace) -> None:
    for name, priority in (("a", 1), ("b", 3), ("c", 2)):
        w.tasks.create(name, id=name, priority=priority, fields={"metadata": {"loss": priority / 10}})
    assert [task.title for task in w.query("task", "priority > 1", sort="-priority")] == ["b", "c"]
    assert w.query("task", "metadata.loss < 0.2", select="title,metadata.loss") == [
        {"title": "a", "metadata.loss": 0.1}
    ]
    assert w.query("task", select=["_id", "_ready"], sort="title", limit=1) == [{"_id": "a", "_ready": True}]
    assert w.query("task", "_body contains 'mdcoord:view'", limit=0) == []
    assert w.query("message") == []
    with pytest.raises(QueryError):
        w.query("task", "title ~ 3")
    with pytest.raises(UsageError):
        w.query("animal")
    with pytest.raises(UsageError):
        w.query("task", limit=-1)


def test_queries_of_events(w: Workspace) -> None:
    for step in range(3):
        w.events.publish("training", "saved", step=step, loss=1 - step / 10)
    w.events.publish("errors", "oom", step=1)
    assert [event["step"] for event in w.query("events", "loss < 0.95", channel="training")] == [1, 2]
    found = w.query("events", "step = 1", sort="_channel", select="_channel,name")
    assert found == [{"_channel": "errors", "name": "oom"}, {"_channel": "training", "name": "saved"}]
    with pytest.raises(NotFound):
        w.query("events", channel="none")


def test_status(w: Workspace, host: FakeHost) -> None:
    w.agents.register("ada")
    for name in ("a", "b"):
        w.tasks.create(name, id=name)
    w.tasks.claim("a", heartbeat=False)
    host.forward(4000)
    found = w.status()
    assert (found["backend"], found["agent"], found["tasks"], found["ready"]) == (
        "memory",
        "ada",
        {"in_progress": 1, "pending": 1},
        1,
    )
    assert found["stale"] == ["task-a", "agent-ada"]
    assert found["claims"][0]["over"] == "it expired"
    assert found["channels"] == ["agent"]


def test_a_task_that_ends_while_status_looks_lacks_no_claim(
    w: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        w.tasks.create(name, id=name)
    w.tasks.update("b", {"status": "in_progress", "assigned_agent": "ada"})
    with w.tasks.claim("a", heartbeat=False) as claim:
        before = w.tasks.list()
        claim.complete()
    monkeypatch.setattr(w.tasks, "list", lambda: before)
    assert [claim["task_id"] for claim in w.status()["claims"]] == ["b"]


# -- upkeep


def test_status_names_what_is_blocked_also_when_others_are_ready(w: Workspace) -> None:
    for name, needed in {"a": [], "b": ["a"], "c": ["b"], "lost": ["nothing"], "free": []}.items():
        w.tasks.create(name, id=name, depends_on=needed)
    assert [item["task_id"] for item in w.status()["waiting"]] == ["lost"]
    w.tasks.claim("a", heartbeat=False).fail("no")
    w.tasks.update("a", {"status": "dead"})
    assert w.status()["waiting"] == [
        {"task_id": "b", "reasons": ["it is blocked: it depends on task a, which is dead"]},
        {"task_id": "lost", "reasons": ["it depends on task nothing, which does not exist"]},
    ]


def test_archiving(w: Workspace, host: FakeHost) -> None:
    w.tasks.create("x", id="done")
    w.tasks.create("x", id="needed")
    w.tasks.create("x", id="held")
    w.tasks.create("x", id="open", depends_on=["needed"])
    for agent in ("gone", "busy"):
        w.agents.register(agent)
    for name in ("done", "needed"):
        w.tasks.claim(name, heartbeat=False).complete()
    w.tasks.claim("held", agent="busy", heartbeat=False)
    assert w.archive().archived == {}
    host.forward(86_401)
    w.agents.register("ada")
    would = w.archive(dry_run=True)
    assert dict(would.archived) == {"task-done": "", "agent-gone": ""}
    assert list(would.waiting) == ["task-needed"]
    assert would.counts == {"task": 1, "agent": 1}
    assert w.backend.archived() == []
    assert w.archive().as_dict() == {
        "archived": {"task-done": "task-done", "agent-gone": "agent-gone"},
        "waiting": ["task-needed"],
        "counts": {"task": 1, "agent": 1},
    }
    assert list(w.archived()) == ["agent-gone", "task-done"]
    assert [task.id for task in w.tasks.list()] == ["held", "needed", "open"]
    assert w.restore("task-done").id == "done"
    assert w.archive(older_than=90_000).archived == {}


def test_archiving_looks_again_under_the_lock(
    w: Workspace, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.tasks.create("x", id="done")
    w.tasks.claim("done", heartbeat=False).complete()
    host.forward(86_401)
    old = w.backend.list("task")
    w.tasks.retry("done")
    monkeypatch.setattr(w.backend, "list", lambda kind, max_age=0.0: old if kind == "task" else type(old)([]))
    assert w.archive().archived == {}
    assert w.tasks.get("done").status == "pending"


def test_a_task_without_stamps_stays(w: Workspace, host: FakeHost) -> None:
    w.backend.create("task", {"status": "completed"}, name="one")
    host.forward(1e7)
    assert w.archive().archived == {}


def test_rotation(w: Workspace) -> None:
    for channel in ("a", "b"):
        for step in range(5):
            w.events.publish(channel, "x", step=step)
    assert w.rotate() == {}
    assert w.rotate("a", keep=2) == {"a": 3}
    assert w.rotate(keep=2) == {"b": 3}
    assert [event["step"] for event in w.events.tail("a")] == [3, 4]
    with pytest.raises(UsageError):
        w.rotate(keep=-1)
    with pytest.raises(NotFound):
        w.rotate("none")


def test_a_good_workspace(w: Workspace) -> None:
    w.tasks.create("x", id="one")
    w.tasks.create("x", id="two", depends_on=["one"])
    w.agents.register("ada")
    assert w.check() == []


def test_what_is_wrong(w: Workspace, host: FakeHost) -> None:
    backend = w.backend
    assert isinstance(backend, MemoryBackend)
    documents: dict[str, dict[str, Any]] = {
        "ahead": {"created_at": "2036-01-01T00:00:00Z"},
        "circle": {"depends_on": ["round"]},
        "first": {"task_id": "task-9"},
        "orphan": {"depends_on": ["nobody"]},
        "past": {"depends_on": ["nobody"], "status": "completed"},
        "round": {"depends_on": ["circle"]},
        "second": {"task_id": "9"},
    }
    for name, fields in documents.items():
        backend.create("task", {"title": name, **fields}, name=name)
    backend.create("task", {}, name="broken")
    backend.put_text(Key("task", "broken"), "---\na: 1\na: 2\n---\n")
    found = w.check()
    assert [(finding.path, finding.line) for finding in found] == [
        ("task-ahead", None),
        ("task-broken", 3),
        ("task-circle", None),
        ("task-first", None),
        ("task-orphan", None),
        ("task-round", None),
        ("task-second", None),
    ]
    messages = {finding.path: finding.message for finding in found}
    assert "created_at lies in the future: 2036-01-01T00:00:00Z" in messages["task-ahead"]
    assert "depends on itself" in messages["task-circle"]
    assert messages["task-first"] == "task_id 9 is also in task-second"
    assert messages["task-orphan"] == "it depends on task nobody, which does not exist"
    assert all(finding.message and finding.as_dict()["path"] == finding.path for finding in found)


def test_a_view_that_is_not_closed_is_told_with_its_line_in_the_file(tmp_path: Path) -> None:
    with Workspace.create(tmp_path) as w:
        assert w.root is not None
        w.tasks.create("Train", id="train")
        path = w.root / "task-train.md"
        text = path.read_text().replace("<!-- /mdcoord:view -->\n", "")
        line = text.splitlines().index("<!-- mdcoord:view task -->") + 1
        for known in (True, False):  # what the tool wrote there before
            if not known:
                path = path.rename(w.root / "task-new.md")
            path.write_text(text)
            os.utime(path, (1, 1))
            (finding,) = w.check()
            assert (finding.path, finding.line) == (str(path), line)
            with pytest.raises(InvalidDocument, match="is not closed") as caught:
                w.tasks.update(path.stem, {"priority": 3})
            assert (caught.value.details["path"], caught.value.details["line"]) == (str(path), line)
            assert path.read_text() == text


def test_values_that_known_fields_cannot_have(tmp_path: Path) -> None:
    with Workspace.create(tmp_path) as w:
        assert w.root is not None
        w.tasks.create("Data", id="data")
        w.tasks.create("Train", id="train", priority=5, fields={"progress": 0.5, "colour": ["red"]})
        path = w.root / "task-train.md"
        text = path.read_text()
        for old, new in {
            "title: Train": "title: [Train]",
            "priority: 5": "priority: high",
            "status: pending": "status: penidng",
            "progress: 0.5": "progress: 7\ndepends_on: data\nnot_before: soon",
        }.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        os.utime(path, (1, 1))
        found = {finding.message: finding for finding in w.check()}
        assert [message.split(" ")[0] for message in found] == [
            *("title", "status", "priority", "progress", "depends_on", "not_before")
        ]
        assert "priority is to be a number, not 'high'" in found
        for message, finding in found.items():
            assert finding.path == str(path)
            assert text.splitlines()[(finding.line or 0) - 1].startswith(message.split(" ")[0] + ":")
        path.write_text(text.replace("title: [Train]\n", ""))
        assert "there is no title" in [finding.message for finding in w.check()]


def test_a_copy_with_the_id_of_the_first(tmp_path: Path) -> None:
    with Workspace.create(tmp_path, agent="ada") as w:
        w.tasks.create("Train", id="train")
        copy = tmp_path / ROOT / "task-copy.md"
        copy.write_text((tmp_path / ROOT / "task-train.md").read_text())
        assert [task.id for task in w.tasks.list("_ready = true")] == ["train"]
        (reason,) = w.tasks.why("copy")
        assert reason == "its task_id is train, and there is another task-train: give it one of its own"
        with pytest.raises(NotReady, match="give it one of its own"):
            w.tasks.claim("copy", heartbeat=False)
        assert w.tasks.claim(heartbeat=False).id == "train"
        with pytest.raises(NothingReady):
            w.tasks.claim(heartbeat=False)
        copy.write_text(copy.read_text().replace("task_id: train", "task_id: copy"))
        assert w.tasks.claim(heartbeat=False).id == "copy"


def test_checking_some_files(tmp_path: Path) -> None:
    with Workspace.create(tmp_path) as w:
        assert w.root is not None
        for name in ("one", "two"):
            (w.root / f"task-{name}.md").write_text("---\na: 1\na: 2\n---\n")
        os.utime(w.root / "task-one.md", (1, 1))
        os.utime(w.root / "task-two.md", (1, 1))
        assert len(w.check()) == 2
        (finding,) = w.check([w.root / "task-two.md"])
        assert finding.path.endswith("task-two.md")
        assert finding.line == 3


def test_an_older_version_put_back(tmp_path: Path) -> None:
    with Workspace.create(tmp_path, agent="ada") as w:
        assert w.root is not None
        file = w.root / "task-one.md"
        w.tasks.create("x", id="one")
        old = file.read_bytes()
        w.tasks.update("one", {"priority": 5, "title": "y"})
        file.write_bytes(old)
        (finding,) = w.check()
        assert finding.path == str(file)
        assert "older than what the tool wrote (priority, title" in finding.message
        assert w.tasks.get("one").title == "y"
        w.tasks.update("one", {"priority": 0, "title": "x"})
        assert w.check() == []
        assert (w.tasks.get("one").title, w.tasks.get("one").priority) == ("x", 0)


def test_a_task_whose_file_was_emptied(tmp_path: Path) -> None:
    with Workspace.create(tmp_path, agent="ada") as w:
        assert w.root is not None
        file = w.root / "task-one.md"
        w.tasks.create("x", id="one")
        whole = file.read_bytes()
        file.write_bytes(b"")
        os.utime(file, (1, 1))
        with pytest.raises(InvalidDocument):
            w.tasks.claim("one")
        with pytest.raises(NothingReady):
            w.tasks.claim()
        assert [finding.line for finding in w.check()] == [1]
        file.write_bytes(whole)
        with w.tasks.claim() as claim:
            assert claim.task.title == "x"
            claim.complete()


def test_claims_in_two_places(tmp_path: Path) -> None:
    """As a container leaves it that saw the folder, but not the repository around it."""
    git(tmp_path, "init")
    with Workspace.create(tmp_path, agent="ada") as w:
        w.tasks.create("x")
        assert w.check() == []
        assert w.root is not None
        (w.root / ".state").mkdir()
        (finding,) = w.check()
        assert str(w.root / ".state") in finding.message
        assert finding.path.startswith(str(tmp_path.resolve() / ".git"))


def test_a_line_in_the_log(w: Workspace) -> None:
    w.log("the GPU is back")
    (event,) = w.events.tail("log")
    assert dict(event.data) == {"agent": "ada", "message": "the GPU is back"}
    with pytest.raises(UsageError):
        w.log(" ")
    with pytest.raises(UsageError):
        w.log(5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="name of an event"):
        w.events.publish("training", 5)  # type: ignore[arg-type]


# -- asyncio


def test_the_same_in_asyncio(w: Workspace) -> None:
    async def story() -> list[Any]:
        await w.aio.tasks.create("x", id="one")
        async with w.aio.tasks.claim() as claim:
            await claim.progress(0.5, step=1)
            assert claim.task.progress == 0.5
            assert not claim.lost
            await claim.complete(result=3)
        await w.aio.events.publish("training", "done", step=1)
        return [event["step"] async for event in w.aio.events.tail("training")]

    assert asyncio.run(story()) == [1]
    assert w.tasks.get("one").result == 3


def test_calls_in_asyncio_are_coroutines(w: Workspace) -> None:
    async def story() -> list[Any]:
        await asyncio.create_task(w.aio.tasks.create("x", id="one"))
        async with asyncio.TaskGroup() as group:
            two = group.create_task(w.aio.tasks.create("x", id="two"))
            held = group.create_task(w.aio.tasks.claim("one"))
        async with held.result() as claim:
            await asyncio.gather(claim.progress(0.5), claim.heartbeat())
        return [two.result().id, *await asyncio.wait_for(w.aio.tasks.list(), 60)]

    assert asyncio.run(story()) == ["two", *w.tasks.list()]
    assert [task.id for task in asyncio.run(w.aio.tasks.list())] == ["one", "two"]
    with pytest.warns(RuntimeWarning, match="'aio Documents.list' was never awaited"):
        w.aio.tasks.list()


def test_what_there_is_in_asyncio_is_listed(w: Workspace) -> None:
    assert {"tasks", "events", "status"} <= set(dir(w.aio))
    assert {"create", "claim"} <= set(dir(w.aio.tasks))
    assert w.aio.tasks.claim.__doc__ == w.tasks.claim.__doc__


def test_errors_in_asyncio(w: Workspace) -> None:
    async def story() -> None:
        await w.aio.tasks.create("x", id="one", retry_limit=1)
        with pytest.raises(NotFound):
            await w.aio.tasks.get("none")
        async with w.aio.tasks.claim():
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(story())
    assert w.tasks.get("one").status == "dead"


def test_a_cancelled_block_releases(w: Workspace) -> None:
    async def story() -> None:
        await w.aio.tasks.create("x", id="one", retry_limit=1)
        inside = asyncio.Event()

        async def work() -> None:
            async with w.aio.tasks.claim():
                inside.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert w.tasks.get("one").status == "pending"


def test_a_claim_that_comes_too_late_is_released(w: Workspace) -> None:
    """The thread cannot be stopped; what it still claims must not stay claimed."""
    from contract.suite import being_written

    w.tasks.create("x", id="one", retry_limit=1)

    async def story() -> None:
        with being_written(w.backend, Key("task", "one")):
            task = asyncio.create_task(_awaited(w.aio.tasks.claim("one")))
            await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        for _ in range(500):
            if w.tasks.get("one").attempt == 1 and w.tasks.get("one").status == "pending":
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it stays claimed")

    asyncio.run(story())


async def _awaited(call: Any) -> Any:
    return await call
