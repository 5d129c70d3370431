"""Adding an event to the end of a log, in whatever state a crash or an editor left that end."""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

from mdcoord.backends.markdown.logfile import LogFile
from mdcoord.backends.markdown.logview import LogView, make_event
from mdcoord.backends.values import Event
from mdcoord.errors import BackendUnavailable, Busy, NotDurable
from mdcoord.formats import eventlog, loghead
from mdcoord.formats.eventlog import Entry, Span

REMEMBERED: Final = 64
"""An append that repeats the id of one of this many newest events writes nothing."""

ROUNDS: Final = 20
"""How often a writer starts again because somebody saved the log meanwhile."""

_END: Final = 16
_ENDS_BLANK = re.compile(rb"\n\r?\n\Z")


def append_event(file: LogFile, block: bytes, entry: Entry, repeated: bool) -> Event:
    """Write a block at the end of its log, or make the log. The caller holds the log's lock.

    `repeated` says that the event may be there already: then that one is returned.
    """
    for _round in range(ROUNDS):
        start = 0
        try:
            with file.view() as view:
                if view.size and mend(file, view):
                    return _append(file, view, block, entry, repeated)
                start = view.size
        except FileNotFoundError:
            pass
        if not start:
            again = _archived(file, entry, REMEMBERED) if repeated else None
            event = again or _begin(file, block, entry)
            if event is not None:
                return event
    raise busy(file)


def extend_log(file: LogFile, head: bytes, blocks: bytes) -> None:
    """Write blocks as they are at the end of a log, or make the log, with this head if there is one.

    The caller holds the log's lock.
    """
    for _round in range(ROUNDS):
        start = 0
        try:
            with file.view() as view:
                start = view.size
                if start and mend(file, view):
                    file.append((b"" if view.end(1) == b"\n" else b"\n") + blocks)
                    file.journal.note(blocks)
                    return
        except FileNotFoundError:
            pass
        if not start and _make(file, blocks, head) is not None:
            return
    raise busy(file)


def mend(file: LogFile, view: LogView) -> bool:
    """Make the end of a log sound. True when it was; else it was changed, and has to be looked at again."""
    try:
        return _mend(file, view)
    except NotDurable as error:
        # What the caller is about to add is not there yet.
        raise BackendUnavailable(
            error.message, hint="nothing was added; check the disk, then try again", path=file.path
        ) from error


def _mend(file: LogFile, view: LogView) -> bool:
    end = view.end(_END)
    if not end.endswith(eventlog.CLOSING):
        last = next(view.backwards(), None) or Span(0, view.whole(), True)
        sound = eventlog.torn_from(last)
        if sound < len(last.data):
            file.swap(file.path, view.whole()[: last.start + sound], view.whole())
            return False
    lost = file.journal.lost(view, file.archives)
    if lost:
        file.append(_gap(end) + b"".join(lost))
    return not lost


def busy(file: LogFile) -> Busy:
    """The error for a log that somebody saves all the time."""
    return Busy(f"{file.path} is being saved by others again and again", hint="try again", path=file.path)


def _append(file: LogFile, view: LogView, block: bytes, entry: Entry, repeated: bool) -> Event:
    again = _recent(file, view, entry) if repeated else None
    if again is not None:
        return again
    end = view.end(_END)
    written = block.replace(b"\n", b"\r\n") if end.endswith(b"\r\n") else block
    place = file.append(_gap(end) + written) - len(written)
    file.journal.note(block)
    # The offsets of a channel begin at its first block, wherever that stands in the file.
    return make_event(file.channel, entry, view.offset(place) if view.has_blocks else view.rotated)


def _begin(file: LogFile, block: bytes, entry: Entry) -> Event | None:
    start = _make(file, block)
    return None if start is None else make_event(file.channel, entry, start)


def _make(file: LogFile, blocks: bytes, head: bytes = b"") -> int | None:
    """Make a log of blocks; the offset of the first one, None when somebody made it meanwhile."""
    start = file.archives.beyond()
    usual = start or not head  # which says how much is archived
    if not file.begin((loghead.new_log(file.channel, start) if usual else head) + blocks):
        return None
    file.journal.clear()
    file.journal.note(blocks)
    return start


def _gap(end: bytes) -> bytes:
    """What has to stand between the end of a log and a new block."""
    if _ENDS_BLANK.search(end):
        return b""
    return b"\n" if end.endswith(b"\n") else b"\n\n"


def _recent(file: LogFile, view: LogView, entry: Entry) -> Event | None:
    newest = list(islice(view.backwards(), REMEMBERED))
    for span in newest:
        if eventlog.identity_in(span) == entry.id:
            return view.event(span)
    return _archived(file, entry, REMEMBERED - len(newest)) if view.rotated else None


def _archived(file: LogFile, entry: Entry, count: int) -> Event | None:
    return file.archives.find_recent(entry.identity, count) if count > 0 else None
