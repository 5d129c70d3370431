"""Tasks: making them, finding them, and why one is not ready. The verbs of claims are in `claims`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Final

from mdcoord.errors import AlreadyExists, Conflict, UsageError
from mdcoord.host import seconds_of, timestamp
from mdcoord.model import ANY, KEEP, Change, Expect, Key, Path, Record, Value, normalise_name
from mdcoord.records import Own, Task
from mdcoord.rules.acceptance import tick
from mdcoord.rules.conflicts import rivals_among
from mdcoord.rules.leases import drop, held
from mdcoord.rules.lifecycle import LONGEST_TTL
from mdcoord.rules.readiness import OPEN, StatusOf, dependencies, obstacles, span, statuses, task_id
from mdcoord.rules.standing import IN_PROGRESS, reopened, standing, status_of
from mdcoord.services.documents import Names, path_of, texts
from mdcoord.services.env import Env
from mdcoord.services.events import TASKS, announce
from mdcoord.services.idempotency import made_with, name_of, note
from mdcoord.services.others import runs
from mdcoord.services.planning import Planning, needed_after
from mdcoord.shapes import fault_of

AUTO: Final = "auto"
"""`assign="auto"`: the agent that the configured strategy chooses."""


class Tasks(Planning):
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
        conflicts_with: Sequence[str] = (),
        project: str | None = None,
        type: str | None = None,
        instructions: str | None = None,
        context: Sequence[Value] = (),
        acceptance: Sequence[str] = (),
        retry_limit: int | None = None,
        timeout: float | str | None = None,
        ttl: float | str | None = None,
        key: str | None = None,
        fields: Mapping[str, Value] | None = None,
        body: str = "",
        acyclic: bool = False,
    ) -> Task:
        """Make a pending task. Without an id it gets a short random one.

        It is handed out by `priority` (higher first), to agents that can do what it `needs`, when the tasks
        it `depends_on` are completed and none that it `conflicts_with` is in progress, not before
        `not_before` (ISO 8601, or from now: `30m`), and with `assign` to that agent only (`auto`: whom the
        configured strategy chooses). After `retry_limit` failed attempts it is dead. A claim may last
        `timeout` seconds in all, and `ttl` seconds after each sign of life; both may be texts like `30m`
        (None: as configured). `fields` are further front matter.

        `key` makes it idempotent: the same key gives the same task until that is archived, among processes
        that race, too (if they give an id, the same one). `acyclic`: the caller knows that it makes no tasks
        wait for each other, which costs a look at all of them to find out. Raises AlreadyExists, InvalidName,
        UsageError (also for tasks that would wait for each other), and with `auto` NothingReady.
        """
        keyed = None if key is None else name_of(key)
        now, agent = self._env.host.stamp(), None if assign in (None, AUTO) else assign
        if agent is not None:
            normalise_name(agent)
        given: dict[str, Value] = {
            "title": title,
            "project_id": project,
            "type": type,
            "status": "pending",
            "priority": priority,
            "assigned_agent": agent,
            "needs": texts(needs, "needs"),
            "depends_on": _ids(depends_on, "depends_on"),
            "conflicts_with": _ids(conflicts_with, "conflicts_with"),
            "not_before": _stamp(not_before, self._env.host.now()),
            "attempt": 0,
            "retry_limit": retry_limit,
            "timeout": _seconds(timeout, "timeout"),
            "ttl": _seconds(ttl, "ttl", LONGEST_TTL),
            "idempotency_key": key,
            "created_at": now,
            "assigned_at": agent and now,
            "updated_at": now,
            "instructions": instructions,
            "context": list(context),
            "acceptance": texts(acceptance, "acceptance"),
        }
        whole = self._whole(given, fields or {})
        if key is not None and (made := made_with(self._backend, key)):
            return self._typed(made)
        name = keyed if id is None else id
        if name is not None and not acyclic:  # nobody can depend on a task whose name is yet to be found
            self._refuse_cycle(Key.of("task", name), dependencies(whole))
        if assign == AUTO:
            whole |= {"assigned_agent": self._best(whole, None), "assigned_at": now}
        return self._make(whole, body, name, key)

    def _whole(self, given: Mapping[str, Value], further: Mapping[str, Value]) -> dict[str, Value]:
        """The fields of a new task, without the empty ones. Raises UsageError for what no task can have."""
        self._check(Change(set={(name,): value for name, value in further.items()}))
        wrong = fault_of("task", Change(set={(name,): value for name, value in {**given, **further}.items()}))
        if wrong is not None:
            raise UsageError(wrong, hint="no task was made")
        return {name: value for name, value in given.items() if value is not None and value != []} | {
            **further
        }

    def _make(self, fields: Mapping[str, Value], body: str, name: str | None, key: str | None) -> Task:
        """Make a task, unless somebody else has just made it with the same idempotency key."""
        if name is not None and key is not None:
            note(self._backend, key, name)
        try:
            record = self._backend.create("task", fields, body=body, name=name)
        except AlreadyExists:
            made = made_with(self._backend, key) if key is not None else None
            if made is None:
                raise
            return self._typed(made)
        self._queue.forget()
        if self._env.all_events:
            data = {"task_id": record.key.id, "title": fields["title"], "agent": self._env.agent}
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
            return change and change._replace(set={**change.set, ("updated_at",): env.host.stamp()})

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

        `attempt` belongs to the claims, and a task that would wait for itself is refused.
        """
        before = self._backend.read(self._key(name)) if _touches(set, append) else None
        if before is not None:
            needed = needed_after(before.fields.get("depends_on"), set or {}, append or {})
            self._refuse_cycle(before.key, needed or ())
        task = super().update(name, set, delete=delete, append=append, body=body, expect=expect)
        self._queue.forget()
        return task

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
        # Only who asks whether a task is ready needs these.
        known = cache(lambda: statuses(records))
        rivals = cache(lambda: rivals_among(records, lambda record: runs(self._env, record)))
        facts = self._facts(
            lambda id: known().get(id), lambda record: rivals().get(task_id(record.fields), ())
        )
        return [Task(record, facts) for record in records]

    def _typed(self, record: Record, own: Own | None = None) -> Task:
        return Task(record, own or self._present)

    @cached_property
    def _present(self) -> Own:
        return self._facts(self._others.status, self._others.rivals)

    def _facts(self, status: StatusOf, rivals: Callable[[Record], Iterable[str]]) -> Own:
        return {
            "_ready": lambda record: (
                _ready(record, status, self._env.host.stamp(), rivals) and not self._others.copied(record)
            ),
            "_stale": lambda record: is_stale(self._env, record),
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


def _ready(record: Record, status: StatusOf, now: str, rivals: Callable[[Record], Iterable[str]]) -> bool:
    if status_of(record.fields) not in OPEN:
        return False
    return not obstacles(reopened(record.fields), status, now, rivals=lambda _: rivals(record))


def _touches(set: Names | None, append: Mapping[Any, Sequence[Value]] | None) -> bool:
    return any(path_of(name)[0] == "depends_on" for name in (*(set or ()), *(append or ())))


def _ids(names: Iterable[str], field: str) -> list[str]:
    return [Key.of("task", name).id for name in texts(names, field)]


def _seconds(value: float | str | None, name: str, most: float = math.inf) -> float | None:
    if value is None:
        return None
    seconds = span(value)
    if seconds is None or seconds > most:
        bound = "" if most == math.inf else f", at most {most:g} seconds"
        raise UsageError(
            f"a {name} of {value!r} is not possible", hint=f"seconds, or like 30s, 5m, 1h30m{bound}"
        )
    return int(seconds) if seconds == int(seconds) else seconds


def _stamp(text: str | None, now: float) -> str | None:
    if text is None:
        return None
    moment, later = seconds_of(text), span(text)
    if moment is None and later is not None:
        moment = now + later
    if moment is None:
        raise UsageError(
            f"{text[:60]!r} is no time", hint="ISO 8601, as in 2026-01-31T09:30:00Z, or from now: 30m, 2h"
        )
    return timestamp(moment)
