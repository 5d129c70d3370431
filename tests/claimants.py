"""Threads that share the tasks of a workspace, whatever happens to its store."""

from __future__ import annotations

import threading

from mdcoord.errors import NothingReady
from mdcoord.workspace import Workspace


class Claimants:
    """Four threads with a workspace each: they claim and complete until so many tasks are done."""

    def __init__(self, url: str, tasks: int) -> None:
        self.done: list[tuple[str, int]] = []
        """The tasks that were completed, and the attempts in which they were."""
        self._url = url
        self._tasks = tasks
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(4)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, goal: int) -> None:
        """Wait until so many tasks are done."""
        while len(self.done) < goal:
            assert any(thread.is_alive() for thread in self._threads)

    def end(self) -> None:
        """Wait until all are done."""
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        with Workspace.open(self._url, agent=f"w{number}") as w:
            while len(self.done) < self._tasks:
                try:
                    claim = w.tasks.claim(heartbeat=False)
                except NothingReady:
                    continue
                claim.complete(result=f"w{number}")
                self.done.append((claim.id, claim.attempt))
