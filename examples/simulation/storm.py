"""Starts the workers, kills and pauses some of them at random, replaces the dead, and waits for the end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from mdcoord.interfaces.demo.journal import Entry, Journal, Reader

LOOK = 0.1
"""Seconds between two looks at what happens."""

PATIENCE = 60.0
"""Seconds in which something has to happen."""

WORKER = Path(__file__).with_name("worker.py")


class Crew:
    """Worker processes and what becomes of them. Whatever happens in its `with` block, none outlives it."""

    def __init__(self, project: Path, journals: Path) -> None:
        journals.mkdir()
        self._folders = (str(project), str(journals))
        self._journal = Journal(journals, "storm")
        self._started = 0
        self._paused: dict[str, float] = {}
        self.workers: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def awake(self) -> list[str]:
        """Those who are not paused."""
        return [name for name in self.workers if name not in self._paused]

    def start(self, *arguments: str) -> str:
        """One more worker, under a name that nobody had before."""
        self._started += 1
        name = f"worker-{self._started}"
        command = [sys.executable, str(WORKER), *self._folders, name, *arguments]
        settings = {key: value for key, value in os.environ.items() if not key.startswith("MDCOORD_")}
        self._journal.note("started", worker=name)
        # In a session of its own: Ctrl-C reaches the storm alone, which ends its workers.
        self.workers[name] = subprocess.Popen(command, env=settings, start_new_session=True)
        return name

    def kill(self, name: str) -> None:
        """SIGKILL: no clean-up, no last word. Noted before, so that nothing seems to come before it."""
        self._journal.note("killed", worker=name)
        worker = self.workers.pop(name)
        worker.kill()
        worker.wait()

    def pause(self, name: str, seconds: float) -> None:
        """SIGSTOP: the process is there, and gives no sign of life for so long, or until `wake`."""
        self._journal.note("paused", worker=name)
        self.workers[name].send_signal(signal.SIGSTOP)
        self._paused[name] = time.monotonic() + seconds

    def wake(self, name: str) -> None:
        """Let it go on at the next `tend`, if it is paused."""
        if name in self._paused:
            self._paused[name] = 0.0

    def tend(self) -> None:
        """Let those go on whose pause is over, and those go who ended. Raises RuntimeError for a failure."""
        for name, until in [*self._paused.items()]:
            if time.monotonic() >= until:
                del self._paused[name]
                self.workers[name].send_signal(signal.SIGCONT)
                self._journal.note("resumed", worker=name)
        for name, worker in [*self.workers.items()]:
            if worker.poll() is not None:
                if worker.returncode:
                    raise RuntimeError(f"{name} failed with exit code {worker.returncode}")
                self._journal.note("ended", worker=name)
                del self.workers[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers.values():
            worker.kill()
            worker.wait()
        self._journal.close()


class Plan:
    """So many kills and pauses, each at a random moment: when so many tasks are completed."""

    def __init__(self, seed: int, tasks: int, kills: int, pauses: int) -> None:
        self._chance = random.Random(seed)
        strokes = ["kill"] * kills + ["pause"] * pauses
        self._coming = sorted((self._chance.uniform(0.05, 0.9) * tasks, stroke) for stroke in strokes)

    def strike(self, crew: Crew, completed: int, ttl: float) -> None:
        """Do what is due to somebody, who may be working, claiming, or in the middle of a write."""
        while self._coming and self._coming[0][0] <= completed and crew.awake:
            _, stroke = self._coming.pop(0)
            victim = self._chance.choice(crew.awake)
            if stroke == "pause":
                crew.pause(victim, self._chance.uniform(1.3, 2.5) * ttl)
            else:
                crew.kill(victim)
                crew.start(str(ttl))


def storm(project: Path, journals: Path, plan: Plan, workers: int, ttl: float) -> list[Entry]:
    """Have all tasks worked off, and return all that was noted. Raises RuntimeError, TimeoutError."""
    with Crew(project, journals) as crew:
        for _ in range(workers):
            crew.start(str(ttl))
        reader, has, completed, last = Reader(journals), dict[str, str](), 0, time.monotonic()
        while crew.workers:
            for entry in reader.more():
                last = time.monotonic()
                completed += entry.what == "completed"
                if entry.what == "begin":
                    task = entry.facts["task"]
                    crew.wake(has.get(task, ""))  # the worst moment: somebody else has just begun its task
                    has[task] = entry.who
            if time.monotonic() - last > PATIENCE:
                raise TimeoutError(f"nothing happens any more; still there: {', '.join(crew.workers)}")
            plan.strike(crew, completed, ttl)
            crew.tend()
            time.sleep(LOOK)
    return Reader(journals).more()
