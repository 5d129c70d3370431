"""Somebody else at the TaskQueue server: a client that knows nothing of mdcoord and takes no lock."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mdcoord.backends.taskqueue.entry import entries
from mdcoord.backends.taskqueue.process import ServerProcess
from mdcoord.backends.taskqueue.queue import Queue
from mdcoord.backends.taskqueue.store import TaskQueueBackend
from mdcoord.model import Key

STANDIN = [sys.executable, "-I", "-S", str(Path(__file__).with_name("taskqueue_server.py"))]

COMMANDS = {"stand-in": STANDIN}
"""The servers that can be started here, by name. The real one is what MDCOORD_TASKQUEUE_COMMAND starts."""

if os.environ.get("TEST_TASKQUEUE_COMMAND"):
    COMMANDS["real"] = shlex.split(os.environ["TEST_TASKQUEUE_COMMAND"])

PROJECT = "mdcoord test"


def backend_in(
    folder: Path, command: list[str] = STANDIN, *, durability: str = "none", **rest: Any
) -> TaskQueueBackend:
    """A TaskQueue workspace in an empty or used folder."""
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    queue = Queue(command, str(file_in(folder)), PROJECT, **rest)
    return TaskQueueBackend(root, queue, durability=durability)


def file_in(folder: Path) -> Path:
    """The server's file of such a workspace."""
    return folder / "server" / "tasks.json"


class Peer:
    """A client of a server process of its own. `project` is the id of the workspace's project."""

    def __init__(self, file: str | Path, command: list[str] = STANDIN) -> None:
        Path(file).parent.mkdir(exist_ok=True)
        self._server = ServerProcess(command, {**os.environ, "TASK_MANAGER_FILE_PATH": str(file)}, 60)

    def call(self, tool: str, **arguments: Any) -> Any:
        """The answer of a tool; a text for a failure."""
        result = self._server.request("tools/call", {"name": tool, "arguments": arguments}, 60)
        text = result["content"][0]["text"]
        return text if result.get("isError") else json.loads(text)

    @property
    def project(self) -> str:
        projects = self.call("list_projects", state="all")["projects"]
        return next(one["projectId"] for one in projects if one["initialPrompt"] == PROJECT)

    def tasks(self) -> list[Any]:
        """The tasks of the project, in the server's order."""
        tasks: list[Any] = self.call("list_tasks", projectId=self.project)["tasks"]
        return tasks

    def add(self, title: str, description: str) -> str:
        """Make a task and return its id."""
        made = self.call("create_task", projectId=self.project, title=title, description=description)
        return str(made["newTasks"][0]["id"])

    def update(self, task: str, **values: str) -> Any:
        """Change a task."""
        return self.call("update_task", projectId=self.project, taskId=task, **values)

    def write(self, key: Key, text: str) -> None:
        """Change a document's text in the description of its task, or make such a task."""
        entry = entries(self.tasks()).get(key)
        if entry is None:
            block = f'<!-- mdcoord:document {{"id": "{key.id}"}} -->\n{text}\n<!-- /mdcoord:document -->'
            self.add(key.id, block)
            return
        head, end = str(entry.task["description"]).split(str(entry.text))
        self.update(entry.id, description=f"{head}{text}{end}")

    def close(self) -> None:
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
