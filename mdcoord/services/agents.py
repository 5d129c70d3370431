"""Agents: who there is, what they can do, and whether they still live."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final

from mdcoord.errors import UsageError
from mdcoord.host import timestamp
from mdcoord.model import Change, Path, Record, Value
from mdcoord.records import Agent, Own
from mdcoord.rules.addressing import ALL, instance_id
from mdcoord.services.documents import Documents, path_of, texts
from mdcoord.services.env import Env
from mdcoord.services.events import AGENTS, announce
from mdcoord.services.roster import Roster

if TYPE_CHECKING:
    from mdcoord.services.crew import Activities, Crew

LATELY: Final = 5.0
"""How old the figures in an agent's document may be, in seconds, when it is written; readers get new ones."""


class Agents(Documents[Agent]):
    """The registry of agents. Where no name is given, the caller of the workspace is meant.

    What agents work on, what they completed and how they do (`active_tasks`, `recent_completions`, `metrics`)
    is worked out from the tasks whenever an agent is looked at; its document is brought up to date when the
    agent registers, gives a sign of life or changes its status, so claiming and completing cost nothing here.
    """

    kind = "agent"
    missing = "`mdcoord agent register {name}` makes it known, `mdcoord agent list` shows who is"

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self._roster = Roster(env)

    @cached_property
    def _crew(self) -> Crew:
        from mdcoord.services.crew import Crew  # every command makes this object, few look at agents

        return Crew(self._env)

    def register(
        self,
        name: str | None = None,
        *,
        can: Iterable[str] = (),
        type: str | None = None,
        status: str = "available",
        pid: int | None = None,
        specializations: Iterable[str] = (),
        max_concurrent_tasks: int | None = None,
        **fields: Value,
    ) -> Agent:
        """Make an agent known, or bring what is known up to date.

        `can` are its capabilities, `specializations` those (and the types of tasks) that it is best at. It
        may hold `max_concurrent_tasks` at a time (None: as configured). `pid` is the process that it is:
        when that is gone, so is the agent. What is not given again stays. Raises InvalidName, UsageError,
        Busy, InvalidDocument.
        """
        name, now, host = self._name(name), self._env.host.stamp(), self._env.host
        if instance_id(name) == ALL:
            raise UsageError(f"no agent can be called {name!r}", hint="messages to all are addressed so")
        if max_concurrent_tasks is not None and max_concurrent_tasks < 0:
            raise UsageError(
                f"max_concurrent_tasks of {max_concurrent_tasks} is not possible", hint="0 or more"
            )
        given = {
            "agent_type": type,
            "status": status,
            "capabilities": texts(can, "can") or None,
            "specializations": texts(specializations, "specializations") or None,
            "max_concurrent_tasks": max_concurrent_tasks,
            "host": host.name,
            "pid": pid,
            "session": self._env.session,
            "last_updated": now,
            "last_heartbeat": now,
            **fields,
        }
        kept = {field: value for field, value in given.items() if value is not None}
        created = {**kept, "registered_at": now}
        changes: dict[Path, Value] = {(field,): value for field, value in kept.items()}
        agent = self._put(name, created, self._with_figures(changes))
        announce(self._env, AGENTS, "agent_registered", {"agent_id": agent.id, "status": status})
        return agent

    def heartbeat(self, name: str | None = None) -> Agent:
        """Note that an agent lives, and what it does. Raises NotFound for one that is not registered."""
        now = self._env.host.stamp()
        stamps: dict[Path, Value] = {("last_heartbeat",): now, ("last_updated",): now}
        return self._typed(self._env.write(self._key(self._name(name)), self._with_figures(stamps)))

    def set(self, name: str | None = None, /, **fields: Value) -> Agent:
        """Change fields of an agent: `set("ai-engineer", status="busy", **{"metrics.workload_pct": 85})`.

        A change of its status is published. Raises NotFound, UsageError.
        """
        name = self._name(name)
        changes = {path_of(field): value for field, value in fields.items()}
        self._check(Change(set=changes))
        before: list[Value] = []
        stamped = self._with_figures({**changes, ("last_updated",): self._env.host.stamp()})

        def decide(record: Record) -> Change:
            before[:] = [record.fields.get("status")]
            return stamped(record)

        agent = self._typed(self._env.write(self._key(name), decide))
        if agent.status != before[0]:
            data = {"agent_id": agent.id, "status": agent.status, "previous": before[0]}
            announce(self._env, AGENTS, "agent_status_updated", data)
        return agent

    def get(self, name: str | None = None) -> Agent:
        """One agent as it is now. Raises NotFound, InvalidDocument."""
        return self._as_it_is(self._backend.read(self._key(self._name(name))), self._crew.activities())

    def reset(self, name: str | None = None) -> Agent:
        """Close the circuit breaker of an agent, so that it is given tasks again. Raises NotFound."""
        key = self._key(self._name(name))
        self._roster.reset(key.id)
        return self.get(key.id)

    def remove(self, name: str) -> str:
        """Move an agent's document to the archive and return its name there. Raises NotFound."""
        key = self._key(name)
        archived = self._backend.archive(key)
        self._roster.forget(key.id)
        announce(self._env, AGENTS, "agent_removed", {"agent_id": key.id})
        return archived

    def _with_figures(self, changes: Mapping[Path, Value]) -> Callable[[Record], Change]:
        """A change of an agent's document, with what the tasks tell about all that it does not name."""
        known = cache(lambda: self._crew.activities(LATELY))  # not for one that is new

        def decide(record: Record) -> Change:
            figures = self._crew.figures(record, known())
            told = {path[0] for path in changes if len(path) == 1}
            return Change(
                set={path: value for path, value in figures.items() if path[0] not in told} | {**changes}
            )

        return decide

    def _all(self) -> Sequence[Agent]:
        known = self._crew.activities()
        return [self._as_it_is(record, known) for record in self._backend.list(self.kind).records]

    def _typed(self, record: Record, own: Own | None = None) -> Agent:
        """An agent as its document says, which was written just now."""
        return super()._typed(record, own or self._facts(record, cache(self._crew.activities)))

    def _as_it_is(self, record: Record, known: Activities) -> Agent:
        return self._typed(self._crew.as_it_is(record, known), self._facts(record, lambda: known))

    def _facts(self, record: Record, known: Callable[[], Activities]) -> Own:
        return {
            "_stale": lambda _: self._silent(record, known()),
            "_last_seen": lambda _: self._seen(record, known()),
            "_presence": lambda _: self._crew.presence(record, known()),
        }

    def _seen(self, record: Record, known: Activities) -> str | None:
        seen = self._crew.seen(record, known)
        return None if seen is None else timestamp(seen)

    def _silent(self, record: Record, known: Activities) -> bool:
        seen = self._crew.seen(record, known)
        return seen is not None and seen < self._env.host.now() - self._env.stale_after

    def _name(self, name: str | None) -> str:
        return self._env.named(name)
