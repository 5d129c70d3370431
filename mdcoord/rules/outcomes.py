"""What agents achieved, worked out from the tasks' documents: nothing here is counted twice.

A completed task tells who completed it and how long that took. Attempts that ended otherwise are lines of its
log, which say what became of the attempt (`outcome`: failed, or lost with its holder), whose it was and how
long it ran. What was archived or removed is not there any more, so figures reach as far back as the tasks do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from mdcoord.host import seconds_of
from mdcoord.model import Record, Value
from mdcoord.rules.readiness import DONE, OPEN, task_id

DAY: Final = 86400.0
RECENT: Final = 10
"""How many completions an agent's document lists, the newest of the last 24 hours."""

_SHOWN: Final = ("title", "project_id", "started_at", "status", "progress", "metadata")

COMPLETED: Final = "completed"
FAILED: Final = "failed"
LOST: Final = "lost"


class Outcome(NamedTuple):
    """How one attempt ended. `ended` is in seconds since 1970, `duration` in seconds, None where unknown."""

    task: str
    title: str
    type: str
    agent: str
    ended: float
    stamp: str
    kind: str
    duration: float | None

    @property
    def success(self) -> bool:
        """Whether the task was completed by it."""
        return self.kind == COMPLETED


def outcomes(records: Iterable[Record], since: float = 0.0) -> list[Outcome]:
    """How the attempts of these tasks ended, after a time in seconds since 1970, the oldest first."""
    found = [outcome for record in records for outcome in _outcomes(record) if outcome.ended >= since]
    return sorted(found, key=lambda outcome: (outcome.ended, outcome.task))


def _outcomes(record: Record) -> Iterator[Outcome]:
    fields = record.fields
    logs = fields.get("logs")
    for line in logs if isinstance(logs, list) else ():
        if isinstance(line, Mapping) and line.get("outcome") in (COMPLETED, FAILED, LOST):
            yield from _outcome(
                record, line["outcome"], line.get("agent"), line.get("at"), line.get("duration_sec")
            )
    if fields.get("status") in DONE:
        began, ended = seconds_of(fields.get("started_at")), seconds_of(fields.get("completed_at"))
        duration = max(0.0, ended - began) if began is not None and ended is not None else None
        yield from _outcome(
            record, COMPLETED, fields.get("assigned_agent"), fields.get("completed_at"), duration
        )


def _outcome(record: Record, kind: str, agent: Value, stamp: Value, duration: Value) -> Iterator[Outcome]:
    ended = seconds_of(stamp)
    if ended is None or not isinstance(agent, str) or not agent:
        return
    number = isinstance(duration, int | float) and not isinstance(duration, bool)
    fields = record.fields
    yield Outcome(
        task_id(fields) or record.key.id,
        str(fields.get("title") or ""),
        str(fields.get("type") or ""),
        agent,
        ended,
        str(stamp),
        kind,
        float(duration) if number else None,
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over outcomes.

    `timed` are the completions whose duration is known, and `seconds` what these took; `busy` is the time of
    all attempts, also of those in vain.
    """

    succeeded: int = 0
    failed: int = 0
    lost: int = 0
    timed: int = 0
    seconds: float = 0.0
    busy: float = 0.0

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Figures:
        """Of these outcomes."""
        kinds = {COMPLETED: 0, FAILED: 0, LOST: 0}
        timed, seconds, busy = 0, 0.0, 0.0
        for outcome in outcomes:
            kinds[outcome.kind] += 1
            busy += outcome.duration or 0.0
            if outcome.success and outcome.duration is not None:
                timed, seconds = timed + 1, seconds + outcome.duration
        return cls(kinds[COMPLETED], kinds[FAILED], kinds[LOST], timed, seconds, busy)

    @property
    def total(self) -> int:
        """How many attempts ended."""
        return self.succeeded + self.failed + self.lost

    @property
    def success_rate(self) -> float | None:
        """The share of attempts that completed their task; None when there was none."""
        return self.succeeded / self.total if self.total else None

    @property
    def average(self) -> float | None:
        """Seconds that a completed task took on average; None when none did with a known time."""
        return self.seconds / self.timed if self.timed else None

    @property
    def per_hour(self) -> float | None:
        """Tasks completed in an hour of work (not of the clock); None when no time is known."""
        return self.succeeded / self.busy * 3600 if self.busy else None

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data; what is not known is None."""
        return {
            "completed": self.succeeded,
            "failed": self.failed,
            "lost": self.lost,
            "success_rate": rounded(self.success_rate),
            "avg_duration_sec": rounded(self.average),
            "tasks_per_hour": rounded(self.per_hour),
        }


@dataclass(slots=True)
class Activity:
    """What the tasks tell about one agent.

    `active` are the tasks in progress, `ended` the attempts that ended lately, `waiting` how many pending
    tasks are assigned to it, `assigned_at` when it was assigned one last (a timestamp, "" for never).
    """

    active: list[Record] = field(default_factory=list)
    ended: list[Outcome] = field(default_factory=list)
    waiting: int = 0
    assigned_at: str = ""


def activities(records: Iterable[Record], since: float) -> dict[str, Activity]:
    """What each agent does and did since a time in seconds since 1970, by the names that the tasks use."""
    found: defaultdict[str, Activity] = defaultdict(Activity)
    tasks = list(records)
    for record in tasks:
        fields = record.fields
        agent, status = fields.get("assigned_agent"), fields.get("status") or "pending"
        if isinstance(agent, str) and agent:
            activity = found[agent]
            activity.assigned_at = max(activity.assigned_at, str(fields.get("assigned_at") or ""))
            if status == "in_progress":
                activity.active.append(record)
            elif status in OPEN:
                activity.waiting += 1
    for outcome in outcomes(tasks, since):
        found[outcome.agent].ended.append(outcome)
    return dict(found)


def grouped(outcomes: Iterable[Outcome], by: Callable[[Outcome], Any]) -> dict[Any, list[Outcome]]:
    """Outcomes by what `by` says of each, in the order of their first one."""
    found: dict[Any, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(by(outcome), []).append(outcome)
    return found


def current(records: Iterable[Record]) -> list[Value]:
    """Tasks in progress as an agent's document lists them."""
    return [
        {"task_id": task_id(record.fields) or record.key.id}
        | {name: record.fields[name] for name in _SHOWN if record.fields.get(name) is not None}
        for record in records
    ]


def completions(outcomes: Iterable[Outcome]) -> list[Value]:
    """The last attempts as an agent's document lists them, the newest first."""
    shown = [outcome for outcome in outcomes if outcome.kind != LOST][-RECENT:]
    return [
        {
            "task_id": outcome.task,
            "title": outcome.title,
            "completed_at": outcome.stamp,
            "duration_sec": rounded(outcome.duration),
            "success": outcome.success,
        }
        for outcome in reversed(shown)
    ]


def rounded(value: float | None) -> float | None:
    """A figure as people want to read it."""
    return None if value is None else round(value, 4)
