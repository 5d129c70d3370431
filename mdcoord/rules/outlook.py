"""How a workflow stands, worked out from its tasks: pure functions.

A workflow is `pending` (nothing has begun), `in_progress`, `completed`, `failed` (all has ended, something
badly) or `blocked` (something is left and nothing of it can start by itself). A task that ended badly and may
(`allow_failure`) counts as done, and so does one that was archived.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mdcoord.model import Value
from mdcoord.rules.graph import cycle
from mdcoord.rules.phases import FIELD, Fields, Stage, Tasks, entries
from mdcoord.rules.readiness import DONE, OPEN, UNDONE, dependencies, status_for_others, task_id
from mdcoord.rules.standing import IN_PROGRESS

OVER: Final = frozenset(["completed", "failed", "blocked"])
"""A workflow that stands so does not go on by itself."""

MISSING: Final = "missing"
"""The status of a task that a workflow names and that does not exist."""

ARCHIVED: Final = "archived"

NAMED: Final = 20
"""How many tasks the blockers name."""

_OURS: Final = re.compile(r"task \S+ is (failed|dead|cancelled|missing|stuck)\b|\d+ more tasks? ")

Archived = Callable[[str], bool]
"""Whether a task that does not exist is in the archive."""


@dataclass(frozen=True, slots=True)
class PhaseState:
    """How a phase stands; its tasks by their ids."""

    name: str
    status: str
    steps_done: int
    tasks: tuple[str, ...]
    allow_failures: bool = False

    @property
    def steps_total(self) -> int:
        """How many tasks it has."""
        return len(self.tasks)

    def as_dict(self) -> dict[str, Value]:
        """As it stands in the progress document."""
        allow = {"allow_failures": True} if self.allow_failures else {}
        counts = {"steps_done": self.steps_done, "steps_total": self.steps_total}
        return {"phase": self.name, "status": self.status, **counts, **allow, "tasks": list(self.tasks)}


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a workflow stands. `blockers` say what keeps it from being completed, each as a sentence.

    `progress` is 0 to 1. As long as the task `witness` is pending or in progress, the workflow is not over.
    """

    status: str
    phase: str | None
    progress: float
    steps_done: int
    steps_total: int
    blockers: tuple[str, ...]
    phases: tuple[PhaseState, ...]
    witness: str | None = None

    @property
    def over(self) -> bool:
        """Whether it does not go on by itself."""
        return self.status in OVER

    def fields(self, known: Fields) -> dict[str, Value]:
        """The fields of its progress document; blockers that people noted in it stay."""
        listed = known.get("blockers")
        noted = [item for item in listed if not _is_ours(item)] if isinstance(listed, list) else []
        return {
            "status": self.status,
            "phase": self.phase,
            "progress": self.progress,
            "steps_done": self.steps_done,
            "steps_total": self.steps_total,
            "blockers": [*noted, *self.blockers],
            FIELD: entries(known, self.phases),
        }


def outlook(stages: Sequence[Stage], tasks: Tasks, archived: Archived) -> Outlook:
    """How a workflow with these phases stands; `tasks` are all tasks of the workspace."""
    return _Look(stages, tasks, archived).outlook()


def status_of_member(fields: Fields | None, archived: bool) -> str:
    """The status of a task of a workflow, with `missing` and `archived` for one that is not there."""
    if fields is None:
        return ARCHIVED if archived else MISSING
    return str(fields.get("status") or "pending")


