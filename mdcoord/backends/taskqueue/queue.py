"""One project on a TaskQueue server, and what is to be known about that server.

It is made for one client. Several servers on one file overwrite each other's changes, and pipelined calls are
slow, so there is one server a process, started when it is first needed, and one call at a time: who wants to
ask takes the turn, a lock beside the server's file that all mdcoord processes on this machine share. Other
clients' servers take no part in that: what they overwrite is noticed only while a write is being verified.
The server writes its file in place: a power cut in the middle of that can leave half of it, for which only a
backup helps.

Ids of tasks and projects are used again after a delete. So an id that is remembered from one turn to the next
only says where to look first: what is found there has to say by its name, or its block, that it is the one.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from mdcoord.backends.base import DEFAULT_WAIT
from mdcoord.backends.markdown.flock import Lock
from mdcoord.backends.markdown.oserrors import not_durable, unavailable
from mdcoord.backends.taskqueue.process import Died, Late, Refused, ServerProcess
from mdcoord.errors import BackendUnavailable, NotFound

CALL_TIMEOUT: Final = 10.0
"""Seconds that a call may take: a server waits for ever for a lock file that was left behind."""

START_TIMEOUT: Final = 30.0
"""Seconds that a server may take to start."""

TRIES: Final = 4
"""How often a change is asked for that the server lost."""

_READS: Final = frozenset(["list_projects", "read_project", "read_task"])
_FAILED: Final = "Tool execution failed: "
_PROJECT_ID: Final = re.compile(r"proj-\d+")

Task = Mapping[str, Any]
"""A task as the server tells it."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project as it stands. `approves` says that what is done in it needs no person's approval."""

    id: str
    tasks: Sequence[Task]
    approves: bool


