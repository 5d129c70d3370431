"""The figures of a run, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from judge import NEVER, Judgement, Run

Row = tuple[str, str, str]
"""What, the aim, what was measured."""


def table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown."""
    head: list[Row] = [("", "aim", "measured")]
    widths = [max(len(row[column]) for row in [*head, *rows]) for column in range(3)]
    ruler = [tuple("-" * width for width in widths)]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in (*head, *ruler, *rows)
    )


def figures(run: Run, found: Judgement) -> Iterator[Row]:
    """What a run shows."""
    lives = run.lives.values()
    killed = sum(life.killed != NEVER for life in lives)
    paused = sum(len(life.pauses) for life in lives)
    waited, again = waits(run), recoveries(run)
    yield "claims", "", f"{len(run.efforts):,}"
    yield "workers in all, killed, paused", "", f"{len(lives)}, {killed}, {paused}"
    yield "work done twice", "0", str(len(found.duplicate))
    yield "late completions accepted", "0", str(len(found.late))
    yield "late completions refused, while another worker had the task", "", "{}, {}".format(*refusals(run))
    yield "tasks lost", "0", str(len(found.lost))
    yield "utilisation", ">= 80 %", f"{100 * utilisation(run):.0f} %"
    yield "claim latency: median, p99, longest", "p99 < 1 s", _times(waited, 0.5, 0.99, 1)
    yield "recovery from a kill: median, longest", "< 30 s", _times(again, 0.5, 1)


def refusals(run: Run) -> tuple[int, int]:
    """How many completions were refused, and how many of them while somebody else was at that task."""
    refused = [effort for effort in run.efforts if effort.verdict == "refused"]
    last = {task: efforts[-1] for task, efforts in run.by_task().items()}
    return len(refused), sum(last[one.task].begin < one.end < last[one.task].end for one in refused)


def recoveries(run: Run) -> list[float]:
    """Seconds from each kill amid a task to the next begin of that task, the shortest first."""
    return sorted(
        second.begin - run.lives[first.worker].killed
        for efforts in run.by_task().values()
        for first, second in pairwise(efforts)
        if first.asked <= run.lives[first.worker].killed <= second.begin
    )


def waits(run: Run) -> list[float]:
    """Seconds that each claim took, the shortest first; without those in which the worker was paused."""
    return sorted(
        effort.waited
        for effort in run.efforts
        if not run.lives[effort.worker].paused_within(effort.asked, effort.begin)
    )


def utilisation(run: Run) -> float:
    """What the completed tasks took of the time that the workers were there and not paused."""
    worked = sum(effort.seconds for effort in run.efforts if effort.verdict == "completed")
    return worked / sum(life.awake for life in run.lives.values())


def seconds(value: float) -> str:
    """A time for people."""
    return f"{value:.1f} s" if value >= 1 else f"{1000 * value:.0f} ms"


def _times(ordered: Sequence[float], *parts: float) -> str:
    last = len(ordered) - 1
    return ", ".join(seconds(ordered[round(part * last)]) for part in parts) if ordered else "none"