class _Look:
    """One look at a workflow and at all that its tasks wait for."""

    def __init__(self, stages: Sequence[Stage], tasks: Tasks, archived: Archived) -> None:
        self._stages = stages
        self._tasks = tasks
        self._aliases = {task_id(fields): id for id, fields in tasks.items()}
        self._members = [id for stage in stages for id in stage.tasks]
        self._status = {
            id: status_of_member(tasks.get(id), id not in tasks and archived(id)) for id in self._members
        }
        self._open = [id for id in self._members if not self._ended(id)]
        self._able = self._able_to_go_on()

    def outlook(self) -> Outlook:
        done = [id for id in self._members if self._done(id)]
        phases = tuple(map(self._phase, self._stages))
        total = len(self._members)
        running = sum(_share(self._tasks[id]) for id in self._open if self._status[id] == IN_PROGRESS)
        current = next((phase for phase in phases if phase.steps_done < phase.steps_total), None)
        last = next((phase.name for phase in reversed(phases) if phase.tasks), None)
        return Outlook(
            status=self._status_of(self._members),
            phase=current.name if current else last,
            progress=_percents(len(done) + running, total),
            steps_done=len(done),
            steps_total=total,
            blockers=tuple(_some(self._blockers())),
            phases=phases,
            witness=self._witness(),
        )

    def _phase(self, stage: Stage) -> PhaseState:
        done = sum(map(self._done, stage.tasks))
        status = self._status_of(stage.tasks) if stage.tasks else "empty"
        return PhaseState(stage.name, status, done, stage.tasks, stage.allow_failures)

    def _status_of(self, ids: Sequence[str]) -> str:
        still = [id for id in ids if not self._ended(id)]
        if ids and not still:
            return "completed" if all(map(self._done, ids)) else "failed"
        if still and not any(id in self._able for id in still):
            return "blocked"
        begun = len(still) < len(ids) or any(self._status[id] == IN_PROGRESS for id in still)
        return IN_PROGRESS if begun else "pending"

    def _done(self, id: str) -> bool:
        fields = self._tasks.get(id)
        return self._status[id] == ARCHIVED if fields is None else status_for_others(fields) in DONE

    def _ended(self, id: str) -> bool:
        return self._done(id) or self._status[id] in UNDONE

    def _real(self, id: str) -> str:
        """The id by which a task is filed, for one that names it."""
        return id if id in self._tasks else self._aliases.get(id, id)

    def _still(self, id: str) -> list[str]:
        """What a task waits for."""
        named = map(self._real, dependencies(self._tasks[id]))
        return [other for other in named if not self._is_done(other)]

    def _is_done(self, id: str) -> bool:
        return id in self._tasks and status_for_others(self._tasks[id]) in DONE

    def _able_to_go_on(self) -> dict[str, bool]:
        """The open tasks, and those that they wait for, that will start or end if all goes well.

        In the order in which that may be: those that nothing keeps come first, with True.
        """
        waits: dict[str, set[str]] = {}
        needed_by: dict[str, list[str]] = {}
        able: dict[str, bool] = {}
        ahead = [*self._open]
        while ahead:
            id = ahead.pop()
            if id in waits or id in able or id not in self._tasks:
                continue
            status = str(self._tasks[id].get("status") or "pending")
            if status == IN_PROGRESS:
                able[id] = True
            elif status in OPEN:
                waits[id] = set(self._still(id))
                for other in waits[id]:
                    needed_by.setdefault(other, []).append(id)
                    ahead.append(other)
        able |= {id: True for id, others in waits.items() if not others}
        ready = [*able]
        while ready:
            id = ready.pop()
            for other in needed_by.get(id, ()):
                waits[other].discard(id)
                if not waits[other] and other not in able:
                    able[other] = False
                    ready.append(other)
        return able

    def _witness(self) -> str | None:
        """A task whose being open shows that the workflow is not over: one in progress, else a ready one."""
        now = [id for id, at_once in self._able.items() if at_once]
        running = (id for id in now if self._tasks[id].get("status") == IN_PROGRESS)
        return next(running, now[0] if now else None)

    def _blockers(self) -> Iterator[str]:
        """What keeps the workflow from being completed, the causes first."""
        for id in self._members:
            status = self._status[id]
            if status in UNDONE and not self._done(id):
                yield f"task {id} is {status}{_why(self._tasks[id])}"
            elif status == MISSING:
                yield f"task {id} is missing: run the workflow again"
            elif id in self._open and id not in self._able and status not in OPEN:
                yield f"task {id} is stuck: its status is {status}"
        yield from self._stuck()

    def _stuck(self) -> Iterator[str]:
        """Why tasks cannot start, as far as no other task of the workflow is the cause."""
        stuck = [id for id in self._open if id not in self._able and self._status[id] in OPEN]
        outside = {other: id for id in stuck for other in self._still(id) if self._is_outside(other)}
        for other, id in outside.items():
            fields = self._tasks.get(other)
            status = str(fields.get("status") or "pending") if fields else MISSING
            if status in UNDONE or status == MISSING:
                yield f"task {other} is {status}: task {id} waits for it"
            elif other not in self._able:
                yield f"task {id} is stuck: task {other}, for which it waits, cannot start"
        for id in stuck:
            if circle := cycle(id, lambda one: self._still(one) if one in self._tasks else ()):
                yield f"task {id} is stuck: it waits for itself: {' → '.join(circle)}"

    def _is_outside(self, id: str) -> bool:
        return self._status.get(id, ARCHIVED) == ARCHIVED


def _some(texts: Iterable[str]) -> Iterator[str]:
    listed = [*texts]
    yield from listed[:NAMED]
    if len(listed) > NAMED:
        yield f"{len(listed) - NAMED} more tasks are failed, dead, missing or stuck"


def reason(fields: Mapping[str, Any]) -> str:
    """Why a task ended badly: its error, else the last line of its log, else its status."""
    error = fields.get("error")
    if isinstance(error, str) and error.strip():
        return error.strip()
    logs = fields.get("logs")
    last = logs[-1] if isinstance(logs, list) and logs else None
    message = last.get("message") if isinstance(last, dict) else None
    return str(message) if message else f"its status is {fields.get('status')}"


def _why(fields: Fields) -> str:
    found = reason(fields).partition("\n")[0]
    return f": {found[:200]}" if not found.startswith("its status is") else ""


def _share(fields: Fields) -> float:
    value = fields.get("progress")
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return min(max(float(value), 0.0), 1.0) if good else 0.0  # type: ignore[arg-type]


def _percents(done: float, total: int) -> float:
    """A share in whole percents, rounded down: all is done only when it is."""
    return int(round(100 * done / total, 6)) / 100 if total else 0.0


def _is_ours(item: Value) -> bool:
    return isinstance(item, str) and _OURS.match(item) is not None
