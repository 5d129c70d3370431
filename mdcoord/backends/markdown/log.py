"""Event logs as files: one block appended in one write, read in place, rotated into archives.

Writers hold the lock of their log; readers take none. What keeps readers right without it:

* an append is one write, and its block says at its end that it is whole;
* a rotation first adds the oldest events to the archive and then swaps in the shorter log, so an event is
  always in at least one of them; a reader opens the log before it looks into the archive and prefers the log.

A person's editor takes no lock either: a log that was saved while it was being rotated is put back and
rotated anew.
"""

from __future__ import annotations

import os
import time as clock
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, islice, takewhile
from typing import Any, Final

from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.logappend import ROUNDS, append_event, busy, extend_log
from mdcoord.backends.markdown.logarchive import Archived, Archives
from mdcoord.backends.markdown.logfile import LogFile
from mdcoord.backends.markdown.logrotation import rotate_once
from mdcoord.backends.markdown.logview import BEFORE, Cursor, LogView
from mdcoord.backends.markdown.oserrors import translated
from mdcoord.backends.refusals import no_channel
from mdcoord.backends.values import Event
from mdcoord.errors import InvalidName, NotFound, UsageError
from mdcoord.formats import eventids, eventlog, loghead, logproblems
from mdcoord.formats.eventids import channel_name
from mdcoord.formats.logproblems import Problem

_YOUNG: Final = 2.0
"""Only a log changed this many seconds ago can be in the middle of being saved."""
_SETTLE: Final = 0.25
"""Seconds for which such a log is looked at again before it is believed."""
_PAUSE: Final = 0.01


class EventLog:
    """The channels of one workspace: `events-{channel}.md` in `root`, rotated events in `root/archive`."""

    def __init__(self, files: FileIO, root: str) -> None:
        self._files = files
        self._root = root
        self._known: dict[str, LogFile] = {}

    # ---------------------------------------------------------------- reading

    def channels(self) -> list[str]:
        """The names of all channels, sorted."""
        try:
            with translated(self._root), os.scandir(self._root) as entries:
                names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        logs = (name[7:-3] for name in names if name.startswith("events-") and name.endswith(".md"))
        return sorted(filter(_is_channel, logs))

    def tail(self, channel: str, after: str | None = None, limit: int | None = None) -> Iterator[Event]:
        """Whole events in order after a cursor (None: from the oldest in the log), at most `limit`.

        At least once: when the place of a cursor was edited away by hand, events may come a second time,
        but none is left out. Raises NotFound, UsageError.
        """
        name = channel_name(channel)
        cursor = None if after is None else Cursor.parse(after, name)
        if limit is not None and limit < 0:
            raise UsageError(f"{limit} is not a number of events", hint="use 0 or more")
        self._require(name)  # now, not when the first event is asked for
        return islice(self._tail(name, cursor), limit)

    def start(self, channel: str) -> str:
        """The place before the oldest event in the log, or before the first that will be, as a cursor."""
        name = channel_name(channel)
        try:
            with self._open(name) as view:
                return str(Cursor(name, view.rotated, BEFORE))
        except NotFound:
            return str(Cursor(name, 0, BEFORE))

    def last(self, channel: str, count: int) -> list[Event]:
        """The newest `count` events of the log, oldest first. Raises NotFound."""
        with self._open(channel_name(channel)) as view:
            newest = (event for span in view.backwards() if (event := view.event(span)))
            return list(islice(newest, max(count, 0)))[::-1]

    def history(self, channel: str) -> Iterator[Event]:
        """All events, those of the archive first, with their exact text where a person had a hand in it.

        Raises NotFound.
        """
        name = channel_name(channel)
        self._require(name)
        return self._history(self._file(name))

    def problems(self, channel: str) -> list[Problem]:
        """What readers pass over in a log and what was changed by hand, with lines. Raises NotFound."""
        with self._open(channel_name(channel)) as view:
            return logproblems.find_problems(view.whole())

    def _tail(self, channel: str, cursor: Cursor | None) -> Iterator[Event]:
        file = self._file(channel)
        deadline = clock.monotonic() + _SETTLE
        while True:
            with self._open(channel) as view:
                events = view.events() if cursor is None else _after(cursor, view, file.archives)
                if events is None and cursor and not (_is_young(view) and clock.monotonic() < deadline):
                    events = _after_lost(cursor, view, file)
                if events is not None:
                    yield from events
                    return
            clock.sleep(_PAUSE)  # an editor may be in the middle of saving the log

    def _history(self, file: LogFile) -> Iterator[Event]:
        with self._open(file.channel) as view:
            archived = takewhile(lambda block: not _is_in(view, block), file.archives.from_stretch_of(0))
            log = (Archived(view.event(span), span, 0) for span in view.spans())
            yield from _with_texts(loghead.own_head(view.head, file.channel), chain(archived, log))

    @contextmanager
    def _open(self, channel: str) -> Iterator[LogView]:
        """A view of the log as it is now. A log that is missing or empty is looked at again for a moment."""
        deadline = clock.monotonic() + _SETTLE
        while True:
            self._require(channel)
            try:
                with self._file(channel).view() as view:
                    if view.size or not _is_young(view) or clock.monotonic() >= deadline:
                        yield view
                        return
            except FileNotFoundError:
                pass
            clock.sleep(_PAUSE)

    def _require(self, channel: str) -> None:
        path = self._file(channel).path
        if not os.path.lexists(path) and not self._files.await_file(path):
            raise no_channel(channel, path)

    # ---------------------------------------------------------------- appending

    def append(
        self, channel: str, name: str, data: Mapping[str, Any], *, time: str, id: str | None = None
    ) -> Event:
        """Add one event at the end and return it with its cursor; makes the log when there is none.

        With an `id` that one of the last 64 events has, that event is returned and nothing is written, so
        that an append whose answer was lost may be repeated. Raises UsageError, Busy, BackendUnavailable,
        NotDurable.
        """
        file = self._file(channel_name(channel))
        event_id = os.urandom(8).hex() if id is None else id
        block, entry = eventlog.render_event(event_id, name, time, data)
        with file.lock():
            return append_event(file, block, entry, repeated=id is not None)

    def extend(self, channel: str, events: Iterable[Event]) -> None:
        """Add events as they are in one write; makes the log. Raises UsageError, Busy, NotDurable."""
        file = self._file(channel_name(channel))
        head, blocks = b"", bytearray()
        for event in events:
            above, block = _block(event)
            head = head or above
            blocks += (b"" if not blocks or blocks.endswith(b"\n") else b"\n") + block
        with file.lock():
            extend_log(file, head, bytes(blocks))

    # ---------------------------------------------------------------- rotating

    def rotate(self, channel: str, keep: int, today: str | None = None) -> int:
        """Move all but the newest `keep` events to the archive of the day and return how many were moved.

        `today` is a date like 2026-01-31 (None: the date in UTC). Cursors stay valid. After a crash
        anywhere in it, doing it again finishes it. Raises NotFound, UsageError, Busy, BackendUnavailable,
        NotDurable.
        """
        file = self._file(channel_name(channel))
        date = loghead.check_date(today or datetime.now(UTC).date().isoformat())
        if keep < 0:
            raise UsageError(f"{keep} is not a number of events", hint="use 0 or more")
        with file.lock():
            for _round in range(ROUNDS):
                self._require(file.channel)
                moved = rotate_once(file, keep, date)
                if moved is not None:
                    return moved
        raise busy(file)

    def settle(self, channel: str, temp: str) -> None:
        """Deal with a temporary file that a killed writer of the log left. Raises Busy."""
        file = self._file(channel)
        with file.lock():
            if os.path.lexists(temp):
                file.settle(temp, file.path)

    def _file(self, channel: str) -> LogFile:
        file = self._known.get(channel)
        if file is None:
            file = self._known[channel] = LogFile(self._files, self._root, channel)
        return file


