"""`mdcoord task brief` and `mdcoord task accept`."""

from __future__ import annotations

import click

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.options import named, token_option
from mdcoord.interfaces.cli.output import note, put, uncontrolled


@verb("brief", example="mdcoord task brief train")
@named("task", "id")
def brief(call: Call, id: str) -> None:
    """Print all that somebody needs to do a task.

    In the order of reading: instructions, what became of earlier attempts, context (documents and files), the
    results of the tasks before it, acceptance criteria, and the commands by which to report. What is missing
    or was refused stands at the top, and is counted on stderr.
    """
    found = call.workspace().brief(id)
    put(call, found.as_dict(), lambda: "\n".join(map(uncontrolled, str(found).rstrip("\n").split("\n"))))
    if found.problems and not call.json:
        note(f"({len(found.problems)} missing: see the brief)")


@verb("accept", example="mdcoord task accept train 1 'loss below 0.5'")
@named("task", "id")
@click.argument("which", nargs=-1, required=True, metavar="NUMBER|TEXT...")
@click.option("--undo", is_flag=True, help="Say that they are not met after all.")
@token_option
def accept(call: Call, id: str, which: tuple[str, ...], undo: bool, token: str | None) -> None:
    """Say that acceptance criteria are met.

    Each is named by its number or by its text. Anybody may say so; who did, and when, stands beside it. With
    --token only while that claim holds.
    """
    from mdcoord.rules.acceptance import criteria

    task = call.workspace().tasks.accept(id, *which, done=not undo, token=token)
    checks = criteria(task.fields)
    still = sum(not check.done for check in checks)

    def text() -> str:
        lines = [f"[{'x' if check.done else ' '}] {check.number}. {check.text}" for check in checks]
        return "\n".join(uncontrolled(line) for line in lines)

    put(call, task.as_dict(), text)
    if still and not call.json:
        note(f"({still} of {len(checks)} still open)")
