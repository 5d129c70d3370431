"""`mdcoord rotate`."""

from __future__ import annotations

import click

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import put_all


@verb("rotate", example="mdcoord rotate training --keep 100")
@click.argument("channel", required=False)
@click.option("--keep", type=click.IntRange(0), metavar="N", help="How many events stay (as configured).")
def rotate(call: Call, channel: str | None, keep: int | None) -> None:
    """Move the older events of a channel, or of all, to the archive. Cursors stay valid."""
    moved = call.workspace().rotate(channel, keep)
    put_all(
        call,
        [{"channel": name, "moved": count} for name, count in moved.items()],
        ("CHANNEL", "MOVED"),
        lambda item: (item["channel"], str(item["moved"])),
        empty="nothing to rotate",
    )
