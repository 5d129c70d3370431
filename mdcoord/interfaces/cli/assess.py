"""`mdcoord assess`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.options import words
from mdcoord.interfaces.cli.output import clean, put, table

if TYPE_CHECKING:
    from mdcoord.upkeep.assess import Assessment


@verb("assess", example="mdcoord assess --init --register --can development,testing")
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False))
@click.option("--init", is_flag=True, help="Make the workspace if there is none.")
@click.option("--register", is_flag=True, help="Make yourself known under the name that is proposed.")
@click.option("--can", multiple=True, metavar="CAP,…", help="What you can do, for --register.")
def assess(call: Call, folder: str | None, init: bool, register: bool, can: tuple[str, ...]) -> None:
    """Go through the checklist for beginning to work in a project.

    Which coordination there is, who is here, how the project is tested, and your name. Without --init and
    --register nothing is written; both may be repeated.
    """
    found = call.assess(folder, init=init, register=register, can=words(can))
    put(call, found.as_dict(), lambda: _text(found))


def _text(found: Assessment) -> str:
    lines = [table(("STATUS", "POINT", "FOUND"), [(p.status, p.name, p.found) for p in found.points])]
    hints = [f"  {clean(point.hint)}" for point in found.points if point.hint]
    return "\n".join([*lines, *(["", "Next", *hints] if hints else [])])
