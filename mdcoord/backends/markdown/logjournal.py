"""The last events that were appended to a log, kept a second time beside its lock.

An editor that was opened before an append and saves after it takes the event away again, although it was
acknowledged. The next append or rotation sees that the newest event is gone and brings back what is missing.
So an event cannot be taken out of the end of a log by hand; a log that was removed or emptied begins anew.

The journal is unsynced: after a power cut its end may be missing, and with it this safety for some events.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Final

from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.logarchive import Archives
from mdcoord.backends.markdown.logview import LogView, end_of, viewing
from mdcoord.errors import MdcoordError
from mdcoord.formats import eventlog
from mdcoord.formats.eventlog import Span

_BEGIN: Final = b"\n" + eventlog.HEADING
_FULL: Final = 256 * 1024
_GLANCE: Final = 1024
_NEAR: Final = 64


class Journal:
    """The newest blocks of one channel, at most 256 KiB of them. Writers hold the lock of the log."""

    def __init__(self, files: FileIO, channel: str) -> None:
        self._files = files
        self._channel = channel
        self._path = os.path.join(files.state, "history", f"log-{channel}")

    def note(self, block: bytes) -> None:
        """Remember a block that was appended to the log. A failure is no failure of that append."""
        try:
            if self._files.append(self._path, b"\n" + block, sync=False) > _FULL:
                text = end_of(self._path, _FULL // 2)
                self._files.replace(self._path, text[text.find(_BEGIN) :], sync=False)
        except MdcoordError:
            pass

    def clear(self) -> None:
        """Forget everything: the log begins anew. A failure is no failure of what follows."""
        try:
            self._files.discard(self._path)
        except MdcoordError:
            pass

    def lost(self, view: LogView, archives: Archives) -> list[bytes]:
        """The blocks that somebody's save took out of the end of a log, oldest first. Nearly always none.

        That is what is newer than the newest event that is still there.
        """
        newest = self._newest()
        if not newest or view.end(len(newest)) == newest:
            return []
        name = eventlog.identity_in(Span(0, newest, True))
        if name in {eventlog.identity_in(span) for span in islice(view.backwards(), _NEAR)}:
            return []
        spans = self._spans()
        lost = list(takewhile(lambda span: not _is_in(view, span), reversed(spans)))
        if len(lost) == len(spans):
            archived = archives.identities_before(view.rotated)
            lost = list(takewhile(lambda span: eventlog.identity_in(span) not in archived, lost))
        return [span.data for span in reversed(lost)]

    def survivors(self, event_id: str, view: LogView) -> Iterator[int]:
        """Where the events that were appended before this one start in a log, the newest first."""
        spans = self._spans()
        names = [eventlog.identity_in(span) for span in spans]
        if event_id in names:
            for name in reversed(names[: names.index(event_id)]):
                place = view.search(name) if name else None
                if place is not None:
                    yield place

    def _newest(self) -> bytes:
        """The block at the end of the journal; nothing where there is none."""
        for width in (_GLANCE, 2 * _FULL):
            text = end_of(self._path, width)
            begin = text.rfind(_BEGIN) + 1
            if begin:
                return text[begin:]
        return b""

    def _spans(self) -> list[Span]:
        try:
            with viewing(self._channel, self._path) as view:
                spans = list(view.spans())
        except FileNotFoundError:
            return []
        return [span for span in spans if eventlog.identity_in(span) is not None]


def _is_in(view: LogView, span: Span) -> bool:
    name = eventlog.identity_in(span)
    return name is not None and view.search(name) is not None
