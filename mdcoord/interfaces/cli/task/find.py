"""`mdcoord task list` and `mdcoord task show`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from mdcoord.interfaces.cli.ages import age
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import details
from mdcoord.interfaces.cli.options import list_options, named, words
from mdcoord.interfaces.cli.output import note, put, put_all
from mdcoord.interfaces.cli.warning import notice, warn
from mdcoord.records import Task
from mdcoord.shapes import STATUSES

HIDDEN = ("completed", "cancelled")
"""What `list` leaves out when nothing is asked for: what is over and needs nobody."""

HEADS = ("ID", "STATUS", "PRIORITY", "AGENT", "PROGRESS", "UPDATED", "TITLE")


@verb("list", example="mdcoord task list --status in_progress --sort -priority")
@click.option("--status", multiple=True, metavar="STATUS,…", help="Only with one of these statuses.")
@click.option("--dead", is_flag=True, help="Only dead letters: no attempt is left (see `task retry`).")
@click.option("--ready", is_flag=True, help="Only what can be claimed now.")
@click.option("--all", "everything", is_flag=True, help="Also completed and cancelled tasks.")
@list_options
def listing(
    call: Call,
    status: tuple[str, ...],
    dead: bool,
    ready: bool,
    everything: bool,
    where: str | None,
    sort: str | None,
    limit: int | None,
) -> None:
    """List tasks. Without a filter, those that are not completed or cancelled.

    With --agent only those of that agent; with --ready those that it may claim.
    """
    workspace = call.workspace()
    listed = found = workspace.tasks.list(where, sort=sort)
    hidden: Counter[str] = Counter()
    if status or dead:
        wanted = frozenset([*words(status), *(["dead"] if dead else [])])
        for name in sorted(wanted - STATUSES - {task.status for task in found}):
            message, hint = f"{name!r} is no status", "one of " + ", ".join(sorted(STATUSES))
            notice(call, "unknown_status", f"{message} ({hint})", status=name, message=message, hint=hint)
        found = [task for task in found if task.status in wanted]
    elif where is None and not everything:
        there = Counter(task.status for task in found)
        hidden.update({name: there[name] for name in HIDDEN if there[name]})
        found = [task for task in found if task.status not in HIDDEN] if hidden else found
    if ready:
        found = [task for task in found if task.ready]
    if ready and (agent := call.named_agent):
        found = [task for task in found if not workspace.tasks.why(task.id, agent=agent)]
    elif call.named_agent:
        found = [task for task in found if task.assigned_agent == call.named_agent]
    put_all(call, found[:limit], HEADS, _row, empty="no tasks")
    warn(call, workspace, "task", where, sort, found=listed)
    if hidden and not call.json:
        note(f"({', '.join(f'{count} {name}' for name, count in sorted(hidden.items()))}: see --all)")


@verb("show", example="mdcoord task show train")
@named("task", "id")
def show(call: Call, id: str) -> None:
    """Show a task: its fields, who has it, and why it is not ready."""
    tasks = call.workspace().tasks
    task = tasks.get(id)

    def text() -> str:
        reasons = tasks.why(id, agent=call.named_agent) if task.status == "pending" else []
        return details(task, **_claim(task), ready=_ready(task, reasons))

    put(call, task.as_dict(), text)


def _row(task: Task) -> tuple[str, ...]:
    progress = task.progress
    return (
        task.id,
        task.status + (" (stale)" if task.stale else ""),
        f"{task.priority:g}" if task.priority else "",
        task.assigned_agent or "",
        "" if progress is None else f"{progress:.0%}",
        age(task.updated_at or task.created_at),
        task.title or "",
    )


def _ready(task: Task, reasons: Sequence[str]) -> str:
    if task.status != "pending":
        return ""
    return "no: " + "; ".join(reasons) if reasons else "yes"


def _claim(task: Task) -> dict[str, Any]:
    from mdcoord.interfaces.cli.ages import left

    holder = task.record.lease.holder if task.record.lease else None
    if holder is not None and holder.session:
        return {"claim": f"{holder.agent} (session {holder.session}), {left(holder.expires_at)}"}
    if task.status != "in_progress":
        return {}
    from mdcoord.rules.leases import unknown_claim

    return {"claim": "none is known here: " + unknown_claim(task.assigned_agent or "", task.id)[1]}
