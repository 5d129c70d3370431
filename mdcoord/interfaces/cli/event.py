"""`mdcoord event`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mdcoord.errors import NotFound
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import cell
from mdcoord.interfaces.cli.options import pairs_argument
from mdcoord.interfaces.cli.output import answer, clean, put, put_all, write
from mdcoord.interfaces.cli.polling import pauses
from mdcoord.interfaces.cli.values import nested

if TYPE_CHECKING:
    from mdcoord.records import EventRecord
    from mdcoord.services.events import Events

NEWEST = 10
"""How many events `tail` shows when nothing is said."""

_HERE = "mdcoord.interfaces.cli.event"


@click.group(
    "event",
    cls=Group,
    members={name: f"{_HERE}:{name}" for name in ("publish", "tail", "channels")},
    example="mdcoord event tail training --follow",
)
def event() -> None:
    """Tell the others what happened, and follow what they tell."""


@verb("publish", example="mdcoord event publish training checkpoint_saved step=3500 loss=0.42")
@click.argument("channel")
@click.argument("name")
@pairs_argument(required=False)
def publish(call: Call, channel: str, name: str, pairs: tuple[str, ...]) -> None:
    """Add an event to a channel, which is made when missing."""
    published = call.workspace().events.publish(channel, name, **nested(pairs))
    put(call, published.as_dict(), published.cursor)


@verb("tail", example="mdcoord event tail training --follow --json")
@click.argument("channel")
@click.option("--after", metavar="CURSOR", help="Go on after this place, which every line carries.")
@click.option("--all", "everything", is_flag=True, help="From the oldest event in the log.")
@click.option("--follow", is_flag=True, help="Wait for more, until Ctrl-C.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="No more than N events.")
def tail(
    call: Call, channel: str, after: str | None, everything: bool, follow: bool, limit: int | None
) -> None:
    """Show the newest events of a channel, or those after a cursor."""
    events = call.workspace().events
    line = partial(answer, call) if call.json else _text
    if follow:
        _follow(events, channel, after, everything, limit, line)
        return
    write("\n".join([line(found) for found in _first(events, channel, after, everything, limit)]))


@verb("channels", example="mdcoord event channels")
def channels(call: Call) -> None:
    """List the channels."""
    found = [{"channel": name} for name in call.workspace().events.channels()]
    put_all(call, found, ("CHANNEL",), lambda item: (item["channel"],), empty="no channels")


def _first(
    events: Events, channel: str, after: str | None, everything: bool, limit: int | None
) -> Iterable[EventRecord]:
    if after is None and not everything:
        return events.last(channel, limit or NEWEST)
    return events.tail(channel, after, limit)


def _follow(
    events: Events, channel: str, after: str | None, everything: bool, limit: int | None, line: Any
) -> None:
    """Print events as they come, each with its cursor, until the limit, Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    shown = 0
    try:
        for batch in _batches(events, channel, after, everything):
            taken = batch if limit is None else batch[: limit - shown]
            write("\n".join([line(found) for found in taken]))
            sys.stdout.flush()
            shown += len(taken)
            if shown == limit:
                return
    except KeyboardInterrupt:
        return


def _batches(
    events: Events, channel: str, after: str | None, everything: bool
) -> Iterator[Sequence[EventRecord]]:
    waiting = pauses()
    while True:
        try:
            batch = [*_first(events, channel, after, everything, None)]
        except NotFound:
            batch = []  # nobody has published on this channel yet
        everything = True
        if batch:
            after = batch[-1].cursor
            waiting = pauses()
            yield batch
        time.sleep(next(waiting))


def _text(found: EventRecord) -> str:
    facts = " ".join(f"{name}={cell(value)}" for name, value in found.data.items())
    return clean(f"{found.time}  {found.name}  {facts}".rstrip() + f"  [{found.cursor}]")
