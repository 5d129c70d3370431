"""A server that has lost everything, and the workspace that comes back to it from its mirror."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import call
from redis_servers import Server, Start

from mdcoord.errors import AlreadyExists, DataMissing, NotFound
from mdcoord.layout import state_folder
from mdcoord.workspace import Workspace

HERE = ".claude/coordination"
TASKS = 12


@pytest.fixture
def worker(project: Path) -> Iterator[subprocess.Popen[str]]:
    """Works on what comes, until it has done all tasks but one."""
    line = ["work", "--agent", "bob", "--max", str(TASKS), "--", "true"]
    process = subprocess.Popen([sys.executable, "-m", "mdcoord", *line], text=True, stderr=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def lived(project: Path, started: Start) -> Server:
    """The server of a workspace in use, which keeps all in memory only."""
    server = started()
    with Workspace.create(backend=server.url("t:"), agent="ada", session="s1") as w:
        w.tasks.create("Train", id="train")
        for number in range(TASKS):
            w.tasks.create("x", id=f"n{number:02}", depends_on=["train"])
        w.tasks.claim("train", heartbeat=False)
        w.tasks.create("Old", id="old")
        w.tasks.claim("old", heartbeat=False).complete()
        w.archive(0)
        w.context.set("api", {"port": 8080})
        for number in range(9):
            w.events.publish("training", "step", number=number)
        w.rotate("training", keep=4)
    return server


def lose(server: Server) -> None:
    """End it without a warning, and let another one begin with nothing where it was."""
    server.kill()
    shutil.rmtree(server.folder)
    server.folder.mkdir()
    server.start()


def test_it_comes_back_from_its_mirror_and_all_go_on(
    lived: Server, worker: subprocess.Popen[str], project: Path
) -> None:
    assert call("mirror", "--once").code == 0
    with Workspace.open() as w:
        texts = {record.key: w.backend.text(record.key) for record in w.backend.list("task").records}
        events = [(event["number"], event.time) for event in w.events.tail("training")]
        while not [agent for agent in w.agents.list() if agent.id == "bob"]:
            assert worker.poll() is None
    lose(lived)
    for command in (["status"], ["check"], ["task", "create", "x"], ["mirror", "--once"], ["init"]):
        lost = call(*command)
        assert lost.code == 8, command
        assert "has not the data of this workspace: it lost them, or is another server" in lost.err
        assert "`mdcoord init --backend URL`" in lost.err
    with pytest.raises(DataMissing):
        Workspace.migrate("markdown")
    anew = call("init", "--backend", lived.url("t:"))
    assert "is empty, and the workspace begins anew: `mdcoord import FOLDER`" in anew.err
    lost = call("mirror", "--once")
    assert "has lost its data" in lost.err
    assert "`mdcoord import` with that folder" in lost.err
    done = call("import", HERE)
    assert done.code == 0, done.err
    with Workspace.open(agent="ada", session="s1") as w:
        assert {key: w.backend.text(key) for key in texts} == texts
        assert [(event["number"], event.time) for event in w.events.tail("training")] == events
        assert len([*w.backend.history("training")]) == 9
        assert w.archived() == ["events-training", "task-old"]
        assert w.context.get("api").data == {"port": 8080}
        w.tasks.complete("train")
        assert worker.wait(60) == 0
        assert {task.status for task in w.tasks.list()} == {"completed"}
        assert {task.assigned_agent for task in w.tasks.list()} == {"ada", "bob"}
    assert call("mirror", "--once").code == 0
    assert call("check").code == 0
    with Workspace.open() as w:
        assert len([*w.backend.history("training")]) == 9


def test_it_comes_back_to_another_address(lived: Server, project: Path, started: Start) -> None:
    call("mirror", "--once")
    lived.kill()
    url = started().url("new:")
    assert "begins anew" in call("init", "--backend", url).err
    assert call("import", HERE).code == 0
    with Workspace.open(agent="ada", session="s1") as w:
        assert w.tasks.complete("train").status == "completed"
    assert call("mirror", "--once").code == 0
    assert call("check").code == 0


def test_what_is_there_again_already_stays(lived: Server, project: Path) -> None:
    call("mirror", "--once")
    lose(lived)
    with Workspace.create(backend=lived.url("t:")) as w:
        w.tasks.create("Train anew", id="train")
    done = call("import", HERE)
    assert done.code == 4
    assert "mdcoord: left: something else is here as task-train\n" in done.err
    with Workspace.open() as w:
        assert w.tasks.get("train").title == "Train anew"
        assert len(w.tasks.list()) == TASKS + 1
    again = call("import", HERE)
    assert again.out == "nothing imported\n"


def test_what_was_there_before_the_move_is_of_use_too(project: Path, url: str, others: Any) -> None:
    with Workspace.create() as w:
        w.tasks.create("Train", id="train")
    Workspace.migrate(url)
    others.flushall()
    assert call("status").code == 8
    assert call("init", "--backend", url).code == 0
    assert call("import", f"{HERE}/archive/pre-redis").code == 0
    with Workspace.open() as w:
        assert [task.id for task in w.tasks.list()] == ["train"]


def test_where_the_old_server_has_them_nothing_begins_anew(lived: Server, project: Path) -> None:
    with pytest.raises(AlreadyExists, match=r"lives in .* already, and .* has no data") as refused:
        Workspace.create(backend=lived.url("forgotten:"))
    assert "mdcoord migrate redis URL" in refused.value.hint
    with Workspace.open() as w:
        assert w.tasks.get("train")


def test_other_data_are_never_taken_for_those_that_are_lost(
    lived: Server, project: Path, started: Start
) -> None:
    other = started()
    for url in (other.url("t:"), lived.url("t:")):
        if url == lived.url("t:"):
            lose(lived)
        with Workspace.open(url) as w:
            w.tasks.create("Theirs")
    with pytest.raises(AlreadyExists, match="has other data"):
        Workspace.create(backend=other.url("t:"))
    for do in (Workspace.open, lambda: Workspace.create(backend=lived.url("t:"))):
        with pytest.raises(DataMissing):
            do()


def test_a_folder_that_noted_nothing_notes_it_when_it_is_opened(lived: Server, project: Path) -> None:
    """It was made by an older version."""
    note, config = state_folder(Path(HERE)) / "memos/migration/data", Path(".claude/workflow-config.yml")
    data = note.read_text()
    note.unlink()
    config.write_text("coordination:\n  mode: redis\n")
    Workspace.open().close()
    assert note.read_text() == data
    note.unlink()
    lock = state_folder(Path(HERE)) / "locks/memo-migration-data"
    lock.unlink()
    lock.mkdir()  # so that it cannot be noted
    with Workspace.open() as w:
        assert w.tasks.get("train")


# -- clones


@pytest.fixture
def clone(lived: Server, project: Path, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What git brings to somebody else of the project, in which he is now."""
    folder: Path = tmp_path_factory.mktemp("clone")
    for name in (".claude/workflow-config.yml", f"{HERE}/README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project / name, folder / name)
    monkeypatch.chdir(folder)
    return folder


def test_init_says_what_clones_need(project: Path, url: str) -> None:
    done = call("init", "--backend", url)
    assert "commit .claude/workflow-config.yml" in done.err
    with Workspace.open() as w:
        assert f"redis_data: {w.backend.data}\n" in Path(".claude/workflow-config.yml").read_text()
    again = call("init", "--backend", url)
    assert (again.code, "commit" in again.err) == (0, False)


@pytest.mark.parametrize("inhabited", [False, True])
def test_a_clone_begins_no_second_truth(
    lived: Server, clone: Path, monkeypatch: pytest.MonkeyPatch, inhabited: bool
) -> None:
    wrong = lived.url("forgotten:")
    if inhabited:
        with Workspace.open(wrong) as w:
            w.tasks.create("Theirs")
    monkeypatch.setenv("REDIS_URL", wrong)
    for arguments in (["status"], ["task", "create", "x"], ["init"], ["init", "--backend", wrong]):
        refused = call(*arguments)
        assert refused.code == 8, arguments
        assert "has not the data of this project, which " in refused.err
        assert "workflow-config.yml:2 names" in refused.err
        assert "do not forget ?prefix=" in refused.err
    monkeypatch.delenv("REDIS_URL")
    assert call("init", "--backend", lived.url("t:")).code == 0
    with Workspace.open() as w:
        assert w.tasks.get("train")


def test_a_clone_follows_who_began_anew(
    lived: Server, clone: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("init", "--backend", lived.url("t:")).code == 0
    lose(lived)
    monkeypatch.chdir(project)
    assert "commit" in call("init", "--backend", lived.url("t:")).err
    monkeypatch.chdir(clone)
    assert call("status").code == 8
    shutil.copy(project / ".claude/workflow-config.yml", clone / ".claude/workflow-config.yml")
    assert call("status").code == 0


def test_a_clone_follows_a_move_to_another_server(
    lived: Server, clone: Path, project: Path, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("init", "--backend", lived.url("t:")).code == 0
    monkeypatch.chdir(project)
    Workspace.migrate(started().url("other:"))
    assert call("status").code == 0
    monkeypatch.chdir(clone)
    for _pulled in (False, True):
        with Workspace.open() as w:
            assert w.tasks.get("train")
            assert "prefix=other:" in w.backend.location
        shutil.copy(project / ".claude/workflow-config.yml", clone / ".claude/workflow-config.yml")


def test_a_folder_of_something_else(lived: Server, project: Path) -> None:
    (project / "docs").mkdir()
    (project / "docs/task.md").write_text("# A task\n")
    with Workspace.open() as w, pytest.raises(NotFound, match="no files of a workspace"):
        w.import_("docs")
    assert [path.name for path in (project / "docs").iterdir()] == ["task.md"]
