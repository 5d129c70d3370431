"""A server that has lost everything, and the workspace that comes back to it from its mirror."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import call
from redis_servers import Server, Start

from mdcoord.errors import NotFound
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
    with Workspace.open() as w:
        w.agents.register("eve")
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
    refused = call("init", "--backend", url)
    assert refused.code == 4
    home = Path(refused.err.rpartition(" new address into ")[2].strip())
    home.write_text(json.dumps({**json.loads(home.read_text()), "place": url}))
    assert call("import", HERE).code == 0
    with Workspace.open(agent="ada", session="s1") as w:
        assert w.tasks.complete("train").status == "completed"
    assert call("mirror", "--once").code == 0
    assert call("check").code == 0


def test_what_is_there_again_already_stays(lived: Server, project: Path) -> None:
    call("mirror", "--once")
    lose(lived)
    with Workspace.open() as w:
        w.tasks.create("Train anew", id="train")
    done = call("import", HERE)
    assert (done.code, done.err) == (4, "mdcoord: left: something else is here as task-train\n")
    with Workspace.open() as w:
        assert w.tasks.get("train").title == "Train anew"
        assert len(w.tasks.list()) == TASKS + 1
    again = call("import", HERE)
    assert again.out == "nothing imported\n"


def test_a_folder_of_something_else(lived: Server, project: Path) -> None:
    (project / "docs").mkdir()
    (project / "docs/task.md").write_text("# A task\n")
    with Workspace.open() as w, pytest.raises(NotFound, match="no files of a workspace"):
        w.import_("docs")
    assert [path.name for path in (project / "docs").iterdir()] == ["task.md"]
