"""`mdcoord log`: write into the communication log, and show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from mdcoord.errors import NotFound
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import cell
from mdcoord.interfaces.cli.output import clean, put, put_all

if TYPE_CHECKING:
    from mdcoord.records import EventRecord

NEWEST: Final = 20
"""How many lines are shown when nothing is said."""

_HERE = "mdcoord.interfaces.cli.log"


class _Log(Group):
    """What is not the name of a command is the message to write."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ends = args.index("--") + 1 if "--" in args else len(args)
        ctx.meta[__name__] = args[ends:]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args == ctx.meta.get(__name__):  # all of it stood behind `--`
            args = ["write", "--", *args]
        return super().resolve_command(ctx, args if args[0] in self._members else ["write", *args])


@click.group(
    "log",
    cls=_Log,
    members={"write": f"{_HERE}:write", "show": f"{_HERE}:show"},
    subcommand_metavar="MESSAGE... | show",
    example="mdcoord log 'Switched the learning rate to 0.0004' --agent ai-engineer",
)
def log() -> None:
    """Write into the communication log (channel `log`), and show it."""


@verb("write", example="mdcoord log write 'Switched the learning rate to 0.0004'")
@click.argument("message", nargs=-1, required=True)
def write(call: Call, message: tuple[str, ...]) -> None:
    """Write a line. The word `write` may be left out."""
    entry = call.workspace().log(" ".join(message))
    put(call, entry.as_dict(), entry.cursor)


@verb("show", example="mdcoord log show --limit 50")
@click.option("--limit", type=click.IntRange(1), default=NEWEST, metavar="N", help="The newest N lines (20).")
def show(call: Call, limit: int) -> None:
    """Show the newest lines, the newest last: when, who, what."""
    put_all(call, _entries(call, limit), ("TIME", "AGENT", "MESSAGE"), _row, empty="nothing was logged")


def _entries(call: Call, limit: int) -> Sequence[EventRecord]:
    from mdcoord.services.events import LOG

    try:
        return call.workspace().events.last(LOG, limit)
    except NotFound:
        return []


def _row(entry: EventRecord) -> tuple[str, ...]:
    """Agents and people write other events into this log, too: what they hold is shown as it is."""
    facts = dict(entry.data)
    who, message = facts.pop("agent", None), facts.pop("message", None)
    rest = [f"{name}={cell(value)}" for name, value in facts.items()]
    name = [] if entry.name == "note" else [entry.name]
    return entry.time, cell(who), clean(" ".join([*name, *([cell(message)] if message else []), *rest]))
