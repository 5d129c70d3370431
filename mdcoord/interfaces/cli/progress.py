"""`mdcoord progress`."""

from __future__ import annotations

from typing import Any

import click

from mdcoord.interfaces.cli.ages import age
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import details
from mdcoord.interfaces.cli.options import named, pairs_argument
from mdcoord.interfaces.cli.output import put, put_all
from mdcoord.interfaces.cli.values import nested, share_of
from mdcoord.interfaces.cli.warning import warn

_HERE = "mdcoord.interfaces.cli.progress"


@click.group(
    "progress",
    cls=Group,
    members={"set": f"{_HERE}:put_progress", "show": f"{_HERE}:show"},
    example="mdcoord progress show proj-1",
)
def progress() -> None:
    """Say how far a project is."""


@verb("set", example="mdcoord progress set proj-1 progress=35% phase=training")
@named("progress", "project")
@pairs_argument()
def put_progress(call: Call, project: str, pairs: tuple[str, ...]) -> None:
    """Note how far a project is. Any field goes: progress, phase, status, blockers, …"""
    found = call.workspace().progress.set(project, **_fields(pairs))
    put(call, found.as_dict(), f"{found.id} updated")


@verb("show", example="mdcoord progress show")
@named("progress", "project", required=False)
def show(call: Call, project: str | None) -> None:
    """Show how far a project is; without a name, how far all are."""
    workspace = call.workspace()
    if project is not None:
        found = workspace.progress.show(project)
        put(call, found.as_dict(), lambda: details(found))
        return
    put_all(
        call,
        workspace.progress.list(),
        ("PROJECT", "STATUS", "PROGRESS", "PHASE", "UPDATED", "TITLE"),
        lambda found: (
            found.id,
            found.status or "",
            "" if found.progress is None else f"{found.progress:.0%}",
            found.phase or "",
            age(found.last_updated),
            found.title or "",
        ),
        empty="no progress was set",
    )
    warn(call, workspace, "progress")


def _fields(pairs: tuple[str, ...]) -> dict[str, Any]:
    fields = nested(pairs)
    share = share_of(str(fields.get("progress")))
    return fields if share is None else {**fields, "progress": share}
