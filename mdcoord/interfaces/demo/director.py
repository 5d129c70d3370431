"""Runs the demo: starts the workers, lets a person edit, kills one worker in the middle of a task, waits."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from mdcoord.errors import MdcoordError
from mdcoord.interfaces.demo.journal import Entry, Journal, Reader
from mdcoord.interfaces.demo.person import Person
from mdcoord.interfaces.demo.project import OLD_FILES, TRAINING, Plan, journal_folder
from mdcoord.records import Task
from mdcoord.workspace import Workspace

DEADLINE: Final = 60.0
"""Seconds after which the demo gives up."""

LOOK: Final = 0.02
"""Seconds between two looks at what happens."""

GENTLE: Final = 2.0
"""Seconds that a worker has to end when it is asked to; then it is killed."""

PACKAGES: Final = Path(__file__).resolve().parents[3]
"""The folder that `mdcoord` is imported from."""


class Director:
    """Owns the worker processes: whatever happens inside of its `with` block, none of them outlives it."""

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
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self._killed: str | None = None
        self._reader = Reader(journal_folder(folder))
        self._journal = Journal(journal_folder(folder), "director")

    def run(self) -> None:
        """Play the whole story. Raises MdcoordError when a worker breaks or the time is over."""
        self._journal.note("laid_out", old=OLD_FILES, tasks=len(self._plan.jobs))
        for name in self._plan.workers:
            self._start(name)
        self._journal.note("started", workers={name: worker.pid for name, worker in self.workers.items()})
        with Workspace.open(self._root, agent="director") as w:
            person: Person | None = None
            while any(worker.poll() is None for worker in self.workers.values()):
                self._told(self._reader.more())
                self._check()
                if self._killed is None:
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
        for worker in self.workers.values():
            worker.terminate()
        for worker in self.workers.values():
            try:
                worker.wait(GENTLE)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self._journal.close()

    def _start(self, name: str) -> None:
        command = [sys.executable, "-P", "-m", "mdcoord.interfaces.demo.worker"]
        command += ["--root", str(self._root), "--name", name]
        command += ["--journals", str(journal_folder(self._folder)), "--seconds", str(self._seconds)]
        with self._output_of(name).open("wb") as output:
            self.workers[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_environment(),
                start_new_session=True,  # Ctrl-C reaches the demo alone, which ends its workers in order
            )

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
        worker = self.workers.get(name)
        if worker is None or training.status != "in_progress":
            return
        worker.kill()
        worker.wait()
        self._killed = name
        facts = {"worker": name, "pid": worker.pid, "task": TRAINING, "attempt": training.attempt}
        self._journal.note("killed", **facts, status=training.status, progress=training.progress)

    def _check(self) -> None:
        for name, worker in self.workers.items():
            if worker.poll() and name != self._killed:
                said = self._output_of(name).read_text(encoding="utf-8", errors="replace").strip()
                last = said.splitlines()[-1] if said else "it said nothing"
                raise MdcoordError(f"worker {name} ended with exit code {worker.returncode}: {last}")
        if time.monotonic() > self._deadline:
            running = ", ".join(name for name, worker in self.workers.items() if worker.poll() is None)
            raise MdcoordError(
                f"the demo did not end within {self._seconds:.0f} seconds (still running: {running})",
                hint="try again when the machine is less busy, or with fewer tasks",
            )

    def _output_of(self, name: str) -> Path:
        return self._folder / f"{name}.output"


def _environment() -> dict[str, str]:
    """What the workers see: none of the user's settings, and this very mdcoord where it is not installed."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MDCOORD_")}
    if not {"site-packages", "dist-packages"} & set(PACKAGES.parts):
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGES), kept.get("PYTHONPATH")]))
    return kept