def _after(cursor: Cursor, view: LogView, archives: Archives) -> Iterator[Event] | None:
    """Events after a cursor, from the archives or the log; None when neither knows it any more.

    First where it must be, which is where it is unless somebody edited what is above it.
    """
    if cursor.id == BEFORE:
        if cursor.offset >= view.rotated:
            return view.events()
        return _archived_then_log(archives.from_stretch_of(cursor.offset), view)
    place = view.at(cursor.offset, cursor.id)
    if place is not None:
        return view.events(place)
    archived = archives.after(cursor) if cursor.offset < view.rotated else None
    if archived is None:
        place = view.search(cursor.id)
        if place is not None:
            return view.events(place)
        archived = archives.after_like(cursor)
    return None if archived is None else _archived_then_log(archived, view)


def _after_lost(cursor: Cursor, view: LogView, file: LogFile) -> Iterator[Event]:
    """Events after a cursor whose event was removed: some may come again, none is left out."""
    place = next(file.journal.survivors(cursor.id, view), None)
    if place is not None:
        return view.events(place)
    archives = file.archives
    archived = archives.from_stretch_of(cursor.offset) if cursor.offset < view.rotated else iter(())
    return _archived_then_log(archived, view)


def _archived_then_log(archived: Iterator[Archived], view: LogView) -> Iterator[Event]:
    """Events of the archive, then those of the log: from the first that both have, else from its oldest."""
    for block in archived:
        if block.event is None:
            continue
        if block.offset >= view.rotated:  # a rotation that was killed half-way, or is at work
            place = _place_in(view, block.offset, block.event.id)
            event = None if place is None else view.event_at(place)
            if event is not None:
                yield event
                yield from view.events(place)
                return
        yield block.event
    yield from view.events()


def _place_in(view: LogView, offset: int, event_id: str) -> int | None:
    """Where an event of the archive stands in the log, too."""
    place = view.at(offset, event_id)
    return view.search(event_id) if place is None and not eventids.is_hand_id(event_id) else place


def _is_in(view: LogView, block: Archived) -> bool:
    if block.event is None or block.offset < view.rotated:
        return False
    return _place_in(view, block.offset, block.event.id) is not None


def _with_texts(head: bytes, blocks: Iterable[Archived]) -> Iterator[Event]:
    """The events of blocks. What stands between two belongs to the one above, the head to the first."""
    last: Event | None = None
    text, own = head, not head
    for event, span, _ in blocks:
        if event is not None and last is not None:
            yield last if own else last._replace(text=text.decode("utf-8", "replace"))
            text, own = b"", True
        last = event or last
        own = own and event is not None and eventlog.is_canonical(span)
        text += span.data
    if last is not None:
        yield last if own else last._replace(text=text.decode("utf-8", "replace"))


def _block(event: Event) -> tuple[bytes, bytes]:
    """An event as it stands in a log, and what it says of the text above all events."""
    if event.text is None:
        return b"", eventlog.render_event(event.id, event.name, event.time, event.data)[0]
    text = event.text.encode()
    at = eventlog.first_heading(text) or 0
    return text[:at], text[at:]


def _is_channel(name: str) -> bool:
    try:
        return channel_name(name) == name
    except InvalidName:
        return False


def _is_young(view: LogView) -> bool:
    return clock.time() - view.changed_at < _YOUNG
