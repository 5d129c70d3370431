"""`mdcoord log`."""

from __future__ import annotations

import click

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import put


@verb("log", example="mdcoord log 'Switched the learning rate to 0.0004' --agent ai-engineer")
@click.argument("message", nargs=-1, required=True)
def log(call: Call, message: tuple[str, ...]) -> None:
    """Write a line into the communication log (the channel `log`)."""
    entry = call.workspace().log(" ".join(message))
    put(call, entry.as_dict(), entry.cursor)
