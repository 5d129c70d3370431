"""`mdcoord init`."""

from __future__ import annotations

import click

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import put


@verb("init", example="mdcoord init")
@click.argument("folder", required=False, type=click.Path(file_okay=False))
@click.option("--track", is_flag=True, help="Let git see the documents, not only the README.")
def init(call: Call, folder: str | None, track: bool) -> None:
    """Make a workspace in a project's folder. What is there already stays as it is."""
    workspace = call.create_workspace(folder, track=track)
    made = [str(path) for path in workspace.made]
    facts = {"root": str(workspace.root), "made": made}
    put(call, facts, "\n".join([str(workspace.root), *(f"  made {path}" for path in made)]))
