"""Starts the workers, kills and pauses some of them at random, replaces the dead, and waits for the end."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from types import TracebackType

from mdcoord.interfaces.demo.journal import Entry, Journal, Reader
from mdcoord.interfaces.demo.processes import Processes

LOOK = 0.1
"""Seconds between two looks at what happens."""

PATIENCE = 60.0
"""Seconds in which something has to happen."""

WORKER = Path(__file__).with_name("worker.py")


class Crew(Processes):
    """Workers and what becomes of them."""

    def __init__(self, project: Path, journals: Path) -> None:
        super().__init__()
        journals.mkdir()
        self._folders = (str(project), str(journals))
        self._journal = Journal(journals, "storm")
        self._started = 0
        self._paused: dict[str, float] = {}

    @property
    def awake(self) -> list[str]:
        """Those who are not paused."""
        return [name for name in self.running if name not in self._paused]

    def hire(self, *arguments: str) -> str:
        """One more worker, under a name that nobody had before."""
        self._started += 1
        name = f"worker-{self._started}"
        self._journal.note("started", worker=name)
        self.start(name, [str(WORKER), *self._folders, name, *arguments])
        return name

    def kill(self, name: str) -> None:
        """Noted before, so that nothing seems to come before it."""
        self._journal.note("killed", worker=name)
        super().kill(name)

    def pause(self, name: str, seconds: float) -> None:
        """SIGSTOP: the process is there, and gives no sign of life for so long, or until `wake`."""
        self._journal.note("paused", worker=name)
        self.running[name].send_signal(signal.SIGSTOP)
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
                self.running[name].send_signal(signal.SIGCONT)
                self._journal.note("resumed", worker=name)
        for name, worker in [*self.running.items()]:
            if worker.poll() is not None:
                if worker.returncode:
                    raise RuntimeError(f"{name} failed with exit code {worker.returncode}")
                self._journal.note("ended", worker=name)
                del self.running[name]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
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
                crew.hire(str(ttl))


def storm(project: Path, journals: Path, plan: Plan, workers: int, ttl: float) -> list[Entry]:
    """Have all tasks worked off, and return all that was noted. Raises RuntimeError, TimeoutError."""
    with Crew(project, journals) as crew:
        for _ in range(workers):
            crew.hire(str(ttl))
        reader, has, completed, last = Reader(journals), dict[str, str](), 0, time.monotonic()
        while crew.running:
            for entry in reader.more():
                last = time.monotonic()
                completed += entry.what == "completed"
                if entry.what == "begin":
                    task = entry.facts["task"]
                    crew.wake(has.get(task, ""))  # the worst moment: somebody else has just begun its task
                    has[task] = entry.who
            if time.monotonic() - last > PATIENCE:
                raise TimeoutError(f"nothing happens any more; still there: {', '.join(crew.running)}")
            plan.strike(crew, completed, ttl)
            crew.tend()
            time.sleep(LOOK)
    return Reader(journals).more()
