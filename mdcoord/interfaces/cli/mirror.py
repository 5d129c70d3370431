"""`mdcoord mirror`."""

from __future__ import annotations

import gc
import signal
import sys
from typing import TYPE_CHECKING

import click

from mdcoord.errors import InvalidDocument
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.export import said
from mdcoord.interfaces.cli.output import clean, put
from mdcoord.interfaces.cli.values import seconds

if TYPE_CHECKING:
    from mdcoord.moving.mirror import Round


@verb("mirror", example="mdcoord mirror --once")
@click.argument("folder", required=False, type=click.Path(file_okay=False))
@click.option("--once", is_flag=True, help="Make both the same and end.")
@click.option(
    "--interval",
    type=seconds,
    default="1s",
    metavar="TIME",
    help="Look for saved files (and events) so often (1s).",
)
def mirror(call: Call, folder: str | None, once: bool, interval: float) -> int:
    """Keep a live Markdown copy of a workspace in Redis.

    It is in FOLDER, or where the workspace's files would be. Documents and events come into it as soon as
    they change, and what is saved in it goes back, merged field by field with what was changed meanwhile.
    Where both changed the same field or line, a note in the document shows what gave way. A new file becomes
    a document, a removed one is put there again; a document that was removed from the workspace stays in the
    folder's archive. A file that cannot be read is left alone, and named here.

    Runs until Ctrl-C or SIGTERM. Exit code 7 when, with --once, something cannot be read.
    """
    gc.enable()  # it stays
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    workspace = call.workspace()
    try:
        with workspace.mirror(folder) as running:
            if once:
                return _tell(call, running.once())
            for done in running.rounds(interval):
                _tell(call, done)
    except KeyboardInterrupt:
        if once:
            raise
    return 0


def _tell(call: Call, done: Round) -> int:
    put(call, done.as_dict(), lambda: _text(done))
    sys.stdout.flush()
    return InvalidDocument.exit_code if done.left else 0


def _text(done: Round) -> str:
    counts = {"document": done.written, "event": done.events}
    lines = [f"{said(counts)} brought here" if any(counts.values()) or not done else ""]
    lines += [f"{name}: taken from here" for name in dict.fromkeys(done.taken)]
    lines += [f"{said({'event': done.published})} taken from here" if done.published else ""]
    lines += [f"{name}: put here again" for name in done.restored]
    lines += [f"{name}: gone from the workspace, archived here" for name in done.archived]
    lines += [f"{name}: conflict, {what}" for name, what in done.conflicts.items()]
    lines += [f"{name}: left as it is: {why}" for name, why in done.left.items()]
    return "\n".join(clean(line) for line in lines if line)
