"""Writing all of a workspace as lines of JSON (see `stream`), one at a time, whatever their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Copy, Event, Unreadable
from mdcoord.errors import NotFound, UsageError
from mdcoord.formats.eventlog import first_heading, render_event
from mdcoord.host import Host
from mdcoord.model import DOCUMENTS, KINDS
from mdcoord.moving.forks import by_page
from mdcoord.moving.stream import Channel, End, Header, Place, Published, kind_of, line_of
from mdcoord.rules.leases import carried


class Consumer(Protocol):
    """A consumer of events, as it is noted."""

    @property
    def channel(self) -> str: ...
    @property
    def consumer(self) -> str: ...
    @property
    def cursor(self) -> str: ...
    @property
    def updated_at(self) -> str | None: ...


class _Lines(NamedTuple):
    """Documents as lines, and those that are no text."""

    lines: list[str]
    left_out: list[Unreadable]


class Export:
    """The lines of a workspace. Iterate over it once; then `counts` and `left_out` are complete.

    `left_out` are the files that are no text, so that no line can hold them.
    """

    def __init__(self, backend: Backend, header: Header, consumers: Sequence[Consumer], host: Host) -> None:
        self.counts: Counter[str] = Counter()
        self.left_out: list[Unreadable] = []
        self._backend = backend
        self._header = header
        self._consumers = consumers
        self._host, self._clock = host, backend.clock(host)

    def __iter__(self) -> Iterator[str]:
        yield self._header.line()
        for kind in self._header.kinds:
            yield from self._channels() if kind == "events" else self._documents(kind)
        yield line_of(End(self.counts))

    def _documents(self, kind: str) -> Iterator[str]:
        for page in self._pages(kind):
            self.counts[kind] += len(page.lines)
            self.left_out += page.left_out
            yield from page.lines

    def _pages(self, kind: str) -> Iterator[_Lines]:
        backend = self._backend
        yield from by_page(partial(self._page, kind), backend.ids(kind), divided=backend.forkable)
        if self._header.archive:
            yield from (self._lines([one]) for one in backend.copies(kind, archived=True))

    def _page(self, kind: str, ids: Sequence[str]) -> _Lines:
        return self._lines(self._backend.copies_of(kind, ids))

    def _lines(self, found: Iterable[Copy | Unreadable]) -> _Lines:
        page = _Lines([], [])
        for one in found:
            if isinstance(one, Unreadable):
                page.left_out.append(one)
            else:
                page.lines.append(line_of(one if one.lease is None else self._carried(one)))
        return page

    def _carried(self, copy: Copy) -> Copy:
        """The copy with its lease by the clock of this machine."""
        if self._clock is self._host:
            return copy
        return replace(copy, lease=carried(copy.lease, self._clock, self._host))

    def _channels(self) -> Iterator[str]:
        for item in self._events():
            self.counts[kind_of(item)] += 1
            yield line_of(item)

    def _events(self) -> Iterator[Channel | Published | Place]:
        channels = self._backend.channels()
        for channel in channels:
            try:
                events = self._published(channel)
            except NotFound:
                continue  # it was removed just now
            yield Channel(channel)
            yield from events
            yield from self._places(channel)
        for channel in sorted({one.channel for one in self._consumers} - set(channels)):
            yield from self._places(channel)

    def _published(self, channel: str) -> Iterator[Published]:
        oldest = next(self._backend.tail(channel, limit=1), None)
        marked = _marked(channel, self._backend.history(channel), oldest)
        return marked if self._header.archive else _in_log(marked)

    def _places(self, channel: str) -> Iterator[Place]:
        for one in self._consumers:
            if one.channel == channel:
                yield Place(channel, one.consumer, self._after(one), one.updated_at)

    def _after(self, consumer: Consumer) -> str | None:
        try:
            following = next(self._backend.tail(consumer.channel, consumer.cursor, 1), None)
        except (NotFound, UsageError):
            return None  # the channel is gone, or was never there
        return following.id if following else None


def _marked(channel: str, history: Iterator[Event], oldest: Event | None) -> Iterator[Published]:
    """All events of a channel; those before the oldest one in the log are archived."""
    archived = True
    for event in history:
        archived = archived and (oldest is None or event.cursor != oldest.cursor)
        yield Published(channel, event, archived)


def _in_log(events: Iterator[Published]) -> Iterator[Published]:
    """The events that are not archived; the first of them takes along what stands above the log."""
    head = ""
    for number, published in enumerate(events):
        text = published.event.text
        if number == 0 and text is not None and published.archived:
            block = text.encode()
            head = block[: first_heading(block) or 0].decode()
        if not published.archived:
            yield _below(head, published) if head else published
            head = ""


def _below(head: str, published: Published) -> Published:
    event = published.event
    text = event.text or render_event(event.id, event.name, event.time, event.data)[0].decode()
    return published._replace(event=event._replace(text=head + text))


def kinds_of(names: Iterable[str]) -> tuple[str, ...]:
    """The kinds that are wanted, in their order; all for none. Raises UsageError."""
    names = [*names]
    wrong = next((name for name in names if name not in KINDS), None)
    if wrong is not None:
        raise UsageError(f"{wrong[:40]!r} is not a kind of document", hint="one of " + ", ".join(KINDS))
    return tuple(kind for kind in (*DOCUMENTS, "events") if not names or kind in names)
