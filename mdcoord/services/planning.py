"""What tasks wait for, and who is to do them: reasons, the graph, assignments, dead letters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from mdcoord.errors import Conflict, MdcoordError, NothingReady, UsageError
from mdcoord.model import Change, Key, Record, Value, normalise_name
from mdcoord.records import Task
from mdcoord.rules.readiness import (
    DONE,
    OPEN,
    declined,
    dependencies,
    obstacles,
    rank,
    status_for_others,
)
from mdcoord.rules.standing import reopened, standing, status_of
from mdcoord.services.claims import Claims
from mdcoord.services.documents import Names, path_of
from mdcoord.services.events import TASKS, announce

if TYPE_CHECKING:
    from mdcoord.rules.graph import Node

FEW: Final = 30
"""So many tasks are read one by one before all are listed: most tasks wait for few others."""


class Planning(Claims):
    """What a coordinator asks about tasks and does with them."""

    def why(
        self, name: str, *, agent: str | None = None, can: Collection[str] | None = None
    ) -> Sequence[str]:
        """Why a task cannot be claimed now (by this agent), each reason a phrase; empty when it can be.

        Tells also what is further back: a failed task on which one depends that this one waits for, or a
        circle. Without `can`, what the agent registered counts. Raises NotFound.
        """
        record = self._backend.read(self._key(name))
        env = self._env
        now = standing(record, record.lease, env.host, env.rules)
        if not now.free:
            return [now.describe()]
        fields, member = reopened(record.fields), self._roster.member(agent) if agent else None
        if can is None and member and member.capabilities:
            can = member.capabilities
        reasons = obstacles(
            *(fields, self._others.status, env.host.stamp(), can, agent),
            fallback=env.rules.fallback_after,
            rivals=lambda _: self._others.rivals(record),
        )
        reasons += self._further_back(record) + self._others.copied(record)
        if agent and declined(fields, agent):
            reasons.append(f"{agent} gave it back because it lacks what the task needs")
        refusal = self._roster.refusal(member) if member else None
        return [*reasons, *([refusal] if refusal else [])]

    def graph(self, name: str | None = None) -> dict[str, Node]:
        """All tasks and what they depend on, by id; with a name, only what has to do with that task.

        Raises NotFound.
        """
        from mdcoord.rules.graph import around, graph_of

        found = graph_of(self._backend.list("task").records)
        return found if name is None else around(found, [self._key(name).id])

    def dead(self) -> Sequence[Task]:
        """The dead letters: tasks whose last attempt failed. `retry` makes one pending again."""
        return self.list(lambda task: task["status"] == "dead" if "status" in task else False)

    def assign(self, name: str, agent: str | None = None, *, strategy: str | None = None) -> Task:
        """Reserve a pending task for an agent: the one named, or the best one by the strategy.

        `strategy` is one of `assignment.STRATEGIES` (None: as configured). Only agents that are there, can do
        what the task needs and may hold another task are considered. Raises NotFound, InvalidName, Conflict
        for a task that is not pending, NothingReady when there is no such agent.
        """
        key = self._key(name)
        if agent is not None:
            normalise_name(agent)
        chosen = agent or self._best(self._backend.read(key).fields, strategy)
        return self._assigned(key, chosen)

    def assign_all(self, *, strategy: str | None = None) -> list[Task]:
        """Assign the tasks that are ready and nobody's, the most urgent first, while there are agents."""
        found = []
        free = [task for task in self.list("_ready = true") if not task.assigned_agent]
        for task in sorted(free, key=lambda task: rank(task.fields)):
            try:
                found.append(self._assigned(task.key, self._best(task.fields, strategy), only_if_free=True))
            except (NothingReady, Conflict):
                continue
        return found

    def _best(self, fields: Mapping[str, Value], strategy: str | None) -> str:
        from mdcoord.rules.assignment import STRATEGIES, Experience, needs_of, ranking
        from mdcoord.rules.outcomes import outcomes
        from mdcoord.services.crew import Crew

        strategy = strategy or self._env.team.strategy
        if strategy not in STRATEGIES:
            raise UsageError(f"{strategy!r} is no strategy", hint="one of " + ", ".join(STRATEGIES))
        experience = None
        if strategy == "learned":
            experience = Experience.of(outcomes(self._backend.list("task", max_age=1.0).records))
        able = ranking(strategy, fields, Crew(self._env).candidates(), experience)
        willing = [agent for agent in able if not declined(fields, agent.name)]
        if not willing:
            needed = ", ".join(sorted(needs_of(fields)))
            raise NothingReady(
                "no agent is there for the task" + (f", which needs {needed}" if needed else ""),
                hint="one must be registered, not offline, and free to hold another task",
            )
        return willing[0].name

    def _assigned(self, key: Key, agent: str, *, only_if_free: bool = False) -> Task:
        env = self._env

        def decide(record: Record) -> Change:
            now = standing(record, record.lease, env.host, env.rules)
            if not now.free or status_of(record.fields) not in OPEN:
                state = now.describe() if not now.free else f"its status is {status_of(record.fields)}"
                raise Conflict(f"{record.key.name} cannot be assigned: {state}", hint="assign a pending task")
            if only_if_free and record.fields.get("assigned_agent"):
                raise Conflict(f"{record.key.name} was assigned meanwhile", hint="look at it again")
            stamp = env.host.stamp()
            return Change(set={("assigned_agent",): agent, ("assigned_at",): stamp, ("updated_at",): stamp})

        task = self._typed(env.write(key, decide))
        self._queue.forget()
        if env.all_events:
            announce(env, TASKS, "task_assigned", {"task_id": task.id, "agent": agent})
        return task

    def _further_back(self, record: Record) -> list[str]:
        """What keeps a task from ever starting beyond the tasks that it depends on itself."""
        direct = dependencies(record.fields)
        if all(self._others.status(other) in DONE for other in direct):
            return []
        from mdcoord.rules.graph import blockers, cycle

        circle = cycle(record.key.id, self._needed)
        if circle:
            return [f"it waits for itself: {' → '.join(circle)}"]
        found = blockers(record.key.id, self._node)
        return [f"further back, task {other} is {status}" for other, status in found if other not in direct]

    def _needed(self, name: str) -> Iterable[str]:
        node = self._node(name)
        return node.depends_on if node else ()

    def _node(self, name: str) -> Node | None:
        """A task as it is now, with the names of files for what it depends on."""
        from mdcoord.rules.graph import Node

        try:
            record = self._backend.read(self._backend.resolve("task", name))
        except MdcoordError:
            return None
        needed = tuple(self._filed(other) for other in dependencies(record.fields))
        return Node(record.key.id, "", status_for_others(record.fields), needed)

    def _filed(self, name: str) -> str:
        try:
            return self._backend.resolve("task", name).id
        except MdcoordError:
            return name

    def _refuse_cycle(self, key: Key, needed: Iterable[str]) -> None:
        """Raise UsageError when a task would wait for itself.

        Two writers that close a circle from both ends at once are not caught; `why` tells then.
        """
        wanted = [self._filed(other) for other in needed]
        if not wanted:
            return
        from mdcoord.rules.graph import cycle, graph_of

        listed = cache(lambda: graph_of(self._backend.list("task", max_age=1.0).records))
        read: list[str] = []

        def depends_on(name: str) -> Iterable[str]:
            if name == key.id:
                return wanted
            if len(read) < FEW:
                read.append(name)
                return self._needed(name)
            return listed()[name].depends_on if name in listed() else ()

        circle = cycle(key.id, depends_on)
        if circle:
            raise UsageError(
                f"{key.name} would wait for itself: {' → '.join(circle)}",
                hint="leave one of these out of depends_on",
                cycle=circle,
            )


def needed_after(before: Value, set: Names, append: Names) -> list[str] | None:
    """What a task depends on after an update of `depends_on`; None when the update leaves it as it is."""
    changes = {path_of(name): value for name, value in set.items()}
    added = [item for name, items in append.items() if path_of(name)[0] == _FIELD for item in items]
    touched = {path: value for path, value in changes.items() if path[0] == _FIELD}
    if not touched and not added:
        return None
    whole = touched.pop((_FIELD,), before)
    return [name for value in (whole, *touched.values(), added) for name in dependencies({_FIELD: value})]


_FIELD: Final = "depends_on"
