"""Making the tasks of a workflow: each of them once, however often and by however many it is run.

The progress document comes first and names all tasks, so that nobody takes a workflow for complete whose
tasks are still being made, and one whose making was cut off shows what is missing. Then come the tasks, phase
by phase. What others made meanwhile is linked in at the end.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from mdcoord.errors import AlreadyExists, Conflict, NotFound, UsageError
from mdcoord.formats.workflowdef import Definition, TaskDef
from mdcoord.model import Change, Key, Path, Record, Value
from mdcoord.rules.phases import (
    FIELD,
    Planned,
    Stage,
    awaited,
    begun_after,
    entries,
    links,
    merged,
    plan,
    refuse_another_order,
    refuse_later,
    resolved,
    stages_of,
    stages_of_plan,
    task_of,
)
from mdcoord.rules.readiness import OPEN, dependencies, task_id
from mdcoord.rules.standing import status_of
from mdcoord.services.differences import Difference, differences
from mdcoord.services.env import Env
from mdcoord.services.events import announce
from mdcoord.services.outlooks import CHANNEL, Outlooks

if TYPE_CHECKING:
    from mdcoord.services.tasks import Tasks

_DIGEST: Final = "definition"
"""The field of a progress document that tells whether a definition is the one that was run before."""


@dataclass(slots=True)
class Made:
    """What a run did: the tasks that it made, and what it left as it was though the definition differs.

    `changed` are differences that there are no more. `begun` are tasks of later phases that did not wait for
    those that were made, since they had begun.
    """

    tasks: list[str] = field(default_factory=list)
    changed: list[Difference] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)


class Maker:
    """Makes tasks of one workflow. Use it for one run."""

    def __init__(self, env: Env, tasks: Tasks, name: str) -> None:
        self._env = env
        self._backend = env.backend
        self._tasks = tasks
        self._look = Outlooks(env)
        self._made = Made()
        self.key = Key.of("progress", name)
        self.name = self.key.id

    def run(self, definition: Definition, update: bool = False) -> Made:
        """Make what is not there yet of a definition; with `update` also change what has not begun.

        Raises InvalidName, AlreadyExists, and UsageError for a definition that cannot be.
        """
        planned = plan(definition)
        if not planned:
            raise UsageError(f"the workflow {self.name} has no tasks", hint="give it one at least")
        stages, digest = stages_of_plan(definition, planned), _digest(definition)
        kept = self._kept()
        refuse_another_order(kept, stages)
        self._check(planned, merged(kept, stages))
        before = self._document(definition, stages, digest)
        self._make(planned, stages, definition.project)
        if before is None:
            announce(self._env, CHANNEL, "workflow_started", {"workflow": self.name, "tasks": len(planned)})
        elif update or before.get(_DIGEST) != digest:
            self._compare(planned, [id for stage in kept for id in stage.tasks], update)
            named = {"title": definition.title, "project": definition.project} if update else {}
            settled = {} if self._made.differences else {_DIGEST: digest}
            self._note({**named, **settled}, before)
        return self._made

    def _note(self, wanted: Mapping[str, Value], before: Mapping[str, Any]) -> None:
        """Write into the progress document what it has otherwise."""
        new = {name: value for name, value in wanted.items() if value not in (None, before.get(name))}
        if new:
            self._env.write(self.key, Change(set={(name,): value for name, value in new.items()}))

    def _compare(self, planned: Sequence[Planned], members: Sequence[str], update: bool) -> None:
        """Find what differs from a definition that was changed, and with `update` change it."""
        look, made = Outlooks(self._env), self._made
        for id, group in groupby(differences(planned, look.tasks, members), lambda one: one.task_id):
            found = [*group]
            wanted = {one.field: one.settled for one in found if one.field not in ("", "phase")}
            if update and wanted and self._change(look.records.get(id), wanted):
                made.changed += [one for one in found if one.field in wanted]
                found = [one for one in found if one.field not in wanted]
            made.differences += found

    def _change(self, record: Record | None, wanted: Mapping[str, Value]) -> bool:
        """Change fields of a task, unless somebody works on it, did so, or wrote to it just now."""
        if record is None or status_of(record.fields) not in OPEN:
            return False
        kept = {name: value for name, value in wanted.items() if value is not None}
        gone = [name for name, value in wanted.items() if value is None]
        try:
            self._tasks.update(record.key.id, kept, delete=gone, expect=record.version)
        except (Conflict, NotFound):
            return False
        return True

    def add(self, task: TaskDef, phase: str | None) -> str:
        """Make one more task in a phase (None: the present one), and return its id.

        Raises NotFound, UsageError, AlreadyExists for another task of its id, and Conflict when a later phase
        has begun.
        """
        record = self._look.document(self.name)
        stages = self._look.stages(record)
        name = self._look.of(record).phase if phase is None else phase
        stage = next((stage for stage in stages if stage.name == name), None)
        if stage is None:
            known = ", ".join(stage.name for stage in stages)
            raise NotFound(f"the workflow {self.name} has no phase {name!r}", hint=f"it has {known}")
        id = task_of(self.name, task.name)
        one = Planned(id, stage.name, task, allow_failure=stage.allow_failures or task.allow_failure)
        one = resolved(self.name, one, [id for stage in stages for id in stage.tasks])
        self._check([one], stages)
        if id in self._look.tasks:
            return self._same(one)
        if begun := begun_after(stages, stage.name, self._look.tasks):
            raise Conflict(
                f"the phase {stage.name!r} of {self.name} is over: {begun[0]} has begun",
                hint="add the task to a later phase",
                begun=begun,
            )
        wanted = [Stage(stage.name, (id,), stage.allow_failures)]
        self._make([one], wanted, record.fields.get("project"))
        return id

    def _kept(self) -> list[Stage]:
        """The phases that the workflow has; none, where it is new."""
        try:
            return self._look.stages(self._look.document(self.name))
        except NotFound:
            return []

    def _document(
        self, definition: Definition, stages: Sequence[Stage], digest: str
    ) -> Mapping[str, Any] | None:
        """Make the progress document and return None, or the fields of the one that is there."""
        now = self._env.host.stamp()
        given = {"title": definition.title, "project": definition.project, "status": "pending"}
        fields = {
            **{name: value for name, value in given.items() if value is not None},
            "created_at": now,
            "last_updated": now,
            _DIGEST: digest,
            FIELD: entries({}, stages),
        }
        try:
            self._backend.create("progress", fields, name=self.name)
        except AlreadyExists:
            before = self._backend.read(self.key).fields
            if not stages_of(before):
                raise AlreadyExists(
                    f"{self.key.name} is there already, and not the document of a workflow",
                    hint="give the workflow another name",
                    key=self.key.name,
                ) from None
            return before
        return None

    def _name(self, wanted: Sequence[Stage]) -> None:
        """Put phases and the names of their tasks into the progress document."""

        def decide(record: Record) -> Change | None:
            kept = stages_of(record.fields)
            now = merged(kept, wanted)
            if now == kept:
                return None
            stamp = self._env.host.stamp()
            return Change(set={(FIELD,): entries(record.fields, now), ("last_updated",): stamp})

        self._env.write(self.key, decide)

    def _make(self, planned: Sequence[Planned], wanted: Sequence[Stage], project: Value) -> None:
        """Make the tasks that are not there.

        Those of later phases wait for them before they are named, and they are named before they are there:
        whatever cuts it off, nothing starts too early, and making them again goes on.
        """
        look, record = self._look, self._backend.read(self.key)
        coming = [one for one in planned if one.id not in look.tasks and not self._is_archived(one.id)]
        new = {one.id for one in coming}
        self._link(look, merged(look.stages(record), wanted), new)
        kept = stages_of(record.fields)
        if merged(kept, wanted) != kept:
            self._name(wanted)
        if not coming:
            return
        stages = look.stages(self._backend.read(self.key))
        for one in coming:
            waits = (id for id in awaited(stages, one.phase) if id in new or not self._is_archived(id))
            self._create(one, [*waits], project)
        now = Outlooks(self._env)
        stages = now.stages(self._backend.read(self.key))
        self._link(now, stages, ())
        self._made.begun = _begun(stages, self._made.tasks, now)

    def _create(self, one: Planned, waits: Sequence[str], project: Value) -> None:
        task = one.task
        own = {"workflow": self.name, "phase": one.phase}
        try:
            self._tasks.create(
                task.title,
                id=one.id,
                priority=task.priority,
                needs=task.needs,
                depends_on=list(dict.fromkeys([*one.depends_on, *waits])),
                conflicts_with=one.conflicts_with,
                assign=task.assign,
                not_before=task.not_before,
                project=task.project or project,
                type=task.type,
                instructions=task.instructions,
                context=task.context,
                acceptance=task.acceptance,
                retry_limit=task.retry_limit,
                timeout=task.timeout,
                ttl=task.ttl,
                fields={**task.fields, **own, **({"allow_failure": True} if one.allow_failure else {})},
                body=task.body,
                acyclic=True,  # the plan was checked, and nobody else knows of the task yet
            )
        except AlreadyExists:
            self._refuse_foreign(one.id, self._backend.read(Key("task", one.id)).fields)
        else:
            self._made.tasks.append(one.id)

    def _link(self, look: Outlooks, stages: Sequence[Stage], coming: Collection[str]) -> None:
        """Let the pending tasks of each phase wait for all of the phase before."""
        for id, missing in links(stages, look.tasks, coming):

            def decide(record: Record, missing: Sequence[str] = missing) -> Change | None:
                known = dependencies(record.fields)
                more = [other for other in missing if other not in known]
                if not more or str(record.fields.get("status") or "pending") not in OPEN:
                    return None
                stamp: dict[Path, Value] = {("updated_at",): self._env.host.stamp()}
                if isinstance(record.fields.get("depends_on"), list):
                    return Change(set=stamp, append={("depends_on",): more})
                return Change(set={**stamp, ("depends_on",): [*known, *more]})

            try:
                self._env.write(Key("task", id), decide)
            except NotFound:
                continue  # it went away just now
        self._tasks.refresh()

    def _check(self, planned: Sequence[Planned], stages: Sequence[Stage]) -> None:
        """Refuse ids that other tasks have, and dependencies that nobody knows or that go in a circle."""
        look = self._look
        refuse_later(stages, planned, look.tasks)
        known = {*look.tasks, *(one.id for one in planned), *map(task_id, look.tasks.values())}
        for one in planned:
            if (fields := look.tasks.get(one.id)) is not None:
                self._refuse_foreign(one.id, fields)
                continue
            for other in one.depends_on:
                if other not in known:
                    raise UsageError(
                        f"{one.task.name} depends on {other}, which does not exist",
                        hint="name a task of the workflow by its id there, or one that exists",
                    )

    def _refuse_foreign(self, id: str, fields: Mapping[str, Any]) -> None:
        if fields.get("workflow") != self.name and fields.get("status") != "unreadable":
            raise AlreadyExists(
                f"there is a task {id} already, and it is not part of {self.name}",
                hint="give the task another id",
                key=Key("task", id).name,
            )

    def _same(self, one: Planned) -> str:
        """The id of a task that was added before, if it is the same task."""
        if found := next(differences([one], self._look.tasks, ()), None):
            raise AlreadyExists(
                f"{found.task_id} is there already: {found.describe()}",
                hint="give the task another id, or update the one that is there",
                key=Key("task", one.id).name,
            )
        return one.id

    def _is_archived(self, id: str) -> bool:
        return id not in self._look.tasks and self._look.archived(id)


def _begun(stages: Sequence[Stage], made: Collection[str], look: Outlooks) -> list[str]:
    """Tasks that had begun though tasks of earlier phases were made only now."""
    phases = [stage.name for stage in stages if not set(made).isdisjoint(stage.tasks)]
    found = (id for phase in phases for id in begun_after(stages, phase, look.tasks))
    return [id for id in dict.fromkeys(found) if id not in made]


def _digest(definition: Definition) -> str:
    """Tells definitions apart, whatever file they come from."""
    facts = {**asdict(definition), "where": ""}
    return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]
