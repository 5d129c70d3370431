"""What whole commands spend, against reading and parsing the documents that they are about."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.layout import state_folder
from mdcoord.workspace import Workspace

OURS = "reading and parsing"
OTHERS = "the same with python-frontmatter"

_READERS = {
    OURS: """
import sys, pathlib
from mdcoord.formats.document import Document, decode
for path in sorted(pathlib.Path(sys.argv[1]).glob("task-*.md")):
    Document.parse(decode(path.read_bytes()))
""",
    OTHERS: """
import sys, pathlib, frontmatter
for path in sorted(pathlib.Path(sys.argv[1]).glob("task-*.md")):
    frontmatter.load(str(path))
""",
}


class Spent(NamedTuple):
    """Seconds by the clock and of CPU (of all processes), megabytes of the largest process (0: unknown)."""

    wall: float
    cpu: float
    peak: float = 0.0


def tasks(root: Path, documents: int) -> None:
    """Make tasks of about a kilobyte, as agents make them."""
    with Workspace(MarkdownBackend(root, state=state_folder(root), durability="none")) as w:
        for number in range(documents):
            w.tasks.create(
                f"Train model {number} on the second half of the data",
                id=f"train-{number:06}",
                priority=number % 10,
                needs=["training", "gpu"],
                instructions="Use the settings of the last run; stop when the loss does not fall any more.",
                fields={"labels": ["nightly", "model"], "metadata": {"step": number, "loss": 0.42}},
                body="What people wrote about it.\n\n" + "A line of words that say something.\n" * 3,
            )


def run(root: Path, *arguments: str) -> Spent:
    """Run Python with these arguments, in a process of its own, in the project that has this root."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=root.parents[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return Spent(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def spent_by(step: Callable[[], object]) -> Spent:
    """What a step spends in this process, and in those that it forks."""
    begun, before = time.perf_counter(), os.times()
    step()
    return Spent(time.perf_counter() - begun, sum(os.times()[:4]) - sum(before[:4]))


def reading(root: Path) -> dict[str, Spent]:
    """What one process spends that does nothing else."""
    return {name: run(root, "-c", program, str(root)) for name, program in _READERS.items()}


def medians(spent: Mapping[str, Sequence[Spent]]) -> dict[str, Spent]:
    """The middle of all rounds, for each case and each column."""
    return {
        name: Spent(*(statistics.median(column) for column in zip(*found, strict=True)))
        for name, found in spent.items()
    }


def show(found: Mapping[str, Spent]) -> None:
    """Print them, and how often they are what reading and parsing takes."""
    ours, others = found[OURS], found[OTHERS]
    print(f"{'':34}{'wall s':>8}{'CPU s':>8}{'MB':>6}{'x reading':>11}{'CPU':>7}{'x frontmatter':>15}")
    for name, one in found.items():
        print(f"{name:34}{one.wall:8.2f}{one.cpu:8.2f}{one.peak:6.0f}", end="")
        print(f"{one.wall / ours.wall:11.2f}{one.cpu / ours.cpu:7.2f}{one.wall / others.wall:15.2f}")
