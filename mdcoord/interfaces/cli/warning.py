"""What a list leaves out: files that cannot be read are told on stderr, and hold up nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdcoord.errors import InvalidDocument
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import clean, json_line, note

if TYPE_CHECKING:
    from mdcoord.workspace import Workspace

LISTED = 600.0
"""The list that was printed is what counts, however many seconds it took: nothing is read twice."""


def warn_unreadable(call: Call, workspace: Workspace, kind: str) -> None:
    """Name the files of a kind that cannot be read, on stderr; with --json as one object each."""
    for found in workspace.unreadable(kind, max_age=LISTED):
        if call.json:
            facts = {"path": found.path, "line": found.line, "message": found.message, "hint": found.hint}
            note(json_line({"warning": InvalidDocument.code, **facts}))
        else:
            note(f"mdcoord: left out: {located(found.path, found.line, found.message)}")


def located(path: str, line: int | None, message: str) -> str:
    """What is wrong in which file and line, each of them said once."""
    place = path if line is None else f"{path}:{line}"
    return clean(message if message.startswith(path) else f"{place}: {message}")
