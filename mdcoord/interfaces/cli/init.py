"""`mdcoord init`."""

from __future__ import annotations

from pathlib import Path

import click

from mdcoord.config.files import CONFIG_FILE
from mdcoord.errors import UsageError
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import note, put
from mdcoord.layout import COORDINATION


@verb("init", example="mdcoord init")
@click.argument("folder", required=False, type=click.Path(file_okay=False))
@click.option("--track", is_flag=True, help="Let git see the documents, not only the README.")
def init(call: Call, folder: str | None, track: bool) -> None:
    """Make a workspace in a project's folder. What is there already stays as it is.

    It is kept in files, or with --backend auto in Redis, if one answers, else on a TaskQueue server, if one
    is installed. A mode or an address says where. That is remembered.
    """
    _refuse_nowhere(folder or call.root)
    workspace = call.create_workspace(folder, track=track)
    made = [str(path) for path in workspace.made]
    facts = {"root": str(workspace.root), "made": made}
    put(call, facts, "\n".join([str(workspace.root), *(f"  made {path}" for path in made)]))
    if workspace.notice:
        note(f"mdcoord: {workspace.notice}")
    if any(path.match(CONFIG_FILE) for path in workspace.made):
        note(f"mdcoord: commit {CONFIG_FILE}: by it clones of this project know where its data are")
    if (root := workspace.root) and root in workspace.made and (other := _above(root)):
        note(f"mdcoord: from here this workspace is used now, no longer the one in {other}")


def _refuse_nowhere(named: str | None) -> None:
    folder = Path(named or ".").expanduser().resolve()
    if folder.parts[-2:] == COORDINATION.parts:
        folder = folder.parent.parent
    if not folder.parent.is_dir():
        raise UsageError(f"there is no folder {folder.parent}", hint="make it first, or look at the path")


def _above(root: Path) -> Path | None:
    """The nearest workspace above a new one: what was found from there until now."""
    roots = (folder / COORDINATION for folder in root.parent.parent.parents)
    return next((other for other in roots if other.is_dir()), None)
