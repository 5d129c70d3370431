"""How long a task waits whose worker was killed on a machine that nobody can look at."""

from __future__ import annotations

import time
from pathlib import Path

from figures import recoveries
from judge import Run
from project import lay_out
from storm import Crew

from mdcoord.config import Config
from mdcoord.interfaces.demo.journal import Entry, Reader

LOOK = 0.1
"""Seconds between two looks at what happens."""


def killed_elsewhere(folder: Path, ttl: float | None) -> float:
    """Seconds from the kill of such a worker to the next begin of its task: its claim has to run out.

    Without a ttl, it lasts as long as the settings say.
    """
    folder.mkdir()
    lay_out(folder / "project", 1, 3600)
    journals = folder / "journals"
    with Crew(folder / "project", journals) as crew:
        far = crew.hire(str(ttl or ""), "elsewhere")
        _begun(journals, 1)
        crew.hire(str(ttl or ""))  # a neighbour, who would like to have the task
        time.sleep((ttl or Config().renewed_ttl) / 2)
        crew.kill(far)
        (seconds,) = recoveries(Run.of(_begun(journals, 2)))
    return seconds


def _begun(journals: Path, times: int) -> list[Entry]:
    """All that was noted, when so many claims were."""
    while True:
        entries = Reader(journals).more()
        if sum(entry.what == "begin" for entry in entries) >= times:
            return entries
        time.sleep(LOOK)
