"""One event log as it stands at a moment, read in place: from either end, or from a cursor on.

A view reads only what it is asked for. A place in a channel is an *offset*: the bytes of all events that
stood before it since the channel began. The log's front matter says how many of them were moved away, so an
offset is valid before and after a rotation, and finding it again takes one read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

from mdcoord.backends.markdown.descriptors import READ, close_quietly
from mdcoord.backends.markdown.oserrors import translated
from mdcoord.backends.values import Event
from mdcoord.errors import BackendUnavailable, UsageError
from mdcoord.formats import eventids, eventlog, loghead
from mdcoord.formats.eventlog import Entry, Span
from mdcoord.formats.labels import parse_timestamp

Read = Callable[[int, int], bytes]
"""Reads up to `count` bytes from a place: `read(place, count)`."""

_HEAD: Final = 4096
_CHUNK: Final = 16384
_MOST: Final = 1 << 20


BEFORE: Final = "-"
"""Instead of an event's id: the cursor is the place before the event at its offset. No event has this id."""


class Cursor(NamedTuple):
    """Where an event stands in its channel: what `tail` goes on after. Its text is opaque to users."""

    channel: str
    offset: int
    id: str

    def __str__(self) -> str:
        return f"{self.channel}:{self.offset}:{self.id}"

    @classmethod
    def parse(cls, text: str, channel: str) -> Cursor:
        """Raises UsageError for a text that never was a cursor of this channel."""
        name, _, rest = text.partition(":")
        digits, _, event_id = rest.partition(":")
        if name != channel or not event_id or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
            raise UsageError(
                f"{text[:120]!r} is not a cursor of the channel {channel!r}",
                hint="pass the cursor of an event of this channel, or none to begin at the oldest",
            )
        return cls(channel, int(digits), event_id)


