"""What the journals of the workers and the documents in the end say about a run.

Nothing here asks mdcoord: an effort is what a worker wrote down about one claim, a document is some lines of
text. So an error in mdcoord's own books cannot hide itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mdcoord.interfaces.demo.journal import Entry

NEVER = float("inf")


@dataclass
class Effort:
    """One claim in the hands of one worker, made at some moment from `asked` to `begin`.

    `seconds` is what the work takes, `end` when the answer to its completion came, `verdict` which: completed
    or refused. Times are in seconds since 1970.
    """

    worker: str
    task: str
    attempt: int
    asked: float
    begin: float
    seconds: float
    end: float = NEVER
    verdict: str = ""

    @property
    def waited(self) -> float:
        """Seconds that the claim took."""
        return self.begin - self.asked

    def __str__(self) -> str:
        return f"attempt {self.attempt} of task {self.task} by {self.worker}"


@dataclass
class Life:
    """One worker process: when it started, ended, was killed if it was, and was paused from when to when."""

    start: float
    end: float = NEVER
    killed: float = NEVER
    pauses: list[tuple[float, float]] = field(default_factory=list)

    def paused_within(self, start: float, end: float) -> bool:
        """Whether it was paused at some moment of this time."""
        return any(pause < end and resume > start for pause, resume in self.pauses)

    @property
    def awake(self) -> float:
        """Seconds that it lived without those in which it was paused."""
        return self.end - self.start - sum(resume - pause for pause, resume in self.pauses)


@dataclass(frozen=True)
class Run:
    """The efforts in the order in which they began, and the lives of the workers by their names."""

    efforts: Sequence[Effort]
    lives: Mapping[str, Life]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Run:
        """A run from the lines of its journals, oldest first."""
        efforts: dict[tuple[str, str, int], Effort] = {}
        lives: dict[str, Life] = {}
        for entry in entries:
            facts = entry.facts
            if "worker" in facts:
                _live(lives, facts["worker"], entry.what, entry.at)
                continue
            which = (entry.who, facts["task"], facts["attempt"])
            if entry.what == "begin":
                efforts[which] = Effort(*which, facts["asked"], entry.at, facts["seconds"])
            else:
                efforts[which].end, efforts[which].verdict = entry.at, entry.what
        return cls([*efforts.values()], lives)

    def by_task(self) -> Mapping[str, Sequence[Effort]]:
        """The efforts on each task in the order of their attempts."""
        found: dict[str, list[Effort]] = defaultdict(list)
        for effort in sorted(self.efforts, key=lambda effort: effort.attempt):
            found[effort.task].append(effort)
        return found


def _live(lives: dict[str, Life], name: str, what: str, at: float) -> None:
    match what:
        case "started":
            lives[name] = Life(at)
        case "paused":
            lives[name].pauses.append((at, NEVER))
        case "resumed":
            lives[name].pauses[-1] = (lives[name].pauses[-1][0], at)
        case "killed":
            lives[name].end = lives[name].killed = at
        case "ended":
            lives[name].end = at


@dataclass(frozen=True)
class Judgement:
    """What went wrong, a sentence for each: work done twice, completions accepted too late, tasks lost."""

    duplicate: Sequence[str]
    late: Sequence[str]
    lost: Sequence[str]

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.duplicate or self.late or self.lost)


def judge(
    run: Run, documents: Mapping[str, Mapping[str, str]], tasks: Iterable[str], ttl: float
) -> Judgement:
    """Hold a run with these tasks, and their documents after it, against what must never happen."""
    by_task = run.by_task()
    return Judgement(
        [found for efforts in by_task.values() for found in _twice(efforts, run, ttl)],
        [found for efforts in by_task.values() for found in _late(efforts)],
        [found for task in tasks for found in _lost(task, by_task.get(task, ()), documents.get(task), run)],
    )


def _twice(efforts: Sequence[Effort], run: Run, ttl: float) -> Iterator[str]:
    """A task is for nobody else unless its worker was killed, or paused until its claim had run out."""
    for first, second in pairwise(efforts):
        life = run.lives[first.worker]
        killed = life.killed <= second.begin
        silent = life.paused_within(first.asked, second.begin) and second.begin - first.asked >= ttl
        if first.attempt == second.attempt:
            yield f"{first} is {second}, too"
        elif first.verdict == "completed" and first.end <= second.asked:
            yield f"{second} began after {first} was completed"
        elif not killed and not silent:
            yield f"{second} began while {first} was at it"
    completed = [str(effort) for effort in efforts if effort.verdict == "completed"]
    if len(completed) > 1:
        yield f"completed {len(completed)} times: {', '.join(completed)}"


def _late(efforts: Sequence[Effort]) -> Iterator[str]:
    """Nobody completes what somebody else has by now."""
    for first, second in pairwise(efforts):
        if first.verdict == "completed" and first.end > second.asked:
            yield f"{first} was accepted although there was {second}"


def _lost(
    task: str, efforts: Sequence[Effort], document: Mapping[str, str] | None, run: Run
) -> Iterator[str]:
    """Every task is completed, by the worker that was told so, or was killed before it could hear it."""
    if document is None or document.get("status") != "completed":
        yield f"task {task} is {'gone' if document is None else document.get('status')}"
        return
    told = {effort.worker for effort in efforts if effort.verdict == "completed"}
    killed = {effort.worker for effort in efforts if run.lives[effort.worker].killed < effort.end}
    if document.get("result") not in (told or killed):
        yield f"task {task} is by {document.get('result')}; {', '.join(told) or 'nobody'} completed it"
