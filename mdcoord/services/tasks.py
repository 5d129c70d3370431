"""Tasks: making them, finding them, and why one is not ready. The verbs of claims are in `claims`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from mdcoord.acceptance import tick
from mdcoord.errors import Conflict, UsageError
from mdcoord.host import seconds_of, timestamp
from mdcoord.leases import drop, held
from mdcoord.lifecycle import IN_PROGRESS, reopened, standing, status_of
from mdcoord.model import ANY, KEEP, Change, Expect, Key, Path, Record, Value
from mdcoord.readiness import OPEN, StatusOf, obstacles, statuses
from mdcoord.records import Own, Task
from mdcoord.services.claims import Claims
from mdcoord.services.documents import Names
from mdcoord.services.env import Env
from mdcoord.services.events import TASKS, announce


class Tasks(Claims):
    """Everything about tasks."""

    def create(
        self,
        title: str,
        *,
        id: str | None = None,
        priority: float = 0,
        needs: Sequence[str] = (),
        depends_on: Sequence[str] = (),
        assign: str | None = None,
        not_before: str | None = None,
        project: str | None = None,
        type: str | None = None,
        instructions: str | None = None,
        context: Sequence[Value] = (),
        acceptance: Sequence[str] = (),
        retry_limit: int | None = None,
        fields: Mapping[str, Value] | None = None,
        body: str = "",
    ) -> Task:
        """Make a pending task. Without an id it gets a short random one.

        It is handed out by `priority` (higher first), to agents that can do what it `needs`, when the tasks
        it `depends_on` are completed, not before `not_before` (ISO 8601), and with `assign` to that agent
        only. After `retry_limit` failed attempts it is dead (None: as configured). `fields` are further front
        matter.

        Raises AlreadyExists, InvalidName, UsageError.
        """
        if not title.strip():
            raise UsageError("a task needs a title", hint="say in a few words what is to be done")
        if isinstance(priority, bool) or not isinstance(priority, int | float):
            raise UsageError(
                f"a priority of {priority!r} is not possible", hint="a number, higher goes first"
            )
        if retry_limit is not None and retry_limit < 0:
            raise UsageError(f"a retry limit of {retry_limit} is not possible", hint="0 or more")
        now = self._env.host.stamp()
        given: dict[str, Value] = {
            "title": title,
            "project_id": project,
            "type": type,
            "status": "pending",
            "priority": priority,
            "assigned_agent": assign,
            "needs": _words(needs, "needs"),
            "depends_on": [Key.of("task", other).id for other in _words(depends_on, "depends_on")],
            "not_before": _stamp(not_before),
            "attempt": 0,
            "retry_limit": retry_limit,
            "created_at": now,
            "assigned_at": now if assign else None,
            "updated_at": now,
            "instructions": instructions,
            "context": list(context),
            "acceptance": _words(acceptance, "acceptance"),
        }
        kept = {name: value for name, value in given.items() if value is not None and value != []}
        record = self._backend.create("task", {**kept, **(fields or {})}, body=body, name=id)
        self._queue.forget()
        if self._env.all_events:
            data = {"task_id": record.key.id, "title": title, "agent": self._env.agent}
            announce(self._env, TASKS, "task_created", data)
        return self._typed(self._unheld(record))

    def accept(
        self, name: str, *which: str | int, done: bool = True, token: str | None = None, by: str | None = None
    ) -> Task:
        """Say that acceptance criteria are met, or with `done=False` that they are not.

        Each is named by its number, from 1, or by its text. Anybody may say so, a reviewer as well as the
        holder, and stands beside it with the time (`by`: None for the caller). With a `token`, only while
        that claim holds. Raises NotFound, ClaimLost.
        """
        env = self._env

        def decide(record: Record) -> Change | None:
            if token is not None:
                held(record.lease, env.claimant(token=token), record.key.name)
            change = tick(record, [str(one) for one in which], done, by or env.agent, env.host.stamp())
            return change and replace(change, set={**change.set, ("updated_at",): env.host.stamp()})

        return self._typed(env.write(self._key(name), decide))

    def remove(self, name: str) -> str:
        """Move a task to the archive and return its name there.

        Raises NotFound, and Conflict while it is held.
        """

        def check(record: Record) -> None:
            now = standing(record, record.lease, self._env.host, self._env.rules)
            if not now.free:
                raise Conflict(
                    f"{record.key.name} cannot be removed: {now.describe()}", hint="its holder may release it"
                )

        archived = self._backend.archive(self._key(name), check)
        self._queue.forget()
        return archived

    def get(self, name: str) -> Task:
        """One task, with who holds it, by its file's name or its id. Raises NotFound, InvalidDocument."""
        return super().get(name)

    def update(
        self,
        name: str,
        set: Names | None = None,
        *,
        delete: Iterable[str | Path] = (),
        append: Mapping[Any, Sequence[Value]] | None = None,
        body: Any = KEEP,
        expect: Expect = ANY,
    ) -> Task:
        """Change fields of a task, whoever holds it; see `Documents.update`.

        `attempt` belongs to the claims.
        """
        task = super().update(name, set, delete=delete, append=append, body=body, expect=expect)
        self._queue.forget()
        return task

    def why(
        self, name: str, *, agent: str | None = None, can: Collection[str] | None = None
    ) -> Sequence[str]:
        """Why a task cannot be claimed now (by this agent), each reason a phrase; empty when it can be.

        Raises NotFound.
        """
        record = self._backend.read(self._key(name))
        host = self._env.host
        now = standing(record, record.lease, host, self._env.rules)
        if not now.free:
            return [now.describe()]
        return obstacles(reopened(record.fields), self._status, host.stamp(), can, agent)

    def _unheld(self, record: Record) -> Record:
        """A new task, without the claim that somebody still has on an earlier one of its name."""
        if not record.lease or not record.lease.holder:
            return record
        return self._env.write(record.key, lambda found: Change(lease=drop(found.lease)))

    def _refuse(self, path: Path) -> None:
        super()._refuse(path)
        if path[0] == "attempt":
            raise UsageError(
                "attempt cannot be changed: it counts the claims", hint="retry gives new attempts"
            )

    def _all(self) -> Sequence[Task]:
        records = self._backend.list("task").records
        known = cache(lambda: statuses(records))  # only who asks whether a task is ready needs it
        return [self._typed(record, self._facts(record, lambda id: known().get(id))) for record in records]

    def _typed(self, record: Record, own: Own | None = None) -> Task:
        return super()._typed(record, own or self._facts(record, self._status))

    def _facts(self, record: Record, status: StatusOf) -> Own:
        return {
            "_ready": lambda: _ready(record, status, self._env.host.stamp()),
            "_stale": lambda: is_stale(self._env, record),
        }


def is_stale(env: Env, record: Record) -> bool:
    """Whether a task is in progress and neither its document nor its claim was renewed for long."""
    if status_of(record.fields) != IN_PROGRESS:
        return False
    since = env.host.now() - env.stale_after
    written = seconds_of(record.fields.get("updated_at"))
    if written is None or written >= since:
        return False
    lease = record.lease or env.backend.lease(record.key)
    beat = seconds_of(lease.holder.renewed_at) if lease and lease.holder and lease.holder.session else None
    return beat is None or beat < since


def _ready(record: Record, status: StatusOf, now: str) -> bool:
    return status_of(record.fields) in OPEN and not obstacles(reopened(record.fields), status, now)


def _words(items: Sequence[str], name: str) -> list[str]:
    if isinstance(items, str):
        raise UsageError(f"{name} is a list of texts, not one text", hint=f"{name}=[{items!r}]")
    return list(items)


def _stamp(text: str | None) -> str | None:
    if text is None:
        return None
    seconds = seconds_of(text)
    if seconds is None:
        raise UsageError(f"{text[:60]!r} is no time", hint="ISO 8601, as in 2026-01-31T09:30:00Z")
    return timestamp(seconds)
