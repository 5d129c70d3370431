"""`mdcoord task update` and `mdcoord task retry`."""

from __future__ import annotations

import click

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.options import named, op_option, set_option
from mdcoord.interfaces.cli.output import put
from mdcoord.interfaces.cli.values import flat, pair


@verb("update", example="mdcoord task update train --set priority=9 --set metadata.loss=0.42")
@named("task", "id")
@set_option("Put a value into a field; dotted names nest. Repeatable.")
@click.option("--append", multiple=True, metavar="KEY=VALUE", help="Add a value to a list. Repeatable.")
@click.option("--delete", multiple=True, metavar="KEY", help="Take a field out. Repeatable.")
@click.option("--expect", metavar="VERSION", help="Only if it is still in this version (_version of --json).")
def update(
    call: Call,
    id: str,
    pairs: tuple[str, ...],
    append: tuple[str, ...],
    delete: tuple[str, ...],
    expect: str | None,
) -> None:
    """Change fields of a task, whoever has it. All else in its file stays as it is."""
    from mdcoord.model import ANY

    added: dict[str, list[object]] = {}
    for name, value in map(pair, append):
        added.setdefault(name, []).append(value)
    if not (pairs or added or delete):
        raise click.UsageError("There is nothing to change: use --set, --append or --delete.")
    tasks = call.workspace().tasks
    task = tasks.update(id, flat(pairs), delete=delete, append=added, expect=expect or ANY)
    put(call, task.as_dict(), f"{task.id} updated")


@verb("retry", example="mdcoord task retry train")
@named("task", "id", required=False)
@click.option("--dead", is_flag=True, help="All dead letters.")
@op_option
def retry(call: Call, id: str | None, dead: bool, op: str | None) -> None:
    """Make an ended task pending again, with new attempts.

    One that is pending and waits for a time, or is on hold, need not wait any longer.
    """
    if (id is None) != dead:
        raise click.UsageError("Say which task, or --dead for all dead letters.")
    tasks = call.workspace().tasks
    for name in [task.id for task in tasks.dead()] if id is None else [id]:
        task = tasks.retry(name, op=op)
        put(call, task.as_dict(), f"{task.id} is {task.status}")
