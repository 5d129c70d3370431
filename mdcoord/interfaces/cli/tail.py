"""`mdcoord event tail`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from mdcoord.errors import NotFound
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import cell
from mdcoord.interfaces.cli.output import answer, clean, write
from mdcoord.interfaces.cli.polling import pauses

if TYPE_CHECKING:
    from mdcoord.records import EventRecord
    from mdcoord.services.events import Events
    from mdcoord.services.news import News

NEWEST: Final = 10
"""How many events are shown when nothing is said."""

LONGEST: Final = 0.1
"""Seconds between two looks at a channel that is followed: one costs a tenth of a millisecond."""


@verb("tail", example="mdcoord event tail training --consumer plotter --follow --json")
@click.argument("channel")
@click.option("--after", metavar="CURSOR", help="Go on after this place, which every line carries.")
@click.option("--all", "everything", is_flag=True, help="From the oldest event in the log.")
@click.option("--consumer", metavar="NAME", help="Go on where this consumer was, and note how far it comes.")
@click.option("--where", metavar="QUERY", help="Only those that meet the query: data.step > 3500")
@click.option("--follow", is_flag=True, help="Wait for more, until Ctrl-C.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="No more than N events.")
def tail(
    call: Call,
    channel: str,
    after: str | None,
    everything: bool,
    consumer: str | None,
    where: str | None,
    follow: bool,
    limit: int | None,
) -> None:
    """Show the newest events of a channel, or go on from a place.

    A consumer is made by its name, and begins with the oldest event in the log. It has had an event when that
    is printed, or left out by its query; one that is killed before gets it again. With --after it goes on
    from there.
    """
    if consumer and everything:
        raise click.UsageError("--consumer goes on where it was: --all does not go with it.")
    events, line = call.workspace().events, partial(answer, call) if call.json else _text
    if consumer:
        subscription = events.subscribe(channel, consumer=consumer, where=where, follow=follow, after=after)
        with closing(events.news(channel)) as news:
            _print(subscription.take, subscription.ack, line, limit, news, follow=follow, once=False)
        return
    look = _Reading(events, channel, where, after, everything, follow)
    with closing(events.news(channel)) as news:
        _print(look, lambda: None, line, limit, news, follow=follow, once=not follow)


class _Reading:
    """Reads a channel from a place on, for nobody in particular."""

    def __init__(
        self,
        events: Events,
        channel: str,
        where: str | None,
        after: str | None,
        everything: bool,
        patient: bool,
    ) -> None:
        self._events = events
        self._channel = channel
        self._matches = events.matcher(where)
        self._after = after
        self._newest = after is None and not everything
        self._patient = patient

    def __call__(self, limit: int | None) -> Sequence[EventRecord]:
        """What is there now and was not there before."""
        try:
            if self._newest:
                return self._first(limit or NEWEST)
            found = self._read(self._events.tail(self._channel, self._after))
            return found if limit is None else found[:limit]
        except NotFound:
            if not self._patient:
                raise
            self._newest = False
            return ()  # nobody has published on this channel yet

    def _first(self, limit: int) -> Sequence[EventRecord]:
        self._newest = False
        every = self._matches is not None
        some = self._events.tail(self._channel) if every else self._events.last(self._channel, limit)
        return self._read(some)[-limit:]

    def _read(self, events: Iterable[EventRecord]) -> list[EventRecord]:
        found = []
        for event in events:
            self._after = event.cursor
            if self._matches is None or self._matches(event):
                found.append(event)
        return found


def _print(
    look: Callable[[int | None], Sequence[EventRecord]],
    done: Callable[[], None],
    line: Callable[[EventRecord], str],
    limit: int | None,
    news: News,
    *,
    follow: bool,
    once: bool,
) -> None:
    """Print what each look finds, until there is nothing, the limit, Ctrl-C or SIGTERM."""
    if follow:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    shown, waiting = 0, pauses(LONGEST)
    try:
        while limit is None or shown < limit:
            news.looking()
            batch = look(None if limit is None else limit - shown)
            if batch:
                write("\n".join([line(found) for found in batch]))
                sys.stdout.flush()
                done()
                shown, waiting = shown + len(batch), pauses(LONGEST)
            if once or not (batch or follow):
                return
            if not batch:
                news.wait(next(waiting))
    except KeyboardInterrupt:
        return


def _text(found: EventRecord) -> str:
    facts = " ".join(f"{name}={cell(value)}" for name, value in found.data.items())
    return clean(f"{found.time}  {found.name}  {facts}".rstrip() + f"  [{found.cursor}]")
