"""`mdcoord agent`."""

from __future__ import annotations

import click

from mdcoord.interfaces.cli.ages import age
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import details
from mdcoord.interfaces.cli.options import list_options, named, pairs_argument, words
from mdcoord.interfaces.cli.output import put, put_all
from mdcoord.interfaces.cli.values import flat
from mdcoord.interfaces.cli.warning import notice, warn
from mdcoord.records import Agent

HEADS = ("AGENT", "STATUS", "PRESENCE", "LAST SEEN", "TASKS", "WORKLOAD", "BREAKER", "CAN", "TYPE")

_HERE = "mdcoord.interfaces.cli.agent"


@click.group(
    "agent",
    cls=Group,
    members={
        name: f"{_HERE}:{function}"
        for name, function in (
            ("register", "register"),
            ("heartbeat", "heartbeat"),
            ("set", "change"),
            ("list", "listing"),
            ("show", "show"),
            ("reset", "reset"),
            ("remove", "remove"),
        )
    },
    example="mdcoord agent list",
)
def agent() -> None:
    """Say who you are and what you can do; see who else is there."""


@verb("register", example="mdcoord agent register ai-engineer --can training,gpu")
@click.argument("name", required=False)
@click.option("--can", multiple=True, metavar="CAP,…", help="What it can do.")
@click.option("--best-at", multiple=True, metavar="CAP,…", help="What of it, or which types of tasks.")
@click.option("--max-tasks", type=click.IntRange(0), metavar="N", help="How many it may hold at a time.")
@click.option("--type", metavar="TEXT", help="What kind of agent it is.")
@click.option("--status", metavar="TEXT", default="available", show_default=True, help="What it does now.")
@click.option("--pid", type=click.IntRange(1), metavar="PID", help="The process that it is.")
def register(
    call: Call,
    name: str | None,
    can: tuple[str, ...],
    best_at: tuple[str, ...],
    max_tasks: int | None,
    type: str | None,
    status: str,
    pid: int | None,
) -> None:
    """Make an agent known, or bring what is known up to date. Without a name: you."""
    found = call.workspace().agents.register(
        name,
        can=words(can),
        specializations=words(best_at),
        max_concurrent_tasks=max_tasks,
        type=type,
        status=status,
        pid=pid,
    )
    put(call, found.as_dict(), f"{found.id} is {found.status}")
    if found.presence == "offline":
        doubt = f"process {pid} is not running here" if pid else f"its status is {found.status}"
        notice(call, "offline", f"{found.id} counts as offline: {doubt}", message=doubt)


@verb("heartbeat", example="mdcoord agent heartbeat --agent ai-engineer")
@named("agent", "name", required=False)
def heartbeat(call: Call, name: str | None) -> None:
    """Note that an agent lives. Without a name: you."""
    found = call.workspace().agents.heartbeat(name)
    put(call, found.as_dict(), f"{found.id} was seen now")


@verb("set", example="mdcoord agent set ai-engineer status=busy metrics.workload_pct=85")
@named("agent", "name")
@pairs_argument()
def change(call: Call, name: str, pairs: tuple[str, ...]) -> None:
    """Change fields of an agent; dotted names nest."""
    found = call.workspace().agents.set(name, **flat(pairs))
    put(call, found.as_dict(), f"{found.id} updated")


@verb("list", example="mdcoord agent list --where \"status = 'available'\"")
@list_options
def listing(call: Call, where: str | None, sort: str | None, limit: int | None) -> None:
    """List agents: what they do, when they were last seen."""
    workspace = call.workspace()
    found = workspace.agents.list(where, sort=sort, limit=limit)
    put_all(call, found, HEADS, _row, empty="no agents")
    warn(call, workspace, "agent", where, sort, found=found)


@verb("show", example="mdcoord agent show ai-engineer")
@named("agent", "name", required=False)
def show(call: Call, name: str | None) -> None:
    """Show an agent. Without a name: you."""
    found = call.workspace().agents.get(name)
    put(call, found.as_dict(), lambda: details(found, presence=found.presence))


@verb("reset", example="mdcoord agent reset ai-engineer")
@named("agent", "name", required=False)
def reset(call: Call, name: str | None) -> None:
    """Close an agent's circuit breaker. It is given tasks again. Without a name: you."""
    found = call.workspace().agents.reset(name)
    put(call, found.as_dict(), f"{found.id} is given tasks again")


@verb("remove", example="mdcoord agent remove ai-engineer")
@named("agent", "name")
def remove(call: Call, name: str) -> None:
    """Move an agent's document to the archive."""
    archived = call.workspace().agents.remove(name)
    put(call, {"archived": archived}, f"archived as {archived}")


def _row(found: Agent) -> tuple[str, ...]:
    workload = found.metrics.get("workload_pct")
    seen = age(found["_last_seen"])
    return (
        found.id,
        found.status or "",
        found.presence,
        seen + (" (stale)" if found.stale else ""),
        str(len(found.active_tasks) or ""),
        f"{workload:g}%" if isinstance(workload, int | float) else "",
        _breaker(found),
        ", ".join(map(str, found.capabilities)),
        found.agent_type or "",
    )


def _breaker(found: Agent) -> str:
    state = str(found.circuit_breaker.get("state") or "")
    return "" if state == "CLOSED" else state
