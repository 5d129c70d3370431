"""`mdcoord demo`."""

from __future__ import annotations

import gc

import click

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call


@verb("demo", example="mdcoord demo --workers 4")
@click.option("--workers", type=int, metavar="N", help="How many processes work.")
@click.option("--tasks", type=int, metavar="N", help="How many tasks they share.")
@click.option("--keep", is_flag=True, help="Keep the folder, to look at its files.")
def demo(call: Call, workers: int | None, tasks: int | None, keep: bool) -> int:
    """See it work: one of its processes is killed, nothing is lost. In a folder of its own."""
    from mdcoord.interfaces.demo import run

    gc.enable()
    numbers = {name: value for name, value in (("workers", workers), ("tasks", tasks)) if value is not None}
    return run(**numbers, keep=keep, json=call.json)
