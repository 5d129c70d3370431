"""What is going on in a workspace, as one mapping: who does what, what is free, what needs a look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from mdcoord.backends.base import Backend
from mdcoord.errors import InvalidDocument, NotFound
from mdcoord.host import Host
from mdcoord.model import DOCUMENTS, Value
from mdcoord.records import Agent, Task
from mdcoord.rules.readiness import OPEN, UNDONE, dependencies, rank, statuses
from mdcoord.rules.standing import IN_PROGRESS, Rules, standing

EXPLAINED: Final = 5
"""Of how many pending tasks the obstacles are told."""

Why = Callable[[str], Sequence[str]]
"""Why the task with this id cannot be claimed, each reason a phrase."""


def overview(
    backend: Backend, host: Host, rules: Rules, tasks: Sequence[Task], agents: Sequence[Agent], why: Why
) -> dict[str, Value]:
    """Counts of tasks by status, how many are ready, agents, claims, and what is stale or unreadable.

    `waiting` says of the first pending tasks why they cannot be claimed; when some task is ready, only of
    those that depend on one that ended badly or does not exist. `dead` names the dead letters.
    """
    ready = sum(task.ready for task in tasks)
    return {
        "tasks": _tally(task.status for task in tasks),
        "ready": ready,
        "agents": [_agent(agent) for agent in agents],
        "claims": [
            claim
            for task in tasks
            if task.status == IN_PROGRESS
            if (claim := _claim(backend, host, rules, task))["session"] or _goes_on(backend, task)
        ],
        "waiting": _waiting(tasks, why, blocked=ready > 0),
        "dead": [task.id for task in tasks if task.status == "dead"],
        "stale": [record.key.name for record in (*tasks, *agents) if record["_stale"]],
        "channels": [*backend.channels()],
        "unreadable": _unreadable(backend),
    }


def _agent(agent: Agent) -> dict[str, Value]:
    return {
        "agent_id": agent.id,
        "status": agent.status,
        "last_heartbeat": agent.last_heartbeat or agent.last_updated,
        "last_seen": agent["_last_seen"],
        "presence": agent.presence,
        "tasks": [
            task["task_id"] for task in agent.active_tasks if isinstance(task, dict) and "task_id" in task
        ],
        "breaker": str(agent.circuit_breaker.get("state") or "CLOSED"),
        "stale": agent.stale,
    }


def _claim(backend: Backend, host: Host, rules: Rules, task: Task) -> dict[str, Value]:
    """Who holds a task; `over` says why the claim may be taken from its holder, None while it is good."""
    lease = backend.lease(task.key)
    now = standing(task.record, lease, host, rules)
    holder = now.holder
    return {
        "task_id": task.id,
        "title": task.title,
        "progress": task.progress,
        "agent": holder.agent if holder else task.assigned_agent,
        "session": holder.session if holder else "",
        "attempt": lease.attempt if lease else task.attempt,
        "expires_at": holder.expires_at if holder and holder.session else None,
        "over": now.ended,
    }


def _goes_on(backend: Backend, task: Task) -> bool:
    """Whether a task without a claim is in progress: it may have ended since it was listed."""
    try:
        return bool(backend.read(task.key).get("status") == IN_PROGRESS)
    except (InvalidDocument, NotFound):
        return False


def _waiting(tasks: Sequence[Task], why: Why, *, blocked: bool) -> list[Value]:
    known = statuses([task.record for task in tasks])
    pending = sorted((task for task in tasks if task.status in OPEN), key=lambda task: rank(task.fields))
    if blocked:
        pending = [
            task
            for task in pending
            if any(known.get(other, "dead") in UNDONE for other in dependencies(task.fields))
        ]
    return [{"task_id": task.id, "reasons": [*why(task.id)]} for task in pending[:EXPLAINED]]


def _unreadable(backend: Backend) -> list[Value]:
    listings = [backend.list(kind, max_age=1.0) for kind in DOCUMENTS]
    return [
        {"path": found.path, "line": found.line, "message": found.message}
        for listing in listings
        for found in listing.unreadable
    ]


def _tally(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