class LogView:
    """A log behind a `read` function, `size` bytes long. What is appended later is not part of the view."""

    def __init__(self, channel: str, read: Read, size: int, changed_at: float = 0.0) -> None:
        self.channel = channel
        self.size = size
        self.changed_at = changed_at
        self._read = read
        head = read(0, min(size, _HEAD))
        while (first := eventlog.first_heading(head)) is None and len(head) < size:
            more = read(len(head), min(size - len(head), max(_CHUNK, len(head))))
            if not more:
                break
            head += more
        self.has_blocks = first is not None
        self.first = len(head) if first is None else first
        self.head = head[: self.first]
        front = loghead.front_matter_end(self.head)
        self.rotated = loghead.rotated_bytes(head[:front])
        self.newest_first = [] if front else self._newest_first()
        self._part_end = max((span.end for span in self.newest_first), default=self.first)

    @classmethod
    def of_bytes(cls, channel: str, text: bytes) -> LogView:
        """A view of a log that is at hand as a whole."""
        return cls(channel, lambda place, count: text[place : place + count], len(text))

    # ------------------------------------------------------------ blocks

    def spans(self, after: int | None = None) -> Iterator[Span]:
        """Blocks in reading order, whole or not: all, or those after the one that starts at `after`."""
        if after is not None and after >= self._part_end:
            yield from (span for span in self._forward(after) if span.start != after)
            return
        older = self.newest_first
        if after is not None:
            older = older[[span.start for span in older].index(after) + 1 :]
        yield from older
        yield from self._forward(self._part_end)

    def backwards(self) -> Iterator[Span]:
        """Blocks from the newest to the oldest; reads only as far as it is asked to."""
        end, width = self.size, _CHUNK
        while end > self._part_end:
            start = max(self._part_end, end - width)
            text = self._read(start, end - start)
            found = eventlog.headings(text, line_start=start == self._part_end)
            for begin in reversed(found):
                yield Span(start + begin, text[begin:], start + len(text) == self.size)
                text = text[:begin]
            if start == self._part_end:
                break
            end, width = (start + found[0], _CHUNK) if found else (end, width * 2)
        yield from reversed(self.newest_first)

    def end(self, count: int) -> bytes:
        """The last `count` bytes."""
        return self._read(max(0, self.size - count), min(count, self.size))

    def whole(self) -> bytes:
        """All of the log."""
        parts: list[bytes] = []
        place = 0
        while place < self.size and (part := self._read(place, self.size - place)):
            parts.append(part)
            place += len(part)
        return b"".join(parts)

    def _forward(self, start: int) -> Iterator[Span]:
        """Blocks in the file's order from a heading at `start` on."""
        text, width = b"", _CHUNK
        while start + len(text) < self.size:
            more = self._read(start + len(text), min(width, self.size - start - len(text)))
            if not more:  # the file was cut while we read
                return
            text += more
            found = eventlog.headings(text, line_start=True)
            for begin, end in pairwise(found):
                yield Span(start + begin, text[begin:end], False)
            if found:
                start, text = start + found[-1], text[found[-1] :]
            width = min(width * 2, _MOST)
        if text.startswith(eventlog.HEADING):
            yield Span(start, text, True)

    def _newest_first(self) -> list[Span]:
        """The blocks of an old log whose writer puts new events on top, oldest first; none in any other log.

        Such a log has no front matter, says when it was last updated, and its times go down. The part ends
        with the first event that is younger than the one before it, or that has a mark.
        """
        if not any(line.lower().startswith(b"last updated:") for line in self.head.split(b"\n")):
            return []
        part: list[Span] = []
        times: list[datetime] = []
        for span in self._forward(self.first):
            entry = eventlog.parse_event(span)
            moment = parse_timestamp(entry.time) if entry and entry.id is None else None
            time = datetime.fromisoformat(moment) if moment else None
            if time is None or (times and time > times[-1]):
                break
            part.append(span)
            times.append(time)
        return part[::-1] if times and times[0] > times[-1] else []

    # ------------------------------------------------------------ events

    def offset(self, place: int) -> int:
        """The offset in the channel of a place in this file."""
        return self.rotated + place - self.first

    def event(self, span: Span) -> Event | None:
        """The event of a block, or None where it has none."""
        entry = eventlog.parse_event(span)
        return make_event(self.channel, entry, self.offset(span.start)) if entry else None

    def events(self, after: int | None = None) -> Iterator[Event]:
        """Events in reading order: all, or those after the block that starts at `after`."""
        for span in self.spans(after):
            event = self.event(span)
            if event:
                yield event

    def event_at(self, place: int) -> Event | None:
        """The event of the block that starts at `place`."""
        span = next(self._forward(place), None)
        return self.event(span) if span else None

    def at(self, offset: int, event_id: str) -> int | None:
        """Where the block of an event starts if it stands at its offset: one read, on any log."""
        place = self.first + offset - self.rotated
        if not self.first <= place < self.size or (place and self._read(place - 1, 1) != b"\n"):
            return None
        span = next(self._forward(place), None)
        found = span is not None and span.start == place and eventlog.identity_in(span)
        return place if found == eventids.identity_of(event_id) else None

    def search(self, event_id: str) -> int | None:
        """Where the oldest block with this id starts, wherever it stands: reads the whole log."""
        return self._places.get(eventids.identity_of(event_id))

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where each event starts, by what it is searched by; the oldest where several are alike."""
        places: dict[str, int] = {}
        for span in self.spans():
            identity = eventlog.identity_in(span)
            if identity is not None:
                places.setdefault(identity, span.start)
        return places


def make_event(channel: str, entry: Entry, offset: int) -> Event:
    """An event with its cursor."""
    event_id = entry.id if entry.id is not None else eventids.hand_id(entry.tag, offset)
    return Event(event_id, entry.name, entry.time, entry.data, str(Cursor(channel, offset, event_id)))


def end_of(path: str, count: int) -> bytes:
    """The last `count` bytes of a file; nothing where there is none. Raises BackendUnavailable."""
    try:
        with translated(path):
            descriptor = os.open(path, READ)
            try:
                return os.pread(descriptor, count, max(0, os.fstat(descriptor).st_size - count))
            finally:
                os.close(descriptor)
    except FileNotFoundError:
        return b""


@contextmanager
def viewing(channel: str, path: str) -> Iterator[LogView]:
    """A view of a file as long as it is now. Raises FileNotFoundError, BackendUnavailable."""
    with translated(path):
        descriptor = os.open(path, READ)
        try:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode):
                raise BackendUnavailable(
                    f"{path} is not a regular file", hint="put a plain file there", path=path
                )
            yield LogView(
                channel, lambda place, count: os.pread(descriptor, count, place), info.st_size, info.st_mtime
            )
        finally:
            close_quietly(descriptor)
