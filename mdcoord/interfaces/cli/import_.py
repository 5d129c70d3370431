"""`mdcoord import`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from mdcoord.errors import Conflict, InvalidDocument, MdcoordError
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.export import said
from mdcoord.interfaces.cli.output import clean, note, put
from mdcoord.interfaces.cli.warning import notice

if TYPE_CHECKING:
    from mdcoord.moving.importing import Imported

_SHOWN: Final = 20
"""So many of what is not imported are named; there may be as many as there are lines in a file."""


@verb("import", example="mdcoord import --from beads .beads/issues.jsonl --dry-run")
@click.argument("source", type=click.Path(allow_dash=True))
@click.option(
    "--from",
    "tool",
    type=click.Choice(["backlog", "beads", "taskqueue", "tasks"]),
    help="The program whose file or folder it is; tasks: lines of JSON with fields of tasks.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would come in.")
def import_(call: Call, source: str, tool: str | None, dry_run: bool) -> int:
    """Take in an export, a mirror, or the tasks of another program.

    SOURCE is a file that `mdcoord export` wrote, `-` for stdin, or a folder with a workspace's files, such as
    a mirror. What is here already stays: where the same is here it is passed over, and where something else
    of that name is here that is reported (exit code 4). So an import that was cut off is gone on with by
    doing it again.

    With --from it is the folder of Backlog.md, the lines of `bd export`, or TaskQueue's tasks.json. What
    mdcoord has no field for is kept under the program's name. What is blocked, deferred or a draft there is
    on hold here, until `mdcoord task retry`. Exit code 7 when something could not be used.
    """
    piped = "/dev/stdin" if tool else sys.stdin.buffer
    found = call.workspace().import_(piped if source == "-" else source, tool=tool, dry_run=dry_run)
    done = "would come in" if dry_run else "imported"
    put(call, found.as_dict(), f"{said(found.new)} {done}")
    if not call.json:
        _explain(found)
    for name in found.different[:_SHOWN]:
        notice(call, Conflict.code, f"left: something else is here as {name}", name=name)
    _count_rest(call, Conflict.code, "left: something else is here", found.different)
    for name in found.lost:
        notice(call, "lost", f"not found afterwards: {name}", name=name)
    for what in found.left_out[:_SHOWN]:
        notice(call, InvalidDocument.code, f"left out: {what}", message=what)
    _count_rest(call, InvalidDocument.code, "left out", found.left_out)
    if found.lost:
        return MdcoordError.exit_code
    return Conflict.exit_code if found.different else InvalidDocument.exit_code if found.left_out else 0


def _explain(found: Imported) -> None:
    if found.same:
        note(f"({said(found.same)} here already)")
    for remark, count in found.remarks.items():
        note(clean(f"  {remark}" + (f" ({count} times)" if count > 1 else "")))
    if found.held:
        tasks = "1 task is" if len(found.held) == 1 else f"{len(found.held)} tasks are"
        names = ", ".join(found.held[:_SHOWN]) + (", …" if len(found.held) > _SHOWN else "")
        note(clean(f"{tasks} on hold, as there: {names} (`mdcoord task retry ID` lets one be claimed)"))


def _count_rest(call: Call, code: str, what: str, found: Sequence[str]) -> None:
    if len(found) > _SHOWN:
        message = f"{what}: {len(found) - _SHOWN} more (--json lists all)"
        notice(call, code, message, message=message)
