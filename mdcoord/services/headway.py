"""The workflows that a worker works on: how they stand is written down now and then."""

from __future__ import annotations

import time
from typing import Final

from mdcoord.errors import MdcoordError
from mdcoord.records import Task
from mdcoord.services.notes import ProgressDocuments

PACE: Final = 10.0
"""Seconds between two writes while there is always something to do."""


class Headway:
    """Which workflows have come on since they were last written down."""

    def __init__(self, progress: ProgressDocuments) -> None:
        self._progress = progress
        self._advanced: set[str] = set()
        self._due = 0.0

    def made(self, task: Task) -> None:
        """A task has ended, perhaps one of a workflow."""
        if workflow := task.get("workflow"):
            self._advanced.add(str(workflow))
            if time.monotonic() >= self._due:
                self.show()

    def show(self) -> None:
        """Write into their progress documents how they stand."""
        for name in sorted(self._advanced):
            try:
                self._progress.refresh(name)
            except MdcoordError:
                pass  # it is no workflow, or is one that the next look at it shows as it is
        self._advanced.clear()
        self._due = time.monotonic() + PACE
