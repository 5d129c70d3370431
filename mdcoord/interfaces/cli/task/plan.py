"""`mdcoord task assign` and `mdcoord task graph`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.options import named
from mdcoord.interfaces.cli.output import clean, note, put, put_all, write
from mdcoord.rules.assignment import STRATEGIES

if TYPE_CHECKING:
    from mdcoord.rules.graph import Node


@verb("assign", example="mdcoord task assign train --strategy load_balanced")
@named("task", "id", required=False)
@click.option("--to", metavar="AGENT", help="This agent, whether it is there or not.")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="How to choose; else as configured.")
def assign(call: Call, id: str | None, to: str | None, strategy: str | None) -> None:
    """Reserve pending tasks for agents.

    One task for the agent named, or for the best one that is there; without an id, every ready task that is
    assigned to nobody.
    """
    tasks = call.workspace().tasks
    if id is not None:
        task = tasks.assign(id, to, strategy=strategy)
        put(call, task.as_dict(), f"{task.id} is assigned to {task.assigned_agent}")
        return
    if to is not None:
        raise click.UsageError("--to goes with one task: say which.")
    put_all(
        call,
        tasks.assign_all(strategy=strategy),
        ("ID", "AGENT", "TITLE"),
        lambda task: (task.id, task.assigned_agent or "", task.title or ""),
        empty="nothing was assigned",
    )
    left = [task.id for task in tasks.list("_ready = true") if not task.assigned_agent]
    if left and not call.json:
        note(f"({len(left)} more are ready; nobody who is there can do them and has room: see `agent list`)")


@verb("graph", example="mdcoord task graph --mermaid")
@named("task", "id", required=False)
@click.option("--dot", "form", flag_value="dot", help="For Graphviz.")
@click.option("--mermaid", "form", flag_value="mermaid", help="For Mermaid, as in Markdown.")
def graph(call: Call, id: str | None, form: str | None) -> None:
    """Show which tasks wait for which.

    Below each task stand those that depend on it. With an id, only what has to do with that task. With --json
    one object a task.
    """
    from mdcoord.rules import graph as graphs

    found = call.workspace().tasks.graph(id)
    if call.json:
        put_all(call, list(found.values()), (), lambda _: ())
    elif form is not None:
        write("\n".join({"dot": graphs.dot, "mermaid": graphs.mermaid}[form](found)))
    elif found:
        write("\n".join(graphs.tree(found, _label)))
    else:
        note("no tasks")


def _label(node: Node) -> str:
    also = f"  (not with {', '.join(node.conflicts_with)})" if node.conflicts_with else ""
    return clean(f"{node.id}  {node.status}  {node.title}".rstrip() + also)
