"""Runs the demo: starts the workers, lets a person edit, kills one worker in the middle of a task, waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from mdcoord.errors import MdcoordError
from mdcoord.interfaces.demo.journal import Entry, Journal, Reader
from mdcoord.interfaces.demo.person import Person
from mdcoord.interfaces.demo.processes import Processes
from mdcoord.interfaces.demo.project import OLD_FILES, TRAINING, Plan, journal_folder
from mdcoord.records import Task
from mdcoord.workspace import Workspace

DEADLINE: Final = 60.0
"""Seconds after which the demo gives up."""

LOOK: Final = 0.02
"""Seconds between two looks at what happens."""


class Director:
    """Owns the workers: whatever happens inside of its `with` block, none of them outlives it."""

    def __init__(
        self,
        root: Path,
        folder: Path,
        plan: Plan,
        told: Callable[[list[Entry]], None],
        *,
        seconds: float = DEADLINE,
    ) -> None:
        self._root = root
        self._folder = folder
        self._plan = plan
        self._told = told
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self.workers = Processes()
        self._killed = False
        self._reader = Reader(journal_folder(folder))
        self._journal = Journal(journal_folder(folder), "director")

    def run(self) -> None:
        """Play the whole story. Raises MdcoordError when a worker breaks or the time is over."""
        self._journal.note("laid_out", old=OLD_FILES, tasks=len(self._plan.jobs))
        for name in self._plan.workers:
            self._start(name)
        self._journal.note(
            "started", workers={name: worker.pid for name, worker in self.workers.running.items()}
        )
        with Workspace.open(self._root, agent="director") as w:
            person: Person | None = None
            while self._at_work():
                self._told(self._reader.more())
                self._check()
                if not self._killed:
                    training = w.tasks.get(TRAINING)
                    person = person or self._person(training)
                    self._go_on(training, person)
                time.sleep(LOOK)
        self._check()
        self._journal.note("ended")
        self._told(self._reader.more())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.workers.__exit__(kind, error, trace)
        self._journal.close()

    def _start(self, name: str) -> None:
        arguments = ["-P", "-m", "mdcoord.interfaces.demo.worker", "--root", str(self._root), "--name", name]
        arguments += ["--journals", str(journal_folder(self._folder)), "--seconds", str(self._seconds)]
        with self._output_of(name).open("wb") as output:
            self.workers.start(name, arguments, output)

    def _at_work(self) -> list[str]:
        return [name for name, worker in self.workers.running.items() if worker.poll() is None]

    def _person(self, training: Task) -> Person | None:
        """Somebody opens the task's file as soon as its worker has written to it."""
        if training.status != "in_progress" or not training.progress:
            return None
        return Person(self._root / Path(str(training.path)).name, self._plan.added, self._journal)

    def _go_on(self, training: Task, person: Person | None) -> None:
        if person is None:
            return
        person.look()
        if person.done:
            self._kill_worker_of(training)

    def _kill_worker_of(self, training: Task) -> None:
        """SIGKILL: no clean-up, no last word; its task says that it is in progress, by it."""
        name = str(training.assigned_agent)
        worker = self.workers.running.get(name)
        if worker is None or training.status != "in_progress":
            return
        self.workers.kill(name)
        self._killed = True
        facts = {"worker": name, "pid": worker.pid, "task": TRAINING, "attempt": training.attempt}
        self._journal.note("killed", **facts, status=training.status, progress=training.progress)

    def _check(self) -> None:
        for name, worker in self.workers.running.items():
            if worker.poll():
                said = self._output_of(name).read_text(encoding="utf-8", errors="replace").strip()
                last = said.splitlines()[-1] if said else "it said nothing"
                raise MdcoordError(f"worker {name} ended with exit code {worker.returncode}: {last}")
        if time.monotonic() > self._deadline:
            raise MdcoordError(
                f"the demo did not end within {self._seconds:.0f} seconds "
                f"(still running: {', '.join(self._at_work())})",
                hint="try again when the machine is less busy, or with fewer tasks",
            )

    def _output_of(self, name: str) -> Path:
        return self._folder / f"{name}.output"
