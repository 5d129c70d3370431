"""What a task has to know of the other tasks: those that it waits for, and those that it conflicts with."""

from __future__ import annotations

from mdcoord.errors import InvalidName, MdcoordError, NotFound
from mdcoord.model import Key, Record
from mdcoord.rules.conflicts import standing_bars
from mdcoord.rules.readiness import conflicts, status_for_others, task_id
from mdcoord.rules.standing import IN_PROGRESS, lease_of, standing, status_of
from mdcoord.services.env import Env


class Others:
    """The other tasks as they are at this moment, each read when it is asked for."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._backend = env.backend

    def status(self, task: str) -> str | None:
        """The status of a task for those that depend on it, None when there is no such task."""
        try:
            return status_for_others(self._backend.read(self._backend.resolve("task", task)).fields)
        except NotFound:
            return None
        except MdcoordError as error:
            return f"not readable ({error.message})"

    def runs(self, task: str) -> bool:
        """Whether a task is in progress under a claim that is not over."""
        try:
            record = self._backend.read(self._backend.resolve("task", task))
        except MdcoordError:
            return False
        return runs(self._env, record)

    def bars(self, record: Record) -> list[str]:
        """The tasks whose bars on this one stand (see `conflicts`)."""
        lease, attempt = lease_of(record), self._backend.attempt
        return standing_bars(
            lease, record.key.id, lambda task: attempt(Key("task", task)), self.runs, self._env.host
        )

    def rivals(self, record: Record) -> list[str]:
        """The tasks in progress that conflict with this one, whoever lists it."""
        listed = [other for other in conflicts(record.fields) if self.runs(other)]
        return list(dict.fromkeys([*listed, *self.bars(record)]))

    def copied(self, record: Record) -> list[str]:
        """Why a copy of a task's file is not ready that has the `task_id` of the other still."""
        name = task_id(record.fields)
        try:
            twin = Key.of("task", name) if name not in ("", record.key.id) else record.key
        except InvalidName:
            return []
        if twin == record.key or not self._backend.exists(twin):
            return []
        return [f"its task_id is {name}, and there is another {twin.name}: give it one of its own"]


def runs(env: Env, record: Record) -> bool:
    """Whether a task is in progress under a claim that is not over."""
    if status_of(record.fields) != IN_PROGRESS:
        return False
    lease = record.lease or env.backend.lease(record.key)
    return not standing(record, lease, env.host, env.rules).free
