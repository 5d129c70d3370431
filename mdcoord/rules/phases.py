"""Phases of a workflow as dependencies between tasks, so that nobody has to watch: pure functions.

The tasks of a phase depend on all tasks of the nearest phase before it that has any: two phases of N and M
tasks in a row write N times M ids (hundreds of each are fine; a phase of one task between them makes it N
plus M). Where the phases stand and which tasks belong to them is in the workflow's progress document; a task
whose fields name the workflow and a phase belongs to it, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mdcoord.errors import UsageError
from mdcoord.formats.workflowdef import Definition, Phase, TaskDef
from mdcoord.model import Key, Value
from mdcoord.rules.readiness import OPEN, dependencies

Fields = Mapping[str, Any]

Tasks = Mapping[str, Fields]
"""The fields of all tasks by their ids."""

FIELD: Final = "phases"
"""The field that makes a progress document that of a workflow."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A phase as it is kept: its tasks by their ids, in order."""

    name: str
    tasks: tuple[str, ...] = ()
    allow_failures: bool = False

    def as_dict(self) -> dict[str, Value]:
        """As it stands in the progress document."""
        allow = {"allow_failures": True} if self.allow_failures else {}
        return {"phase": self.name, **allow, "tasks": list(self.tasks)}


@dataclass(frozen=True, slots=True)
class Planned:
    """A task that a definition wants: its id in the workspace, and what it depends on by itself."""

    id: str
    phase: str
    task: TaskDef
    depends_on: tuple[str, ...] = ()
    conflicts_with: tuple[str, ...] = ()
    allow_failure: bool = False


def task_of(workflow: str, name: str) -> str:
    """The id in the workspace of a task of a workflow. Raises InvalidName."""
    return Key.of("task", f"{workflow}-{name}").id


def short(workflow: str, task: str) -> str:
    """The id of a task within its workflow; a task that was made by other means has its whole id."""
    prefix = Key.of("task", f"{workflow}-x").id[:-1]
    return task.removeprefix(prefix) or task


def plan(definition: Definition) -> list[Planned]:
    """The tasks of a definition, phase by phase.

    Raises InvalidName, and UsageError where two phases have one name or two tasks one id, or where tasks
    would wait for each other.
    """
    found: dict[str, Planned] = {}
    seen: set[str] = set()
    for phase in definition.phases:
        _refuse_shapeless(phase)
        if not phase.name.strip() or phase.name in seen:
            raise UsageError(f"two phases are called {phase.name!r}, or one has no name", hint="name each")
        seen.add(phase.name)
        for entry in phase.tasks:
            task = entry if isinstance(entry, TaskDef) else TaskDef(entry)
            if not isinstance(task.title, str):
                raise UsageError(f"{task.title!r} is no title of a task", hint="a text, or a TaskDef")
            id = task_of(definition.name, task.name)
            if id in found:
                raise UsageError(f"two tasks are called {task.name!r}", hint="give one of them another id")
            allow = phase.allow_failures or task.allow_failure
            found[id] = Planned(id, phase.name, task, allow_failure=allow)
    stages = stages_of_plan(definition, found.values())
    planned = [resolved(definition.name, one, found) for one in found.values()]
    refuse_later(stages, planned, {})
    _refuse_circles(planned)
    return planned


def resolved(workflow: str, one: Planned, members: Iterable[str]) -> Planned:
    """The task with the ids in the workspace of what it names: a member of the workflow, else any task."""
    known = frozenset(members)

    def id_of(name: str) -> str:
        member = task_of(workflow, name)
        return member if member in known else Key.of("task", name).id

    return replace(
        one,
        depends_on=tuple(dict.fromkeys(map(id_of, one.task.depends_on))),
        conflicts_with=tuple(dict.fromkeys(map(id_of, one.task.conflicts_with))),
    )


def stages_of_plan(definition: Definition, planned: Iterable[Planned]) -> list[Stage]:
    """The phases of a definition with the ids of their tasks."""
    tasks: dict[str, list[str]] = {phase.name: [] for phase in definition.phases}
    for one in planned:
        tasks[one.phase].append(one.id)
    return [Stage(phase.name, tuple(tasks[phase.name]), phase.allow_failures) for phase in definition.phases]


def stages_of(fields: Fields) -> list[Stage]:
    """The phases that a progress document names; none where it is not that of a workflow."""
    listed = fields.get(FIELD)
    stages = []
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and entry.get("phase") is not None:
            tasks = entry.get("tasks")
            ids = tuple(str(task) for task in tasks) if isinstance(tasks, list) else ()
            stages.append(Stage(str(entry["phase"]), ids, entry.get("allow_failures") is True))
    return stages


def entries(known: Fields, phases: Iterable[Stage | Any]) -> list[Value]:
    """The value of the field `phases` for these phases, with what else stood in the entries."""
    listed = known.get(FIELD)
    before = {
        str(entry.get("phase")): entry
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict)
    }
    return [{**before.get(phase.name, {}), **phase.as_dict()} for phase in phases]


