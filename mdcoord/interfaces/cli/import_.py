"""`mdcoord import`."""

from __future__ import annotations

import sys

import click

from mdcoord.errors import Conflict
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.export import said
from mdcoord.interfaces.cli.output import note, put
from mdcoord.interfaces.cli.warning import notice


@verb("import", example="mdcoord import backup.jsonl --dry-run")
@click.argument("source", type=click.Path(allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Only say what would come in.")
def import_(call: Call, source: str, dry_run: bool) -> int:
    """Take in what `mdcoord export` wrote, from a file or from stdin (-).

    What is here already stays: where the same is here it is passed over, and where something else of that
    name is here that is reported (exit code 4). So an import that was cut off is gone on with by doing it
    again.
    """
    found = call.workspace().import_(sys.stdin.buffer if source == "-" else source, dry_run=dry_run)
    done = "would come in" if dry_run else "imported"
    put(call, found.as_dict(), f"{said(found.new)} {done}")
    if found.same and not call.json:
        note(f"({said(found.same)} here already)")
    for name in found.different:
        notice(call, Conflict.code, f"left: something else is here as {name}", name=name)
    for name in found.lost:
        notice(call, "lost", f"not found afterwards: {name}", name=name)
    return 1 if found.lost else Conflict.exit_code if found.different else 0
