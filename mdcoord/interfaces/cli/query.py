"""`mdcoord query`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import cell
from mdcoord.interfaces.cli.output import put, put_all
from mdcoord.interfaces.cli.warning import warn, warn_of_fields

DEFAULT = {
    "task": "_id,status,priority,assigned_agent,progress,title",
    "agent": "_id,status,last_heartbeat,capabilities",
    "context": "_id,project_id,last_updated,title",
    "metrics": "_id,last_updated,values",
    "message": "_id,type,created_at,subject",
    "progress": "_id,status,progress,phase,last_updated",
    "events": "_channel,time,name,data,_cursor",
}
"""What a table shows of each kind when no fields are asked for."""


@verb("query", example="mdcoord query task \"status = 'in_progress' and progress > 0.3\" --sort -progress")
@click.argument("kind", type=click.Choice(list(DEFAULT)))
@click.argument("where", required=False)
@click.option("--select", metavar="FIELDS", help="Only these fields: title,metadata.loss")
@click.option("--sort", metavar="FIELDS", help="By these fields; a minus reverses: -priority,title.")
@click.option("--limit", type=click.IntRange(0), metavar="N", help="No more than N.")
@click.option("--count", is_flag=True, help="Only how many there are.")
@click.option("--channel", metavar="NAME", help="With events: only those of this channel.")
def query(
    call: Call,
    kind: str,
    where: str | None,
    select: str | None,
    sort: str | None,
    limit: int | None,
    count: bool,
    channel: str | None,
) -> None:
    """Find records of a kind, or events, by a query over their fields."""
    from mdcoord.formats.query import select as choose

    if channel is not None and kind != "events":
        raise click.UsageError("--channel goes with the kind events.")
    workspace = call.workspace()
    chosen = select or (None if call.json or count else DEFAULT[kind])
    found = workspace.query(kind, where, sort=sort, limit=limit, channel=channel)
    if select and kind != "events":
        warn_of_fields(call, kind, select.split(","), found)
    if count:
        put(call, {"count": len(found)}, str(len(found)))
        return
    rows = [choose(row, chosen) for row in found] if chosen else found
    warn(call, workspace, kind, where, sort, found=found)
    heads = (chosen or "").split(",")
    put_all(call, rows, heads, lambda row: _cells(row), empty="nothing found")


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [cell(value) for value in row.values()]
