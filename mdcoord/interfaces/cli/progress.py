"""`mdcoord progress`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mdcoord.interfaces.cli.ages import age
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import details
from mdcoord.interfaces.cli.meter import meter
from mdcoord.interfaces.cli.options import named, pairs_argument
from mdcoord.interfaces.cli.output import put, put_all
from mdcoord.interfaces.cli.values import nested, share_of
from mdcoord.interfaces.cli.warning import warn

if TYPE_CHECKING:
    from mdcoord.records import Progress

_HERE = "mdcoord.interfaces.cli.progress"


class _Progress(Group):
    """Without the name of a command it shows how far all are."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        plain = all(arg.startswith("-") and arg != "--help" for arg in args)
        return super().parse_args(ctx, [*args, "show"] if plain else args)


@click.group(
    "progress",
    cls=_Progress,
    subcommand_metavar="[COMMAND] [ARGS]...",
    members={"set": f"{_HERE}:put_progress", "show": f"{_HERE}:show", "refresh": f"{_HERE}:refresh"},
    example="mdcoord progress",
)
def progress() -> None:
    """Say and see how far a project is.

    Without a command: how far all are.
    """


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
        put(call, found.as_dict(), lambda: _details(found))
        return
    put_all(
        call,
        workspace.progress.list(),
        ("PROJECT", "STATUS", "PROGRESS", "PHASE", "UPDATED", "TITLE"),
        lambda found: (
            found.id,
            found.status or "",
            meter(found.progress),
            found.phase or "",
            age(found.last_updated),
            found.title or "",
        ),
        empty="no progress was set",
    )
    warn(call, workspace, "progress")


@verb("refresh", example="mdcoord progress refresh")
@named("progress", "project", required=False)
def refresh(call: Call, project: str | None) -> None:
    """Write how workflows stand into their documents.

    `progress show` and `workflow show` work it out anew each time. The files themselves are written by
    workers, `workflow run`, `add` and `wait`: where agents claim and complete by themselves, they are older.
    """
    found = call.workspace().progress.refresh(project)
    put_all(
        call,
        found,
        ("PROJECT", "STATUS", "PROGRESS"),
        lambda one: (one.id, one.status or "", meter(one.progress)),
        empty="all are up to date",
    )


def _details(found: Progress) -> str:
    phases = [
        f"{one.get('phase')}: {one.get('status')}, {one.get('steps_done')}/{one.get('steps_total')}"
        for one in found.fields.get("phases") or ()
        if isinstance(one, dict)
    ]
    more = {"phases": "\n".join(f"- {phase}" for phase in phases)} if phases else {}
    return details(found, progress=meter(found.progress), **more)


def _fields(pairs: tuple[str, ...]) -> dict[str, Any]:
    fields = nested(pairs)
    share = share_of(str(fields.get("progress")))
    return fields if share is None else {**fields, "progress": share}
