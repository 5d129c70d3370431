"""Rotated events: the files `archive/events-{channel}-{date}.md`, read as the older part of a log.

Each rotation adds one stretch to the archive of its day, below a line that says which bytes of the channel it
holds. Events keep their offsets in it, so that cursors and ids stay what they were.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from mdcoord.backends.markdown.logview import Cursor, make_event, viewing
from mdcoord.backends.markdown.oserrors import translated
from mdcoord.backends.values import Event
from mdcoord.errors import BackendUnavailable
from mdcoord.formats import eventids, eventlog, loghead
from mdcoord.formats.eventlog import Span
from mdcoord.formats.loghead import Moved


class Archived(NamedTuple):
    """One block of an archive, and its offset in the channel."""

    event: Event | None
    span: Span
    offset: int


class Known:
    """Blocks that are in a safe place already, whatever lies between them."""

    def __init__(self) -> None:
        self._blocks: Counter[bytes] = Counter()
        self._remarks: set[tuple[bytes, bytes]] = set()

    def add(self, spans: Iterable[Span]) -> None:
        """Take note of blocks and of the text below them."""
        for span in spans:
            block, remark = eventlog.parted(span)
            self._blocks[block] += 1
            self._remarks.add((block, remark))

    def __contains__(self, span: Span) -> bool:
        return self._blocks[eventlog.parted(span)[0]] > 0

    def lacks(self, span: Span) -> bytes:
        """What of a span is not known: all, or only new text below its block. Each block counts once."""
        block, remark = eventlog.parted(span)
        if self._blocks[block] <= 0:
            return span.data
        self._blocks[block] -= 1
        return remark + b"\n\n" if remark and (block, remark) not in self._remarks else b""

    def has_begun(self, span: Span) -> bool:
        """Whether a span is the beginning of a known block."""
        return any(block.startswith(span.data.rstrip()) for block in self._blocks)


class Archives:
    """The archives of one channel below `root`. Reads only."""

    def __init__(self, root: str, channel: str) -> None:
        self.channel = channel
        self.folder = os.path.join(root, "archive")
        self._name = re.compile(rf"events-{re.escape(channel)}-[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}\.md")

    def names(self) -> list[str]:
        """The files' names, the oldest first. Raises BackendUnavailable for a linked folder."""
        if os.path.islink(self.folder):
            hint = "put a real folder there"
            raise BackendUnavailable(f"{self.folder} is a symbolic link", hint=hint, path=self.folder)
        try:
            with translated(self.folder):
                return sorted(name for name in os.listdir(self.folder) if self._name.fullmatch(name))
        except FileNotFoundError:
            return []

    def path(self, name: str) -> str:
        """Where an archive of this name is."""
        return os.path.join(self.folder, name)

    def name_for(self, date: str) -> str:
        """The archive for a rotation on a date: never an older one than the newest there is."""
        return max([f"events-{self.channel}-{date}.md", *self.names()])

    def beyond(self) -> int:
        """The offset at which the archives end; 0 when there are none."""
        for name in reversed(self.names()):
            stretch = self.last_stretch(name)
            if stretch is not None:
                return stretch.beyond
        return 0

    def last_stretch(self, name: str) -> Moved | None:
        """The newest stretch of an archive; reads only as far back as its mark."""
        with viewing(self.channel, self.path(name)) as view:
            width = 65536
            while True:
                text = view.end(width)
                stretch = max(loghead.moved_marks(text), key=lambda moved: moved.start, default=None)
                if stretch is not None:
                    before = view.size - len(text)
                    return stretch._replace(mark=stretch.mark + before, start=stretch.start + before)
                if len(text) == view.size:
                    return None
                width *= 4

    def known_since(self, offset: int) -> Known:
        """What archives hold that reach beyond an offset; nothing unless a rotation was killed half-way."""
        known = Known()
        for name in reversed(self.names()):
            stretch = self.last_stretch(name)
            if stretch is not None and stretch.beyond <= offset:
                break
            known.add(block.span for block in self.blocks(name))
        return known

    def identities_before(self, offset: int) -> set[str | None]:
        """What the events that stand before an offset are searched by."""
        blocks = (block for name in self.names() for block in self.blocks(name))
        return {eventlog.identity_in(block.span) for block in blocks if block.offset < offset}

    def blocks(self, name: str) -> Iterator[Archived]:
        """All blocks of an archive, in order."""
        with viewing(self.channel, self.path(name)) as view:
            text = view.whole()
        stretches = list(loghead.moved_marks(text))
        starts = [stretch.start for stretch in stretches]
        for span in eventlog.spans_of(text):
            number = bisect_right(starts, span.start)
            offset = span.start
            if number:
                offset += stretches[number - 1].first - starts[number - 1]
            if number < len(stretches):
                span = span._replace(data=span.data[: stretches[number].mark - span.start])
            entry = eventlog.parse_event(span)
            event = make_event(self.channel, entry, offset) if entry else None
            yield Archived(event, span, offset)

    def find_recent(self, event_id: str, count: int) -> Event | None:
        """The event of this id if it is one of the newest `count`."""
        for name in reversed(self.names()):
            with viewing(self.channel, self.path(name)) as view:
                for span in islice(view.backwards(), count):
                    count -= 1
                    if eventlog.identity_in(span) == event_id:
                        return next(b.event for b in self.blocks(name) if b.span.start == span.start)
            if count <= 0:
                break
        return None

    def after(self, cursor: Cursor) -> Iterator[Archived] | None:
        """The blocks after the one at the offset of a cursor; None when its event is not there."""
        name = self._holding(cursor.offset)
        return self._after(cursor, name, exact=True) if name else None

    def after_like(self, cursor: Cursor) -> Iterator[Archived] | None:
        """The blocks after one that has the id of a cursor, wherever it stands; None without one."""
        found = (self._after(cursor, name, exact=False) for name in reversed(self.names()))
        return next((blocks for blocks in found if blocks is not None), None)

    def from_stretch_of(self, offset: int) -> Iterator[Archived]:
        """The blocks from the beginning of the stretch that holds an offset."""
        name = self._holding(offset)
        if name is None:
            return iter(())
        with viewing(self.channel, self.path(name)) as view:
            marks = list(loghead.moved_marks(view.whole()))
        return self._from(name, next((mark.start for mark in marks if mark.beyond > offset), 0))

    def _holding(self, offset: int) -> str | None:
        """The archive in which an offset must be, if it is in any."""
        holding = None
        for name in reversed(self.names()):
            stretch = self.last_stretch(name)
            if stretch is not None and stretch.beyond <= offset:
                break
            holding = name
        return holding

    def _after(self, cursor: Cursor, name: str, exact: bool) -> Iterator[Archived] | None:
        identity = eventids.identity_of(cursor.id)
        for block in self.blocks(name):
            like = block.event is not None and eventids.identity_of(block.event.id) == identity
            if like and (not exact or block.offset == cursor.offset):
                return self._from(name, block.span.start + 1)
        return None

    def _from(self, name: str, start: int) -> Iterator[Archived]:
        yield from (block for block in self.blocks(name) if block.span.start >= start)
        for later in self.names():
            if later > name:
                yield from self.blocks(later)
