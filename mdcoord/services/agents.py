"""Agents: who there is, what they can do, and whether they still live."""

from __future__ import annotations

from collections.abc import Iterable

from mdcoord.errors import UsageError
from mdcoord.model import Change, Path, Record, Value
from mdcoord.records import Agent, Own
from mdcoord.services.documents import Documents, path_of
from mdcoord.services.events import AGENTS, announce


class Agents(Documents[Agent]):
    """The registry of agents. Where no name is given, the caller of the workspace is meant."""

    kind = "agent"

    def register(
        self,
        name: str | None = None,
        *,
        can: Iterable[str] = (),
        type: str | None = None,
        status: str = "available",
        pid: int | None = None,
        **fields: Value,
    ) -> Agent:
        """Make an agent known, or bring what is known up to date. `can` are its capabilities.

        Capabilities that are not given again stay. Raises InvalidName, Busy, InvalidDocument.
        """
        name, now, host = self._name(name), self._env.host.stamp(), self._env.host
        if isinstance(can, str):
            raise UsageError("can is a list of texts, not one text", hint=f"can=[{can!r}]")
        given = {
            "agent_type": type,
            "status": status,
            "capabilities": [*can] or None,
            "host": host.name,
            "pid": pid,
            "session": self._env.session,
            "last_updated": now,
            "last_heartbeat": now,
            **fields,
        }
        kept = {field: value for field, value in given.items() if value is not None}
        created = {**kept, "registered_at": now}
        agent = self._put(name, created, Change(set={(field,): value for field, value in kept.items()}))
        announce(self._env, AGENTS, "agent_registered", {"agent_id": agent.id, "status": status})
        return agent

    def heartbeat(self, name: str | None = None) -> Agent:
        """Note that an agent lives. Raises NotFound for one that is not registered."""
        now = self._env.host.stamp()
        stamps: dict[Path, Value] = {("last_heartbeat",): now, ("last_updated",): now}
        return self._write(self._key(self._name(name)), Change(set=stamps))

    def set(self, name: str | None = None, /, **fields: Value) -> Agent:
        """Change fields of an agent: `set("ai-engineer", status="busy", **{"metrics.workload_pct": 85})`.

        A change of its status is published. Raises NotFound, UsageError.
        """
        name = self._name(name)
        changes = {path_of(field): value for field, value in fields.items()}
        for path in changes:
            self._refuse(path)
        before: list[Value] = []

        def decide(record: Record) -> Change:
            before[:] = [record.fields.get("status")]
            return Change(set={**changes, ("last_updated",): self._env.host.stamp()})

        agent = self._typed(self._env.write(self._key(name), decide))
        if agent.status != before[0]:
            data = {"agent_id": agent.id, "status": agent.status, "previous": before[0]}
            announce(self._env, AGENTS, "agent_status_updated", data)
        return agent

    def get(self, name: str | None = None) -> Agent:
        """One agent. Raises NotFound, InvalidDocument."""
        return super().get(self._name(name))

    def remove(self, name: str) -> str:
        """Move an agent's document to the archive and return its name there. Raises NotFound."""
        key = self._key(name)
        archived = self._backend.archive(key)
        announce(self._env, AGENTS, "agent_removed", {"agent_id": key.id})
        return archived

    def _typed(self, record: Record, own: Own | None = None) -> Agent:
        return super()._typed(record, own or {"_stale": lambda: self._silent(record)})

    def _silent(self, record: Record) -> bool:
        seen = Agent(record).seen
        return seen is not None and seen < self._env.host.now() - self._env.stale_after

    def _name(self, name: str | None) -> str:
        return self._env.named(name)
