"""Which tasks may be claimed, and why the others may not: pure functions over the fields of tasks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from mdcoord.host import seconds_of
from mdcoord.model import Key, Record

OPEN: Final = frozenset(["pending"])
DONE: Final = frozenset(["completed", "complete", "done"])
ENDED: Final = DONE | {"failed", "dead", "cancelled"}

StatusOf = Callable[[str], str | None]
"""The status of the task with this id (without the kind's prefix), None when there is no such task."""


def task_id(fields: Mapping[str, Any]) -> str:
    """The id of a task without the kind's prefix, as used in keys."""
    return str(fields.get("task_id", "")).lower().removeprefix("task-")


def rank(fields: Mapping[str, Any]) -> tuple[float, str, str]:
    """Sorts tasks as they are handed out: highest priority first, then the oldest, then by id."""
    priority = fields.get("priority")
    number = priority if isinstance(priority, int | float) and not isinstance(priority, bool) else 0
    return (-number, str(fields.get("created_at") or ""), task_id(fields))


def dependencies(fields: Mapping[str, Any]) -> list[str]:
    """The ids (without prefix) of the tasks that this one waits for."""
    listed = fields.get("depends_on") or []
    listed = listed if isinstance(listed, list) else [listed]
    return [str(item).lower().removeprefix("task-") for item in listed]


def obstacles(
    fields: Mapping[str, Any],
    status_of: StatusOf,
    now: str,
    can: Collection[str] | None = None,
    agent: str | None = None,
) -> list[str]:
    """Why a task cannot be claimed, each reason a phrase; empty when it is ready.

    `now` is a timestamp. With `can` the needs must be among those capabilities; with `agent` a task assigned
    to another agent is not for this one. Claims in force are not looked at here: the lease decides.
    """
    reasons = []
    status = str(fields.get("status") or "pending")
    if status not in OPEN:
        reasons.append(f"its status is {status}")
    for other in dependencies(fields):
        found = status_of(other)
        if found is None:
            reasons.append(f"it depends on task {other}, which does not exist")
        elif found not in DONE:
            reasons.append(f"it depends on task {other}, which is {found}")
    not_before = fields.get("not_before")
    if not_before and _later(not_before, now):
        reasons.append(f"it is not to start before {not_before}")
    if can is not None:
        missing = [str(need) for need in fields.get("needs") or [] if need not in can]
        if missing:
            reasons.append("it needs " + ", ".join(missing))
    assigned = fields.get("assigned_agent")
    if agent is not None and assigned and assigned != agent and status in OPEN:
        reasons.append(f"it is assigned to {assigned}")
    return reasons


def statuses(records: Iterable[Record]) -> dict[str, str]:
    """The status of every task by its id: the name of its file, or else the value of its id field."""
    by_field: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for record in records:
        status = str(record.fields.get("status") or "pending")
        by_field[task_id(record.fields)] = by_name[record.key.id] = status
    return by_field | by_name


def key_of(identifier: str) -> Key:
    """The key of a task from an id as dependencies name it."""
    return Key.of("task", identifier)


def _later(stamp: object, now: str) -> bool:
    then, seconds = seconds_of(stamp), seconds_of(now)
    return then is not None and seconds is not None and then > seconds
