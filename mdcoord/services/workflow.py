"""Workflows: many tasks made at once, in phases, and what came of them.

A workflow is its tasks, which name it in their fields, and one progress document of its name. Its phases are
dependencies between its tasks, so that it goes on whoever works on it, and nothing has to run beside it. How
it stands is worked out from the tasks whenever somebody looks.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mdcoord.errors import NotFound, TimedOut, UsageError
from mdcoord.formats.workflowdef import Definition, Phase, TaskDef
from mdcoord.model import Key, Record, Value
from mdcoord.patience import Pause, patient, pauses
from mdcoord.records import Progress, Task
from mdcoord.rules.outlook import Outlook, reason
from mdcoord.rules.phases import short
from mdcoord.rules.readiness import DONE, OPEN, UNDONE
from mdcoord.rules.standing import IN_PROGRESS, status_of
from mdcoord.services.env import Env
from mdcoord.services.outlooks import Outlooks
from mdcoord.services.workflowrun import Made, Maker

if TYPE_CHECKING:
    from mdcoord.services.tasks import Tasks

SHARE: Final = 20
"""Looking at all tasks takes at most one part in so many of the time that somebody waits."""

LONGEST: Final = 0.2
"""Seconds between two looks of somebody who waits."""


@dataclass(frozen=True, slots=True)
class Results:
    """What the tasks of a workflow gave, by their ids within it, in its order.

    `values` has the result of each that is completed, `failures` why each of the others ended badly, and
    `open` those that have not ended.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    open: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every task gave a result."""
        return not self.failures and not self.open

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        return {"values": dict(self.values), "failures": dict(self.failures), "open": list(self.open)}


class Workflow:
    """A workflow as one look showed it. Its methods look again."""

    def __init__(
        self, service: Workflows, record: Record, outlook: Outlook, made: Made | None = None
    ) -> None:
        self._service = service
        self._record = record
        self._outlook = outlook
        self.made = made or Made()

    @property
    def name(self) -> str:
        """Its name, which is that of its progress document."""
        return self._record.key.id

    @property
    def title(self) -> str | None:
        """What it is about."""
        return self.document.title

    @property
    def status(self) -> str:
        """pending, in_progress, completed, failed or blocked; see `mdcoord.rules.outlook`."""
        return self._outlook.status

    @property
    def over(self) -> bool:
        """Whether it does not go on by itself: it is completed, failed or blocked."""
        return self._outlook.over

    @property
    def outlook(self) -> Outlook:
        """How it stands: its present phase, how many steps are done, what blocks it, each phase."""
        return self._outlook

    @property
    def blockers(self) -> Sequence[str]:
        """What keeps it from being completed, each as a sentence."""
        return self._outlook.blockers

    @property
    def document(self) -> Progress:
        """Its progress document as it would be if it were written now."""
        return Progress(self._record)

    @property
    def tasks(self) -> Sequence[str]:
        """The ids of its tasks in the workspace, phase by phase."""
        return [id for phase in self._outlook.phases for id in phase.tasks]

    @patient
    def wait(self, timeout: float | None = None) -> Generator[Pause, None, Workflow]:
        """Wait until it is over, and return it as it is then. Raises TimedOut after `timeout` seconds."""
        found: Workflow = yield from Workflows.wait.steps(self._service, self.name, timeout)  # type: ignore[attr-defined]
        self._record, self._outlook = found._record, found._outlook
        return self

    def results(self) -> Results:
        """What its tasks have given by now, and why some have not."""
        return self._service.results(self.name)

    def add(self, task: TaskDef | str, phase: str | None = None) -> Task:
        """Make one more task in it; see `Workflows.add`."""
        return self._service.add(self.name, task, phase)

    def as_dict(self) -> dict[str, Value]:
        """The porcelain form: that of its progress document as it would be now."""
        return self.document.as_dict()

    def __repr__(self) -> str:
        counts = f"{self._outlook.steps_done}/{self._outlook.steps_total}"
        return f"<Workflow {self.name} {self.status} {counts}>"


class Workflows:
    """Running workflows, watching them, and fetching their results."""

    def __init__(self, env: Env, tasks: Tasks) -> None:
        self._env = env
        self._tasks = tasks

    def run(
        self,
        definition: Definition | str,
        *,
        params: Mapping[str, Value] | None = None,
        update: bool = False,
        where: str = "",
    ) -> Workflow:
        """Make the tasks of a workflow; running it again makes those that are not there, and none twice.

        A text is a definition in Markdown (see `mdcoord.formats.workflowfile`) from the file `where`, with
        `params` for its parameters. Where the definition was changed since, tasks that are there stay as they
        are, as somebody may have changed them on purpose; with `update` those that are pending become as the
        definition says. `made` of the workflow tells of all that. Raises InvalidDocument, UsageError,
        InvalidName, and AlreadyExists when other documents have names that it needs.
        """
        if isinstance(definition, str):
            from mdcoord.formats.workflowfile import parse_workflow

            definition = parse_workflow(definition, params, where=where)
        elif params:
            raise UsageError("only a definition in Markdown has parameters", hint="leave params out")
        if not isinstance(definition, Definition):
            raise UsageError(f"{definition!r} is no definition", hint="a Definition, or one in Markdown")
        maker = Maker(self._env, self._tasks, definition.name)
        made = maker.run(definition, update)
        return self._written(maker.key, made)

    def fan_out(
        self,
        name: str,
        tasks: Sequence[TaskDef | str],
        *,
        title: str | None = None,
        project: str | None = None,
        allow_failures: bool = False,
    ) -> Workflow:
        """Make tasks that may all be done at the same time: a workflow with one phase, `work`.

            results = w.workflows.fan_out("lint", ["Lint a.py", "Lint b.py"]).wait(timeout=600).results()

        Raises what `run` does.
        """
        return self.run(Definition(name, [Phase("work", tasks, allow_failures)], title, project))

    def add(self, name: str, task: TaskDef | str, phase: str | None = None) -> Task:
        """Make one more task in a phase of a workflow (None: the present one); later phases wait for it, too.

        Adding the same again gives the task that is there. Raises NotFound, UsageError, AlreadyExists for
        another task of its id, and Conflict when a later phase has begun.
        """
        maker = Maker(self._env, self._tasks, name)
        id = maker.add(TaskDef(task) if isinstance(task, str) else task, phase)
        self._written(maker.key)
        return self._tasks.get(id)

    def get(self, name: str) -> Workflow:
        """A workflow as it stands now. Raises NotFound, InvalidDocument."""
        look = Outlooks(self._env)
        return self._seen(look, look.document(name))

    def list(self) -> Sequence[Workflow]:
        """All workflows as they stand now, by name."""
        look = Outlooks(self._env)
        return [self._seen(look, record) for record in look.documents]

    def tasks(self, name: str) -> Sequence[Task]:
        """The tasks of a workflow that are there, phase by phase. Raises NotFound."""
        ids = self.get(name).tasks
        wanted = frozenset(ids)
        found = {task.id: task for task in self._tasks.list(lambda task: task["_id"] in wanted)}
        return [found[id] for id in ids if id in found]

    def results(self, name: str) -> Results:
        """What the tasks of a workflow have given by now, and why some have not. Raises NotFound."""
        look = Outlooks(self._env)
        record = look.document(name)
        values: dict[str, Value] = {}
        failures: dict[str, str] = {}
        still: list[str] = []
        for id in (id for stage in look.stages(record) for id in stage.tasks):
            fields: Mapping[str, Any] = look.tasks.get(id, {"status": ""})
            status, label = str(fields.get("status") or ""), short(record.key.id, id)
            if status in DONE:
                values[label] = fields.get("result")
            elif status in UNDONE:
                failures[label] = reason(fields)
            elif not look.archived(id) or id in look.tasks:
                still.append(label)
        return Results(values, failures, tuple(still))

    @patient
    def wait(self, name: str, timeout: float | None = None) -> Generator[Pause, None, Workflow]:
        """Wait until a workflow is over, and return it as it is then; its progress document is written.

        Looking costs one read of one task most of the time. Raises NotFound, and TimedOut after `timeout`
        seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        waiting = pauses(longest=LONGEST)
        while True:
            begun = time.monotonic()
            found = self.get(name)
            if found.over:
                return self._written(found._record.key)
            least = SHARE * (time.monotonic() - begun)
            yield _pause(max(next(waiting), least), deadline, found)
            while self._is_open(found.outlook.witness):
                yield _pause(next(waiting), deadline, found)

    def _is_open(self, task: str | None) -> bool:
        """Whether a task is still pending or in progress."""
        if task is None:
            return False
        try:
            return status_of(self._env.backend.read(Key("task", task)).fields) in OPEN | {IN_PROGRESS}
        except NotFound:
            return False

    def _written(self, key: Key, made: Made | None = None) -> Workflow:
        look = Outlooks(self._env)
        return self._seen(look, look.write(key), made)

    def _seen(self, look: Outlooks, record: Record, made: Made | None = None) -> Workflow:
        return Workflow(self, look.current(record), look.of(record), made)


def _pause(seconds: float, deadline: float | None, found: Workflow) -> Pause:
    if deadline is None:
        return Pause(seconds)
    left = deadline - time.monotonic()
    if left <= 0:
        counts = f"{found.outlook.steps_done} of {found.outlook.steps_total} tasks are done"
        raise TimedOut(
            f"the workflow {found.name} is not over: {counts}",
            hint=f"wait again, or look at what it waits for: `mdcoord workflow show {found.name}`",
            workflow=found.name,
            status=found.status,
        )
    return Pause(min(seconds, left))
