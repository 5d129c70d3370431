"""What can be seen while the demo runs: a live table on a terminal, a line for each moment elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from mdcoord.interfaces.demo.journal import Entry
from mdcoord.interfaces.demo.project import Plan
from mdcoord.interfaces.demo.report import sentence


class Show(Protocol):
    """Is told every new line of the journals."""

    def tell(self, entries: Sequence[Entry]) -> None:
        """Show what is new; called often, also with nothing new."""
        ...

    def close(self) -> None:
        """Leave the screen in order."""
        ...


class Silence:
    """Shows nothing."""

    def tell(self, entries: Sequence[Entry]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines:
    """One line on stdout for each moment worth telling."""

    def __init__(self, started: float) -> None:
        self._started = started

    def tell(self, entries: Sequence[Entry]) -> None:
        """Print what is new."""
        for entry in entries:
            if text := sentence(entry):
                print(f"{entry.at - self._started:5.1f} s  {text}", flush=True)

    def close(self) -> None:
        """Nothing is left to do."""


class Table:
    """Who works on what, on stdout, redrawn a few times a second; moments scroll by above it."""

    def __init__(self, plan: Plan, started: float) -> None:
        from rich.console import Console
        from rich.live import Live

        self._plan = plan
        self._titles = {job.id: job.title for job in plan.jobs}
        self._started = started
        self._rows: dict[str, dict[str, Any]] = {
            name: {"state": "starting", "done": 0} for name in plan.workers
        }
        self._events = 0
        self._live = Live(console=Console(), refresh_per_second=8, transient=True)
        self._live.start()

    def tell(self, entries: Sequence[Entry]) -> None:
        """Bring the table up to date."""
        for entry in entries:
            self._note(entry)
            if text := sentence(entry):
                self._live.console.print(
                    f"{entry.at - self._started:5.1f} s  {text}", markup=False, highlight=False
                )
        self._live.update(self._table())

    def close(self) -> None:
        """Take the table off the screen; the moments stay."""
        self._live.stop()

    def _note(self, entry: Entry) -> None:
        facts = entry.facts
        if entry.what == "killed":
            self._rows[facts["worker"]]["state"] = "killed"
        self._events += entry.what == "published"
        row = self._rows.get(entry.who)
        if row is None:
            return
        if entry.what == "claimed":
            row.update(state="busy", task=facts["task"], attempt=facts["attempt"], progress=0.0)
        elif entry.what == "progress":
            row.update(progress=facts["value"])
        elif entry.what == "completed":
            row.update(state="idle", done=row["done"] + 1)

    def _table(self) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table as Grid

        done = sum(row["done"] for row in self._rows.values())
        seconds = time.time() - self._started
        title = f"{done} of {len(self._titles)} tasks done, {self._events} events, {seconds:.1f} s"
        grid = Grid(title=title, title_justify="left", expand=True)
        for column, ratio in (
            ("agent", 3),
            ("state", 2),
            ("task", 6),
            ("attempt", 2),
            ("progress", 4),
            ("done", 2),
        ):
            grid.add_column(column, ratio=ratio, no_wrap=True)
        for name, row in self._rows.items():
            busy = row["state"] == "busy"
            bar = ProgressBar(completed=100 * row["progress"], width=20) if busy else ""
            task = f"{row['task']}: {self._titles.get(row['task'], '')}" if busy else ""
            grid.add_row(name, row["state"], task, str(row["attempt"]) if busy else "", bar, str(row["done"]))
        return grid


def show_for(plan: Plan, started: float) -> Show:
    """The show that fits where stdout goes. `started` is in seconds since 1970."""
    return Table(plan, started) if sys.stdout.isatty() else Lines(started)
