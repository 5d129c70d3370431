"""The file of one event log, written so that nothing is lost that others write at the same moment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager

from mdcoord.backends.base import DEFAULT_WAIT
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.flock import Lock
from mdcoord.backends.markdown.logarchive import Archives
from mdcoord.backends.markdown.logjournal import Journal
from mdcoord.backends.markdown.logview import LogView, end_of, viewing
from mdcoord.backends.markdown.swap import Leftover
from mdcoord.formats import eventlog
from mdcoord.formats.eventlog import Span
from mdcoord.model import Key


class LogFile:
    """The log of one channel below `root`, and its archives. Everything that writes needs the lock."""

    def __init__(self, files: FileIO, root: str, channel: str) -> None:
        key = Key("events", channel)
        self.channel = channel
        self.path = os.path.join(root, key.name + ".md")
        self.archives = Archives(root, channel)
        self.journal = Journal(files, channel)
        self._files = files
        self._lock_name = key.name

    def lock(self) -> Lock:
        """The lock of the log, to be used with `with`. Raises Busy."""
        return self._files.lock(self._lock_name, DEFAULT_WAIT)

    def view(self) -> AbstractContextManager[LogView]:
        """The log as it is now. Raises FileNotFoundError, BackendUnavailable."""
        return viewing(self.channel, self.path)

    def append(self, text: bytes, path: str | None = None) -> int:
        """Add text to the end of the log (or of an archive) in one write and return where it ends."""
        return self._files.append(path or self.path, text)

    def begin(self, text: bytes) -> bool:
        """Make the log with this text, or fill the empty one. False when somebody made it meanwhile."""
        try:
            self.create(self.path, text)
        except FileExistsError:
            if end_of(self.path, 1):
                return False
            self.append(text)
        return True

    def create(self, path: str, text: bytes) -> None:
        """Make a new file. Raises FileExistsError."""
        try:
            self._files.create(path, text)
        except Leftover as leftover:
            self.settle(str(leftover), path)
            self._files.create(path, text)

    def swap(self, path: str, text: bytes, expected: bytes) -> bool:
        """Replace a file that was read as `expected`; False when somebody saved another text meanwhile.

        Their text is in place then. Raises FileNotFoundError, Busy while somebody has it open for writing.
        """
        try:
            return self._files.swap(path, text, expected)
        except Leftover as leftover:
            self.settle(str(leftover), path)
            return False

    def make_archive_folder(self) -> None:
        """Make the folder of the archives, unless it is there."""
        self._files.make_folder(self.archives.folder)

    def settle(self, temp: str, path: str) -> None:
        """Drop what a killed writer left if the log and its archives have all of it, else put it aside.

        It is a text that was never put in place, or the old text with what others wrote at that moment.
        """
        left = LogView.of_bytes(self.channel, self._files.leftover(temp))
        known = self.archives.known_since(0)
        known.add(eventlog.spans_of(content(self.path) or b""))
        known.add(eventlog.spans_of(content(path) or b""))
        lost = any(known.lacks(span) and not known.has_begun(span) for span in _sound(left))
        if lost and os.path.lexists(path):
            self._files.keep(temp, path)
        else:
            self._files.discard(temp)


def _sound(view: LogView) -> Iterator[Span]:
    """The blocks of a log without what an unfinished append left at its end."""
    for span in view.spans():
        length = eventlog.torn_from(span) if span.final else len(span.data)
        if length:
            yield span._replace(data=span.data[:length])


def content(path: str) -> bytes | None:
    """All of a file; None when there is none. Unlike a document, a log may have any size."""
    try:
        with viewing("", path) as view:
            return view.whole()
    except FileNotFoundError:
        return None