class Queue:
    """The tasks of one project. All methods but `turn`, `greet` and `close` are for who has the turn.

    `project` is an id (`proj-3`), or the text that a project was made with; such a one is made when missing.
    All methods raise BackendUnavailable; those that change a task may also raise Died: then look again.
    """

    def __init__(
        self,
        command: Sequence[str],
        file: str,
        project: str,
        *,
        environ: Mapping[str, str] | None = None,
        timeout: float = CALL_TIMEOUT,
    ) -> None:
        self.file = os.path.abspath(os.path.expanduser(file))
        self.name = project
        self._command = [*command]
        environ = os.environ if environ is None else environ
        self._environ = {**environ, "TASK_MANAGER_FILE_PATH": self.file}
        self._timeout = timeout
        self._process: ServerProcess | None = None
        self._known = project if _PROJECT_ID.fullmatch(project) else ""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only one who asks. Raises Busy after ten seconds."""
        try:
            # Without its folder the server answers every call with an error.
            os.makedirs(os.path.dirname(self.file), exist_ok=True)
        except OSError as error:
            raise unavailable(self.file, error) from error
        with Lock(f"{self.file}.mdcoord-lock", f"the TaskQueue server of {self.file}", DEFAULT_WAIT):
            yield

    def greet(self) -> None:
        """Ask the server something, to see that it is one. Raises Busy, too, as it takes the turn."""
        with self.turn():
            self._projects()

    def project(self) -> Project | None:
        """The project with all its tasks, None where it is still to be made.

        Raises NotFound for a project's id that is none.
        """
        found = self._read_project(self._known) if self._known else None
        if found is None and _PROJECT_ID.fullmatch(self.name):
            raise NotFound(
                f"there is no project {self.name} in {self.file}", hint="set coordination.taskqueue_project"
            )
        if found is None:
            self._known = next((one["projectId"] for one in self._projects() if self._is_it(one)), "")
            found = self._read_project(self._known) if self._known else None
        return found

    def made(self) -> Project:
        """The project, which is made when it is missing."""
        for _ in range(TRIES):
            if found := self.project():
                return found
            plan = (
                "Tasks that agents share through mdcoord. Their descriptions hold its documents: keep them."
            )
            with suppress(Died):
                self._call("create_project", initialPrompt=self.name, tasks=[], projectPlan=plan)
        raise self.lost(f"project {self.name!r}")

    def task(self, project: Project, id: str) -> Task | None:
        """A task as it stands now."""
        found = self._call("read_task", "not found", projectId=project.id, taskId=id)
        return found["task"] if found else None

    def create(self, project: Project, title: str, description: str) -> str:
        """Make a task and return its id."""
        made = self._call("create_task", projectId=project.id, title=title, description=description)
        id: str = made["newTasks"][0]["id"]
        return id

    def update(self, project: Project, id: str, **values: str) -> None:
        """Change a task. One that is approved meanwhile, or gone, stays as it is: look again."""
        self._call("update_task", "an approved task", "not found", projectId=project.id, taskId=id, **values)

    def approve(self, project: Project, id: str) -> None:
        """Approve a task that is done: else the server gives it out for ever, and its project never ends."""
        passed = ("already approved", "not done yet", "not found")
        self._call("approve_task", *passed, projectId=project.id, taskId=id)

    def delete(self, project: Project, id: str) -> None:
        """Remove a task. One that is approved meanwhile stays: look again."""
        self._call("delete_task", "an approved task", "not found", projectId=project.id, taskId=id)

    def sync(self) -> None:
        """Wait until the disk has what the server only handed to the system. Raises NotDurable."""
        try:
            descriptor = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            pass  # the server has its file in a container, say, and its disk is not ours to ask
        except OSError as error:
            raise not_durable(self.file, error) from error

    def lost(self, what: str) -> BackendUnavailable:
        """The error for what the server acknowledged, or did not, and does not have."""
        return BackendUnavailable(
            f"the TaskQueue server did not keep {what}",
            hint="another server may be writing the same file; look at it, then try again",
            path=self.file,
        )

    def close(self) -> None:
        """End the server. May be called again."""
        process, self._process = self._process, None
        if process:
            process.stop()

    def _read_project(self, id: str) -> Project | None:
        data = self._call("read_project", "not found", projectId=id)
        if not data or not self._is_it(data):
            return None
        return Project(data["projectId"], data["tasks"], data.get("autoApprove") is not False)

    def _projects(self) -> Sequence[Mapping[str, Any]]:
        projects: Sequence[Mapping[str, Any]] = self._call("list_projects", state="all")["projects"]
        return projects

    def _is_it(self, project: Mapping[str, Any]) -> bool:
        return self.name in (project["projectId"], project["initialPrompt"])

    def _call(self, tool: str, *passed: str, **arguments: Any) -> Any:
        """The answer of a tool; None for a failure whose text has one of the phrases `passed`.

        Failures come without a code: their text is all there is.
        """
        result = self._asked(tool, arguments)
        text = str(result["content"][0]["text"])
        if not result.get("isError"):
            return json.loads(text)
        if any(phrase in text for phrase in passed):
            return None
        raise self._failure(tool, text.removeprefix(_FAILED))

    def _asked(self, tool: str, arguments: Mapping[str, Any]) -> Any:
        """The result of a call. A question is asked a second time when the server dies over the first."""
        call = {"name": tool, "arguments": arguments}
        again = tool in _READS
        while True:
            try:
                return self._running().request("tools/call", call, self._timeout)
            except Refused as error:
                raise self._failure(tool, str(error)) from None
            except Late:
                self._process = None
                raise self._late(tool) from None
            except Died as error:
                self._process = None
                if tool not in _READS:
                    raise
                if not again:
                    raise self._dead(str(error)) from None
                again = False
            except BaseException:
                self.close()  # an interrupt may have left half a message behind
                raise

    def _running(self) -> ServerProcess:
        if self._process is None or self._process.pid != os.getpid():
            try:
                self._process = ServerProcess(self._command, self._environ, START_TIMEOUT)
            except Late:
                raise self._dead(f"it did not answer within {START_TIMEOUT:g} s") from None
            except (Died, Refused) as error:
                raise self._dead(str(error)) from None
        return self._process

    def _dead(self, reason: str) -> BackendUnavailable:
        return BackendUnavailable(
            f"the TaskQueue server does not run: {reason}",
            hint="look at coordination.taskqueue_command",
            command=self._command,
        )

    def _failure(self, tool: str, text: str) -> BackendUnavailable:
        hint = "see what the server says to its own client"
        if "is already completed" in text:
            hint = "it was finalized, and so takes no change: set coordination.taskqueue_project to another"
        elif text.startswith("Failed to re"):
            hint = f"a crash may have left half of {self.file}: put a whole one there, from a backup"
        return BackendUnavailable(
            f"the TaskQueue server refuses {tool}: {text}", hint=hint, path=self.file, refusal=text
        )

    def _late(self, tool: str) -> BackendUnavailable:
        """The error for a call that took too long, with what is known of the reason."""
        lock = f"{self.file}.lock"
        try:
            age = time.time() - os.stat(lock).st_mtime
        except OSError:
            hint = "try again; the server's file may be on a slow disk"
            return BackendUnavailable(self._slow(tool), hint=hint, path=self.file)
        return BackendUnavailable(
            f"{self._slow(tool)}: {lock} is there, made {age:.0f} s ago",
            hint="a server that died may have left it, and then all wait for ever: end every TaskQueue server"
            " that uses this file, and when the lock is still there, move it away",
            path=lock,
            age=round(age),
        )

    def _slow(self, tool: str) -> str:
        return f"the TaskQueue server did not answer {tool} within {self._timeout:g} s"
