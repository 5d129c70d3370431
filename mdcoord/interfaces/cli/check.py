"""`mdcoord check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mdcoord.errors import InvalidDocument
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import answer, clean, note, write
from mdcoord.interfaces.cli.warning import located

if TYPE_CHECKING:
    from mdcoord.upkeep.check import Finding


@verb("check", example="mdcoord check")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False))
def check(call: Call, files: tuple[str, ...]) -> int:
    """Say what is wrong in the workspace, or in some of its files. Changes nothing.

    Exit code 7 when something is found.
    """
    findings = call.workspace(lenient=True).check(files or None)
    if call.json:
        write("\n".join([answer(call, finding) for finding in findings]))
    else:
        write("\n".join([_text(finding) for finding in findings]))
        if not findings:
            note("nothing is wrong")
    return InvalidDocument.exit_code if findings else 0


def _text(finding: Finding) -> str:
    hint = f"\n  hint: {clean(finding.hint)}" if finding.hint else ""
    return located(finding.path, finding.line, finding.message) + hint
