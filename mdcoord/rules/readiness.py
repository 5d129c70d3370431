"""Which tasks may be claimed, and why the others may not: pure functions over the fields of tasks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from mdcoord.formats.times import duration
from mdcoord.host import seconds_of
from mdcoord.model import Key, Record

OPEN: Final = frozenset(["pending"])
DONE: Final = frozenset(["completed", "complete", "done"])
UNDONE: Final = frozenset(["failed", "dead", "cancelled"])
"""A task that ended so blocks those that depend on it until somebody retries it."""
ENDED: Final = DONE | UNDONE

HELD: Final = "9999-12-31T00:00:00.000Z"
"""The `not_before` of a task that is on hold: nobody is to claim it until somebody says so."""

StatusOf = Callable[[str], str | None]
"""The status of the task with this id (without the kind's prefix), None when there is no such task."""

_ON_HOLD: Final = "it is on hold until somebody lets it be claimed with `mdcoord task retry`"

Rivals = Callable[[str], Iterable[str]]
"""The tasks in progress that must not run at the same time as the one with this id."""


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
    return _ids(fields.get("depends_on"))


def conflicts(fields: Mapping[str, Any]) -> list[str]:
    """The ids (without prefix) of the tasks that must not run while this one does."""
    return _ids(fields.get("conflicts_with"))


def span(value: object) -> float | None:
    """Seconds of a duration in a document: a positive number, or a text like `30m`; None for all else."""
    seconds = duration(value) if isinstance(value, str) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        return None
    return float(seconds)


def obstacles(
    fields: Mapping[str, Any],
    status_of: StatusOf,
    now: str,
    can: Collection[str] | None = None,
    agent: str | None = None,
    *,
    fallback: float | None = None,
    rivals: Rivals | None = None,
) -> list[str]:
    """Why a task cannot be claimed, each reason a phrase; empty when it is ready.

    `now` is a timestamp. With `can` the needs must be among those capabilities; with `agent` a task assigned
    to another agent is not for this one. A task that has been waiting for `fallback` seconds is for anybody.
    `rivals` tells which tasks are in its way. Claims in force are not looked at here: the lease decides.
    """
    status = str(fields.get("status") or "pending")
    reasons = [] if status in OPEN else [f"its status is {status}"]
    for other in dependencies(fields):
        found = status_of(other)
        if found is None:
            reasons.append(f"it depends on task {other}, which does not exist")
        elif found in UNDONE:
            reasons.append(f"it is blocked: it depends on task {other}, which is {found}")
        elif found not in DONE:
            reasons.append(f"it depends on task {other}, which is {found}")
    if rivals is not None:
        for other in rivals(task_id(fields)):
            reasons.append(f"it conflicts with task {other}, which is in progress")
    not_before = fields.get("not_before")
    if not_before and _later(not_before, now):
        held = str(not_before)[:4] == HELD[:4]
        reasons.append(_ON_HOLD if held else f"it is not to start before {not_before}")
    if (can is not None or agent is not None) and not _waited(fields, now, fallback):
        reasons += _reserved(fields, can, agent, status)
    return reasons


def declined(fields: Mapping[str, Any], agent: str) -> bool:
    """Whether an agent gave the task back because it lacks what the task needs."""
    listed = fields.get("declined_by")
    return isinstance(listed, list) and agent in listed


def _reserved(
    fields: Mapping[str, Any], can: Collection[str] | None, agent: str | None, status: str
) -> list[str]:
    """Why a task is for others."""
    reasons = []
    if can is not None:
        missing = [str(need) for need in fields.get("needs") or [] if need not in can]
        if missing:
            reasons.append("it needs " + ", ".join(missing))
    assigned = fields.get("assigned_agent")
    if agent is not None and assigned and assigned != agent and status in OPEN:
        reasons.append(f"it is assigned to {assigned}")
    return reasons


def _waited(fields: Mapping[str, Any], now: str, fallback: float | None) -> bool:
    """Whether a task could have been claimed for so long that it is anybody's."""
    if fallback is None:
        return False
    stamps = [seconds_of(fields.get(name)) for name in ("created_at", "assigned_at", "not_before")]
    since = max((stamp for stamp in stamps if stamp is not None), default=None)
    present = seconds_of(now)
    return since is not None and present is not None and present - since >= fallback


def status_for_others(fields: Mapping[str, Any]) -> str:
    """The status of a task as those that depend on it go by: a failure that is allowed is as good as none."""
    status = str(fields.get("status") or "pending")
    return "completed" if status in UNDONE and fields.get("allow_failure") is True else status


def statuses(records: Iterable[Record]) -> dict[str, str]:
    """The status of every task for those that depend on it, by its id.

    That is the name of its file, or else the value of its id field.
    """
    by_field: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for record in records:
        status = status_for_others(record.fields)
        by_field[task_id(record.fields)] = by_name[record.key.id] = status
    return by_field | by_name


def key_of(identifier: str) -> Key:
    """The key of a task from an id as dependencies name it."""
    return Key.of("task", identifier)


def _ids(listed: Any) -> list[str]:
    if not listed:
        return []
    items = listed if isinstance(listed, list) else [listed]
    return [str(item).lower().removeprefix("task-") for item in items]


def _later(stamp: object, now: str) -> bool:
    then, seconds = seconds_of(stamp), seconds_of(now)
    return then is not None and seconds is not None and then > seconds