def merged(kept: Sequence[Stage], wanted: Sequence[Stage]) -> list[Stage]:
    """The phases that a workflow has, and those of a definition: its order, and no task is left out.

    A phase that the definition does not have stands behind the one that it stood behind. A task stays in the
    phase in which it is: others wait for it there.
    """
    before = {stage.name: stage.tasks for stage in kept}
    place = {id: stage.name for stage in kept for id in stage.tasks}
    found = [
        replace(
            stage,
            tasks=_union(
                before.get(stage.name, ()),
                [id for id in stage.tasks if place.get(id, stage.name) == stage.name],
            ),
        )
        for stage in wanted
    ]
    previous = None
    for stage in kept:
        names = [one.name for one in found]
        if stage.name not in names:
            found.insert(0 if previous is None else names.index(previous) + 1, stage)
        previous = stage.name
    return found


def with_members(stages: Sequence[Stage], workflow: str, tasks: Tasks) -> list[Stage]:
    """The phases with the tasks that name them in their fields; a phase that is not there comes last."""
    listed = {task for stage in stages for task in stage.tasks}
    more: dict[str, list[str]] = {}
    for id, fields in tasks.items():
        if fields.get("workflow") == workflow and id not in listed:
            more.setdefault(str(fields.get("phase") or ""), []).append(id)
    if not more:
        return [*stages]
    found = [replace(stage, tasks=_union(stage.tasks, more.pop(stage.name, ()))) for stage in stages]
    return [*found, *(Stage(name, tuple(ids)) for name, ids in more.items())]


def awaited(stages: Sequence[Stage], phase: str) -> tuple[str, ...]:
    """The tasks that those of a phase wait for: all of the nearest phase before it that has any."""
    last: tuple[str, ...] = ()
    for stage in stages:
        if stage.name == phase:
            return last
        last = stage.tasks or last
    return ()


def links(
    stages: Sequence[Stage], tasks: Tasks, coming: Collection[str] = ()
) -> Iterator[tuple[str, list[str]]]:
    """The pending tasks that do not depend yet on all that they wait for, and what is missing.

    Tasks that are `coming` are waited for though they do not exist yet.
    """
    for stage in stages:
        wanted = [id for id in awaited(stages, stage.name) if id in tasks or id in coming]
        for id in stage.tasks if wanted else ():
            fields = tasks.get(id)
            if fields is not None and str(fields.get("status") or "pending") in OPEN:
                known = frozenset(dependencies(fields))
                missing = [other for other in wanted if other not in known]
                if missing:
                    yield id, missing


def begun_after(stages: Sequence[Stage], phase: str, tasks: Tasks) -> list[str]:
    """The tasks of later phases that somebody works on or has worked on."""
    names = [stage.name for stage in stages]
    later = stages[names.index(phase) + 1 :] if phase in names else ()
    return [id for stage in later for id in stage.tasks if id in tasks and _has_begun(tasks[id])]


def refuse_another_order(kept: Sequence[Stage], wanted: Sequence[Stage]) -> None:
    """Raise UsageError where a definition has phases in another order than the workflow has them.

    Tasks of the later one wait for those of the earlier one by now, and would have to wait for each other.
    """
    names = [stage.name for stage in wanted]
    before = [stage.name for stage in kept if stage.name in names]
    now = [name for name in names if name in before]
    if before != now:
        raise UsageError(
            f"the workflow has its phases in the order {', '.join(before)}, the definition {', '.join(now)}",
            hint="keep the order, or give the workflow another name",
        )


def refuse_later(stages: Sequence[Stage], planned: Sequence[Planned], tasks: Tasks) -> None:
    """Raise UsageError where a task would depend on one of a later phase, itself or over other tasks."""
    phase = {stage.name: number for number, stage in enumerate(stages)}
    place = {id: phase[stage.name] for stage in stages for id in stage.tasks}
    for one in planned:
        seen, ahead = set[str](), [*one.depends_on]
        while ahead:
            other = ahead.pop()
            if other == one.id or place.get(other, -1) > phase[one.phase]:
                raise UsageError(
                    f"{one.task.name} in the phase {one.phase!r} would wait for {other}, "
                    + ("itself" if other == one.id else "which is in a later phase"),
                    hint="a phase starts when the one before it is complete",
                )
            if other not in seen:
                seen.add(other)
                ahead += dependencies(tasks[other]) if other in tasks else ()


def _refuse_shapeless(phase: Any) -> None:
    """Raise UsageError for what is no phase; one text for its tasks would be one for each letter of it."""
    if not isinstance(phase, Phase) or not isinstance(phase.name, str) or isinstance(phase.tasks, str):
        raise UsageError(f"{phase!r} is no phase with a list of tasks", hint='Phase("build", ["Compile"])')


def _refuse_circles(planned: Sequence[Planned]) -> None:
    from graphlib import CycleError, TopologicalSorter

    known = {one.id for one in planned}
    sorter = TopologicalSorter({one.id: [id for id in one.depends_on if id in known] for one in planned})
    try:
        sorter.prepare()
    except CycleError as error:
        circle = error.args[1][::-1]
        raise UsageError(
            f"tasks would wait for each other: {' → '.join(circle)}",
            hint="leave one of these out of depends_on",
            cycle=circle,
        ) from None


def _has_begun(fields: Fields) -> bool:
    return str(fields.get("status") or "pending") not in OPEN | {"cancelled"}


def _union(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*one, *other]))
